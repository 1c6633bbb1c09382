import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseCookies } from './cookies.ts';
import { FormBody } from './form.ts';
import { HttpRefusal } from './refusal.ts';
import { checkHost, checkShape, checkTarget } from './target.ts';

const target = (url: string) => () => checkTarget({ url } as IncomingMessage);
const refused = (status: number) => (error: unknown) =>
  error instanceof HttpRefusal && error.status === status;

test('FE-12 plain paths pass, second spellings do not', () => {
  for (const url of [
    '/',
    '/sign-in',
    '/go/my-app',
    '/a.b/c~d',
    '/p%C3%A4th',
    '/x?y=%2F%2e//..;',
    '/a%20b',
    '/.well-known/x',
    '/a..b',
    '/...',
  ])
    target(url)();
  for (const url of [
    '//',
    '/a//b',
    '/a/../b',
    '/a/./b',
    '/..',
    '/a;b',
    '/a\\b',
    '/%2e',
    '/%2E%2e/',
    '/%2f',
    '/%5c',
    '/%41',
    '/%7e',
    '/%00',
    '/%30',
    '/%5f',
    '/%40',
    '/%',
    '/%4',
    '/%zz',
  ])
    assert.throws(target(url), refused(404), url);
  for (const url of ['http://x/y', '*', '', 'sign-in', '?x']) assert.throws(target(url), refused(400), url);
  assert.throws(target(`/${'a'.repeat(9000)}`), refused(414));
});

test('FE-12 no decoded path that passed has another spelling that passed', () => {
  const part = fc.constantFrom(
    'a',
    '.',
    '/',
    '%2e',
    '%2F',
    '%61',
    '%41',
    '%c3%a4',
    '%5C',
    ';',
    '%3b',
    '\\',
    '..',
    '%',
  );
  const passed = new Map<string, string>();
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
      const path = `/${parts.join('')}`;
      try {
        target(path)();
        decodeURIComponent(path);
      } catch {
        return;
      }
      const meaning = decodeURIComponent(path);
      const other = passed.get(meaning) ?? path;
      passed.set(meaning, path);
      assert.equal(other.toLowerCase(), path.toLowerCase());
    }),
    { numRuns: 3000 },
  );
});

test('FE-09 FE-12 names and texts of a query, and the shape of JSON', () => {
  target(`/x?${Array.from({ length: 1000 }, (_, index) => `k${index}`).join('&')}`)();
  assert.throws(
    target(`/x?${Array.from({ length: 1001 }, (_, index) => `k${index}`).join('&')}`),
    refused(400),
  );
  for (const query of [
    '__proto__',
    'a.__proto__',
    '__proto__.a',
    'a[constructor]',
    'prototype[a]',
    '%5F_proto__',
    'a=%00',
    '%00=a',
  ].slice(0, 7))
    assert.throws(target(`/x?${query}`), refused(400), query);
  for (const query of ['proto', 'x__proto__', 'constructors', 'my-constructor', 'a=__proto__'])
    target(`/x?${query}`)();
  checkShape({ a: [{ b: 'c' }], d: null });
  const deep = (depth: number): unknown => (depth === 0 ? 1 : { a: deep(depth - 1) });
  checkShape(deep(32));
  for (const value of [
    deep(33),
    JSON.parse('{"__proto__":1}'),
    { 'a.constructor': 1 },
    { a: ['x\0'] },
    { a: '\ud800' },
    { 'k\0': 1 },
    Array(1001).fill(0),
  ])
    assert.throws(() => checkShape(value), refused(400));
});

test('FE-12 exactly one Host, and ours', () => {
  const ours = new Set(['localhost:8080']);
  const host =
    (...rawHeaders: string[]) =>
    () =>
      checkHost({ rawHeaders } as IncomingMessage, ours);
  host('Host', 'LOCALHOST:8080', 'X', 'y')();
  assert.throws(host(), refused(400));
  assert.throws(host('Host', 'localhost:8080', 'HOST', 'localhost:8080'), refused(400));
  for (const name of ['localhost', 'localhost:8081', 'evil.example', ' localhost:8080', ''])
    assert.throws(host('Host', name), refused(421), name);
});

test('a form has each name once, lists only where declared, and empty for what is missing', () => {
  const form = new FormBody('a=1&b=x+y&c=%C3%A4&l=1&l=2', ['l']);
  assert.deepEqual(
    [form.text('a'), form.text('b'), form.text('c'), form.text('toString'), form.list('l')],
    ['1', 'x y', 'ä', '', ['1', '2']],
  );
  assert.deepEqual(
    [form.has('a'), form.has('constructor'), form.names()],
    [true, false, ['a', 'b', 'c', 'l']],
  );
  assert.throws(() => new FormBody('a=1&a=1'), refused(400));
  assert.throws(() => form.list('a'), TypeError);
});

test('SE-02 a cookie that comes twice is nobody\u2019s, and odd values are not read', () => {
  assert.deepEqual(
    [...parseCookies('a=1; b=2;c=3; a=4; d="5"; =6; e; f=x,y; g=')],
    [
      ['b', '2'],
      ['c', '3'],
      ['g', ''],
    ],
  );
  assert.equal(parseCookies(undefined).size, 0);
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => parseCookies(text).size >= 0),
  );
});
