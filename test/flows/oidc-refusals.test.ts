/** What the authorization endpoint and its neighbours refuse, and that a refusal never leads anywhere. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { type Platform, startPlatform } from '../kit.ts';
import { communityFile, decode, Party, passwords } from './oidc-party.ts';

let platform: Platform;
before(async () => {
  platform = await startPlatform();
  await platform.apply(communityFile);
});

async function signedIn(name: keyof typeof passwords) {
  const visitor = platform.visitor();
  await visitor.signIn(name, passwords[name]);
  return visitor;
}

const tracker = () => new Party(platform, { id: 'tracker' });

/** A page of ours with an explanation and a reference, leading nowhere. */
async function assertStays(url: string, visitor = platform.visitor()): Promise<string> {
  const seen = await visitor.request(url);
  assert.ok(seen.status >= 400 && seen.status < 500, `${seen.status} for ${url}`);
  assert.equal(seen.headers.get('location'), null, url);
  return seen.text;
}

const callback = 'http://127.0.0.1:9/callback';

test('OA-01 a return address counts only letter by letter', async () => {
  const wrong = [
    `${callback}/`,
    `${callback}?`,
    `${callback}#x`,
    `${callback}?tab=two`,
    `${callback}?tab=one&x=1`,
    `${callback}%20`,
    `${callback}/../callback`,
    `${callback}..;/`,
    'http://127.0.0.1:9/callback%2f',
    'http://127.0.0.1:9/%63allback',
    'http://127.0.0.1:9/%252fcallback',
    'http://127.0.0.1:9/x/../callback',
    'http://127.0.0.1:9//callback',
    'http://127.0.0.1:9/Callback',
    'HTTP://127.0.0.1:9/callback',
    'https://127.0.0.1:9/callback',
    'http://127.0.0.1:10/callback',
    'http://127.0.0.1/callback',
    'http://127.0.0.1:9:9/callback',
    'http://127.0.0.1.example.org:9/callback',
    'http://127x0x0x1:9/callback',
    'http://localhost:9/callback',
    'http://[::1]:9/callback',
    'http://user@127.0.0.1:9/callback',
    'http://127.0.0.1:9@example.org/callback',
    'http://example.org\\@127.0.0.1:9/callback',
    'http://127.0.0.1:9\\callback',
    '\thttp://127.0.0.1:9/callback',
    ' http://127.0.0.1:9/callback',
    'http://127.0.0.1:9/call\tback',
    'http://127.0.0.1:9/callback\n',
    '//127.0.0.1:9/callback',
    '/callback',
    'callback',
    'javascript:alert(1)',
    'data:text/html,x',
    'https://example.org/callback',
    'http://127.0.0.1:9/callbackx',
    'http://127.0.0.1:9/',
    'http://127.1:9/callback',
    'http://2130706433:9/callback',
    'http://１２７.0.0.1:9/callback',
  ];
  const visitor = await signedIn('ada');
  for (const uri of wrong) {
    const text = await assertStays(tracker().authorizationUrl({ redirect_uri: uri }), visitor);
    assert.match(text, /id="problem"/);
    await assertStays(tracker().authorizationUrl({ redirect_uri: uri, prompt: 'none' }), visitor);
  }
  const party = new Party(platform, { id: 'tracker', redirectUri: `${callback}?tab=one` });
  const seen = await visitor.open(party.authorizationUrl());
  assert.match(seen.headers.get('location') ?? '', /^http:\/\/127\.0\.0\.1:9\/callback\?tab=one&code=/);
});

