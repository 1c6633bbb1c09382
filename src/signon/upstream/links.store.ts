import type { Tx } from '#kit/db/tx.ts';
import type { Link, Subject } from './links.ts';

interface LinkRow {
  id: string;
  upstream: string;
  tenant: string;
  subject: string;
  person: string;
  label: string;
  created_at: Date;
  used_at: Date | null;
  taken_over_at: Date | null;
}

const columns = 'id, upstream, tenant, subject, person, label, created_at, used_at, taken_over_at';

function toLink(row: LinkRow): Link {
  return {
    id: row.id,
    upstream: row.upstream,
    tenant: row.tenant,
    subject: row.subject,
    person: row.person,
    label: row.label,
    createdAt: row.created_at,
    usedAt: row.used_at ?? undefined,
    takenOverAt: row.taken_over_at ?? undefined,
  };
}

export async function linkOfSubject(tx: Tx, key: Subject): Promise<Link | undefined> {
  const rows = await tx.query<LinkRow>(
    `select ${columns} from upstream_links where upstream = $1 and tenant = $2 and subject = $3`,
    [key.upstream, key.tenant, key.subject],
    'upstream-link',
  );
  return rows[0] && toLink(rows[0]);
}

export async function linksOf(tx: Tx, person: string): Promise<Link[]> {
  const rows = await tx.query<LinkRow>(
    `select ${columns} from upstream_links where person = $1 order by created_at, id`,
    [person],
    'upstream-links-of',
  );
  return rows.map(toLink);
}

export async function hasLinks(tx: Tx, upstream: string): Promise<boolean> {
  return (await tx.query('select 1 from upstream_links where upstream = $1 limit 1', [upstream])).length > 0;
}

/** Subjects whose password is kept here by now. */
export async function takenOverSubjects(tx: Tx, upstream: string): Promise<string[]> {
  const rows = await tx.query<{ subject: string }>(
    'select subject from upstream_links where upstream = $1 and taken_over_at is not null',
    [upstream],
  );
  return rows.map((row) => row.subject);
}

/** How many people each upstream knows, by its id. */
export async function countLinks(tx: Tx): Promise<Map<string, number>> {
  const rows = await tx.query<{ upstream: string; count: number }>(
    'select upstream, count(*)::int as count from upstream_links group by upstream',
    [],
    'upstream-links-count',
  );
  return new Map(rows.map((row) => [row.upstream, row.count]));
}

/** People it knows whom no other upstream that is on knows, after this one, in the order of their ids. */
export async function peopleKnownHereAlone(
  tx: Tx,
  upstream: string,
  page: { after?: string; limit: number },
): Promise<string[]> {
  const rows = await tx.query<{ person: string }>(
    `select distinct l.person from upstream_links l
     where l.upstream = $1 and ($2::uuid is null or l.person > $2) and not exists (
       select 1 from upstream_links o join upstreams u on u.id = o.upstream
       where o.person = l.person and o.upstream <> $1 and (u.settings->>'enabled')::boolean)
     order by l.person limit $3`,
    [upstream, page.after ?? null, page.limit],
  );
  return rows.map((row) => row.person);
}

/** Those of an upstream after this id, in the order of their ids. */
export async function linksAt(
  tx: Tx,
  upstream: string,
  page: { after?: string; limit: number },
): Promise<Link[]> {
  const rows = await tx.query<LinkRow>(
    `select ${columns} from upstream_links where upstream = $1 and ($2::uuid is null or id > $2)
     order by id limit $3`,
    [upstream, page.after ?? null, page.limit],
  );
  return rows.map(toLink);
}

/** False when this subject is somebody's already. */
export async function insertLink(
  tx: Tx,
  link: Subject & Pick<Link, 'id' | 'person' | 'label'>,
): Promise<boolean> {
  const rows = await tx.query(
    `insert into upstream_links (id, upstream, tenant, subject, person, label, created_at)
     values ($1, $2, $3, $4, $5, $6, $7) on conflict (upstream, tenant, subject) do nothing returning id`,
    [link.id, link.upstream, link.tenant, link.subject, link.person, link.label, tx.now()],
  );
  return rows.length === 1;
}

export async function noteUse(tx: Tx, id: string, label: string): Promise<void> {
  await tx.query('update upstream_links set used_at = $2, label = $3 where id = $1', [id, tx.now(), label]);
}

export async function markTakenOver(tx: Tx, id: string): Promise<void> {
  await tx.query('update upstream_links set taken_over_at = $2 where id = $1', [id, tx.now()]);
}

/** Deletes the person's link with this id, or all of theirs. Returns what went. */
export async function deleteLinks(tx: Tx, person: string, id?: string): Promise<Link[]> {
  const rows = await tx.query<LinkRow>(
    `delete from upstream_links where person = $1 and ($2::uuid is null or id = $2) returning ${columns}`,
    [person, id ?? null],
  );
  return rows.map(toLink);
}
