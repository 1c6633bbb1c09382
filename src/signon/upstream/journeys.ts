/**
 * The way of a browser to an upstream and back. What comes back counts once, in the browser that set out, within ten
 * minutes. What is to be secret on the way (nonce, PKCE verifier) is derived from the row, so no table holds it.
 */
import { Problem } from '#core/problem.ts';
import { hashToken, newId, randomToken } from '#kit/crypto/ids.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { Stay } from '#signon/stay.ts';
import * as store from './journeys.store.ts';

/** What someone set out for. */
export type Errand =
  | {
      kind: 'sign-in';
      /** The sign-on that is open, by its id. */
      requestId?: string;
      persistent: boolean;
      stay?: Stay;
      /** Proof of before this moment does not count. */
      provedAfter?: string;
    }
  | { kind: 'link'; person: string; session: string }
  /** To end the session there; the one here has ended before. */
  | { kind: 'sign-out' }
  /** It ended sessions here, and waits for our answer while this browser goes along their apps. */
  | { kind: 'sign-out-answer'; inResponseTo: string; relayState?: string; sessions: string[] };

export interface Journey {
  id: string;
  /** `state` (OAuth) or RelayState (SAML): says nothing but which journey this is. */
  handle: string;
  nonce: string;
  verifier: string;
}

const lifetimeSeconds = 600;

/** Someone sets out. */
export async function beginJourney(
  tx: Tx,
  secrets: Secrets,
  input: { browser: string; upstream: string; errand: Errand },
): Promise<Journey> {
  const id = newId();
  const handle = randomToken();
  await store.insertJourney(tx, { id, handleHash: hashToken(handle), ...input, lifetimeSeconds });
  return { id, handle, ...derived(secrets, id) };
}

function derived(secrets: Secrets, id: string): Pick<Journey, 'nonce' | 'verifier'> {
  const word = (purpose: string) => secrets.mac(purpose, id).toString('base64url');
  return { nonce: word('upstream nonce'), verifier: word('upstream verifier') };
}

export interface Returned extends Journey {
  errand: Errand;
  began: Date;
  /** What was kept for it (`keepAnswer`), sealed. */
  answer?: Buffer;
}

/** How a message names a journey that is under way (SAML: the ID of our request). */
export function requestIdOf({ id }: { id: string }): string {
  return `_${id}`;
}

/**
 * The journey an answer belongs to that came without the browser's cookies, because another site's form posted it. It
 * stays open: whoever set out must come for the answer. Refuses with `upstream-stray` as `endJourney` does.
 */
export async function journeyOnTheWay(
  tx: Tx,
  input: { upstream: string; handle: unknown },
): Promise<{ id: string; errand: Errand; handle: string }> {
  const { upstream, handle } = input;
  const found =
    isHandle(handle) && (await store.findJourney(tx, { handleHash: hashToken(handle), upstream }));
  if (!found) throw new Problem('upstream-stray');
  return { ...found, handle };
}

/** Keeps an answer for the browser that set out; one journey has one. Refuses with `upstream-stray` a second one. */
export async function keepAnswer(tx: Tx, id: string, answer: Buffer): Promise<void> {
  if (!(await store.keepAnswer(tx, id, answer))) throw new Problem('upstream-stray');
}

const adoptSeconds = 60;

/**
 * An answer nobody here asked for (SAML: begun at the provider): the first browser that comes with the handle within a
 * minute has it. Returns the handle. Call it only where settings allow such answers.
 */
export async function adoptableJourney(
  tx: Tx,
  input: { upstream: string; errand: Errand; seal(id: string): Buffer },
): Promise<string> {
  const { upstream, errand } = input;
  const id = newId();
  const handle = randomToken();
  const row = { id, handleHash: hashToken(handle), browser: anyBrowser, upstream, errand };
  await store.insertJourney(tx, { ...row, lifetimeSeconds: adoptSeconds });
  await keepAnswer(tx, id, input.seal(id));
  return handle;
}

/** An answer to a sign-out comes from anywhere and opens nothing: its journey ends without asking for the browser. */
export async function endSignOutJourney(
  tx: Tx,
  input: { upstream: string; handle: unknown },
): Promise<{ id: string }> {
  const found = await journeyOnTheWay(tx, input);
  if (found.errand.kind !== 'sign-out' || !(await store.spendJourney(tx, found.id)))
    throw new Problem('upstream-stray');
  return found;
}

/** No browser is called this: ids of browsers have 22 letters. */
const anyBrowser = '';

function isHandle(handle: unknown): handle is string {
  return typeof handle === 'string' && /^[A-Za-z0-9_-]{43}$/.test(handle);
}

/**
 * Someone is back: the journey is used up. Refuses with `upstream-stray` whoever did not set out from this browser to
 * this upstream, or did so too long ago, or was back before (SE-09).
 */
export async function endJourney(
  tx: Tx,
  secrets: Secrets,
  input: { browser: string; upstream: string; handle: unknown },
): Promise<Returned> {
  const { browser, upstream, handle } = input;
  const found =
    isHandle(handle) &&
    browser !== anyBrowser &&
    (await store.useJourney(tx, { handleHash: hashToken(handle), browser, anyBrowser, upstream }));
  if (!found) throw new Problem('upstream-stray');
  return { ...found, handle: handle as string, ...derived(secrets, found.id) };
}

/** Notes what may be heard once only, until it would have ended anyway. False when it was heard before. */
export async function hearOnce(tx: Tx, upstream: string, token: string, expiresAt: Date): Promise<boolean> {
  return store.insertHeard(tx, { upstream, tokenHash: hashToken(token), expiresAt });
}

/** Forgets what is over: up to 10,000 of each kind. */
export const forgetJourneys = store.deleteOld;
