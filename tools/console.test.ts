import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { ensureConsole } from './console.ts';
import { isCurrent, typeOf } from './console-api.ts';
import { consoleCache, consoleSources, isConsoleBuilt } from './console-stamp.mjs';

const root = path.join(import.meta.dirname, '..');

test('the console is built once, again when a source changed, and looking costs nothing', async (t) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'gatehouse-console-'));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(path.join(folder, 'node_modules'));
  for (const name of ['preact', 'preact-iso', 'uplot'])
    symlinkSync(path.join(root, 'node_modules', name), path.join(folder, 'node_modules', name));
  for (const name of ['package.json', 'tools/console.ts', consoleSources])
    cpSync(path.join(root, name), path.join(folder, name), { recursive: true });
  assert.equal(isConsoleBuilt(folder), false);
  assert.equal(await ensureConsole(folder), true);
  const script = () => readFileSync(path.join(folder, consoleCache, 'console.js'), 'utf8');
  assert.ok(existsSync(path.join(folder, consoleCache, 'console.css')));
  const began = performance.now();
  assert.equal(await ensureConsole(folder), false);
  assert.ok(performance.now() - began < 200, 'a look at the sources');
  const words = path.join(folder, consoleSources, 'words.ts');
  writeFileSync(
    words,
    readFileSync(words, 'utf8').replace("overview: 'Overview'", "overview: 'Overview of all'"),
  );
  assert.equal(await ensureConsole(folder), true);
  assert.match(script(), /Overview of all/);
});

test('the console calls the API that there is', async () => {
  assert.ok(await isCurrent(), 'run `node tools/console-api.ts`');
});

test('shapes of the API become types', () => {
  assert.equal(typeOf({ enum: ['a', 'b'] }), '"a" | "b"');
  assert.equal(typeOf({ type: 'array', items: { type: 'integer' } }), '(number)[]');
  assert.equal(
    typeOf({ type: 'object', properties: { a: { type: 'string' }, b: {} }, required: ['a'] }),
    '{ "a": string; "b"?: unknown }',
  );
  assert.equal(
    typeOf({ type: 'object', additionalProperties: { type: 'boolean' } }),
    'Record<string, boolean>',
  );
  assert.equal(typeOf({ anyOf: [{ type: 'string' }, { type: 'null' }] }), 'string | null');
});
