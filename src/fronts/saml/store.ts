import type { Tx } from '#kit/db/tx.ts';

/** A transaction, or the database itself for one statement on its own. */
export type Queryable = Pick<Tx, 'query'>;

// requests ------------------------------------------------------------------------------------------------------

/** Notes that the message with this id of this issuer was acted on; false when it was before, on whichever node. */
export async function useMessage(tx: Tx, issuer: string, id: Buffer, expiresAt: Date): Promise<boolean> {
  const won = await tx.query(
    `insert into saml_messages (issuer, id, expires_at) values ($1, $2, $3)
     on conflict (issuer, id) do nothing returning issuer`,
    [issuer, id, expiresAt],
    'saml-use-message',
  );
  return won.length === 1;
}

export interface RequestRow<Request> {
  id: string;
  browser: string | null;
  application: string;
  request: Request;
  createdAt: Date;
}

export async function insertRequest(
  tx: Tx,
  row: { id: string; browser?: string; application: string; request: unknown; expiresAt: Date },
): Promise<void> {
  await tx.query(
    `insert into saml_requests (id, browser, application, request, created_at, expires_at)
     values ($1, $2, $3, $4, $5, $6)`,
    [row.id, row.browser ?? null, row.application, JSON.stringify(row.request), tx.now(), row.expiresAt],
    'saml-insert-request',
  );
}

/** The open request of this browser; the first browser that asks for one that came by POST is the one it belongs to. */
export async function takeRequest<Request>(
  tx: Tx,
  id: string,
  browser: string,
): Promise<RequestRow<Request> | undefined> {
  const rows = await tx.query<RequestRow<Request>>(
    `update saml_requests set browser = $2 where id = $1 and (browser is null or browser = $2) and expires_at > $3
     returning id, browser, application, request, created_at as "createdAt"`,
    [id, browser, tx.now()],
    'saml-take-request',
  );
  return rows[0];
}

/** Ends an open request; false when it was answered already. */
export async function endRequest(tx: Tx, id: string): Promise<boolean> {
  const gone = await tx.query('delete from saml_requests where id = $1 returning id', [id]);
  return gone.length === 1;
}

// sessions ------------------------------------------------------------------------------------------------------

export interface SessionName {
  session: string;
  application: string;
  sessionIndex: string;
  nameId: string;
  nameFormat: string;
}

const sessionColumns = `session, application, session_index as "sessionIndex", name_id as "nameId",
  name_format as "nameFormat"`;

/** The index an app already knows this session by. */
export async function indexOf(tx: Tx, session: string, application: string): Promise<string | undefined> {
  const rows = await tx.query<{ sessionIndex: string }>(
    `select session_index as "sessionIndex" from saml_sessions where session = $1 and application = $2 limit 1`,
    [session, application],
    'saml-index-of',
  );
  return rows[0]?.sessionIndex;
}

export async function insertSessionName(tx: Tx, row: SessionName): Promise<void> {
  await tx.query(
    `insert into saml_sessions (session, application, session_index, name_id, name_format, created_at)
     values ($1, $2, $3, $4, $5, $6)
     on conflict (session, application, name_id) do update set created_at = excluded.created_at`,
    [row.session, row.application, row.sessionIndex, row.nameId, row.nameFormat, tx.now()],
    'saml-insert-session',
  );
}

/** By which name each app knows this session, the latest where an app knows several. */
export async function namesOfSession(tx: Tx, session: string): Promise<SessionName[]> {
  return tx.query<SessionName>(
    `select distinct on (application) ${sessionColumns} from saml_sessions where session = $1
     order by application, created_at desc`,
    [session],
  );
}

/** Sessions an app knows by this name, and by one of these indexes where it names any. */
export async function sessionsNamed(
  tx: Tx,
  application: string,
  nameId: string,
  indexes: readonly string[],
): Promise<SessionName[]> {
  return tx.query<SessionName>(
    `select ${sessionColumns} from saml_sessions where application = $1 and name_id = $2
       and (cardinality($3::text[]) = 0 or session_index = any($3)) order by created_at desc limit 50`,
    [application, nameId, indexes],
  );
}

