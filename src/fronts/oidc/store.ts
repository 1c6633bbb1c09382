import type { Key, KeyState } from '#core/keys/keys.ts';
import type { Tx } from '#kit/db/tx.ts';

/** A transaction, or the database itself for one statement on its own. */
export type Queryable = Pick<Tx, 'query'>;

/** One stored object of the library: its id is kept as a hash, its body sealed. */
export interface PayloadRow {
  kind: string;
  id: Buffer;
  sealed: Buffer;
  grantId?: Buffer;
  /** Core session that carries it; undefined where it outlives the session (`offline_access`). */
  session?: string;
  person?: string;
  application?: string;
  createdAt: Date;
  expiresAt?: Date;
}

const rowsOfArrays = `unnest($1::text[], $2::bytea[], $3::bytea[], $4::bytea[], $5::uuid[], $6::uuid[], $7::text[],
  $8::timestamptz[], $9::timestamptz[]`;
const payloadColumns = 'kind, id, sealed, grant_id, session, person, application, created_at, expires_at';
const replaceOnConflict = `on conflict (kind, id) do update set sealed = excluded.sealed, grant_id = excluded.grant_id,
  session = excluded.session, person = excluded.person, application = excluded.application,
  expires_at = excluded.expires_at`;

function arraysOf(rows: readonly PayloadRow[]): unknown[][] {
  return [
    rows.map((row) => row.kind),
    rows.map((row) => row.id),
    rows.map((row) => row.sealed),
    rows.map((row) => row.grantId ?? null),
    rows.map((row) => row.session ?? null),
    rows.map((row) => row.person ?? null),
    rows.map((row) => row.application ?? null),
    // As text: of dates the driver would work out the time zone, one by one.
    rows.map((row) => row.createdAt.toISOString()),
    rows.map((row) => row.expiresAt?.toISOString() ?? null),
  ];
}

/** Keeps objects with one statement; one that is there already is replaced. No two rows may be the same object. */
export async function savePayloads(db: Queryable, rows: readonly PayloadRow[]): Promise<void> {
  if (rows.length === 0) return;
  await db.query(
    `insert into oidc_payloads (${payloadColumns}) select * from ${rowsOfArrays}) ${replaceOnConflict}`,
    arraysOf(rows),
    'oidc-save',
  );
}

/** What is given in exchange for one-use objects. */
export interface Trade {
  /** The object that is used up; none where nothing is. */
  used?: PayloadKey;
  rows: readonly PayloadRow[];
}

/**
 * Uses objects up and keeps what is given for them, with one statement: each all of it or nothing. True for each that was
 * won. The objects used must differ from one another.
 */
export async function tradePayloads(db: Queryable, trades: readonly Trade[], now: Date): Promise<boolean[]> {
  const used = trades.flatMap((trade) => trade.used ?? []);
  const rows = trades.flatMap((trade) => trade.rows);
  if (used.length === 0) {
    await savePayloads(db, rows);
    return trades.map(() => true);
  }
  const usedFor = trades.flatMap((trade) => trade.rows.map(() => trade.used));
  const won = await db.query<PayloadKey>(
    `with won as (
       update oidc_payloads set consumed_at = $14
       where ctid = any(array(
           select p.ctid from unnest($12::text[], $13::bytea[]) as k (kind, id) cross join lateral (
             select ctid from oidc_payloads where kind = k.kind and id = k.id limit 1) p))
         and consumed_at is null
       returning kind, id),
     kept as (
       insert into oidc_payloads (${payloadColumns})
       select ${payloadColumns} from ${rowsOfArrays}, $10::text[], $11::bytea[])
         as given (${payloadColumns}, used_kind, used_id)
       where used_id is null or (used_kind, used_id) in (select kind, id from won)
       ${replaceOnConflict})
     select kind, id from won`,
    [
      ...arraysOf(rows),
      usedFor.map((key) => key?.kind ?? null),
      usedFor.map((key) => key?.id ?? null),
      used.map((key) => key.kind),
      used.map((key) => key.id),
      now,
    ],
    'oidc-trade',
  );
  const free = new Set(won.map(textOf));
  return trades.map((trade) => trade.used === undefined || free.has(textOf(trade.used)));
}

