/** Forged JWTs at every place of ours that reads one from an app or a browser; upstream's are in test/upstreams. */
import assert from 'node:assert/strict';
import { createHash, createPrivateKey, generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { before, test } from 'node:test';
import type { JWK } from 'jose';
import { readKeys } from '#fronts/oidc/keys.ts';
import { communityFile, decode, Party, passwords, secret } from '../flows/oidc-party.ts';
import { forgeriesOf, type Honest, honestToken } from '../forgeries.ts';
import { type Platform, startPlatform } from '../kit.ts';
import type { Visitor } from '../visitor.ts';

const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code';
let platform: Platform;
let ring: Awaited<ReturnType<typeof readKeys>>;
before(async () => {
  platform = await startPlatform({ poolSize: 10 });
  await platform.apply(`${communityFile}
  - id: telly
    title: Telly
    oidc: { clientAuth: none, grants: ["${deviceGrant}"] }
`);
  ring = await readKeys(platform.database, platform.secrets);
});

async function signedIn(name: keyof typeof passwords): Promise<Visitor> {
  const visitor = platform.visitor();
  await visitor.signIn(name, passwords[name]);
  return visitor;
}

const tracker = () => new Party(platform, { id: 'tracker' });

/** An ID token of ours for an app, made with our own key. */
function idToken(claims: Record<string, unknown>, alg: 'RS256' | 'ES256' = 'RS256'): Honest {
  const jwk = ring.active.get(alg)!;
  const now = Math.floor(Date.now() / 1000);
  return {
    claims: { iss: platform.origin, iat: now, exp: now + 600, ...claims },
    header: { alg, kid: jwk.kid, typ: 'JWT' },
    key: createPrivateKey({ key: jwk as JWK & Record<string, unknown>, format: 'jwk' }),
    secret,
  };
}

interface Consumer {
  name: string;
  /** Whether this token was believed. */
  believes(token: string): Promise<boolean>;
}

async function hintReaders(): Promise<{ ada: Visitor; sub: string; readers: Consumer[] }> {
  const ada = await signedIn('ada');
  const tokens = await tracker().tokens(ada);
  const { sub } = decode(tokens.id_token!).claims as { sub: string };
  const readers: Consumer[] = [
    {
      name: 'authorization',
      async believes(token) {
        const answer = await tracker().authorize(ada, { id_token_hint: token, prompt: 'none' });
        assert.ok(answer.has('code') || answer.get('error') === 'invalid_request', String(answer));
        return answer.has('code');
      },
    },
    {
      name: 'pushed request',
      async believes(token) {
        const query = new URL(tracker().authorizationUrl({ id_token_hint: token })).searchParams;
        const { status } = await tracker().post('/oidc/par', Object.fromEntries(query));
        assert.ok(status === 201 || status === 400, String(status));
        return status === 201;
      },
    },
  ];
  return { ada, sub, readers };
}

test('OA-10 OA-09 no forged hint is believed: in requests, pushed ones and at devices, nor a token of another kind', async () => {
  const { sub, readers } = await hintReaders();
  const honest = idToken({ sub, aud: 'tracker' });
  const forged = await forgeriesOf(honest);
  assert.ok(Object.keys(forged).length >= 20);
  for (const { name, believes } of readers) {
    assert.equal(await believes(honestToken(honest)), true, name);
    for (const [how, token] of Object.entries(forged))
      assert.equal(await believes(token), false, `${name}: ${how}`);
    // OA-11: signed by us, but not for this app, or not an ID token.
    const others = [
      idToken({ sub, aud: 'closed' }),
      idToken({ sub }),
      idToken({ sub, aud: 'tracker', iss: 'https://other.example' }),
      idToken({ aud: 'tracker' }),
      idToken({ sub, aud: 'tracker' }, 'ES256'),
      idToken({ sub, aud: 'tracker', nbf: Math.floor(Date.now() / 1000) + 600 }),
    ];
    const events = { 'http://schemas.openid.net/event/backchannel-logout': {} };
    const logout = idToken({ sub, aud: 'tracker', events, jti: randomUUID() });
    logout.header.typ = 'logout+jwt';
    const access = idToken({ sub, aud: 'tracker' });
    access.header.typ = 'at+jwt';
    for (const [index, one] of [...others, logout, access].entries())
      assert.equal(await believes(honestToken(one)), false, `${name}: ${index}`);
  }
  const atDevice = async (token: string) => {
    const party = new Party(platform, { id: 'telly', secret: undefined });
    return (await party.post('/oidc/device', { scope: 'openid', id_token_hint: token })).status;
  };
  const forDevice = idToken({ sub, aud: 'telly' });
  assert.equal(await atDevice(honestToken(forDevice)), 200);
  for (const [how, token] of Object.entries(await forgeriesOf(forDevice)))
    assert.equal(await atDevice(token), 400, how);
});

test('OA-10 OA-22 no forged hint signs anyone out without asking', async () => {
  const ada = await signedIn('ada');
  const real = (await tracker().tokens(ada)).id_token!;
  const { claims } = decode(real);
  const honest = idToken(claims);
  const ask = async (token: string) => {
    const query = new URLSearchParams({ id_token_hint: token, client_id: 'tracker' });
    return ada.open(`${platform.origin}/oidc/session/end?${query}`);
  };
  const wrong = [
    idToken({ ...claims, iss: 'https://other.example' }),
    idToken({ ...claims, aud: 'closed' }),
    idToken({ ...claims, sid: 'another' }),
    idToken({ ...claims, sub: undefined }),
  ];
  const logout = idToken(claims);
  logout.header.typ = 'logout+jwt';
  const all = { ...(await forgeriesOf(honest)) };
  for (const [index, one] of [...wrong, logout].entries()) all[`changed ${index}`] = honestToken(one);
  for (const [how, token] of Object.entries(all)) {
    const seen = await ask(token);
    // Asks, or refuses to go on: and whoever was signed in still is.
    assert.ok(seen.status === 200 || seen.status === 400, `${how}: ${seen.status}`);
    assert.doesNotMatch(seen.url, /signed-out/, how);
    assert.equal((await ada.request('/account')).status, 200, how);
  }
  assert.match((await ask(honestToken(honest))).url, /signed-out/);
  assert.equal((await ada.request('/account')).status, 303);
});

const ec = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });

