/** Codes and tokens: who wins a race, what dies with what, and who may ask about what. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { findApplication, saveApplication, withdrawConsent } from '#core/applications/applications.ts';
import { setPassword } from '#core/credentials/credentials.ts';
import { addMembers, findGroup, removeMembers } from '#core/groups/groups.ts';
import { activate } from '#core/lifecycle/activate.ts';
import { leave } from '#core/lifecycle/leave.ts';
import { findByIdentifier } from '#core/people/people.ts';
import { endSessions } from '#core/sessions/sessions.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { type Platform, startPlatform } from '../kit.ts';
import type { Visitor } from '../visitor.ts';
import { type Answer, communityFile, Party, passwords, type Tokens } from './oidc-party.ts';

let platform: Platform;
before(async () => {
  platform = await startPlatform({ poolSize: 20 });
  await platform.apply(communityFile);
});

async function signedIn(name: keyof typeof passwords) {
  const visitor = platform.visitor();
  await visitor.signIn(name, passwords[name]);
  return visitor;
}

function change<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
  return platform.database.transact(system('admin'), work);
}

async function personId(name: string): Promise<string> {
  const found = await platform.database.read(system(), (tx) => findByIdentifier(tx, name));
  return found!.id;
}

const tracker = () => new Party(platform, { id: 'tracker' });
const count = (answers: Answer[], status: number) => answers.filter((one) => one.status === status).length;

async function assertDead(party: Party, tokens: Tokens): Promise<void> {
  assert.equal((await party.userinfo(tokens.access_token)).status, 401);
  assert.equal((await party.introspect(tokens.access_token)).body.active, false);
  if (!tokens.refresh_token) return;
  const refused = await party.refresh(tokens.refresh_token);
  assert.equal(refused.status, 400);
  assert.equal(refused.body.error, 'invalid_grant');
}

test('OA-04 of 50 exchanges of one code one wins, and what it got is dead', async () => {
  const party = tracker();
  const code = (await party.authorize(await signedIn('ada'))).get('code')!;
  const answers = await Promise.all(Array.from({ length: 50 }, () => party.exchange(code)));
  assert.equal(count(answers, 200), 1);
  for (const one of answers.filter((answer) => answer.status !== 200)) {
    assert.equal(one.status, 400);
    assert.equal(one.body.error, 'invalid_grant');
  }
  await assertDead(party, answers.find((one) => one.status === 200)!.body);
});

test('OA-04 a code used twice, one after the other, takes down what it gave', async () => {
  const party = tracker();
  const code = (await party.authorize(await signedIn('ada'))).get('code')!;
  const first = await party.exchange(code);
  assert.equal((await party.userinfo(first.body.access_token)).status, 200);
  assert.equal((await party.exchange(code)).body.error, 'invalid_grant');
  await assertDead(party, first.body);
});

test('OA-04 a code is bound to its app, its return address and its verifier, and to 60 seconds', async () => {
  const party = tracker();
  const visitor = await signedIn('ada');
  const fresh = async () => (await party.authorize(visitor)).get('code')!;
  const other = new Party(platform, { id: 'closed' });
  const stolen = await other.exchange(await fresh(), { code_verifier: party.verifier });
  assert.equal(stolen.body.error, 'invalid_grant');
  const elsewhere = await party.exchange(await fresh(), {
    redirect_uri: 'http://127.0.0.1:9/callback?tab=one',
  });
  assert.equal(elsewhere.body.error, 'invalid_grant');
  const wrong = await party.exchange(await fresh(), { code_verifier: 'x'.repeat(43) });
  assert.equal(wrong.body.error, 'invalid_grant');
  await fresh();
  const rows = await platform.database.query<{ seconds: number }>(
    `select max(extract(epoch from expires_at - now()))::int as seconds from oidc_payloads where kind = 'AuthorizationCode'`,
  );
  assert.ok(rows[0]!.seconds > 0 && rows[0]!.seconds <= 60, String(rows[0]!.seconds));
});

test('OA-05 of 20 refreshes with one token one wins; a replay kills the family, also after a restart', async () => {
  const party = tracker();
  const visitor = await signedIn('ada');
  const raced = await party.tokens(visitor);
  const answers = await Promise.all(Array.from({ length: 20 }, () => party.refresh(raced.refresh_token!)));
  assert.equal(count(answers, 200), 1);
  assert.equal(answers.filter((one) => one.body.error === 'invalid_grant').length, 19);

  const first = await party.tokens(visitor);
  const second = await party.refresh(first.refresh_token!);
  assert.equal(second.status, 200, JSON.stringify(second.body));
  assert.notEqual(second.body.refresh_token, first.refresh_token);
  const restarted = await platform.again();
  const later = new Party(restarted, { id: 'tracker' });
  assert.equal((await later.userinfo(second.body.access_token)).status, 200);
  assert.equal((await later.refresh(first.refresh_token!)).body.error, 'invalid_grant');
  await assertDead(later, second.body);
  await assertDead(party, second.body);
});

test('OA-05 rotation does not move the end of a family', async () => {
  const party = tracker();
  const tokens = await party.tokens(await signedIn('ada'));
  const ends = () =>
    platform.database.query<{ end: number }>(
      `select extract(epoch from expires_at)::int as "end" from oidc_payloads where kind = 'RefreshToken' order by expires_at desc limit 2`,
    );
  const before = (await ends())[0]!.end;
  await new Promise((resolve) => setTimeout(resolve, 1100));
  assert.equal((await party.refresh(tokens.refresh_token!)).status, 200);
  const after = await ends();
  assert.ok(after[0]!.end - before <= 1, `${after[0]!.end} ${before}`);
});

test('OA-06 a refresh asks again: scope never grows', async () => {
  const party = new Party(platform, { id: 'tracker', scope: 'openid profile' });
  const tokens = await party.tokens(await signedIn('ada'));
  const more = await party.refresh(tokens.refresh_token!, { scope: 'openid profile email' });
  assert.equal(more.body.error, 'invalid_scope');
  const less = await party.refresh(tokens.refresh_token!, { scope: 'openid' });
  assert.equal(less.body.scope, 'openid');
  const info = await party.userinfo(less.body.access_token);
  assert.equal(info.body.preferred_username, undefined);
});

test('OA-06 OA-21 AU-19 every grant is refused once its ground is gone', async () => {
  const bob = await personId('bob');
  const staff = await platform.database.read(system(), (tx) => findGroup(tx, 'staff'));
  const app = (id: string) => platform.database.read(system(), (tx) => findApplication(tx, id));
  const closed = (await app('closed'))!.settings;
  const grounds: [string, string, (tx: Tx) => Promise<unknown>, (tx: Tx) => Promise<unknown>][] = [
    [
      'the group',
      'closed',
      (tx) => removeMembers(tx, staff!.id, [bob]),
      (tx) => addMembers(tx, staff!.id, [bob]),
    ],
    [
      'the app',
      'closed',
      (tx) => saveApplication(tx, 'closed', { ...closed, enabled: false }),
      (tx) => saveApplication(tx, 'closed', closed),
    ],
    ['the session', 'closed', (tx) => endSessions(tx, bob, 'test'), async () => undefined],
    ['the agreement', 'commons', (tx) => withdrawConsent(tx, bob, 'commons'), async () => undefined],
    ...(['locked', 'suspended', 'spam', 'left'] as const).map((state): (typeof grounds)[number] => [
      state,
      'closed',
      (tx) => leave(tx, bob, state),
      (tx) => activate(tx, bob, 'test'),
    ]),
  ];
  for (const [name, id, take, give] of grounds) {
    const party = new Party(platform, { id });
    const visitor = await signedIn('bob');
    if (id === 'commons') {
      await visitor.open(party.authorizationUrl());
      await visitor.submit({}, allowAction(visitor.page.text));
    }
    const tokens = await party.tokens(visitor);
    const code = (await party.authorize(visitor)).get('code')!;
    assert.equal((await party.userinfo(tokens.access_token)).status, 200, name);
    await change(take);
    const exchanged = await party.exchange(code);
    assert.equal(exchanged.body.error, 'invalid_grant', `${name}: code`);
    const refreshed = await party.refresh(tokens.refresh_token!);
    assert.equal(refreshed.body.error, 'invalid_grant', `${name}: refresh`);
    assert.equal((await party.userinfo(tokens.access_token)).status, 401, `${name}: userinfo`);
    assert.equal((await party.introspect(tokens.access_token)).body.active, false, `${name}: introspection`);
    const silent = await visitor.open(party.authorizationUrl({ prompt: 'none' }));
    const error = new URL(silent.headers.get('location')!).searchParams.get('error');
    assert.match(String(error), /^(login_required|access_denied|consent_required)$/, name);
    await change(give);
    // What is given in the very moment of a withdrawal goes with it, also when a reader carries it out later.
    platform.clock.advance(1000);
  }
});

function allowAction(text: string): string {
  return /action="(\/oidc\/interaction\/[^"]+\/allow)"/.exec(text)?.[1] ?? assert.fail(text);
}

/** Tokens for use while the person is away, agreed to on the page. */
async function offlineTokens(visitor: Visitor): Promise<{ party: Party; tokens: Tokens }> {
  const party = new Party(platform, { id: 'tracker', scope: 'openid offline_access' });
  await visitor.open(party.authorizationUrl({ prompt: 'consent' }));
  const back = await visitor.submit({}, allowAction(visitor.page.text));
  const code = new URL(back.headers.get('location')!).searchParams.get('code')!;
  const tokens = (await party.exchange(code)).body;
  assert.equal(tokens.scope, 'openid offline_access');
  return { party, tokens };
}

