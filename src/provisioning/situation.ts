/**
 * What is known here about people and their accounts at a target, and the plan that follows from it. Set-based: one
 * person is a list of one. Asks nothing of the target; what is there is handed in, or taken from the last listing.
 */
import { defaultChoice } from '#core/aliases/account-choices.ts';
import { listMailboxes } from '#core/aliases/mailboxes.ts';
import { type Application, requireApplication } from '#core/applications/applications.ts';
import { groupKey, groupsOf } from '#core/groups/groups.ts';
import { listAddresses } from '#core/people/people.ts';
import { type Profile, profilesFor } from '#core/profile/profile.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { Candidate, Capabilities, Connection, Connector, Desired, RemoteAccount } from './connector.ts';
import { correlate } from './correlate.ts';
import type { Link } from './links.store.ts';
import * as links from './links.store.ts';
import { desiredFor, isMappingProblem } from './mapping.ts';
import { type Plan, plan, type Standing } from './plan.ts';
import { connectorOf, openBlind, type ProvisioningNeeds, type Target } from './targets.ts';

export interface Situation {
  person: string;
  /** Undefined: no such person here (any more). */
  profile?: Profile;
  standing: Standing;
  standingWhy?: string;
  externalId: string;
  /** What the account should be, also switched off; undefined where there should be none, or `problem` says why not. */
  desired?: Desired;
  problem?: string;
  link?: Link;
  /** Every address that is theirs: proved, alias mailboxes, and what the mapping says; in small letters. */
  addresses: ReadonlySet<string>;
}

/** What is there, as far as it is known. */
export interface View {
  /** The linked account. */
  remote?: RemoteAccount;
  /** It was linked and is not there. */
  gone?: boolean;
  candidates?: readonly Candidate[];
  /** Remote id → person, for the candidates. */
  heldBy?: ReadonlyMap<string, string>;
  /** External ids among the candidates that we gave to somebody. */
  issued?: ReadonlySet<string>;
}

const stateWords: Partial<Record<Profile['state'], string>> = {
  unverified: 'This person has not confirmed an address yet.',
  locked: 'This person is locked.',
  suspended: 'This person is suspended.',
  spam: 'This account is spam.',
  left: 'This person has left.',
  erased: 'This person was erased.',
  merged: 'This account was merged into another one.',
};

/** Whether someone should have an account there. Spam and unverified never. */
export function standingOf(
  target: Pick<Target, 'settings'>,
  profile: Profile | undefined,
  groups: readonly string[],
): { standing: Standing; standingWhy?: string } {
  if (!profile) return { standing: 'out', standingWhy: 'This person is not known here any more.' };
  const { scope } = target.settings;
  const { state } = profile;
  const keeps = state === 'active' || scope.inactiveStates.some((one) => one === state);
  if (!keeps) return { standing: 'out', standingWhy: stateWords[state] };
  const wanted = scope.groups && new Set(scope.groups.map(groupKey));
  const within = wanted ? groups.some((name) => wanted.has(groupKey(name))) : profile.mayEnter;
  if (!within)
    return { standing: 'out', standingWhy: 'This person is in none of the groups that have accounts there.' };
  return state === 'active'
    ? { standing: 'active' }
    : { standing: 'inactive', standingWhy: stateWords[state] };
}

/** What is known here about these people at this target, in the order asked. */
export async function situationsOf(
  tx: Tx,
  needs: Pick<ProvisioningNeeds, 'secrets' | 'connectors'>,
  target: Target,
  application: Application,
  people: readonly string[],
): Promise<Situation[]> {
  const connector = connectorOf(needs, target);
  const [profiles, groups, known, proved] = await Promise.all([
    profilesFor(tx, needs.secrets, application, people),
    groupsOf(tx, people),
    links.linksOf(tx, target.application, people),
    provedAddresses(tx, people),
  ]);
  const byPerson = new Map(profiles.map((profile) => [profile.person, profile]));
  return people.map((person): Situation => {
    const profile = byPerson.get(person);
    const link = known.get(person);
    const standing = standingOf(
      target,
      profile,
      (groups.get(person) ?? []).map(({ name }) => name),
    );
    // An account keeps the external id it was made with.
    const given = link?.remoteId !== undefined || link?.attemptedAt !== undefined;
    const externalId = given || !profile ? (link?.externalId ?? '') : profile.subject;
    const addresses = proved.get(person) ?? new Set<string>();
    const base = { person, profile, link, externalId, addresses, ...standing };
    if (!profile || standing.standing === 'out') return base;
    const active = standing.standing === 'active';
    const desired = desiredFor(target, connector, profile, { externalId, active });
    // Switching off must not wait for a mapping.
    if (isMappingProblem(desired)) return active ? { ...base, problem: desired.problem } : base;
    const { email } = desired.attributes;
    if (typeof email === 'string') addresses.add(email.toLowerCase());
    // Where the app expects mailboxes, an own account is what the person decided; elsewhere it says nothing.
    const own = profile.accountChoice === 'own' && defaultChoice(application) === 'mailbox';
    return { ...base, desired: own ? { ...desired, own } : desired };
  });
}