/** Names one stored object. */
export interface PayloadKey {
  kind: string;
  id: Buffer;
}

export interface StoredPayload {
  sealed: Buffer;
  consumedAt: Date | null;
  /** The grant it was given under, where there is one. */
  grant?: { id: Buffer; sealed: Buffer; consumedAt: Date | null };
}

/** The objects of these names, in their order, with their grants; undefined where there is none. */
export async function findPayloads(
  db: Queryable,
  keys: readonly PayloadKey[],
): Promise<(StoredPayload | undefined)[]> {
  // Each by the primary key, also where the plan was made while the table was small and has grown since.
  const rows = await db.query<FoundRow>(
    `select p.*, g.sealed as "grantSealed", g.consumed_at as "grantConsumedAt"
     from unnest($1::text[], $2::bytea[]) as k (kind, id) cross join lateral (
       select kind, id, sealed, consumed_at as "consumedAt", grant_id as "grantId" from oidc_payloads
       where kind = k.kind and id = k.id limit 1) p
     left join lateral (
       select sealed, consumed_at from oidc_payloads
       where kind = 'Grant' and id = p."grantId" and p.kind <> 'Grant' limit 1) g on true`,
    [keys.map((key) => key.kind), keys.map((key) => key.id)],
    'oidc-find',
  );
  const found = new Map(rows.map((row) => [textOf(row), toStored(row)]));
  return keys.map((key) => found.get(textOf(key)));
}

interface FoundRow extends PayloadKey {
  sealed: Buffer;
  consumedAt: Date | null;
  grantId: Buffer | null;
  grantSealed: Buffer | null;
  grantConsumedAt: Date | null;
}

function toStored({ sealed, consumedAt, grantId, grantSealed, grantConsumedAt }: FoundRow): StoredPayload {
  const grant = grantId && grantSealed && { id: grantId, sealed: grantSealed, consumedAt: grantConsumedAt };
  return { sealed, consumedAt, ...(grant && { grant }) };
}

function textOf(key: PayloadKey): string {
  return `${key.kind} ${key.id.toString('latin1')}`;
}

/**
 * Wins one-use objects, or not: one conditional update, and of any number of callers exactly one gets true. Each is
 * found by the primary key, whatever the plan was made for. The answer to whoever won leaves with a later commit that
 * is durable (what is given in exchange), so this one need not wait for the disk: after a power cut in between
 * nobody had been given anything.
 */
export async function consumePayloads(
  db: Queryable,
  keys: readonly PayloadKey[],
  now: Date,
): Promise<boolean[]> {
  const won = await db.query<PayloadKey>(
    `update oidc_payloads set consumed_at = $3
     where ctid = any(array(
         select p.ctid from unnest($1::text[], $2::bytea[]) as k (kind, id) cross join lateral (
           select ctid from oidc_payloads where kind = k.kind and id = k.id limit 1) p))
       and consumed_at is null and set_config('synchronous_commit', 'off', true) = 'off'
     returning kind, id`,
    [keys.map((key) => key.kind), keys.map((key) => key.id), now],
    'oidc-consume',
  );
  const free = new Set(won.map(textOf));
  // Of several who ask for the same one at once the first has it.
  return keys.map((key) => free.delete(textOf(key)));
}

export async function deletePayload(db: Queryable, kind: string, id: Buffer): Promise<void> {
  await db.query('delete from oidc_payloads where kind = $1 and id = $2', [kind, id], 'oidc-delete');
}

/** Deletes a grant with everything that was given under it. */
export async function deleteGrant(db: Queryable, grantId: Buffer): Promise<void> {
  await db.query('delete from oidc_payloads where grant_id = $1', [grantId], 'oidc-delete-grant');
}

