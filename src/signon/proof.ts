/**
 * Where every way in ends. Whoever proved a person (password, passkey, an upstream, a device code) calls `finishSignIn`:
 * it asks for the person's standing, decides whether a further factor is needed, and opens the session or keeps what was
 * proved so far as a pending sign-in of this browser.
 * Owns `pending_sign_ins`. Refuses people without standing, proof of an upstream that was switched off since, and doors
 * that cannot ask for what is needed.
 */
import { type Community, community } from '#core/community/community.ts';
import { passwordSetAt, rememberDevice } from '#core/credentials/credentials.ts';
import { type Factors, factorsOf } from '#core/credentials/factors.ts';
import { standingProblem } from '#core/lifecycle/lifecycle.ts';
import { holdPerson, type Person } from '#core/people/people.ts';
import { Problem, type ProblemCode } from '#core/problem.ts';
import { noteSignIn, openSession, type Session, shortenNetwork } from '#core/sessions/sessions.ts';
import { noteUpstream, type UpstreamProof } from '#core/sessions/upstreams.ts';
import { hashToken, newId, randomToken } from '#kit/crypto/ids.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Database } from '#kit/db/database.ts';
import type { Tx, TxContext } from '#kit/db/tx.ts';
import { isStillOpen } from '#signon/upstream/upstreams.ts';
import { type Ask, askedOf } from './factor-policy.ts';
import * as store from './pending.store.ts';
import { lifetimesOf, type Stay } from './stay.ts';
import { trace } from './trace.ts';

/** Where a sign-in happens, for the person's own list and the known-device cookie. */
export interface Place {
  /** `page`, `basic`, `crowd`, `ldap`, … */
  door: string;
  application?: string;
  deviceToken?: string;
  /** Human words for the browser, such as "Firefox on Linux". */
  device: string;
  /** Full client address; only its shortened form is kept. */
  ip: string;
  persistent: boolean;
  /** How long the person chose to stay signed in, or that others use this computer too (`readStay`). */
  stay?: Stay;
  /** Random id of the browser (`Visit.browser`). A door without one cannot ask for more than it was given. */
  browser?: string;
  /** Token of the cookie of a browser that is remembered for the second factor. */
  rememberedToken?: string;
  /** Proof is wanted anew (`prompt=login`, `max_age`): a remembered browser does not stand for a factor. */
  fresh?: boolean;
}

/** Who was proved, and how. */
export interface Proof {
  /** Id of the person. */
  person: string;
  /** RFC 8176 values: what really happened. */
  amr: string[];
  /** Authenticator assurance level (SP 800-63B) of these proofs together. */
  aal: 1 | 2 | 3;
  place: Place;
  context: TxContext;
  /** When an identity provider vouched for the person. */
  upstream?: UpstreamProof;
}

export interface SignedInNow {
  session: Session;
  person: Person;
  /** For the session cookie. */
  token: string;
  /** For the known-device cookie; none on a computer that others use too. */
  deviceToken?: string;
}

/** Proved so far, but not enough: the browser is led to `ask` next, and keeps `pending` in its cookie. */
export interface PendingSignIn {
  person: Person;
  /** Token of the cookie `pending`. */
  pending: string;
  ask: Ask;
}

export type SignInOutcome = SignedInNow | PendingSignIn;

export interface ProofNeeds {
  database: Database;
  secrets: Secrets;
}

/** How long a pending sign-in waits for the next proof, and its cookie lives. */
export const pendingSeconds = 600;

/**
 * Ends a way in: opens the session, or says what is asked next. Hand the outcome to `goOn` of `way-in.ts`.
 * Refuses with the person's standing, `sign-in-failed` for nobody, and `second-factor-needed` at a door that cannot ask.
 */
export async function finishSignIn(needs: ProofNeeds, proof: Proof): Promise<SignInOutcome> {
  const settled = await needs.database.transact(proof.context, async (tx) => {
    const person = await holdPerson(tx, proof.person);
    return person
      ? settle(tx, needs, person, proof, { isLast: true })
      : { refused: 'sign-in-failed' as const };
  });
  return unlessRefused(settled);
}

