import type { Tx } from '#kit/db/tx.ts';
import type { Session, SignInAttempt } from './sessions.ts';

interface SessionRow {
  id: string;
  person: string;
  sid: string;
  auth_time: Date;
  amr: string[];
  aal: number;
  device: string;
  network: string;
  persistent: boolean;
  shared: boolean;
  created_at: Date;
  last_seen_at: Date;
  idle_seconds: number;
  expires_at: Date;
  elevated_at: Date | null;
  elevated_aal: number | null;
}

const columns = `s.id, s.person, s.sid, s.auth_time, s.amr, s.aal, s.device, s.network, s.persistent, s.shared, s.created_at,
  s.last_seen_at, s.idle_seconds, s.expires_at, s.elevated_at, s.elevated_aal`;
const live = `s.ended_at is null and s.expires_at > $2
  and s.last_seen_at + make_interval(secs => s.idle_seconds) > $2`;

function toSession(row: SessionRow): Session {
  return {
    id: row.id,
    person: row.person,
    sid: row.sid,
    authTime: row.auth_time,
    amr: row.amr,
    aal: row.aal,
    device: row.device,
    network: row.network,
    persistent: row.persistent,
    shared: row.shared,
    createdAt: row.created_at,
    lastSeenAt: row.last_seen_at,
    idleSeconds: row.idle_seconds,
    expiresAt: row.expires_at,
    ...(row.elevated_at && { elevatedAt: row.elevated_at, elevatedAal: row.elevated_aal ?? 1 }),
  };
}

export async function insertSession(tx: Tx, session: Session, tokenHash: Buffer): Promise<void> {
  await tx.query(
    `insert into sessions (id, token_hash, person, sid, auth_time, amr, aal, device, network, persistent, created_at,
       last_seen_at, idle_seconds, expires_at, shared)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $5, $5, $11, $12, $13)`,
    [
      session.id,
      tokenHash,
      session.person,
      session.sid,
      session.authTime,
      session.amr,
      session.aal,
      session.device,
      session.network,
      session.persistent,
      session.idleSeconds,
      session.expiresAt,
      session.shared,
    ],
    'session-insert',
  );
}

/** The one read on every request. Whoever loses standing loses all sessions in the same transaction (`leave`). */
export async function liveSession(
  tx: Tx,
  by: { tokenHash: Buffer } | { id: string },
): Promise<Session | undefined> {
  const column = 'id' in by ? 'id' : 'token_hash';
  const rows = await tx.query<SessionRow>(
    `select ${columns} from sessions s where s.${column} = $1 and ${live}`,
    ['id' in by ? by.id : by.tokenHash, tx.now()],
    `session-by-${column}`,
  );
  return rows[0] && toSession(rows[0]);
}

/** The live ones of these sessions. */
export async function liveSessions(tx: Tx, ids: readonly string[]): Promise<Session[]> {
  if (ids.length === 1) {
    const session = await liveSession(tx, { id: ids[0]! });
    return session ? [session] : [];
  }
  const rows = await tx.query<SessionRow>(
    `select ${columns} from sessions s where s.id = any($1::uuid[]) and ${live}`,
    [ids, tx.now()],
    'sessions-by-ids',
  );
  return rows.map(toSession);
}

export async function touch(tx: Tx, id: string): Promise<void> {
  await tx.query('update sessions set last_seen_at = $2 where id = $1', [id, tx.now()]);
}

export async function elevate(
  tx: Tx,
  id: string,
  tokenHash: Buffer,
  proof: { amr: string[]; aal: number },
): Promise<boolean> {
  const rows = await tx.query(
    `update sessions set token_hash = $2, elevated_at = $3, elevated_aal = $5, last_seen_at = $3,
       aal = greatest(aal, $5), amr = array(select distinct unnest(amr || $4::text[]))
     where id = $1 and ended_at is null returning 1`,
    [id, tokenHash, tx.now(), proof.amr, proof.aal],
  );
  return rows.length === 1;
}

export async function end(
  tx: Tx,
  which: { ids?: readonly string[]; person?: string; except?: string },
  reason: string,
): Promise<{ id: string; person: string; sid: string }[]> {
  return tx.query(
    `update sessions set ended_at = $4, end_reason = $5
     where ended_at is null and ($1::uuid[] is null or id = any($1)) and ($2::uuid is null or person = $2)
       and ($3::uuid is null or id <> $3) and ($1::uuid[] is not null or $2::uuid is not null)
     returning id, person, sid`,
    [which.ids ?? null, which.person ?? null, which.except ?? null, tx.now(), reason],
  );
}

/** Sessions whose time is over and that nobody ended, oldest first. */
export async function overdue(tx: Tx, limit: number): Promise<{ id: string; person: string }[]> {
  return tx.query(
    `select id, person from sessions where ended_at is null
       and (expires_at <= $1 or last_seen_at + make_interval(secs => idle_seconds) <= $1)
     order by expires_at limit $2 for update skip locked`,
    [tx.now(), limit],
  );
}

