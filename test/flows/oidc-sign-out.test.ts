/** Signing out of apps: by the app, by us, and what every app is told. `openid-client` is the app here. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as client from 'openid-client';
import { findByIdentifier } from '#core/people/people.ts';
import { endSessions } from '#core/sessions/sessions.ts';
import { system } from '#kit/db/database.ts';
import { type Platform, startPlatform } from '../kit.ts';
import type { Visitor } from '../visitor.ts';
import { communityFile, decode, Party, passwords, secret } from './oidc-party.ts';

/** Takes logout tokens, and answers as it is told. */
class Sink {
  readonly tokens: string[] = [];
  answers: number[] = [];
  #server: Server;
  url = '';

  constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk) => chunks.push(chunk));
      request.on('end', () => {
        const form = new URLSearchParams(Buffer.concat(chunks).toString());
        this.tokens.push(form.get('logout_token') ?? '');
        response.writeHead(this.answers.shift() ?? 200).end();
      });
    });
  }

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/backchannel`;
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

let platform: Platform;
const sink = new Sink();
const redirectUri = 'http://127.0.0.1:9/callback';
const bye = 'http://127.0.0.1:9/bye';

before(async () => {
  await sink.start();
  platform = await startPlatform({
    realTime: true,
    env: { GATEHOUSE_OUTBOUND_ALLOW: new URL(sink.url).host },
  });
  await platform.apply(communityFile);
  const app = (id: string, alg: string) => `
  - id: ${id}
    title: ${id}
    secret: ${secret}
    consent: trusted
    oidc:
      redirectUris: [${redirectUri}]
      postLogoutRedirectUris: [${bye}]
      backchannelLogoutUri: ${sink.url}
      idTokenAlg: ${alg}`;
  await platform.apply(`applications:${app('told', 'RS256')}${app('told-too', 'ES256')}`);
});
after(() => sink.stop());

async function signedIn(name: keyof typeof passwords): Promise<Visitor> {
  const visitor = platform.visitor();
  await visitor.signIn(name, passwords[name]);
  return visitor;
}

const told = (id = 'told') => new Party(platform, { id });
const endUrl = (given: Record<string, string>) =>
  `${platform.origin}/oidc/session/end?${new URLSearchParams(given)}`;

async function isSignedIn(visitor: Visitor): Promise<boolean> {
  const seen = await visitor.request(told().authorizationUrl({ prompt: 'none' }));
  return new URL(seen.headers.get('location')!).searchParams.has('code');
}

test('openid-client discovers, signs in, refreshes, notices reuse and signs out', async () => {
  const configuration = await client.discovery(new URL(platform.origin), 'told', secret, undefined, {
    execute: [client.allowInsecureRequests],
  });
  const verifier = client.randomPKCECodeVerifier();
  const state = client.randomState();
  const nonce = client.randomNonce();
  const url = client.buildAuthorizationUrl(configuration, {
    redirect_uri: redirectUri,
    scope: 'openid profile email',
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
    max_age: '3600',
  });
  const visitor = platform.visitor();
  await visitor.open(url.href);
  const seen = await visitor.submit({ username: 'ada', password: passwords.ada }, '/sign-in');
  const tokens = await client.authorizationCodeGrant(configuration, new URL(seen.headers.get('location')!), {
    pkceCodeVerifier: verifier,
    expectedState: state,
    expectedNonce: nonce,
    idTokenExpected: true,
    maxAge: 3600,
  });
  const { sub } = tokens.claims()!;
  const info = await client.fetchUserInfo(configuration, tokens.access_token, sub);
  assert.equal(info.preferred_username, 'ada');
  assert.equal((await client.tokenIntrospection(configuration, tokens.access_token)).active, true);
  const second = await client.refreshTokenGrant(configuration, tokens.refresh_token!);
  assert.equal(second.claims()?.sub, sub);
  const reused = client.refreshTokenGrant(configuration, tokens.refresh_token!);
  await assert.rejects(reused, (error: { error?: string }) => error.error === 'invalid_grant');
  await assert.rejects(client.refreshTokenGrant(configuration, second.refresh_token!));
  const own = await client
    .clientCredentialsGrant(configuration)
    .catch((error: { error: string }) => error.error);
  assert.equal(own, 'invalid_request', 'a grant the app was not given');
  const end = client.buildEndSessionUrl(configuration, {
    id_token_hint: tokens.id_token!,
    post_logout_redirect_uri: bye,
    state: 'x y',
  });
  const left = await visitor.open(end.href);
  assert.equal(left.status, 303);
  assert.equal(left.headers.get('location'), `${bye}?state=x+y`);
  assert.equal(await isSignedIn(visitor), false);
});

test('OA-22 a hint that names this session asks nothing; any other does; exact return addresses alone are followed', async () => {
  const visitor = await signedIn('ada');
  const hint = (await told().tokens(visitor)).id_token!;
  const elsewhere = await signedIn('ada');
  const others = (await told().tokens(elsewhere)).id_token!;
  const good = { id_token_hint: hint, post_logout_redirect_uri: bye };
  const refused: Record<string, string>[] = [
    { ...good, post_logout_redirect_uri: `${bye}/` },
    { ...good, post_logout_redirect_uri: 'https://example.org/' },
    { ...good, post_logout_redirect_uri: redirectUri },
    { ...good, post_logout_redirect_uri: 'http://127.0.0.1:9/bye?x' },
    { ...good, client_id: 'tracker' },
    { client_id: 'told', post_logout_redirect_uri: 'http://127.0.0.1:10/bye' },
  ];
  for (const given of refused) {
    const seen = await visitor.request(endUrl(given));
    assert.equal(seen.status, 400, JSON.stringify(given));
    assert.equal(seen.headers.get('location'), null);
    assert.match(seen.text, /<h1[^>]*>Signing out did not work/);
    assert.match(seen.text, /href="\/"[^>]*>Go to the start page/);
  }
  const [head, body, signature] = hint.split('.');
  const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${body}.`;
  const asked: Record<string, string>[] = [
    {},
    { post_logout_redirect_uri: bye },
    { client_id: 'told', post_logout_redirect_uri: bye },
    { ...good, id_token_hint: others },
    { ...good, id_token_hint: none, client_id: 'told' },
    { ...good, id_token_hint: `${head}.${body}.${signature!.slice(0, -4)}AAAA`, client_id: 'told' },
    { id_token_hint: 'x' },
    { client_id: 'nobody', post_logout_redirect_uri: 'https://example.org/' },
  ];
  for (const given of asked) {
    const seen = await visitor.request(endUrl(given));
    assert.equal(seen.status, 200, JSON.stringify(given));
    assert.match(seen.text, /id="sign-out"/);
    assert.equal(await isSignedIn(visitor), true);
  }
  const direct = await visitor.request(endUrl({ ...good, state: 's' }));
  assert.equal(direct.status, 303);
  assert.equal(direct.headers.get('location'), `${bye}?state=s`);
  assert.equal(await isSignedIn(visitor), false);
  assert.equal(await isSignedIn(elsewhere), true);
  const again = await visitor.request(endUrl(good));
  assert.equal(again.headers.get('location'), bye, 'nothing is left to end');
});

