import assert from 'node:assert/strict';
import { test } from 'node:test';
import { passwordOf, setPassword } from '#core/credentials/credentials.ts';
import { join } from '#core/lifecycle/join.ts';
import { leave } from '#core/lifecycle/leave.ts';
import { endSessions, listSessions } from '#core/sessions/sessions.ts';
import { createHasher, type Hasher, HashingBusy } from '#kit/crypto/passwords.ts';
import { createSecrets } from '#kit/crypto/secrets.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { createLimits } from '#kit/limits/limits.ts';
import { createNet } from '#kit/net/net.ts';
import { testDatabase } from '#test/kit.ts';
import { type GateNeeds, passwordSignIn } from './gate.ts';

const right = 'plum violin tractor';

async function stage() {
  const { database, clock, log } = await testDatabase();
  const hasher = createHasher({ memoryKiB: 1024, passes: 1 });
  const during = <T>(work: (tx: Tx) => Promise<T>) => database.transact(system(), work);
  const hash = await hasher.hash(right);
  const anna = await during(async (tx) => {
    const id = await join(tx, { username: 'anna', state: 'active', origin: 'test', addresses: [] });
    await setPassword(tx, id, hash, 'sign-up');
    return id;
  });
  clock.advance(1000);
  const limits = createLimits(database);
  const needs = {
    database,
    clock,
    log,
    hasher,
    limits,
    net: createNet({ allow: [], log }),
    secrets: createSecrets(Buffer.alloc(32, 7)),
    floorMs: 0,
  };
  const signIn = (changed: Partial<GateNeeds> = {}) =>
    passwordSignIn(
      { ...needs, ...changed },
      {
        identifier: 'anna',
        password: right,
        door: 'page',
        device: 'a test',
        ip: '198.51.100.7',
        persistent: false,
        context: system('request'),
      },
    );
  const sessions = () => during((tx) => listSessions(tx, anna));
  return { ...needs, anna, during, signIn, sessions };
}

/** The hasher, with something that happens just after a password proved right. */
function meanwhile(hasher: Hasher, happens: () => Promise<unknown>): Hasher {
  return {
    ...hasher,
    async verify(phc, password) {
      const found = await hasher.verify(phc, password);
      await happens();
      return found;
    },
  };
}

test('AU-14 a sign-in with the old password that was under way when a new one was set opens nothing', async () => {
  const { anna, hasher, during, signIn, sessions } = await stage();
  const next = await hasher.hash('seven lanterns float');
  const recover = async (tx: Tx) => {
    await setPassword(tx, anna, next, 'recovery');
    await endSessions(tx, anna, 'password-recovered');
  };
  const late = signIn({ hasher: meanwhile(hasher, () => during(recover)) });
  await assert.rejects(late, { code: 'sign-in-failed' });
  assert.deepEqual(await sessions(), []);
});

test('AU-14 the same hash made anew by another sign-in, at the same time, shuts nobody out', async () => {
  const { anna, hasher, during, signIn, sessions } = await stage();
  const again = await hasher.hash(right);
  const rehash = (tx: Tx) => tx.query('update passwords set hash = $2 where person = $1', [anna, again]);
  await signIn({ hasher: meanwhile(hasher, () => during(rehash)) });
  assert.equal((await sessions()).length, 1);
  assert.equal((await during((tx) => passwordOf(tx, anna)))?.hash, again);
});

test('AU-19 a sign-in under way while the person loses their standing waits for it and is refused', async () => {
  const { anna, database, signIn, sessions } = await stage();
  const left = Promise.withResolvers<void>();
  const mayEnd = Promise.withResolvers<void>();
  const leaving = database.transact(system(), async (tx) => {
    await leave(tx, anna, 'suspended', 'test');
    left.resolve();
    await mayEnd.promise;
  });
  await left.promise;
  const late = assert.rejects(signIn(), { code: 'account-suspended' });
  await new Promise((resolve) => setTimeout(resolve, 300));
  mayEnd.resolve();
  await leaving;
  await late;
  assert.deepEqual(await sessions(), []);
});

test('AU-04 an attempt nobody could look at for lack of room is given back, to the person and to the network', async () => {
  const { database, hasher, signIn, sessions } = await stage();
  const full = async () => {
    throw new HashingBusy('full');
  };
  for (let turn = 0; turn < 15; turn += 1)
    await assert.rejects(signIn({ hasher: { ...hasher, verify: full, burn: full } }), { code: 'busy' });
  const held = async (table: string, column: string) =>
    (await database.query<{ sum: number }>(`select coalesce(sum(${column}), 0) as sum from ${table}`))[0]!
      .sum;
  assert.deepEqual(
    [await held('password_failures', 'failures'), await held('rate_buckets', 'points')],
    [0, 0],
  );
  await signIn();
  assert.equal((await sessions()).length, 1);
});
