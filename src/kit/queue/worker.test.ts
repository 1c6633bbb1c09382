import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Database, system } from '#kit/db/database.ts';
import { testDatabase } from '../../../test/kit.ts';
import { deadJobs, enqueue, enqueueAll, type NewJob } from './queue.ts';
import { backoffSeconds, Retry, Stop, startWorker, type WorkerOptions } from './worker.ts';

const lane = 'push';
const put = (database: Database, ...jobs: NewJob[]) =>
  database.transact(system(), (tx) => enqueueAll(tx, jobs));

async function working(
  t: TestContext,
  options: Partial<WorkerOptions<number>> & Pick<WorkerOptions<number>, 'handle'>,
) {
  const place = await testDatabase({ poolSize: 8 });
  const worker = startWorker<number>({ ...place, lane, ...options });
  t.after(() => worker.stop());
  return { ...place, worker };
}

test('four workers keep the order of every key and do each job once', async (t) => {
  const place = await testDatabase({ poolSize: 12 });
  const seen = new Map<string, number[]>();
  const busy = new Set<string>();
  let overlaps = 0;
  const workers = Array.from({ length: 4 }, () =>
    startWorker<number>({
      ...place,
      lane,
      concurrency: 5,
      async handle(job) {
        if (busy.has(job.key)) overlaps += 1;
        busy.add(job.key);
        await sleep(randomInt(5));
        seen.set(job.key, [...(seen.get(job.key) ?? []), job.payload]);
        busy.delete(job.key);
      },
    }),
  );
  t.after(() => Promise.all(workers.map((worker) => worker.stop())));
  const jobs = Array.from({ length: 600 }, (_, n) => ({ lane, key: `key-${n % 37}`, payload: n }));
  for (let at = 0; at < jobs.length; at += 60) await put(place.database, ...jobs.slice(at, at + 60));
  await Promise.all(workers.map((worker) => worker.idle()));
  assert.equal(overlaps, 0);
  assert.equal([...seen.values()].flat().length, jobs.length);
  for (const numbers of seen.values())
    assert.deepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
    );
});

test('a worker wakes at the commit, long before its poll', async (t) => {
  const started = Promise.withResolvers<number>();
  const { database, worker } = await working(t, {
    pollMs: 60_000,
    handle: async () => started.resolve(performance.now()),
  });
  await worker.idle();
  await sleep(50);
  const committed = performance.now();
  await put(database, { lane, key: 'anna', payload: 1 });
  const waited = (await started.promise) - committed;
  // The machine may have other things to do; what was not woken comes after most of a minute.
  assert.ok(waited < 5_000, `it took ${waited} ms`);
});

test('a failing job is tried again after a pause, then set aside with its reason', async (t) => {
  let calls = 0;
  const { database, worker } = await working(t, {
    maxAttempts: 3,
    pollMs: 20,
    backoff: { first: 0.01, most: 0.02 },
    handle: async () => {
      calls += 1;
      throw new Error(`attempt ${calls} failed`);
    },
  });
  await put(database, { lane, key: 'anna', payload: 1 });
  const dead = await eventually(async () => (await deadJobs(database))[0]);
  assert.equal(calls, 3);
  assert.equal(dead.reason, 'attempt 3 failed');
  await worker.idle();
  assert.equal(calls, 3);
});

test('Retry waits as long as it was told; Stop sets aside at once', async (t) => {
  const calls: number[] = [];
  const { database } = await working(t, {
    pollMs: 20,
    async handle(job) {
      if (job.payload === 2) throw new Stop('There is no such project.');
      calls.push(performance.now());
      if (calls.length === 1) throw new Retry(0.3);
    },
  });
  await put(database, { lane, key: 'anna', payload: 1 }, { lane, key: 'ben', payload: 2 });
  await eventually(async () => (calls.length === 2 ? calls : undefined));
  assert.ok(calls[1]! - calls[0]! >= 290, `it waited ${calls[1]! - calls[0]!} ms`);
  const [dead] = await deadJobs(database);
  assert.deepEqual([dead!.reason, dead!.attempts], ['There is no such project.', 1]);
});

test('a result written with finish stands or falls with its transaction', async (t) => {
  let attempts = 0;
  const { database } = await working(t, {
    pollMs: 20,
    backoff: { first: 0.01, most: 0.01 },
    async handle(_job, lease) {
      attempts += 1;
      await database.transact(system(), async (tx) => {
        await tx.query(`insert into house_facts values ($1, '1')`, [`attempt ${attempts}`]);
        await lease.finish(tx);
        if (attempts === 1) throw new Error('lost before the commit');
      });
    },
  });
  await put(database, { lane, key: 'anna', payload: 1 });
  await eventually(async () =>
    (await database.query('select 1 from queue_jobs')).length === 0 ? true : undefined,
  );
  assert.deepEqual(await database.query(`select name from house_facts where name like 'attempt%'`), [
    { name: 'attempt 2' },
  ]);
});