test('OA-06 offline_access outlives the session and dies with the standing; SE-03 the shelves are emptied', async () => {
  const visitor = await signedIn('bob');
  const { party, tokens } = await offlineTokens(visitor);
  const bound = await new Party(platform, { id: 'tracker' }).tokens(visitor);
  const bob = await personId('bob');
  await change((tx) => endSessions(tx, bob, 'test'));
  await platform.settle();
  assert.equal((await party.refresh(bound.refresh_token!)).body.error, 'invalid_grant');
  const renewed = await party.refresh(tokens.refresh_token!);
  assert.equal(renewed.status, 200, JSON.stringify(renewed.body));
  assert.equal((await party.userinfo(renewed.body.access_token)).status, 200);
  await change((tx) => leave(tx, bob, 'suspended'));
  await assertDead(party, renewed.body);
  await platform.settle();
  const rows = await platform.database.query('select kind from oidc_payloads where person = $1', [bob]);
  assert.deepEqual(rows, []);
  await change((tx) => activate(tx, bob, 'test'));
});

test('AU-14 a new password ends what apps hold for use while the person is away, and nothing of this session', async () => {
  const visitor = await signedIn('bob');
  const bob = await personId('bob');
  const { party, tokens } = await offlineTokens(visitor);
  const bound = await new Party(platform, { id: 'tracker' }).tokens(visitor);
  const hash = await platform.hasher.hash(passwords.bob);
  await change((tx) => setPassword(tx, bob, hash, 'change'));
  await platform.settle();
  await assertDead(party, tokens);
  assert.equal((await party.refresh(bound.refresh_token!)).status, 200);
});

