/**
 * Owns: how often something may happen, counted in PostgreSQL so that all nodes share one count and a restart forgets
 * nothing (nobody waits for the disk to count: a power cut may forget the last moment). Records: one row a key
 * (`rate_buckets`), fixed windows. Refuses: nothing itself; the caller is told to.
 */
import { createHash } from 'node:crypto';
import ipaddr from 'ipaddr.js';
import type { Clock } from '#kit/clock/clock.ts';
import type { Database } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';

export interface Limit {
  /** How much may happen within one window. */
  points: number;
  windowSeconds: number;
  /** What this one costs; default 1. */
  cost?: number;
}

export interface Limits {
  /**
   * Counts one happening under `key` and says whether it is still within the limit. One atomic statement: of many at
   * once exactly as many pass as there are points. A refused one is counted too but never lengthens the window. With
   * `tx` it counts when that ends well, and whoever has the same key waits until then.
   */
  take(
    key: string,
    limit: Limit,
    tx?: Pick<Tx, 'query'>,
  ): Promise<{ allowed: boolean; retryAfterSeconds: number }>;
  /**
   * Takes back what one happening of cost 1 counted: it turned out not to be one of those that are limited. With `tx`
   * as the last step of what proved it.
   */
  giveBack(key: string, tx?: Pick<Tx, 'query'>): Promise<void>;
  /** Clears the count under `key`, for instance after a success. */
  forget(key: string): Promise<void>;
  /** Deletes rows whose window is over; returns how many. */
  sweep(): Promise<number>;
}

const takeSql = `
  insert into rate_buckets as bucket (key, points, window_ends)
  select $1, least($2::bigint, $3::bigint + 1)::integer,
         coalesce($5::timestamptz, statement_timestamp()) + make_interval(secs => $4::double precision)
  where $6::boolean or set_config('synchronous_commit', 'off', true) = 'off'
  on conflict (key) do update set
    points = case when bucket.window_ends <= coalesce($5::timestamptz, statement_timestamp()) then excluded.points
                  else least(bucket.points::bigint + $2::bigint, $3::bigint + 1)::integer end,
    window_ends = case when bucket.window_ends <= coalesce($5::timestamptz, statement_timestamp())
                  then excluded.window_ends else bucket.window_ends end
  returning points,
    extract(epoch from window_ends - coalesce($5::timestamptz, statement_timestamp()))::double precision as "left"`;

/** Limits on this database. The database's own clock counts unless a clock is given (tests move it by hand). */
export function createLimits(database: Pick<Database, 'query'>, options: { clock?: Clock } = {}): Limits {
  const now = () => options.clock?.now() ?? null;
  return {
    async take(key, limit, tx) {
      const cost = limit.cost ?? 1;
      if (!(limit.points >= 0 && limit.windowSeconds > 0 && cost >= 0)) {
        throw new RangeError('A limit needs points, a window and a cost of zero or more.');
      }
      const values = [
        storedKey(key),
        Math.ceil(cost),
        Math.floor(limit.points),
        limit.windowSeconds,
        now(),
        tx !== undefined,
      ];
      const [row] = (await (tx ?? database).query(takeSql, values, 'limits-take')) as {
        points: number;
        left: number;
      }[];
      const allowed = row!.points <= limit.points;
      return { allowed, retryAfterSeconds: allowed ? 0 : Math.max(1, Math.ceil(row!.left)) };
    },
    async giveBack(key, tx) {
      const text = 'update rate_buckets set points = greatest(points - 1, 0) where key = $1';
      await (tx ?? database).query(text, [storedKey(key)], 'limits-give-back');
    },
    async forget(key) {
      await database.query('delete from rate_buckets where key = $1', [storedKey(key)]);
    },
    async sweep() {
      const gone = (await database.query(
        'delete from rate_buckets where window_ends <= coalesce($1::timestamptz, statement_timestamp()) returning 1',
        [now()],
      )) as unknown[];
      return gone.length;
    },
  };
}

// Keys may hold what someone typed: whatever PostgreSQL would refuse or keep at length is stored as its hash.
function storedKey(key: string): string {
  if (key.length <= 200 && !/[\x00-\x1f]/.test(key) && key.isWellFormed()) return key;
  return `sha256:${createHash('sha256').update(key, 'utf8').digest('base64url')}`;
}

/**
 * The network a client counts as (AU-05): an IPv4 address whole, an IPv6 address by its /64 (one household has that
 * many addresses), an IPv4-mapped one as the IPv4 address it is. What is no address at all shares one key.
 */
export function networkKey(ip: string): string {
  const bare = ip
    .trim()
    .replace(/^\[|\]$/g, '')
    .replace(/%.*$/, '');
  if (!ipaddr.IPv6.isValid(bare) && !ipaddr.IPv4.isValidFourPartDecimal(bare)) return 'unknown';
  const address = ipaddr.process(bare);
  if (address instanceof ipaddr.IPv4) return address.toString();
  const network = new ipaddr.IPv6([...address.parts.slice(0, 4), 0, 0, 0, 0]);
  return `${network.toString()}/64`;
}
