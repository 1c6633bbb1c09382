/**
 * What a person is called at an application: user name and subject here, alias mailbox address in `mailboxes.ts`, and
 * whether their account stands on it in `account-choices.ts`.
 * Owns `aliases`, `subjects`, `alias_mailboxes`, `account_choices`. Records alias.*, alias-mailbox.assigned,
 * account-choice.changed. Refuses a name two people would share.
 * A subject is fixed the first time an application hears it and is never handed to someone else.
 */

import { type Application, fixSubjects } from '#core/applications/applications.ts';
import { recordAll } from '#core/events/events.ts';
import { cleanLine, usernameKey } from '#core/people/names.ts';
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
 * Gives people names at applications. Equal ones are no change; a name that is already someone else's there is
 * returned as refused, so that a bulk caller can report it. Records one event a change.
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
  const outcome = await store.upsertAliases(tx, rows, origin);
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

/** Takes names back; the person is called by the application's rule again. */
export async function removeAlias(tx: Tx, application: string, person: string): Promise<void> {
  if (await store.deleteAlias(tx, application, person)) {
    await recordAll(tx, [{ type: 'alias.removed', person, application, data: {} }]);
  }
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

/** Fixes the subject at first sign-in. Returns the one that counts, also when another node was first. */
export async function fixSubject(
  tx: Tx,
  application: Application,
  person: string,
  subject: string,
): Promise<string> {
  const fixed = await store.insertSubject(tx, application.id, person, subject);
  if (fixed === undefined)
    throw new Problem('conflict', { detail: 'this subject belongs to another person' });
  await fixSubjects(tx, application);
  return fixed;
}

export const subjectsAt = store.subjectsAt;
export const personBySubject = store.personBySubject;
