/**
 * Takes jobs of one lane and runs them: several at once, each under a lease it keeps alive while it works. Woken by
 * NOTIFY, and by a poll in case one was missed.
 */
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Database, system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { Log } from '#kit/log/log.ts';
import { bury, claim, complete, confirmLease, type Job, LeaseLost, postpone, renew } from './queue.ts';

/** Thrown by a handler: not now, try again, after so many seconds where the other side said when. */
export class Retry extends Error {
  override name = 'Retry';
  readonly afterSeconds: number | undefined;
  /** The attempt does not count: it failed for a reason that is not this job's. */
  readonly free: boolean;
  constructor(
    afterSeconds?: number,
    reason = 'The other side asked to be tried again.',
    { free = false }: { free?: boolean } = {},
  ) {
    super(reason);
    this.afterSeconds = afterSeconds;
    this.free = free;
  }
}

/** Thrown by a handler: trying again will not help. The job is set aside with this reason. */
export class Stop extends Error {
  override name = 'Stop';
}

export interface Lease {
  /** Grows with every claim of the job; hand it to the other side where it can compare. */
  readonly fence: number;
  /** Aborted when the lease is lost or the worker stops and will wait no longer. */
  readonly signal: AbortSignal;
  /** In the transaction that writes the result: throws LeaseLost when another worker has the job, so it rolls back. */
  confirm(tx: Tx): Promise<void>;
  /** As `confirm`, and the job is done with this very commit: effect exactly once. */
  finish(tx: Tx): Promise<void>;
}

export interface WorkerOptions<Payload> {
  database: Database;
  lane: string;
  handle(job: Job<Payload>, lease: Lease): Promise<void>;
  /**
   * What becomes of a job that so many workers in a row ended with, in place of its being set aside. It has to be harmless
   * itself.
   * @param deaths how many
   */
  giveUp?(job: Job<Payload>, lease: Lease, deaths: number): Promise<void>;
  log: Log;
  /** Jobs under way at once; default 8. */
  concurrency?: number;
  /** How long a lease lasts unless renewed; a dead worker's jobs are taken over after it. Default 60. */
  leaseSeconds?: number;
  /** How often to look without being woken; default 1000, give or take a fifth. */
  pollMs?: number;
  /** A job that failed this often is set aside; default 15 (about a working day with the default pauses). */
  maxAttempts?: number;
  /** Pause before the second attempt and the longest pause, in seconds; doubled each time. Default 1 and 3600. */
  backoff?: { first: number; most: number };
  /** Whether a dead job holds back the later ones of its key; default false. */
  deadBlocks?: boolean;
}

export interface Worker {
  /** Takes no more jobs, lets those under way finish for up to `drainSeconds` (default 10), then aborts them. */
  stop(options?: { drainSeconds?: number }): Promise<void>;
  /** Looks for work now. */
  wake(): void;
  /** Resolves when a look found nothing due and nothing is under way: for tests and one-off runs. */
  idle(): Promise<void>;
}

/** The pause before the next attempt in seconds: doubling, capped, and spread over its upper half. */
export function backoffSeconds(attempt: number, backoff: { first: number; most: number }): number {
  const full = Math.min(backoff.most, backoff.first * 2 ** Math.min(attempt - 1, 40));
  return full / 2 + (randomInt(1_000_001) / 1_000_000) * (full / 2);
}

/**
 * So many workers in a row may end with a job in their hands before it is taken for the cause. Far more than attempts:
 * whatever else was under way in those workers is blamed with it.
 */
const mostDeaths = 25;

interface Running {
  job: Job;
  abort: AbortController;
  finished: boolean;
}

