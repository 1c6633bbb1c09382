/**
 * Rebuilds the reference pages from the source: settings, the community file, refusals, events, connectors. `node tools/docs.ts` writes them,
 * `node tools/docs.ts --check` ends with status 1 when one differs from what stands in docs/.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pages } from './docs-pages.ts';

/** The pages that are missing or differ, by path below docs/. */
export function outdated(folder: string): string[] {
  return Object.entries(pages())
    .filter(([name, text]) => {
      const file = path.join(folder, name);
      return !existsSync(file) || readFileSync(file, 'utf8') !== text;
    })
    .map(([name]) => name);
}

export function writePages(folder: string): string[] {
  const changed = outdated(folder);
  const texts = pages();
  mkdirSync(folder, { recursive: true });
  for (const name of changed) writeFileSync(path.join(folder, name), texts[name]!);
  return changed;
}

if (import.meta.main) {
  const folder = path.join(import.meta.dirname, '..', 'docs');
  if (process.argv.includes('--check')) {
    const names = outdated(folder);
    for (const name of names) console.log(`docs/${name} differs from the source. Run \`npm run docs\`.`);
    process.exitCode = names.length > 0 ? 1 : 0;
  } else {
    const names = writePages(folder);
    console.log(
      names.length > 0 ? `Written: ${names.map((name) => `docs/${name}`).join(', ')}` : 'Up to date.',
    );
  }
}
