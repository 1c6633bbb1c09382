/**
 * Lists of networks that senders publish, such as Atlassian's: what is in force, what waits for a person, what changed.
 * An operator names a list in the settings; what was published last and could be believed is in the database and stays in
 * force on every node, however long its publisher is away. Networks by hand stand in the settings and need nobody's yes.
 */
import { createHash } from 'node:crypto';
import { record } from '#core/events/events.ts';
import { Problem } from '#core/problem.ts';
import type { Tx } from '#kit/db/tx.ts';
import * as store from './lists.store.ts';
import { canonicalNetwork, goneFrom, type Measure, networkSet } from './networks.ts';
import { byNumbers } from './published-list.ts';
import type { AllowlistSettings } from './settings.ts';
import { relayApps, relayHouse, saveRelayHouse } from './settings-kept.ts';

export type { ListChange, ListOutcome } from './lists.store.ts';
export { listOutcomes } from './lists.store.ts';

/** Latest first. */
export const listChanges = store.changesOf;

/** For the regular clean-up. */
export const deleteOldListChanges = store.deleteChanges;

/** A list that nobody could read anew for this long is old: it stays in force, and operators hear of it. */
export const staleMs = 24 * 3_600_000;

/** What goes in small steps within this time is measured together: many steps are no way around a person. */
const guardMs = 7 * 24 * 3_600_000;

export interface HeldList {
  /** Names exactly this publication: what is approved is what was seen. */
  mark: string;
  at: Date;
  added: string[];
  removed: string[];
}

export interface AllowList {
  name: string;
  settings: AllowlistSettings;
  /** Published and in force; empty where it is kept by hand alone. */
  networks: string[];
  /** From the settings; in force as well. */
  byHand: string[];
  held?: HeldList;
  checkedAt?: Date;
  fetchedAt?: Date;
  changedAt?: Date;
  problem?: string;
  /** No good look for a day. */
  isStale: boolean;
}

/** Every list of the settings, by name. */
export async function allowLists(tx: Tx): Promise<AllowList[]> {
  const { allowlists } = await relayHouse(tx);
  const rows = new Map((await store.allLists(tx)).map((row) => [row.name, row]));
  return Object.entries(allowlists)
    .map(([name, settings]) => seen(tx, name, settings, rows.get(name)))
    .sort((one, other) => (one.name < other.name ? -1 : 1));
}

/** One list. @throws Problem relay-list-unknown */
export async function requireAllowList(tx: Tx, name: string): Promise<AllowList> {
  const found = (await allowLists(tx)).find((one) => one.name === name);
  if (!found) throw new Problem('relay-list-unknown');
  return found;
}

function seen(tx: Tx, name: string, settings: AllowlistSettings, row: store.ListRow | undefined): AllowList {
  const isPublished = settings.url !== undefined;
  const {
    held,
    heldAt,
    networks = [],
    checkedAt,
    fetchedAt,
    changedAt,
    problem,
  } = (isPublished && row) || {};
  const good = fetchedAt?.getTime();
  return {
    name,
    settings,
    networks,
    byHand: settings.networks ?? [],
    held: held && heldAt && { mark: markOf(held), at: heldAt, ...difference(networks, held) },
    checkedAt,
    fetchedAt,
    changedAt,
    problem,
    isStale: problem !== undefined && good !== undefined && tx.now().getTime() - good > staleMs,
  };
}

/** Two lists of networks, as what came and what went. */
export function difference(
  before: readonly string[],
  after: readonly string[],
): { added: string[]; removed: string[] } {
  const [old, next] = [new Set(before), new Set(after)];
  return {
    added: after.filter((one) => !old.has(one)),
    removed: before.filter((one) => !next.has(one)),
  };
}

/** Stands for one publication. */
export function markOf(networks: readonly string[]): string {
  return createHash('sha256').update(networks.join('\n')).digest('base64url').slice(0, 22);
}

const tenths = 10n ** 12n;

/**
 * Whether more addresses go than may go at once. IPv4 and IPv6 are measured apart; exactly the share may go.
 * @param guard share of addresses, 0 to 1
 */