interface ProofInput {
  path: string;
  method?: string;
  token?: string;
  keys: { privateKey: KeyObject; publicKey: KeyObject };
  claims?: Record<string, unknown>;
  header?: Record<string, unknown>;
}

/** A DPoP proof as it has to be, but for what is given. */
function proofOf({ path, method = 'POST', token, keys, claims, header }: ProofInput): Honest {
  return {
    claims: {
      jti: randomUUID(),
      htm: method,
      htu: `${platform.origin}${path}`,
      iat: Math.floor(Date.now() / 1000),
      ...(token && { ath: createHash('sha256').update(token).digest('base64url') }),
      ...claims,
    },
    header: { alg: 'ES256', typ: 'dpop+jwt', jwk: keys.publicKey.export({ format: 'jwk' }), ...header },
    key: keys.privateKey,
    secret,
  };
}

/** What of a proof is wrong although it is signed by the key it names. */
function wrongProofs(): [string, Partial<ProofInput>][] {
  const now = Math.floor(Date.now() / 1000);
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' });
  const whole = ec().privateKey.export({ format: 'jwk' });
  return [
    ['typ JWT', { header: { typ: 'JWT' } }],
    ['no typ', { header: { typ: undefined } }],
    ['no jwk', { header: { jwk: undefined } }],
    ['a private key', { header: { jwk: whole } }],
    ['a shared secret', { header: { alg: 'HS256', jwk: { kty: 'oct', k: 'c2VjcmV0' } } }],
    ['a short key', { header: { alg: 'RS256', jwk: weak } }],
    ['a list of keys', { header: { jwk: [] } }],
    ['another method', { claims: { htm: 'PUT' } }],
    ['another address', { claims: { htu: `${platform.origin}/oidc/other` } }],
    ['another host', { claims: { htu: 'https://evil.example/oidc/token' } }],
    ['no address', { claims: { htu: undefined } }],
    ['two addresses', { claims: { htu: [`${platform.origin}/oidc/token`] } }],
    ['no jti', { claims: { jti: undefined } }],
    ['an empty jti', { claims: { jti: '' } }],
    ['a jti that is no text', { claims: { jti: 7 } }],
    ['no iat', { claims: { iat: undefined } }],
    ['iat as text', { claims: { iat: String(now) } }],
    ['too old', { claims: { iat: now - 400 } }],
    ['from the future', { claims: { iat: now + 400 } }],
    ['over', { claims: { exp: now - 100 } }],
    ['not yet', { claims: { nbf: now + 400 } }],
    ['a nonce nobody gave', { claims: { nonce: 'made-up' } }],
  ];
}

