/**
 * What the built console was made from, as one hash: its sources, its build and the versions of its packages. Plain
 * JavaScript, so that the step before everything can compare it on any Node without starting another.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** Where the sources stand, below the checkout. */
export const consoleSources = 'src/consoles/admin/web';

/** Where a checkout keeps what was built. */
export const consoleCache = 'node_modules/.cache/gatehouse-console';

/** @param {string} root the checkout */
export function consoleStamp(root) {
  const hash = createHash('sha256');
  const folder = path.join(root, consoleSources);
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(tsx?|css)$/.test(name))
    .sort();
  for (const name of names) hash.update(`${name}\0`).update(readFileSync(path.join(folder, name)));
  hash.update(readFileSync(path.join(root, 'tools/console.ts')));
  const { devDependencies = {} } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  for (const name of ['vite', 'preact', 'preact-iso', 'uplot'])
    hash.update(`${name} ${devDependencies[name]}\0`);
  return hash.digest('hex');
}

/** @param {string} root the checkout */
export function isConsoleBuilt(root) {
  const file = path.join(root, consoleCache, 'stamp');
  return existsSync(file) && readFileSync(file, 'utf8') === consoleStamp(root);
}
