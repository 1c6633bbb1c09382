/** Signing in to apps by OpenID Connect: what an app is told, and what a person is asked on the way. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { listConsents, withdrawConsent } from '#core/applications/applications.ts';
import { findByIdentifier } from '#core/people/people.ts';
import { system } from '#kit/db/database.ts';
import { type Platform, startPlatform } from '../kit.ts';
import type { Visitor } from '../visitor.ts';
import { answerOf, communityFile, decode, Party, passwords } from './oidc-party.ts';

let platform: Platform;
before(async () => {
  platform = await startPlatform();
  await platform.apply(communityFile);
});

async function signedIn(name: keyof typeof passwords): Promise<Visitor> {
  const visitor = platform.visitor();
  await visitor.signIn(name, passwords[name]);
  return visitor;
}

const tracker = () => new Party(platform, { id: 'tracker' });
const errorOf = (answer: URLSearchParams) => answer.get('error');

/** Presses a button of the page of an open request. */
async function press(visitor: Visitor, answer: string): Promise<URLSearchParams> {
  const action = new RegExp(`action="(/oidc/interaction/[^"]+/${answer})"`).exec(visitor.page.text)?.[1];
  assert.ok(action, `no ${answer} on ${visitor.page.text.slice(0, 3000)}`);
  const seen = await visitor.submit({}, action);
  const location = seen.headers.get('location');
  return location ? answerOf(location, seen) : new URLSearchParams();
}

test('a person signs in to an app and it hears what is released, in userinfo', async () => {
  const party = tracker();
  const visitor = platform.visitor();
  await visitor.open(party.authorizationUrl());
  assert.match(visitor.page.text, /Tracker/);
  const policy = visitor.page.headers.get('content-security-policy') ?? '';
  assert.match(policy, /form-action 'self' http:\/\/127\.0\.0\.1:9;/, 'the form may lead to the app');
  const seen = await visitor.submit({ username: 'ada', password: passwords.ada }, '/sign-in');
  const back = new URL(seen.headers.get('location') ?? '');
  assert.equal(back.origin, 'http://127.0.0.1:9');
  assert.equal(back.searchParams.get('state'), 'state-1');
  assert.equal(back.searchParams.get('iss'), platform.origin);
  const { status, body } = await party.exchange(back.searchParams.get('code') ?? '');
  assert.equal(status, 200, JSON.stringify(body));
  const { header, claims } = decode(body.id_token ?? '');
  assert.equal(header.alg, 'RS256');
  assert.equal(claims.nonce, 'nonce-1');
  assert.equal(claims.aud, 'tracker');
  assert.equal(claims.iss, platform.origin);
  assert.equal(claims.acr, 'urn:gatehouse:acr:1');
  assert.deepEqual(claims.amr, ['pwd']);
  assert.equal(claims.auth_time, Math.floor(platform.clock.now().getTime() / 1000));
  assert.ok(claims.sid);
  assert.equal(claims.preferred_username, undefined, 'the ID token says no more than it must');
  const { body: info } = await party.userinfo(body.access_token);
  assert.equal(info.sub, claims.sub);
  assert.equal(info.preferred_username, 'ada');
  assert.equal(info.name, 'Ada Lovelace');
  assert.equal(info.email, 'ada@example.org');
  assert.equal(info.email_verified, true);
  assert.deepEqual(info.groups, ['developers', 'staff']);
  assert.deepEqual(info.roles, ['editor']);
  assert.equal(info.organisation, 'Engines');
  assert.equal(info.mentor, 'true', 'attributes are strings');
});

test('a second app asks nothing of someone who is signed in, and knows them by another subject', async () => {
  const visitor = await signedIn('ada');
  const one = decode((await tracker().tokens(visitor)).id_token!).claims;
  const two = decode((await new Party(platform, { id: 'closed' }).tokens(visitor)).id_token!).claims;
  assert.notEqual(one.sub, two.sub);
  assert.equal(one.sid, two.sid);
  const again = decode((await tracker().tokens(await signedIn('ada'))).id_token!).claims;
  assert.equal(again.sub, one.sub);
  assert.notEqual(again.sid, one.sid);
});