/** The same for the grant that this object belongs to. */
export async function deleteGrantOf(db: Queryable, kind: string, id: Buffer): Promise<void> {
  await db.query(
    `delete from oidc_payloads where grant_id = (select grant_id from oidc_payloads where kind = $1 and id = $2)`,
    [kind, id],
    'oidc-delete-grant-of',
  );
}

/** What a withdrawal reaches: everything of a session, a person, an app, or a person at an app. */
export interface Reach {
  session?: string;
  person?: string;
  application?: string;
  /** Only what no session carries (`offline_access`). */
  offline?: boolean;
}

/** Deletes what was given until `until` within reach. Returns how many objects there were. */
export async function deleteWithin(tx: Tx, reach: Reach, until: Date): Promise<number> {
  const { session, person, application, offline = false } = reach;
  if (!session && !person && !application) return 0;
  const rows = await tx.query(
    `delete from oidc_payloads where created_at <= $4 and ($1::uuid is null or session = $1)
       and ($2::uuid is null or person = $2) and ($3::text is null or application = $3)
       and (not $5::boolean or session is null) returning kind`,
    [session ?? null, person ?? null, application ?? null, until, offline],
  );
  return rows.length;
}

/** Deletes up to 5,000 objects whose time is over. Returns how many. */
export async function deleteExpired(db: Queryable, now: Date): Promise<number> {
  const rows = await db.query(
    `delete from oidc_payloads where (kind, id) in
       (select kind, id from oidc_payloads where expires_at < $1 limit 5000) returning kind`,
    [now],
  );
  return rows.length;
}

// keys ----------------------------------------------------------------------------------------------------------

export interface KeyRow extends Key {
  alg: 'RS256' | 'ES256';
  sealed: Buffer;
}

/** Everyone who changes keys does so one after the other, on all nodes. */
export async function lockKeys(tx: Tx): Promise<void> {
  await tx.query(`select pg_advisory_xact_lock(hashtextextended('oidc_keys', 0))`);
}

export async function listKeys(db: Queryable): Promise<KeyRow[]> {
  return db.query<KeyRow>(
    `select kid, alg, sealed, state, created_at as "createdAt", active_at as "activeAt",
       retiring_at as "retiringAt" from oidc_keys where state <> 'gone' order by created_at, kid`,
    [],
    'oidc-keys',
  );
}

export async function insertKey(
  tx: Tx,
  key: { kid: string; alg: string; publicJwk: object; sealed: Buffer; state: 'next' | 'active' },
): Promise<void> {
  await tx.query(
    `insert into oidc_keys (kid, alg, public_jwk, sealed, state, created_at, active_at)
     values ($1, $2, $3, $4, $5, $6, case when $5 = 'active' then $6::timestamptz end)`,
    [key.kid, key.alg, JSON.stringify(key.publicJwk), key.sealed, key.state, tx.now()],
  );
}

/** Moves a key on. A key that is gone keeps its row as a record, without its private part. */
export async function moveKey(tx: Tx, kid: string, state: Exclude<KeyState, 'next'>): Promise<void> {
  await tx.query(
    `update oidc_keys set state = $2, active_at = case when $2 = 'active' then $3 else active_at end,
       retiring_at = case when $2 = 'retiring' then $3 else retiring_at end,
       gone_at = case when $2 = 'gone' then $3 else gone_at end,
       sealed = case when $2 = 'gone' then ''::bytea else sealed end where kid = $1`,
    [kid, state, tx.now()],
  );
}

export async function announceKeys(tx: Tx): Promise<void> {
  await tx.query(`select pg_notify('oidc_keys', '')`);
}

// back-channel logout -------------------------------------------------------------------------------------------

export interface LogoutRow {
  id: string;
  session: string;
  sid: string;
  application: string;
  subject: string;
  state: 'waiting' | 'confirmed' | 'failed';
  answer: string | null;
  /** How often it was told. */
  attempts: number;
  /** When it was settled. */
  settledAt: Date | null;
}

const logoutColumns = `id, session, sid, application, subject, state, answer, attempts, settled_at as "settledAt"`;

