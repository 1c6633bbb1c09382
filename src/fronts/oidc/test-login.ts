/**
 * A test login for operators: a real request of an app at our own authorization endpoint, whose answer comes back to a
 * page of ours. The code is exchanged inside this process, the tokens are taken back at once, nobody is joined to the
 * app, and nothing is sent anywhere.
 */
import { createHash, createPublicKey, type JsonWebKey } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { decodeProtectedHeader, jwtVerify } from 'jose';
import {
  type Application,
  consentOf,
  requireApplication,
  withdrawConsent,
} from '#core/applications/applications.ts';
import { deviceGrant } from '#core/applications/oidc-settings.ts';
import { rolesOf } from '#core/operators/operators.ts';
import { may } from '#core/operators/permissions.ts';
import { Problem } from '#core/problem.ts';
import { randomToken } from '#kit/crypto/ids.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { App } from '#kit/http/server.ts';
import { requestSignOn } from '#signon/dispatch.ts';
import type { GateNeeds } from '#signon/gate.ts';
import { type Visit, visit } from '#signon/visit.ts';
import type { Engine } from './engine.ts';
import { askInside } from './exchange.ts';
import { pageNeeds } from './pages.ts';
import { hashId } from './payload-rows.ts';
import { scopeClaims } from './profile.ts';
import { issuerOf, paths } from './provider.ts';
import * as store from './store.ts';
import { asTest, openTest, sealTest, type TestLogin, testPath, testUri } from './test-client.ts';
import { type Arrived, arrivedPage, refusedPage } from './test-pages.ts';

export type TestNeeds = Omit<GateNeeds, 'floorMs'> & { engine: Engine; issuer: URL; publicUrl: URL };

/** What an app that wants to know everything asks for. */
export const testScopes: readonly string[] = ['openid', ...Object.keys(scopeClaims)];

const openSeconds = 600;

/** GET /oidc/test/:application begins one, GET /oidc/test is where its answer comes back to. */
export function testLoginRoutes(app: App, needs: TestNeeds): void {
  app.get(`${testPath}/:application`, { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(pageNeeds(needs, request), request);
    const { application } = request.params as { application: string };
    return reply.redirect(await begin(needs, here, application), 303);
  });
  app.get(testPath, { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(pageNeeds(needs, request), request);
    return arrive(needs, here, request, reply);
  });
}

/** The app as it is, for an operator who may change it. Whoever may not learns nothing of it. */
async function requireTested(tx: Tx, person: string, id: string): Promise<Application> {
  if (!may(await rolesOf(tx, person), 'applications.write', id)) throw new Problem('operator-forbidden');
  const application = await requireApplication(tx, id);
  const grants = application.settings.oidc?.grants ?? [];
  if (!grants.includes('authorization_code') && !grants.includes(deviceGrant)) throw new Problem('not-found');
  return application;
}

/** The address that a browser of this app would be sent to; whoever is not signed in signs in first. */
async function begin(needs: TestNeeds, here: Visit, id: string): Promise<string> {
  const { signedOn, browser } = here;
  if (!signedOn) {
    const returnTo = `${testPath}/${encodeURIComponent(id)}`;
    return needs.database.transact(here.context, (tx) =>
      requestSignOn(tx, browser, { front: 'oidc', returnTo }),
    );
  }
  const person = signedOn.person.id;
  const agreed = await needs.database.read(here.context, async (tx) => {
    await requireTested(tx, person, id);
    return (await consentOf(tx, person, id)) !== undefined;
  });
  const [verifier, nonce] = [randomToken(), randomToken()];
  const exp = Math.floor(needs.clock.now().getTime() / 1000) + openSeconds;
  const state = sealTest(needs, { application: id, person, browser, verifier, nonce, agreed, exp });
  const query = new URLSearchParams({
    client_id: id,
    redirect_uri: testUri(needs),
    response_type: 'code',
    scope: testScopes.join(' '),
    state,
    nonce,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  });
  return `${paths.authorization}?${query}`;
}

/** Takes the answer as an app would: of this browser and person; the code in it counts once. */
async function arrive(
  needs: TestNeeds,
  here: Visit,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { state = '', code, error, error_description, iss } = request.query as Record<string, string>;
  const test = openTest(needs, state);
  if (!test || test.browser !== here.browser || test.person !== here.signedOn?.person.id)
    throw new Problem('request-expired');
  const application = await needs.database.read(here.context, (tx) =>
    requireTested(tx, test.person, test.application),
  );
  const whole = { needs, here, request, reply, application };
  if (iss !== issuerOf(needs.issuer) || (code === undefined) === (error === undefined))
    throw new Problem('request-expired');
  const got =
    code === undefined ? { error, description: error_description } : await exchange(whole, test, code);
  const wasAsked = await takeBackConsent(needs, here, test);
  return 'claims' in got ? arrivedPage({ ...whole, wasAsked }, got) : refusedPage(whole, got);
}

interface Whole {
  needs: TestNeeds;
  request: FastifyRequest;
  reply: FastifyReply;
}

type Refused = { error?: string; description?: string };

/** The code against tokens, the access token against userinfo, and both gone again. */
async function exchange(whole: Whole, test: TestLogin, code: string): Promise<Arrived | Refused> {
  const { needs, request, reply } = whole;
  const provider = needs.engine.provider();
  const ask = (asked: Parameters<typeof askInside>[2]) =>
    asTest(test.application, () => askInside(provider, { request, reply }, asked));
  const tokens = await ask({
    method: 'POST',
    url: paths.token,
    form: {
      grant_type: 'authorization_code',
      client_id: test.application,
      code,
      redirect_uri: testUri(needs),
      code_verifier: test.verifier,
    },
  });
  const { access_token, id_token } = tokens as { access_token?: string; id_token?: string };
  if (access_token === undefined || id_token === undefined) return refusedBy(tokens);
  try {
    const claims = await verified(needs, test, id_token);
    const userinfo = await ask({ method: 'GET', url: paths.userinfo, bearer: access_token });
    return userinfo.error === undefined ? { claims, userinfo, idToken: id_token } : refusedBy(userinfo);
  } finally {
    await store.deleteGrantOf(needs.database, 'AccessToken', hashId('AccessToken', access_token));
  }
}

function refusedBy(answer: Record<string, unknown>): Refused {
  return { error: String(answer.error), description: String(answer.error_description ?? '') };
}

/** The claims of an ID token, checked as the app has to (OIDC Core §3.1.3.7). */
async function verified(
  { engine, issuer }: TestNeeds,
  test: TestLogin,
  token: string,
): Promise<Record<string, unknown>> {
  const { kid } = decodeProtectedHeader(token);
  const jwk = engine.keys().jwks.find((one) => one.kid === kid);
  const key = createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' });
  const checks = { issuer: issuerOf(issuer), audience: test.application };
  const { payload } = await jwtVerify(token, key, checks);
  if (payload.nonce !== test.nonce) throw new Error('the ID token of a test is not of this test');
  return payload;
}

/** Whether the person was asked in this test: what they agreed to lasts no longer than it. */
async function takeBackConsent(needs: TestNeeds, here: Visit, test: TestLogin): Promise<boolean> {
  if (test.agreed) return false;
  return needs.database.transact(here.context, async (tx) => {
    const given = await consentOf(tx, test.person, test.application);
    if (given) await withdrawConsent(tx, test.person, test.application);
    return given !== undefined;
  });
}