test('a client of ten years ago is served: secret in the form, no PKCE, no nonce, userinfo only', async () => {
  const party = new Party(platform, { id: 'openmrs', redirectUri: 'http://127.0.0.1:9/openmrs/oauth2login' });
  const bare = { code_challenge: undefined, code_challenge_method: undefined, nonce: undefined };
  const code = (await party.authorize(await signedIn('ada'), bare)).get('code')!;
  const fields = { grant_type: 'authorization_code', code, redirect_uri: party.redirectUri };
  const got = await party.post('/oidc/token', fields);
  assert.equal(got.status, 200, JSON.stringify(got.body));
  assert.ok(got.body.id_token);
  assert.equal(got.body.refresh_token, undefined);
  const info = (await party.userinfo(got.body.access_token)).body;
  assert.equal(info.sub, 'ada');
  assert.equal(info.preferred_username, 'ada');
  assert.deepEqual(info.roles, ['Provider']);
  for (const [name, value] of Object.entries(info)) {
    if (!['roles', 'email_verified'].includes(name)) assert.equal(typeof value, 'string', name);
  }
});

test('ES256 and claims in the ID token, for an app that says so', async () => {
  const party = new Party(platform, { id: 'modern' });
  const { header, claims } = decode((await party.tokens(await signedIn('ada'))).id_token!);
  assert.equal(header.alg, 'ES256');
  assert.equal(claims.preferred_username, 'ada');
  assert.equal(claims.email, 'ada@example.org');
});

test('the claims parameter is honoured, and asks for no more than is released', async () => {
  const claims = JSON.stringify({
    id_token: { email: null, roles: null },
    userinfo: { groups: null, phone_number: null },
  });
  const party = new Party(platform, { id: 'tracker', scope: 'openid' });
  const tokens = await party.tokens(await signedIn('ada'), { claims });
  const said = decode(tokens.id_token!).claims;
  assert.equal(said.email, 'ada@example.org');
  assert.deepEqual(said.roles, ['editor']);
  const info = (await party.userinfo(tokens.access_token)).body;
  assert.deepEqual(Object.keys(info).sort(), ['groups', 'sub']);
});

test('OA-17 consent: shown with the real values, refused without harm, kept, asked again for more, withdrawn', async () => {
  const party = new Party(platform, { id: 'commons', scope: 'openid email' });
  const visitor = await signedIn('ada');
  await visitor.open(party.authorizationUrl());
  assert.match(visitor.page.text, /ada@example\.org/);
  assert.doesNotMatch(visitor.page.text, /Engines/, 'nothing is shown that is not asked');
  assert.match(
    visitor.page.headers.get('content-security-policy') ?? '',
    /form-action 'self' http:\/\/127\.0\.0\.1:9;/,
  );
  assert.match(visitor.page.text, /id="allow"/);
  assert.equal(errorOf(await press(visitor, 'back')), 'access_denied');
  await visitor.open(party.authorizationUrl());
  const code = (await press(visitor, 'allow')).get('code')!;
  const tokens = (await party.exchange(code)).body;
  assert.equal(tokens.scope, 'openid email');
  assert.ok((await party.authorize(visitor)).get('code'), 'not asked again');
  const more = new Party(platform, { id: 'commons', scope: 'openid email profile' });
  await visitor.open(more.authorizationUrl());
  assert.match(visitor.page.text, /Engines/);
  const silent = await more.authorize(visitor, { prompt: 'none' });
  assert.equal(errorOf(silent), 'consent_required');
  await visitor.open(more.authorizationUrl());
  assert.ok((await press(visitor, 'allow')).get('code'));
  const ada = await platform.database.read(system(), (tx) => findByIdentifier(tx, 'ada'));
  const listed = await platform.database.read(system(), (tx) => listConsents(tx, ada!.id));
  assert.deepEqual(
    listed.map((one) => one.application),
    ['commons'],
  );
  await platform.database.transact(system('admin'), (tx) => withdrawConsent(tx, ada!.id, 'commons'));
  assert.equal((await party.userinfo(tokens.access_token)).status, 401);
  await visitor.open(party.authorizationUrl());
  assert.match(visitor.page.text, /id="allow"/);
  const fresh = (await party.exchange((await press(visitor, 'allow')).get('code')!)).body;
  await platform.settle();
  assert.equal((await party.userinfo(tokens.access_token)).status, 401, 'what was withdrawn stays dead');
  void fresh;
});

