import type { Tx } from '#kit/db/tx.ts';

/** One decision about a target at a time: of 51 removals at once exactly 50 go. */
export async function lockWindow(tx: Tx, application: string): Promise<void> {
  await tx.query(`select pg_advisory_xact_lock(hashtextextended('brake:' || $1, 0))`, [application]);
}

export interface Window {
  /** Removals within the window that nobody approved. */
  count: number;
  /** Accounts we look after there. */
  accounts: number;
  /** This subject is among them. */
  already: boolean;
  /** The brake is engaged. */
  open: boolean;
}

export async function windowOf(
  tx: Tx,
  input: { application: string; subject: string; minutes: number },
): Promise<Window> {
  const [row] = await tx.query<Window>(
    `select count(*)::integer as count, coalesce(bool_or(subject = $2), false) as already,
       (select count(*)::integer from target_links where application = $1 and state = 'linked') as accounts,
       exists (select 1 from target_brakes where application = $1 and released_at is null) as open
     from target_removals where application = $1 and not approved
       and at > clock_timestamp() - make_interval(mins => $3)`,
    [input.application, input.subject, input.minutes],
  );
  return row as Window;
}

export async function insertRemoval(
  tx: Tx,
  removal: { application: string; subject: string; kind: string; approved: boolean },
): Promise<void> {
  await tx.query(
    `insert into target_removals (application, subject, kind, at, approved) values ($1, $2, $3, clock_timestamp(), $4)`,
    [removal.application, removal.subject, removal.kind, removal.approved],
  );
}

export async function insertBrake(
  tx: Tx,
  brake: { id: string; application: string; why: string },
): Promise<void> {
  await tx.query(
    `insert into target_brakes (id, application, engaged_at, why) values ($1, $2, clock_timestamp(), $3)`,
    [brake.id, brake.application, brake.why],
  );
}

export async function openBrake(
  tx: Tx,
  application: string,
): Promise<{ id: string; since: Date; why: string } | undefined> {
  const [row] = await tx.query<{ id: string; since: Date; why: string }>(
    'select id, engaged_at as since, why from target_brakes where application = $1 and released_at is null',
    [application],
  );
  return row;
}

/**
 * The open brake of a target, when nothing is held there and its window is over. A held plan is kept a moment after the
 * brake was asked: one that was engaged just now is never idle.
 */
export async function idleBrake(tx: Tx, application: string, minutes: number): Promise<string | undefined> {
  const [row] = await tx.query<{ id: string }>(
    `select id from target_brakes b where application = $1 and released_at is null
       and engaged_at < clock_timestamp() - make_interval(mins => $2)
       and not exists (select 1 from target_plans p where p.application = $1 and p.state = 'held')
       and not exists (select 1 from target_removals r where r.application = $1 and not r.approved
         and r.at > clock_timestamp() - make_interval(mins => $2))`,
    [application, minutes],
  );
  return row?.id;
}

export async function closeBrake(tx: Tx, id: string, by: string, outcome: string): Promise<void> {
  await tx.query(
    `update target_brakes set released_at = clock_timestamp(), released_by = $2, outcome = $3 where id = $1`,
    [id, by, outcome],
  );
}

export interface HeldPlan {
  subject: string;
  verdict: string;
  why: string;
  /** Of the steps, in hexadecimal. */
  digest: string;
  since: Date;
}

export async function heldPlans(tx: Tx, application: string): Promise<HeldPlan[]> {
  return tx.query<HeldPlan>(
    `select subject, verdict, why, encode(digest, 'hex') as digest, made_at as since
     from target_plans where application = $1 and state = 'held' order by made_at, subject`,
    [application],
  );
}

export async function decide(
  tx: Tx,
  application: string,
  plans: readonly HeldPlan[],
  state: 'approved' | 'refused',
  by: string,
): Promise<void> {
  if (plans.length === 0) return;
  await tx.query(
    `with chosen as (
       select subject from target_plans where application = $1 and subject = any($2::text[]) and state = 'held'
       order by subject for update)
     update target_plans p set state = $3, decided_by = $4, decided_at = $5
     from chosen where p.application = $1 and p.subject = chosen.subject`,
    [application, plans.map(({ subject }) => subject), state, by, tx.now()],
  );
}

export interface RecentRemoval {
  subject: string;
  kind: string;
  at: Date;
  approved: boolean;
}

export async function removalsWithin(tx: Tx, application: string, minutes: number): Promise<RecentRemoval[]> {
  return tx.query<RecentRemoval>(
    `select subject, kind, at, approved from target_removals
     where application = $1 and at > clock_timestamp() - make_interval(mins => $2) order by at desc limit 1000`,
    [application, minutes],
  );
}

export async function accountsOf(tx: Tx, application: string): Promise<number> {
  const [row] = await tx.query<{ count: number }>(
    `select count(*)::integer as count from target_links where application = $1 and state = 'linked'`,
    [application],
  );
  return row?.count ?? 0;
}

export async function deleteOldRemovals(tx: Pick<Tx, 'query'>, most = 5000): Promise<number> {
  const gone = await tx.query(
    `delete from target_removals where ctid in (
       select ctid from target_removals where at < clock_timestamp() - interval '8 days' limit $1) returning 1`,
    [most],
  );
  return gone.length;
}
