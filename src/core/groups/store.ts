import { Problem } from '#core/problem.ts';
import { isId } from '#kit/crypto/ids.ts';
import { containing } from '#kit/db/pattern.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { Group, ListedGroup, Membership } from './groups.ts';

interface GroupRow {
  id: string;
  name: string;
  title: string;
  description: string;
  origin: string;
  created_at: Date;
  updated_at: Date;
  version: number;
}

const columns = 'id, name, title, description, origin, created_at, updated_at, version';

function toGroup(row: GroupRow): Group {
  return {
    id: row.id,
    name: row.name,
    title: row.title,
    description: row.description,
    origin: row.origin,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    version: row.version,
  };
}

export async function groupsByIds(tx: Tx, ids: readonly string[]): Promise<Group[]> {
  const sound = ids.filter((id) => isId(id));
  if (sound.length === 0) return [];
  const rows = await tx.query<GroupRow>(
    `select ${columns} from groups where id = any($1::uuid[]) order by name_key`,
    [sound],
    'groups-by-ids',
  );
  return rows.map(toGroup);
}

export async function groupsByKeys(tx: Tx, keys: readonly string[]): Promise<Group[]> {
  const rows = await tx.query<GroupRow>(
    `select ${columns} from groups where name_key = any($1::text[]) order by name_key`,
    [keys],
    'groups-by-keys',
  );
  return rows.map(toGroup);
}

/** The group, kept from changing under our hands until the transaction ends. */
export async function lockGroup(tx: Tx, id: string): Promise<Group | undefined> {
  if (!isId(id)) return undefined;
  const rows = await tx.query<GroupRow>(`select ${columns} from groups where id = $1 for update`, [id]);
  return rows[0] && toGroup(rows[0]);
}

export interface NewGroupRow {
  id: string;
  name: string;
  key: string;
  title: string;
  description: string;
  origin: string;
}

/** Adds groups. Returns the ids that won; a name taken meanwhile loses quietly. */
export async function insertGroups(tx: Tx, groups: readonly NewGroupRow[]): Promise<Set<string>> {
  const rows = await tx.query<{ id: string }>(
    `insert into groups (id, name, name_key, title, description, origin, created_at, updated_at)
     select id, name, key, title, description, origin, $2, $2
     from jsonb_to_recordset($1::jsonb)
       as r (id uuid, name text, key text, title text, description text, origin text)
     order by key
     on conflict (name_key) do nothing returning id`,
    [JSON.stringify(groups), tx.now()],
    'groups-insert',
  );
  return new Set(rows.map((row) => row.id));
}

/** False when the new name is another group's. */
export async function updateGroup(
  tx: Tx,
  id: string,
  next: { name: string; key: string; title: string; description: string },
): Promise<boolean> {
  try {
    const rows = await tx.query(
      `update groups set name = $2, name_key = $3, title = $4, description = $5, updated_at = $6,
         version = version + 1
       where id = $1 and not exists (select 1 from groups other where other.name_key = $3 and other.id <> $1)
       returning id`,
      [id, next.name, next.key, next.title, next.description, tx.now()],
    );
    return rows.length === 1;
  } catch (error) {
    if ((error as { code?: unknown }).code === '23505') return false;
    throw error;
  }
}

/** What a group was called until now. A name that went from group to group leads to the last one. */
export async function writeFormerName(
  tx: Tx,
  former: { key: string; name: string; group: string },
): Promise<void> {
  await tx.query(
    `insert into group_former_names (name_key, name, "group", until) values ($1, $2, $3, $4)
     on conflict (name_key) do update set name = excluded.name, "group" = excluded."group", until = excluded.until`,
    [former.key, former.name, former.group, tx.now()],
  );
}

export async function currentNames(tx: Tx, keys: readonly string[]): Promise<Map<string, string>> {
  const rows = await tx.query<{ name_key: string; name: string }>(
    `select f.name_key, g.name from group_former_names f join groups g on g.id = f."group"
     where f.name_key = any($1::text[]) and not exists (select 1 from groups o where o.name_key = f.name_key)`,
    [keys],
  );
  return new Map(rows.map(({ name_key, name }) => [name_key, name]));
}

export async function deleteGroup(tx: Tx, id: string): Promise<void> {
  await tx.query('delete from groups where id = $1', [id]);
}

export async function listGroups(
  tx: Tx,
  filter: { search?: string; after?: string; limit: number },
): Promise<ListedGroup[]> {
  const rows = await tx.query<GroupRow & { members: number }>(
    `select ${columns}, (select count(*) from memberships m where m.group_id = groups.id) as members from groups
     where ($1::text is null or name_key > $1)
       and ($2::text is null or name_key like $2 or lower(title) like $2)
     order by name_key limit $3`,
    [filter.after ?? null, filter.search ? containing(filter.search) : null, filter.limit],
  );
  return rows.map((row) => ({ ...toGroup(row), members: row.members }));
}

export async function groupsOf(
  tx: Tx,
  people: readonly string[],
): Promise<Map<string, { id: string; name: string }[]>> {
  const found = new Map<string, { id: string; name: string }[]>(people.map((person) => [person, []]));
  const rows = await tx.query<{ person: string; id: string; name: string }>(
    `select m.person, g.id, g.name from memberships m join groups g on g.id = m.group_id
     where m.person = any($1::uuid[]) order by g.name_key`,
    [people],
    'groups-of',
  );
  for (const row of rows) found.get(row.person)?.push({ id: row.id, name: row.name });
  return found;
}

export async function membersOf(
  tx: Tx,
  group: string,
  page: { after?: string; limit: number },
): Promise<Membership[]> {
  return tx.query<Membership>(
    `select person, since from memberships where group_id = $1 and ($2::uuid is null or person > $2)
     order by person limit $3`,
    [group, page.after ?? null, page.limit],
    'members-of',
  );
}

/** Returns who was not a member before. Refuses people who are not there. */
export async function insertMemberships(tx: Tx, group: string, people: readonly string[]): Promise<string[]> {
  if (people.some((person) => !isId(person))) throw new Problem('person-unknown');
  if (people.length === 0) return [];
  try {
    const rows = await tx.query<{ person: string }>(
      `insert into memberships (group_id, person, since)
       select $1, person, $3 from (select distinct unnest($2::uuid[]) as person order by 1) given
       on conflict do nothing returning person`,
      [group, people, tx.now()],
      'memberships-insert',
    );
    return rows.map((row) => row.person);
  } catch (error) {
    const { code, constraint } = error as { code?: unknown; constraint?: unknown };
    if (code !== '23503') throw error;
    throw new Problem(constraint === 'memberships_group_id_fkey' ? 'group-unknown' : 'person-unknown');
  }
}

/** Returns who was a member; everyone when no people are given. */
export async function deleteMemberships(
  tx: Tx,
  group: string,
  people?: readonly string[],
): Promise<string[]> {
  const sound = people?.filter((person) => isId(person));
  const rows = await tx.query<{ person: string }>(
    `delete from memberships where group_id = $1 and ($2::uuid[] is null or person = any($2)) returning person`,
    [group, sound ?? null],
    'memberships-delete',
  );
  return rows.map((row) => row.person);
}

export async function deleteMembershipsOf(tx: Tx, person: string): Promise<void> {
  await tx.query('delete from memberships where person = $1', [person]);
}
