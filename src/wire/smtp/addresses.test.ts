import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parsePath } from './addresses.ts';

test('one plain mailbox is read, its domain in small letters, its local part as written', () => {
  for (const [text, local, domain] of [
    ['ada@id.example.org', 'ada', 'id.example.org'],
    ['Ada.Lovelace+jira@ID.Example.ORG', 'Ada.Lovelace+jira', 'id.example.org'],
    [
      'SRS0=ABCDEFGH=2W=other.example=test@id.example.org',
      'SRS0=ABCDEFGH=2W=other.example=test',
      'id.example.org',
    ],
    ["o'neil{x}#1@a.b", "o'neil{x}#1", 'a.b'],
    ['root@localhost', 'root', 'localhost'],
    ['x@xn--bcher-kva.example', 'x', 'xn--bcher-kva.example'],
  ])
    assert.deepEqual(parsePath(text!), { local, domain }, text);
});

test('SM-01 what programs could read in two ways is nobody', () => {
  for (const text of [
    '',
    '@',
    'ada',
    'ada@',
    '@id.example.org',
    'a@evil.example@id.example.org',
    'a@id.example.org@evil.example',
    '"a"@id.example.org',
    '"a@evil.example"@id.example.org',
    '"a b"@id.example.org',
    'a\\@evil.example@id.example.org',
    '@relay.example:a@id.example.org',
    '@one.example,@two.example:a@id.example.org',
    'a%evil.example@id.example.org',
    'evil.example!a@id.example.org',
    'a@[127.0.0.1]',
    'a@[IPv6:::1]',
    'a@#127',
    'a@127.0.0.1',
    'a@1.2',
    '<a@id.example.org>',
    'Ada <a@id.example.org>',
    'a@id.example.org,b@id.example.org',
    'a;b@id.example.org',
    'a(x)@id.example.org',
    'a@id.example.org.',
    'a@.example.org',
    'a@id..example.org',
    'a@-id.example.org',
    'a@id-.example.org',
    'a@id_x.example.org',
    '.a@id.example.org',
    'a.@id.example.org',
    'a..b@id.example.org',
    ' a@id.example.org',
    'a@id.example.org ',
    'a b@id.example.org',
    'a\r\n@id.example.org',
    'a@id.example.org\r\nRCPT TO:<b@evil.example>',
    'a\0@id.example.org',
    'a\x7f@id.example.org',
    'jürgen@id.example.org',
    'a@bücher.example',
    'a@id\u2024example.org',
    '\u212Aa@id.example.org',
    'a@id.example.\u212A',
    `${'a'.repeat(65)}@id.example.org`,
    `a@${'a'.repeat(64)}.example.org`,
    `a@${'a.'.repeat(130)}org`,
  ])
    assert.equal(parsePath(text), undefined, JSON.stringify(text));
});

test('whatever is read holds one @, printable ASCII only, and reads the same again', () => {
  const seasoned = fc.stringMatching(/^[a-z@."%!<>:,[\]\\ \r\n=+-]{0,40}$/);
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.emailAddress(), seasoned), (text) => {
      const path = parsePath(text);
      if (!path) return;
      const again = `${path.local}@${path.domain}`;
      assert.match(again, /^[!-?A-~]+@[a-z0-9.-]+$/);
      assert.equal(again.split('@').length, 2);
      assert.deepEqual(parsePath(again), path);
    }),
    { numRuns: 2000 },
  );
});
