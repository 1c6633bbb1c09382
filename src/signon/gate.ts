/**
 * The door every front calls. Fronts never look at a password, a session token or a person's standing themselves:
 * throttling, standing, factor policy, who may enter which app and last sign-in are decided here, once, the same for
 * page, Basic, Crowd, LDAP and device.
 */
import type { FastifyRequest } from 'fastify';
import {
  type AttemptSubject,
  confirmPassword,
  forgiveAttempts,
  giveBackAttempt,
  type KnownDevice,
  knownDevice,
  noteFailedAttempt,
  passwordOf,
  reserveTypedAttempt,
  type StoredPassword,
  type TypedName,
  verifyPassword,
} from '#core/credentials/credentials.ts';
import { standingProblem } from '#core/lifecycle/lifecycle.ts';
import { usernameKey } from '#core/people/names.ts';
import { findByIdentifier, findPerson, holdPerson, type Person } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import {
  noteSignIn,
  type Session,
  sessionById,
  sessionByToken,
  sessionsByIds,
  touchSession,
} from '#core/sessions/sessions.ts';
import type { Clock } from '#kit/clock/clock.ts';
import { type Hasher, HashingBusy } from '#kit/crypto/passwords.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Database } from '#kit/db/database.ts';
import type { Tx, TxContext } from '#kit/db/tx.ts';
import { type Limits, networkKey } from '#kit/limits/limits.ts';
import type { Log } from '#kit/log/log.ts';
import type { Net } from '#kit/net/net.ts';
import { Arriving, type Delegated, delegatedPassword } from '#signon/upstream/delegated.ts';
import {
  finishSignIn,
  groundOf,
  type Place,
  type Proof,
  placeOf,
  type Settled,
  type SignedInNow,
  type SignInOutcome,
  settle,
  unlessRefused,
} from './proof.ts';
import { trace } from './trace.ts';
import { shortened } from './trace-scrub.ts';

export { admit, admitAt, admitMany, refusalsAt } from './admit.ts';
export type { Place, SignedInNow, SignInOutcome } from './proof.ts';

export interface GateNeeds {
  database: Database;
  secrets: Secrets;
  hasher: Hasher;
  limits: Limits;
  /** The way to directories that check passwords for us. */
  net: Net;
  clock: Clock;
  log: Log;
  /** No failed sign-in answers sooner than this many milliseconds after it began (AU-07). */
  floorMs: number;
}

export interface SignedOn {
  session: Session;
  person: Person;
}

/** Who the session token of this request stands for; undefined when nobody (or nobody active) is signed in. */
export async function signedOn(tx: Tx, token: string | undefined): Promise<SignedOn | undefined> {
  const session = await sessionByToken(tx, token);
  return session && withStanding(tx, session);
}

/** The same for a session id a front kept beside its own state (codes, tokens, library sessions). */
export async function stillSignedOn(tx: Tx, sessionId: string): Promise<SignedOn | undefined> {
  const session = await sessionById(tx, sessionId);
  return session && withStanding(tx, session);
}

/** Which of these sessions are open, by their ids. The standing of their people is asked beside it (`admitAt`). */
export async function openSessions(tx: Tx, sessionIds: readonly string[]): Promise<Map<string, Session>> {
  if (sessionIds.length === 0) return new Map();
  return new Map((await sessionsByIds(tx, sessionIds)).map((session) => [session.id, session]));
}

async function withStanding(tx: Tx, session: Session): Promise<SignedOn | undefined> {
  const person = await findPerson(tx, session.person);
  return person?.state === 'active' ? { session, person } : undefined;
}

/** Marks a session as used now (at most one write a minute). */
export const noteUse = touchSession;

export interface PasswordAttempt extends Place {
  /** User name or any confirmed address, as typed. */
  identifier: string;
  password: string;
  /** The sign-on that is open, for whoever arrives by a directory and goes on elsewhere first. */
  requestId?: string;
  /** Where the door is a page: gives its place on while a directory is asked. */
  away?: FastifyRequest['away'];
  context: TxContext;
}

/** Failed sign-ins from one network in ten minutes, over all people, before everyone there waits. */
const networkAttempts = { points: 100, windowSeconds: 600 };

/**
 * Checks a password and opens a session, or says what is asked next where the door is a browser's (`browser`); other
 * doors are refused then with second-factor-needed. The same work either way, no answer to a failure before the floor, one
 * counter a person across all doors, a known device keeps its own so that others cannot lock a person out.
 * Refuses with too-many-attempts by what was typed alone; while the person's own attempts are used up, every password
 * is a wrong one, and is not looked at.
 */