export function shrinksTooFar(before: readonly string[], after: readonly string[], guard: number): boolean {
  const [old, next] = [networkSet(before), networkSet(after)];
  const gone = goneFrom(old, next);
  const share = BigInt(Math.round(guard * Number(tenths)));
  const isMore = (family: keyof Measure) => gone[family] * tenths > share * old.size[family];
  return isMore('v4') || isMore('v6');
}

/** What a look at a list came to. */
export interface Look {
  outcome: 'unchanged' | 'taken' | 'held' | 'dismissed' | 'refused' | 'overtaken';
  added: string[];
  removed: string[];
  problem?: string;
}

/** What somebody published: nothing new, these networks, or nothing that can be used. */
export type Found = { same: true } | { networks: string[]; etag?: string } | { problem: string };

/** What an event names; the whole stands among the changes of the list. */
const first = (networks: readonly string[]) => networks.slice(0, 100);

const nothing = { added: [], removed: [] };

/**
 * Takes in what a look found, unless a later look or another setting has made it old.
 * @param claimed the look as it was begun
 * @param source what it was read with
 */
export async function takeLook(
  tx: Tx,
  { claimed, source, found }: { claimed: store.ListRow; source: string; found: Found },
): Promise<Look> {
  const list = await store.holdList(tx, claimed.name);
  const settings = (await relayHouse(tx)).allowlists[claimed.name];
  if (!list || !settings || list.looks !== claimed.looks || sourceOf(settings) !== source)
    return { outcome: 'overtaken', ...nothing };
  if ('problem' in found) return refuse(tx, list, found.problem);
  if ('same' in found) {
    await store.keepList(tx, { ...list, problem: undefined }, { isGood: true, changed: false });
    return { outcome: list.held ? 'held' : 'unchanged', ...nothing };
  }
  return weigh(tx, { ...list, problem: undefined, etag: found.etag }, found.networks, settings);
}

/** What a list is read with: an answer of another address, or for other entries, says nothing of this one. */
export function sourceOf({ url, product, direction, shrinkGuard }: AllowlistSettings): string {
  return JSON.stringify([url, product ?? null, direction ?? null, shrinkGuard]);
}

async function refuse(tx: Tx, list: store.ListRow, problem: string): Promise<Look> {
  await store.keepList(tx, { ...list, problem }, { isGood: false, changed: false });
  // Said once, not at every look of a bad night.
  if (list.problem !== problem) {
    await store.noteListChange(tx, { list: list.name, outcome: 'refused', note: problem });
    await record(tx, 'relay.list-refused', { data: { list: list.name, problem } });
  }
  return { outcome: 'refused', ...nothing, problem };
}

async function weigh(
  tx: Tx,
  list: store.ListRow,
  networks: string[],
  settings: AllowlistSettings,
): Promise<Look> {
  const { name, networks: before, held } = list;
  const what = difference(before, networks);
  const good = { isGood: true, changed: false };
  if (what.added.length === 0 && what.removed.length === 0) {
    await store.keepList(tx, { ...list, held: undefined, heldAt: undefined, dismissed: undefined }, good);
    if (held)
      await store.noteListChange(tx, {
        list: name,
        outcome: 'taken',
        note: 'What was held is published no more.',
      });
    return { outcome: 'unchanged', ...nothing };
  }
  const mark = markOf(networks);
  const lately = await store.goneSince(tx, name, new Date(tx.now().getTime() - guardMs));
  if (!shrinksTooFar([...before, ...lately], networks, settings.shrinkGuard)) {
    await putInForce(tx, list, networks, 'taken');
    return { outcome: 'taken', ...what };
  }
  if (mark === list.dismissed) {
    await store.keepList(tx, { ...list, held: undefined, heldAt: undefined }, good);
    return { outcome: 'dismissed', ...nothing };
  }
  if (held && markOf(held) === mark) {
    await store.keepList(tx, list, good);
    return { outcome: 'held', ...what };
  }
  await store.keepList(tx, { ...list, held: networks, heldAt: tx.now(), dismissed: undefined }, good);
  await store.noteListChange(tx, { list: name, outcome: 'held', ...what });
  await record(tx, 'relay.list-held', { data: { list: name, removed: first(what.removed) } });
  return { outcome: 'held', ...what };
}

