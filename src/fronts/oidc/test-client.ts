/**
 * An app while an operator tests its sign-in. The request goes the whole way of that app, but its answer comes back to a
 * page of ours: for a request with that return address and an open test of the app behind its `state`, and for the
 * exchange of the code inside this process, a client of ours stands in its place. It needs no secret, and from outside it
 * is nobody: whoever asks the token endpoint meets the app itself.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { Provider } from 'oidc-provider';
import type { Clock } from '#kit/clock/clock.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';

/** Where operators begin a test, and where its answer comes back to. */
export const testPath = '/oidc/test';
const place = 'oidc/test';
const longest = 2000;

export interface TestNeeds {
  secrets: Secrets;
  clock: Clock;
}

/** What is known of a test until its answer comes. It travels sealed as its own `state`: beginning one keeps nothing. */
export interface TestLogin {
  application: string;
  person: string;
  browser: string;
  verifier: string;
  nonce: string;
  /** The person had agreed before: what they agree to now is taken back after the test otherwise. */
  agreed: boolean;
  /** Seconds since 1970. */
  exp: number;
}

/** The `state` of this test. */
export function sealTest({ secrets }: TestNeeds, test: TestLogin): string {
  return secrets.seal('oidc', JSON.stringify(test), place).toString('base64url');
}

/** The test behind a `state`; undefined where there is none, or its time is over. */
export function openTest({ secrets, clock }: TestNeeds, state: unknown): TestLogin | undefined {
  if (typeof state !== 'string' || state.length > longest || !/^[A-Za-z0-9_-]+$/.test(state))
    return undefined;
  try {
    const sealed = Buffer.from(state, 'base64url');
    const test = JSON.parse(secrets.open('oidc', sealed, place).toString('utf8')) as TestLogin;
    return test.exp * 1000 > clock.now().getTime() ? test : undefined;
  } catch {
    return undefined;
  }
}

const exchanging = new AsyncLocalStorage<string>();

/** Does the exchange of a test: within it, this app is the client of the test. */
export function asTest<T>(application: string, work: () => Promise<T>): Promise<T> {
  return exchanging.run(application, work);
}

/** Whether the request under way is a test of this app. */
export function isTestOf(needs: TestNeeds & { publicUrl: URL }, application: string): boolean {
  if (exchanging.getStore() === application) return true;
  const oidc = Provider.ctx?.oidc;
  if (oidc?.route !== 'authorization' && oidc?.route !== 'resume') return false;
  const { redirect_uri, state } = oidc.params ?? {};
  return redirect_uri === testUri(needs) && openTest(needs, state)?.application === application;
}

/** The return address of every test. */
export function testUri({ publicUrl }: { publicUrl: URL }): string {
  return new URL(testPath, publicUrl).href;
}
