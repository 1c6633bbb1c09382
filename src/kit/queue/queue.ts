/**
 * Owns: work that is to be done after the commit that asked for it. Records: one row a job (`queue_jobs`), deleted when
 * done, kept with its reason when dead. Jobs of one (lane, key) run one at a time in the order they were put in; others
 * side by side. Time is the database's. Refuses: the result of a worker whose lease has gone to another.
 */
import type { Tx } from '#kit/db/tx.ts';

export interface NewJob {
  /** The kind of work; one worker serves one lane. */
  lane: string;
  /** Jobs with the same lane and key keep their order. */
  key: string;
  payload: unknown;
  /** Not before this moment; default at once. */
  runAt?: Date;
  /** While a job with this mark waits to be started, another with the same mark is not added. */
  dedupe?: string;
}

export interface Job<Payload = unknown> {
  id: number;
  lane: string;
  key: string;
  payload: Payload;
  /** Which attempt this is, from 1. One that ended with its worker is not counted: it is made again. */
  attempts: number;
  /** How often in a row a worker ended while it had this job, or slept past its lease. */
  deaths: number;
  fence: number;
  createdAt: Date;
}

export interface DeadJob extends Omit<Job, 'fence' | 'deaths'> {
  reason: string;
}

export interface LaneState {
  lane: string;
  ready: number;
  leased: number;
  dead: number;
  /** Age of the oldest job that could run now, in seconds. */
  oldestSeconds: number;
}

/** The lease of a job has gone to another worker: whatever this one found out counts for nothing. */
export class LeaseLost extends Error {
  override name = 'LeaseLost';
}

type Reader = Pick<Tx, 'query'>;

const columns = 'id, lane, key, payload, attempts, deaths, fence, created_at as "createdAt"';

/** Puts one job in, within the caller's transaction. False when its dedupe mark already waits. */
export async function enqueue(tx: Tx, job: NewJob): Promise<boolean> {
  return (await enqueueAll(tx, [job])) === 1;
}

/** Puts many jobs in with one statement, in list order; returns how many were new. */
export async function enqueueAll(tx: Tx, jobs: readonly NewJob[]): Promise<number> {
  const marks = new Set<string>();
  const distinct = jobs.filter((job) => {
    if (job.dedupe === undefined) return true;
    if (marks.has(job.dedupe)) return false;
    marks.add(job.dedupe);
    return true;
  });
  if (distinct.length === 0) return 0;
  const rows = distinct.map((job, place) => ({
    place,
    lane: job.lane,
    key: job.key,
    payload: job.payload ?? null,
    run_at: job.runAt?.toISOString() ?? null,
    dedupe: job.dedupe ?? null,
  }));
  // The update on conflict changes little but locks the waiting row until we commit, so no worker starts it before it
  // can see what we wrote. xmax = 0 tells inserted rows from locked ones.
  const added = await tx.query<{ isNew: boolean }>(
    `insert into queue_jobs (lane, key, payload, run_at, dedupe)
     select lane, key, coalesce(payload, 'null'::jsonb), coalesce(run_at, statement_timestamp()), dedupe
     from jsonb_to_recordset($1::jsonb)
       as job (place integer, lane text, key text, payload jsonb, run_at timestamptz, dedupe text)
     order by place
     on conflict (dedupe) do update set run_at = least(queue_jobs.run_at, excluded.run_at)
     returning xmax = 0 as "isNew"`,
    [JSON.stringify(rows)],
    'queue-enqueue',
  );
  for (const lane of new Set(distinct.map((job) => job.lane))) {
    await tx.query(`select pg_notify('queue', $1)`, [lane], 'queue-notify');
  }
  return added.filter((row) => row.isNew).length;
}

/**
 * Leases up to `count` due jobs of a lane: only the oldest unfinished of each key. The lock on the lane makes the
 * second of two claims see the first one's leases, so no key is ever in two hands.
 */
export async function claim(
  tx: Tx,
  input: { lane: string; count: number; leaseSeconds: number; deadBlocks?: boolean },
): Promise<Job[]> {
  await tx.query(
    `select pg_advisory_xact_lock(hashtextextended('queue:' || $1, 0))`,
    [input.lane],
    'queue-lane',
  );
  const blocking = input.deadBlocks ? 'true' : `other.state <> 'dead'`;
  return tx.query<Job>(
    `with due as (
       select id from queue_jobs job
       where lane = $1 and state <> 'dead' and run_at <= statement_timestamp()
         and (state = 'ready' or lease_until <= statement_timestamp())
         and not exists (
           select 1 from queue_jobs other
           where other.lane = job.lane and other.key = job.key and ${blocking}
             and (other.id < job.id or (other.id > job.id and other.state = 'leased')))
       order by run_at, id limit $2
       for update skip locked)
     update queue_jobs job
     set state = 'leased', lease_until = statement_timestamp() + make_interval(secs => $3::double precision),
         fence = fence + 1, dedupe = null,
         attempts = attempts + case when job.state = 'leased' then 0 else 1 end,
         deaths = deaths + case when job.state = 'leased' then 1 else 0 end
     from due where job.id = due.id
     returning ${columns
       .split(', ')
       .map((column) => `job.${column}`)
       .join(', ')}`,
    [input.lane, input.count, input.leaseSeconds],
    input.deadBlocks ? 'queue-claim-strict' : 'queue-claim',
  );
}

/** Makes sure this lease still stands and keeps it standing until the transaction ends. Throws LeaseLost. */
export async function confirmLease(tx: Tx, job: Pick<Job, 'id' | 'fence'>): Promise<void> {
  const held = await tx.query(
    `select 1 from queue_jobs where id = $1 and fence = $2 and state = 'leased' for update`,
    [job.id, job.fence],
    'queue-confirm',
  );
  if (held.length === 0) throw new LeaseLost(`Job ${job.id} has gone to another worker.`);
}

