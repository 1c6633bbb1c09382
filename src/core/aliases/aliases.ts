/**
 * What a person is called at an application: user name and subject here, alias mailbox address in `mailboxes.ts`, and
 * whether their account stands on it in `account-choices.ts`.
 * Owns `aliases`, `former_aliases`, `subjects`, `alias_mailboxes`, `account_choices`. Records alias.*, alias-mailbox.assigned,
 * account-choice.changed. Refuses a name two people would share.
 * A subject is fixed the first time an application hears it; neither it nor a name an application knew someone by is ever
 * handed to someone else.
 */

import { type Application, findApplication, fixSubjects } from '#core/applications/applications.ts';
import { recordAll } from '#core/events/events.ts';
import { cleanLine, usernameKey } from '#core/people/names.ts';
import { findPeople, listAddresses, usernameOwners, verifiedOwners } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Tx } from '#kit/db/tx.ts';
import * as store from './store.ts';

export const aliasesAt = store.aliasesAt;
export const aliasesOf = store.aliasesOf;
export const aliasHolders = store.aliasHolders;

export interface AliasInput {
  application: string;
  person: string;
  alias: string;
}

/**
 * Gives people names at applications. Equal ones are no change; a name that is already someone else's there (given, or
 * by the rule of the application once it has heard of them) is returned as refused, so that a bulk caller can report it.
 * Records one event a change.
 */
export async function assignAliases(
  tx: Tx,
  given: readonly AliasInput[],
  origin: string,
): Promise<{ assigned: number; refused: AliasInput[] }> {
  const rows = given.map((one) => {
    const alias = cleanLine(one.alias, 255);
    if (alias === '') throw new Problem('alias-malformed');
    return { ...one, alias, key: usernameKey(alias) };
  });
  if (rows.length === 0) return { assigned: 0, refused: [] };
  // Whoever names people at the same app takes turns: two who want one name at once would fail, not lose.
  await store.lockNames(
    tx,
    rows.map((row) => row.application),
  );
  const inUse = await namesInUse(tx, rows);
  await keepRuleNames(tx, rows);
  const outcome = await store.upsertAliases(
    tx,
    rows.filter((row) => !inUse.has(row)),
    origin,
  );
  await recordAll(
    tx,
    outcome.changed.map((one) => ({
      type: 'alias.assigned' as const,
      person: one.person,
      application: one.application,
      data: { origin },
    })),
  );
  return {
    assigned: outcome.changed.length,
    refused: rows.filter((row) => !outcome.settled.has(store.pair(row))),
  };
}

/** What an application called someone by its rule until now stays theirs there. */
async function keepRuleNames(tx: Tx, rows: readonly AliasInput[]): Promise<void> {
  for (const [id, given] of Map.groupBy(rows, (one) => one.application)) {
    const people = given.map((one) => one.person);
    const known = [...(await store.knownByRule(tx, id, people))];
    const application = known.length > 0 ? await findApplication(tx, id) : undefined;
    if (!application) continue;
    const names = await ruleNames(tx, application, known);
    await store.insertFormer(tx, id, names);
  }
}

/** What these people are called at an application where they were given no name. */
async function ruleNames(
  tx: Tx,
  application: Application,
  ids: readonly string[],
): Promise<{ person: string; username: string; key: string }[]> {
  const addresses = (await listAddresses(tx, ids)).filter((one) => one.primary);
  const main = new Map(addresses.map(({ person, address }) => [person, address]));
  return (await findPeople(tx, ids)).map(({ id, username }) => {
    const name = ruleAlias(application, { username, address: main.get(id) });
    return { person: id, username: name, key: usernameKey(name) };
  });
}

/**
 * Of these names, those that are by the rule of the application what it calls someone else, whom it has heard of.
 * Nobody is given one: the app would take them for the other.
 */