test('OA-17 an app that anyone on the device could pose as is never let in without asking', async () => {
  const party = new Party(platform, {
    id: 'native',
    secret: undefined,
    redirectUri: 'http://127.0.0.1:4711/callback',
  });
  const visitor = await signedIn('ada');
  for (let round = 0; round < 2; round++) {
    await visitor.open(party.authorizationUrl());
    assert.match(visitor.page.text, /id="unassured"/);
    const code = (await press(visitor, 'allow')).get('code')!;
    assert.equal((await party.exchange(code)).status, 200);
  }
  assert.equal(errorOf(await party.authorize(visitor, { prompt: 'none' })), 'consent_required');
});

test('prompt=none answers without a page: login_required, or a code', async () => {
  const stranger = platform.visitor();
  assert.equal(errorOf(await tracker().authorize(stranger, { prompt: 'none' })), 'login_required');
  assert.ok((await tracker().authorize(await signedIn('ada'), { prompt: 'none' })).get('code'));
});

test('prompt=login and max_age ask for proof given after the request began; SE-06 leaving off changes nothing', async () => {
  const party = tracker();
  const visitor = await signedIn('ada');
  const before = decode((await party.tokens(visitor)).id_token!).claims;
  for (const more of [{ prompt: 'login' }, { max_age: '0' }, { max_age: '30' }]) {
    platform.clock.advance(60_000);
    await visitor.open(party.authorizationUrl(more));
    assert.match(visitor.page.url, /\/sign-in\?request=/);
    const still = await party.authorize(visitor, { prompt: 'none' });
    assert.ok(still.get('code'), 'the session of before goes on');
    await visitor.open(party.authorizationUrl(more));
    const seen = await visitor.submit({ username: 'ada', password: passwords.ada }, '/sign-in');
    const code = answerOf(seen.headers.get('location'), seen).get('code')!;
    const claims = decode((await party.exchange(code)).body.id_token!).claims;
    assert.equal(claims.sub, before.sub);
    assert.equal(claims.auth_time, Math.floor(platform.clock.now().getTime() / 1000));
  }
  assert.equal(errorOf(await party.authorize(visitor, { prompt: 'none', max_age: '30' })), null);
  platform.clock.advance(60_000);
  assert.equal(errorOf(await party.authorize(visitor, { prompt: 'none', max_age: '30' })), 'login_required');
});

test('prompt=select_account lets a person go on or change', async () => {
  const party = tracker();
  const visitor = await signedIn('ada');
  platform.clock.advance(1000);
  await visitor.open(party.authorizationUrl({ prompt: 'select_account' }));
  assert.match(visitor.page.text, /Ada Lovelace/);
  const mine = decode(
    (await party.exchange((await press(visitor, 'continue')).get('code')!)).body.id_token!,
  ).claims;
  await visitor.open(party.authorizationUrl({ prompt: 'select_account' }));
  const switching = visitor.page.text.lastIndexOf('action="/switch-account"');
  assert.ok(switching > 0);
  const request = /name="request" value="([^"]+)"/.exec(visitor.page.text)?.[1] ?? '';
  await visitor.submit({ request }, '/switch-account');
  const seen = await visitor.submit({ username: 'bob', password: passwords.bob }, '/sign-in');
  const theirs = decode(
    (await party.exchange(answerOf(seen.headers.get('location'), seen).get('code')!)).body.id_token!,
  );
  assert.notEqual(theirs.claims.sub, mine.sub);
});

