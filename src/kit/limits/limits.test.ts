import assert from 'node:assert/strict';
import { test } from 'node:test';
import { system } from '#kit/db/database.ts';
import { testDatabase } from '../../../test/kit.ts';
import { createLimits, networkKey } from './limits.ts';

test('AU-05 fifty addresses of one IPv6 household share a key; another household has its own', () => {
  const rotated = Array.from({ length: 50 }, (_, n) =>
    networkKey(`2001:db8:1:2:${n.toString(16)}:beef::${n + 1}`),
  );
  assert.deepEqual([...new Set(rotated)], ['2001:db8:1:2::/64']);
  assert.notEqual(networkKey('2001:db8:1:3::1'), rotated[0]);
});

test('AU-05 an address has one key however it is written', () => {
  assert.equal(networkKey('192.0.2.7'), '192.0.2.7');
  assert.equal(networkKey('::ffff:192.0.2.7'), '192.0.2.7');
  assert.equal(networkKey('::FFFF:c000:207'), '192.0.2.7');
  assert.equal(networkKey('fe80::1%eth0'), 'fe80::/64');
  assert.equal(networkKey('[2001:DB8:0001:2::9]'), '2001:db8:1:2::/64');
  for (const nonsense of [
    '',
    'localhost',
    '192.0.2',
    '0300.0.2.7',
    '3221225991',
    '1.2.3.4, 5.6.7.8',
    '::g',
  ]) {
    assert.equal(networkKey(nonsense), 'unknown', nonsense);
  }
});

test('what is taken within a transaction counts when it ends well', async () => {
  const { database } = await testDatabase();
  const limits = createLimits(database);
  const rule = { points: 1, windowSeconds: 60 };
  const undone = database.transact(system(), async (tx) => {
    assert.equal((await limits.take('within', rule, tx)).allowed, true);
    throw new Error('no');
  });
  await assert.rejects(undone, /^Error: no$/);
  const take = () => database.transact(system(), (tx) => limits.take('within', rule, tx));
  assert.equal((await take()).allowed, true);
  assert.equal((await take()).allowed, false);
  const durable = await database.transact(system(), async (tx) => {
    await tx.query('SET LOCAL synchronous_commit TO on');
    await limits.take('within', rule, tx);
    return tx.query("SELECT current_setting('synchronous_commit') AS waits");
  });
  assert.deepEqual(durable, [{ waits: 'on' }], 'what else is written waits for the disk as it would');
});

test('AU-04 of fifty at once exactly as many pass as the limit has points', async () => {
  const { database } = await testDatabase({ poolSize: 10 });
  const limits = createLimits(database);
  const rule = { points: 7, windowSeconds: 60 };
  const answers = await Promise.all(Array.from({ length: 50 }, () => limits.take('race', rule)));
  assert.equal(answers.filter((answer) => answer.allowed).length, 7);
  for (const answer of answers) {
    assert.ok(answer.allowed ? answer.retryAfterSeconds === 0 : between(answer.retryAfterSeconds, 50, 60));
  }
  assert.equal((await limits.take('another', rule)).allowed, true);
  // Another node, another start: the count is the database's.
  assert.equal((await createLimits(database).take('race', rule)).allowed, false);
});

test('a window ends by the clock, refused calls do not lengthen it, and swept rows are gone', async () => {
  const { database, clock } = await testDatabase();
  const limits = createLimits(database, { clock });
  const rule = { points: 2, windowSeconds: 60 };
  for (const expected of [true, true, false, false])
    assert.equal((await limits.take('k', rule)).allowed, expected);
  clock.advance(30_000);
  assert.deepEqual(await limits.take('k', rule), { allowed: false, retryAfterSeconds: 30 });
  clock.advance(30_000);
  assert.equal((await limits.take('k', rule)).allowed, true);
  assert.equal(await limits.sweep(), 0);
  clock.advance(60_000);
  assert.equal(await limits.sweep(), 1);
});

test('costs add up, forgetting starts anew, and no key or size upsets the database', async () => {
  const { database } = await testDatabase();
  const limits = createLimits(database);
  const rule = { points: 10, windowSeconds: 60 };
  assert.equal((await limits.take('cost', { ...rule, cost: 10 })).allowed, true);
  assert.equal((await limits.take('cost', { ...rule, cost: 1 })).allowed, false);
  await limits.forget('cost');
  assert.equal((await limits.take('cost', rule)).allowed, true);
  for (const key of ['a\0b', 'x'.repeat(100_000), '\ud800', '']) {
    assert.equal((await limits.take(key, { points: 1, windowSeconds: 60 })).allowed, true);
    assert.equal((await limits.take(key, { points: 1, windowSeconds: 60, cost: 1e15 })).allowed, false);
  }
  assert.equal((await limits.take('none', { points: 0, windowSeconds: 60 })).allowed, false);
  await assert.rejects(limits.take('bad', { points: 1, windowSeconds: 0 }), RangeError);
});

const between = (value: number, least: number, most: number) => value >= least && value <= most;