export async function namesInUse(tx: Tx, given: readonly AliasInput[]): Promise<Set<AliasInput>> {
  const used = new Set<AliasInput>();
  for (const [id, rows] of Map.groupBy(given, (one) => one.application)) {
    const application = await findApplication(tx, id);
    if (!application) continue;
    const byAddress = application.settings.alias.rule === 'address';
    const keys = rows.map((row) => usernameKey(row.alias));
    const owners = await (byAddress ? verifiedOwners(tx, keys) : usernameOwners(tx, keys));
    const ownerOf = (row: AliasInput) => owners.get(usernameKey(row.alias));
    const others = rows.filter((row) => (ownerOf(row) ?? row.person) !== row.person);
    if (others.length === 0) continue;
    const known = await store.knownByRule(tx, id, [...new Set(others.map((row) => ownerOf(row)!))]);
    for (const row of others) if (known.has(ownerOf(row)!)) used.add(row);
  }
  return used;
}

/**
 * Of these people, whose name at the application is or was given to someone else there. Two who share a name at an app
 * would be one to it: whoever comes later needs another name first.
 */
export function namesOfOthers(
  tx: Tx,
  application: string,
  people: readonly { person: string; username: string }[],
): Promise<Set<string>> {
  const names = people.map(({ person, username }) => ({ person, key: usernameKey(username) }));
  return store.heldByOthers(tx, application, names);
}

/**
 * Takes a name back; the person is called by the application's rule again. Where the application has heard of them it
 * stays theirs all the same, and it is refused (`alias-taken`) when the name by the rule is someone else's by now.
 */
export async function removeAlias(tx: Tx, id: string, person: string): Promise<void> {
  await store.lockNames(tx, [id]);
  if (!(await store.deleteAlias(tx, id, person))) return;
  const application = await findApplication(tx, id);
  if (application && (await store.knownByRule(tx, id, [person])).has(person))
    await requireOwnName(tx, application, person);
  await recordAll(tx, [{ type: 'alias.removed', person, application: id, data: {} }]);
}

/** The name a person has at an application when none was given: by its rule. */
export function ruleAlias(application: Application, person: { username: string; address?: string }): string {
  const { rule } = application.settings.alias;
  if (rule === 'lowercase') return person.username.toLowerCase();
  if (rule === 'address') return person.address ?? person.username;
  return person.username;
}

/**
 * The subject an application would hear: pairwise by keyed hash (OIDC Core §8.1), public (the same at every public
 * app) or the alias name itself. Not fixed by reading it; `fixSubject` does that.
 */
export function derivedSubject(
  secrets: Secrets,
  application: Application,
  person: { id: string; alias: string },
): string {
  const kind = application.settings.subject;
  if (kind === 'username') return person.alias;
  const sector = kind === 'public' ? '*' : application.id;
  return secrets.mac('subject', sector, person.id).toString('base64url').slice(0, 32);
}

/**
 * Fixes the subject when the application first hears of someone. Returns the one that counts, also when another node was
 * first. Refuses with `alias-taken` whoever would go there under a name that is or was given to another, and with
 * `conflict` where the subject is another's.
 */
export async function fixSubject(
  tx: Tx,
  application: Application,
  person: string,
  subject: string,
): Promise<string> {
  await store.holdNames(tx, application.id);
  await requireOwnName(tx, application, person);
  const fixed = await store.insertSubject(tx, application.id, person, subject);
  if (fixed === undefined)
    throw new Problem('conflict', { detail: 'this subject belongs to another person' });
  await fixSubjects(tx, application);
  return fixed;
}

async function requireOwnName(tx: Tx, application: Application, id: string): Promise<void> {
  if ((await store.aliasesAt(tx, application.id, [id])).has(id)) return;
  const held = await namesOfOthers(tx, application.id, await ruleNames(tx, application, [id]));
  if (held.has(id)) throw new Problem('alias-taken');
}

export const subjectsAt = store.subjectsAt;
export const personBySubject = store.personBySubject;