test('OA-07 no endpoint takes a wrong, blank or missing secret, by any method', async () => {
  const form = (fields: Record<string, string>, authorization?: string) => ({
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      ...(authorization && { authorization }),
    },
    body: new URLSearchParams(fields).toString(),
  });
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
  await change(async (tx) => {
    const settings = (await findApplication(tx, 'tracker'))!.settings;
    await saveApplication(tx, 'keyless', { ...settings, title: 'Keyless' });
  });
  const requests: Record<string, string>[] = [
    { grant_type: 'client_credentials' },
    { token: 'x', grant_type: 'refresh_token', refresh_token: 'x' },
  ];
  for (const path of ['/oidc/token', '/oidc/introspection', '/oidc/revocation', '/oidc/par']) {
    for (const id of ['tracker', 'keyless']) {
      for (const fields of requests) {
        const tries = [
          form({ ...fields, client_id: id }),
          form({ ...fields, client_id: id, client_secret: '' }),
          form({ ...fields, client_id: id, client_secret: 'wrong' }),
          form(fields, basic(`${id}:`)),
          form(fields, basic(`${id}:wrong`)),
          form({
            ...fields,
            client_id: id,
            client_assertion: 'e30.e30.',
            client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
          }),
        ];
        for (const one of tries) {
          const response = await fetch(`${platform.origin}${path}`, one);
          assert.ok([400, 401].includes(response.status), `${path} ${one.body} ${response.status}`);
          assert.match(String((await response.json()).error), /^invalid_(client|request)$/);
        }
      }
    }
  }
  const right = await tracker().post('/oidc/token', { grant_type: 'client_credentials' });
  assert.equal(right.status, 200);
  const posted = await fetch(
    `${platform.origin}/oidc/token`,
    form({ grant_type: 'client_credentials', client_id: 'tracker', client_secret: tracker().secret! }),
  );
  assert.equal(posted.status, 200, 'either way of sending the secret will do');
});

test('every address the discovery document names is ours and answers', async () => {
  const document = await (await fetch(`${platform.origin}/.well-known/openid-configuration`)).json();
  const named = Object.entries<unknown>(document).filter(([name]) => /_(endpoint|uri)$/.test(name));
  assert.ok(named.length >= 8, String(named));
  const proofs = document.dpop_signing_alg_values_supported;
  assert.deepEqual(proofs, ['ES256', 'Ed25519', 'EdDSA', 'PS256', 'RS256']);
  for (const [name, url] of named) {
    assert.ok(String(url).startsWith(`${platform.origin}/oidc/`), `${name} ${url}`);
    const tried = await Promise.all(['GET', 'POST'].map((method) => fetch(String(url), { method })));
    assert.ok(
      tried.some(({ status }) => status !== 404),
      `${name} ${url}`,
    );
  }
});

