/**
 * The login as a small state machine. A front asks for a sign-on and gets an address to send the browser to; every
 * step returns here when it is done, never to another step; when nothing is left to ask, the browser goes back to
 * the front, which asks the gate again. Later factors, elevation and questions at sign-in become steps of `nextStep`
 * without any front knowing.
 * Owns `signon_requests`. Refuses requests of another browser.
 */
import { newId } from '#kit/crypto/ids.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { Ask } from './factor-policy.ts';
import type { SignedOn } from './gate.ts';
import type { PendingSignIn } from './proof.ts';
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
  /** Id of the upstream the request asks to come through. */
  upstream?: string;
  /** Assurance level the session must have reached. */
  neededAal?: 2;
  /** Path on our own origin that tells the front that the person gives no more proof. */
  declineTo?: string;
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

const sealed = { purpose: 'sign-on request', mark: 's.' };

/** The longest way back that travels in a path and a cookie; of a longer one the query is left behind. */
const longestSealed = 500;

/**
 * The same for our own pages, which anyone may open as often as they like: nothing is kept, the request travels in the
 * path, sealed for this browser and this hour.
 */
export function sealSignOn(
  secrets: Secrets,
  here: { browser: string; now: Date },
  request: Pick<SignOnRequest, 'front' | 'application' | 'returnTo' | 'provedAfter' | 'loginHint'>,
): string {
  return `/sign-in?request=${seal(secrets, here, request)}`;
}

/** The same where whoever is signed in proves it once more, within the session. */
export function sealAgain(
  secrets: Secrets,
  here: { browser: string; now: Date },
  request: Pick<SignOnRequest, 'front' | 'returnTo'>,
): string {
  return `/sign-in/again?request=${seal(secrets, here, request)}`;
}

function seal(
  secrets: Secrets,
  here: { browser: string; now: Date },
  request: Pick<SignOnRequest, 'front' | 'returnTo'>,
): string {
  if (!isLocalPath(request.returnTo)) throw new TypeError('returnTo must be a path of ours');
  const ways = [request.returnTo, request.returnTo.split('?', 1)[0]!, '/account'];
  const returnTo = ways.find((way) => way.length <= longestSealed);
  const expires = here.now.getTime() + lifetimeSeconds * 1000;
  const text = JSON.stringify({ request: { ...request, returnTo }, expires });
  const id = secrets.seal(sealed.purpose, text, placeOf(here.browser)).toString('base64url');
  return `${sealed.mark}${id}`;
}

function placeOf(browser: string): string {
  return `sign-on/${browser}`;
}

function openSealed(tx: Tx, secrets: Secrets, browser: string, id: string): SignOnRequest | undefined {
  let text: string;
  try {
    const bytes = Buffer.from(id.slice(sealed.mark.length), 'base64url');
    text = secrets.open(sealed.purpose, bytes, placeOf(browser)).toString();
  } catch {
    return undefined;
  }
  const { request, expires } = JSON.parse(text) as { request: SignOnRequest; expires: number };
  return expires > tx.now().getTime() ? request : undefined;
}

/** The open request, if this browser made it. */
export async function openRequest(
  tx: Tx,
  secrets: Secrets,
  browser: string | undefined,
  id: string | undefined,
): Promise<SignOnRequest | undefined> {
  // An address may name it twice; then it is a list, whatever its type says.
  if (!browser || typeof id !== 'string' || !id) return undefined;
  return id.startsWith(sealed.mark) ? openSealed(tx, secrets, browser, id) : store.requestOf(tx, browser, id);
}

/** Where the forms of a page may lead when this request is open. */
export async function returnOrigins(
  tx: Tx,
  secrets: Secrets,
  browser: string,
  id: string | undefined,
): Promise<string[]> {
  return (await openRequest(tx, secrets, browser, id))?.returnOrigins ?? [];
}

export type Step = { ask: 'sign-in' | Ask } | { go: string };

/**
 * What comes next for this browser: something to ask, or the way on. Without a request the account page is next.
 * @param outcome what just ended: a session that was opened, or a sign-in that waits for more
 */
export function nextStep(
  request: SignOnRequest | undefined,
  outcome: Pick<SignedOn, 'session'> | PendingSignIn | undefined,
): Step {
  if (!outcome) return { ask: 'sign-in' };
  if ('pending' in outcome) return { ask: outcome.ask };
  const { authTime, aal } = outcome.session;
  if (request?.provedAfter && authTime.getTime() < Date.parse(request.provedAfter)) return { ask: 'sign-in' };
  if (request?.neededAal && aal < request.neededAal) return { ask: 'second-factor' };
  return { go: request?.returnTo ?? '/account' };
}

const pageOf: Record<'sign-in' | Ask, string> = {
  'sign-in': '/sign-in',
  'second-factor': '/sign-in/second',
  enrol: '/sign-in/enrol',
};

/** The address of a step, on the way to what was requested. */
export function pathOf(step: Step, requestId: string | undefined): string {
  if ('go' in step) return step.go;
  const query = requestId ? `?request=${encodeURIComponent(requestId)}` : '';
  return `${pageOf[step.ask]}${query}`;
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