/** What a sign-in is settled by, beside the person. */
export interface SettleGround {
  settings: Community;
  factors: Factors;
}

export async function groundOf(tx: Tx, person: string): Promise<SettleGround> {
  const [settings, factors] = await Promise.all([community(tx), factorsOf(tx, person)]);
  return { settings, factors };
}

export type Settled = SignInOutcome | { refused: ProblemCode };

/** Throws what a settled sign-in was refused for; a transaction that noted it has ended by then. */
export function unlessRefused(settled: Settled): SignInOutcome {
  if ('refused' in settled) throw new Problem(settled.refused);
  return settled;
}

/**
 * The same within a transaction that holds the person. A refusal is noted in the person's list and returned, so that the
 * note stays.
 * @param more.ground what `groundOf` read in this transaction, where it could go along with something else
 * @param more.isLast nothing is asked in this transaction after it, so that its end may go along with an open session
 */
export async function settle(
  tx: Tx,
  needs: Pick<ProofNeeds, 'secrets'>,
  person: Person,
  proof: Proof,
  { ground, isLast = false }: { ground?: SettleGround; isLast?: boolean } = {},
): Promise<Settled> {
  const refuse = async (refused: ProblemCode) => {
    await noteSignIn(tx, { ...placeOf(proof.place), person: person.id, outcome: refused });
    return { refused };
  };
  const { amr, aal, place, upstream } = proof;
  const of = { person: person.id, application: place.application, upstream: upstream?.id };
  trace(tx, 'proved who it is', { ...of, amr, aal, standing: person.state });
  const closed = standingProblem(person.state);
  if (closed) return refuse(closed);
  // Switched off since the proof was given: then nothing vouches for it (SA-15).
  if (upstream && !(await isStillOpen(tx, upstream.id))) return refuse('upstream-unknown');
  const { settings, factors } = ground ?? { settings: await community(tx) };
  const ask = await askedOf(tx, person.id, proof, settings.factors, factors);
  trace(tx, 'factors looked at', { ask: ask ?? 'nothing more' });
  if (!ask) return open(tx, needs, person, proof, { sessions: settings.sessions, isLast });
  if (!proof.place.browser) return refuse('second-factor-needed');
  return { person, ask, pending: await keepPending(tx, needs, proof, { ask, browser: proof.place.browser }) };
}

async function keepPending(
  tx: Tx,
  { secrets }: Pick<ProofNeeds, 'secrets'>,
  proof: Proof,
  { ask, browser }: { ask: Ask; browser: string },
): Promise<string> {
  const { door, application, device, ip, persistent, stay } = proof.place;
  const id = newId();
  const token = randomToken();
  const upstream = proof.upstream && secrets.seal(sealing, JSON.stringify(proof.upstream), bindOf(id));
  await store.insertPending(tx, {
    id,
    tokenHash: hashToken(token),
    browser,
    person: proof.person,
    ask,
    amr: proof.amr,
    aal: proof.aal,
    place: { door, application, device, network: shortenNetwork(ip), persistent, stay },
    upstream: upstream ?? null,
    lifetimeSeconds: pendingSeconds,
  });
  return token;
}

const sealing = 'pending sign-in';

function bindOf(id: string): string {
  return `pending_sign_ins/${id}/upstream`;
}

/** A sign-in of this browser that waits for more. */
export interface Pending {
  id: string;
  person: string;
  ask: Ask;
  amr: string[];
  aal: 1 | 2 | 3;
  application?: string;
  /** On a computer that others use too: nothing may be remembered in this browser. */
  shared: boolean;
}

/** The pending sign-in of a browser, by its cookie. */
export async function pendingSignIn(
  tx: Tx,
  cookie: { token: string | undefined; browser: string },
): Promise<Pending | undefined> {
  const row = await rowOf(tx, cookie);
  return row && toPending(row);
}

function rowOf(tx: Tx, cookie: { token: string | undefined; browser: string }, hold = false) {
  if (!cookie.token || cookie.token.length > 200) return undefined;
  return store.pendingOf(tx, { tokenHash: hashToken(cookie.token), browser: cookie.browser }, hold);
}

