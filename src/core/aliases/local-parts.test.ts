import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseAddress } from '#core/people/names.ts';
import { newId } from '#kit/crypto/ids.ts';
import { isKeptLocalPart, numbered, stemFor } from './local-parts.ts';

const id = '0192f000-0000-7000-8000-000000000001';

test('a user name becomes the local part one would expect', () => {
  const expected: Record<string, string> = {
    jane: 'jane',
    'Jane.Doe': 'jane.doe',
    'jürgen łukasz': 'jurgen-lukasz',
    ＪＡＮＥ: 'jane',
    'jane@gmail.com': 'jane',
    'jane+spam': 'jane-spam',
    '..jane..doe..': 'jane.doe',
    '-_jane_-': 'jane',
    "o'brien": 'o-brien',
    'a"b c': 'a-b-c',
    Straße: 'strasse',
    ['x'.repeat(200)]: 'x'.repeat(56),
  };
  for (const [name, stem] of Object.entries(expected)) assert.equal(stemFor(name, id), stem, name);
});

test('names of roles, and those by which certificate authorities have a domain proved, are nobody\u2019s mailbox', () => {
  const rfc2142 =
    'info marketing sales support abuse noc security postmaster hostmaster usenet news webmaster www uucp ftp';
  const proof = 'admin administrator hostmaster postmaster webmaster ssladmin root mailer-daemon';
  for (const name of [...rfc2142.split(' '), ...proof.split(' ')]) {
    for (const written of [name, name.toUpperCase(), ` ${name} `, `.${name}.`, `${name}@x`, `${name}..`]) {
      assert.match(stemFor(written, id), /^member-[a-z2-9]{6}$/, written);
    }
    const split = `${name.slice(0, 2)}.${name.slice(2)}`;
    assert.match(stemFor(split, id), /^member-/, split);
  }
  for (const name of ['山田', '', '@', '...', '"', '\u0000'])
    assert.match(stemFor(name, id), /^member-/, name);
  assert.equal(stemFor('山田', id), stemFor('佐藤', id), 'the same person, the same letters');
  assert.notEqual(stemFor('山田', id), stemFor('山田', newId()));
});

test('whatever the name, the address is a sound one that every mail system takes', () => {
  const anyName = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.string({ unit: 'grapheme', maxLength: 80 }),
    fc.string({ maxLength: 80 }),
  );
  fc.assert(
    fc.property(anyName, fc.integer({ min: 1, max: 999_999 }), (name, number) => {
      const stem = stemFor(name, id);
      const local = numbered(stem, number);
      assert.match(local, /^[a-z0-9](?:[a-z0-9]|[._-](?=[a-z0-9]))*$/);
      assert.ok(local.length <= 64);
      assert.ok(!isKeptLocalPart(local));
      assert.equal(parseAddress(`${local}@members.example.org`).address, `${local}@members.example.org`);
      assert.equal(stemFor(stem, id), stem, 'the rule has nothing left to do');
    }),
    { numRuns: 5_000 },
  );
});