/** When and why these sessions ended, as far as they have. */
export async function endsOf(
  tx: Tx,
  ids: readonly string[],
): Promise<{ id: string; person: string; at: Date; reason: string }[]> {
  return tx.query(
    `select id, person, ended_at as at, end_reason as reason from sessions
     where id = any($1::uuid[]) and ended_at is not null order by ended_at desc`,
    [ids],
  );
}

export async function listLive(tx: Tx, person: string): Promise<Session[]> {
  const rows = await tx.query<SessionRow>(
    `select ${columns} from sessions s where s.person = $1 and ${live} order by s.last_seen_at desc`,
    [person, tx.now()],
  );
  return rows.map(toSession);
}

export async function upsertParticipant(
  tx: Tx,
  session: string,
  application: string,
  front: string,
): Promise<boolean> {
  const rows = await tx.query<{ is_new: boolean }>(
    `insert into session_applications (session, application, front, joined_at, last_at) values ($1, $2, $3, $4, $4)
     on conflict (session, application, front) do update set last_at = excluded.last_at
     returning (xmax = 0) as is_new`,
    [session, application, front, tx.now()],
    'session-participant',
  );
  return rows[0]?.is_new ?? false;
}

export async function participants(
  tx: Tx,
  session: string,
): Promise<{ application: string; front: string; joinedAt: Date; lastAt: Date }[]> {
  return tx.query(
    `select application, front, joined_at as "joinedAt", last_at as "lastAt" from session_applications
     where session = $1 order by joined_at`,
    [session],
  );
}

export async function writeLastSignIn(tx: Tx, person: string, application: string): Promise<void> {
  await tx.query(
    `insert into last_sign_ins (person, application, at) values ($1, $2, $3)
     on conflict (person, application) do update set at = excluded.at`,
    [person, application, tx.now()],
    'last-sign-in',
  );
}

/** A success: the line in the list of sign-ins and the last one of the house, with one statement. */
export async function insertSuccess(
  tx: Tx,
  id: string,
  attempt: SignInAttempt & { person: string },
): Promise<void> {
  await tx.query(
    `with noted as (
       insert into sign_ins (id, person, at, door, outcome, application, device, network, request_id)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9))
     insert into last_sign_ins (person, application, at) values ($2, '', $3)
     on conflict (person, application) do update set at = excluded.at`,
    [
      id,
      attempt.person,
      tx.now(),
      attempt.door,
      attempt.outcome,
      attempt.application ?? null,
      attempt.device,
      attempt.network,
      tx.requestId,
    ],
    'sign-in-success',
  );
}

/**
 * A failure. For a name that is nobody's no row is kept, but something is written all the same: a commit that wrote
 * nothing need not wait for the disk, and whoever measures would see that (AU-07).
 */
export async function insertSignIn(tx: Tx, id: string, attempt: SignInAttempt): Promise<void> {
  await tx.query(
    `with noted as (
       insert into sign_ins (id, person, at, door, outcome, application, device, network, request_id)
       select $1, $2, $3, $4, $5, $6, $7, $8, $9 where $2::uuid is not null)
     select case when $2::uuid is null then pg_logical_emit_message(true, 'gatehouse', '') end`,
    [
      id,
      attempt.person ?? null,
      tx.now(),
      attempt.door,
      attempt.outcome,
      attempt.application ?? null,
      attempt.device,
      attempt.network,
      tx.requestId,
    ],
    'sign-in-insert',
  );
}

export interface SignIn {
  at: Date;
  door: string;
  outcome: string;
  application?: string;
  device: string;
  network: string;
  requestId: string;
}

export async function listSignIns(tx: Tx, person: string, limit: number): Promise<SignIn[]> {
  return tx.query<SignIn>(
    `select at, door, outcome, application, device, network, request_id as "requestId" from sign_ins
     where person = $1 order by at desc, id desc limit $2`,
    [person, limit],
  );
}

/** Last successful sign-in by person: key '' is Gatehouse itself, else the app's id. */
export async function lastSignIns(
  tx: Tx,
  people: readonly string[],
): Promise<Map<string, Map<string, Date>>> {
  const rows = await tx.query<{ person: string; application: string; at: Date }>(
    'select person, application, at from last_sign_ins where person = any($1::uuid[])',
    [people],
  );
  const found = new Map<string, Map<string, Date>>();
  for (const row of rows) {
    const mine = found.get(row.person) ?? new Map<string, Date>();
    mine.set(row.application, row.at);
    found.set(row.person, mine);
  }
  return found;
}

export async function deleteSignIns(tx: Tx, person: string): Promise<void> {
  await tx.query('delete from sign_ins where person = $1', [person]);
  await tx.query('delete from last_sign_ins where person = $1', [person]);
}

export async function blankSessions(tx: Tx, person: string): Promise<void> {
  await tx.query(`update sessions set device = '', network = '' where person = $1`, [person]);
}

export async function sessionIdsOf(tx: Tx, person: string): Promise<string[]> {
  const rows = await tx.query<{ id: string }>('select id from sessions where person = $1', [person]);
  return rows.map((row) => row.id);
}

export async function deleteOldSignIns(tx: Tx, before: Date): Promise<number> {
  const rows = await tx.query(
    `delete from sign_ins where id in (
       select id from sign_ins where at < $1 limit 5000 for update skip locked) returning 1`,
    [before],
  );
  return rows.length;
}
