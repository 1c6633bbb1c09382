import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createSecrets, loadMasterKey, parseMasterKey, SealBroken, WrongMasterKey } from './secrets.ts';

const canary = 'a client secret nobody may read';

test('KE-01 a sealed value holds no plaintext and opens only in its own place', () => {
  const secrets = createSecrets(randomBytes(32));
  const sealed = secrets.seal('client-secret', canary, 'clients/1/secret');
  assert.ok(!sealed.includes(canary));
  assert.equal(secrets.open('client-secret', sealed, 'clients/1/secret').toString(), canary);
  assert.notDeepEqual(sealed, secrets.seal('client-secret', canary, 'clients/1/secret'));
});

test('KE-01 swapping two rows, columns or purposes is an error', () => {
  const secrets = createSecrets(randomBytes(32));
  const first = secrets.seal('client-secret', 'one', 'clients/1/secret');
  assert.throws(() => secrets.open('client-secret', first, 'clients/2/secret'), SealBroken);
  assert.throws(() => secrets.open('client-secret', first, 'clients/1/other'), SealBroken);
  assert.throws(() => secrets.open('signing-key', first, 'clients/1/secret'), SealBroken);
  // The join of purpose and place is not ambiguous.
  const shifted = secrets.seal('a', 'x', 'bc');
  assert.throws(() => secrets.open('ab', shifted, 'c'), SealBroken);
});

test('KE-01 every changed byte of a sealed value is noticed', () => {
  const secrets = createSecrets(randomBytes(32));
  const sealed = secrets.seal('p', 'value', 't/1/c');
  for (let at = 0; at < sealed.length; at += 1) {
    const changed = Buffer.from(sealed);
    changed[at] = changed[at]! ^ 1;
    assert.throws(
      () => secrets.open('p', changed, 't/1/c'),
      (error) => error instanceof SealBroken || error instanceof WrongMasterKey,
    );
  }
  for (const short of [Buffer.alloc(0), sealed.subarray(0, 20), sealed.subarray(0, -1)]) {
    assert.throws(() => secrets.open('p', short, 't/1/c'), SealBroken);
  }
});

test('KE-05 another master key is refused by fingerprint and by value', () => {
  const mine = createSecrets(randomBytes(32));
  const other = createSecrets(randomBytes(32));
  assert.equal(mine.recognise(mine.fingerprint), 'current');
  assert.throws(() => other.recognise(mine.fingerprint), WrongMasterKey);
  assert.throws(() => other.open('p', mine.seal('p', 'v', 'b'), 'b'), WrongMasterKey);
});

test('KE-05 online re-wrap: the old key still opens, and each value moves to the new key once', () => {
  const oldKey = randomBytes(32);
  const newKey = randomBytes(32);
  const before = createSecrets(oldKey);
  const sealed = before.seal('p', 'v', 'b');
  const link = before.mac('link', 'row');
  const during = createSecrets(newKey, [oldKey]);
  assert.equal(during.recognise(before.fingerprint), 'previous');
  assert.equal(during.open('p', sealed, 'b').toString(), 'v');
  assert.deepEqual(during.macs('link', 'row'), [during.mac('link', 'row'), link]);
  const moved = during.rewrap('p', sealed, 'b');
  assert.ok(moved);
  assert.equal(during.rewrap('p', moved, 'b'), undefined);
  const after = createSecrets(newKey);
  assert.equal(after.open('p', moved, 'b').toString(), 'v');
  assert.deepEqual(after.macs('link', 'row'), [after.mac('link', 'row')]);
  assert.throws(() => after.open('p', sealed, 'b'), WrongMasterKey);
});

test('macs differ by purpose and by where one part ends and the next begins', () => {
  const secrets = createSecrets(randomBytes(32));
  const values = [
    secrets.mac('link', 'ab', 'c'),
    secrets.mac('link', 'a', 'bc'),
    secrets.mac('link', 'abc'),
    secrets.mac('link', 'abc', ''),
    secrets.mac('form', 'abc'),
  ].map((mac) => mac.toString('hex'));
  assert.equal(new Set(values).size, values.length);
  assert.deepEqual(secrets.mac('link', 'x'), secrets.mac('link', 'x'));
  assert.equal(secrets.mac('link', 'x').length, 32);
});

test('the master key file is made once, for its owner only, and read back by all who start at once', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-key-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'keys', 'master.key');
  await assert.rejects(loadMasterKey({ file }), WrongMasterKey);
  const keys = await Promise.all(Array.from({ length: 8 }, () => loadMasterKey({ file, create: true })));
  assert.equal(new Set(keys.map((key) => key.toString('hex'))).size, 1);
  assert.equal(keys[0]!.length, 32);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  const written = await readFile(file, 'utf8');
  assert.deepEqual(await loadMasterKey({ file, create: true }), keys[0]);
  assert.equal(await readFile(file, 'utf8'), written);
});

test('KE-05 a damaged master key file is refused and left as it is', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-key-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'master.key');
  for (const content of [
    '',
    'short',
    randomBytes(31).toString('base64'),
    `${randomBytes(32).toString('base64')}x`,
  ]) {
    await writeFile(file, content);
    await assert.rejects(loadMasterKey({ file, create: true }), WrongMasterKey);
    assert.equal(await readFile(file, 'utf8'), content);
  }
  assert.equal(parseMasterKey(randomBytes(32).toString('base64url')).length, 32);
});
