/**
 * Before an app goes live: will it see that the account it was given and whoever signs in are the same person? For each
 * person in scope the record that will be there is held beside what the sign-in says: claims (OIDC Core §5.1), and the
 * NameID where the app speaks SAML (saml-core 2.2), which is the front's to say and handed in.
 */
import { type Application, requireApplication } from '#core/applications/applications.ts';
import { usernameKey } from '#core/people/names.ts';
import { listPeople } from '#core/people/people.ts';
import type { Profile } from '#core/profile/profile.ts';
import type { Tx } from '#kit/db/tx.ts';
import { predictClashes } from './clashes.ts';
import type { Desired, Value } from './connector.ts';
import { type PersonPlan, planPeople, rememberedAccount } from './situation.ts';
import { connectorOf, factsOf, type ProvisioningNeeds, requireTarget } from './targets.ts';

export { relink } from './relink.ts';

export const joinKeys = ['email', 'userName', 'externalId'] as const;
/** What an app recognises a person by who signs in. */
export type JoinKey = (typeof joinKeys)[number];

/** What SAML would send as the name of somebody: undefined for an app that does not speak it, or why there is none. */
export type NamedAs = (
  application: Application,
  profile: Profile,
) => { value: string; stays: boolean } | { problem: string } | undefined;

export interface JoinFinding {
  person: string;
  username: string;
  /** What the account there has, and what the sign-in says; undefined where there is nothing. */
  record?: string;
  login?: string;
  /** One sentence for an administrator. */
  why: string;
}

export interface JoinCheck {
  joinBy: JoinKey;
  /** People in scope. */
  checked: number;
  meet: number;
  /** Those who will not be recognised. */
  findings: JoinFinding[];
}

const peopleAtOnce = 500;

/**
 * Checks everyone who should have an account at this app, from the last listing and what is planned. What the app goes by
 * is the fact `joinBy` of the target; without one its address. Refuses with `not-found`.
 */
export async function joinCheck(
  tx: Tx,
  needs: Pick<ProvisioningNeeds, 'secrets' | 'connectors'> & { namedAs: NamedAs },
  application: string,
): Promise<JoinCheck> {
  const target = await requireTarget(tx, application);
  const app = await requireApplication(tx, application);
  const joinBy = joinKeyOf(factsOf(target, connectorOf(needs, target)).joinBy);
  const result: JoinCheck = { joinBy, checked: 0, meet: 0, findings: [] };
  for (let after: string | undefined; ; ) {
    const page = await listPeople(tx, { after, limit: peopleAtOnce });
    const ids = page.map(({ id }) => id);
    const active = (await planPeople(tx, needs, target, ids)).filter(
      ({ situation }) => situation.standing === 'active',
    );
    for (const planned of await predictClashes(tx, needs, target, active)) {
      const finding = compare(planned, joinBy, app, needs.namedAs);
      result.checked += 1;
      if (finding) result.findings.push(finding);
      else result.meet += 1;
    }
    const last = page.at(-1);
    if (!last || page.length < peopleAtOnce) return result;
    after = usernameKey(last.username);
  }
}

function joinKeyOf(fact: unknown): JoinKey {
  return joinKeys.find((key) => key === fact) ?? 'email';
}

const words: Record<JoinKey, string> = {
  email: 'address',
  userName: 'user name',
  externalId: 'external id',
};

/** Why the two will not meet; undefined when they will. */
function compare(
  planned: PersonPlan,
  joinBy: JoinKey,
  application: Application,
  namedAs: NamedAs,
): JoinFinding | undefined {
  const { profile } = planned.situation;
  if (!profile) return undefined;
  const record = recordOf(planned);
  const there = record?.[joinBy];
  const found = ({ why, login }: Miss): JoinFinding => ({
    person: profile.person,
    username: profile.username,
    ...(there !== undefined && { record: there }),
    ...(login !== undefined && { login }),
    why,
  });
  if (!profile.mayEnter) return found({ why: 'The app does not let this person in when they sign in.' });
  if (!record) return found({ why: `There is no account there and none will be made: ${planned.plan.why}` });
  if (there === undefined)
    return found({
      why: `The account there has no ${words[joinBy]}, and the app goes by it.`,
      login: loginOf(profile)[joinBy],
    });
  const { saml, oidc } = application.settings;
  const named = saml && namedAs(application, profile);
  const miss =
    (named && missByName(profile, there, joinBy, named)) ??
    (saml && !oidc ? undefined : missByClaim(profile, there, joinBy));
  return miss && found(miss);
}