test('OA-10 no forged proof of a key is believed: for tokens, pushed requests and userinfo', async () => {
  const basic = `Basic ${Buffer.from(`tracker:${secret}`).toString('base64')}`;
  const post = async (path: string, dpop: string, fields: Record<string, string>) => {
    const headers = { authorization: basic, dpop };
    const body = new URLSearchParams(fields);
    return (await fetch(`${platform.origin}${path}`, { method: 'POST', headers, body })).status;
  };
  const keys = ec();
  const query = new URL(tracker().authorizationUrl()).searchParams;
  const party = tracker();
  const code = (await party.authorize(await signedIn('ada'))).get('code')!;
  const dpop = honestToken(proofOf({ path: '/oidc/token', keys }));
  const given = await fetch(`${platform.origin}/oidc/token`, {
    method: 'POST',
    headers: { authorization: basic, dpop },
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      code,
      redirect_uri: party.redirectUri,
      code_verifier: party.verifier,
    }),
  });
  const { access_token: token, token_type: kind } = (await given.json()) as Record<string, string>;
  assert.equal(kind, 'DPoP');
  const readers: (Consumer & { path: string; method?: string; token?: string })[] = [
    {
      name: 'token',
      path: '/oidc/token',
      believes: async (proof) =>
        (await post('/oidc/token', proof, { grant_type: 'client_credentials' })) === 200,
    },
    {
      name: 'pushed request',
      path: '/oidc/par',
      believes: async (proof) => (await post('/oidc/par', proof, Object.fromEntries(query))) === 201,
    },
    {
      name: 'userinfo',
      path: '/oidc/userinfo',
      method: 'GET',
      token,
      async believes(proof) {
        const headers = { authorization: `DPoP ${token}`, dpop: proof };
        const { status } = await fetch(`${platform.origin}/oidc/userinfo`, { headers });
        assert.ok([200, 400, 401].includes(status), String(status));
        return status === 200;
      },
    },
  ];
  for (const reader of readers) {
    const { name, path, method, believes } = reader;
    const fresh = (more: Partial<ProofInput> = {}) =>
      proofOf({ path, method, token: reader.token, keys, ...more });
    assert.equal(await believes(honestToken(fresh())), true, name);
    for (const [how, forged] of Object.entries(await forgeriesOf(fresh()))) {
      // A proof names its own key: one by another key that it names is honest, only of someone else.
      if (how === 'its own key in jwk' && !reader.token) continue;
      assert.equal(await believes(forged), false, `${name}: ${how}`);
    }
    for (const [how, more] of wrongProofs()) {
      const made = fresh(more);
      assert.equal(await believes(honestToken(made)), false, `${name}: ${how}`);
    }
    const one = honestToken(fresh());
    assert.equal(await believes(`${one}, ${honestToken(fresh())}`), false, `${name}: two at once`);
  }
  const [, , userinfo] = readers;
  const other = proofOf({ path: '/oidc/userinfo', method: 'GET', token, keys: ec() });
  assert.equal(await userinfo!.believes(honestToken(other)), false, 'the key of another');
  for (const ath of [undefined, '', 'x'.repeat(43)]) {
    const made = proofOf({ path: '/oidc/userinfo', method: 'GET', token, keys, claims: { ath } });
    assert.equal(await userinfo!.believes(honestToken(made)), false, `ath ${ath}`);
  }
});