test('OA-01 the port of a loopback address may vary for a native app, and nothing else of it', async () => {
  const native = (redirectUri: string) =>
    new Party(platform, { id: 'native', secret: undefined, redirectUri });
  const visitor = await signedIn('ada');
  await visitor.open(native('http://127.0.0.1:51234/callback').authorizationUrl());
  assert.match(visitor.page.text, /id="allow"/);
  for (const uri of [
    'http://127.0.0.1:51234/other',
    'http://127.0.0.2:51234/callback',
    'http://localhost:1/callback',
  ])
    await assertStays(native(uri).authorizationUrl(), visitor);
  const web = new Party(platform, {
    id: 'browser-app',
    secret: undefined,
    redirectUri: 'https://app.example.org:444/callback',
  });
  await assertStays(web.authorizationUrl(), visitor);
});

test('OA-02 an unknown app or a bad return address is a page, also with prompt=none', async () => {
  for (const id of ['nobody', '', 'TRACKER', 'tracker ', '__proto__', "tracker'--", 'a'.repeat(4000)]) {
    await assertStays(tracker().authorizationUrl({ client_id: id }));
    await assertStays(tracker().authorizationUrl({ client_id: id, prompt: 'none' }));
  }
  await assertStays(tracker().authorizationUrl({ redirect_uri: undefined }));
  await assertStays(tracker().authorizationUrl({ client_id: undefined }));
});

test('FE-06 no text of the request is shown as ours', async () => {
  const url = tracker().authorizationUrl({
    redirect_uri: 'https://example.org/canary-uri',
    state: 'canary-state',
    error_description: 'canary-description',
    ui_locales: 'canary',
  });
  assert.doesNotMatch(await assertStays(url), /canary/);
});

const errorOf = (location: string | null) => new URL(location ?? 'x:').searchParams.get('error');

test('OA-03 only S256, and no verifier without a challenge', async () => {
  const visitor = await signedIn('ada');
  const party = tracker();
  const at = async (more: Record<string, string | undefined>, one = party) =>
    errorOf((await visitor.request(one.authorizationUrl(more))).headers.get('location'));
  assert.equal(await at({ code_challenge_method: 'plain' }), 'invalid_request');
  assert.equal(await at({ code_challenge_method: undefined }), 'invalid_request');
  assert.equal(await at({ code_challenge: undefined }), 'invalid_request');
  const bare = { code_challenge: undefined, code_challenge_method: undefined };
  const spa = new Party(platform, {
    id: 'browser-app',
    secret: undefined,
    redirectUri: 'https://app.example.org/callback',
  });
  assert.equal(await at(bare, spa), 'invalid_request', 'a public app needs PKCE');
  assert.equal(
    await at(bare, new Party(platform, { id: 'modern' })),
    'invalid_request',
    'so does one that says so',
  );

  const challenged = (await party.authorize(visitor)).get('code')!;
  assert.equal((await party.exchange(challenged, { code_verifier: '' })).body.error, 'invalid_grant');
  const unchallenged = (await party.authorize(visitor, bare)).get('code')!;
  assert.equal(
    (await party.exchange(unchallenged)).body.error,
    'invalid_grant',
    'a verifier without a challenge',
  );
});