interface Miss {
  why: string;
  /** What the sign-in says. */
  login?: string;
}

function missByClaim(profile: Profile, there: string, joinBy: JoinKey): Miss | undefined {
  const login = loginOf(profile)[joinBy];
  const word = words[joinBy];
  if (login === undefined) return { why: `The sign-in tells the app no ${word}: it is not released to it.` };
  if (joinBy === 'email' && profile.released.emailVerified !== true)
    return { why: `The address ${login} is not confirmed, so the app cannot rely on it.`, login };
  if (isSame(there, login, joinBy)) return undefined;
  const mailbox = joinBy === 'email' && isMailbox(there, profile);
  const also = mailbox ? ' The account stands on the alias mailbox.' : '';
  return { why: `The account there has the ${word} ${there}, the sign-in says ${login}.${also}`, login };
}

/** An app of SAML finds people by the NameID: it has to be what the account there has. */
function missByName(
  profile: Profile,
  there: string,
  joinBy: JoinKey,
  named: NonNullable<ReturnType<NamedAs>>,
): Miss | undefined {
  if ('problem' in named) return { why: `SAML can send no NameID of this person: ${named.problem}` };
  const { value, stays } = named;
  if (!stays) return { why: 'The NameID is a new one at every sign-in, so the app recognises nobody.' };
  if (isSame(there, value, joinBy)) return undefined;
  return {
    why: `The account there has the ${words[joinBy]} ${there}, SAML sends the NameID ${value}.${standsOn(profile, there, value)}`,
    login: value,
  };
}

/** Which of the two is the alias mailbox, where one is. */
function standsOn(profile: Profile, there: string, value: string): string {
  if (isMailbox(there, profile)) return ' The account stands on the alias mailbox.';
  if (!isMailbox(value, profile)) return '';
  return ' The NameID is the alias mailbox, the account stands on another address.';
}

function isMailbox(address: string, { mailbox }: Profile): boolean {
  return address.toLowerCase() === mailbox?.toLowerCase();
}

/** Ids are compared as they are; apps fold the case of names and addresses. */
function isSame(there: string, login: string, joinBy: JoinKey): boolean {
  return joinBy === 'externalId' ? there === login : there.toLowerCase() === login.toLowerCase();
}

type Identity = Partial<Record<JoinKey, string>>;

/** The claims `sub`, `preferred_username` and `email` of this person at this app. */
function loginOf({ subject, released }: Profile): Identity {
  return {
    externalId: subject,
    ...(released.username && { userName: released.username }),
    ...(released.email && { email: released.email }),
  };
}

/** The account as it will be when everything planned has been sent; undefined where there will be none. */
function recordOf({ situation, plan }: PersonPlan): Identity | undefined {
  const { link } = situation;
  const now = link && rememberedAccount(link);
  const step = plan.steps.find(({ do: verb }) => verb === 'create' || verb === 'invite' || verb === 'update');
  const desired = step && 'desired' in step ? step.desired : undefined;
  if (plan.verdict === 'link' && !step && situation.desired) return identity(situation.desired);
  if (!now) return desired && identity(desired);
  const then: Desired = { externalId: now.externalId ?? '', active: true, attributes: { ...now.attributes } };
  if (desired && step?.do === 'update') {
    const sent = Object.entries(desired.attributes).filter(([name]) => step.fields.includes(name));
    const externalId = step.fields.includes('externalId') ? desired.externalId : then.externalId;
    return identity({ ...then, externalId, attributes: { ...then.attributes, ...Object.fromEntries(sent) } });
  }
  return identity(desired ?? then);
}

function identity({ externalId, attributes }: Desired): Identity {
  const text = (value: Value | undefined) => (typeof value === 'string' && value !== '' ? value : undefined);
  const email = text(attributes.email);
  const userName = text(attributes.userName);
  return {
    ...(externalId && { externalId }),
    ...(email !== undefined && { email }),
    ...(userName !== undefined && { userName }),
  };
}
