/** Someone of an upstream gets an account here: what is proposed, what is still missing, and the joining itself. */
import { onAliasDomain } from '#core/community/alias-domains.ts';
import { community } from '#core/community/community.ts';
import { join } from '#core/lifecycle/join.ts';
import {
  attributeDeclarations,
  isAskedAtFirst,
  readAttributes,
  setAttributes,
} from '#core/people/attributes.ts';
import { checkNewUsername, cleanLine, parseAddress, usernameKey } from '#core/people/names.ts';
import { isUsernameFree, listAddresses, verifiedOwners } from '#core/people/people.ts';
import { Problem, readFields } from '#core/problem.ts';
import type { Tx } from '#kit/db/tx.ts';
import { foldToAscii } from '#kit/spelling/ascii.ts';
import { askProof } from '#signon/ask-proof.ts';
import type { Identity } from './identity.ts';
import { link, type Subject } from './links.ts';
import { trusts } from './settings.ts';
import { syncGroups } from './sync.ts';
import type { Upstream } from './upstreams.ts';

/** What a newcomer's form holds, prefilled with what the upstream said. */
export interface NewcomerForm {
  username: string;
  givenName: string;
  familyName: string;
  address: string;
  attributes: Record<string, unknown>;
}

export interface Newcomer {
  upstream: Upstream;
  key: Subject;
  label: string;
  identity: Identity;
}

/** What the form begins with: a free name that fits the rule, as near as can be to the one there. */
export async function proposed(tx: Tx, { identity }: Pick<Newcomer, 'identity'>): Promise<NewcomerForm> {
  const { givenName = '', familyName = '', displayName = '' } = identity;
  const [first = '', ...rest] = givenName || familyName ? [givenName, familyName] : displayName.split(' ');
  return {
    username: (await freeUsername(tx, identity)) ?? '',
    givenName: first,
    familyName: rest.join(' '),
    address: identity.address?.address ?? '',
    attributes: identity.attributes,
  };
}

async function freeUsername(tx: Tx, { username, address }: Identity): Promise<string | undefined> {
  const { name: communityName, usernames } = await community(tx);
  const plain = (text: string) =>
    foldToAscii(text)
      .toLowerCase()
      .replaceAll(/[^a-z0-9._-]/g, '');
  const given = [username, address?.address.split('@')[0]].filter((one) => one !== undefined);
  const tries = given.flatMap((one) => [
    one,
    usernameKey(one),
    plain(one),
    plain(one).replaceAll(/[_-]/g, '.'),
  ]);
  for (const one of new Set(tries)) {
    try {
      const checked = checkNewUsername(one, { ...usernames, communityName });
      if (await isUsernameFree(tx, checked)) return checked;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
    }
  }
  return undefined;
}

/** What an account is made of, checked; refuses field by field. */
async function check(tx: Tx, given: NewcomerForm) {
  const { name: communityName, usernames } = await community(tx);
  const { attempt, refuse, end } = readFields();
  const username = attempt('username', () =>
    checkNewUsername(given.username, { ...usernames, communityName }),
  );
  if (username && !(await isUsernameFree(tx, username))) refuse('username', 'username-taken');
  const givenName = attempt('given_name', () => cleanLine(given.givenName));
  const familyName = attempt('family_name', () => cleanLine(given.familyName));
  if (givenName === '' && familyName === '') refuse('given_name', 'name-missing');
  const address = attempt('email', () => parseAddress(given.address));
  if (address && (await onAliasDomain(tx, [address.key])).size > 0) refuse('email', 'address-ours');
  const declared = await attributeDeclarations(tx);
  const wanted = Object.fromEntries(
    declared
      .filter((one) => one.required && isAskedAtFirst(one))
      .map((one) => [one.name, given.attributes[one.name]]),
  );
  const known = Object.fromEntries(
    Object.entries(given.attributes).filter(([name]) => declared.some((one) => one.name === name)),
  );
  const attributes = readAttributes(declared, { ...wanted, ...known }, 'operators');
  for (const [name, code] of Object.entries(attributes.problems)) refuse(`attribute_${name}`, code);
  end();
  return {
    username: username!,
    givenName: givenName!,
    familyName: familyName!,
    address: address!,
    attributes,
  };
}

export interface JoinedNewcomer {
  person: string;
  /** When the address is still to be proved. */
  waiting?: { verification: string; address: string };
}

/**
 * Makes the account and its link in one transaction. The address counts as confirmed where it is the one the upstream
 * verified and is trusted with, and nobody has it; else it is to be proved by mail first.
 * Refuses field by field, like signing up.
 */
export async function joinNewcomer(
  tx: Tx,
  { upstream, key, label, identity }: Newcomer,
  given: NewcomerForm,
  here: { browser: string; locale: string },
): Promise<JoinedNewcomer> {
  const { address, attributes, ...names } = await check(tx, given);
  const told = identity.address;
  const isProved =
    told?.verified === true &&
    told.key === address.key &&
    trusts(upstream.settings, address.key) &&
    !(await verifiedOwners(tx, [address.key])).has(address.key);
  const person = await join(tx, {
    ...names,
    displayName: namesAsTold(names, identity) ? identity.displayName : undefined,
    locale: identity.locale ?? here.locale,
    state: isProved ? 'active' : 'unverified',
    // Only sign-ups that nobody confirms are swept away.
    origin: isProved ? upstream.id : 'sign-up',
    addresses: [{ address: address.address, primary: true, verified: isProved }],
  });
  await setAttributes(tx, person, attributes.values, 'operators');
  await link(tx, key, person, { by: 'joined', label });
  await syncGroups(tx, upstream.settings, person, identity, 'joined');
  if (isProved) return { person };
  const [row] = await listAddresses(tx, [person]);
  const verification = await askProof(tx, { purpose: 'sign-up', address: row!, browser: here.browser });
  return { person, waiting: { verification: verification.id, address: address.address } };
}

function namesAsTold(names: { givenName: string; familyName: string }, identity: Identity): boolean {
  return names.givenName === (identity.givenName ?? '') && names.familyName === (identity.familyName ?? '');
}

/**
 * The same at once and without a question, where nothing is missing: a free name, names, every required attribute and
 * an address that is confirmed by the upstream. Undefined where something is.
 */
export async function joinAtOnce(
  tx: Tx,
  newcomer: Newcomer,
  here: { browser: string; locale: string },
): Promise<string | undefined> {
  const { identity, upstream } = newcomer;
  const { address } = identity;
  if (!address?.verified || !trusts(upstream.settings, address.key)) return undefined;
  if ((await verifiedOwners(tx, [address.key])).has(address.key)) return undefined;
  const form = await proposed(tx, newcomer);
  try {
    await check(tx, form);
  } catch (error) {
    if (error instanceof Problem) return undefined;
    throw error;
  }
  return (await joinNewcomer(tx, newcomer, form, here)).person;
}
