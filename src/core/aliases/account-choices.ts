/**
 * On which address someone's account at an app stands: their alias mailbox, or an address of their own because they
 * already have an account there. What the app expects is the default; one choice a person and app.
 */
import type { Application } from '#core/applications/applications.ts';
import { onAliasDomain } from '#core/community/alias-domains.ts';
import { record } from '#core/events/events.ts';
import { listAddresses } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import type { Tx } from '#kit/db/tx.ts';
import * as store from './account-choices.store.ts';
import { currentMailbox } from './mailboxes.ts';

export type AccountKind = 'mailbox' | 'own';

export interface AccountChoice {
  choice: AccountKind;
  /** False where nobody said anything and the app's default holds. */
  chosen: boolean;
  /** Id of the address of an own account; undefined means the main address. */
  address?: string;
}

/** What holds at an app for people who said nothing. */
export function defaultChoice(application: Application): AccountKind {
  return application.settings.alias.address;
}

/** The choices of these people at one app, everyone among them. */
export async function accountChoices(
  tx: Tx,
  application: Application,
  people: readonly string[],
): Promise<Map<string, AccountChoice>> {
  const said = new Map(
    (await store.choicesAt(tx, application.id, people)).map((row) => [row.person, toChoice(row)]),
  );
  const otherwise: AccountChoice = { choice: defaultChoice(application), chosen: false };
  return new Map(people.map((person) => [person, said.get(person) ?? otherwise]));
}

/** The choice of one person. */
export async function accountChoice(
  tx: Tx,
  application: Application,
  person: string,
): Promise<AccountChoice> {
  return (await accountChoices(tx, application, [person])).get(person)!;
}

/** What one person said, by app. */
export async function chosenAccounts(tx: Tx, person: string): Promise<Map<string, AccountChoice>> {
  return new Map((await store.choicesOf(tx, person)).map((row) => [row.application, toChoice(row)]));
}

function toChoice(row: store.ChoiceRow): AccountChoice {
  return { choice: row.choice, chosen: true, address: row.address ?? undefined };
}

/**
 * Says which account someone has at an app. An own one stands on a confirmed address of theirs (the main one when none is
 * named) that is not itself on an alias domain; a mailbox can be chosen by whoever has one. Saying the same again
 * changes nothing.
 */
export async function chooseAccount(
  tx: Tx,
  application: Application,
  given: { person: string; choice: AccountKind; address?: string },
): Promise<void> {
  const { person, choice } = given;
  if (choice === 'mailbox' && !(await currentMailbox(tx, person)))
    throw new Problem('conflict', { detail: 'this person has no alias mailbox' });
  const address = choice === 'own' ? await ownAddress(tx, person, given.address) : undefined;
  const changed = await store.upsertChoice(tx, { application: application.id, person, choice, address });
  if (changed)
    await record(tx, 'account-choice.changed', { person, application: application.id, data: { choice } });
}

async function ownAddress(tx: Tx, person: string, id: string | undefined): Promise<string> {
  const mine = await listAddresses(tx, [person]);
  const address = mine.find((one) => (id === undefined ? one.primary : one.id === id));
  if (!address) throw new Problem('address-unknown');
  if (!address.verifiedAt) throw new Problem('address-unverified');
  if ((await onAliasDomain(tx, [address.key])).size > 0)
    throw new Problem('conflict', { detail: 'an alias mailbox is not an address of their own' });
  return address.id;
}
