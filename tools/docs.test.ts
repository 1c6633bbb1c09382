import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { settings } from '../src/config/settings.ts';
import { catalogue } from '../src/core/events/catalogue.ts';
import { problems } from '../src/core/problem.ts';
import { outdated, writePages } from './docs.ts';
import { pages } from './docs-pages.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'gatehouse-docs-'));
after(() => rmSync(folder, { recursive: true }));

test('the generated pages in docs/ are those of the source', () => {
  assert.deepEqual(outdated(path.join(import.meta.dirname, '../docs')), [], 'run npm run docs');
});

test('a page that is missing or was changed by hand is found and mended', () => {
  const all = Object.keys(pages());
  assert.deepEqual(outdated(folder), all);
  assert.deepEqual(writePages(folder), all);
  assert.deepEqual(outdated(folder), []);
  appendFileSync(path.join(folder, 'errors.md'), 'changed');
  assert.deepEqual(outdated(folder), ['errors.md']);
});

test('every setting, refusal and event has its place', () => {
  const texts = pages();
  for (const { env } of Object.values(settings))
    assert.ok(texts['configuration.md']?.includes(`\`${env}\``), env);
  for (const code of Object.keys(problems)) assert.ok(texts['errors.md']?.includes(`| \`${code}\` |`), code);
  for (const type of Object.keys(catalogue)) assert.ok(texts['events.md']?.includes(`| \`${type}\` |`), type);
});
