import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { html } from './html.ts';
import { addLocale, chooseLocale, defineWords, directionOf, loadLocales, wishedLocale } from './words.ts';

const words = defineWords('words-test', {
  greet: "Hello {name}, it's you",
  left: '{count, plural, one {# try left} other {# tries left}}',
  terms: 'Read {link} first',
  plain: 'Sign in',
});
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-words-'));
after(() => rmSync(folder, { recursive: true, force: true }));

test('English: placeholders, plurals, apostrophes', () => {
  const say = words('en');
  assert.equal(say('greet', { name: '<Ada>' }), "Hello <Ada>, it's you");
  assert.equal(say('left', { count: 1 }), '1 try left');
  assert.equal(say('left', { count: 2 }), '2 tries left');
});

test('FE-04 markup stands in a sentence, text in it stays text', () => {
  const say = words('en');
  assert.equal(
    String(say.html('terms', { link: html`<a href="/terms">terms</a>` })),
    'Read <a href="/terms">terms</a> first',
  );
  assert.equal(String(say.html('greet', { name: '<b>' })), 'Hello &lt;b&gt;, it&#39;s you');
});

test('a language file: used where it is whole, English where it is not', () => {
  const texts = {
    'words-test': {
      plain: 'Anmelden',
      left: '{count, plural, one {noch # Versuch} other {noch # Versuche}}',
      greet: 'Hallo {nam}',
      terms: '{broken',
    },
  };
  writeFileSync(join(folder, 'de.json'), JSON.stringify(texts));
  writeFileSync(join(folder, 'README.md'), 'not a language');
  assert.deepEqual(loadLocales(folder), ['en', 'de']);
  const say = words('de');
  assert.equal(say('plain'), 'Anmelden');
  assert.equal(say('left', { count: 3 }), 'noch 3 Versuche');
  assert.equal(say('greet', { name: 'Ada' }), "Hello Ada, it's you");
  assert.equal(String(say.html('terms', { link: 'x' })), 'Read x first');
  assert.equal(words('fr')('plain'), 'Sign in');
  assert.deepEqual(loadLocales(join(folder, 'nowhere')), []);
});

test('a language added again replaces what it said', () => {
  addLocale('fi', { 'words-test': { plain: 'Kirjaudu' } });
  assert.equal(words('fi')('plain'), 'Kirjaudu');
  addLocale('fi', { 'words-test': { plain: 'Kirjaudu sisään' } });
  assert.equal(words('fi')('plain'), 'Kirjaudu sisään');
});

test('a language is chosen from what there is (RFC 9110 12.5.4), also from ui_locales', () => {
  const available = ['en', 'de', 'pt-BR', 'ar'];
  const cases: [string | undefined, string][] = [
    [undefined, 'en'],
    ['', 'en'],
    ['de-AT,de;q=0.9,en;q=0.8', 'de'],
    ['fr;q=0.9, de;q=0.5, en;q=0.4', 'de'],
    ['en;q=0.1, ar', 'ar'],
    ['de;q=0, en', 'en'],
    ['pt-BR', 'pt-BR'],
    ['fr de en', 'de'],
    ['<script>, ../../etc', 'en'],
    [`${'x-'.repeat(5000)}de`, 'en'],
  ];
  for (const [wanted, expected] of cases)
    assert.equal(chooseLocale(wanted, available), expected, String(wanted).slice(0, 40));
});

test('what a browser asks for first is kept as a tag, whether anything is written in it or not', () => {
  const cases: [string | undefined, string | undefined][] = [
    [undefined, undefined],
    ['', undefined],
    ['*', undefined],
    ['de-at,de;q=0.9', 'de-AT'],
    ['en;q=0.1, fr-FR', 'fr-FR'],
    ['zh-hant-tw', 'zh-Hant-TW'],
    ['<script>, ../../etc, es', 'es'],
    ['de;q=0', undefined],
    [`${'x-'.repeat(5000)}de`, undefined],
    ['aaaaaaaaaaaaaaaa', undefined],
  ];
  for (const [wanted, expected] of cases) assert.equal(wishedLocale(wanted), expected, wanted?.slice(0, 40));
});

test('direction by script', () => {
  assert.deepEqual(['en', 'ar', 'he', 'fa', 'uz-Arab', 'de'].map(directionOf), [
    'ltr',
    'rtl',
    'rtl',
    'rtl',
    'rtl',
    'ltr',
  ]);
});

test('words are declared once', () => {
  assert.throws(() => defineWords('words-test', { a: 'b' }), /twice/);
});