/** For erasing: the names by which apps knew these sessions go; how signing out went stays. */
export async function forgetNames(tx: Tx, sessions: readonly string[]): Promise<void> {
  await tx.query('delete from saml_sessions where session = any($1::uuid[])', [sessions]);
  await tx.query(`update saml_logouts set name_id = '' where session = any($1::uuid[])`, [sessions]);
}

/** Deletes what has had its time. */
export async function deleteOld(db: Queryable, now: Date, keptSince: Date): Promise<void> {
  await db.query('delete from saml_messages where expires_at < $1', [now]);
  await db.query('delete from saml_requests where expires_at < $1', [now]);
  await db.query('delete from saml_logouts where created_at < $1', [keptSince]);
  await db.query('delete from saml_sign_outs where created_at < $1', [keptSince]);
}

/** Sessions names are kept of, in order, after one. */
export async function sessionsWithNames(
  db: Queryable,
  before: Date,
  after: string | undefined,
  limit: number,
): Promise<string[]> {
  const rows = await db.query<{ session: string }>(
    `select distinct session from saml_sessions where created_at < $1 and ($2::uuid is null or session > $2)
     order by session limit $3`,
    [before, after ?? null, limit],
  );
  return rows.map((row) => row.session);
}

export async function deleteNames(db: Queryable, sessions: readonly string[]): Promise<void> {
  await db.query('delete from saml_sessions where session = any($1::uuid[])', [sessions]);
}

// metadata ------------------------------------------------------------------------------------------------------

export interface MetadataRow {
  application: string;
  url: string;
  xml: string | null;
  validUntil: Date | null;
  fetchedAt: Date | null;
  triedAt: Date;
  failure: string | null;
}

const metadataColumns = `application, url, xml, valid_until as "validUntil", fetched_at as "fetchedAt",
  tried_at as "triedAt", failure`;

export async function metadataOf(db: Queryable, application: string): Promise<MetadataRow | undefined> {
  const rows = await db.query<MetadataRow>(
    `select ${metadataColumns} from saml_metadata where application = $1`,
    [application],
    'saml-metadata',
  );
  return rows[0];
}

export async function listMetadata(db: Queryable): Promise<MetadataRow[]> {
  return db.query<MetadataRow>(`select ${metadataColumns} from saml_metadata order by application`);
}

/** Keeps what was fetched. What came before from another address is no longer any good. */
export async function keepMetadata(
  tx: Tx,
  row: { application: string; url: string; xml: string; validUntil?: Date },
): Promise<void> {
  await tx.query(
    `insert into saml_metadata (application, url, xml, valid_until, fetched_at, tried_at)
     values ($1, $2, $3, $4, $5, $5) on conflict (application) do update set url = excluded.url, xml = excluded.xml,
       valid_until = excluded.valid_until, fetched_at = excluded.fetched_at, tried_at = excluded.tried_at, failure = null`,
    [row.application, row.url, row.xml, row.validUntil ?? null, tx.now()],
  );
}

/** Keeps why nothing could be fetched; the last good metadata of this address stays. */
export async function noteMetadataFailure(
  tx: Tx,
  row: { application: string; url: string; failure: string },
): Promise<void> {
  await tx.query(
    `insert into saml_metadata (application, url, tried_at, failure) values ($1, $2, $4, $3)
     on conflict (application) do update set tried_at = excluded.tried_at, failure = excluded.failure,
       xml = case when saml_metadata.url = excluded.url then saml_metadata.xml end,
       valid_until = case when saml_metadata.url = excluded.url then saml_metadata.valid_until end,
       fetched_at = case when saml_metadata.url = excluded.url then saml_metadata.fetched_at end,
       url = excluded.url`,
    [row.application, row.url, row.failure, tx.now()],
  );
}
