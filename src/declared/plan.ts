/** What applying a file would change, as sentences that can be read and functions that do exactly that. */
import { isDeepStrictEqual } from 'node:util';
import {
  type Application,
  applicationSettings,
  checkSecret,
  listApplications,
  saveApplication,
  setSecret,
} from '#core/applications/applications.ts';
import { usesSecret } from '#core/applications/client-keys.ts';
import { changeCommunity, community } from '#core/community/community.ts';
import {
  addGroup,
  changeGroup,
  findGroup,
  type Group,
  groupKey,
  renamedGroups,
} from '#core/groups/groups.ts';
import { attributeDeclarations, declareAttributes } from '#core/people/attributes.ts';
import { Problem } from '#core/problem.ts';
import type { Tx } from '#kit/db/tx.ts';
import { planBelonging } from './belonging.ts';
import { DeclaredError, type Finding, type Path } from './findings.ts';
import { planMail } from './mail.ts';
import type { Declared } from './parse.ts';
import type { ReadyPasswords } from './passwords.ts';
import { planPeople } from './people.ts';
import { planRelay } from './relay.ts';
import type { DeclaredApplication, DeclaredGroup } from './schema.ts';
import { planTargets, type TargetTools } from './targets.ts';
import { planUpstreams } from './upstreams.ts';

/** One step: what it does, in a sentence, and the step itself. Steps run in order, in the plan's transaction. */
export interface Change {
  text: string;
  /** Where in the file it comes from, for a refusal that only the step itself can meet. */
  path: Path;
  run(tx: Tx): Promise<void>;
}

export interface Plan {
  changes: Change[];
  /** What can be applied but will hardly do what was meant. */
  warnings: string[];
  /** Client secrets that were made; filled as the steps run, to be shown once. */
  secrets: { application: string; secret: string }[];
}

/** The house as it stands when planning begins, and what is found wrong on the way. */
export interface Planning {
  declared: Declared;
  plan: Plan;
  findings: Finding[];
  applications: Map<string, Application>;
  /** By key of the group's name. */
  groups: Map<string, Group>;
}

/**
 * What would have to change for the house to be as declared. A community, an attribute or an app that is in the file
 * is then exactly that; of people and groups what the file says. What the file does not name stays.
 * @throws DeclaredError with everything that is named but not there, or taken by someone else
 */
export async function planDeclared(
  tx: Tx,
  declared: Declared,
  ready: TargetTools & { passwords: ReadyPasswords },
): Promise<Plan> {
  const planning: Planning = {
    declared,
    plan: { changes: [], warnings: [], secrets: [] },
    findings: [],
    applications: new Map((await listApplications(tx)).map((one) => [one.id, one])),
    groups: await groupsNamed(tx, declared),
  };
  await planCommunity(tx, planning);
  await planAttributes(tx, planning);
  await warnOfRenamed(tx, planning);
  for (const [index, group] of (declared.groups ?? []).entries()) planGroup(planning, group, index);
  for (const [index, one] of (declared.applications ?? []).entries())
    await planApplication(tx, planning, one, index);
  await planTargets(tx, planning, ready);
  await planUpstreams(tx, planning, ready);
  await planRelay(tx, planning);
  await planMail(tx, planning);
  const people = await planPeople(tx, planning, ready.passwords);
  await planBelonging(tx, planning, people);
  if (planning.findings.length > 0) throw new DeclaredError(planning.findings);
  return planning.plan;
}

/** Runs the steps. What a step refuses is told with its place in the file. */
export async function runPlan(tx: Tx, declared: Declared, plan: Plan): Promise<void> {
  for (const change of plan.changes) {
    try {
      await change.run(tx);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      throw new DeclaredError([declared.places.find(change.path, wordsOf(error))]);
    }
  }
}

function isRefusal(error: unknown): error is Problem {
  return error instanceof Problem;
}

/** Whoever applies a file runs the community: what stands in the way is said, where it is known. */
function wordsOf({ code, message, facts: { detail } }: Problem): string {
  return code === 'conflict' && detail ? `${detail.charAt(0).toUpperCase()}${detail.slice(1)}.` : message;
}

/** The groups the file names anywhere that are here already. */
async function groupsNamed(
  tx: Tx,
  { groups, people, applications, upstreams }: Declared,
): Promise<Map<string, Group>> {
  const names = new Map<string, string>();
  for (const { name } of groups ?? []) names.set(groupKey(name), name);
  for (const person of people ?? []) for (const name of person.groups ?? []) names.set(groupKey(name), name);
  for (const app of applications ?? [])
    for (const name of [...(app.access.groups ?? []), ...toldGroups(app)]) names.set(groupKey(name), name);
  for (const upstream of upstreams ?? []) for (const { to } of upstream.groups) names.set(groupKey(to), to);
  const found = new Map<string, Group>();
  for (const [key, name] of names) {
    const group = await findGroup(tx, name);
    if (group && groupKey(group.name) === key) found.set(key, group);
  }
  return found;
}

/** Top-level keys whose values differ, whatever the order of keys below. */
export function changedKeys(before: object, after: object): string[] {
  const [old, next] = [plain(before), plain(after)];
  const keys = new Set([...Object.keys(old), ...Object.keys(next)]);
  return [...keys].filter((key) => !isDeepStrictEqual(old[key], next[key])).sort();
}

function plain(value: object): Record<string, unknown> {
  return JSON.parse(JSON.stringify(value));
}

