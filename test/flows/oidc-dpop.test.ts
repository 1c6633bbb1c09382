/** Tokens that count only with proof of a key (RFC 9449) and requests pushed beforehand (RFC 9126), by openid-client. */
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, KeyObject, randomUUID } from 'node:crypto';
import { before, mock, test } from 'node:test';
import { exportJWK, SignJWT } from 'jose';
import * as client from 'openid-client';
import { type Platform, startPlatform } from '../kit.ts';
import type { Visitor } from '../visitor.ts';
import { communityFile, Party, passwords, secret } from './oidc-party.ts';

const redirectUri = 'http://127.0.0.1:9/callback';
let platform: Platform;
let second: Platform;
before(async () => {
  platform = await startPlatform({ poolSize: 20 });
  await platform.apply(`${communityFile}
  - id: bound
    title: Bound
    secret: ${secret}
    consent: trusted
    oidc: { redirectUris: ["${redirectUri}"], dpop: required, grants: [authorization_code, refresh_token, client_credentials] }
  - id: program
    title: Program
    consent: trusted
    oidc: { redirectUris: ["https://app.example.org/callback"], clientAuth: none }
`);
  second = await platform.again();
});

async function signedIn(name: keyof typeof passwords): Promise<Visitor> {
  const visitor = platform.visitor();
  await visitor.signIn(name, passwords[name]);
  return visitor;
}

function party(id: string, given?: string): Promise<client.Configuration> {
  const auth = given ? client.ClientSecretBasic(given) : client.None();
  const execute = [client.allowInsecureRequests];
  return client.discovery(new URL(platform.origin), id, {}, auth, { execute });
}

interface Way {
  par?: boolean;
  key?: client.DPoPHandle;
  redirect?: string;
  more?: Record<string, string>;
}

/** A whole sign-in of an app. */
async function tokensOf(config: client.Configuration, visitor: Visitor, way: Way = {}) {
  const verifier = client.randomPKCECodeVerifier();
  const state = client.randomState();
  const parameters = {
    redirect_uri: way.redirect ?? redirectUri,
    scope: 'openid profile',
    state,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    ...way.more,
  };
  const url = way.par
    ? await client.buildAuthorizationUrlWithPAR(config, parameters, { DPoP: way.key })
    : client.buildAuthorizationUrl(config, parameters);
  const seen = await visitor.open(url.href);
  const back = new URL(seen.headers.get('location') ?? 'about:blank');
  const checks = { pkceCodeVerifier: verifier, expectedState: state };
  return client.authorizationCodeGrant(config, back, checks, undefined, { DPoP: way.key });
}

const pair = (): { privateKey: KeyObject; publicKey: KeyObject } =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' });

interface ProofInput {
  url: string;
  method?: string;
  token?: string;
  claims?: Record<string, unknown>;
  keys?: { privateKey: KeyObject; publicKey: KeyObject };
}

/** A proof by our own hand, so that it can be used twice. */
async function proof({
  url,
  method = 'POST',
  token,
  claims = {},
  keys = pair(),
}: ProofInput): Promise<string> {
  const payload = {
    jti: randomUUID(),
    htm: method,
    htu: url,
    iat: Math.floor(Date.now() / 1000),
    ...(token && { ath: createHash('sha256').update(token).digest('base64url') }),
    ...claims,
  };
  const header = { alg: 'ES256', typ: 'dpop+jwt', jwk: await exportJWK(keys.publicKey) };
  return new SignJWT(payload).setProtectedHeader(header).sign(keys.privateKey);
}

