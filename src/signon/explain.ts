/**
 * Can this person open this app, and if not, what to change first? Reads in one transaction what the doors read, by the
 * functions they decide with; explain-checks.ts makes sentences of it. Records nothing, refuses nobody.
 */
import {
  type Application,
  type Consent,
  consentOf,
  findApplication,
} from '#core/applications/applications.ts';
import { asksConsent, isUnassured } from '#core/applications/consent-asked.ts';
import { community } from '#core/community/community.ts';
import { passwordOf, waitsUntil } from '#core/credentials/credentials.ts';
import { type Factors, factorsOf } from '#core/credentials/factors.ts';
import { groupsOf } from '#core/groups/groups.ts';
import {
  type Address,
  findByIdentifier,
  findPerson,
  listAddresses,
  type Person,
} from '#core/people/people.ts';
import { Problem, type ProblemCode } from '#core/problem.ts';
import { namelessProblem } from '#core/profile/known-as.ts';
import { type Profile, profilesFor } from '#core/profile/profile.ts';
import { lastSignIns, listSignIns, type SignIn } from '#core/sessions/sessions.ts';
import { isId } from '#kit/crypto/ids.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Tx } from '#kit/db/tx.ts';
import { openUpstreams, upstreamOfRequest } from '#signon/upstream/choices.ts';
import { linksOf } from '#signon/upstream/links.ts';
import { type Explanation, explain } from './explain-checks.ts';
import { type Ask, askedOf } from './factor-policy.ts';
import { admitMany, refusalsAt } from './gate.ts';
import { listRefusals, type Refusal } from './refusals.ts';

/** What provisioning knows of an account at an app that is given accounts from here. */
export interface AccountAt {
  mode: string;
  /** State of the link; none where no account is known. */
  link?: string;
  active?: boolean;
  /** Why it is not as it should be. */
  problem?: string;
}

export interface ExplainNeeds {
  secrets: Secrets;
  /** The account of a person at an app; undefined where the app is given none. Provisioning's matter, handed in. */
  accountAt(tx: Tx, application: string, person: string): Promise<AccountAt | undefined>;
}

/** Everything that is looked at, read at one moment. */
export interface EntryFacts {
  person?: EntryPerson;
  application?: Application;
  /** Where both are known. */
  entry?: Entry;
}

interface EntryPerson {
  person: Person;
  addresses: Address[];
  groups: string[];
  factors: Factors;
  hasPassword: boolean;
  /** Upstreams that are open and linked, and directories that are open, by what they are called. */
  upstreams: string[];
  directories: string[];
  /** Until when passwords are not looked at. */
  waitsUntil?: Date;
  lastSignIns: SignIn[];
}

interface Entry {
  profile: Profile;
  /** What the gate refuses for, all of it, and what it says. */
  refusals: ProblemCode[];
  refused?: ProblemCode;
  /** What a sign-in with one proof is asked for. */
  ask?: Ask;
  /** The upstream the app's people are led to. */
  upstream?: { title: string; linked: boolean };
  nameless?: ProblemCode;
  asksConsent: boolean;
  /** Asked every time, whatever was agreed to before. */
  asksAlways: boolean;
  consent?: Consent;
  account?: AccountAt;
  /** When they were last let into the app, and what was refused on the way there, latest first. */
  lastIn?: Date;
  refusedLately: Refusal[];
}

/**
 * The answer for a person (user name, confirmed address or id) and an app (its id). Who and what is not known is an
 * answer too.
 */
export async function explainEntry(
  tx: Tx,
  needs: ExplainNeeds,
  asked: { person: string; application: string },
): Promise<Explanation> {
  return explain(await readEntry(tx, needs, asked), asked);
}

async function readEntry(
  tx: Tx,
  needs: ExplainNeeds,
  asked: { person: string; application: string },
): Promise<EntryFacts> {
  const person =
    (isId(asked.person) ? await findPerson(tx, asked.person) : undefined) ??
    (await findByIdentifier(tx, asked.person));
  const application = await findApplication(tx, asked.application);
  if (!person) return { application };
  const known = await readPerson(tx, person);
  if (!application) return { person: known };
  return { person: known, application, entry: await readAt(tx, needs, application, person) };
}

async function readPerson(tx: Tx, person: Person): Promise<EntryPerson> {
  const { id } = person;
  const links = new Set((await linksOf(tx, id)).map(({ upstream }) => upstream));
  const open = await openUpstreams(tx);
  const titles = (which: typeof open) => which.map(({ settings }) => settings.title);
  return {
    person,
    addresses: await listAddresses(tx, [id]),
    groups: ((await groupsOf(tx, [id])).get(id) ?? []).map(({ name }) => name),
    factors: await factorsOf(tx, id),
    hasPassword: (await passwordOf(tx, id)) !== undefined,
    upstreams: titles(open.filter((one) => !one.settings.ldap && links.has(one.id))),
    directories: titles(open.filter((one) => one.settings.ldap)),
    waitsUntil: await waitsUntil(tx, { kind: 'person', person: id }),
    lastSignIns: await listSignIns(tx, id, 20),
  };
}

async function readAt(tx: Tx, needs: ExplainNeeds, application: Application, person: Person): Promise<Entry> {
  const { id } = person;
  const answer = (await admitMany(tx, needs.secrets, application, [id])).get(id);
  const [profile] = await profilesFor(tx, needs.secrets, application, [id]);
  if (!profile) throw new Problem('person-unknown');
  const { factors } = await community(tx);
  const place = { door: 'page', application: application.id, device: '', ip: '', persistent: false };
  const upstream = await upstreamOfRequest(tx, {
    front: 'explain',
    returnTo: '/',
    application: application.id,
  });
  const linked = upstream && (await linksOf(tx, id)).some((one) => one.upstream === upstream.id);
  return {
    profile,
    refusals: refusalsAt(application, profile),
    refused: answer instanceof Problem ? answer.code : undefined,
    ask: await askedOf(tx, id, { aal: 1, place }, factors),
    upstream: upstream && { title: upstream.settings.title, linked: linked ?? false },
    nameless: namelessProblem(application, profile),
    asksConsent: asksConsent(application),
    asksAlways: isUnassured(application),
    consent: await consentOf(tx, id, application.id),
    account: await needs.accountAt(tx, application.id, id),
    lastIn: (await lastSignIns(tx, [id])).get(id)?.get(application.id),
    refusedLately: await listRefusals(tx, { person: id, application: application.id, limit: 20 }),
  };
}