test('an ID token hint for someone else offers to change the account; an acr we cannot reach is said so', async () => {
  const party = tracker();
  const ada = (await party.tokens(await signedIn('ada'))).id_token!;
  const visitor = await signedIn('bob');
  assert.equal(
    errorOf(await party.authorize(visitor, { prompt: 'none', id_token_hint: ada })),
    'login_required',
  );
  await visitor.open(party.authorizationUrl({ id_token_hint: ada }));
  assert.match(visitor.page.text, /Another account is needed/);
  assert.equal(errorOf(await press(visitor, 'back')), 'access_denied');
  const claims = JSON.stringify({ id_token: { acr: { essential: true, value: 'aal3' } } });
  assert.equal(errorOf(await party.authorize(visitor, { claims })), 'unmet_authentication_requirements');
  const tokens = await party.tokens(visitor, { acr_values: 'urn:gatehouse:acr:2' });
  assert.equal(
    decode(tokens.id_token!).claims.acr,
    'urn:gatehouse:acr:1',
    'a wish is answered with what is true',
  );
});

test('OA-21 who may not enter is told so, can change account, and the app hears only that', async () => {
  const party = new Party(platform, { id: 'closed' });
  const visitor = await signedIn('eve');
  assert.equal(errorOf(await party.authorize(visitor, { prompt: 'none' })), 'access_denied');
  await visitor.open(party.authorizationUrl());
  assert.equal(visitor.page.status, 403);
  assert.match(visitor.page.text, /may not enter this app/);
  assert.match(visitor.page.text, /\/switch-account/);
  assert.equal(errorOf(await press(visitor, 'back')), 'access_denied');
});

test('FE-04 form_post escapes everything and works by a button', async () => {
  const party = tracker();
  const visitor = await signedIn('ada');
  const state = `"><script>alert(1)</script>'&<img src=x onerror=alert(1)>`;
  const seen = await visitor.open(party.authorizationUrl({ response_mode: 'form_post', state }));
  assert.equal(seen.status, 200);
  assert.doesNotMatch(seen.text, /<script>alert|<img src=x/);
  const policy = seen.headers.get('content-security-policy') ?? '';
  assert.match(policy, /form-action 'self' http:\/\/127\.0\.0\.1:9;/);
  const nonce = /'nonce-([^']+)'/.exec(policy)?.[1] ?? '';
  assert.ok(seen.text.includes(`<script nonce="${nonce}">`));
  assert.match(seen.text, /id="go-on"/);
  const { action, fields } = visitor.formOf('http://127.0.0.1:9/callback');
  assert.equal(action, 'http://127.0.0.1:9/callback');
  assert.equal(fields.state, state);
  assert.equal(fields.iss, platform.origin);
  assert.equal((await party.exchange(fields.code!)).status, 200);
  platform.clock.advance(1000);
  const refused = await visitor.open(
    party.authorizationUrl({ response_mode: 'form_post', prompt: 'none', max_age: '0' }),
  );
  const answered = visitor.formOf('http://127.0.0.1:9/callback').fields;
  assert.equal(answered.error, 'login_required', refused.text);
});

test('an authorization request may come by POST from another site', async () => {
  const visitor = await signedIn('ada');
  const [path, query = ''] = tracker().authorizationUrl().split('?');
  const headers = { 'content-type': 'application/x-www-form-urlencoded', origin: 'http://127.0.0.1:9' };
  const seen = await visitor.open(path!, { method: 'POST', headers, body: query });
  assert.ok(answerOf(seen.headers.get('location'), seen).get('code'));
});

