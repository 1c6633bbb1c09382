import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { createHasher } from '#kit/crypto/passwords.ts';
import {
  identifyHash,
  isWrapped,
  preimage,
  type Stretcher,
  verifyLegacy,
  verifyWrapped,
  wrapLegacy,
} from './hashes.ts';
import { foreign, vectors } from './vectors.ts';

/** A stand-in for argon2id that is fast; what matters here is which text reaches it. */
function plainStretcher(): Stretcher & { calls: number } {
  const of = (text: string) => '$argon2id$test$' + createHash('sha256').update(text).digest('hex');
  return {
    calls: 0,
    async hash(text) {
      return of(text);
    },
    async verify(phc, text) {
      this.calls += 1;
      return phc === of(text);
    },
  };
}

test('a wrapped hash verifies the same passwords and holds no digest of the old one', async () => {
  for (const { password, stored } of vectors) {
    const hasher = plainStretcher();
    const wrapped = (await wrapLegacy(stored, hasher))!;
    assert.ok(isWrapped(wrapped) && !isWrapped(stored));
    const digest = stored.slice(stored.lastIndexOf('$') + 1).replace(/^\{\w+\}/, '');
    // In these two the salt comes first.
    const part = /\$2|PKCS5S2/.test(stored) ? digest.slice(-20) : digest.slice(0, 20);
    assert.ok(!wrapped.includes(part), wrapped);
    assert.equal(await verifyWrapped(wrapped, password, hasher), true, wrapped);
    assert.equal(hasher.calls, 1);
    assert.equal(await preimage(wrapped, password), await preimage(stored, password));
    for (const wrong of ['', 'wrong', 'more than eight', digest]) {
      const before: number = hasher.calls;
      assert.equal(await verifyWrapped(wrapped, wrong, hasher), false);
      assert.equal(hasher.calls, before + 1, 'every wrong password costs one argon2id');
    }
    assert.equal(await verifyLegacy(wrapped, password), false, 'a wrapped hash is no imported one');
    assert.equal(identifyHash(wrapped).verifiable, false);
  }
});

test('typing the digest that was wrapped does not sign anybody in', async () => {
  const hasher = plainStretcher();
  const wrapped = (await wrapLegacy('{SHA}uJ6qx+YUFzQbcQtyd2gpTQ5qJ3s=', hasher))!;
  for (const typed of ['{SHA}uJ6qx+YUFzQbcQtyd2gpTQ5qJ3s=', (await preimage(wrapped, 'hashcat'))!])
    assert.equal(await verifyWrapped(wrapped, typed, hasher), false);
});

test('wrapping works with the real argon2id, and refuses what cannot be read', async () => {
  const hasher = createHasher({ concurrency: 1 });
  const wrapped = (await wrapLegacy('{SMD5}UjFY34os/pnZQ3oQOzjqGu4yeXE=', hasher))!;
  assert.match(wrapped, /^\{WRAPPED\}\{SMD5\}7jJ5cQ==\|\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  assert.equal(await verifyWrapped(wrapped, 'testing1234', hasher), true);
  assert.equal(await verifyWrapped(wrapped, 'testing1235', hasher), false);
  const des = (await wrapLegacy('{CRYPT}zZYQyo/kK5WTQ', hasher))!;
  assert.equal(await verifyWrapped(des, '12345678', hasher), true);
  assert.equal(await verifyWrapped(des, '123456789', hasher), false);
  for (const [stored] of foreign) assert.equal(await wrapLegacy(stored, hasher), undefined);
});

test('hostile texts never throw, never verify, and take no time', async () => {
  const tags = [
    'SHA',
    'SSHA',
    'CRYPT',
    'PBKDF2',
    'PBKDF2-SHA256',
    'ARGON2',
    'PKCS5S2',
    'OPENMRS',
    'DISCOURSE',
  ];
  const starts = [
    '',
    '$1$',
    '$5$',
    '$6$rounds=',
    '$2b$',
    '$argon2id$v=19$m=',
    '{WRAPPED}',
    '{WRAPPED}{SSHA}|',
  ];
  const start = fc.constantFrom(...tags.map((tag) => `{${tag}}`), ...starts);
  const body = fc.oneof(
    fc.string({ maxLength: 200 }),
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.stringMatching(/^[$./0-9A-Za-z+=,]{0,120}$/),
    fc.base64String({ maxLength: 200 }),
  );
  await fc.assert(
    fc.asyncProperty(start, body, fc.string({ unit: 'binary' }), async (head, rest, password) => {
      const stored = head + rest;
      const began = process.cpuUsage();
      const identity = identifyHash(stored);
      assert.equal(await verifyLegacy(stored, password), false);
      assert.equal(await verifyLegacy(stored, rest), false);
      assert.equal(await verifyWrapped(stored, password, plainStretcher()), false);
      if (!identity.verifiable) assert.ok(identity.reason);
      const { user, system } = process.cpuUsage(began);
      assert.ok(user + system < 2_000_000, `${stored}: ${user + system} µs`);
    }),
    { numRuns: 1_500 },
  );
});

test('hostile vectors: one damaged character never verifies the known password', async () => {
  const cheap = vectors.filter((vector) => !/argon2|discourse|keycloak|pbkdf2/.test(vector.scheme));
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...cheap),
      fc.nat(),
      fc.constantFrom(...'aZ0/.$+='),
      async (vector, at, by) => {
        const from = vector.stored.indexOf('}') + 1;
        const place = from + (at % (vector.stored.length - from));
        const damaged = vector.stored.slice(0, place) + by + vector.stored.slice(place + 1);
        if (identifyHash(damaged).canonical === identifyHash(vector.stored).canonical) return;
        // $2a$, $2b$ and $2y$ are one algorithm under three names.
        if (/^.{0,7}\$2[aby]\$05\$MBCzKhG1KhezLh.0LRa0Kuw12nLJtpHy6DIaU.JAnqJUDYspHC.Ou$/.test(damaged))
          return;
        assert.equal(await verifyLegacy(damaged, vector.password), false, damaged);
      },
    ),
    { numRuns: 150 },
  );
});
