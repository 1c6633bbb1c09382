/**
 * The login as a small state machine. A front asks for a sign-on and gets an address to send the browser to; every
 * step returns here when it is done, never to another step; when nothing is left to ask, the browser goes back to
 * the front, which asks the gate again. Later factors, elevation and questions at sign-in become steps of `nextStep`
 * without any front knowing.
 * Owns `signon_requests`. Refuses requests of another browser.
 */
import { newId } from '#kit/crypto/ids.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { SignedOn } from './gate.ts';
import * as store from './store.ts';

export interface SignOnRequest {
  front: string;
  application?: string;
  /** Path on our own origin where the front goes on. */
  returnTo: string;
  /** Origins the way back leads through: browsers apply a page's form-action to redirects after its form too. */
  returnOrigins?: string[];
  /** Proof given before this moment does not count (`prompt=login`, `max_age`). */
  provedAfter?: string;
  loginHint?: string;
  uiLocales?: string;
  acrValues?: string[];
}

/** An hour to sign in, also for those who look for their password first. */
const lifetimeSeconds = 3600;

/** Keeps what a front asks for and returns the path that starts the sign-on. */
export async function requestSignOn(tx: Tx, browser: string, request: SignOnRequest): Promise<string> {
  if (!isLocalPath(request.returnTo)) throw new TypeError('returnTo must be a path of ours');
  const id = newId();
  await store.insertRequest(tx, { id, browser, request, lifetimeSeconds });
  return `/sign-in?request=${id}`;
}

/** The open request, if this browser made it. */
export async function openRequest(
  tx: Tx,
  browser: string | undefined,
  id: string | undefined,
): Promise<SignOnRequest | undefined> {
  return browser && id ? store.requestOf(tx, browser, id) : undefined;
}

/** Where the forms of a page may lead when this request is open. */
export async function returnOrigins(tx: Tx, browser: string, id: string | undefined): Promise<string[]> {
  return (await openRequest(tx, browser, id))?.returnOrigins ?? [];
}

export type Step = { ask: 'sign-in' } | { go: string };

/** What comes next for this browser: something to ask, or the way on. Without a request the account page is next. */
export function nextStep(request: SignOnRequest | undefined, signedOn: SignedOn | undefined): Step {
  if (!signedOn) return { ask: 'sign-in' };
  if (request?.provedAfter && signedOn.session.authTime.getTime() < Date.parse(request.provedAfter)) {
    return { ask: 'sign-in' };
  }
  return { go: request?.returnTo ?? '/account' };
}

/** Where the request for a page leads back to: its path, with its query unless that is too long or not plain. */
export function pathBack(url: string): string {
  const path = url.split('?', 1)[0] ?? '';
  return [url, path].find(isLocalPath) ?? '/account';
}

/** A path on our own origin and nothing a browser could read as another host (FE-05). */
export function isLocalPath(path: string): boolean {
  return path.length <= 2000 && /^\/(?![/\\])/.test(path) && !/[\\\u0000-\u0020\u007f]/.test(path);
}