export async function passwordSignIn(
  needs: GateNeeds,
  attempt: PasswordAttempt & { browser?: undefined },
): Promise<SignedInNow>;
export async function passwordSignIn(needs: GateNeeds, attempt: PasswordAttempt): Promise<SignInOutcome>;
export async function passwordSignIn(needs: GateNeeds, attempt: PasswordAttempt): Promise<SignInOutcome> {
  const began = performance.now();
  try {
    // Whoever could not be served anyway is told so before the database is asked for anything.
    refuseWhenFull(needs.hasher);
    const candidate = await findCandidate(needs, attempt);
    const right = await isRight(needs, attempt, candidate);
    if (!right || !candidate.person) {
      const delegated = await delegatedPassword(needs, attempt, candidate);
      if (delegated && !('failure' in delegated))
        return await admitDelegated(needs, attempt, candidate, delegated);
      await noteFailure(needs, attempt, candidate);
      throw delegated?.failure ?? new Problem('sign-in-failed');
    }
    const fresh = await freshHash(needs, candidate.stored, attempt.password);
    return await admitPerson(needs, attempt, { ...candidate, person: candidate.person }, fresh);
  } catch (error) {
    if (error instanceof Problem) await waitUntil(began + needs.floorMs);
    throw error;
  }
}

/** A directory said that the password is right: nothing of the attempt is held against anyone. */
async function admitDelegated(
  needs: GateNeeds,
  attempt: PasswordAttempt,
  { subject, typed }: Candidate,
  delegated: Exclude<Delegated, { failure: unknown }>,
): Promise<SignInOutcome> {
  await needs.database.transact(attempt.context, async (tx) => {
    await needs.limits.giveBack(networkLimitKey(attempt), tx);
    await forgiveAttempts(tx, subject, typed);
  });
  if ('arrival' in delegated) throw new Arriving(delegated.arrival);
  const { person, amr, upstream } = delegated;
  const context: TxContext = { ...attempt.context, actor: { kind: 'person', id: person } };
  return finishSignIn(needs, { person, amr, aal: 1, upstream, place: attempt, context });
}

function networkLimitKey(attempt: Place): string {
  return `sign-in:${networkKey(attempt.ip)}`;
}

/** The id nobody has: looked up in place of a person, at the same cost. */
const nobody = '00000000-0000-0000-0000-000000000000';

interface Candidate {
  person?: Person;
  stored?: StoredPassword;
  typed: TypedName;
  subject: AttemptSubject;
  /** False when the attempts of whom it is about are used up, though not those of what was typed. */
  heard: boolean;
  /** The last attempt of whom it is about. */
  last: boolean;
}

/** Finds whom the attempt is about and takes the attempt from the counters, before any password is looked at. */
async function findCandidate(needs: GateNeeds, attempt: PasswordAttempt): Promise<Candidate> {
  const { network, verdicts, ...found } = await needs.database.transact(
    attempt.context,
    async (tx) => {
      const [network, person, device] = await Promise.all([
        needs.limits.take(networkLimitKey(attempt), networkAttempts, tx),
        findByIdentifier(tx, attempt.identifier),
        knownDevice(tx, attempt.deviceToken),
      ]);
      const identifierKey = usernameKey(attempt.identifier.slice(0, 320));
      const typed = typedName(identifierKey, person, device);
      const subject = subjectOf(identifierKey, person, device);
      const found = { network, person, typed, subject };
      if (!network.allowed) return { ...found, verdicts: undefined, stored: undefined };
      const asked = Promise.all([
        reserveTypedAttempt(tx, typed, subject),
        passwordOf(tx, person?.id ?? nobody),
      ]);
      tx.commitAlong();
      const [verdicts, stored] = await asked;
      return { ...found, stored, verdicts };
    },
    { durable: false },
  );
  if (!verdicts) throw new Problem('rate-limited', { retryAfter: network.retryAfterSeconds });
  const { typed, subject } = verdicts;
  if (!typed.allowed) throw new Problem('too-many-attempts', { retryAfter: typed.retryAfterSeconds });
  return { ...found, heard: subject.allowed, last: subject.last };
}

/**
 * A known device counts apart what is typed on it, or others could keep its owner waiting. It must not count apart
 * just what belongs to its owner, or it would tell which addresses do: so it counts everything but the user names of
 * others, which are public.
 */
function typedName(identifierKey: string, person: Person | undefined, device?: KnownDevice): TypedName {
  const othersName =
    person !== undefined && person.id !== device?.person && usernameKey(person.username) === identifierKey;
  return { identifierKey, device: othersName ? undefined : device?.id };
}

function subjectOf(identifierKey: string, person: Person | undefined, device?: KnownDevice): AttemptSubject {
  if (!person) return { kind: 'unknown', identifierKey };
  return device?.person === person.id
    ? { kind: 'device', device: device.id }
    : { kind: 'person', person: person.id };
}