async function planCommunity(tx: Tx, { declared, plan }: Planning): Promise<void> {
  const next = declared.community;
  if (!next) return;
  const keys = changedKeys(await community(tx), next);
  if (keys.length === 0) return;
  plan.changes.push({
    text: `Change the community: ${keys.join(', ')}`,
    path: ['community'],
    run: async (inside) => void (await changeCommunity(inside, next)),
  });
}

async function planAttributes(tx: Tx, { declared, plan, applications }: Planning): Promise<void> {
  if (!declared.attributes) return;
  const before = await attributeDeclarations(tx);
  const named = new Set(declared.attributes.map((one) => one.name));
  const next = [...declared.attributes, ...before.filter((one) => !named.has(one.name))];
  const parts = declared.attributes.flatMap((one) => {
    const known = before.find((other) => other.name === one.name);
    if (!known) return [`${one.name} (new)`];
    return changedKeys(known, one).length > 0 ? [one.name] : [];
  });
  const moved = next.some((one, index) => before[index]?.name !== one.name);
  const apps = new Set([...applications.keys(), ...(declared.applications ?? []).map((one) => one.id), '*']);
  for (const one of declared.attributes) {
    const missing = one.releasedTo.filter((id) => !apps.has(id));
    if (missing.length > 0)
      plan.warnings.push(`The attribute ${one.name} is released to ${missing.join(', ')}, not an app here.`);
  }
  if (parts.length === 0 && !moved) return;
  plan.changes.push({
    text: `Declare attributes: ${parts.join(', ') || 'their order'}`,
    path: ['attributes'],
    run: async (inside) => void (await declareAttributes(inside, next)),
  });
}

/** A file written before a group was renamed would bring the old one back, and leave everybody in the other. */
async function warnOfRenamed(tx: Tx, { declared, plan, groups }: Planning): Promise<void> {
  const names = (declared.groups ?? []).map(({ name }) => name).filter((name) => !groups.has(groupKey(name)));
  const renamed = await renamedGroups(tx, names);
  for (const name of names) {
    const now = renamed.get(groupKey(name));
    if (now !== undefined)
      plan.warnings.push(`The group ${name} was renamed to ${now}; this file makes a new ${name}.`);
  }
}

function planGroup({ plan, groups }: Planning, group: DeclaredGroup, index: number): void {
  const { name, title, description } = group;
  const known = groups.get(groupKey(name));
  const path = ['groups', index];
  if (!known) {
    plan.changes.push({
      text: `Add the group ${name}`,
      path,
      run: async (inside) => void (await addGroup(inside, { name, title, description, origin: 'apply' })),
    });
    return;
  }
  const wanted = { name, title: title ?? known.title, description: description ?? known.description };
  const { name: oldName, title: oldTitle, description: oldDescription } = known;
  const keys = changedKeys({ name: oldName, title: oldTitle, description: oldDescription }, wanted);
  if (keys.length === 0) return;
  plan.changes.push({
    text: `Change the group ${name}: ${keys.join(', ')}`,
    path,
    run: async (inside) => void (await changeGroup(inside, known.id, wanted)),
  });
}

async function planApplication(
  tx: Tx,
  planning: Planning,
  one: DeclaredApplication,
  index: number,
): Promise<void> {
  const { id, secret, ...rest } = one;
  const { plan, applications } = planning;
  const settings = applicationSettings.parse(rest);
  const known = applications.get(id);
  const keys = known ? changedKeys(known.settings, settings) : [];
  const path = ['applications', index];
  if (!known || keys.length > 0) {
    plan.changes.push({
      text: known ? `Change the app ${id}: ${keys.join(', ')}` : `Add the app ${id} (${settings.title})`,
      path,
      run: async (inside) => void (await saveApplication(inside, id, settings)),
    });
  }
  warnOfGroups(planning, `The app ${id} lets in`, settings.access.groups ?? []);
  warnOfGroups(planning, `The app ${id} is told of`, toldGroups(settings));
  const confidential = usesSecret(settings.oidc);
  if (secret !== undefined && !(known && (await checkSecret(tx, id, secret)))) {
    plan.changes.push({
      text: `Set the secret of the app ${id}`,
      path: [...path, 'secret'],
      run: async (inside) => void (await setSecret(inside, id, secret)),
    });
  } else if (secret === undefined && confidential && !known?.hasSecret) {
    plan.changes.push({
      text: `Make a secret for the app ${id}`,
      path,
      run: async (inside) => {
        const made = await setSecret(inside, id);
        plan.secrets.push({ application: id, secret: made.secret });
      },
    });
  }
}

/** A rule about a group that is nowhere does nothing, and says so nowhere else. */
function warnOfGroups({ declared, plan, groups }: Planning, what: string, wanted: readonly string[]): void {
  const declaredKeys = new Set((declared.groups ?? []).map((group) => groupKey(group.name)));
  const missing = wanted.filter((name) => !declaredKeys.has(groupKey(name)) && !groups.has(groupKey(name)));
  if (missing.length > 0)
    plan.warnings.push(
      `${what} ${missing.join(', ')}: there is no such group, neither in this file nor here.`,
    );
}

/** The groups that what an app hears is made of: those released, those with a name of its own, those that give roles. */
function toldGroups({
  release,
  groupNames,
  roles,
}: Pick<Application['settings'], 'release' | 'groupNames' | 'roles'>): string[] {
  const released = Array.isArray(release.groups) ? release.groups : [];
  return [...new Set([...released, ...Object.keys(groupNames), ...Object.keys(roles)])];
}
