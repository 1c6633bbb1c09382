/** The test button of apps that speak OpenID Connect: a sign-in that goes the whole way and comes back to a page of ours. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { appoint } from '#core/operators/operators.ts';
import { system } from '#kit/db/database.ts';
import { type Platform, startPlatform } from '../kit.ts';
import type { Seen, Visitor } from '../visitor.ts';
import { communityFile, decode, Party, passwords, secret } from './oidc-party.ts';

let platform: Platform;
before(async () => {
  platform = await startPlatform({ realTime: true });
  await platform.apply(`${communityFile}
  - { id: asking, title: Asking, secret: ${secret}, oidc: { redirectUris: ["https://asking.example.org/cb"] } }
  - { id: claims, title: Claims, secret: ${secret}, oidc: { redirectUris: ["https://claims.example.org/cb"] } }
  - { id: fresh, title: Fresh, secret: ${secret}, consent: trusted, assurance: { maxAgeMinutes: 1 }, oidc: { redirectUris: ["https://fresh.example.org/cb"] } }
  - { id: bound, title: Bound, secret: ${secret}, consent: trusted, oidc: { redirectUris: ["https://bound.example.org/cb"], dpop: required, pkce: required } }
  - { id: telly, title: Telly, consent: trusted, oidc: { clientAuth: none, grants: ["urn:ietf:params:oauth:grant-type:device_code"] } }
  - { id: machine, title: Machine, secret: ${secret}, oidc: { grants: [client_credentials] } }
  - { id: off, title: Off, enabled: false, secret: ${secret}, consent: trusted, oidc: { redirectUris: ["https://off.example.org/cb"] } }
  - { id: strict, title: Strict, secret: ${secret}, consent: trusted, assurance: { secondFactor: required }, oidc: { redirectUris: ["https://strict.example.org/cb"] } }
`);
  await platform.database.transact(system('admin'), async (tx) => {
    const of = async (name: string) =>
      (await tx.query<{ id: string }>('select id from people where username = $1', [name]))[0]!.id;
    await appoint(tx, { person: await of('bob'), role: 'apps' });
    await appoint(tx, { person: await of('eve'), role: 'app-owner', application: 'tracker' });
  });
});

async function signedIn(name: keyof typeof passwords): Promise<Visitor> {
  const visitor = platform.visitor();
  await visitor.signIn(name, passwords[name]);
  return visitor;
}

const count = async (sql: string) =>
  (await platform.database.query<{ count: number }>(`select count(*)::int as count from ${sql}`))[0]!.count;

/** Where a form of the page leads that gives this answer; empty where there is none. */
const answerOn = ({ text }: Seen, answer: string) =>
  new RegExp(`action="([^"]*/${answer})"`).exec(text)?.[1] ?? '';

/** What stands on the page, tags taken away. */
const plain = (html: string) =>
  html
    .replaceAll(/<[^>]+>/g, ' ')
    .replaceAll('&quot;', '"')
    .replaceAll(/\s+/g, ' ');

test('it shows every claim with where it stands and why, the same as the app is really told; nobody is joined, nothing is left', async () => {
  const bob = await signedIn('bob');
  const joined = await count(`events where type in ('session.application-joined', 'subject.fixed')`);
  await bob.request('/oidc/test/tracker');
  // That tokens of an app have ended is kept whenever one changes that has no front of this kind.
  assert.equal(
    await count(`oidc_payloads where kind <> 'OwnTokensEnded'`),
    0,
    'beginning a test keeps nothing',
  );
  const seen = await bob.open('/oidc/test/tracker');
  assert.equal(new URL(seen.url).pathname, '/oidc/test');
  assert.equal(seen.status, 200);
  const text = plain(seen.text);
  for (const said of [
    'Test login: Tracker',
    'preferred_username bob In userinfo',
    'release.claims has username',
    'email bob@example.org',
    'groups staff',
    'aud tracker In the ID token',
    'amr pwd',
    'no app',
  ])
    assert.match(text, new RegExp(said.replaceAll('.', '\\.')), said);
  assert.equal(await count(`events where type in ('session.application-joined', 'subject.fixed')`), joined);
  assert.equal(await count(`session_applications where application = 'tracker'`), 0);
  assert.equal(
    await count(`oidc_payloads where kind in ('AuthorizationCode', 'AccessToken', 'Grant', 'RefreshToken')`),
    0,
  );
  assert.equal(await count(`last_sign_ins where application = 'tracker'`), 0);

  // The app itself hears the same.
  const party = new Party(platform, { id: 'tracker', scope: 'openid profile email groups roles' });
  const tokens = await party.tokens(bob);
  const really = { ...decode(tokens.id_token!).claims, ...(await party.userinfo(tokens.access_token)).body };
  const shown = [...seen.text.matchAll(/<textarea[^>]*>([^<]*)</g)].map(
    ([, json]) => JSON.parse((json ?? '').replaceAll('&quot;', '"').replaceAll('&amp;', '&')) as object,
  );
  const tested = Object.assign({}, ...shown) as Record<string, unknown>;
  const changing = ['exp', 'iat', 'at_hash', 'nonce', 'sid', 'auth_time'];
  const constant = (claims: Record<string, unknown>) =>
    Object.fromEntries(Object.entries(claims).filter(([name]) => !changing.includes(name)));
  assert.deepEqual(constant(tested), constant(really));
});

