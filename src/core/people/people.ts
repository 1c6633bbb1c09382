/**
 * People: who someone is.
 * Owns `people`, `usernames`, `addresses`, `former_addresses`, `verifications`, `attributes`, `person_attributes`, `person_origins`.
 * Records person.moved, person.renamed, address.*, verification.requested, attribute.*.
 * Refuses names and addresses of others, names of the erased among them (`tombstones.ts`). Standing is not written here
 * but by `core/lifecycle` alone.
 */

import { onAliasDomain } from '#core/community/alias-domains.ts';
import { record } from '#core/events/events.ts';
import { Problem } from '#core/problem.ts';
import { newId } from '#kit/crypto/ids.ts';
import type { Tx } from '#kit/db/tx.ts';
import { cleanLine, longestDisplayName, parseAddress, usernameKey } from './names.ts';
import * as origins from './origins.store.ts';
import * as store from './store.ts';
import { holdProofs } from './verifications.store.ts';
import { withdrawVerifications } from './verifications.ts';

export const personStates = [
  'unverified',
  'active',
  'locked',
  'suspended',
  'spam',
  'left',
  'erased',
  'merged',
] as const;
export type PersonState = (typeof personStates)[number];

export interface Person {
  id: string;
  username: string;
  givenName: string;
  familyName: string;
  displayName: string;
  locale?: string;
  state: PersonState;
  stateReason?: string;
  stateSince: Date;
  mergedInto?: string;
  origin: string;
  createdAt: Date;
  updatedAt: Date;
  version: number;
}

export interface Address {
  id: string;
  person: string;
  address: string;
  key: string;
  primary: boolean;
  verifiedAt?: Date;
  createdAt: Date;
}

/** One person by id, or undefined. */
export async function findPerson(tx: Tx, id: string): Promise<Person | undefined> {
  return (await store.peopleByIds(tx, [id]))[0];
}

/** The same, kept from losing or gaining standing until the transaction ends. */
export const holdPerson = store.holdPerson;

/** One person by id; refuses with `person-unknown`. */
export async function requirePerson(tx: Tx, id: string): Promise<Person> {
  const person = await findPerson(tx, id);
  if (!person) throw new Problem('person-unknown');
  return person;
}

export const findPeople = store.peopleByIds;
export const listPeople = store.listPeople;
export const countPeople = store.countPeople;
export { joinedByDay } from './growth.store.ts';
export const verifiedOwners = store.verifiedOwners;
export const takenUsernames = store.takenUsernames;
export const usernameOwners = store.usernameOwners;
export const originsOf = origins.originsOf;
export const insertOrigins = origins.insertOrigins;
export const addressById = store.addressById;

// For `core/lifecycle` alone: nothing else adds people, takes them away or moves their standing.
export const insertPeople = store.insertPeople;
export const updateState = store.updateState;
export const dropUnverifiedPeople = store.deleteUnverified;

/** Whose user name this is now, in its one canonical form. */
export async function findByUsername(tx: Tx, username: string): Promise<Person | undefined> {
  return store.personByUsernameKey(tx, usernameKey(username));
}

/** Whose user names these are now; by canonical user name, unknown ones are left out. */
export async function findByUsernames(tx: Tx, usernames: readonly string[]): Promise<Map<string, Person>> {
  return store.peopleByUsernameKeys(tx, usernames.map(usernameKey));
}

/** Whose confirmed address this is. An unconfirmed address belongs to nobody. */
export async function findByVerifiedAddress(tx: Tx, typed: string): Promise<Person | undefined> {
  let key: string;
  try {
    key = parseAddress(typed).key;
  } catch {
    return undefined;
  }
  return store.personByVerifiedAddress(tx, key);
}

/** What people type into the first field: a user name, or any confirmed address. One query either way. */
export async function findByIdentifier(tx: Tx, typed: string): Promise<Person | undefined> {
  if (typed.length > 320) return undefined;
  let address = '';
  try {
    address = typed.includes('@') ? parseAddress(typed).key : '';
  } catch {
    // Not an address: it may still be a legacy user name with an @ in it.
  }
  return store.personByIdentifier(tx, usernameKey(typed), address);
}

/** True when nobody has or ever had this user name. */
export async function isUsernameFree(tx: Tx, username: string): Promise<boolean> {
  return (await store.takenUsernames(tx, [usernameKey(username)])).size === 0;
}

/** The name shown when nothing better was given. */
export function displayNameOf(names: { givenName?: string; familyName?: string; username: string }): string {
  return [names.givenName, names.familyName].filter(Boolean).join(' ') || names.username;
}

/** Changes names and locale. Records which fields changed; nothing when none did. */
export async function changeNames(
  tx: Tx,
  id: string,
  change: { givenName?: string; familyName?: string; displayName?: string; locale?: string | null },
): Promise<string[]> {
  const person = await requirePerson(tx, id);
  const next = {
    givenName: change.givenName === undefined ? person.givenName : cleanLine(change.givenName),
    familyName: change.familyName === undefined ? person.familyName : cleanLine(change.familyName),
    displayName:
      change.displayName === undefined
        ? person.displayName
        : cleanLine(change.displayName, longestDisplayName),
    locale: change.locale === undefined ? person.locale : (change.locale ?? undefined),
  };
  const derived = displayNameOf(person) === person.displayName && change.displayName === undefined;
  if (derived || next.displayName === '')
    next.displayName = displayNameOf({ ...next, username: person.username });
  const fields = (['givenName', 'familyName', 'displayName', 'locale'] as const).filter(
    (field) => next[field] !== person[field],
  );
  if (fields.length === 0) return [];
  await store.updateNames(tx, id, next);
  await record(tx, 'person.moved', { person: id, data: { fields } });
  return fields;
}

