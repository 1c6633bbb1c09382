import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { settings } from '../src/config/settings.ts';
import { catalogue } from '../src/core/events/catalogue.ts';
import { problems } from '../src/core/problem.ts';
import { outdated, writePages } from './docs.ts';
import { forms } from './docs-community.ts';
import { connectors } from './docs-connectors.ts';
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

test('every key of the community file says what it is', () => {
  const [, ...sections] = pages()['community-file.md']!.split(/^## /m);
  const keys = sections.flatMap((section) =>
    [...section.matchAll(/^\| `([^`]+)` \|.*\| (.*)\|$/gm)].map(([, key, text]) => ({
      key: `${section.slice(1, section.indexOf('`', 1))}: ${key}`,
      text: text!.trim(),
    })),
  );
  assert.ok(keys.length > 200, 'the rows of the page are read');
  const bare = keys.filter(({ text }) => text === '').map(({ key }) => key);
  assert.deepEqual(bare, [], 'give each of these a .describe(...) where its schema stands');
});

test('every form of a text that has words of its own is one the community file uses', () => {
  const page = pages()['community-file.md']!;
  assert.deepEqual(
    Object.entries(forms).filter(([, words]) => !page.includes(words)),
    [],
  );
});

test('every connector of the house has its section, with each attribute and fact', () => {
  const page = pages()['connectors.md']!;
  const source = path.join(import.meta.dirname, '../src/connectors');
  const fronts = readdirSync(source, { recursive: true, encoding: 'utf8' })
    .filter((name) => path.basename(name, '.ts') === path.basename(path.dirname(name)))
    .flatMap((name) =>
      [...readFileSync(path.join(source, name), 'utf8').matchAll(/^export const \w+Connector\b/gm)].map(
        ([one]) => one,
      ),
    );
  assert.equal(connectors.length, fronts.length, 'each exported connector stands in src/connectors.ts');
  for (const connector of connectors) {
    assert.ok(page.includes(`## \`${connector.name}\``), connector.name);
    for (const { name } of connector.attributes) assert.ok(page.includes(`| \`${name}\``), name);
    for (const [name, { source: place }] of Object.entries(connector.profile.facts))
      assert.ok(page.includes(`| \`${name}\``) && page.includes(place), name);
  }
});