test('OA-22 the page to confirm needs a form of ours, and leads back with the state', async () => {
  const visitor = await signedIn('ada');
  await visitor.open(endUrl({ client_id: 'told', post_logout_redirect_uri: bye, state: '<b>' }));
  const action = '/oidc/session/end/confirm';
  const page = visitor.page;
  const { fields } = visitor.formOf(action);
  const forged = await visitor.request(action, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: 'http://127.0.0.1:9' },
    body: new URLSearchParams(fields).toString(),
  });
  assert.equal(forged.status, 403);
  visitor.page = page;
  assert.equal(
    (await visitor.submit({ post_logout_redirect_uri: 'https://example.org/' }, action)).status,
    400,
  );
  assert.equal(await isSignedIn(visitor), true);
  visitor.page = page;
  const seen = await visitor.submit({}, action);
  assert.equal(seen.headers.get('location'), `${bye}?state=%3Cb%3E`);
  assert.equal(await isSignedIn(visitor), false);
});

test('OA-22 an app may ask by a form of its own, from its own site', async () => {
  const visitor = await signedIn('ada');
  const hint = (await told().tokens(visitor)).id_token!;
  const seen = await visitor.open('/oidc/session/end', {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: 'http://127.0.0.1:9' },
    body: new URLSearchParams({ id_token_hint: hint, post_logout_redirect_uri: bye }).toString(),
  });
  assert.equal(seen.headers.get('location'), bye);
  assert.equal(await isSignedIn(visitor), false);
});