test('OA-13 no implicit, hybrid or password grant, and no unlisted way to answer', async () => {
  const visitor = await signedIn('ada');
  const types = [
    'token',
    'id_token',
    'id_token token',
    'code token',
    'code id_token',
    'none',
    'code id_token token',
  ];
  for (const type of types) {
    const seen = await visitor.request(tracker().authorizationUrl({ response_type: type }));
    const location = seen.headers.get('location') ?? '';
    assert.match(location, /error=/, type);
    assert.doesNotMatch(location, /access_token|id_token=|code=/, type);
  }
  for (const mode of ['fragment', 'web_message', 'jwt', 'query.jwt', '__proto__']) {
    const seen = await visitor.request(tracker().authorizationUrl({ response_mode: mode }));
    assert.doesNotMatch(seen.headers.get('location') ?? '', /code=/, mode);
  }
  const password = { grant_type: 'password', username: 'ada', password: passwords.ada };
  assert.equal((await tracker().post('/oidc/token', password)).body.error, 'unsupported_grant_type');
  for (const grant of ['implicit', 'urn:ietf:params:oauth:grant-type:device_code', 'x', ''])
    assert.notEqual((await tracker().post('/oidc/token', { grant_type: grant })).status, 200);
  const document = await (await fetch(`${platform.origin}/.well-known/openid-configuration`)).json();
  assert.deepEqual(document.response_types_supported, ['code']);
  assert.deepEqual(document.response_modes_supported, ['query', 'form_post']);
  assert.deepEqual(document.grant_types_supported.sort(), [
    'authorization_code',
    'client_credentials',
    'refresh_token',
    'urn:ietf:params:oauth:grant-type:device_code',
  ]);
  assert.deepEqual(document.code_challenge_methods_supported, ['S256']);
  assert.equal(document.request_uri_parameter_supported, false);
  assert.equal(document.registration_endpoint, undefined);
  assert.equal(document.authorization_response_iss_parameter_supported, true);
  for (const more of [
    { request: 'x.y.z' },
    { request_uri: 'https://example.org/x' },
    { registration: '{}' },
  ]) {
    const seen = await visitor.request(tracker().authorizationUrl(more));
    assert.doesNotMatch(seen.headers.get('location') ?? '', /code=/);
  }
});

test('OA-15 a password is followed by 303, and no answer is kept or gives its address away', async () => {
  const visitor = platform.visitor();
  await visitor.open(tracker().authorizationUrl());
  const form = visitor.formOf('/sign-in');
  const body = new URLSearchParams({ ...form.fields, username: 'ada', password: passwords.ada });
  const headers = { 'content-type': 'application/x-www-form-urlencoded', origin: platform.origin };
  let seen = await visitor.request('/sign-in', { method: 'POST', headers, body: body.toString() });
  for (let hop = 0; hop < 4 && !seen.headers.get('location')?.startsWith('http://127'); hop++) {
    assert.equal(seen.status, 303);
    assert.equal(seen.headers.get('referrer-policy'), 'no-referrer');
    assert.match(seen.headers.get('cache-control') ?? '', /no-store/);
    seen = await visitor.request(seen.headers.get('location')!);
  }
  assert.equal(seen.status, 303);
  const code = new URL(seen.headers.get('location')!).searchParams.get('code')!;
  assert.ok(code);
  assert.match(seen.headers.get('cache-control') ?? '', /no-store/);
  assert.match((await tracker().exchange(code)).headers.get('cache-control') ?? '', /no-store/);
});

test('OA-16 no parameter counts twice', async () => {
  const visitor = await signedIn('ada');
  for (const name of [
    'client_id',
    'redirect_uri',
    'scope',
    'state',
    'prompt',
    'response_type',
    'code_challenge',
  ]) {
    const url = `${tracker().authorizationUrl({ prompt: 'none' })}&${name}=x`;
    const seen = await visitor.request(url);
    assert.doesNotMatch(seen.headers.get('location') ?? '', /code=/, name);
  }
  const party = tracker();
  const code = (await party.authorize(visitor)).get('code')!;
  const body = `grant_type=authorization_code&code=${code}&code=${code}&redirect_uri=${callback}&code_verifier=${party.verifier}`;
  const authorization = `Basic ${Buffer.from(`tracker:${party.secret}`).toString('base64')}`;
  const headers = { 'content-type': 'application/x-www-form-urlencoded', authorization };
  const twice = await fetch(`${platform.origin}/oidc/token`, { method: 'POST', headers, body });
  assert.equal(twice.status, 400);
  assert.equal((await twice.json()).error, 'invalid_request');
  const posted = await fetch(`${platform.origin}/oidc/auth`, {
    method: 'POST',
    headers,
    body: 'scope=a&scope=b',
  });
  assert.equal(posted.status, 400);
  const end = await fetch(`${platform.origin}/oidc/session/end?state=a&state=b`);
  assert.equal(end.status, 400);
});

