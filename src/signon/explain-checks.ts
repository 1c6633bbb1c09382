/**
 * What keeps a person out of an app, check by check, in the order in which the doors look: pure, from facts read before.
 * Decides nothing itself: what refuses was said by the gate, and stands here with its evidence and the one next step.
 */
import type { ProblemCode } from '#core/problem.ts';
import type { AccountAt, EntryFacts } from './explain.ts';

export const checkNames = [
  'person',
  'standing',
  'address',
  'proof',
  'attempts',
  'app',
  'groups',
  'factor',
  'upstream',
  'name',
  'consent',
  'account',
  'refusals',
] as const;
export type CheckName = (typeof checkNames)[number];

/**
 * `yes` nothing is in the way; `asks` the person is asked something on the way and can go on; `doubt` the doors here
 * open, the app itself may not; `no` this keeps them out; `note` worth knowing.
 */
export const answers = ['yes', 'asks', 'doubt', 'no', 'note'] as const;
export type CheckAnswer = (typeof answers)[number];

export interface Check {
  check: CheckName;
  answer: CheckAnswer;
  /** What was found, in a sentence. */
  evidence: string;
  /** What to do about it. */
  step?: string;
  /** What the door says (docs/errors.md), or asks for. */
  code?: ProblemCode | 'second-factor' | 'enrol' | 'consent' | 'upstream';
}

export interface Explanation {
  /** Whether the person can open the app. */
  opens: 'yes' | 'asks' | 'doubt' | 'no';
  /** The answer in a sentence. */
  summary: string;
  /** The check to change first; undefined where nothing is to be changed. */
  first?: Check;
  person?: { id: string; username: string };
  application?: { id: string; title: string };
  checks: Check[];
}

/** Judges the facts. */
export function explain(facts: EntryFacts, asked: { person: string; application: string }): Explanation {
  const checks = checksOf(facts, asked);
  const first = (['no', 'doubt'] as const)
    .map((answer) => checks.find((one) => one.answer === answer))
    .find((one) => one !== undefined);
  const asks = checks.some(({ answer }) => answer === 'asks');
  const opens = first ? (first.answer as 'no' | 'doubt') : asks ? 'asks' : 'yes';
  const { person } = facts.person ?? {};
  const { application } = facts;
  const who = person?.username ?? asked.person.slice(0, 80);
  const app = application?.settings.title ?? asked.application.slice(0, 80);
  return {
    opens,
    summary: summaries[opens](who, app),
    first,
    person: person && { id: person.id, username: person.username },
    application: application && { id: application.id, title: application.settings.title },
    checks,
  };
}

const summaries: Record<Explanation['opens'], (who: string, app: string) => string> = {
  yes: (who, app) => `${who} can open ${app}.`,
  asks: (who, app) => `${who} can open ${app}, and is asked something on the way.`,
  doubt: (who, app) => `${who} gets through here; ${app} itself may not let them in.`,
  no: (who, app) => `${who} cannot open ${app}.`,
};

type Person = NonNullable<EntryFacts['person']>;
type Entry = NonNullable<EntryFacts['entry']>;
type Application = NonNullable<EntryFacts['application']>;

function checksOf(facts: EntryFacts, asked: { application: string }): Check[] {
  const { person, application, entry } = facts;
  const known = person ? ofPerson(person) : [unknownPerson];
  if (!application) return [...known, unknownApp(asked.application)];
  if (!person || !entry) return [...known, ofApp(application, [])];
  return [
    ...known,
    ofApp(application, entry.refusals),
    ofGroups(application, entry, person),
    ofFactor(entry, person),
    ofUpstream(application, entry),
    ofName(application, entry),
    ofConsent(entry),
    ofAccount(entry.account),
    ...gateHasMore(entry),
    ofRefusals(person, entry, application.id),
  ];
}

const unknownPerson: Check = {
  check: 'person',
  answer: 'no',
  code: 'sign-in-failed',
  evidence: 'Nobody here has this user name, confirmed address or id.',
  step: 'Check the spelling, search among the people, or have them sign up.',
};

function unknownApp(id: string): Check {
  return {
    check: 'app',
    answer: 'no',
    code: 'application-unknown',
    evidence: `There is no app with the id ${id.slice(0, 80)}.`,
    step: 'Check the id among the apps, or add the app.',
  };
}

function ofPerson(facts: Person): Check[] {
  return [
    { check: 'person', answer: 'yes', evidence: `The account is ${facts.person.username}.` },
    ofStanding(facts),
    ofAddress(facts),
    ofProof(facts),
    ofAttempts(facts),
  ];
}

