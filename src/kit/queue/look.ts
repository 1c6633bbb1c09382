/** Looking at a lane from outside: what waits, what runs, what is dead and why. Changes nothing. */
import type { Tx } from '#kit/db/tx.ts';

export interface QueuedJob {
  id: number;
  key: string;
  state: 'ready' | 'leased' | 'dead';
  payload: unknown;
  /** Not before this moment. */
  runAt: Date;
  attempts: number;
  createdAt: Date;
  /** Why the last attempt failed; empty before the first failure. */
  reason: string;
}

export interface LaneLook {
  ready: number;
  leased: number;
  dead: number;
  /** Since when the oldest unfinished job waits. */
  oldest?: Date;
  /** When the next one may start; in the past when it could right now. */
  next?: Date;
}

/** Jobs of a lane: those under way first, then in the order they may start, dead ones last. */
export async function jobsOf(
  tx: Pick<Tx, 'query'>,
  input: { lane: string; state?: QueuedJob['state']; key?: string; limit?: number },
): Promise<QueuedJob[]> {
  return tx.query<QueuedJob>(
    `select id, key, state, payload, run_at as "runAt", attempts, created_at as "createdAt",
       coalesce(last_error, '') as reason
     from queue_jobs
     where lane = $1 and ($2::text is null or state = $2) and ($3::text is null or key = $3)
     order by case state when 'leased' then 0 when 'ready' then 1 else 2 end, run_at, id limit $4`,
    [input.lane, input.state ?? null, input.key ?? null, input.limit ?? 100],
  );
}

/** One lane in figures. */
export async function lookAt(tx: Pick<Tx, 'query'>, lane: string): Promise<LaneLook> {
  const [row] = await tx.query<{
    ready: number;
    leased: number;
    dead: number;
    oldest: Date | null;
    next: Date | null;
  }>(
    `select count(*) filter (where state = 'ready')::integer as ready,
       count(*) filter (where state = 'leased')::integer as leased,
       count(*) filter (where state = 'dead')::integer as dead,
       min(created_at) filter (where state <> 'dead') as oldest,
       min(run_at) filter (where state = 'ready') as next
     from queue_jobs where lane = $1`,
    [lane],
  );
  return {
    ready: row?.ready ?? 0,
    leased: row?.leased ?? 0,
    dead: row?.dead ?? 0,
    oldest: row?.oldest ?? undefined,
    next: row?.next ?? undefined,
  };
}
