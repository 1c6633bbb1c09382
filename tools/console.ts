/**
 * Builds the operators' console for the browser: `src/consoles/admin/web` becomes one script and one style sheet.
 *
 *   node tools/console.ts [--to folder]
 *
 * A checkout keeps them below node_modules/.cache, beside the hash of what they were made from: `npm start` builds when
 * that changed, and tests do. The published package carries them in dist and needs no build.
 */
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { consoleCache, consoleSources, consoleStamp, isConsoleBuilt } from './console-stamp.mjs';

const checkout = path.dirname(import.meta.dirname);

/** Builds into a folder, whatever is there. @returns the sizes of both files in bytes */
export async function buildConsole(to: string, root = checkout): Promise<{ script: number; style: number }> {
  const { build } = await import('vite');
  const from = path.join(root, consoleSources);
  mkdirSync(to, { recursive: true });
  const unfinished = mkdtempSync(`${to}/.unfinished-`);
  try {
    await build({
      root: from,
      configFile: false,
      envFile: false,
      publicDir: false,
      logLevel: 'error',
      oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
      build: {
        outDir: unfinished,
        target: 'es2022',
        modulePreload: false,
        reportCompressedSize: false,
        cssCodeSplit: false,
        // A style sheet of one file, and no image put into it: the page's policy lets images of ours and data: in.
        assetsInlineLimit: 0,
        rolldownOptions: {
          input: path.join(from, 'console.tsx'),
          output: {
            format: 'iife',
            entryFileNames: 'console.js',
            assetFileNames: 'console[extname]',
          },
        },
      },
    });
    const size = (name: string) => readFileSync(path.join(unfinished, name)).length;
    const made = { script: size('console.js'), style: size('console.css') };
    for (const name of ['console.js', 'console.css'])
      renameSync(path.join(unfinished, name), path.join(to, name));
    return made;
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

/** Builds into the cache of the checkout unless what is there is made from the same. @returns whether it built */
export async function ensureConsole(root = checkout): Promise<boolean> {
  if (isConsoleBuilt(root)) return false;
  const stamp = consoleStamp(root);
  const to = path.join(root, consoleCache);
  await buildConsole(to, root);
  writeFileSync(path.join(to, 'stamp'), stamp);
  return true;
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { to: { type: 'string' } } });
  if (values.to) {
    const { script, style } = await buildConsole(path.resolve(values.to));
    process.stdout.write(`console: ${script + style} bytes\n`);
  } else {
    const built = await ensureConsole();
    process.stdout.write(built ? 'The console is built.\n' : 'The console is up to date.\n');
  }
}