async function provedAddresses(tx: Tx, people: readonly string[]): Promise<Map<string, Set<string>>> {
  const proved = new Map(people.map((person) => [person, new Set<string>()]));
  for (const { person, address, verifiedAt } of await listAddresses(tx, people))
    if (verifiedAt) proved.get(person)?.add(address.toLowerCase());
  for (const [person, mailboxes] of await listMailboxes(tx, people))
    for (const { address } of mailboxes) proved.get(person)?.add(address.toLowerCase());
  return proved;
}

/** What this target can do, its own options counted. */
export function capabilitiesOf(connector: Connector, connection: Connection): Capabilities {
  return { ...connector.capabilities, ...connection.capabilities };
}

/** The plan for one person. Pure. */
export function planFor(
  target: Target,
  connector: Connector,
  connection: Connection,
  situation: Situation,
  view: View,
  now: Date,
): Plan {
  const { desired, link } = situation;
  const match = correlate(
    view.candidates ?? [],
    view.heldBy ?? new Map(),
    situation,
    view.issued ?? new Set(),
  );
  const there = view.remote ?? (match.kind === 'one' ? match.account : undefined);
  const planned = plan({
    ...situation,
    ...view,
    match,
    judgement: desired && connection.judge(desired, there),
    capabilities: capabilitiesOf(connector, connection),
    attributes: connector.attributes,
    leaver: target.settings.leaver,
    invitedAt: link && invitedAt(link),
    inactiveSince: link?.inactiveSince,
    now,
  });
  const why = planned.verdict === 'unchanged' && view.remote && lostAccount(link, view.remote);
  return why && situation.standing === 'active' ? { ...planned, verdict: 'impossible', why } : planned;
}

/** That the account behind the linked record (Atlassian: AAID) is not the one it was; undefined while it is. */
export function lostAccount(link: Link | undefined, now: RemoteAccount): string | undefined {
  if (link?.accountId === undefined || link.remoteId !== now.id) return undefined;
  return now.accountId === link.accountId ? undefined : lostWords(link.accountId);
}

const lostWords = (accountId: string) =>
  `The account behind the record (${accountId}) is not linked to it any more.`;

/** An attempt that ended well without an account is an invitation that waits. */
function invitedAt({ remoteId, attemptedAt, settledAt }: Link): Date | undefined {
  if (remoteId !== undefined || !attemptedAt || !settledAt || settledAt < attemptedAt) return undefined;
  return settledAt;
}

export interface PersonPlan {
  situation: Situation;
  plan: Plan;
}

/**
 * Plans for many people from what the last listing saw: no call goes out. Hand in at most some 500 at a time.
 * The verdict of someone whose account the listing did not see is to make one again.
 */
export async function planPeople(
  tx: Tx,
  needs: Pick<ProvisioningNeeds, 'secrets' | 'connectors'>,
  target: Target,
  people: readonly string[],
): Promise<PersonPlan[]> {
  const connector = connectorOf(needs, target);
  const connection = openBlind(needs, target);
  const application = await requireApplication(tx, target.application);
  const situations = await situationsOf(tx, needs, target, application, people);
  const linked = situations.flatMap(({ link }) => (link?.remoteId === undefined ? [] : [link.remoteId]));
  const listed = await links.listedAccounts(tx, target.application, linked);
  // Whose account is gone may have another one there by now, as a push would find out.
  const unseen = situations.filter(
    ({ link, desired }) => desired?.active && (link?.remoteId === undefined || !listed.has(link.remoteId)),
  );
  const candidates = await links.listedCandidates(tx, target.application, unseen.map(wantedOf));
  const found = [...candidates.values()].flat().map(({ account }) => account);
  const heldBy = await links.holdersOf(
    tx,
    target.application,
    found.map(({ id }) => id),
  );
  const carried = found.flatMap(({ externalId }) => (externalId === undefined ? [] : [externalId]));
  const issued = await links.issuedExternalIds(tx, target.application, carried);
  return situations.map((situation) => {
    const view = { ...listedView(target, situation, listed), heldBy, issued };
    const all = { ...view, candidates: candidates.get(situation.person) };
    return { situation, plan: planFor(target, connector, connection, situation, all, tx.now()) };
  });
}

/** What an account of this person can be found by. */
export function wantedOf({ person, externalId, desired }: Situation) {
  const text = (name: string) => {
    const value = desired?.attributes[name];
    return typeof value === 'string' ? value : undefined;
  };
  return { person, externalId, userName: text('userName'), email: text('email') };
}

/** The linked account as the listing saw it, or as we last saw it where we looked later than the listing. */
function listedView(target: Target, { link }: Situation, listed: ReadonlyMap<string, RemoteAccount>): View {
  if (link?.remoteId === undefined) return {};
  const seen = listed.get(link.remoteId);
  const newer = target.listedAt === undefined || link.updatedAt >= target.listedAt;
  if (newer && link.remote) return { remote: rememberedAccount(link) };
  return seen ? { remote: seen } : { gone: true };
}

/** The account as we last saw it, also that the one behind it was not there. */
export function rememberedAccount(link: Link): RemoteAccount | undefined {
  if (link.remoteId === undefined) return undefined;
  const { accountId } = link;
  const seen = accountId !== undefined && link.problem !== lostWords(accountId);
  return {
    id: link.remoteId,
    externalId: link.externalId,
    active: link.remoteActive ?? true,
    attributes: link.remote ?? {},
    ...(seen && { accountId }),
  };
}