test('OA-22 SE-03 every app of a session is told by a typed token, by whatever door the session ended', async () => {
  const keys = createRemoteJWKSet(new URL(`${platform.origin}/oidc/jwks`));
  const ada = await platform.database.read(system(), (tx) => findByIdentifier(tx, 'ada'));
  const doors: ((visitor: Visitor) => Promise<unknown>)[] = [
    async (visitor) => {
      await visitor.open('/sign-out');
      await visitor.submit({}, '/sign-out');
    },
    () => platform.database.transact(system('admin'), (tx) => endSessions(tx, ada!.id, 'test')),
  ];
  for (const door of doors) {
    const visitor = await signedIn('ada');
    const one = await told().tokens(visitor);
    const two = await told('told-too').tokens(visitor);
    sink.tokens.length = 0;
    await door(visitor);
    assert.equal((await told().userinfo(one.access_token)).status, 401, 'refused from the commit on');
    await platform.settle();
    const { sid } = decode(one.id_token!).claims;
    const mine = sink.tokens.filter((jwt) => decode(jwt).claims.sid === sid);
    assert.equal(mine.length, 2);
    for (const [id, given] of [
      ['told', one],
      ['told-too', two],
    ] as const) {
      const token = mine.find((jwt) => decode(jwt).claims.aud === id)!;
      const { payload, protectedHeader } = await jwtVerify(token, keys, {
        issuer: platform.origin,
        audience: id,
        typ: 'logout+jwt',
      });
      const { claims } = decode(given.id_token!);
      assert.equal(payload.sid, claims.sid);
      assert.equal(payload.sub, claims.sub);
      assert.equal(payload.nonce, undefined);
      assert.ok(payload.jti);
      assert.ok(payload.exp! - payload.iat! <= 120);
      assert.deepEqual(payload.events, { 'http://schemas.openid.net/event/backchannel-logout': {} });
      assert.equal(protectedHeader.alg, id === 'told' ? 'RS256' : 'ES256');
    }
    const rows = await platform.database.query<{ state: string }>('select state from oidc_logouts');
    assert.ok(rows.every((row) => row.state === 'confirmed'));
    const left = await platform.database.query(
      'select kind from oidc_payloads p join sessions s on s.id = p.session where s.ended_at is not null',
    );
    assert.deepEqual(left, [], 'nothing is kept of an ended session');
  }
});

test('an app that fails is told again, one that refuses is not', async () => {
  const visitor = await signedIn('bob');
  await told().tokens(visitor);
  sink.tokens.length = 0;
  sink.answers = [503];
  await visitor.open('/sign-out');
  await visitor.submit({}, '/sign-out');
  const until = Date.now() + 8000;
  while (sink.tokens.length < 2 && Date.now() < until) await platform.settle();
  assert.equal(sink.tokens.length, 2);
  const again = await signedIn('bob');
  await told().tokens(again);
  sink.tokens.length = 0;
  sink.answers = [400];
  await again.open('/sign-out');
  await again.submit({}, '/sign-out');
  await platform.settle();
  assert.equal(sink.tokens.length, 1);
  const rows = await platform.database.query<{ state: string; answer: string }>(
    `select state, answer from oidc_logouts where state = 'failed'`,
  );
  assert.deepEqual(rows, [{ state: 'failed', answer: 'HTTP 400' }]);
});
