/** Apps that sign instead of sharing a secret (private_key_jwt, RFC 7523 and its revision), by openid-client and by hand. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, mock, test } from 'node:test';
import { exportJWK, type JWK, SignJWT } from 'jose';
import * as client from 'openid-client';
import { applicationSettings } from '#core/applications/applications.ts';
import { forgeriesOf, honestToken } from '../forgeries.ts';
import { type Platform, startPlatform } from '../kit.ts';
import type { Visitor } from '../visitor.ts';
import { communityFile, passwords, secret } from './oidc-party.ts';

const redirectUri = 'http://127.0.0.1:9/callback';
const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

interface Keys {
  privateKey: KeyObject;
  publicKey: KeyObject;
}
const elliptic = (): Keys => generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsa = (modulusLength = 2048): Keys => generateKeyPairSync('rsa', { modulusLength });
const own = elliptic();
const ownRsa = rsa();
const publicOf = async (keys: Keys, kid: string): Promise<JWK> => ({
  ...(await exportJWK(keys.publicKey)),
  kid,
});

/** Where an app publishes its keys: what is answered may change, what was asked is counted. */
const published = { body: '', status: 200, asked: 0 };
let keyServer: Server;
let platform: Platform;
let second: Platform;

before(async () => {
  keyServer = createServer((_request, response) => {
    published.asked += 1;
    response.writeHead(published.status, { location: '/elsewhere', 'cache-control': 'max-age=86400' });
    response.end(published.body);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => keyServer.once('listening', resolve));
  const { port } = keyServer.address() as AddressInfo;
  const jwks = JSON.stringify({ keys: [await publicOf(own, 'own'), await publicOf(ownRsa, 'rsa')] });
  const grants = '[authorization_code, refresh_token, client_credentials]';
  platform = await startPlatform({ poolSize: 20 });
  await platform.apply(`${communityFile}
  - { id: signed, title: Signed, consent: trusted, oidc: { redirectUris: ["${redirectUri}"], grants: ${grants}, clientAuth: private_key_jwt, jwks: ${jwks} } }
  - { id: other, title: Other, consent: trusted, oidc: { redirectUris: ["${redirectUri}"], grants: ${grants}, clientAuth: private_key_jwt, jwks: ${jwks} } }
  - { id: afar, title: Afar, consent: trusted, privateHttp: true, oidc: { grants: [client_credentials], clientAuth: private_key_jwt, jwksUri: "http://127.0.0.1:${port}/keys" } }
`);
  second = await platform.again();
});
after(() => {
  keyServer?.close();
});

async function signedIn(name: keyof typeof passwords): Promise<Visitor> {
  const visitor = platform.visitor();
  await visitor.signIn(name, passwords[name]);
  return visitor;
}

interface Asserted {
  id?: string;
  claims?: Record<string, unknown>;
  header?: Record<string, unknown>;
  keys?: Keys;
  alg?: string;
  node?: Platform;
}

/** An assertion by our own hand: what is said over the honest one can be anything. */
async function assertion(given: Asserted = {}): Promise<string> {
  const { id = 'signed', claims, header, keys = own, alg = 'ES256', node = platform } = given;
  const now = Math.floor(Date.now() / 1000);
  const all = { iss: id, sub: id, aud: node.origin, jti: randomUUID(), iat: now, exp: now + 60, ...claims };
  const payload = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  return new SignJWT(payload).setProtectedHeader({ alg, ...header }).sign(keys.privateKey);
}

/** Posts to an endpoint that wants the app to prove itself. */
async function post(path: string, fields: Record<string, string>, node = platform) {
  const response = await fetch(`${node.origin}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(fields),
  });
  const text = await response.text();
  return { status: response.status, body: JSON.parse(text || '{}') as Record<string, string> };
}

const proof = (token: string) => ({ client_assertion_type: assertionType, client_assertion: token });
const ask = (token: string, node = platform) =>
  post('/oidc/token', { grant_type: 'client_credentials', ...proof(token) }, node);

test('an app signs people in with its key alone, by openid-client; discovery says so', async () => {
  const key = await crypto.subtle.importKey(
    'jwk',
    own.privateKey.export({ format: 'jwk' }) as JsonWebKey,
    { name: 'ECDSA', namedCurve: 'P-256' },
    false,
    ['sign'],
  );
  const config = await client.discovery(
    new URL(platform.origin),
    'signed',
    {},
    client.PrivateKeyJwt({ key, kid: 'own' }),
    { execute: [client.allowInsecureRequests] },
  );
  const server = config.serverMetadata();
  assert.ok(server.token_endpoint_auth_methods_supported?.includes('private_key_jwt'));
  const algs = server.token_endpoint_auth_signing_alg_values_supported as string[];
  assert.deepEqual([...algs].sort(), ['ES256', 'Ed25519', 'EdDSA', 'PS256', 'RS256'].sort());
  const verifier = client.randomPKCECodeVerifier();
  const url = await client.buildAuthorizationUrlWithPAR(config, {
    redirect_uri: redirectUri,
    scope: 'openid profile',
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  });
  const seen = await (await signedIn('ada')).open(url.href);
  const back = new URL(seen.headers.get('location') ?? 'about:blank');
  const tokens = await client.authorizationCodeGrant(config, back, { pkceCodeVerifier: verifier });
  const told = await client.fetchUserInfo(config, tokens.access_token, tokens.claims()!.sub);
  assert.equal(told.name, 'Ada Lovelace');
  const renewed = await client.refreshTokenGrant(config, tokens.refresh_token!);
  assert.equal((await client.tokenIntrospection(config, renewed.access_token)).active, true);
  await client.tokenRevocation(config, renewed.access_token);
  assert.equal((await client.tokenIntrospection(config, renewed.access_token)).active, false);
});

test('OA-11 an assertion is made out to the issuer alone, by the app, for an hour at most, and is nothing else', async () => {
  for (const aud of [platform.origin, [platform.origin]])
    assert.equal((await ask(await assertion({ claims: { aud } }))).status, 200, String(aud));
  assert.equal((await ask(await assertion({ header: { typ: 'client-authentication+jwt' } }))).status, 200);
  assert.equal((await ask(await assertion({ keys: ownRsa, alg: 'PS256' }))).status, 200);
  const now = Math.floor(Date.now() / 1000);
  const wrong: [string, Asserted][] = [
    ['the token endpoint', { claims: { aud: `${platform.origin}/oidc/token` } }],
    ['another server too', { claims: { aud: [platform.origin, 'https://other.example'] } }],
    ['the token endpoint too', { claims: { aud: [platform.origin, `${platform.origin}/oidc/token`] } }],
    ['another server', { claims: { aud: 'https://other.example' } }],
    ['a slash more', { claims: { aud: `${platform.origin}/` } }],
    ['nobody', { claims: { aud: undefined } }],
    ['another app', { claims: { iss: 'other' } }],
    ['in the name of another', { claims: { sub: 'other' } }],
    ['without sub', { claims: { sub: undefined } }],
    ['without iss', { claims: { iss: undefined } }],
    ['without id', { claims: { jti: undefined } }],
    ['an id that is no text', { claims: { jti: { x: 1 } } }],
    ['without end', { claims: { exp: undefined } }],
    ['over', { claims: { exp: now - 60 } }],
    ['for a day', { claims: { exp: now + 86_400 } }],
    ['not yet', { claims: { nbf: now + 600 } }],
    ['a proof of a key', { header: { typ: 'dpop+jwt' } }],
    ['an access token', { header: { typ: 'at+jwt' } }],
    ['a logout token', { header: { typ: 'logout+jwt' } }],
    ['an unknown key', { header: { kid: 'nobody' } }],
    ['the key of nobody', { keys: elliptic() }],
  ];
  for (const [what, given] of wrong) {
    const { status, body } = await ask(await assertion(given));
    assert.ok(status === 401 || status === 400, `${what}: ${status}`);
    assert.match(body.error ?? '', /^invalid_(client|request)$/, what);
    assert.equal(body.access_token, undefined, what);
  }
  // The key of one app proves no other, even where two share one.
  const shared = await assertion({ id: 'other' });
  assert.equal(
    (await post('/oidc/token', { grant_type: 'client_credentials', client_id: 'signed', ...proof(shared) }))
      .status,
    400,
  );
  // A secret is none for such an app, and an assertion none for an app with a secret.
  const basic = { grant_type: 'client_credentials', client_id: 'signed', client_secret: secret };
  assert.equal((await post('/oidc/token', basic)).status, 401);
  assert.equal((await ask(await assertion({ id: 'tracker' }))).status, 401);
});

test('OA-10 no forged assertion is believed, at any endpoint where an app proves itself', async () => {
  const now = Math.floor(Date.now() / 1000);
  for (const [alg, kid, keys] of [
    ['ES256', 'own', own],
    ['RS256', 'rsa', ownRsa],
  ] as const) {
    const honest = () => ({
      claims: { iss: 'signed', sub: 'signed', aud: platform.origin, jti: randomUUID(), exp: now + 600 },
      header: { alg, kid },
      key: keys.privateKey,
      secret,
    });
    assert.equal((await ask(honestToken(honest()))).status, 200, alg);
    const forged = await forgeriesOf(honest());
    assert.ok(Object.keys(forged).length >= 20);
    for (const [how, token] of Object.entries(forged)) {
      const fields = proof(token);
      const answers = [
        await ask(token),
        await post('/oidc/par', { client_id: 'signed', ...fields }),
        await post('/oidc/introspection', { token: 'x', ...fields }),
        await post('/oidc/revocation', { token: 'x', ...fields }),
      ];
      for (const { status } of answers)
        assert.ok(status === 401 || status === 400, `${alg} ${how}: ${status}`);
    }
  }
});

test('OA-12 an assertion counts once on all nodes: at once and one after the other, at every endpoint', async () => {
  const one = await assertion();
  assert.equal((await ask(one)).status, 200);
  assert.equal((await ask(one)).status, 401);
  assert.equal((await post('/oidc/introspection', { token: 'x', ...proof(one) })).status, 401);
  for (let round = 0; round < 3; round += 1) {
    // The nodes are issuers of their own here; behind one address they would share one assertion.
    const jti = randomUUID();
    const nodes = [platform, second];
    const tokens = await Promise.all(nodes.map((node) => assertion({ node, claims: { jti } })));
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => ask(tokens[index % 2]!, nodes[index % 2])),
    );
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    assert.equal(answers.filter(({ status }) => status === 401).length, 49);
  }
  // The same id of another app is another one.
  const jti = randomUUID();
  for (const id of ['signed', 'other'])
    assert.equal((await ask(await assertion({ id, claims: { jti } }))).status, 200);
});

test('published keys are fetched when needed, new ones learnt within a minute, weak ones never count', async () => {
  const [first, next, weak] = [elliptic(), elliptic(), rsa(1024)];
  const say = async (...all: [Keys, string][]) => {
    published.body = JSON.stringify({
      keys: await Promise.all(all.map(([keys, kid]) => publicOf(keys, kid))),
    });
  };
  await say([first, 'first'], [weak, 'weak']);
  const by = (keys: Keys, kid: string, alg = 'ES256') =>
    assertion({ id: 'afar', keys, alg, header: { kid } });
  assert.equal(published.asked, 0);
  assert.equal((await ask(await by(first, 'first'))).status, 200);
  for (let count = 0; count < 5; count += 1) assert.equal((await ask(await by(first, 'first'))).status, 200);
  assert.equal(published.asked, 1);
  await say([next, 'next']);
  assert.equal((await ask(await by(next, 'next'))).status, 401);
  assert.equal(published.asked, 1, 'nobody can have it fetched at will');
  mock.timers.enable({ apis: ['Date'], now: Date.now() + 61_000 });
  try {
    assert.equal((await ask(await by(next, 'next'))).status, 200);
    assert.equal((await ask(await by(first, 'first'))).status, 401);
    assert.equal(published.asked, 2);
    const { privateKey } = weak;
    const signed = await ask(
      await assertion({ id: 'afar', keys: { ...weak, privateKey }, alg: 'RS256' }).catch(() => 'x.y.z'),
    );
    assert.notEqual(signed.status, 200);
  } finally {
    mock.timers.reset();
  }
});

test('a key set that cannot be had lets nobody in, and is not asked for again for a while', async () => {
  const keys = elliptic();
  const good = JSON.stringify({ keys: [await publicOf(keys, 'k')] });
  const bad: [string, number, string][] = [
    ['no page', 404, good],
    ['leads elsewhere', 302, good],
    ['no JSON', 200, '<html>'],
    ['no set', 200, '{"keys":7}'],
    ['too large', 200, JSON.stringify({ keys: [], more: 'x'.repeat(70_000) })],
  ];
  for (const [what, status, body] of bad) {
    Object.assign(published, { status, body, asked: 0 });
    // Changed, the app is asked at another address, and nothing is known of its keys.
    await platform.apply(
      `applications:\n  - { id: afar, title: "Afar ${what}", consent: trusted, privateHttp: true, oidc: { grants: [client_credentials], clientAuth: private_key_jwt, jwksUri: "http://127.0.0.1:${(keyServer.address() as AddressInfo).port}/${what.replaceAll(' ', '-')}" } }\n`,
    );
    for (let count = 0; count < 4; count += 1) {
      const { status: got } = await ask(await assertion({ id: 'afar', keys, header: { kid: 'k' } }));
      assert.equal(got, 401, what);
    }
    assert.equal(published.asked, 1, what);
  }
});

test('settings: a private part, a weak key, both sources or none are refused with the field', async () => {
  const read = (oidc: Record<string, unknown>) =>
    applicationSettings.safeParse({ title: 'X', oidc: { redirectUris: [redirectUri], ...oidc } });
  const faults = (oidc: Record<string, unknown>) => {
    const result = read(oidc);
    return result.success ? [] : result.error.issues.map((issue) => issue.path.join('.'));
  };
  const jwks = { keys: [await publicOf(own, 'own')] };
  const clientAuth = 'private_key_jwt';
  assert.deepEqual(faults({ clientAuth, jwks }), []);
  assert.deepEqual(faults({ clientAuth, jwksUri: 'https://app.example.org/jwks' }), []);
  assert.deepEqual(faults({ clientAuth }), ['oidc.jwks']);
  assert.deepEqual(faults({ jwks }), ['oidc.jwks']);
  assert.deepEqual(faults({ clientAuth, jwks, jwksUri: 'https://app.example.org/jwks' }), ['oidc.jwksUri']);
  const bad: JWK[] = [
    await exportJWK(own.privateKey),
    await exportJWK(rsa(1024).publicKey),
    await exportJWK(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey),
    { kty: 'oct', k: 'c2VjcmV0' },
    { ...jwks.keys[0], use: 'enc' },
    { ...jwks.keys[0], alg: 'HS256' },
    { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' },
  ];
  for (const key of bad)
    assert.deepEqual(faults({ clientAuth, jwks: { keys: [key] } }), ['oidc.jwks.keys.0']);
  const [row] = await platform.database.query<{ has: boolean }>(
    `select secret_hash is not null as has from applications where id = 'signed'`,
  );
  assert.equal(row?.has, false, 'no secret is made for an app that shares none');
});