test('OA-10 JWTs we do not take are refused, forged or not: assertions, request objects, access tokens, grants', async () => {
  const ada = await signedIn('ada');
  const tokens = await tracker().tokens(ada);
  const { sub } = decode(tokens.id_token!).claims as { sub: string };
  const honest = idToken({ sub, aud: 'tracker', iss: 'tracker', jti: randomUUID(), scope: 'openid profile' });
  const all = {
    honest: honestToken(honest),
    'an ID token': tokens.id_token!,
    ...(await forgeriesOf(honest)),
  };
  const silent = new Party(platform, { id: 'tracker', secret: undefined });
  const assertion = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
  for (const [how, token] of Object.entries(all)) {
    for (const path of ['/oidc/token', '/oidc/par', '/oidc/introspection', '/oidc/revocation']) {
      const fields = { grant_type: 'client_credentials', token: tokens.access_token };
      const asserted = await silent.post(path, {
        ...fields,
        client_assertion: token,
        client_assertion_type: assertion,
      });
      assert.ok(asserted.status === 400 || asserted.status === 401, `${path} ${how}: ${asserted.status}`);
    }
    const asked = await ada.request(tracker().authorizationUrl({ request: token }));
    assert.doesNotMatch(asked.headers.get('location') ?? '', /[?&]code=/, how);
    assert.equal((await tracker().userinfo(token)).status, 401, how);
    assert.equal((await tracker().introspect(token)).body.active ?? false, false, how);
    assert.equal((await tracker().refresh(token)).status, 400, how);
    const grant = { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: token };
    assert.equal((await tracker().post('/oidc/token', grant)).body.error, 'unsupported_grant_type', how);
  }
  // None of it has harmed what is honest.
  assert.equal((await tracker().userinfo(tokens.access_token)).status, 200);
});

const kept = ['iss', 'sub', 'aud', 'exp', 'iat', 'nbf', 'jti', 'acr', 'amr', 'azp', 'nonce', 'auth_time'];
const alsoKept = ['at_hash', 'c_hash', 'sid', 'scope', 'client_id', 'cnf', 'act', 'may_act', 's_hash'];

test('OA-24 no attribute of a community and no request of an app writes what a token says of itself', async () => {
  const declaration = (name: string) => `
attributes:
  - { name: ${name}, type: text, title: X, releasedTo: ["*"] }
`;
  for (const name of [...kept, ...alsoKept, 'groups', 'roles', 'email', 'email_verified'])
    await assert.rejects(platform.apply(declaration(name)), name);
  const ada = await signedIn('ada');
  const plain = decode((await tracker().tokens(ada)).id_token!).claims;
  const wanted = Object.fromEntries(
    [...kept, ...alsoKept].filter((name) => name !== 'sub').map((name) => [name, { value: 'forged' }]),
  );
  const claims = JSON.stringify({ id_token: wanted, userinfo: wanted });
  const tokens = await tracker().tokens(ada, { claims });
  const asked = decode(tokens.id_token!).claims;
  assert.doesNotMatch(JSON.stringify(asked), /forged/);
  for (const name of ['iss', 'sub', 'aud', 'nonce', 'sid', 'acr', 'amr'])
    if (plain[name] !== undefined) assert.deepEqual(asked[name], plain[name], name);
  for (const name of ['azp', 'scope', 'client_id', 'cnf', 'act']) assert.equal(asked[name], undefined, name);
  const told = await tracker().userinfo(tokens.access_token);
  assert.doesNotMatch(JSON.stringify(told.body), /forged/);
  assert.equal(told.body.sub, plain.sub);
  // A claim of `sub` that is not the person's own is another person's request, never another subject.
  const other = JSON.stringify({ id_token: { sub: { value: 'someone-else' } } });
  const refused = await tracker().authorize(ada, { claims: other, prompt: 'none' });
  assert.equal(refused.get('error'), 'login_required');
});
