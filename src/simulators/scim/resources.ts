/** The resources of a directory, in memory: create, replace, patch, remove, list, with versions and delayed sight. */
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '#kit/clock/clock.ts';
import { newId } from '#kit/crypto/ids.ts';
import { type Filter, matches } from './filter.ts';
import { createIndexes } from './lookup.ts';
import { applyPatch } from './patch.ts';
import { Refusal } from './refusal.ts';
import { type Body, type ResourceSchema, takeBody } from './schema.ts';
import { createSights } from './sights.ts';

export type Kind = 'User' | 'Group';

/** What a resource was or is at one moment. `members` are ids, of groups alone. */
export interface Snapshot {
  version: number;
  modified: string;
  body: Body;
  members: ReadonlySet<string>;
}

export interface Resource extends Snapshot {
  id: string;
  kind: Kind;
  created: string;
}

/** What one request did. A version is null where the resource was not there. */
export interface Change {
  kind: Kind;
  id: string;
  what: 'create' | 'replace' | 'patch' | 'delete';
  before: number | null;
  after: number | null;
}

/** What a kind of target does beyond the standard. Each may throw Refusal before anything is changed. */
export interface Hooks {
  /** Before a user is created or changed. */
  beforeUser?(before: Resource | undefined, body: Body): void;
  afterUser?(user: Resource, before: Body | undefined): void;
  /** `keep`: the record stays, out of sight, until it is created again. */
  onRemoveUser?(user: Resource): 'remove' | 'keep';
  afterMembers?(group: Resource, change: { added: readonly string[]; removed: readonly string[] }): void;
  beforeRemoveGroup?(group: Resource): void;
}

export interface DirectoryRules {
  userSchema: ResourceSchema;
  groupSchema: ResourceSchema;
  clock: Clock;
  /** Lists and filters see a write only after so many milliseconds. */
  lagMs: number;
  uniqueExternalId: boolean;
  uniqueGroupName: boolean;
  /** False: a new displayName of a group is taken without a word and not kept. */
  renameGroups: boolean;
  nestedGroups: boolean;
  most: { users: number; groups: number; members: number };
  hooks?: Hooks;
}

export interface StoredResource extends Omit<Resource, 'members'> {
  members: string[];
  hidden?: boolean;
}

export type Directory = ReturnType<typeof createDirectory>;

