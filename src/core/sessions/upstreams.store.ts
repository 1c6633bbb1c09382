import type { Tx } from '#kit/db/tx.ts';
import type { OpenedBy } from './upstreams.ts';

export async function insertUpstream(
  tx: Tx,
  row: {
    session: string;
    upstream: string;
    subject: string;
    sessionIndex?: string;
    nameHash?: Buffer;
    idToken?: Buffer | '';
  },
): Promise<void> {
  const { session, upstream, subject, sessionIndex, nameHash, idToken } = row;
  await tx.query(
    `insert into session_upstreams (session, upstream, subject, session_index, name_hash, id_token)
     values ($1, $2, $3, $4, $5, $6)`,
    [session, upstream, subject, sessionIndex ?? null, nameHash ?? null, idToken || null],
  );
}

export async function upstreamOf(
  tx: Tx,
  session: string,
): Promise<
  { upstream: string; subject: string; sessionIndex: string | null; idToken: Buffer | null } | undefined
> {
  const rows = await tx.query<{
    upstream: string;
    subject: string;
    sessionIndex: string | null;
    idToken: Buffer | null;
  }>(
    `select upstream, subject, session_index as "sessionIndex", id_token as "idToken" from session_upstreams
     where session = $1`,
    [session],
  );
  return rows[0];
}

export async function deleteUpstreamsOf(tx: Tx, person: string): Promise<void> {
  await tx.query(
    'delete from session_upstreams where session in (select id from sessions where person = $1)',
    [person],
  );
}

export async function sessionsFromUpstream(
  tx: Tx,
  by: { upstream: string; subject?: string; nameHash?: Buffer; sessionIndex?: string },
): Promise<string[]> {
  const { upstream, subject, nameHash, sessionIndex } = by;
  if (subject === undefined && nameHash === undefined && sessionIndex === undefined) return [];
  const rows = await tx.query<{ id: string }>(
    `select s.id from session_upstreams u join sessions s on s.id = u.session
     where u.upstream = $1 and ($2::text is null or u.subject = $2) and ($3::text is null or u.session_index = $3)
       and ($4::bytea is null or u.name_hash = $4) and s.ended_at is null and s.expires_at > $5`,
    [upstream, subject ?? null, sessionIndex ?? null, nameHash ?? null, tx.now()],
  );
  return rows.map((row) => row.id);
}

export async function liveOpenedBy(tx: Tx, which: OpenedBy): Promise<string[]> {
  const rows = await tx.query<{ id: string }>(
    `select s.id from session_upstreams u join sessions s on s.id = u.session
     where u.upstream = $1 and ($2::text is null or u.subject = $2) and not u.subject = any($3::text[])
       and ($4::uuid is null or s.id <> $4) and s.ended_at is null and s.expires_at > $5`,
    [which.upstream, which.subject ?? null, which.butSubjects ?? [], which.except ?? null, tx.now()],
  );
  return rows.map((row) => row.id);
}

export async function countOpenedBy(tx: Tx): Promise<Map<string, number>> {
  const rows = await tx.query<{ upstream: string; count: number }>(
    `select u.upstream, count(*)::int as count from session_upstreams u join sessions s on s.id = u.session
     where s.ended_at is null and s.expires_at > $1
       and s.last_seen_at + make_interval(secs => s.idle_seconds) > $1 group by u.upstream`,
    [tx.now()],
  );
  return new Map(rows.map((row) => [row.upstream, row.count]));
}
