import { tombstones } from '#core/people/tombstones.ts';
import type { Tx } from '#kit/db/tx.ts';

export function pair(one: { application: string; person: string }): string {
  return `${one.application}\0${one.person}`;
}

/**
 * `settled` are the pairs that now have the wanted alias, `changed` those that did not have it before. A pair that
 * is in neither lost to another person's equal name.
 */
export async function upsertAliases(
  tx: Tx,
  rows: readonly { application: string; person: string; alias: string; key: string }[],
  origin: string,
): Promise<{ changed: { application: string; person: string }[]; settled: Set<string> }> {
  if (rows.length === 0) return { changed: [], settled: new Set() };
  // Whoever names people at the same app takes turns: two who want one name at once would fail, not lose.
  await tx.query(
    `select pg_advisory_xact_lock(hashtextextended('aliases:' || application, 0))
     from (select distinct application from unnest($1::text[]) as given (application) order by 1) as apps`,
    [rows.map((row) => row.application)],
    'aliases-lock',
  );
  const marks = await tombstones(
    tx,
    'alias',
    rows.map(({ application, key }) => ({ place: application, name: key })),
  );
  const changed = await tx.query<{ application: string; person: string }>(
    `with given as (
       select distinct on (application, key) * from jsonb_to_recordset($1::jsonb)
         as r (application text, person uuid, alias text, key text, tombstone text) order by application, key, person)
     insert into aliases as a (application, person, alias, alias_key, origin, created_at)
     select g.application, g.person, g.alias, g.key, $2, $3 from given g
     where not exists (select 1 from aliases o
       where o.application = g.application and o.alias_key in (g.key, g.tombstone) and o.person <> g.person)
     on conflict (application, person) do update set alias = excluded.alias, alias_key = excluded.alias_key,
       origin = excluded.origin where a.alias <> excluded.alias
     returning application, person`,
    [JSON.stringify(rows.map((row, index) => ({ ...row, tombstone: marks[index] }))), origin, tx.now()],
  );
  const now = await tx.query<{ application: string; person: string }>(
    `select a.application, a.person from aliases a
     join jsonb_to_recordset($1::jsonb) as r (application text, person uuid, alias text, key text)
       on a.application = r.application and a.person = r.person and a.alias_key = r.key`,
    [JSON.stringify(rows)],
  );
  return { changed, settled: new Set(now.map(pair)) };
}

export async function deleteAlias(tx: Tx, application: string, person: string): Promise<boolean> {
  const rows = await tx.query('delete from aliases where application = $1 and person = $2 returning person', [
    application,
    person,
  ]);
  return rows.length > 0;
}

/** Given names at one application, by person. */
export async function aliasesAt(
  tx: Tx,
  application: string,
  people: readonly string[],
): Promise<Map<string, string>> {
  const rows = await tx.query<{ person: string; alias: string }>(
    'select person, alias from aliases where application = $1 and person = any($2::uuid[])',
    [application, people],
  );
  return new Map(rows.map((row) => [row.person, row.alias]));
}

/** Of these names (in canonical form) at one application, the given ones and whose they are. */
export async function aliasHolders(
  tx: Tx,
  application: string,
  keys: readonly string[],
): Promise<Map<string, string>> {
  const rows = await tx.query<{ alias_key: string; person: string }>(
    'select alias_key, person from aliases where application = $1 and alias_key = any($2::text[])',
    [application, keys],
  );
  return new Map(rows.map((row) => [row.alias_key, row.person]));
}

/** Given names of one person, by application. */
export async function aliasesOf(tx: Tx, person: string): Promise<Map<string, string>> {
  const rows = await tx.query<{ application: string; alias: string }>(
    'select application, alias from aliases where person = $1 order by application',
    [person],
  );
  return new Map(rows.map((row) => [row.application, row.alias]));
}

/** First writer wins; returns the fixed subject, or undefined when the subject is or was another person's. */
export async function insertSubject(
  tx: Tx,
  application: string,
  person: string,
  subject: string,
): Promise<string | undefined> {
  const [mark] = await tombstones(tx, 'subject', [{ place: application, name: subject }]);
  await tx.query(
    `insert into subjects (application, person, subject, created_at)
     select $1, $2, $3, $4 where not exists (select 1 from subjects where application = $1 and subject = $5)
     on conflict do nothing`,
    [application, person, subject, tx.now(), mark],
    'subject-insert',
  );
  return (await subjectsAt(tx, application, [person])).get(person);
}

export async function subjectsAt(
  tx: Tx,
  application: string,
  people: readonly string[],
): Promise<Map<string, string>> {
  const rows = await tx.query<{ person: string; subject: string }>(
    'select person, subject from subjects where application = $1 and person = any($2::uuid[])',
    [application, people],
    'subjects-at',
  );
  return new Map(rows.map((row) => [row.person, row.subject]));
}

export async function personBySubject(
  tx: Tx,
  application: string,
  subject: string,
): Promise<string | undefined> {
  const rows = await tx.query<{ person: string }>(
    'select person from subjects where application = $1 and subject = $2',
    [application, subject],
    'person-by-subject',
  );
  return rows[0]?.person;
}

/** Subjects of one person, by application. */
export async function subjectsOf(tx: Tx, person: string): Promise<Map<string, string>> {
  const rows = await tx.query<{ application: string; subject: string }>(
    'select application, subject from subjects where person = $1 order by application',
    [person],
  );
  return new Map(rows.map((row) => [row.application, row.subject]));
}

export async function replaceSubject(
  tx: Tx,
  application: string,
  person: string,
  subject: string,
): Promise<void> {
  await tx.query('update subjects set subject = $3 where application = $1 and person = $2', [
    application,
    person,
    subject,
  ]);
}

export async function aliasKeysOf(tx: Tx, person: string): Promise<{ application: string; key: string }[]> {
  return tx.query('select application, alias_key as key from aliases where person = $1', [person]);
}

export async function blankAlias(tx: Tx, application: string, person: string, mark: string): Promise<void> {
  await tx.query(
    `update aliases set alias = 'erased-' || person, alias_key = $3 where application = $1 and person = $2`,
    [application, person, mark],
  );
}

export async function deleteAliases(tx: Tx, person: string): Promise<void> {
  await tx.query('delete from aliases where person = $1', [person]);
}
