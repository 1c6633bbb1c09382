import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pageAssets, styleSheet } from './assets.ts';
import { checkboxes, codeField, field, passwordField } from './fields.ts';
import { html } from './html.ts';
import { personPage } from './layout.ts';
import { errorSummary, keyValues, relativeTime, table, tiles, time } from './parts.ts';
import { specimenPage, specimens } from './specimen.ts';

const locale = 'en';
const hostile = '"><script>alert(1)</script>';

test('a field ties its help and its error to its input', () => {
  const out = String(
    field({ name: 'city', label: 'City', locale, help: 'Where you live', error: 'Write a city.' }),
  );
  assert.match(out, /<label for="city">City<\/label>/);
  assert.match(out, /aria-describedby="city-help city-error" aria-invalid="true"/);
  assert.match(out, /id="city-help">Where you live/);
  assert.match(out, /id="city-error">.*Write a city\./);
  assert.match(String(field({ name: 'a', label: 'A', locale, required: false })), /optional/);
});

test('a password is never sent back, a code field takes what phones offer', () => {
  const password = String(
    passwordField({ name: 'password', label: 'Password', locale, autocomplete: 'current-password' }),
  );
  assert.doesNotMatch(password, / value=/);
  assert.match(password, /autocomplete="current-password"/);
  assert.match(password, /<button[^>]* hidden/, 'the toggle waits for its script');
  assert.match(
    String(codeField({ label: 'Code', locale })),
    /id="code" name="code".*inputmode="numeric" autocomplete="one-time-code"/,
  );
});

test('FE-04 no part lets text out as markup', () => {
  const frame = {
    look: { communityName: hostile, links: [{ title: hostile, url: hostile }], announcement: hostile },
    title: hostile,
    nonce: 'n',
    locale,
  };
  const account = {
    displayName: hostile,
    username: hostile,
    signOutUrl: '/sign-out',
    switchUrl: '/switch',
    token: html``,
  };
  const body = html`${field({ name: 'x', label: hostile, locale, value: hostile, help: hostile, error: hostile })}${tiles([{ title: hostile, url: hostile, text: hostile }])}${keyValues({ locale, rows: [{ key: hostile, value: hostile, copy: true }] })}${checkboxes({ name: 'g', legend: hostile, options: [{ value: hostile, label: hostile }] })}${errorSummary({ errors: { x: hostile }, locale })}${table({ caption: hostile, columns: [{ title: hostile, cell: () => hostile }], rows: [1], empty: html`` })}`;
  const page = String(personPage({ ...frame, account, body }));
  assert.equal(page.includes('<script>alert'), false);
  assert.equal(page.split('<script').length - 1, 1, 'only our own script');
});

test('no page needs an inline style or handler', () => {
  for (const name of specimens()) {
    const page = String(specimenPage(name, { accent: '#0a7' }));
    assert.doesNotMatch(page, / style=| on[a-z]+=|javascript:/, name);
    for (const [, id] of page.matchAll(/ (?:for|aria-controls)="([^"]+)"/g))
      assert.ok(page.includes(` id="${id}"`), `${name}: ${id}`);
    const ids = [...page.matchAll(/ id="([^"]+)"/g)].map((found) => found[1]);
    assert.equal(new Set(ids).size, ids.length, `${name}: an id comes twice`);
  }
});

test('the way out is on every page of somebody signed in, and on no other', () => {
  for (const name of specimens()) {
    const page = String(specimenPage(name));
    const signedIn = !name.startsWith('sign-in') && name !== 'code';
    assert.equal(/<form method="post" action="\/sign-out">.*id="sign-out"/.test(page), signedIn, name);
    assert.equal(page.includes('id="switch-account"'), signedIn, name);
    assert.match(page, /<a class="skip/);
  }
});

test('the sign-in page weighs half of the 30 KB it may, with everything it loads, packed', () => {
  const page = Buffer.byteLength(String(specimenPage('sign-in', { accent: '#0a7' })));
  // A browser says what it can read packed; pages-use.test.ts weighs what really comes over the wire.
  const loaded = pageAssets.filter(({ url }) =>
    /(?:style\.css|enhance\.js|passkeys\.js|icon\.svg)$/.test(url),
  );
  assert.equal(loaded.length, 4);
  const all = page + loaded.reduce((sum, asset) => sum + asset.brotli.length, 0);
  assert.ok(all <= 15_000, `${all} bytes`);
  assert.ok(styleSheet.brotli.length <= 6_000, `${styleSheet.brotli.length} bytes of styles on the wire`);
});

test('times: in words, exact in the source', () => {
  const now = new Date('2026-11-22T12:00:00Z');
  const at = (text: string) => relativeTime(new Date(text), now, locale);
  assert.deepEqual(
    [
      at('2026-11-22T11:59:40Z'),
      at('2026-11-22T11:00:00Z'),
      at('2026-11-21T12:00:00Z'),
      at('2026-11-25T12:00:00Z'),
      at('2016-11-22T12:00:00Z'),
    ],
    ['just now', '1 hour ago', 'yesterday', 'in 3 days', '10 years ago'],
  );
  const exact = 'title="November 22, 2026 at 12:00:00 PM UTC">just now</time>';
  const shown = String(time({ at: now, now, locale })).replaceAll('\u202f', ' ');
  assert.equal(shown, `<time datetime="2026-11-22T12:00:00.000Z" ${exact}`);
});
