/**
 * Alias mailbox addresses: `username@<alias domain>` for every person, on a domain the community owns. Made by rule in
 * the transaction in which someone joins (or proves their address), kept when they are renamed, never given to anyone
 * else, also not once they are erased. The relaying of what is mailed there is another part's.
 */
import { aliasDomains } from '#core/community/alias-domains.ts';
import { community } from '#core/community/community.ts';
import { recordAll } from '#core/events/events.ts';
import { usernameKey } from '#core/people/names.ts';
import { listPeople, type Person, type PersonState, requirePerson } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import { type Database, system } from '#kit/db/database.ts';
import { houseFact, setHouseFact } from '#kit/db/facts.ts';
import type { Tx } from '#kit/db/tx.ts';
import { numbered, stemFor } from './local-parts.ts';
import * as store from './mailboxes.store.ts';

export interface Mailbox {
  /** In small letters, its one form. */
  address: string;
  /** Undefined where the person is no longer known here; nobody else gets it. */
  person?: string;
  /** `current` is what apps are told, `kept` is an earlier one, still theirs and alive. */
  state: 'current' | 'kept' | 'gone';
  madeAt: Date;
}

/** Whose mailbox is made, and from what. */
export type Named = Pick<Person, 'id' | 'username' | 'givenName' | 'familyName'>;

/** More than this many in a row who want the same address is a fault. */
const mostRounds = 200;
const completeFact = 'alias-mailboxes-complete';
const pageSize = 1000;
/** Who has none: sign-ups that proved nothing, and accounts that are nobody's any more. */
const without = new Set<PersonState>(['unverified', 'erased', 'merged']);

/**
 * Gives a mailbox to each of these people who has none, with a handful of statements however many they are. Nothing
 * happens where the community has no domain for them. Returns how many were made; records one event each.
 */
export async function ensureMailboxes(
  tx: Tx,
  people: readonly Named[],
  origin: 'joined' | 'completed' = 'joined',
): Promise<number> {
  if (people.length === 0) return 0;
  const [domain] = await aliasDomains(tx);
  if (domain === undefined) return 0;
  const { rule } = (await community(tx)).aliasMailboxes;
  const wanted = people.map((one) => ({ person: one.id, stem: stemFor(nameBy(rule, one), one.id) }));
  const made = await assign(tx, domain, wanted);
  await recordAssigned(tx, made, domain, origin);
  return made.length;
}

/**
 * Gives mailboxes to everyone who was here before the community had a domain for them; part of the regular work, and
 * nothing more than a look once it is done. Returns how many were made.
 */
export async function completeMailboxes(database: Database): Promise<number> {
  const isNeeded = await database.transact(system('schedule'), async (tx) => {
    const [domain] = await aliasDomains(tx);
    const isDone = (await houseFact(tx, completeFact)) === true;
    if (domain === undefined && isDone) await setHouseFact(tx, completeFact, false);
    return domain !== undefined && !isDone;
  });
  if (!isNeeded) return 0;
  let made = 0;
  for (let after: string | undefined, more = true; more; ) {
    await database.transact(system('schedule'), async (tx) => {
      const page = await listPeople(tx, { after, limit: pageSize });
      const last = page.at(-1);
      after = last && usernameKey(last.username);
      more = page.length === pageSize;
      made += await ensureMailboxes(
        tx,
        page.filter((one) => !without.has(one.state)),
        'completed',
      );
    });
  }
  await database.transact(system('schedule'), (tx) => setHouseFact(tx, completeFact, true));
  return made;
}

function nameBy(rule: 'username' | 'name', person: Named): string {
  const full = [person.givenName, person.familyName].filter(Boolean).join('.').replaceAll(' ', '.');
  return rule === 'name' && full !== '' ? full : person.username;
}

/**
 * The first free number for each, in the order given. In one batch nobody tries what another of it tries; across
 * transactions the primary key decides, and whoever loses tries the next number.
 */
async function assign(
  tx: Tx,
  domain: string,
  wanted: readonly { person: string; stem: string }[],
): Promise<string[]> {
  const made: string[] = [];
  const next = new Map<string, number>();
  const having = await store.havingMailbox(
    tx,
    wanted.map((one) => one.person),
  );
  let left = wanted.filter((one) => !having.has(one.person));
  for (let round = 0; left.length > 0; round += 1) {
    if (round === mostRounds) throw new Error('No free alias mailbox address was found.');
    const tried = left.map((one) => {
      const number = next.get(one.stem) ?? 1;
      next.set(one.stem, number + 1);
      return { ...one, domain, number, localPart: numbered(one.stem, number) };
    });
    const won = await store.insertMailboxes(tx, tried);
    made.push(...won);
    left = left.filter((one) => !won.has(one.person));
    if (left.length === 0) break;
    const ids = left.map((one) => one.person);
    const meanwhile = await store.havingMailbox(tx, ids);
    left = left.filter((one) => !meanwhile.has(one.person));
    const stems = [...new Set(left.map((one) => one.stem))];
    for (const [stem, number] of await store.highestNumbers(tx, domain, stems))
      next.set(stem, Math.max(next.get(stem) ?? 1, number + 1));
  }
  return made;
}

async function recordAssigned(
  tx: Tx,
  people: readonly string[],
  domain: string,
  origin: 'joined' | 'completed' | 'followed',
): Promise<void> {
  const data = { domain, origin };
  await recordAll(
    tx,
    people.map((person) => ({ type: 'alias-mailbox.assigned' as const, person, data })),
  );
}

/**
 * Lets someone's mailbox follow their present name (and the first domain). The earlier one stays theirs and stays
 * alive; one they had from that very name before becomes the current one again. A rename alone never does this.
 */
export async function followName(tx: Tx, id: string): Promise<Mailbox> {
  const [domain] = await aliasDomains(tx);
  if (domain === undefined)
    throw new Problem('conflict', { detail: 'there is no domain for alias mailboxes' });
  const person = await requirePerson(tx, id);
  const { rule } = (await community(tx)).aliasMailboxes;
  const stem = stemFor(nameBy(rule, person), id);
  const former = await store.formerMailbox(tx, id, domain, stem);
  if (former?.state === 'current') return former;
  await store.keepCurrent(tx, id);
  if (former) await store.makeCurrent(tx, former.address);
  else await assign(tx, domain, [{ person: id, stem }]);
  await recordAssigned(tx, [id], domain, 'followed');
  const current = await currentMailbox(tx, id);
  if (!current) throw new Problem('conflict');
  return current;
}

/** Mailboxes of these people, by person: the current one first. */
export async function listMailboxes(tx: Tx, people: readonly string[]): Promise<Map<string, Mailbox[]>> {
  return Map.groupBy(await store.mailboxesOf(tx, people), (one) => one.person!);
}

export async function currentMailbox(tx: Tx, person: string): Promise<Mailbox | undefined> {
  return (await store.mailboxesOf(tx, [person])).find((one) => one.state === 'current');
}

/** Whose mailbox an address is or was made for, whatever its case; undefined where there never was one. */
export function findMailbox(tx: Tx, address: string): Promise<Mailbox | undefined> {
  return store.mailboxByKey(tx, address.toLowerCase());
}

/** For a merge: everything mailed to the absorbed account's mailboxes is the survivor's from now on. */
export const moveMailboxes = store.moveMailboxes;

/** For erasing alone: what is left keeps the addresses from everyone and says nothing of the person. */
export const eraseMailboxes = store.blankMailboxes;
