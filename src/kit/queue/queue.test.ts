import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Database, system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { testDatabase } from '../../../test/kit.ts';
import {
  bury,
  claim,
  complete,
  confirmLease,
  deadJobs,
  enqueue,
  enqueueAll,
  LeaseLost,
  postpone,
  queueState,
  replayDead,
} from './queue.ts';

const lane = 'push';
const during = <T>(database: Database, work: (tx: Tx) => Promise<T>) => database.transact(system(), work);
const claimSome = (database: Database, leaseSeconds = 60, extra: { deadBlocks?: boolean } = {}) =>
  during(database, (tx) => claim(tx, { lane, count: 10, leaseSeconds, ...extra }));

test('a job exists only when its transaction commits', async () => {
  const { database } = await testDatabase();
  const failing = during(database, async (tx) => {
    await enqueue(tx, { lane, key: 'anna', payload: { n: 1 } });
    throw new Error('rolled back');
  });
  await assert.rejects(failing, /rolled back/);
  assert.deepEqual(await claimSome(database), []);
});

test('only the oldest unfinished job of a key can be claimed; other keys go beside it', async () => {
  const { database } = await testDatabase();
  await during(database, (tx) =>
    enqueueAll(tx, [
      { lane, key: 'anna', payload: 1 },
      { lane, key: 'anna', payload: 2 },
      { lane, key: 'ben', payload: 3 },
      { lane: 'other', key: 'anna', payload: 4 },
    ]),
  );
  const first = await claimSome(database);
  assert.deepEqual(first.map((job) => job.payload).sort(), [1, 3]);
  assert.deepEqual(await claimSome(database), []);
  await during(database, (tx) => complete(tx, first));
  assert.deepEqual(
    (await claimSome(database)).map((job) => job.payload),
    [2],
  );
});

test('a job that waits for its next attempt holds back the later ones of its key', async () => {
  const { database } = await testDatabase();
  await during(database, (tx) =>
    enqueueAll(tx, [
      { lane, key: 'anna', payload: 1 },
      { lane, key: 'anna', payload: 2 },
    ]),
  );
  const [job] = await claimSome(database);
  assert.equal(
    await during(database, (tx) => postpone(tx, { job: job!, afterSeconds: 60, reason: 'busy' })),
    true,
  );
  assert.deepEqual(await claimSome(database), []);
});

test('a key is never in two hands, even when an older job commits late', async () => {
  const { database } = await testDatabase();
  const slow = Promise.withResolvers<void>();
  const inserted = Promise.withResolvers<void>();
  const older = during(database, async (tx) => {
    await enqueue(tx, { lane, key: 'anna', payload: 'older' });
    inserted.resolve();
    await slow.promise;
  });
  await inserted.promise;
  await during(database, (tx) => enqueue(tx, { lane, key: 'anna', payload: 'newer' }));
  const taken = await claimSome(database);
  assert.deepEqual(
    taken.map((job) => job.payload),
    ['newer'],
  );
  slow.resolve();
  await older;
  assert.deepEqual(await claimSome(database), []);
  await during(database, (tx) => complete(tx, taken));
  assert.deepEqual(
    (await claimSome(database)).map((job) => job.payload),
    ['older'],
  );
});

test('a dedupe mark folds waiting jobs, and never into one that has already begun', async () => {
  const { database } = await testDatabase();
  const job = { lane, key: 'anna', payload: 1, dedupe: 'push:anna' };
  assert.equal(await during(database, (tx) => enqueue(tx, job)), true);
  assert.equal(await during(database, (tx) => enqueue(tx, job)), false);
  assert.equal(await during(database, (tx) => enqueueAll(tx, [job, job, { ...job, dedupe: 'push:ben' }])), 1);
  const begun = (await claimSome(database)).find((taken) => taken.attempts === 1);
  assert.ok(begun);
  assert.equal(await during(database, (tx) => enqueue(tx, job)), true);
});