function ofStanding({ person }: Person): Check {
  const { state, stateReason, stateSince, mergedInto } = person;
  const since = `since ${minute(stateSince)}${stateReason ? `: ${stateReason}` : ''}`;
  const evidence = `The account is ${state} ${since}.`;
  const no = (code: ProblemCode, step: string): Check => ({
    check: 'standing',
    answer: 'no',
    code,
    evidence,
    step,
  });
  switch (state) {
    case 'active':
    case 'unverified':
      return { check: 'standing', answer: 'yes', evidence };
    case 'locked':
      return no('account-locked', 'Let them in again, once the reason is settled.');
    case 'suspended':
    case 'spam':
      return no('account-suspended', 'Let them in again, if the reason does not hold any more.');
    case 'left':
      return no('account-closed', 'Let them in again, if they came back.');
    case 'merged':
      return no('account-closed', `Sign in with the account it became part of (${mergedInto ?? 'unknown'}).`);
    case 'erased':
      return no('account-closed', 'An erased account stays closed. They can sign up anew.');
  }
}

function ofAddress({ person, addresses }: Person): Check {
  const confirmed = addresses.filter(({ verifiedAt }) => verifiedAt).length;
  if (person.state !== 'unverified')
    return { check: 'address', answer: 'yes', evidence: `${confirmed} of ${addresses.length} confirmed.` };
  return {
    check: 'address',
    answer: 'no',
    code: 'account-unverified',
    evidence: 'The address given at sign-up was never confirmed.',
    step: 'Have them sign in with their password: a new mail goes out and its code is asked for.',
  };
}

/** Something they can prove who they are with. */
function ofProof({ hasPassword, factors, upstreams, directories }: Person): Check {
  const ways = [
    ...(hasPassword ? ['a password'] : []),
    ...(factors.passkeys > 0 ? [plural(factors.passkeys, 'passkey')] : []),
    ...upstreams,
    ...directories.map((title) => `maybe a password kept in ${title}`),
  ];
  if (ways.length > 0) return { check: 'proof', answer: 'yes', evidence: `They have ${ways.join(', ')}.` };
  return {
    check: 'proof',
    answer: 'no',
    code: 'sign-in-failed',
    evidence: 'They have no password, no passkey and no linked sign-in.',
    step: 'Have them set a password with “Forgotten?” on the sign-in page.',
  };
}

function ofAttempts({ waitsUntil, hasPassword }: Person): Check {
  if (!waitsUntil || !hasPassword)
    return { check: 'attempts', answer: 'yes', evidence: 'Passwords are looked at.' };
  return {
    check: 'attempts',
    answer: 'no',
    code: 'sign-in-failed',
    evidence: `Too many wrong passwords: until ${minute(waitsUntil)} even the right one is refused, but in browsers they used before.`,
    step: 'Wait until then; a passkey, or a browser they used before, works now.',
  };
}

function ofApp({ id, settings }: Application, refusals: readonly ProblemCode[]): Check {
  if (settings.enabled && !refusals.includes('application-disabled'))
    return { check: 'app', answer: 'yes', evidence: `${settings.title} (${id}) is switched on.` };
  return {
    check: 'app',
    answer: 'no',
    code: 'application-disabled',
    evidence: `${settings.title} (${id}) is switched off.`,
    step: 'Switch the app on.',
  };
}

function ofGroups({ settings }: Application, entry: Entry, { groups }: Person): Check {
  const wanted = settings.access.groups;
  const has = groups.length > 0 ? `They are in ${groups.join(', ')}.` : 'They are in no group.';
  if (!entry.refusals.includes('application-forbidden')) {
    const who = wanted ? `The app lets in ${wanted.join(', ')}. ${has}` : 'The app lets in everyone active.';
    return { check: 'groups', answer: 'yes', evidence: who };
  }
  const [only, ...more] = wanted ?? [];
  return {
    check: 'groups',
    answer: 'no',
    code: 'application-forbidden',
    evidence: `The app lets in ${wanted?.length ? wanted.join(', ') : 'nobody'}. ${has}`,
    step:
      only === undefined
        ? 'Name a group in the access settings of the app.'
        : `Add them to ${only}${more.length > 0 ? `, or to ${more.join(' or ')}` : ''}.`,
  };
}

function ofFactor({ ask }: Entry, { factors }: Person): Check {
  const has = [
    ...(factors.passkeys > 0 ? [plural(factors.passkeys, 'passkey')] : []),
    ...(factors.totp ? ['an authenticator app'] : []),
  ].join(' and ');
  if (ask === 'enrol')
    return {
      check: 'factor',
      answer: 'asks',
      code: 'enrol',
      evidence: 'A second factor is needed, and they have none.',
      step: 'They add one on the way in: a passkey or an authenticator app.',
    };
  if (ask === 'second-factor')
    return {
      check: 'factor',
      answer: 'asks',
      code: 'second-factor',
      evidence: `They have ${has}, and are asked for it after the password, but in a remembered browser where that is allowed.`,
    };
  return {
    check: 'factor',
    answer: 'yes',
    evidence: has ? `They have ${has}.` : 'No second factor is needed, and they have none.',
  };
}

