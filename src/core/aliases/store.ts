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
  const marks = await tombstones(
    tx,
    'alias',
    rows.map(({ application, key }) => ({ place: application, name: key })),
  );
  await keepFormer(tx, rows);
  const changed = await tx.query<{ application: string; person: string }>(
    `with given as (
       select distinct on (application, key) * from jsonb_to_recordset($1::jsonb)
         as r (application text, person uuid, alias text, key text, tombstone text) order by application, key, person)
     insert into aliases as a (application, person, alias, alias_key, origin, created_at)
     select g.application, g.person, g.alias, g.key, $2, $3 from given g
     where not exists (select 1 from aliases o
       where o.application = g.application and o.alias_key in (g.key, g.tombstone) and o.person <> g.person)
       and not exists (select 1 from former_aliases f
       where f.application = g.application and f.alias_key in (g.key, g.tombstone) and f.person <> g.person)
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

/** What people are called until now stays theirs where the application has heard of them. */
async function keepFormer(
  tx: Tx,
  rows: readonly { application: string; person: string; key: string }[],
): Promise<void> {
  await tx.query(
    `insert into former_aliases (application, alias_key, person)
     select a.application, a.alias_key, a.person from aliases a
     join jsonb_to_recordset($1::jsonb) as r (application text, person uuid, key text)
       on a.application = r.application and a.person = r.person and a.alias_key <> r.key
     where exists (select 1 from subjects s where s.application = a.application and s.person = a.person)
     on conflict do nothing`,
    [JSON.stringify(rows.map(({ application, person, key }) => ({ application, person, key })))],
  );
}

export async function insertFormer(
  tx: Tx,
  application: string,
  names: readonly { person: string; key: string }[],
): Promise<void> {
  await tx.query(
    `insert into former_aliases (application, alias_key, person)
     select $1, n.key, n.person from unnest($2::text[], $3::uuid[]) as n (key, person) on conflict do nothing`,
    [application, names.map((one) => one.key), names.map((one) => one.person)],
  );
}

export async function deleteAlias(tx: Tx, application: string, person: string): Promise<boolean> {
  await keepFormer(tx, [{ application, person, key: '' }]);
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

/** Of these names (in canonical form) at one application, those that are or were given and whose they are. */
export async function aliasHolders(
  tx: Tx,
  application: string,
  keys: readonly string[],
): Promise<Map<string, string>> {
  const marks = await tombstones(
    tx,
    'alias',
    keys.map((name) => ({ place: application, name })),
  );
  const rows = await tx.query<{ key: string; person: string }>(
    `select n.key, a.person from unnest($2::text[], $3::text[]) as n (key, tombstone)
     join (select application, alias_key, person from aliases
           union select application, alias_key, person from former_aliases) a
       on a.application = $1 and a.alias_key in (n.key, n.tombstone)`,
    [application, keys, marks],
  );
  return new Map(rows.map((row) => [row.key, row.person]));
}

/** Which of these names (in canonical form) at one application are or were given to someone else than named with them. */
export async function heldByOthers(
  tx: Tx,
  application: string,
  names: readonly { person: string; key: string }[],
): Promise<Set<string>> {
  const marks = await tombstones(
    tx,
    'alias',
    names.map(({ key }) => ({ place: application, name: key })),
  );
  const rows = await tx.query<{ person: string }>(
    `select n.person from unnest($2::uuid[], $3::text[], $4::text[]) as n (person, key, tombstone)
     where exists (select 1 from aliases a
       where a.application = $1 and a.alias_key in (n.key, n.tombstone) and a.person <> n.person)
       or exists (select 1 from former_aliases f
       where f.application = $1 and f.alias_key in (n.key, n.tombstone) and f.person <> n.person)`,
    [application, names.map((one) => one.person), names.map((one) => one.key), marks],
    'aliases-held',
  );
  return new Set(rows.map((row) => row.person));
}

/** Lets nobody be given a name at this application until the transaction ends; those who enter it do not wait for each other. */
export async function holdNames(tx: Tx, application: string): Promise<void> {
  await tx.query(
    `select pg_advisory_xact_lock_shared(hashtextextended('aliases:' || $1, 0))`,
    [application],
    'aliases-hold',
  );
}

/** Lets nobody enter these applications, or be given a name there, until the transaction ends. */
export async function lockNames(tx: Tx, applications: readonly string[]): Promise<void> {
  await tx.query(
    `select pg_advisory_xact_lock(hashtextextended('aliases:' || application, 0))
     from (select distinct application from unnest($1::text[]) as given (application) order by 1) as apps`,
    [applications],
    'aliases-lock',
  );
}

/** Of these people, those an application has heard of and who have no name of their own there. */
export async function knownByRule(
  tx: Tx,
  application: string,
  people: readonly string[],
): Promise<Set<string>> {
  const rows = await tx.query<{ person: string }>(
    `select s.person from subjects s where s.application = $1 and s.person = any($2::uuid[])
       and not exists (select 1 from aliases a where a.application = $1 and a.person = s.person)`,
    [application, people],
  );
  return new Set(rows.map((row) => row.person));
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

/** Every name of someone at an application, given or given up. */
export async function aliasKeysOf(tx: Tx, person: string): Promise<{ application: string; key: string }[]> {
  return tx.query(
    `select application, alias_key as key from aliases where person = $1
     union select application, alias_key from former_aliases where person = $1`,
    [person],
  );
}

export async function blankAlias(
  tx: Tx,
  named: { application: string; person: string; key: string },
  mark: string,
): Promise<void> {
  const given = [named.application, named.person, named.key, mark];
  await tx.query(
    `update aliases set alias = 'erased-' || person, alias_key = $4
     where application = $1 and person = $2 and alias_key = $3`,
    given,
  );
  await tx.query(
    'update former_aliases set alias_key = $4 where application = $1 and person = $2 and alias_key = $3',
    given,
  );
}

export async function deleteAliases(tx: Tx, person: string): Promise<void> {
  for (const table of ['aliases', 'former_aliases'])
    await tx.query(`delete from ${table} where person = $1`, [person]);
}
