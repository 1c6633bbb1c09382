/** The part of a plan that ties people to groups, apps and roles. */
import { aliasesAt, assignAliases } from '#core/aliases/aliases.ts';
import { addMembers, findGroup, groupKey, groupsOf, membersOf, removeMembers } from '#core/groups/groups.ts';
import { appoint, listOperators } from '#core/operators/operators.ts';
import { usernameKey } from '#core/people/names.ts';
import { findByUsernames, findPeople } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { KnownPeople } from './people.ts';
import type { Change, Planning } from './plan.ts';
import type { DeclaredPerson } from './schema.ts';

export async function planBelonging(tx: Tx, planning: Planning, people: KnownPeople): Promise<void> {
  await planMemberships(tx, planning, people);
  await planAliases(tx, planning, people);
  await planOperators(tx, planning, people);
}

/** The first few, and how many more. */
function few(names: readonly string[]): string {
  const more = names.length - 5;
  return names.slice(0, 5).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

async function idsOf(tx: Tx, keys: readonly string[]): Promise<string[]> {
  const found = await findByUsernames(tx, keys);
  if (found.size < new Set(keys).size) throw new Problem('person-unknown');
  return [...found.values()].map((person) => person.id);
}

interface Wanted {
  name: string;
  /** True when the group's own list is given: nobody else belongs. */
  closed: boolean;
  members: Set<string>;
}

/** Who belongs where, from both sides of the file; by key of the group's name. */
function wantedMembers({ declared, groups, findings }: Planning, people: KnownPeople): Map<string, Wanted> {
  const wanted = new Map<string, Wanted>();
  const inFile = new Set((declared.people ?? []).map((one) => usernameKey(one.username)));
  for (const [index, group] of (declared.groups ?? []).entries()) {
    const members = (group.members ?? []).map(usernameKey);
    wanted.set(groupKey(group.name), {
      name: group.name,
      closed: group.members !== undefined,
      members: new Set(members),
    });
    for (const [at, key] of members.entries()) {
      if (!inFile.has(key) && !people.has(key))
        findings.push(declared.places.find(['groups', index, 'members', at], 'there is no such person'));
    }
  }
  for (const [index, person] of (declared.people ?? []).entries()) {
    for (const [at, name] of (person.groups ?? []).entries()) {
      const known = wanted.get(groupKey(name)) ?? groups.get(groupKey(name));
      if (!known) {
        findings.push(declared.places.find(['people', index, 'groups', at], 'there is no such group'));
        continue;
      }
      const one = wanted.get(groupKey(name)) ?? { name: known.name, closed: false, members: new Set() };
      one.members.add(usernameKey(person.username));
      wanted.set(groupKey(name), one);
    }
  }
  return wanted;
}

async function planMemberships(tx: Tx, planning: Planning, people: KnownPeople): Promise<void> {
  const { declared, plan, groups } = planning;
  const wanted = wantedMembers(planning, people);
  const ids = [...people.values()].map((person) => person.id);
  const current = await groupsOf(tx, ids);
  const isIn = (key: string, group: string) =>
    (current.get(people.get(key)?.id ?? '') ?? []).some((one) => groupKey(one.name) === group);
  for (const [key, { name, members }] of wanted) {
    const joining = [...members].filter((member) => !isIn(member, key));
    if (joining.length > 0) plan.changes.push(joins(name, joining));
  }
  const leaving = new Map<string, Map<string, string>>();
  const takeOut = (group: string, person: string, username: string) =>
    leaving.set(group, (leaving.get(group) ?? new Map()).set(person, username));
  for (const [key, one] of wanted) {
    const group = groups.get(key);
    if (!one.closed || !group) continue;
    for (const person of await allMembers(tx, group.id))
      if (!one.members.has(usernameKey(person.username))) takeOut(group.name, person.id, person.username);
  }
  for (const one of declared.people ?? []) {
    const person = one.groups && people.get(usernameKey(one.username));
    for (const group of person ? (current.get(person.id) ?? []) : []) {
      const named = wanted.get(groupKey(group.name))?.members.has(usernameKey(one.username));
      if (person && !named) takeOut(group.name, person.id, person.username);
    }
  }
  for (const [group, persons] of leaving) plan.changes.push(leaves(group, persons));
}

async function allMembers(tx: Tx, group: string): Promise<{ id: string; username: string }[]> {
  const found: string[] = [];
  for (let after: string | undefined; ; after = found.at(-1)) {
    const page = await membersOf(tx, group, { after, limit: 5000 });
    found.push(...page.map((one) => one.person));
    if (page.length < 5000) return findPeople(tx, found);
  }
}

function joins(group: string, keys: readonly string[]): Change {
  return {
    text: `Put into the group ${group}: ${few(keys)}`,
    path: ['groups'],
    run: async (tx) => void (await addMembers(tx, await groupId(tx, group), await idsOf(tx, keys))),
  };
}

function leaves(group: string, persons: ReadonlyMap<string, string>): Change {
  return {
    text: `Take out of the group ${group}: ${few([...persons.values()])}`,
    path: ['groups'],
    run: async (tx) => void (await removeMembers(tx, await groupId(tx, group), [...persons.keys()])),
  };
}

async function groupId(tx: Tx, name: string): Promise<string> {
  const group = await findGroup(tx, name);
  if (!group) throw new Problem('group-unknown');
  return group.id;
}

async function planAliases(tx: Tx, planning: Planning, people: KnownPeople): Promise<void> {
  const { declared, plan, applications, findings } = planning;
  const apps = new Set([...applications.keys(), ...(declared.applications ?? []).map((one) => one.id)]);
  const wanted = new Map<string, { key: string; alias: string; index: number }[]>();
  for (const [index, one] of (declared.people ?? []).entries()) {
    for (const [app, alias] of Object.entries(one.aliases ?? {})) {
      if (!apps.has(app))
        findings.push(declared.places.find(['people', index, 'aliases', app], 'there is no such app'));
      else wanted.set(app, [...(wanted.get(app) ?? []), { key: usernameKey(one.username), alias, index }]);
    }
  }
  const ids = [...people.values()].map((person) => person.id);
  for (const [app, names] of wanted) {
    const current = await aliasesAt(tx, app, ids);
    const changed = names.filter(({ key, alias }) => current.get(people.get(key)?.id ?? '') !== alias);
    if (changed.length === 0) continue;
    plan.changes.push({
      text: `Names at the app ${app}: ${few(changed.map(({ key, alias }) => `${key} is ${alias}`))}`,
      path: ['people', changed[0]?.index ?? 0, 'aliases', app],
      run: (inside) => giveNames(inside, app, changed),
    });
  }
}

async function giveNames(
  tx: Tx,
  application: string,
  names: readonly { key: string; alias: string }[],
): Promise<void> {
  const people = await findByUsernames(
    tx,
    names.map((one) => one.key),
  );
  const given = names.flatMap(({ key, alias }) => {
    const person = people.get(key);
    return person ? [{ application, person: person.id, alias }] : [];
  });
  const { refused } = await assignAliases(tx, given, 'apply');
  if (refused.length === 0) return;
  const problem = new Problem('alias-taken');
  problem.message += ` (${application}: ${few(refused.map((one) => one.alias))})`;
  throw problem;
}

async function planOperators(tx: Tx, { declared, plan }: Planning, people: KnownPeople): Promise<void> {
  const held = await listOperators(tx);
  for (const [index, one] of (declared.people ?? []).entries()) {
    if (!one.operator) continue;
    const { role, application } = one.operator;
    const person = people.get(usernameKey(one.username))?.id;
    const has = held.some(
      (grant) => grant.person === person && grant.role === role && grant.application === application,
    );
    if (!has) plan.changes.push(appointment(one, index));
  }
}

function appointment(one: DeclaredPerson, index: number): Change {
  const { role, application } = one.operator ?? { role: 'auditor' };
  return {
    text: `Make ${one.username} ${role}${application ? ` of ${application}` : ''}`,
    path: ['people', index, 'operator'],
    async run(tx) {
      const [person] = await idsOf(tx, [usernameKey(one.username)]);
      await appoint(tx, { person: person ?? '', role, application });
    },
  };
}