test('the address of a test counts once, in this browser, for whoever began it', async () => {
  const bob = await signedIn('bob');
  const other = await signedIn('bob');
  const begun = await bob.request('/oidc/test/tracker');
  const way = begun.headers.get('location')!;
  assert.match(way, /^\/oidc\/auth\?/);
  const state = new URL(way, platform.origin).searchParams.get('state')!;
  const back = await bob.request(way);
  const answer = back.headers.get('location')!;
  assert.match(answer, /\/oidc\/test\?code=/);
  assert.equal((await other.open(answer)).status, 410);
  assert.equal((await platform.visitor().open(answer)).status, 410);
  assert.equal((await bob.open(answer)).status, 200);
  const again = plain((await bob.open(answer)).text);
  assert.match(again, /The app would be refused: Tracker .* invalid_grant/);
  // And without a test behind it, the address is none of the app's.
  assert.equal((await bob.open(way.replace(state, 'x'.repeat(43)))).status, 400);
  assert.equal((await bob.open('/oidc/test?code=x&state=y')).status, 410);
});

test('the return address of tests opens nothing for apps: not another app, not the token endpoint, not without a secret', async () => {
  const bob = await signedIn('bob');
  const way = (await bob.request('/oidc/test/tracker')).headers.get('location')!;
  // The state of one app is not that of another.
  assert.equal((await bob.request(way.replace('client_id=tracker', 'client_id=closed'))).status, 400);
  const answer = (await bob.request(way)).headers.get('location')!;
  const code = new URL(answer).searchParams.get('code')!;
  const post = async (fields: Record<string, string>) =>
    (
      await fetch(`${platform.origin}/oidc/token`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({
          grant_type: 'authorization_code',
          redirect_uri: `${platform.origin}/oidc/test`,
          code,
          code_verifier: 'x'.repeat(43),
          ...fields,
        }),
      })
    ).status;
  assert.equal(await post({ client_id: 'tracker' }), 401);
  assert.equal(await post({ client_id: 'tracker', client_secret: 'wrong' }), 401);
  const party = new Party(platform, { id: 'tracker', redirectUri: `${platform.origin}/oidc/test` });
  assert.equal((await bob.request(party.authorizationUrl())).status, 400);
  assert.equal(
    (await party.post('/oidc/par', Object.fromEntries(new URL(party.authorizationUrl()).searchParams)))
      .status,
    400,
  );
});

test('only operators of that app begin one, and apps that sign nobody in have none', async () => {
  assert.equal((await (await signedIn('ada')).open('/oidc/test/tracker')).status, 403);
  const eve = await signedIn('eve');
  assert.equal((await eve.open('/oidc/test/tracker')).status, 200);
  assert.equal((await eve.open('/oidc/test/commons')).status, 403);
  const bob = await signedIn('bob');
  assert.equal((await bob.open('/oidc/test/machine')).status, 404);
  assert.equal((await bob.open('/oidc/test/nowhere')).status, 404);
  const stranger = await platform.visitor().open('/oidc/test/tracker');
  assert.equal(new URL(stranger.url).pathname, '/sign-in');
});

test('what the app would have to prove is left out: DPoP, secrets, and the grant a device uses', async () => {
  const bob = await signedIn('bob');
  for (const id of ['bound', 'telly', 'native', 'browser-app']) {
    let seen = await bob.open(`/oidc/test/${id}`);
    if (answerOn(seen, 'allow') !== '') seen = await bob.submit({}, answerOn(seen, 'allow'));
    assert.match(plain(seen.text), /Test login:/, id);
  }
});

test('an app that asks is asked for in the test too, and what was agreed to lasts no longer than it', async () => {
  const bob = await signedIn('bob');
  const asked = await bob.open('/oidc/test/asking');
  assert.match(asked.text, /id="allow"/);
  const seen = await bob.submit({}, answerOn(asked, 'allow'));
  assert.match(plain(seen.text), /yours was taken back/);
  assert.equal(await count(`consents where application = 'asking' and withdrawn_at is null`), 0);
  // Whoever had agreed before still does.
  const party = new Party(platform, {
    id: 'asking',
    redirectUri: 'https://asking.example.org/cb',
    scope: 'openid profile email groups roles',
  });
  await bob.submit({}, answerOn(await bob.open(party.authorizationUrl()), 'allow'));
  const again = await bob.open('/oidc/test/asking');
  assert.doesNotMatch(plain(again.text), /taken back/);
  assert.equal(await count(`consents where application = 'asking' and withdrawn_at is null`), 1);
});

test('a refusal is shown as the app would get it, with its cause here', async () => {
  const bob = await signedIn('bob');
  const refused = async (id: string) => {
    const page = await bob.open(`/oidc/test/${id}`);
    return plain((await bob.submit({}, answerOn(page, 'back'))).text);
  };
  const off = await refused('off');
  assert.match(off, /The app would be refused: Off/);
  assert.match(off, /unauthorized_client/);
  assert.match(off, /switched off/);
  const denied = await refused('claims');
  assert.match(denied, /access_denied/);
  // Where more proof is needed, it is asked for as on the way to the app.
  const strict = await bob.open('/oidc/test/strict');
  assert.match(new URL(strict.url).pathname, /^\/(sign-in|enrol)/);
  await platform.database.query(`update sessions set auth_time = auth_time - interval '2 minutes'`);
  const asked = await bob.open('/oidc/test/fresh');
  assert.equal(new URL(asked.url).pathname, '/sign-in');
  const after = await bob.submit({ username: 'bob', password: passwords.bob }, '/sign-in');
  assert.match(plain(after.text), /Test login: Fresh/);
});