test('a job folded into a waiting one does not start before the folding transaction has committed', async () => {
  const { database } = await testDatabase();
  const job = { lane, key: 'anna', payload: 1, dedupe: 'push:anna' };
  await during(database, (tx) => enqueue(tx, job));
  await during(database, async (tx) => {
    assert.equal(await enqueue(tx, job), false);
    assert.deepEqual(await claimSome(database), []);
  });
  assert.equal((await claimSome(database)).length, 1);
});

test('F-02 workers that end cost a job no attempt, and an attempt that ends otherwise forgets them', async () => {
  const { database } = await testDatabase();
  await during(database, (tx) => enqueue(tx, { lane, key: 'anna', payload: 1 }));
  for (let round = 0; round < 5; round += 1) {
    assert.deepEqual(
      (await claimSome(database, 0.02)).map(({ attempts, deaths }) => [attempts, deaths]),
      [[1, round]],
    );
    await sleep(40);
  }
  const [job] = await claimSome(database);
  await during(database, (tx) => postpone(tx, { job: job!, afterSeconds: 0, reason: 'busy' }));
  const [again] = await claimSome(database);
  assert.deepEqual([again!.attempts, again!.deaths], [2, 0]);
});

test('F-21 a lease that ran out goes to another, and every late result is refused', async () => {
  const { database } = await testDatabase();
  await during(database, (tx) => enqueue(tx, { lane, key: 'anna', payload: 1 }));
  const [late] = await claimSome(database, 0.05);
  await sleep(80);
  const [now] = await claimSome(database);
  assert.equal(now!.id, late!.id);
  assert.ok(now!.fence > late!.fence);
  assert.deepEqual(
    [now!.attempts, now!.deaths],
    [1, 1],
    'the attempt that ended with its worker is made again',
  );
  await during(database, async (tx) => {
    assert.equal((await complete(tx, [late!])).size, 0);
    assert.equal(await postpone(tx, { job: late!, afterSeconds: 0, reason: 'x' }), false);
    assert.equal(await bury(tx, { job: late!, reason: 'x' }), false);
  });
  await assert.rejects(
    during(database, (tx) => confirmLease(tx, late!)),
    LeaseLost,
  );
  await during(database, (tx) => confirmLease(tx, now!));
  assert.equal((await during(database, (tx) => complete(tx, [now!]))).size, 1);
  // A result that comes once more finds nothing.
  assert.equal((await during(database, (tx) => complete(tx, [now!]))).size, 0);
});

test('dead jobs keep their reason, let later ones pass unless told otherwise, and can be replayed', async () => {
  const { database } = await testDatabase();
  await during(database, (tx) =>
    enqueueAll(tx, [
      { lane, key: 'anna', payload: 1 },
      { lane, key: 'anna', payload: 2 },
    ]),
  );
  const [job] = await claimSome(database);
  await during(database, (tx) => bury(tx, { job: job!, reason: 'The seat limit is reached.' }));
  const [dead] = await deadJobs(database, { lane });
  assert.equal(dead!.reason, 'The seat limit is reached.');
  assert.deepEqual(await claimSome(database, 60, { deadBlocks: true }), []);
  const passing = await claimSome(database);
  assert.deepEqual(
    passing.map((taken) => taken.payload),
    [2],
  );
  await during(database, (tx) => complete(tx, passing));
  assert.equal(await during(database, (tx) => replayDead(tx, { ids: [dead!.id] })), 1);
  const [again] = await claimSome(database);
  assert.deepEqual([again!.payload, again!.attempts], [1, 1]);
});

test('the state of a lane counts what waits, runs and is dead', async () => {
  const { database } = await testDatabase();
  const later = new Date(Date.now() + 3_600_000);
  await during(database, (tx) =>
    enqueueAll(tx, [
      { lane, key: 'a', payload: 1 },
      { lane, key: 'b', payload: 2 },
      { lane, key: 'c', payload: 3, runAt: later },
    ]),
  );
  const [job] = await claimSome(database);
  await during(database, (tx) => bury(tx, { job: job!, reason: 'x' }));
  const [state] = await queueState(database);
  assert.deepEqual({ ...state, oldestSeconds: 0 }, { lane, ready: 1, leased: 1, dead: 1, oldestSeconds: 0 });
});
