/**
 * An app while an operator tests its sign-in. The request goes the whole way of that app, but its answer comes back to a
 * page of ours: for a request with that return address and an open test of the app behind its `state`, and for the
 * exchange of the code inside this process, a client of ours stands in its place. It needs no secret, and from outside it
 * is nobody: whoever asks the token endpoint meets the app itself.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { type AdapterPayload, Provider } from 'oidc-provider';
import { type AdapterNeeds, hashId, openPayload, payloadRow } from './adapter.ts';
import * as store from './store.ts';

/** Where operators begin a test, and where its answer comes back to. */
export const testPath = '/oidc/test';
const kind = 'TestLogin';

/** What is kept of a test until its answer comes. */
export interface TestLogin {
  application: string;
  person: string;
  session: string;
  browser: string;
  verifier: string;
  nonce: string;
  /** The person had agreed before: what they agree to now is taken back after the test otherwise. */
  agreed: boolean;
  /** Seconds since 1970. */
  exp: number;
}

/** Keeps an open test under its `state`. */
export async function keepTest(needs: AdapterNeeds, state: string, test: TestLogin): Promise<void> {
  const payload = {
    ...test,
    clientId: test.application,
    accountId: test.person,
  } as unknown as AdapterPayload;
  await store.savePayloads(needs.database, [
    payloadRow(needs, { kind, id: state, payload, session: test.session }),
  ]);
}

/** The open test with this `state`. */
export async function findTest(needs: AdapterNeeds, state: unknown): Promise<TestLogin | undefined> {
  if (typeof state !== 'string' || !/^[A-Za-z0-9_-]{43}$/.test(state)) return undefined;
  const id = hashId(kind, state);
  const [found] = await store.findPayloads(needs.database, [{ kind, id }]);
  if (!found || found.consumedAt) return undefined;
  const test = openPayload(needs.secrets, { kind, id, sealed: found.sealed }) as unknown as TestLogin;
  return test.exp * 1000 > needs.clock.now().getTime() ? test : undefined;
}

/** Ends it: of any number of answers one is taken. */
export async function takeTest(needs: AdapterNeeds, state: string): Promise<boolean> {
  const [won] = await store.consumePayloads(
    needs.database,
    [{ kind, id: hashId(kind, state) }],
    needs.clock.now(),
  );
  return won ?? false;
}

const exchanging = new AsyncLocalStorage<string>();

/** Does the exchange of a test: within it, this app is the client of the test. */
export function asTest<T>(application: string, work: () => Promise<T>): Promise<T> {
  return exchanging.run(application, work);
}

/** Whether the request under way is a test of this app. */
export async function isTestOf(
  needs: AdapterNeeds & { publicUrl: URL },
  application: string,
): Promise<boolean> {
  if (exchanging.getStore() === application) return true;
  const oidc = Provider.ctx?.oidc;
  if (oidc?.route !== 'authorization' && oidc?.route !== 'resume') return false;
  const { redirect_uri, state } = oidc.params ?? {};
  if (redirect_uri !== testUri(needs)) return false;
  return (await findTest(needs, state))?.application === application;
}

/** The return address of every test. */
export function testUri({ publicUrl }: { publicUrl: URL }): string {
  return new URL(testPath, publicUrl).href;
}