test('SE-05 the second person in a browser never gets the first one’s tokens, whatever cookies are left', async () => {
  const apps = [tracker(), new Party(platform, { id: 'closed' }), new Party(platform, { id: 'modern' })];
  const subjects = async (visitor: Visitor) =>
    Promise.all(
      apps.map(async (party) => {
        const tokens = await party.tokens(visitor);
        const info = await party.userinfo(tokens.access_token);
        assert.equal(info.body.sub, decode(tokens.id_token!).claims.sub);
        return info.body.preferred_username;
      }),
    );
  const names = [...(await signedIn('ada')).cookies.keys()];
  for (const left of [...names, '']) {
    const first = await signedIn('ada');
    assert.deepEqual(await subjects(first), ['ada', 'ada', 'ada']);
    const visitor = platform.visitor();
    for (const [name, value] of first.cookies) if (name !== left) visitor.cookies.set(name, value);
    await visitor.open('/sign-in');
    if (!visitor.page.text.includes('id="password"')) {
      await visitor.submit({}, '/switch-account');
    }
    const seen = await visitor.submit({ username: 'bob', password: passwords.bob }, '/sign-in');
    assert.equal(seen.status, 200, seen.text);
    assert.deepEqual(await subjects(visitor), ['bob', 'bob', 'bob'], left);
  }
});

test('SE-05 a request begun by one person is never answered for another', async () => {
  const party = new Party(platform, {
    id: 'native',
    secret: undefined,
    redirectUri: 'http://127.0.0.1:4711/callback',
  });
  const visitor = await signedIn('ada');
  await visitor.open(party.authorizationUrl());
  const page = visitor.page;
  await visitor.open('/account');
  await visitor.submit({}, '/switch-account');
  await visitor.submit({ username: 'bob', password: passwords.bob }, '/sign-in');
  visitor.page = page;
  const answer = await press(visitor, 'allow');
  const info = await party.userinfo((await party.exchange(answer.get('code')!)).body.access_token);
  assert.equal(info.body.preferred_username, 'bob', 'the page was answered by whoever is here now');
  const other = platform.visitor();
  await other.open('/sign-in');
  other.page = page;
  const stolen = await other.open(page.url);
  assert.equal(stolen.status, 410, 'another browser cannot go on with it');
});

test('SE-07 tabs of two apps and two people keep their own state, nonce and answer', async () => {
  const people = [await signedIn('ada'), await signedIn('bob')] as const;
  const names = ['ada', 'bob'];
  const tabs = people.flatMap((visitor, who) =>
    [0, 1, 2].map((number) => ({
      visitor,
      who,
      number,
      party: new Party(platform, { id: number === 1 ? 'commons' : 'tracker' }),
    })),
  );
  const pages = await Promise.all(
    tabs.map(async ({ party, visitor, who, number }) => {
      const mine = `s-${who}-${number}`;
      const tab = Object.assign(Object.create(visitor) as Visitor, { page: { ...visitor.page } });
      await visitor
        .request(party.authorizationUrl({ state: mine, nonce: mine, prompt: 'consent' }))
        .then(async (seen) => {
          tab.page = await visitor.request(new URL(seen.headers.get('location')!, platform.origin).href);
        });
      return tab.page;
    }),
  );
  for (const [index, { visitor, party, who, number }] of [...tabs.entries()].reverse()) {
    visitor.page = pages[index]!;
    const answer = await press(visitor, 'allow');
    assert.equal(answer.get('state'), `s-${who}-${number}`);
    const { body } = await party.exchange(answer.get('code')!);
    assert.equal(decode(body.id_token!).claims.nonce, `s-${who}-${number}`);
    assert.equal((await party.userinfo(body.access_token)).body.preferred_username, names[who]);
  }
});

test('an old page, an answer out of turn and a wrong form token do nothing', async () => {
  const party = new Party(platform, {
    id: 'native',
    secret: undefined,
    redirectUri: 'http://127.0.0.1:4711/callback',
  });
  const visitor = await signedIn('ada');
  await visitor.open(party.authorizationUrl());
  const page = visitor.page;
  const action = /action="(\/oidc\/interaction\/[^"]+\/allow)"/.exec(page.text)![1]!;
  const forged = await visitor.request(action, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: 'https://evil.example' },
    body: new URLSearchParams(visitor.formOf(action).fields).toString(),
  });
  assert.equal(forged.status, 403);
  assert.equal((await visitor.submit({ form_token: 'x' }, action)).status, 403);
  visitor.page = page;
  assert.ok((await press(visitor, 'allow')).get('code'));
  visitor.page = page;
  assert.equal((await visitor.submit({}, action)).status, 410);
});