/** Whether the password is right. One that is not heard is wrong, and costs what it costs for nobody. */
async function isRight(needs: GateNeeds, attempt: PasswordAttempt, candidate: Candidate): Promise<boolean> {
  const stored = candidate.heard ? candidate.stored : undefined;
  try {
    return await verifyPassword(needs.hasher, stored, attempt.password, needs.log);
  } catch (error) {
    if (error instanceof HashingBusy) {
      await needs.database.transact(attempt.context, async (tx) => {
        await needs.limits.giveBack(networkLimitKey(attempt), tx);
        await giveBackAttempt(tx, candidate.heard ? candidate.subject : undefined, candidate.typed);
      });
    }
    return asBusy(error);
  }
}

function refuseWhenFull(hasher: Hasher): void {
  try {
    hasher.refuseWhenFull();
  } catch (error) {
    asBusy(error);
  }
}

/** More people than can be hashed for is a refusal, not a fault: `needs.hasher.hash(…).catch(asBusy)`. */
export function asBusy(error: unknown): never {
  if (error instanceof HashingBusy) throw new Problem('busy', { retryAfter: error.retryAfter });
  throw error;
}

/** Runs the same statements for someone who does not exist, so that a failure costs the same work (AU-07). */
async function noteFailure(needs: GateNeeds, attempt: PasswordAttempt, candidate: Candidate): Promise<void> {
  const person = candidate.person?.id;
  const outcome = candidate.heard ? 'sign-in-failed' : 'too-many-attempts';
  await needs.database.transact(attempt.context, async (tx) => {
    await noteSignIn(tx, { ...placeOf(attempt), person, outcome });
    await noteFailedAttempt(tx, candidate.subject, candidate);
  });
  const typed = person ? undefined : shortened(attempt.identifier);
  const because = candidate.heard ? 'wrong-password' : 'person-throttled';
  const { requestId: reference } = attempt.context;
  trace(reference, 'password refused', { because, person, typed, application: attempt.application });
  needs.log.info({ code: 'sign-in-failed', because, person, reference }, 'a sign-in was refused');
}

/** An imported or outdated hash that just proved right becomes one of ours. */
async function freshHash(
  needs: GateNeeds,
  stored: StoredPassword | undefined,
  password: string,
): Promise<string | undefined> {
  if (!stored || !needs.hasher.needsRehash(stored.hash)) return undefined;
  try {
    return await needs.hasher.hash(password);
  } catch (error) {
    if (error instanceof HashingBusy) return undefined;
    throw error;
  }
}

/** What was found before the password was looked at may have changed since: standing and password are asked again. */
async function admitPerson(
  needs: GateNeeds,
  attempt: PasswordAttempt,
  candidate: Candidate & { person: Person },
  fresh: string | undefined,
): Promise<SignInOutcome> {
  const { id, username: name } = candidate.person;
  const context: TxContext = { ...attempt.context, actor: { kind: 'person', id, name } };
  const proof: Proof = { person: id, amr: ['pwd'], aal: 1, place: attempt, context };
  const settled = await needs.database.transact(context, async (tx): Promise<Settled> => {
    const [person, stale, ground] = await Promise.all([
      holdPerson(tx, id),
      // A hash that is to be replaced waits for the standing.
      fresh === undefined ? staleProblem(tx, candidate.stored, fresh) : undefined,
      groundOf(tx, id),
    ]);
    if (!person) return { refused: 'sign-in-failed' };
    const refused =
      standingProblem(person.state) ??
      stale ??
      (fresh === undefined ? undefined : await staleProblem(tx, candidate.stored, fresh));
    if (refused) {
      await noteSignIn(tx, { ...placeOf(attempt), person: person.id, outcome: refused });
      return { refused };
    }
    const forgiven = [
      needs.limits.giveBack(networkLimitKey(attempt), tx),
      forgiveAttempts(tx, candidate.subject, candidate.typed),
    ];
    const [outcome] = await Promise.all([
      settle(tx, needs, person, proof, { ground, isLast: true }),
      ...forgiven,
    ]);
    return outcome;
  });
  return unlessRefused(settled);
}

async function staleProblem(tx: Tx, stored: StoredPassword | undefined, fresh: string | undefined) {
  return stored && (await confirmPassword(tx, stored, fresh)) ? undefined : ('sign-in-failed' as const);
}

/** Resolves at this moment of `performance.now()`, or at once when it is past. */
export async function waitUntil(moment: number): Promise<void> {
  const left = moment - performance.now();
  if (left > 0) await new Promise((resolve) => setTimeout(resolve, left));
}