export async function insertLogout(
  tx: Tx,
  row: Pick<LogoutRow, 'id' | 'session' | 'sid' | 'application' | 'subject'>,
): Promise<void> {
  await tx.query(
    `insert into oidc_logouts (id, session, sid, application, subject, state, created_at)
     values ($1, $2, $3, $4, $5, 'waiting', $6)`,
    [row.id, row.session, row.sid, row.application, row.subject, tx.now()],
  );
}

export async function logoutById(db: Queryable, id: string): Promise<LogoutRow | undefined> {
  const rows = await db.query<LogoutRow>(`select ${logoutColumns} from oidc_logouts where id = $1`, [id]);
  return rows[0];
}

/** How it went at each app of a session. */
export async function logoutsOf(db: Queryable, session: string): Promise<LogoutRow[]> {
  return db.query<LogoutRow>(
    `select ${logoutColumns} from oidc_logouts where session = $1 order by application`,
    [session],
  );
}

export async function settleLogout(
  tx: Tx,
  id: string,
  state: 'confirmed' | 'failed',
  answer: string,
): Promise<void> {
  await tx.query(
    `update oidc_logouts set state = $2, answer = $3, settled_at = $4, attempts = attempts + 1
     where id = $1 and state = 'waiting'`,
    [id, state, answer, tx.now()],
  );
}

/** An attempt that is to be followed by another: what came back is kept meanwhile. */
export async function noteLogoutAttempt(db: Queryable, id: string, answer: string): Promise<void> {
  await db.query(
    `update oidc_logouts set answer = $2, attempts = attempts + 1 where id = $1 and state = 'waiting'`,
    [id, answer],
  );
}

/** Puts the subject an app now knows these sessions' person by in the place of others. */
export async function replaceLogoutSubjects(
  tx: Tx,
  now: { sessions: readonly string[]; application: string; subject: string },
): Promise<void> {
  await tx.query(
    `update oidc_logouts set subject = $3
     where session = any($1::uuid[]) and application = $2 and subject <> $3`,
    [now.sessions, now.application, now.subject],
  );
}

/** Forgets how sign-outs went that were settled, or given up, before this moment. */
export async function deleteOldLogouts(db: Queryable, before: Date): Promise<void> {
  await db.query('delete from oidc_logouts where created_at < $1', [before]);
}

export async function sealedKeys(tx: Tx): Promise<{ kid: string; sealed: Buffer }[]> {
  return tx.query("select kid, sealed from oidc_keys where state <> 'gone' order by kid for update");
}

export async function replaceSealedKey(tx: Tx, kid: string, sealed: Buffer): Promise<void> {
  await tx.query('update oidc_keys set sealed = $2 where kid = $1', [kid, sealed]);
}

/** Sealed bodies in order of their key, after one. */
export async function sealedPayloads(
  db: Queryable,
  after: { kind: string; id: Buffer } | undefined,
  limit: number,
): Promise<{ kind: string; id: Buffer; sealed: Buffer }[]> {
  return db.query(
    `select kind, id, sealed from oidc_payloads
     where $1::text is null or (kind, id) > ($1, $2::bytea) order by kind, id limit $3`,
    [after?.kind ?? null, after?.id ?? null, limit],
  );
}

/** Puts bodies in place, each only where it still is the one that was read. */
export async function replaceSealedPayloads(
  db: Queryable,
  rows: readonly { kind: string; id: Buffer; from: Buffer; to: Buffer }[],
): Promise<number> {
  if (rows.length === 0) return 0;
  const changed = await db.query(
    `update oidc_payloads p set sealed = r."to"
     from unnest($1::text[], $2::bytea[], $3::bytea[], $4::bytea[]) as r (kind, id, "from", "to")
     where p.kind = r.kind and p.id = r.id and p.sealed = r."from" returning p.kind`,
    [
      rows.map((row) => row.kind),
      rows.map((row) => row.id),
      rows.map((row) => row.from),
      rows.map((row) => row.to),
    ],
  );
  return changed.length;
}