/** Deletes finished jobs whose lease still stands; returns the ids that were ours. */
export async function complete(tx: Reader, jobs: readonly Pick<Job, 'id' | 'fence'>[]): Promise<Set<number>> {
  const gone = await tx.query<{ id: number }>(
    `delete from queue_jobs job using unnest($1::bigint[], $2::bigint[]) as done (id, fence)
     where job.id = done.id and job.fence = done.fence and job.state = 'leased' returning job.id`,
    [jobs.map((job) => job.id), jobs.map((job) => job.fence)],
    'queue-complete',
  );
  return new Set(gone.map((row) => row.id));
}

/**
 * Gives a job back for a later attempt. False when the lease was no longer ours.
 * @param input.free this attempt was not the job's fault and does not count
 */
export async function postpone(
  tx: Reader,
  input: { job: Pick<Job, 'id' | 'fence'>; afterSeconds: number; reason: string; free?: boolean },
): Promise<boolean> {
  const rows = await tx.query(
    `update queue_jobs set state = 'ready', lease_until = null, last_error = $4, deaths = 0,
       attempts = attempts - case when $5::boolean then 1 else 0 end,
       run_at = statement_timestamp() + make_interval(secs => $3::double precision)
     where id = $1 and fence = $2 and state = 'leased' returning 1`,
    [input.job.id, input.job.fence, input.afterSeconds, input.reason, input.free ?? false],
    'queue-postpone',
  );
  return rows.length === 1;
}

/** Sets a job aside with its reason. False when the lease was no longer ours. */
export async function bury(
  tx: Reader,
  input: { job: Pick<Job, 'id' | 'fence'>; reason: string },
): Promise<boolean> {
  const rows = await tx.query(
    `update queue_jobs set state = 'dead', lease_until = null, last_error = $3
     where id = $1 and fence = $2 and state = 'leased' returning 1`,
    [input.job.id, input.job.fence, input.reason],
    'queue-bury',
  );
  return rows.length === 1;
}

/** Lengthens leases that still stand; returns the ids that were ours. */
export async function renew(
  tx: Reader,
  input: { jobs: readonly Pick<Job, 'id' | 'fence'>[]; leaseSeconds: number },
): Promise<Set<number>> {
  const rows = await tx.query<{ id: number }>(
    `update queue_jobs job
     set lease_until = statement_timestamp() + make_interval(secs => $3::double precision)
     from unnest($1::bigint[], $2::bigint[]) as held (id, fence)
     where job.id = held.id and job.fence = held.fence and job.state = 'leased' returning job.id`,
    [input.jobs.map((job) => job.id), input.jobs.map((job) => job.fence), input.leaseSeconds],
    'queue-renew',
  );
  return new Set(rows.map((row) => row.id));
}

/** Dead jobs, newest first, each with why. */
export async function deadJobs(
  tx: Reader,
  input: { lane?: string; limit?: number } = {},
): Promise<DeadJob[]> {
  return tx.query<DeadJob>(
    `select id, lane, key, payload, attempts, created_at as "createdAt", coalesce(last_error, '') as reason
     from queue_jobs where state = 'dead' and ($1::text is null or lane = $1) order by id desc limit $2`,
    [input.lane ?? null, input.limit ?? 100],
  );
}

/** Puts dead jobs back to work with a fresh count of attempts; returns how many. */
export async function replayDead(
  tx: Tx,
  input: { lane?: string; ids?: readonly number[] } = {},
): Promise<number> {
  const rows = await tx.query<{ lane: string }>(
    `update queue_jobs set state = 'ready', attempts = 0, deaths = 0, run_at = statement_timestamp()
     where state = 'dead' and ($1::text is null or lane = $1) and ($2::bigint[] is null or id = any($2))
     returning lane`,
    [input.lane ?? null, input.ids ?? null],
  );
  for (const lane of new Set(rows.map((row) => row.lane)))
    await tx.query(`select pg_notify('queue', $1)`, [lane]);
  return rows.length;
}

/**
 * Deletes every job of a key, or of the whole lane: also what is under way, whose lease is lost with it, and what is dead
 * with its reasons.
 */
export async function dropJobs(tx: Tx, input: { lane: string; key?: string }): Promise<void> {
  await tx.query(
    'delete from queue_jobs where lane = $1 and ($2::text is null or key = $2)',
    [input.lane, input.key ?? null],
    'queue-drop',
  );
}

/** Lets jobs of these keys that wait for another attempt run now: there is news about what they are for. */
export async function hasten(tx: Tx, input: { lane: string; keys: readonly string[] }): Promise<void> {
  await tx.query(
    `update queue_jobs set run_at = statement_timestamp()
     where lane = $1 and key = any($2::text[]) and state = 'ready' and attempts > 0
       and run_at > statement_timestamp()`,
    [input.lane, input.keys],
    'queue-hasten',
  );
}

/** Every lane that has rows: how many wait, run and are dead, and how long the oldest due one has waited. */
export async function queueState(tx: Reader): Promise<LaneState[]> {
  return tx.query<LaneState>(
    `select lane,
       count(*) filter (where state = 'ready')::integer as ready,
       count(*) filter (where state = 'leased')::integer as leased,
       count(*) filter (where state = 'dead')::integer as dead,
       coalesce(extract(epoch from statement_timestamp() -
         min(run_at) filter (where state = 'ready' and run_at <= statement_timestamp())), 0)::double precision
         as "oldestSeconds"
     from queue_jobs group by lane order by lane`,
  );
}