test('a long job keeps its lease, and stopping lets it finish', async (t) => {
  let runs = 0;
  const { database, worker } = await working(t, {
    leaseSeconds: 0.3,
    pollMs: 50,
    async handle() {
      runs += 1;
      await sleep(1200);
    },
  });
  await put(database, { lane, key: 'anna', payload: 1 });
  await eventually(async () => (runs > 0 ? true : undefined));
  await worker.stop();
  assert.equal(runs, 1);
  assert.equal((await database.query('select 1 from queue_jobs')).length, 0);
});

test('a job that ends its worker every time is set aside in the end', async (t) => {
  let calls = 0;
  const place = await testDatabase();
  await put(place.database, { lane, key: 'anna', payload: 1 });
  await place.database.query('update queue_jobs set deaths = 25');
  const handle = async () => {
    calls += 1;
  };
  const worker = startWorker({ ...place, lane, maxAttempts: 3, handle });
  t.after(() => worker.stop());
  const dead = await eventually(async () => (await deadJobs(place.database))[0]);
  assert.match(dead.reason, /ended the worker 25 times in a row/);
  assert.equal(calls, 0);
});

test('F-21 a worker frozen past its lease: another does the job, the late result is refused, the effect is there once', async (t) => {
  const { database, connection, log } = await testDatabase();
  const frozen = spawn(process.execPath, ['--input-type=module-typescript', '-e', frozenWorker], {
    cwd: new URL('../../../', import.meta.url),
    env: { ...process.env, FROZEN_CONNECTION: JSON.stringify(connection) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => frozen.kill('SIGKILL'));
  let said = '';
  frozen.stdout.on('data', (chunk) => {
    said += String(chunk);
  });
  await put(database, { lane, key: 'anna', payload: 1 });
  await eventually(async () => (said.includes('begun') ? true : undefined));
  frozen.kill('SIGSTOP');
  await sleep(1200);
  const worker = startWorker({
    database,
    lane,
    log,
    pollMs: 50,
    handle: (job, lease) =>
      database.transact(system(), async (tx) => {
        await tx.query(`insert into house_facts values ('done by', to_jsonb($1::text))`, [
          `second, ${job.attempts}`,
        ]);
        await lease.finish(tx);
      }),
  });
  t.after(() => worker.stop());
  await eventually(async () => (await database.query(`select 1 from house_facts where name = 'done by'`))[0]);
  frozen.kill('SIGCONT');
  await eventually(async () => (said.includes('ended') ? true : undefined));
  assert.match(said, /LeaseLost/);
  assert.deepEqual(await database.query(`select value from house_facts where name = 'done by'`), [
    { value: 'second, 1' },
  ]);
  frozen.kill('SIGTERM');
  await once(frozen, 'exit');
});

const frozenWorker = `
  import { setTimeout as sleep } from 'node:timers/promises';
  import { systemClock } from '#kit/clock/clock.ts';
  import { openDatabase, system } from '#kit/db/database.ts';
  import { createLog } from '#kit/log/log.ts';
  import { startWorker } from '#kit/queue/worker.ts';
  const log = createLog({ level: 'silent' });
  const connection = JSON.parse(process.env.FROZEN_CONNECTION);
  const database = await openDatabase({ connection, clock: systemClock, log, poolSize: 3 });
  startWorker({
    database, lane: 'push', log, leaseSeconds: 0.9, concurrency: 1, pollMs: 20,
    async handle(job, lease) {
      console.log('begun');
      await sleep(3000);
      try {
        await database.transact(system(), async (tx) => {
          await tx.query("insert into house_facts values ('done by', '\\"frozen\\"') on conflict (name) do update set value = excluded.value");
          await lease.finish(tx);
        });
      } catch (error) {
        console.log(error.name);
        throw error;
      } finally {
        console.log('ended');
      }
    },
  });
`;

test('pauses double up to the longest and are spread', () => {
  const backoff = { first: 1, most: 60 };
  for (const [attempt, full] of [
    [1, 1],
    [2, 2],
    [5, 16],
    [7, 60],
    [1000, 60],
  ] as const) {
    const pauses = Array.from({ length: 50 }, () => backoffSeconds(attempt, backoff));
    assert.ok(pauses.every((pause) => pause >= full / 2 && pause <= full));
    assert.ok(new Set(pauses).size > 40);
  }
});

test('enqueue says whether the job is new', async () => {
  const { database } = await testDatabase();
  const job = { lane, key: 'anna', payload: null, dedupe: 'once' };
  assert.equal(await database.transact(system(), (tx) => enqueue(tx, job)), true);
  assert.equal(await database.transact(system(), (tx) => enqueue(tx, job)), false);
});

async function eventually<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < 400; tries += 1) {
    const found = await look();
    if (found !== undefined) return found;
    await sleep(25);
  }
  throw new Error('It did not happen within ten seconds.');
}