function ofUpstream({ settings }: Application, { upstream }: Entry): Check {
  if (!upstream && settings.upstream)
    return {
      check: 'upstream',
      answer: 'note',
      evidence: `The app names ${settings.upstream} to come through, which is not open: the sign-in page is shown instead.`,
      step: 'Open that upstream, or take it out of the settings of the app.',
    };
  if (!upstream)
    return { check: 'upstream', answer: 'yes', evidence: 'The app names no way to come through.' };
  if (upstream.linked)
    return {
      check: 'upstream',
      answer: 'asks',
      code: 'upstream',
      evidence: `People come in through ${upstream.title}, which they are linked with.`,
    };
  return {
    check: 'upstream',
    answer: 'asks',
    code: 'upstream',
    evidence: `People come in through ${upstream.title}, which they are not linked with yet.`,
    step: `They link ${upstream.title} on their account page, or prove both sides when they come.`,
  };
}

const namedNot = (code: ProblemCode, evidence: string, step: string): Check => {
  return { check: 'name', answer: 'no', code, evidence, step };
};
const rename = 'Give them another name at this app (an alias).';
const ofAnother = (name: string) =>
  `By the app's rule they would be ${name} there, which is or was someone else's name.`;

/** Whether the app can be told who they are. */
function ofName({ settings }: Application, { profile, nameless, refused }: Entry): Check {
  const named = `The app knows them as ${profile.username}`;
  const from = profile.accountChoice === 'mailbox' ? 'alias mailbox' : 'confirmed address';
  const step =
    profile.accountChoice === 'mailbox'
      ? 'Give them an alias mailbox (set the alias domain), or let them use an own account there.'
      : 'Have them confirm an address.';
  if (nameless)
    return namedNot(nameless, `The app knows people by an address, and they have no ${from}.`, step);
  if (refused === 'alias-taken') return namedNot(refused, ofAnother(profile.username), rename);
  const { email } = profile.released;
  if (settings.release.claims.includes('email') && email === undefined)
    return {
      check: 'name',
      answer: 'doubt',
      evidence: `${named}, but hears no address: they have no ${from}.`,
      step,
    };
  const account = profile.accountAddress ? `, with the address ${profile.accountAddress}` : '';
  return { check: 'name', answer: 'yes', evidence: `${named}${account}.` };
}

function ofConsent({ asksConsent, asksAlways, consent }: Entry): Check {
  if (!asksConsent)
    return { check: 'consent', answer: 'yes', evidence: 'The app is trusted: nobody is asked.' };
  if (consent && !asksAlways)
    return {
      check: 'consent',
      answer: 'yes',
      evidence: `They agreed on ${minute(consent.givenAt)}; the app asks again only for more than that.`,
    };
  return {
    check: 'consent',
    answer: 'asks',
    code: 'consent',
    evidence: asksAlways
      ? 'Such an app could be posed as, so people are asked every time.'
      : 'They have not agreed yet to share their details with the app.',
  };
}

function ofAccount(account: AccountAt | undefined): Check {
  const doubt = (evidence: string, step: string): Check => ({
    check: 'account',
    answer: 'doubt',
    evidence,
    step,
  });
  if (!account || account.mode === 'off')
    return { check: 'account', answer: 'yes', evidence: 'The app is given no accounts from here.' };
  if (account.problem)
    return doubt(
      `The account there is not as it should be: ${account.problem}.`,
      'See its timeline, and send it again.',
    );
  if (account.link === 'linked' && account.active !== false)
    return { check: 'account', answer: 'yes', evidence: 'Their account there is linked.' };
  if (account.link === 'linked')
    return doubt('Their account there is switched off.', 'Send it again, or have it switched on there.');
  if (account.link === 'disputed')
    return doubt('Whose account there it is, is disputed.', 'Decide it on the page of the target.');
  return doubt('There is no account of theirs at the app.', 'Send it now, or see why it is not planned.');
}

/** Should the gate ever refuse for something no check names, that is said too. */
function gateHasMore({ refused, refusals }: Entry): Check[] {
  if (!refused || refused === 'alias-taken' || refusals.includes(refused)) return [];
  return [{ check: 'app', answer: 'no', code: refused, evidence: `The gate says ${refused}.` }];
}

/** What was refused since they were last let into the app: at the sign-in, or behind it. */
function ofRefusals({ lastSignIns }: Person, { lastIn, refusedLately }: Entry, application: string): Check {
  const atSignIn = lastSignIns
    .filter((one) => one.outcome !== 'ok' && (!one.application || one.application === application))
    .map(({ at, outcome, requestId }) => ({ at, code: outcome, reference: requestId }));
  const paths = refusedLately.filter(({ code }) => code !== 'watched');
  const known = new Set(paths.map(({ reference }) => reference));
  const since = [...paths, ...atSignIn.filter(({ reference }) => !known.has(reference))]
    .filter(({ at }) => lastIn === undefined || at > lastIn)
    .toSorted((a, b) => b.at.getTime() - a.at.getTime());
  const [last] = since;
  if (!last)
    return { check: 'refusals', answer: 'yes', evidence: 'Nothing was refused since they last came in.' };
  return {
    check: 'refusals',
    answer: 'note',
    evidence: `${plural(since.length, 'refusal')} since they last came in; the last on ${minute(last.at)}: ${last.code} (reference ${last.reference}).`,
  };
}

function plural(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function minute(at: Date): string {
  return `${at.toISOString().slice(0, 16).replace('T', ' ')}Z`;
}
