/** Apps that register themselves (RFC 7591): only when switched on, only with an operator's token, never trusted. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as client from 'openid-client';
import {
  findApplication,
  listApplications,
  removeApplication,
  saveApplication,
} from '#core/applications/applications.ts';
import { createRegistrationToken, revokeRegistrationToken } from '#fronts/oidc/registrations.ts';
import { system } from '#kit/db/database.ts';
import { forgeriesOf } from '../forgeries.ts';
import { type Platform, startPlatform } from '../kit.ts';
import { communityFile, decode, Party, passwords } from './oidc-party.ts';

const back = 'https://new.example.org/callback';
let platform: Platform;
before(async () => {
  platform = await startPlatform({ poolSize: 20 });
  await platform.apply(communityFile);
});

const switchTo = (to: 'off' | 'token') =>
  platform.apply(`community: { name: Harbour, appRegistration: ${to} }\n`);

function tokenFor(uses = 1, days = 1): Promise<{ id: string; token: string }> {
  const expiresAt = new Date(platform.clock.now().getTime() + days * 86_400_000);
  return platform.database.transact(system('admin'), (tx) =>
    createRegistrationToken(tx, { name: 'Jo of the new app', uses, expiresAt }),
  );
}

async function register(metadata: unknown, token?: string) {
  const response = await fetch(`${platform.origin}/oidc/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(metadata),
  });
  const text = await response.text();
  return {
    status: response.status,
    body: JSON.parse(text || '{}') as Record<string, unknown>,
    headers: response.headers,
  };
}

const apps = async () => (await platform.database.read(system(), listApplications)).length;
const document = async () =>
  (await (await fetch(`${platform.origin}/.well-known/openid-configuration`)).json()) as Record<
    string,
    unknown
  >;

test('registration is off until the community says otherwise, and off again at once', async () => {
  const { token } = await tokenFor();
  assert.equal((await register({ redirect_uris: [back] }, token)).status, 404);
  assert.equal((await document()).registration_endpoint, undefined);
  await switchTo('token');
  assert.equal((await document()).registration_endpoint, `${platform.origin}/oidc/register`);
  assert.equal((await register({ redirect_uris: [back] }, token)).status, 201);
  await switchTo('off');
  assert.equal((await register({ redirect_uris: [back] }, (await tokenFor()).token)).status, 404);
  assert.equal((await document()).registration_endpoint, undefined);
});

test('an app registers with openid-client and signs people in, who are asked and told that nobody checked it', async () => {
  await switchTo('token');
  const { token } = await tokenFor();
  const config = await client.dynamicClientRegistration(
    new URL(platform.origin),
    { redirect_uris: [back], client_name: 'New app', grant_types: ['authorization_code', 'refresh_token'] },
    client.ClientSecretBasic(),
    { initialAccessToken: token, execute: [client.allowInsecureRequests] },
  );
  const id = config.clientMetadata().client_id;
  assert.match(id, /^app-[a-z0-9]+$/);
  const secret = String(config.clientMetadata().client_secret);
  const ada = platform.visitor();
  await ada.signIn('ada', passwords.ada);
  const party = new Party(platform, { id, secret, redirectUri: back });
  const asked = await ada.open(party.authorizationUrl());
  assert.match(asked.text, /id="registered"/);
  assert.match(asked.text, /new\.example\.org/);
  assert.match(asked.text, /Share with New app\?/);
  const uid = new URL(asked.url).pathname;
  const seen = await ada.submit({}, `${uid}/allow`);
  const code = new URL(seen.headers.get('location')!).searchParams.get('code')!;
  const got = await party.exchange(code);
  assert.equal(got.status, 200, JSON.stringify(got.body));
  assert.equal(decode(got.body.id_token!).claims.aud, id);
  // PKCE is not left to it, nor are other grants, and groups are not told.
  const bare = await ada.open(
    party.authorizationUrl({ code_challenge: undefined, code_challenge_method: undefined }),
  );
  assert.match(bare.headers.get('location') ?? '', /error=invalid_request/);
  assert.notEqual((await party.post('/oidc/token', { grant_type: 'client_credentials' })).status, 200);
  assert.equal((await party.post('/oidc/device', {})).status, 400);
  assert.equal((await party.userinfo(got.body.access_token)).body.groups, undefined);

  // Operators see it, cannot make it trusted as it is, and remove it; then nothing of it counts.
  const found = (await platform.database.read(system(), (tx) => findApplication(tx, id)))!;
  assert.ok(found.settings.oidc?.registered);
  const change = { ...found.settings, consent: 'trusted' as const };
  await assert.rejects(
    platform.database.transact(system('admin'), (tx) => saveApplication(tx, id, change)),
    /not trusted/,
  );
  await platform.database.transact(system('admin'), (tx) => removeApplication(tx, id));
  await platform.settle();
  assert.equal((await party.userinfo(got.body.access_token)).status, 401);
  assert.equal((await ada.open(party.authorizationUrl())).status, 400);
});

test('a token lets in as many apps as it was made for, also when many come at once, and until it ends or is withdrawn', async () => {
  await switchTo('token');
  const { token } = await tokenFor(3);
  const before = await apps();
  const many = await Promise.all(
    Array.from({ length: 20 }, () => register({ redirect_uris: [back] }, token)),
  );
  assert.equal(many.filter(({ status }) => status === 201).length, 3);
  assert.equal(many.filter(({ status }) => status === 401).length, 17);
  assert.equal(await apps(), before + 3);
  assert.equal(new Set(many.flatMap(({ body }) => (body.client_id ? [body.client_id] : []))).size, 3);
  const withdrawn = await tokenFor();
  await platform.database.transact(system('admin'), (tx) => revokeRegistrationToken(tx, withdrawn.id));
  assert.equal((await register({ redirect_uris: [back] }, withdrawn.token)).status, 401);
  const short = await tokenFor(1, 1);
  platform.clock.advance(2 * 86_400_000);
  assert.equal((await register({ redirect_uris: [back] }, short.token)).status, 401);
});

test('OA-10 OA-23 nothing but such a token lets an app in', async () => {
  await platform.database.query('delete from rate_buckets');
  await switchTo('token');
  const { token } = await tokenFor();
  const before = await apps();
  const { generateKeyPairSync } = await import('node:crypto');
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const claims = { iss: platform.origin, aud: `${platform.origin}/oidc/register`, sub: 'x' };
  const forged = await forgeriesOf({ claims, header: { alg: 'RS256' }, key: privateKey, secret: token });
  const near = [undefined, '', `${token}A`, token.slice(0, -1), token.toUpperCase(), `ghr_${'A'.repeat(43)}`];
  for (const one of [...near, ...Object.values(forged)]) {
    const refused = await register({ redirect_uris: [back] }, one);
    assert.equal(refused.status, 401, String(one));
    assert.match(refused.headers.get('www-authenticate') ?? '', /^Bearer error="invalid_token"/);
  }
  assert.equal(await apps(), before);
  // And none of the refused has used it up.
  assert.equal((await register({ redirect_uris: [back] }, token)).status, 201);
});

test('OA-01 OA-18 what an app may not have is refused, and costs the token nothing', async () => {
  await platform.database.query('delete from rate_buckets');
  await switchTo('token');
  const { token } = await tokenFor();
  const good = { redirect_uris: [back] };
  const uris = [
    'http://new.example.org/callback',
    'http://127.0.0.1/callback',
    'https://localhost/callback',
    'https://127.0.0.1/callback',
    'org.example.app:/callback',
    'https://new.example.org/callback#part',
    'https://user@new.example.org/callback',
    'https://*.example.org/callback',
    'https://new.example.org/callback?code=1',
    'HTTPS:new.example.org',
    'javascript:alert(1)',
    'data:text/html,x',
    'https://new.example.org\\@evil.example/',
  ];
  const wrong: unknown[] = [
    {},
    [],
    'x',
    null,
    { redirect_uris: [] },
    { redirect_uris: back },
    ...uris.map((uri) => ({ redirect_uris: [back, uri] })),
    { ...good, post_logout_redirect_uris: ['http://new.example.org/'] },
    { ...good, grant_types: ['client_credentials'] },
    { ...good, grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'] },
    { ...good, grant_types: ['implicit'] },
    { ...good, grant_types: ['refresh_token'] },
    { ...good, response_types: ['token'] },
    { ...good, response_types: ['code id_token'] },
    { ...good, token_endpoint_auth_method: 'private_key_jwt' },
    { ...good, id_token_signed_response_alg: 'none' },
    { ...good, id_token_signed_response_alg: 'HS256' },
    { ...good, client_name: 'New\u202eppa' },
    { ...good, client_name: ' ' },
    { ...good, subject_type: 'public' },
    { ...good, jwks_uri: 'http://169.254.169.254/' },
    { ...good, jwks: { keys: [] } },
    { ...good, backchannel_logout_uri: 'http://127.0.0.1:9/' },
    { ...good, sector_identifier_uri: 'http://127.0.0.1:9/' },
    { ...good, software_statement: 'eyJhbGciOiJub25lIn0.e30.' },
  ];
  const before = await apps();
  for (const one of wrong) {
    const refused = await register(one, token);
    assert.equal(refused.status, 400, JSON.stringify(one));
  }
  assert.equal(await apps(), before);
  // Ids, secrets, trust and looks of its own choosing are not heard.
  const bold = {
    ...good,
    client_id: 'tracker',
    client_secret: 'x',
    consent: 'trusted',
    logo_uri: 'https://x.example/',
    client_name: ' <b>Tracker</b> ',
  };
  const made = await register(bold, token);
  assert.equal(made.status, 201, JSON.stringify(made.body));
  assert.notEqual(made.body.client_id, 'tracker');
  assert.notEqual(made.body.client_secret, 'x');
  assert.equal(made.headers.get('cache-control'), 'no-store');
  const id = String(made.body.client_id);
  const { settings } = (await platform.database.read(system(), (tx) => findApplication(tx, id)))!;
  assert.equal(settings.consent, 'ask');
  assert.equal(settings.subject, 'pairwise');
  assert.equal(settings.oidc?.pkce, 'required');
  assert.equal(settings.url, undefined);
  assert.deepEqual(settings.oidc?.grants, ['authorization_code']);
  assert.equal(settings.title, '<b>Tracker</b>');
});