test('FE-07 only registered browser apps may read answers across origins', async () => {
  const origins = [
    'https://evil.example',
    'null',
    'http://127.0.0.1:9',
    'https://app.example.org.evil.example',
    'https://app.example.org:444',
    'http://app.example.org',
    platform.origin,
  ];
  const paths = [
    '/oidc/token',
    '/oidc/userinfo',
    '/oidc/jwks',
    '/.well-known/openid-configuration',
    '/oidc/revocation',
    '/oidc/introspection',
  ];
  const ask = (path: string, origin: string, method: string) =>
    fetch(`${platform.origin}${path}`, {
      method,
      headers: { origin, ...(method === 'OPTIONS' && { 'access-control-request-method': 'POST' }) },
    });
  const allowed = (response: Response) => response.headers.get('access-control-allow-origin');
  for (const path of paths) {
    const method = /jwks|well-known|userinfo/.test(path) ? 'GET' : 'POST';
    for (const origin of origins) {
      assert.equal(allowed(await ask(path, origin, method)), null, `${path} ${origin}`);
      assert.equal(allowed(await ask(path, origin, 'OPTIONS')), null, `${path} ${origin} preflight`);
    }
    assert.equal(
      allowed(await ask(path, 'https://app.example.org', 'OPTIONS')),
      'https://app.example.org',
      path,
    );
  }
  assert.equal(allowed(await ask('/oidc/jwks', 'https://app.example.org', 'GET')), 'https://app.example.org');
  const auth = await fetch(tracker().authorizationUrl(), {
    headers: { origin: 'https://app.example.org' },
    redirect: 'manual',
  });
  assert.equal(allowed(auth), null);
  // A confidential app's answers are read by its server alone.
  const tokens = await tracker().tokens(await signedIn('ada'));
  const headers = { origin: 'https://app.example.org', authorization: `Bearer ${tokens.access_token}` };
  const foreign = await fetch(`${platform.origin}/oidc/userinfo`, { headers });
  assert.notEqual(foreign.status, 200);
  assert.equal((await foreign.text()).includes('ada'), false);
});

test('bodies that are too large, of another kind or broken are refused in the standard’s words', async () => {
  const send = (body: string, type = 'application/x-www-form-urlencoded') =>
    fetch(`${platform.origin}/oidc/token`, { method: 'POST', headers: { 'content-type': type }, body });
  for (const response of [
    await send(`grant_type=${'x'.repeat(100_000)}`),
    await send('{"grant_type":"client_credentials"}', 'application/json'),
    await send('__proto__=1&constructor=1'),
    await send(''),
  ]) {
    assert.equal(response.status, 400);
    assert.match(String((await response.json()).error), /^invalid_(request|client)$/);
  }
  assert.equal(({} as Record<string, unknown>).grant_type, undefined);
});

test('OA-14 the issuer is what the settings say, wherever the server is reached; addresses are the public ones', async () => {
  const other = await startPlatform({ env: { GATEHOUSE_ISSUER: 'https://id.example.org/community' } });
  await other.apply(communityFile);
  for (const path of [
    '/.well-known/openid-configuration',
    '/community/.well-known/openid-configuration',
    '/.well-known/oauth-authorization-server/community',
  ]) {
    const document = await (await fetch(`${other.origin}${path}`)).json();
    assert.equal(document.issuer, 'https://id.example.org/community');
    assert.equal(document.authorization_endpoint, `${other.origin}/oidc/auth`);
    assert.equal(document.token_endpoint, `${other.origin}/oidc/token`);
    assert.equal(document.end_session_endpoint, `${other.origin}/oidc/session/end`);
  }
  const party = new Party(other, { id: 'tracker' });
  const visitor = other.visitor();
  await visitor.signIn('ada', passwords.ada);
  const answer = await party.authorize(visitor);
  assert.equal(answer.get('iss'), 'https://id.example.org/community');
  const tokens = (await party.exchange(answer.get('code')!)).body;
  assert.equal(decode(tokens.id_token!).claims.iss, 'https://id.example.org/community');
});
