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
  | { kind: 'link'; person: string; session: string };

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
  const sound = typeof handle === 'string' && /^[A-Za-z0-9_-]{43}$/.test(handle);
  const found = sound && (await store.useJourney(tx, { handleHash: hashToken(handle), browser, upstream }));
  if (!found) throw new Problem('upstream-stray');
  return { ...found, handle, ...derived(secrets, found.id) };
}

/** Notes what may be heard once only, until it would have ended anyway. False when it was heard before. */
export async function hearOnce(tx: Tx, upstream: string, token: string, expiresAt: Date): Promise<boolean> {
  return store.insertHeard(tx, { upstream, tokenHash: hashToken(token), expiresAt });
}

/** Forgets what is over: up to 10,000 of each kind. */
export const forgetJourneys = store.deleteOld;
