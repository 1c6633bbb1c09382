/**
 * The one answer to "what does this application see?". Owns nothing, records nothing; its store is the one read-only
 * place that joins across owners. Every front renders it and every connector pushes it, so aliasing and release live
 * here once. Set-based throughout: one person is a list of one. Refuses to know claims that are not released.
 */

import { type AccountKind, defaultChoice } from '#core/aliases/account-choices.ts';
import { derivedSubject, ruleAlias } from '#core/aliases/aliases.ts';
import type { Application } from '#core/applications/applications.ts';
import { groupKey } from '#core/groups/groups.ts';
import { type AttributeDeclaration, attributeDeclarations } from '#core/people/attributes.ts';
import type { PersonState } from '#core/people/people.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Tx } from '#kit/db/tx.ts';
import * as store from './store.ts';

export interface Profile {
  person: string;
  state: PersonState;
  /** True when the person's standing lets them in anywhere. */
  active: boolean;
  /** True when the application lets this person in (its groups; standing not counted). */
  mayEnter: boolean;
  /** Who this is at the application; the same in every protocol (OIDC Core §8). */
  subject: string;
  /** True once the application heard this subject; from then on it is kept. */
  subjectFixed: boolean;
  /** User name at the application: the alias where one was given, else by its rule. */
  username: string;
  /** Their alias mailbox address, where the community has them. */
  mailbox: string | undefined;
  /** On which of the two their account at the application stands. */
  accountChoice: AccountKind;
  /** The address of that account: the mailbox, or a confirmed address of their own. Undefined where there is none. */
  accountAddress: string | undefined;
  /** What may be released, already cut down to what this application gets. */
  released: ReleasedProfile;
}

export interface ReleasedProfile {
  name?: string;
  givenName?: string;
  familyName?: string;
  username?: string;
  email?: string;
  emailVerified?: boolean;
  locale?: string;
  /** Unix seconds. */
  updatedAt?: number;
  groups?: string[];
  roles?: string[];
  attributes: Record<string, string | number | boolean>;
}

/** What `application` sees of these people, in the order asked; people unknown to us are left out. */
export async function profilesFor(
  tx: Tx,
  secrets: Secrets,
  application: Application,
  people: readonly string[],
): Promise<Profile[]> {
  return profilesFrom(secrets, application, await readFor(tx, application.id, people));
}

/** What the profiles of these people at an application are made from. */
export interface ProfileGround {
  people: readonly string[];
  rows: store.ProfileRow[];
  declarations: readonly AttributeDeclaration[];
}

/** Reads what profiles are made from, where only the id of the application is known so far. */
export async function readFor(
  tx: Tx,
  application: string,
  people: readonly string[],
): Promise<ProfileGround> {
  if (people.length === 0) return { people, rows: [], declarations: [] };
  const [rows, declarations] = await Promise.all([
    store.profileRows(tx, application, people),
    attributeDeclarations(tx),
  ]);
  return { people, rows, declarations };
}

/** The profiles themselves, in the order asked. */
export function profilesFrom(
  secrets: Secrets,
  application: Application,
  { people, rows, declarations }: ProfileGround,
): Profile[] {
  const released = declarations.filter(
    (one) => one.releasedTo.includes('*') || one.releasedTo.includes(application.id),
  );
  const byPerson = new Map(rows.map((row) => [row.id, row]));
  return people.flatMap((id) => {
    const row = byPerson.get(id);
    return row ? [toProfile(secrets, application, row, released)] : [];
  });
}

function toProfile(
  secrets: Secrets,
  application: Application,
  row: store.ProfileRow,
  attributes: readonly AttributeDeclaration[],
): Profile {
  const address = row.address ?? undefined;
  const username = row.alias ?? ruleAlias(application, { username: row.username, address });
  const account = accountOf(application, row);
  return {
    person: row.id,
    state: row.state,
    active: row.state === 'active',
    mayEnter: mayEnter(application, row.groups),
    subject: row.subject ?? derivedSubject(secrets, application, { id: row.id, alias: username }),
    subjectFixed: row.subject !== null,
    username,
    ...account,
    released: release(application, row, { username, ...addressFor(row, account) }, attributes),
  };
}

/** What the app is told as the address: the one their account there stands on, in every protocol the same. */
function addressFor(
  row: store.ProfileRow,
  { accountChoice, accountAddress }: Pick<Profile, 'accountChoice' | 'accountAddress'>,
): Pick<ReleasedProfile, 'email' | 'emailVerified'> {
  if (accountChoice === 'own' && row.own_address === null)
    return row.address === null ? {} : { email: row.address, emailVerified: row.address_verified };
  return accountAddress === undefined ? {} : { email: accountAddress, emailVerified: true };
}

/** Fails closed: who should be known by a mailbox and has none is not known by their own address instead. */
function accountOf(
  application: Application,
  row: store.ProfileRow,
): Pick<Profile, 'mailbox' | 'accountChoice' | 'accountAddress'> {
  const mailbox = row.mailbox ?? undefined;
  const accountChoice = row.choice ?? defaultChoice(application);
  const main = row.address_verified ? (row.address ?? undefined) : undefined;
  const accountAddress = accountChoice === 'mailbox' ? mailbox : (row.own_address ?? main);
  return { mailbox, accountChoice, accountAddress };
}

/** Whether membership lets someone in: any of the app's groups, or everyone where it names none. */
export function mayEnter(application: Application, groups: readonly string[]): boolean {
  const wanted = application.settings.access.groups;
  return wanted === undefined || wanted.some((name) => groups.includes(groupKey(name)));
}

function release(
  application: Application,
  row: store.ProfileRow,
  { username, email, emailVerified }: Pick<ReleasedProfile, 'username' | 'email' | 'emailVerified'>,
  attributes: readonly AttributeDeclaration[],
): ReleasedProfile {
  const { claims } = application.settings.release;
  const gets = (claim: (typeof claims)[number]) => claims.includes(claim);
  const values = attributes.flatMap((one) => {
    const value = row.attributes?.[one.name];
    return value === undefined ? [] : [[one.name, value] as const];
  });
  return {
    ...(gets('name') && {
      name: row.display_name,
      givenName: row.given_name || undefined,
      familyName: row.family_name || undefined,
    }),
    ...(gets('username') && { username }),
    ...(gets('email') && email !== undefined && { email, emailVerified }),
    ...(gets('locale') && row.locale !== null && { locale: row.locale }),
    ...(gets('updated_at') && { updatedAt: Math.floor(row.updated_at.getTime() / 1000) }),
    ...(gets('groups') && { groups: releasedGroups(application, row) }),
    ...(gets('roles') && { roles: rolesFrom(application, row.groups) }),
    attributes: Object.fromEntries(values),
  };
}

/** The groups an app hears of, by the names it knows them under. */
function releasedGroups(application: Application, row: store.ProfileRow): string[] {
  const { groups } = application.settings.release;
  if (groups === 'none') return [];
  const wanted = groups === 'all' ? undefined : new Set(groups.map(groupKey));
  const names = row.group_names.filter((name) => !wanted || wanted.has(groupKey(name)));
  const renamed = new Map(
    Object.entries(application.settings.groupNames).map(([from, to]) => [groupKey(from), to]),
  );
  return [...new Set(names.map((name) => renamed.get(groupKey(name)) ?? name))].sort();
}

function rolesFrom(application: Application, groups: readonly string[]): string[] {
  const roles = Object.entries(application.settings.roles).flatMap(([group, given]) =>
    groups.includes(groupKey(group)) ? given : [],
  );
  return [...new Set(roles)].sort();
}