test('a request that is pushed first counts for its app, once, and only as it was pushed', async () => {
  const party = tracker();
  const asked = Object.fromEntries(new URL(party.authorizationUrl()).searchParams);
  const pushed = await party.post('/oidc/par', asked);
  assert.equal(pushed.status, 201, JSON.stringify(pushed.body));
  const request = { client_id: 'tracker', request_uri: String(pushed.body.request_uri) };
  const open = (visitor: Visitor, more: Record<string, string> = {}) =>
    visitor.open(`${platform.origin}/oidc/auth?${new URLSearchParams({ ...request, ...more })}`);
  assert.match((await open(platform.visitor())).text, /id="password"/, 'whoever is not signed in is asked');
  const ada = await signedIn('ada');
  assert.equal((await open(ada, { client_id: 'closed' })).status, 400, 'pushed by another app');
  const back = new URL((await open(ada, { redirect_uri: 'http://evil.example/' })).headers.get('location')!);
  assert.equal(`${back.origin}${back.pathname}`, 'http://127.0.0.1:9/callback');
  const code = back.searchParams.get('code')!;
  const tokens = await party.exchange(code);
  assert.equal(tokens.status, 200, JSON.stringify(tokens.body));
  assert.equal((await open(ada)).status, 400, 'used up');
  const wrong = await party.post('/oidc/par', { ...asked, redirect_uri: 'http://127.0.0.1:9/other' });
  assert.equal(wrong.status, 400);
});

test('OA-08 an app learns nothing of another app’s token, nor revokes it', async () => {
  const party = tracker();
  const tokens = await party.tokens(await signedIn('ada'));
  const other = new Party(platform, { id: 'closed' });
  assert.deepEqual((await other.introspect(tokens.access_token)).body, { active: false });
  await other.post('/oidc/revocation', { token: tokens.access_token });
  const own = (await party.introspect(tokens.access_token)).body;
  assert.equal(own.active, true);
  assert.equal(own.sub, (await party.userinfo(tokens.access_token)).body.sub);
  await party.post('/oidc/revocation', { token: tokens.refresh_token! });
  await assertDead(party, tokens);
});

test('OA-09 OA-23 a token of one kind is none of another', async () => {
  const party = tracker();
  const visitor = await signedIn('ada');
  const tokens = await party.tokens(visitor);
  const code = (await party.authorize(visitor)).get('code')!;
  const own = (await party.post('/oidc/token', { grant_type: 'client_credentials' })).body.access_token;
  const kinds = {
    code,
    access: tokens.access_token,
    refresh: tokens.refresh_token!,
    id: tokens.id_token!,
    own,
  };
  for (const [kind, value] of Object.entries(kinds)) {
    if (kind !== 'code') assert.notEqual((await party.exchange(value)).status, 200, `${kind} as code`);
    if (kind !== 'refresh') assert.notEqual((await party.refresh(value)).status, 200, `${kind} as refresh`);
    if (kind !== 'access') assert.equal((await party.userinfo(value)).status, 401, `${kind} as access`);
  }
  assert.equal((await party.userinfo(tokens.access_token)).status, 200);
});

test('OA-18 an app’s own token is about nobody', async () => {
  const party = tracker();
  const own = (await party.post('/oidc/token', { grant_type: 'client_credentials' })).body;
  const told = (await party.introspect(own.access_token)).body;
  assert.equal(told.active, true);
  assert.equal(told.sub, undefined);
  assert.equal(own.refresh_token, undefined);
  assert.equal((await party.userinfo(own.access_token)).status, 401);
});

test('KE-01 the tables hold no code, token or key that anyone could use', async () => {
  const party = tracker();
  const visitor = await signedIn('ada');
  const tokens = await party.tokens(visitor);
  const code = (await party.authorize(visitor)).get('code')!;
  const dump = JSON.stringify([
    await platform.database.query(
      'select *, encode(sealed, $1) as text, encode(id, $1) as name from oidc_payloads',
      ['escape'],
    ),
    await platform.database.query('select *, encode(sealed, $1) as text from oidc_keys', ['escape']),
  ]);
  for (const canary of [
    code,
    tokens.access_token,
    tokens.refresh_token!,
    tokens.id_token!,
    '"d"',
    'ada@example.org',
  ])
    assert.equal(dump.includes(canary), false, canary);
});
