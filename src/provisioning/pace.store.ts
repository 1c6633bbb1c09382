/** Owns `target_paces`. Time is the database's, so that all nodes keep one pace. */
type Asker = { query(text: string, values?: readonly unknown[]): Promise<unknown> };

/** Why nobody may call, and in how many seconds to ask again. */
export interface Pause {
  heldSeconds?: number;
  brokenSeconds?: number;
}

/** A turn, or the reason why there was none. */
export interface Turn extends Pause {
  /** Milliseconds until this call may leave; the turn is ours. Undefined: no turn was given. */
  waitMs?: number;
  /** The one call that may find out whether the target is back. */
  probe?: boolean;
}

/**
 * Takes the next turn: generic cell rate algorithm with `burst` turns in hand. Turns that are further away than
 * `patienceMs` are not given. While the breaker is open nobody gets a turn; after that one call at a time may try.
 */
export async function takeTurn(
  database: Asker,
  input: { application: string; perMinute: number; burst: number; patienceMs: number; probeSeconds: number },
): Promise<Turn> {
  const rows = (await database.query(
    `with made as (
       insert into target_paces (application, kind, next_at) values ($1, 'all', clock_timestamp())
       on conflict do nothing),
     pace as (
       select *, clock_timestamp() as now from target_paces where application = $1 and kind = 'all' for update),
     judged as (
       select *, greatest(next_at, now) + make_interval(secs => $2::double precision) as later,
         greatest(0, extract(epoch from greatest(next_at, now) + make_interval(secs => $2::double precision)
           - make_interval(secs => ($2 * $3)::double precision) - now) * 1000)::double precision as wait_ms,
         greatest(0, extract(epoch from held_until - now))::double precision as held,
         greatest(0, extract(epoch from open_until - now))::double precision as broken
       from pace),
     moved as (
       update target_paces p set
         next_at = case when j.wait_ms <= $4 then j.later else p.next_at end,
         open_until = case when p.open_until is not null then j.now + make_interval(secs => $5) end
       from judged j
       where p.application = $1 and p.kind = 'all' and coalesce(j.held, 0) = 0 and coalesce(j.broken, 0) = 0
       returning 1)
     select wait_ms as "waitMs", held, broken, open_until is not null as probe from judged`,
    [input.application, 60 / input.perMinute, input.burst, input.patienceMs, input.probeSeconds],
  )) as { waitMs: number; held: number | null; broken: number | null; probe: boolean }[];
  const [row] = rows;
  // The very first turn: the row was made by this statement, which does not see it yet.
  if (!row) return takeTurn(database, input);
  if (row.held) return { heldSeconds: row.held };
  if (row.broken) return { brokenSeconds: row.broken };
  if (row.waitMs > input.patienceMs) return { heldSeconds: row.waitMs / 1000 };
  return { waitMs: row.waitMs, probe: row.probe };
}

/** Whether the target is left alone at this moment. */
export async function pauseOf(database: Asker, application: string): Promise<Pause> {
  const [row] = (await database.query(
    `select extract(epoch from held_until - clock_timestamp())::double precision as held,
       extract(epoch from open_until - clock_timestamp())::double precision as broken
     from target_paces where application = $1 and kind = 'all'`,
    [application],
  )) as { held: number | null; broken: number | null }[];
  return {
    ...(row?.held && row.held > 0 && { heldSeconds: row.held }),
    ...(row?.broken && row.broken > 0 && { brokenSeconds: row.broken }),
  };
}

/** Nobody calls before this: the target said so. Never shortens what was said before. */
export async function holdBack(database: Asker, application: string, seconds: number): Promise<void> {
  await database.query(
    `update target_paces set held_until = greatest(coalesce(held_until, '-infinity'),
       clock_timestamp() + make_interval(secs => $2::double precision))
     where application = $1 and kind = 'all'`,
    [application, seconds],
  );
}

/** The target answered: the breaker closes. Touches nothing while all is well. */
export async function noteAnswer(database: Asker, application: string): Promise<void> {
  await database.query(
    `update target_paces set failures = 0, open_until = null
     where application = $1 and kind = 'all' and (failures > 0 or open_until is not null)`,
    [application],
  );
}

/**
 * One more failure in a row; from `threshold` on the breaker is open for a time that doubles up to `mostSeconds`. While
 * it is open only the probe counts: calls that were under way when it opened say nothing new.
 */
export async function noteFailure(
  database: Asker,
  input: {
    application: string;
    threshold: number;
    firstSeconds: number;
    mostSeconds: number;
    jitter: number;
    probe: boolean;
  },
): Promise<{ failures: number; openSeconds: number }> {
  const [row] = (await database.query(
    `update target_paces set
       failures = case when open_until is null or $6 then least(failures + 1, 1000) else failures end,
       open_until = case when open_until is not null and not $6 then open_until
         when failures + 1 >= $2 then clock_timestamp() + make_interval(secs =>
         least($4::double precision, $3::double precision * 2 ^ least(failures + 1 - $2, 20)) * $5::double precision) end
     where application = $1 and kind = 'all'
     returning failures, greatest(0, extract(epoch from open_until - clock_timestamp()))::double precision as open`,
    [input.application, input.threshold, input.firstSeconds, input.mostSeconds, input.jitter, input.probe],
  )) as { failures: number; open: number | null }[];
  return { failures: row?.failures ?? 1, openSeconds: row?.open ?? 0 };
}

export interface PaceState {
  failures: number;
  /** Until then the target asked not to be called. */
  heldUntil?: Date;
  /** Until then the breaker is open. */
  openUntil?: Date;
}

export async function paceOf(tx: Asker, application: string): Promise<PaceState> {
  const [row] = (await tx.query(
    `select failures, case when held_until > clock_timestamp() then held_until end as "heldUntil",
       case when open_until > clock_timestamp() then open_until end as "openUntil"
     from target_paces where application = $1 and kind = 'all'`,
    [application],
  )) as { failures: number; heldUntil: Date | null; openUntil: Date | null }[];
  return {
    failures: row?.failures ?? 0,
    heldUntil: row?.heldUntil ?? undefined,
    openUntil: row?.openUntil ?? undefined,
  };
}

/** An administrator says the target is well again. */
export async function clearPace(tx: Asker, application: string): Promise<void> {
  await tx.query(
    `update target_paces set failures = 0, open_until = null, held_until = null where application = $1`,
    [application],
  );
}
