/**
 * Groups: who belongs together.
 * Owns `groups`, `memberships` and `group_former_names`. Records group.* and one membership.* for each person whose membership really changed.
 * Refuses a name that is taken (`group-taken`), groups and people that are not there. Names are kept as given.
 */

import { type NewEvent, record, recordAll } from '#core/events/events.ts';
import { cleanLine } from '#core/people/names.ts';
import { Problem } from '#core/problem.ts';
import { newId } from '#kit/crypto/ids.ts';
import type { Tx } from '#kit/db/tx.ts';
import * as store from './store.ts';

export interface Group {
  id: string;
  name: string;
  title: string;
  description: string;
  origin: string;
  createdAt: Date;
  updatedAt: Date;
  version: number;
}

export interface ListedGroup extends Group {
  members: number;
}

export interface Membership {
  person: string;
  since: Date;
}

/** Key under which a group name is unique: NFKC, case folded, no outer space; the same form as for user names. */
export function groupKey(name: string): string {
  return name.normalize('NFKC').trim().toLowerCase().normalize('NFKC');
}

function checkName(name: string): string {
  const kept = cleanLine(name, 255);
  if (groupKey(kept) === '')
    throw new Problem('attribute-required', { fields: { name: 'attribute-required' } });
  return kept;
}

function taken(): Problem {
  return new Problem('group-taken', { fields: { name: 'group-taken' } });
}

/** Adds a group. Refuses with `group-taken` when the name differs from a known one only in case or width. */
export async function addGroup(
  tx: Tx,
  group: { name: string; title?: string; description?: string; origin: string },
): Promise<Group> {
  const row = {
    id: newId(),
    name: checkName(group.name),
    title: cleanLine(group.title ?? ''),
    description: cleanLine(group.description ?? '', 1000),
    origin: group.origin,
  };
  const won = await store.insertGroups(tx, [{ ...row, key: groupKey(row.name) }]);
  if (won.size === 0) throw taken();
  await record(tx, 'group.added', { data: { group: row.id, name: row.name } });
  return { ...row, createdAt: tx.now(), updatedAt: tx.now(), version: 1 };
}

/** Changes name, title or description; what is not given stays. Returns and records the fields that changed. */
export async function changeGroup(
  tx: Tx,
  id: string,
  change: { name?: string; title?: string; description?: string },
): Promise<string[]> {
  const group = await store.lockGroup(tx, id);
  if (!group) throw new Problem('group-unknown');
  const next = {
    name: change.name === undefined ? group.name : checkName(change.name),
    title: change.title === undefined ? group.title : cleanLine(change.title),
    description: change.description === undefined ? group.description : cleanLine(change.description, 1000),
  };
  const fields = (['name', 'title', 'description'] as const).filter((field) => next[field] !== group[field]);
  if (fields.length === 0) return [];
  if (!(await store.updateGroup(tx, id, { ...next, key: groupKey(next.name) }))) throw taken();
  if (groupKey(group.name) !== groupKey(next.name))
    await store.writeFormerName(tx, { key: groupKey(group.name), name: group.name, group: id });
  await record(tx, 'group.changed', { data: { group: id, fields } });
  return fields;
}

/** Removes a group. Its members leave it first, each with an event of their own. */
export async function removeGroup(tx: Tx, id: string): Promise<void> {
  const group = await store.lockGroup(tx, id);
  if (!group) throw new Problem('group-unknown');
  const left = await store.deleteMemberships(tx, id);
  await recordMemberships(tx, 'membership.removed', id, left);
  await store.deleteGroup(tx, id);
  await record(tx, 'group.removed', { data: { group: id, name: group.name } });
}

/** One group by id or by name, or undefined. */
export async function findGroup(tx: Tx, nameOrId: string): Promise<Group | undefined> {
  return (
    (await store.groupsByIds(tx, [nameOrId]))[0] ?? (await store.groupsByKeys(tx, [groupKey(nameOrId)]))[0]
  );
}

/**
 * Of these names those that no group has now and one had before: key of the name → what that group is called now. What was
 * written with the old name is told so by this.
 */
export async function renamedGroups(tx: Tx, names: readonly string[]): Promise<Map<string, string>> {
  return names.length === 0 ? new Map() : store.currentNames(tx, names.map(groupKey));
}

/** The groups with these ids; unknown and malformed ids are simply not among them. */
export const findGroups = store.groupsByIds;

/**
 * Groups in order of name, each with the number of its members.
 * @param filter.search part of a name or title; `filter.after` the name of the last group of the page before
 */
export async function listGroups(
  tx: Tx,
  filter: { search?: string; after?: string; limit: number },
): Promise<ListedGroup[]> {
  const after = filter.after === undefined ? undefined : groupKey(filter.after);
  return store.listGroups(tx, { search: filter.search, after, limit: filter.limit });
}

/** The groups of each of these people in order of name; people without any have an empty list. */
export const groupsOf = store.groupsOf;

/** Members in order of id, from after the given id on. */
export const membersOf = store.membersOf;

/**
 * Makes people members. Returns how many were not before; only they are recorded.
 * Refuses with `group-unknown` or `person-unknown`, and then nobody joined.
 */
export async function addMembers(tx: Tx, groupId: string, personIds: readonly string[]): Promise<number> {
  await requireGroup(tx, groupId);
  const joined = await store.insertMemberships(tx, groupId, personIds);
  await recordMemberships(tx, 'membership.added', groupId, joined);
  return joined.length;
}

/** Takes people out. Returns how many were in; only they are recorded. */
export async function removeMembers(tx: Tx, groupId: string, personIds: readonly string[]): Promise<number> {
  await requireGroup(tx, groupId);
  const left = await store.deleteMemberships(tx, groupId, personIds);
  await recordMemberships(tx, 'membership.removed', groupId, left);
  return left.length;
}

async function requireGroup(tx: Tx, id: string): Promise<void> {
  if ((await store.groupsByIds(tx, [id])).length === 0) throw new Problem('group-unknown');
}

async function recordMemberships(
  tx: Tx,
  type: 'membership.added' | 'membership.removed',
  group: string,
  people: readonly string[],
): Promise<void> {
  await recordAll(
    tx,
    people.map((person): NewEvent => ({ type, person, data: { group } })),
  );
}

/**
 * The ids of groups by name, adding those that are missing: what imports and declarations need.
 * Names that differ only in case or width are one group, named as the first of them. Keys are the names as given.
 */
export async function ensureGroups(
  tx: Tx,
  names: readonly string[],
  origin: string,
): Promise<Map<string, string>> {
  const wanted = new Map<string, string>();
  for (const name of names) {
    const kept = checkName(name);
    if (!wanted.has(groupKey(kept))) wanted.set(groupKey(kept), kept);
  }
  if (wanted.size === 0) return new Map();
  const rows = [...wanted].map(([key, name]) => ({
    id: newId(),
    name,
    key,
    title: '',
    description: '',
    origin,
  }));
  const won = await store.insertGroups(tx, rows);
  const added = rows.filter((row) => won.has(row.id));
  await recordAll(
    tx,
    added.map((row): NewEvent => ({ type: 'group.added', data: { group: row.id, name: row.name } })),
  );
  const known = await store.groupsByKeys(tx, [...wanted.keys()]);
  const ids = new Map(known.map((group) => [groupKey(group.name), group.id]));
  return new Map(names.map((name) => [name, ids.get(groupKey(checkName(name))) as string]));
}

/** For erasing: out of all groups at once. That the person is gone is recorded, so that they left each group is not. */
export const forgetMemberships = store.deleteMembershipsOf;
