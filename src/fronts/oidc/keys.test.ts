import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { createLocalJWKSet, importJWK, type JWK, jwtVerify, SignJWT } from 'jose';
import { createSecrets } from '#kit/crypto/secrets.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { type Platform, startPlatform, type TestDatabase, testDatabase } from '../../../test/kit.ts';
import { type KeyPolicy, readKeys, rotateKeys, withdrawKey } from './keys.ts';

const secrets = createSecrets(randomBytes(32));
const policy: KeyPolicy = { activeDays: 90, nextHours: 24, retiringDays: 60 };
const hour = 3_600_000;

function rotate(house: TestDatabase): Promise<string[]> {
  return house.database.transact(system(), (tx) => rotateKeys(tx, secrets, house.clock.now(), policy));
}

function states(house: TestDatabase) {
  return house.database.query<{ kid: string; alg: string; state: string }>(
    'select kid, alg, state from oidc_keys order by created_at, kid',
  );
}

function published(jwks: readonly JWK[]) {
  return { keys: jwks.map(({ d, p, q, dp, dq, qi, ...rest }) => rest) };
}

test('KE-03 two hundred days of rotation: what verifies the day it is signed verifies as long as it lives', async () => {
  const house = await testDatabase();
  await rotate(house);
  // A client that reads the key set once a day, as slowly as we allow, and verifies everything it is shown meanwhile.
  let cached = createLocalJWKSet(published((await readKeys(house.database, secrets)).jwks));
  const seen = new Map<string, Date>();
  let verified = 0;
  const signers = new Set<string>();
  for (let step = 0; step < 200 * 6; step++) {
    house.clock.advance(4 * hour);
    await rotate(house);
    const ring = await readKeys(house.database, secrets);
    for (const { kid } of ring.jwks) if (!seen.has(kid!)) seen.set(kid!, house.clock.now());
    for (const alg of ['RS256', 'ES256'] as const) {
      const key = ring.active.get(alg)!;
      signers.add(key.kid!);
      const age = house.clock.now().getTime() - seen.get(key.kid!)!.getTime();
      const first = step < 90 * 6;
      assert.ok(first || age >= policy.nextHours * hour, 'published a day before it signs');
      if (step % 12 !== 0) continue;
      const jwt = await new SignJWT({})
        .setProtectedHeader({ alg, kid: key.kid })
        .sign(await importJWK(key, alg));
      for (let times = 0; times < 50; times++) await jwtVerify(jwt, cached);
      verified += 50;
    }
    if (step % 6 === 0) cached = createLocalJWKSet(published(ring.jwks));
  }
  assert.equal(signers.size, 6, 'three keys a line signed in 200 days');
  assert.ok(verified >= 10_000);
  const now = await states(house);
  assert.deepEqual(new Set(now.map((one) => one.state)), new Set(['active', 'retiring', 'gone']));
  const gone = await house.database.query<{ sealed: Buffer }>(
    `select sealed from oidc_keys where state = 'gone'`,
  );
  assert.ok(
    gone.every((one) => one.sealed.length === 0),
    'the private part goes with the key',
  );
  await house.close();
});

test('KE-04 an emergency withdrawal unpublishes a key at once and something else signs', async () => {
  const house = await testDatabase();
  await rotate(house);
  const before = await readKeys(house.database, secrets);
  const kid = before.active.get('RS256')!.kid!;
  const withdraw = (given: string) =>
    house.database.transact(system(), (tx: Tx) => withdrawKey(tx, secrets, given));
  assert.equal(await withdraw(kid), true);
  assert.equal(await withdraw(kid), false);
  assert.equal(await withdraw('unknown'), false);
  const after = await readKeys(house.database, secrets);
  assert.notEqual(after.active.get('RS256')!.kid, kid);
  assert.equal(after.active.get('ES256')!.kid, before.active.get('ES256')!.kid);
  assert.ok(after.jwks.every((one) => one.kid !== kid));
  await house.close();
});

test('KE-06 five nodes that start at once make one set of keys', async () => {
  const house = await testDatabase({ poolSize: 5 });
  await Promise.all(Array.from({ length: 5 }, () => rotate(house)));
  const keys = await states(house);
  assert.deepEqual(keys.map((one) => [one.alg, one.state]).sort(), [
    ['ES256', 'active'],
    ['RS256', 'active'],
  ]);
  await house.close();
});

test('KE-01 a sealed key opens nowhere but in its own row', async () => {
  const house = await testDatabase();
  await rotate(house);
  await house.database.query(
    `update oidc_keys k set sealed = (select o.sealed from oidc_keys o where o.kid <> k.kid)`,
  );
  await assert.rejects(readKeys(house.database, secrets), /changed or stands in the wrong place/);
  await house.close();
});

test('KE-03 KE-04 a running server signs with the new key and publishes what it should, on every node', async () => {
  const platform: Platform = await startPlatform();
  const other = await platform.again();
  const kids = async (at: Platform) => {
    const response = await fetch(`${at.origin}/oidc/jwks`);
    assert.match(response.headers.get('cache-control') ?? '', /max-age=60/);
    const { keys } = (await response.json()) as { keys: JWK[] };
    assert.ok(keys.every((key) => key.d === undefined && key.p === undefined));
    return keys.map((key) => key.kid);
  };
  const before = await kids(platform);
  assert.equal(before.length, 2);
  assert.deepEqual(await kids(other), before);
  await platform.database.transact(system(), (tx) => withdrawKey(tx, platform.secrets, before[0]!));
  const until = Date.now() + 5000;
  for (const node of [platform, other]) {
    while ((await kids(node)).includes(before[0]) && Date.now() < until)
      await new Promise((resolve) => setTimeout(resolve, 20));
    const after = await kids(node);
    assert.equal(after.includes(before[0]), false);
    assert.equal(after.length, 2);
  }
  await platform.close();
});