export function createDirectory(rules: DirectoryRules) {
  const all = { User: new Map<string, Resource>(), Group: new Map<string, Resource>() };
  const hidden = new Set<string>();
  const groupsOf = new Map<string, Set<string>>();
  const indexes = createIndexes();
  const sights = createSights(rules);
  const { remember } = sights;
  const hooks = rules.hooks ?? {};
  const clashes = { rules, indexes, groups: all.Group };
  const schemaOf = (kind: Kind) => (kind === 'User' ? rules.userSchema : rules.groupSchema);
  const now = () => rules.clock.now();

  function find(kind: Kind, id: string): Resource | undefined {
    return hidden.has(id) ? undefined : all[kind].get(id);
  }
  function read(kind: Kind, id: string): Resource {
    const found = find(kind, id);
    if (!found) throw new Refusal(404, `Resource ${id.slice(0, 80)} not found.`);
    return found;
  }
  function create(kind: Kind, given: unknown): { resource: Resource; change: Change } {
    const taken = takeBody(schemaOf(kind), given);
    const members = kind === 'Group' ? takeMembers(taken, undefined) : new Set<string>();
    const at = now().toISOString();
    if (kind === 'User') taken.active ??= true;
    const returning = kind === 'User' ? returningUser(taken) : undefined;
    const fresh: Resource = { id: newId(), kind, version: 0, created: at, modified: at, body: {}, members };
    const resource = returning ?? fresh;
    if (kind === 'User') hooks.beforeUser?.(returning, taken);
    refuseClash({ ...clashes, kind, id: returning?.id, body: taken });
    if (!returning && all[kind].size >= (kind === 'User' ? rules.most.users : rules.most.groups))
      throw new Refusal(400, `The directory is full: it holds no more ${kind}s.`, 'tooMany');
    remember(resource, false);
    hidden.delete(resource.id);
    all[kind].set(resource.id, resource);
    keep(resource, taken, members, returning?.body);
    return {
      resource,
      change: { kind, id: resource.id, what: 'create', before: null, after: resource.version },
    };
  }

  /** A record that was removed but kept comes back under its old id when the same user is created again. */
  function returningUser(body: Body): Resource | undefined {
    const id = indexes.byUserName(String(body.userName)) ?? '';
    return hidden.has(id) ? all.User.get(id) : undefined;
  }

  function change(
    kind: Kind,
    id: string,
    input: { what: 'replace' | 'patch'; request: unknown; ifMatch?: string },
  ): { resource: Resource; change?: Change } {
    const resource = read(kind, id);
    checkVersion(resource, input.ifMatch);
    const body =
      input.what === 'replace' ? takeBody(schemaOf(kind), input.request) : patched(resource, input.request);
    const members = kind === 'Group' ? takeMembers(body, resource) : resource.members;
    if (kind === 'User') body.active ??= true;
    else if (!rules.renameGroups) body.displayName = resource.body.displayName!;
    if (kind === 'User') hooks.beforeUser?.(resource, body);
    refuseClash({ ...clashes, kind, id, body });
    delete body.password;
    if (isDeepStrictEqual(body, resource.body) && sameSet(members, resource.members)) return { resource };
    const before = resource.version;
    remember(resource, true);
    keep(resource, body, members, resource.body);
    return { resource, change: { kind, id, what: input.what, before, after: resource.version } };
  }

  function patched(resource: Resource, request: unknown): Body {
    const body = structuredClone(resource.body);
    if (resource.members.size > 0) body.members = [...resource.members].map((value) => ({ value }));
    applyPatch(schemaOf(resource.kind), body, request);
    return body;
  }

  /** Takes `members` out of the body and checks them. Throws Refusal 400 for an id nobody has. */
  function takeMembers(body: Body, before: Resource | undefined): Set<string> {
    const given = (body.members ?? []) as Body[];
    delete body.members;
    const members = new Set<string>();
    for (const { value } of given) {
      const id = String(value ?? '');
      const known = before?.members.has(id) || find('User', id) || (rules.nestedGroups && find('Group', id));
      if (!known) throw new Refusal(400, `There is no member ${id.slice(0, 80)}.`, 'invalidValue');
      members.add(id);
    }
    if (members.size > rules.most.members)
      throw new Refusal(400, `A group holds no more than ${rules.most.members} members.`, 'tooMany');
    return members;
  }

  function keep(
    resource: Resource,
    body: Body,
    members: ReadonlySet<string>,
    before: Body | undefined,
  ): void {
    delete body.password;
    const had = resource.version > 0 ? resource.members : new Set<string>();
    if (resource.kind === 'User') indexes.move(resource.id, before, body);
    Object.assign(resource, { body, members, version: resource.version + 1, modified: now().toISOString() });
    if (resource.kind === 'User') hooks.afterUser?.(resource, before);
    else relate(resource, had, members);
  }

  function relate(group: Resource, had: ReadonlySet<string>, has: ReadonlySet<string>): void {
    const added = [...has].filter((id) => !had.has(id));
    const removed = [...had].filter((id) => !has.has(id));
    for (const id of added) groupsOf.set(id, (groupsOf.get(id) ?? new Set()).add(group.id));
    for (const id of removed) groupsOf.get(id)?.delete(group.id);
    if (added.length + removed.length > 0) hooks.afterMembers?.(group, { added, removed });
  }

  function remove(kind: Kind, id: string, ifMatch?: string): Change {
    const resource = read(kind, id);
    checkVersion(resource, ifMatch);
    if (kind === 'Group') hooks.beforeRemoveGroup?.(resource);
    const before = resource.version;
    remember(resource, true);
    const fate = kind === 'User' ? (hooks.onRemoveUser?.(resource) ?? 'remove') : 'remove';
    if (fate === 'keep') {
      hidden.add(id);
      resource.version += 1;
    } else erase(resource);
    return { kind, id, what: 'delete', before, after: null };
  }

  /** Gone without a trace, as if it had never been, also out of its groups. */
  function erase(resource: Resource): void {
    const { kind, id } = resource;
    all[kind].delete(id);
    hidden.delete(id);
    if (kind === 'User') indexes.move(id, resource.body, undefined);
    for (const member of resource.members) groupsOf.get(member)?.delete(id);
    for (const groupId of groupsOf.get(id) ?? []) {
      const group = all.Group.get(groupId);
      if (!group) continue;
      remember(group, true);
      const members = new Set(group.members);
      members.delete(id);
      Object.assign(group, { members, version: group.version + 1, modified: now().toISOString() });
    }
    groupsOf.delete(id);
  }

  /** The ones a list shows, in the order they came; `toBody` makes what the filter looks at. */
  function list(kind: Kind, filter: Filter | undefined, toBody: (resource: Resource) => Body): Resource[] {
    const known = kind === 'User' && filter ? indexes.candidates(filter) : undefined;
    const pool = known ? [...known].flatMap((id) => all[kind].get(id) ?? []) : [...all[kind].values()];
    const others = sights.changed().filter((one) => one.kind === kind);
    const shown = [...new Set([...pool, ...others])].flatMap(
      (one) => sights.seen(one, () => find(kind, one.id)) ?? [],
    );
    const inOrder = others.length > 0 ? shown.sort((one, two) => (one.id < two.id ? -1 : 1)) : shown;
    return filter ? inOrder.filter((one) => matches(filter, toBody(one))) : inOrder;
  }

  function dump(): StoredResource[] {
    return [...all.User.values(), ...all.Group.values()].map((one) => ({
      ...one,
      members: [...one.members],
      hidden: hidden.has(one.id),
    }));
  }
  function clear(): void {
    for (const each of [all.User, all.Group, hidden, groupsOf, sights]) each.clear();
    indexes.clear();
  }
  function load(stored: readonly StoredResource[]): void {
    clear();
    for (const { hidden: wasHidden, ...one } of stored) {
      const resource = { ...one, members: new Set(one.members) };
      all[one.kind].set(one.id, resource);
      if (wasHidden) hidden.add(one.id);
      if (one.kind === 'User') indexes.move(one.id, undefined, one.body);
      for (const id of one.members) groupsOf.set(id, (groupsOf.get(id) ?? new Set()).add(one.id));
    }
  }

  return {
    create,
    change,
    remove,
    erase,
    read,
    find,
    list,
    dump,
    load,
    clear,
    users: () => [...all.User.values()].filter((one) => !hidden.has(one.id)),
    groups: () => [...all.Group.values()],
    /** Groups a user is a direct member of. */
    groupsOf: (id: string) => [...(groupsOf.get(id) ?? [])].flatMap((group) => all.Group.get(group) ?? []),
    idByUserName: indexes.byUserName,
    idsByEmail: indexes.byEmail,
  };
}