const basic = (id: string) => `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;

/** Asks for a token of the app itself at a node. */
async function ask(node: Platform, dpop: string | undefined, id = 'bound') {
  const response = await fetch(`${node.origin}/oidc/token`, {
    method: 'POST',
    headers: {
      authorization: basic(id),
      'content-type': 'application/x-www-form-urlencoded',
      ...(dpop && { dpop }),
    },
    body: 'grant_type=client_credentials',
  });
  return { status: response.status, body: (await response.json()) as Record<string, string> };
}

test('an app gives proof of a key with openid-client, and its tokens count with that key alone', async () => {
  const config = await party('program');
  const keys = await client.randomDPoPKeyPair();
  const key = client.getDPoPHandle(config, keys);
  const ada = await signedIn('ada');
  const redirect = 'https://app.example.org/callback';
  const tokens = await tokensOf(config, ada, { key, redirect });
  assert.equal(tokens.token_type, 'dpop');
  const { sub } = tokens.claims()!;
  const told = await client.fetchUserInfo(config, tokens.access_token, sub, { DPoP: key });
  assert.equal(told.name, 'Ada Lovelace');

  // Stolen: without proof, with that of another key, as a bearer token.
  const other = client.getDPoPHandle(config, await client.randomDPoPKeyPair());
  await assert.rejects(client.fetchUserInfo(config, tokens.access_token, sub, { DPoP: other }));
  await assert.rejects(client.fetchUserInfo(config, tokens.access_token, sub));
  assert.equal((await new Party(platform, { id: 'program' }).userinfo(tokens.access_token)).status, 401);
  // The refresh token of an app without a secret is bound to the key too (RFC 9449 §5).
  await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token!, undefined, { DPoP: other }));
  await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token!));
  const renewed = await client.refreshTokenGrant(config, tokens.refresh_token!, undefined, { DPoP: key });
  assert.equal(renewed.token_type, 'dpop');
  await client.fetchUserInfo(config, renewed.access_token, sub, { DPoP: key });
});

test('an app that has to give proof gets nothing without it; what it holds says whose key it is', async () => {
  const config = await party('bound', secret);
  const ada = await signedIn('ada');
  await assert.rejects(tokensOf(config, ada), /DPoP proof JWT not provided|invalid_grant|server responded/);
  assert.equal((await ask(platform, undefined)).status, 400);
  const key = client.getDPoPHandle(config, await client.randomDPoPKeyPair());
  const tokens = await tokensOf(config, ada, { key });
  const seen = await client.tokenIntrospection(config, tokens.access_token);
  assert.equal(seen.active, true);
  assert.equal(seen.token_type, 'DPoP');
  assert.equal(seen.cnf?.jkt, await key.calculateThumbprint());
});

test('a pushed request fixes the key: its code is worth nothing with another one', async () => {
  const config = await party('tracker', secret);
  const key = client.getDPoPHandle(config, await client.randomDPoPKeyPair());
  const other = client.getDPoPHandle(config, await client.randomDPoPKeyPair());
  const ada = await signedIn('ada');
  const tokens = await tokensOf(config, ada, { par: true, key });
  assert.equal(tokens.token_type, 'dpop');
  const jkt = await key.calculateThumbprint();
  for (const wrong of [other, undefined])
    await assert.rejects(tokensOf(config, ada, { par: true, key: wrong, more: { dpop_jkt: jkt } }));
});

test('OA-12 a proof counts once on all nodes: at once and one after the other, for tokens, userinfo and pushed requests', async () => {
  const nodes = [platform, second];
  const url = `${platform.origin}/oidc/token`;
  // The nodes have ports of their own here; behind one address they would share it.
  const urlOf = (node: Platform, path: string) => `${node.origin}${path}`;
  const one = await proof({ url });
  assert.equal((await ask(platform, one)).status, 200);
  assert.equal((await ask(platform, one)).body.error, 'invalid_grant');

  // At once, many times, on both nodes: the same jti of the same app. One wins.
  for (let round = 0; round < 3; round += 1) {
    const jti = randomUUID();
    const keys = pair();
    const proofs = await Promise.all(
      nodes.map((node) => proof({ url: urlOf(node, '/oidc/token'), keys, claims: { jti } })),
    );
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => ask(nodes[index % 2]!, proofs[index % 2])),
    );
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    assert.ok(answers.every(({ status, body }) => status === 200 || body.error === 'invalid_grant'));
  }

  // At userinfo.
  const config = await party('tracker', secret);
  const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign']);
  const key = client.getDPoPHandle(config, keys);
  const { access_token: token } = await tokensOf(config, await signedIn('bob'), { key });
  const own = { privateKey: keyOf(keys.privateKey), publicKey: keyOf(keys.publicKey) };
  const jti = randomUUID();
  const shown = await Promise.all(
    nodes.map((node) =>
      proof({ url: urlOf(node, '/oidc/userinfo'), method: 'GET', token, keys: own, claims: { jti } }),
    ),
  );
  const statuses = await Promise.all(
    Array.from({ length: 30 }, async (_, index) => {
      const headers = { authorization: `DPoP ${token}`, dpop: shown[index % 2]! };
      return (await fetch(urlOf(nodes[index % 2]!, '/oidc/userinfo'), { headers })).status;
    }),
  );
  assert.equal(statuses.filter((status) => status === 200).length, 1);
  assert.equal(statuses.filter((status) => status === 401).length, 29);

  // At the endpoint for pushed requests.
  const push = async (node: Platform, dpop: string) => {
    const body = new URLSearchParams({
      client_id: 'tracker',
      response_type: 'code',
      redirect_uri: redirectUri,
      scope: 'openid',
      code_challenge: 'x'.repeat(43),
      code_challenge_method: 'S256',
    });
    const headers = { authorization: basic('tracker'), dpop };
    return (await fetch(urlOf(node, '/oidc/par'), { method: 'POST', headers, body })).status;
  };
  const again = randomUUID();
  const pushes = await Promise.all(
    nodes.map((node) => proof({ url: urlOf(node, '/oidc/par'), claims: { jti: again } })),
  );
  const pushed = await Promise.all(
    Array.from({ length: 20 }, (_, index) => push(nodes[index % 2]!, pushes[index % 2]!)),
  );
  assert.equal(pushed.filter((status) => status === 201).length, 1);
  assert.equal(pushed.filter((status) => status === 400).length, 19);
});

function keyOf(key: CryptoKey): KeyObject {
  return KeyObject.from(key);
}

test('OA-12 a proof is remembered for longer than it counts, and then forgotten', async () => {
  const url = `${platform.origin}/oidc/token`;
  const start = Date.now();
  const ahead = await proof({ url, claims: { iat: Math.floor(start / 1000) + 290 } });
  assert.equal((await ask(platform, ahead)).status, 200);
  const [row] = await platform.database.query<{ ends: Date }>(
    'select max(expires_at) as ends from oidc_replays',
  );
  // It would count for five minutes after its `iat`.
  assert.ok(row!.ends.getTime() > start + 590_000, row!.ends.toISOString());
  mock.timers.enable({ apis: ['Date'], now: start + 585_000 });
  try {
    assert.equal((await ask(platform, ahead)).body.error, 'invalid_grant');
    mock.timers.setTime(start + 600_000);
    assert.equal((await ask(platform, ahead)).body.error, 'invalid_dpop_proof');
  } finally {
    mock.timers.reset();
  }
  for (const iat of [-310, 310]) {
    const stale = await proof({ url, claims: { iat: Math.floor(Date.now() / 1000) + iat } });
    assert.equal((await ask(platform, stale)).body.error, 'invalid_dpop_proof', String(iat));
  }
  platform.clock.set(new Date(start + 3_600_000));
  const { deleteExpiredReplays } = await import('#fronts/oidc/replays.store.ts');
  assert.ok((await deleteExpiredReplays(platform.database, platform.clock.now())) > 0);
  const left = await platform.database.query('select 1 from oidc_replays');
  assert.equal(left.length, 0);
});

test('PAR: a pushed request counts once, for its app alone, for a minute, and says all there is', async () => {
  const tracker = new Party(platform, { id: 'tracker' });
  const push = async (more: Record<string, string> = {}, by = tracker) => {
    const query = new URL(by.authorizationUrl(more)).searchParams;
    return by.post('/oidc/par', Object.fromEntries(query));
  };
  const ada = await signedIn('ada');
  const open = async (id: string, uri: string, more: Record<string, string> = {}) => {
    const query = new URLSearchParams({ client_id: id, request_uri: uri, ...more });
    return ada.open(`${platform.origin}/oidc/auth?${query}`);
  };
  const codeIn = (seen: { headers: Headers }) => {
    const to = seen.headers.get('location');
    return to?.startsWith(redirectUri) ? new URL(to).searchParams.get('code') : null;
  };

  const made = await push();
  assert.equal(made.status, 201);
  assert.equal(made.body.expires_in, 60);
  const uri = String(made.body.request_uri);
  assert.match(uri, /^urn:ietf:params:oauth:request_uri:/);
  // What stands beside it in the address changes nothing.
  const seen = await open('tracker', uri, {
    scope: 'openid email groups',
    state: 'other',
    redirect_uri: 'https://evil.example/',
  });
  const code = codeIn(seen);
  assert.ok(code, seen.text.slice(0, 500));
  assert.equal(new URL(seen.headers.get('location')!).searchParams.get('state'), 'state-1');
  const got = await tracker.exchange(code);
  assert.equal(got.body.scope, 'openid profile email');
  assert.equal(codeIn(await open('tracker', uri)), null, 'used twice');

  const foreign = String((await push()).body.request_uri);
  const refused = await open('commons', foreign);
  assert.equal(refused.status, 400);
  assert.equal(codeIn(refused), null);
  const both = String((await push()).body.request_uri);
  const raced = await Promise.all(
    Array.from({ length: 20 }, () =>
      ada.request(
        `${platform.origin}/oidc/auth?${new URLSearchParams({ client_id: 'tracker', request_uri: both })}`,
      ),
    ),
  );
  assert.equal(raced.filter((one) => codeIn(one)).length, 1);
  const late = String((await push()).body.request_uri);
  mock.timers.enable({ apis: ['Date'], now: Date.now() + 61_000 });
  try {
    assert.equal(codeIn(await open('tracker', late)), null, 'too late');
  } finally {
    mock.timers.reset();
  }

  // OA-07, and nothing is accepted here that would be refused there.
  const stranger = new Party(platform, { id: 'tracker', secret: 'x'.repeat(43) });
  assert.equal((await push({}, stranger)).status, 401);
  assert.equal((await push({}, new Party(platform, { id: 'nobody' }))).status, 401);
  assert.equal((await push({ redirect_uri: 'https://evil.example/' })).status, 400);
  assert.equal((await push({ code_challenge_method: 'plain' })).status, 400);
  assert.equal((await push({ response_type: 'token' })).status, 400);
  assert.equal((await push({ request_uri: foreign })).status, 400);
});

test('PAR: an app that finds it in the discovery document uses it', async () => {
  const config = await party('tracker', secret);
  const { sub } = (await tokensOf(config, await signedIn('ada'), { par: true })).claims()!;
  const usual = await tokensOf(config, await signedIn('ada'));
  assert.equal(usual.claims()!.sub, sub);
});