function toPending(row: store.PendingRow): Pending {
  const { id, person, ask, amr, place } = row;
  return {
    id,
    person,
    ask,
    amr,
    aal: row.aal as 1 | 2 | 3,
    application: place.application,
    shared: place.stay === 'shared',
  };
}

/** What a further proof adds; `refused` keeps the pending sign-in open. */
export type Further = { amr: string[]; aal: 1 | 2 | 3 } | { refused: ProblemCode };

/**
 * Goes on with a pending sign-in: `prove` looks at the further proof in the transaction that uses the pending one up, so
 * that of many at once one opens a session. Refuses with `request-expired` when there is none, or when the password was
 * changed since.
 */
export async function completePending(
  needs: ProofNeeds,
  cookie: { token: string | undefined; browser: string },
  here: Pick<Place, 'deviceToken' | 'device' | 'ip'> & { context: TxContext },
  prove: (tx: Tx, pending: Pending) => Promise<Further>,
): Promise<SignInOutcome> {
  const { context, ...seen } = here;
  const settled = await needs.database.transact(context, async (tx): Promise<Settled> => {
    const row = await rowOf(tx, cookie, true);
    const person = row && (await holdPerson(tx, row.person));
    if (!row || !person || (await isStale(tx, row))) return { refused: 'request-expired' };
    const proved = await prove(tx, toPending(row));
    if ('refused' in proved) {
      trace(tx, 'further proof refused', { reason: proved.refused, person: person.id });
      const at = { ...row.place, device: seen.device, network: shortenNetwork(seen.ip) };
      await noteSignIn(tx, { ...at, person: person.id, outcome: proved.refused });
      return proved;
    }
    if (!(await store.usePending(tx, row.id))) return { refused: 'request-expired' };
    const { door, application, persistent, stay } = row.place;
    const place = { ...seen, door, application, persistent, stay, browser: cookie.browser };
    const upstream = row.upstream
      ? (JSON.parse(needs.secrets.open(sealing, row.upstream, bindOf(row.id)).toString()) as UpstreamProof)
      : undefined;
    const amr = [...new Set([...row.amr, ...proved.amr])];
    return settle(tx, needs, person, { person: person.id, amr, aal: proved.aal, place, context, upstream });
  });
  return unlessRefused(settled);
}

/** A password that was changed since it was typed proves nothing any more. */
async function isStale(tx: Tx, row: store.PendingRow): Promise<boolean> {
  const setAt = row.amr.includes('pwd') ? await passwordSetAt(tx, row.person) : undefined;
  return setAt !== undefined && setAt > row.createdAt;
}

/** Lets go of up to 1,000 pending sign-ins whose time is over; what never came to an end shows in the person's list. */
export async function dropPending(tx: Tx): Promise<number> {
  const gone = await store.deleteOldPending(tx);
  for (const row of gone) {
    if (!row.used)
      await noteSignIn(tx, { ...row.place, person: row.person, outcome: 'second-factor-needed' });
  }
  return gone.length;
}

async function open(
  tx: Tx,
  needs: Pick<ProofNeeds, 'secrets'>,
  person: Person,
  { place, amr, aal, upstream }: Proof,
  { sessions, isLast }: { sessions: Community['sessions']; isLast: boolean },
): Promise<SignedInNow> {
  const { persistent, shared, lifetimes } = lifetimesOf(sessions, place);
  const opened = openSession(tx, {
    person: person.id,
    amr,
    aal,
    device: place.device,
    network: shortenNetwork(place.ip),
    persistent,
    shared,
    lifetimes,
  });
  const asked = Promise.all([
    opened,
    shared ? undefined : rememberDevice(tx, person.id, place.device, place.deviceToken),
    noteSignIn(tx, { ...placeOf(place), person: person.id, outcome: 'ok' }),
  ]);
  if (isLast && !upstream) tx.commitAlong();
  const [{ session, token }, deviceToken] = await asked;
  if (upstream) await noteUpstream(tx, needs.secrets, session.id, upstream);
  return { session, person, token, deviceToken };
}

/** A place as the list of sign-ins keeps it. */
export function placeOf(place: Place) {
  return {
    door: place.door,
    application: place.application,
    device: place.device,
    network: shortenNetwork(place.ip),
  };
}
