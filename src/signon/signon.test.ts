import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rememberDevice, reserveAttempt } from '#core/credentials/credentials.ts';
import { activate } from '#core/lifecycle/activate.ts';
import { join } from '#core/lifecycle/join.ts';
import { findByUsername, isUsernameFree } from '#core/people/people.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { createLimits } from '#kit/limits/limits.ts';
import { testDatabase } from '#test/kit.ts';
import { cleanUpSignOn } from './signon.ts';

const hour = 3600_000;

async function stage() {
  const home = await testDatabase();
  const during = <T>(work: (tx: Tx) => Promise<T>) => home.database.transact(system(), work);
  const count = async (table: string) =>
    (await home.database.query<{ count: number }>(`select count(*) as count from ${table}`))[0]!.count;
  const limits = createLimits(home.database, { clock: home.clock });
  return { ...home, during, count, limits, cleanUp: () => cleanUpSignOn({ ...home, limits }) };
}

const joiner = (username: string) =>
  ({ username, state: 'unverified', origin: 'sign-up', addresses: [] }) as const;

test('a sign-up nobody confirmed goes after two days and its name is free; a younger one stays', async () => {
  const { during, clock, cleanUp } = await stage();
  await during((tx) => join(tx, joiner('older')));
  clock.advance(47 * hour);
  await during((tx) => join(tx, joiner('younger')));
  clock.advance(2 * hour);
  await cleanUp();
  assert.equal(await during((tx) => isUsernameFree(tx, 'older')), true);
  assert.equal(await during((tx) => isUsernameFree(tx, 'younger')), false);
});

test('someone who confirms in the very moment of the clean-up stays, with the name', async () => {
  const { database, during, clock, cleanUp } = await stage();
  const anna = await during((tx) => join(tx, joiner('anna')));
  clock.advance(49 * hour);
  const confirmed = Promise.withResolvers<void>();
  const mayEnd = Promise.withResolvers<void>();
  const confirming = database.transact(system(), async (tx) => {
    await activate(tx, anna);
    confirmed.resolve();
    await mayEnd.promise;
  });
  await confirmed.promise;
  const cleaning = cleanUp();
  await new Promise((resolve) => setTimeout(resolve, 200));
  mayEnd.resolve();
  await Promise.all([confirming, cleaning]);
  assert.equal((await during((tx) => findByUsername(tx, 'anna')))?.state, 'active');
  assert.equal(await during((tx) => isUsernameFree(tx, 'anna')), false);
});

test('what was counted goes once it counts no more, a block stays to its end; so do browsers not seen for a year', async () => {
  const { during, clock, count, limits, cleanUp } = await stage();
  const bob = await during((tx) => join(tx, joiner('bob')));
  await during((tx) => activate(tx, bob));
  await during((tx) => rememberDevice(tx, bob, 'a browser'));
  await limits.take('sign-in:198.51.100.7', { points: 3, windowSeconds: 600 });
  await during((tx) => reserveAttempt(tx, { kind: 'unknown', identifierKey: 'whoever' }));
  clock.advance(10 * 60_000);
  for (let turn = 0; turn < 11; turn += 1)
    await during((tx) => reserveAttempt(tx, { kind: 'person', person: bob }));
  clock.advance(10 * 60_000);
  await cleanUp();
  assert.equal(await count('rate_buckets'), 0);
  assert.equal(await count('password_failures'), 1, 'the block of a person');
  assert.equal(await count('known_devices'), 1);
  clock.advance(366 * 24 * hour);
  await cleanUp();
  assert.equal(await count('password_failures'), 0);
  assert.equal(await count('known_devices'), 0);
});
