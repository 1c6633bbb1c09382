import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHasher, HashingBusy, UnusableHash } from './passwords.ts';

const cheap = { memoryKiB: 64, passes: 1 };

test('a hash is argon2id with the default cost and verifies its own password only', async () => {
  const hasher = createHasher();
  const phc = await hasher.hash('correct horse');
  assert.match(phc, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  assert.equal(await hasher.verify(phc, 'correct horse'), true);
  assert.equal(await hasher.verify(phc, Buffer.from('correct horse')), true);
  assert.equal(await hasher.verify(phc, 'correct horsf'), false);
  assert.notEqual(phc, await hasher.hash('correct horse'));
});

test('AU-02 the password is compared byte for byte: no trim, fold, normal form or cut', async () => {
  for (const engine of ['native', 'node'] as const) {
    const hasher = createHasher({ ...cheap, engine });
    const long = 'a'.repeat(72);
    const different: [string, string][] = [
      [`${long}X`, `${long}Y`],
      ['secret', 'secret '],
      ['Secret', 'secret'],
      ['caf\u00e9', 'cafe\u0301'],
      ['a\0b', 'a\0c'],
      ['', ' '],
    ];
    for (const [set, typed] of different) {
      const phc = await hasher.hash(set);
      assert.equal(await hasher.verify(phc, typed), false);
      assert.equal(await hasher.verify(phc, set), true);
    }
  }
});

test('the native and the node engine accept each other’s hashes', async () => {
  const native = createHasher({ ...cheap, engine: 'native' });
  const node = createHasher({ ...cheap, engine: 'node' });
  assert.equal(await node.verify(await native.hash('pass'), 'pass'), true);
  assert.equal(await native.verify(await node.hash('pass'), 'pass'), true);
  assert.equal(await native.verify(await node.hash('pass'), 'Pass'), false);
});

test('AU-18 hostile or foreign hashes are refused before any work', async () => {
  const hasher = createHasher(cheap);
  const tail = '$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';
  const bad = [
    '',
    'x',
    '$2b$10$abcdefghijklmnopqrstuv',
    `$argon2id$v=19$m=4294967295,t=1,p=1${tail}`,
    `$argon2id$v=19$m=64,t=4294967295,p=1${tail}`,
    `$argon2id$v=19$m=64,t=1,p=255${tail}`,
    `$argon2id$v=19$m=0,t=1,p=1${tail}`,
    `$argon2id$v=19$m=64,t=1,p=1${tail}\n`,
  ];
  for (const phc of bad) await assert.rejects(hasher.verify(phc, 'x'), UnusableHash, phc);
  assert.equal(hasher.stats().hashes, 0);
});

test('AU-07 burning costs one computation of the same kind as a failed verification', async () => {
  const hasher = createHasher();
  const phc = await hasher.hash('known');
  const start = hasher.stats().hashes;
  await hasher.burn();
  assert.equal(hasher.stats().hashes, start + 1);
  const timed = async (work: () => Promise<unknown>) => {
    const times: number[] = [];
    for (let round = 0; round < 7; round += 1) {
      const began = performance.now();
      await work();
      times.push(performance.now() - began);
    }
    return Math.min(...times);
  };
  const burned = await timed(() => hasher.burn());
  const failed = await timed(() => hasher.verify(phc, 'unknown'));
  assert.ok(burned > failed / 3 && burned < failed * 3, `burn ${burned} ms, verify ${failed} ms`);
});

test('weaker or foreign hashes ask to be made anew; equal and stronger ones do not', async () => {
  const weak = await createHasher(cheap).hash('x');
  const strong = createHasher({ memoryKiB: 128, passes: 2 });
  assert.equal(strong.needsRehash(weak), true);
  assert.equal(strong.needsRehash(await strong.hash('x')), false);
  assert.equal(createHasher(cheap).needsRehash(await strong.hash('x')), false);
  assert.equal(strong.needsRehash('{SSHA}abc'), true);
});

test('beyond the waiting room callers are told it is busy, and everyone who waited is served', async () => {
  const hasher = createHasher({ ...cheap, concurrency: 1, queue: 3 });
  const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => hasher.hash('x')));
  assert.equal(outcomes.filter((outcome) => outcome.status === 'fulfilled').length, 4);
  const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
  assert.ok(refused.length === 6 && refused.every((outcome) => outcome.reason instanceof HashingBusy));
  assert.equal(hasher.stats().waiting, 0);
  assert.match(await hasher.hash('again'), /^\$argon2id/);
});