/**
 * Keeps addresses of people who are just joining; for `core/lifecycle` alone. Refuses with `address-taken` when one
 * given as confirmed became another's in this very moment (the index decides), with `address-ours` when one is an alias.
 */
export async function insertAddresses(tx: Tx, addresses: readonly store.NewAddressRow[]): Promise<void> {
  const keys = addresses.map(({ key }) => key);
  if ((await onAliasDomain(tx, keys)).size > 0) throw new Problem('address-ours');
  if (!(await store.insertAddresses(tx, addresses))) throw new Problem('address-taken');
}

/** All addresses of these people, main ones first. */
export const listAddresses = store.addressesOf;

/**
 * Adds an address, not confirmed. Adding one's own again is no change, also twice at once. Refuses more than ten.
 */
export async function addAddress(tx: Tx, person: string, typed: string): Promise<Address> {
  const { address, key } = parseAddress(typed);
  await store.lockAddresses(tx, person);
  const existing = await store.addressesOf(tx, [person]);
  const same = existing.find((known) => known.key === key);
  if (same) return same;
  if (existing.length >= 10) throw new Problem('input-too-large', { fields: { address: 'input-too-large' } });
  const id = newId();
  await insertAddresses(tx, [{ id, person, address, key, primary: existing.length === 0, verified: false }]);
  await record(tx, 'address.added', { person, data: { address: id } });
  return { id, person, address, key, primary: existing.length === 0, createdAt: tx.now() };
}

/**
 * Marks an address as proved. It belongs to one person from now on. Others' unproved claims stay where they are, worth
 * nothing: if they fell away, whoever made one could tell that the address has an owner.
 * Refuses with `address-taken` when someone else proved it first (the index decides a race).
 */
export async function verifyAddress(tx: Tx, person: string, addressId: string): Promise<void> {
  const address = (await store.addressesOf(tx, [person])).find((known) => known.id === addressId);
  if (!address) throw new Problem('address-unknown');
  if (address.verifiedAt) return;
  const won = await store.markVerified(tx, addressId);
  if (!won) throw new Problem('address-taken');
  await withdrawVerifications(tx, person, ['recovery']);
  await record(tx, 'address.verified', { person, data: { address: addressId } });
}

/** Makes a confirmed address the main one. Changes of one person's addresses take turns: there is always one main one. */
export async function makePrimary(tx: Tx, person: string, addressId: string): Promise<void> {
  await store.lockAddresses(tx, person);
  const addresses = await store.addressesOf(tx, [person]);
  const next = addresses.find((known) => known.id === addressId);
  if (!next) throw new Problem('address-unknown');
  if (!next.verifiedAt) throw new Problem('address-unverified');
  if (next.primary) return;
  const previous = addresses.find((known) => known.primary);
  await store.setPrimary(tx, person, addressId);
  await withdrawVerifications(tx, person, ['recovery']);
  await record(tx, 'address.made-primary', { person, data: { address: addressId, previous: previous?.id } });
}

/**
 * Removes an address that is neither the main nor the last confirmed one. A confirmed one is remembered apart until
 * its owner has been told (`forgetFormerAddress`).
 */
export async function removeAddress(tx: Tx, person: string, addressId: string): Promise<void> {
  await store.lockAddresses(tx, person);
  const addresses = await store.addressesOf(tx, [person]);
  const gone = addresses.find((known) => known.id === addressId);
  if (!gone) throw new Problem('address-unknown');
  if (gone.primary) throw new Problem('address-primary');
  const confirmed = addresses.filter((known) => known.verifiedAt);
  if (gone.verifiedAt && confirmed.length === 1) throw new Problem('address-last');
  await store.retireAddress(tx, addressId);
  await withdrawVerifications(tx, person, ['recovery']);
  const notify = confirmed.filter((known) => known.id !== addressId).map((known) => known.id);
  const data = { address: addressId, verified: gone.verifiedAt !== undefined, notify };
  await record(tx, 'address.removed', { person, data });
}

/** A removed address whose owner is still to be told, or undefined. */
export const formerAddress = store.formerAddress;
export const forgetFormerAddress = store.forgetFormerAddress;

/** Corrects the address of someone who has not proved any yet ("wrong address? change it"). */
export async function replaceUnverifiedAddress(tx: Tx, person: string, typed: string): Promise<Address> {
  await holdProofs(tx, person);
  await store.lockAddresses(tx, person);
  const addresses = await store.addressesOf(tx, [person]);
  if (addresses.some((known) => known.verifiedAt)) throw new Problem('standing-refused');
  const { key } = parseAddress(typed);
  const same = addresses.find((known) => known.key === key);
  if (same) return same;
  for (const known of addresses) await store.deleteAddress(tx, known.id);
  return addAddress(tx, person, typed);
}