function refuseClash(input: {
  rules: DirectoryRules;
  indexes: ReturnType<typeof createIndexes>;
  groups: ReadonlyMap<string, Resource>;
  kind: Kind;
  id: string | undefined;
  body: Body;
}): void {
  const { rules, indexes, id, body } = input;
  const clash = (other: string | undefined) => other !== undefined && other !== id;
  if (input.kind === 'User') {
    if (clash(indexes.byUserName(String(body.userName))))
      throw new Refusal(409, `userName ${String(body.userName)} is taken.`, 'uniqueness');
    const sharing = body.externalId ? indexes.byExternalId(String(body.externalId)) : [];
    if (rules.uniqueExternalId && [...sharing].some(clash))
      throw new Refusal(409, `externalId ${String(body.externalId)} is taken.`, 'uniqueness');
  } else if (rules.uniqueGroupName) {
    const wanted = String(body.displayName).toLowerCase();
    for (const other of input.groups.values()) {
      if (other.id !== id && String(other.body.displayName).toLowerCase() === wanted)
        throw new Refusal(409, `A group named ${String(body.displayName)} already exists.`, 'uniqueness');
    }
  }
}

/** `W/"3"`: weak, because the same state may be written in several ways. */
export const etag = (snapshot: Snapshot) => `W/"${snapshot.version}"`;

/** Whether a list of tags (RFC 9110 §13.1) names this version. */
export function namesVersion(header: string, snapshot: Snapshot): boolean {
  return header.split(',').some((one) => one.trim() === '*' || one.trim() === etag(snapshot));
}

function checkVersion(resource: Resource, ifMatch: string | undefined): void {
  if (ifMatch !== undefined && !namesVersion(ifMatch, resource))
    throw new Refusal(412, `The resource is at version ${etag(resource)}.`, 'invalidVers');
}

const sameSet = (one: ReadonlySet<string>, two: ReadonlySet<string>) =>
  one.size === two.size && [...one].every((item) => two.has(item));
