/**
 * Makes dist/, what the published package runs: every source file with its types stripped, so that a line in dist is
 * the same line in src, and the built console. See docs/decisions/0002-build-by-stripping.md.
 *
 *   node tools/build.ts [--from src] [--to dist]
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildConsole } from './console.ts';

/** `from './x.ts'`, `import './x.ts'`, `import('./x.ts')`, `new URL('./x.ts', …)`, and the same with '#…'. */
const specifier = /(\bfrom\s*|\bimport\s*\(?\s*|\bnew URL\(\s*)(['"])((?:\.{1,2}\/|#)[^'"\n]+)\.ts\2/g;

/** Gives relative and `#` specifiers the ending that their files have in dist. */
export function rewriteSpecifiers(code: string): string {
  return code.replace(specifier, '$1$2$3.js$2');
}

/**
 * Builds `from` into `to`, which is replaced as a whole.
 * @returns how many modules and how many other files were written
 */
export function build(from: string, to: string): { modules: number; assets: number } {
  const unfinished = `${to}.${process.pid}`;
  rmSync(unfinished, { recursive: true, force: true });
  const made = { modules: 0, assets: 0 };
  for (const entry of readdirSync(from, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name.endsWith('.test.ts') || entry.name.endsWith('.d.ts')) continue;
    const source = path.join(entry.parentPath, entry.name);
    // What runs in the browser is built, not stripped.
    if (path.relative(from, source).startsWith(forBrowsers)) continue;
    const target = path.join(unfinished, path.relative(from, source));
    mkdirSync(path.dirname(target), { recursive: true });
    if (entry.name.endsWith('.ts')) {
      const code = stripTypeScriptTypes(readFileSync(source, 'utf8'), { mode: 'strip' });
      // Stripping leaves blanks where types stood: lines and columns stay true, ends of lines need not.
      writeFileSync(target.replace(/\.ts$/, '.js'), rewriteSpecifiers(code).replace(/[ \t]+$/gm, ''));
      made.modules++;
    } else {
      cpSync(source, target);
      made.assets++;
    }
  }
  mkdirSync(unfinished, { recursive: true });
  writeFileSync(path.join(unfinished, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
  rmSync(to, { recursive: true, force: true });
  renameSync(unfinished, to);
  return made;
}

const forBrowsers = path.join('consoles', 'admin', 'web') + path.sep;

/** Nearest to the files of dist, so that their `#core/…` is looked up here and not in the package above. */
const manifest = { type: 'module', imports: { '#*': './*' } };

if (import.meta.main) {
  const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
  const { values } = parseArgs({
    options: { from: { type: 'string', default: 'src' }, to: { type: 'string', default: 'dist' } },
  });
  process.removeAllListeners('warning');
  const to = path.resolve(root, values.to);
  const { modules, assets } = build(path.resolve(root, values.from), to);
  const { script, style } = await buildConsole(path.join(to, forBrowsers));
  process.stdout.write(
    `dist: ${modules} modules, ${assets} other files, the console in ${script + style} bytes\n`,
  );
}