/** Starts working on a lane at once. */
export function startWorker<Payload>(options: WorkerOptions<Payload>): Worker {
  const { database, lane, log } = options;
  const concurrency = options.concurrency ?? 8;
  const leaseSeconds = options.leaseSeconds ?? 60;
  const pollMs = options.pollMs ?? 1000;
  const maxAttempts = options.maxAttempts ?? 15;
  const backoff = options.backoff ?? { first: 1, most: 3600 };
  const running = new Map<string, Running>();
  const stopping = new AbortController();
  let wakeUp = Promise.withResolvers<void>();
  let looks = 0;
  let idleAt = 0;
  let heard = Promise.withResolvers<void>();
  let done: { job: Job; settle(ours: boolean): void; fail(error: unknown): void }[] = [];

  const wake = () => {
    looks += 1;
    wakeUp.resolve();
  };

  // Results that come in the same turn of the loop leave in one statement.
  function report(job: Job): Promise<boolean> {
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    done.push({ job, settle: resolve, fail: reject });
    if (done.length === 1) setImmediate(flush);
    return promise;
  }
  async function flush(): Promise<void> {
    const batch = done;
    done = [];
    try {
      const ours = await complete(
        database,
        batch.map((entry) => entry.job),
      );
      for (const entry of batch) entry.settle(ours.has(entry.job.id));
    } catch (error) {
      for (const entry of batch) entry.fail(error);
    }
  }

  async function settle(entry: Running, failure: unknown): Promise<boolean> {
    const { job } = entry;
    if (failure === undefined) return entry.finished || report(job);
    if (failure instanceof LeaseLost) return false;
    const reason = reasonOf(failure);
    const free = failure instanceof Retry && failure.free;
    if (failure instanceof Stop || (job.attempts >= maxAttempts && !free)) {
      log.warn({ lane, job: job.id, attempts: job.attempts, reason }, 'a job was set aside');
      return bury(database, { job, reason });
    }
    const asked = failure instanceof Retry ? failure.afterSeconds : undefined;
    const afterSeconds = asked ?? backoffSeconds(job.attempts, backoff);
    log.info(
      { lane, job: job.id, attempts: job.attempts, afterSeconds, reason },
      'a job will be tried again',
    );
    return postpone(database, { job, afterSeconds, reason, free });
  }

  async function run(entry: Running): Promise<void> {
    const { job, abort } = entry;
    const lease: Lease = {
      fence: job.fence,
      signal: abort.signal,
      confirm: (tx) => confirmLease(tx, job),
      async finish(tx) {
        await confirmLease(tx, job);
        await complete(tx, [job]);
        entry.finished = true;
      },
    };
    let failure: unknown;
    try {
      if (job.deaths < mostDeaths) await options.handle(job as Job<Payload>, lease);
      else if (options.giveUp) await options.giveUp(job as Job<Payload>, lease, job.deaths);
      else throw new Stop(`It ended the worker ${job.deaths} times in a row.`);
    } catch (error) {
      failure = error ?? new Error('The handler failed without a reason.');
      entry.finished = false;
    }
    try {
      if (!(await settle(entry, failure))) {
        log.warn(
          { lane, job: job.id, fence: job.fence },
          'a late result was refused: the job has gone to another worker',
        );
      }
    } catch (error) {
      // The lease runs out and the job is driven again.
      log.error({ lane, job: job.id, err: error }, 'the result of a job could not be recorded');
    }
  }

  async function look(): Promise<number> {
    const count = concurrency - running.size;
    if (count <= 0) return 0;
    const input = { lane, count, leaseSeconds, deadBlocks: options.deadBlocks ?? false };
    const jobs = await database.transact(system(), (tx) => claim(tx, input));
    for (const job of jobs) {
      const entry: Running = { job, abort: new AbortController(), finished: false };
      const mark = `${job.id}/${job.fence}`;
      running.set(mark, entry);
      void run(entry).finally(() => {
        running.delete(mark);
        wake();
      });
    }
    return jobs.length;
  }

  async function work(): Promise<void> {
    let trouble = 0;
    while (!stopping.signal.aborted) {
      const seen = looks;
      // A job that ends during the look may free the next one of its key, which this look cannot have seen.
      const quiet = running.size === 0;
      wakeUp = Promise.withResolvers<void>();
      try {
        const found = await look();
        trouble = 0;
        if (found > 0 && running.size < concurrency) continue;
        if (found === 0 && quiet) {
          idleAt = seen;
          heard.resolve();
          heard = Promise.withResolvers<void>();
        }
      } catch (error) {
        trouble = Math.min(trouble + 1, 6);
        log.error({ lane, err: error }, 'the queue could not be read');
      }
      if (looks > seen && trouble === 0) continue;
      await pause(pollMs * (randomInt(800, 1201) / 1000) * 2 ** trouble, trouble > 0);
    }
  }

  async function pause(ms: number, deaf: boolean): Promise<void> {
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, stopping.signal]);
    const timer = sleep(ms, undefined, { signal, ref: true }).catch(() => undefined);
    await (deaf ? timer : Promise.race([timer, wakeUp.promise]));
    over.abort();
  }

  const renewing = setInterval(() => void keepLeases(), (leaseSeconds * 1000) / 3);
  async function keepLeases(): Promise<void> {
    const entries = [...running.values()];
    if (entries.length === 0) return;
    try {
      const ours = await renew(database, { jobs: entries.map((entry) => entry.job), leaseSeconds });
      for (const entry of entries) {
        if (!ours.has(entry.job.id) && !entry.finished)
          entry.abort.abort(new LeaseLost('The lease was lost.'));
      }
    } catch (error) {
      log.warn({ lane, err: error }, 'leases could not be renewed');
    }
  }

  const ear = database.listen('queue', (payload) => {
    if (payload === '' || payload === lane) wake();
  });
  ear.catch((error: unknown) => log.warn({ lane, err: error }, 'no wake-up calls; polling only'));
  const loop = work();

  return {
    wake,
    async stop({ drainSeconds = 10 } = {}) {
      stopping.abort();
      await loop;
      heard.resolve();
      await ear.then((leave) => leave()).catch(() => undefined);
      const deadline = Date.now() + drainSeconds * 1000;
      while (running.size > 0 && Date.now() < deadline) await sleep(10);
      for (const entry of running.values()) entry.abort.abort(new Error('The worker stops.'));
      const grace = Date.now() + 1000;
      while (running.size > 0 && Date.now() < grace) await sleep(10);
      clearInterval(renewing);
    },
    async idle() {
      wake();
      const target = looks;
      while (idleAt < target && !stopping.signal.aborted) await heard.promise;
    },
  };
}

function reasonOf(failure: unknown): string {
  const text = failure instanceof Error ? failure.message || failure.name : String(failure);
  // PostgreSQL keeps no NUL, and nobody reads more than this.
  return text.replaceAll('\0', '').slice(0, 1000);
}