async function putInForce(
  tx: Tx,
  list: store.ListRow,
  networks: string[],
  outcome: 'taken' | 'approved',
  decidedBy?: string,
): Promise<void> {
  const { added, removed } = difference(list.networks, networks);
  const next = { ...list, networks, held: undefined, heldAt: undefined, dismissed: undefined };
  await store.keepList(tx, next, { isGood: outcome === 'taken', changed: true });
  await store.noteListChange(tx, { list: list.name, outcome, added, removed, decidedBy });
  const data = { list: list.name, added: first(added), removed: first(removed) };
  await record(tx, 'relay.list-changed', { data });
}

/** What somebody decides about a held list, and who. */
interface Decision {
  name: string;
  mark?: string;
  by?: string;
}

/**
 * Puts what was held in force.
 * @param input.mark the publication that was seen; without it whatever is held now
 * @throws Problem relay-list-unknown; conflict when another one is held by now, or none
 */
export async function approveHeld(tx: Tx, input: Decision): Promise<HeldList> {
  const { list, held } = await holdHeld(tx, input);
  await putInForce(tx, list, list.held ?? [], 'approved', input.by);
  return held;
}

/** Keeps what is in force; this publication is not asked about again. @throws as `approveHeld` */
export async function dismissHeld(tx: Tx, input: Decision): Promise<HeldList> {
  const { list, held } = await holdHeld(tx, input);
  const next = { ...list, held: undefined, heldAt: undefined, dismissed: held.mark };
  await store.keepList(tx, next, { isGood: false, changed: false });
  await store.noteListChange(tx, {
    list: list.name,
    outcome: 'dismissed',
    added: held.added,
    removed: held.removed,
    decidedBy: input.by,
  });
  return held;
}

async function holdHeld(tx: Tx, { name, mark }: Decision): Promise<{ list: store.ListRow; held: HeldList }> {
  const list = await store.holdList(tx, name);
  const { held } = await requireAllowList(tx, name);
  if (!list || !held || (mark !== undefined && mark !== held.mark))
    throw new Problem('conflict', { detail: 'what is held is not what was looked at' });
  return { list, held };
}

/**
 * Replaces the networks a list has by hand. What is published stays in force beside them.
 * @throws Problem relay-list-unknown
 */
export async function setByHand(
  tx: Tx,
  name: string,
  networks: readonly string[],
  by?: string,
): Promise<AllowList> {
  const house = await relayHouse(tx);
  const settings = house.allowlists[name];
  if (!settings) throw new Problem('relay-list-unknown');
  const next = [...new Set(networks.map((one) => canonicalNetwork(one) ?? one))].sort(byNumbers);
  const allowlists = { ...house.allowlists, [name]: { ...settings, networks: next } };
  await saveRelayHouse(tx, { ...house, allowlists });
  await noteByHand(tx, house.allowlists, allowlists, by);
  return requireAllowList(tx, name);
}

/** Forgets a list. @throws Problem relay-list-unknown; relay-list-used while an app is let in by it */
export async function forgetList(tx: Tx, name: string): Promise<void> {
  const house = await relayHouse(tx);
  const { [name]: gone, ...allowlists } = house.allowlists;
  if (!gone) throw new Problem('relay-list-unknown');
  if ((await appsLetInBy(tx, name)).length > 0) throw new Problem('relay-list-used');
  await saveRelayHouse(tx, { ...house, allowlists });
}

/** Ids of the apps that name a list. */
export async function appsLetInBy(tx: Tx, name: string): Promise<string[]> {
  const apps = await relayApps(tx);
  return apps.filter(({ settings }) => settings.networks.includes(`list:${name}`)).map(({ id }) => id);
}

type Lists = Readonly<Record<string, AllowlistSettings>>;

/** Whoever changed networks by hand, in whatever way, finds it among the changes of the list. */
export async function noteByHand(tx: Tx, before: Lists, after: Lists, by?: string): Promise<void> {
  for (const name of Object.keys(after)) {
    const what = difference(before[name]?.networks ?? [], after[name]?.networks ?? []);
    if (what.added.length === 0 && what.removed.length === 0) continue;
    await store.noteListChange(tx, { list: name, outcome: 'by-hand', ...what, decidedBy: by });
    const data = { list: name, added: first(what.added), removed: first(what.removed) };
    await record(tx, 'relay.list-changed', { data });
  }
}
