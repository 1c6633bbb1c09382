/** Which upstream: by button, by the domain of an address, by the app, by its request; and who is set up by whom. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { exportDeclared } from '#declared/declared.ts';
import { system } from '#kit/db/database.ts';
import { sealSignOn } from '#signon/dispatch.ts';
import { requireUpstream, saveUpstream } from '#signon/upstream/upstreams.ts';
import { type Platform, startPlatform } from '#test/kit.ts';
import { type FakeIdp, startFakeIdp } from './fake-idp.ts';
import { browser, idOn, textOf } from './stage.ts';

let platform: Platform;
let idp: FakeIdp;
const password = 'plum violin tractor';
const secret = 'something-nobody-may-read';

before(async () => {
  idp = await startFakeIdp();
  platform = await startPlatform({ realTime: true });
  await platform.apply(`
community: { name: Harbour }
groups: [{ name: staff }]
people:
  - { username: ada, names: { givenName: Ada }, password: ${password}, addresses: [ada@corp.test] }
upstreams:
  - id: corp
    title: Corp
    privateNetwork: true
    button: false
    domains: [corp.test]
    oidc: { issuer: "${idp.issuer}", clientId: gatehouse }
    groups: [{ from: a, to: staff, owned: true }]
    credentials: { clientSecret: ${secret} }
  - id: shown
    title: Shown
    privateNetwork: true
    oidc: { issuer: "${idp.issuer}", clientId: gatehouse }
applications:
  - id: app
    title: App
    upstream: corp
    consent: trusted
    secret: a-secret-of-at-least-thirty-two-characters
    oidc: { redirectUris: [http://127.0.0.1:9/callback], pkce: optional }
  - id: plain
    title: Plain
    consent: trusted
    secret: a-secret-of-at-least-thirty-two-characters
    oidc: { redirectUris: [http://127.0.0.1:9/callback], pkce: optional }
`);
});
after(() => idp.stop());

const authorize = (client: string, more = '') =>
  `/oidc/auth?client_id=${client}&response_type=code&scope=openid&redirect_uri=${encodeURIComponent('http://127.0.0.1:9/callback')}&state=s${more}`;

test('an address alone leads to the upstream of its domain, whether or not it has an account; any other stays here', async () => {
  const seen: string[] = [];
  for (const address of ['ada@corp.test', 'nobody@corp.test', 'ADA@CORP.TEST']) {
    const visitor = platform.visitor();
    const page = await visitor.open('/sign-in');
    assert.ok(!idOn(page, 'with-corp') && idOn(page, 'with-shown'));
    const leaving = await visitor.submit({ username: address, password: '' }, '/sign-in');
    const away = new URL(leaving.headers.get('refresh')!.replace(/^0; url=/, ''));
    assert.equal(away.origin, idp.issuer);
    assert.ok(idOn(leaving, 'leave'), 'and a button for browsers that do not go by themselves');
    seen.push(textOf(leaving));
    assert.equal(away.searchParams.get('login_hint'), address);
  }
  assert.equal(new Set(seen).size, 1);
  for (const address of [
    'ada@corp.test.evil.test',
    'ada@sub.corp.test',
    'ada',
    'corp.test',
    '@corp.test',
    '',
  ]) {
    const visitor = platform.visitor();
    await visitor.open('/sign-in');
    const page = await visitor.submit({ username: address, password: '' }, '/sign-in');
    assert.equal(page.status, 422, address);
    assert.equal(page.headers.get('refresh'), null);
  }
});

test('a password typed beside such an address is tried here; the refusal offers the upstream, to whoever it is', async () => {
  assert.match((await platform.visitor().signIn('ada@corp.test', password)).url, /\/account$/);
  const pages = [];
  for (const name of ['ada@corp.test', 'nobody@corp.test']) {
    const page = await platform.visitor().signIn(name, 'wrong');
    assert.ok(idOn(page, 'by-address'));
    pages.push(textOf(page).replaceAll(/Reference: \S+/g, ''));
  }
  assert.equal(pages[0], pages[1]);
});

test('an app leads its people to its upstream at once, and every other way stays a step away', async () => {
  const visitor = platform.visitor();
  const seen = await visitor.open(authorize('app'));
  assert.equal(new URL(seen.headers.get('location') ?? '', seen.url).origin, idp.issuer);
  const plain = await platform.visitor().open(authorize('plain'));
  assert.match(plain.url, /\/sign-in\?request=/);
  idp.down = true;
  const failing = browser(platform, [idp.issuer]);
  const app = new URL(authorize('app'), platform.origin);
  const failed = await failing.go(app.href);
  const page = failed.status === 503 ? failed : await failing.go(failed.url);
  idp.down = false;
  const ways = /href="(\/sign-in\?ways=all[^"]*)"/.exec(page.text)![1]!.replaceAll('&amp;', '&');
  assert.ok(idOn(await failing.go(ways), 'sign-in'));
});

test('a request may name the upstream it wants', async () => {
  const wanted = await platform.visitor().open(authorize('plain', '&gatehouse_upstream=corp'));
  assert.equal(new URL(wanted.headers.get('location') ?? '', wanted.url).origin, idp.issuer);
  for (const other of ['nothing-here', '../corp', ''])
    assert.match(
      (await platform.visitor().open(authorize('plain', `&gatehouse_upstream=${other}`))).url,
      /\/sign-in/,
    );
});

test('AU-20 proof of this moment is asked for where the request wants it, and must be told', async () => {
  await platform.apply(
    `upstreams:\n  - { id: anew, title: Anew, privateNetwork: true, newPeople: create, authoritative: [anew.test], oidc: { issuer: "${idp.issuer}", clientId: gatehouse } }\n`,
  );
  idp.claims = {
    sub: 'anew-1',
    preferred_username: 'anew',
    given_name: 'A',
    email: 'anew@anew.test',
    email_verified: true,
  };
  const mine = browser(platform, [idp.issuer]);
  assert.match((await mine.go('/upstream/anew/start')).url, /\/account$/);
  const cookie = [...mine.here.cookies].find(([name]) => name.startsWith('gatehouse-browser'))![1];
  const request = sealSignOn(
    platform.secrets,
    { browser: cookie, now: new Date() },
    { front: 'account', returnTo: '/account/profile', provedAfter: new Date().toISOString() },
  );
  const start = `/upstream/anew/start?request=${encodeURIComponent(new URL(request, platform.origin).searchParams.get('request')!)}`;
  for (const told of [undefined, Math.floor(Date.now() / 1000) - 3600]) {
    idp.claims.auth_time = told;
    const refused = await mine.go(start);
    assert.equal(refused.status, 403);
    assert.match(textOf(refused), /upstream-not-fresh/);
    assert.deepEqual([idp.latest.query.get('prompt'), idp.latest.query.get('max_age')], ['login', '0']);
  }
  idp.claims.auth_time = Math.floor(Date.now() / 1000);
  assert.match((await mine.go(start)).url, /\/account\/profile$/);
});

test('what is declared is exported and applied again without a change; no credential is in it, in the log or in a table', async () => {
  const text = await platform.database.read(system(), (tx) => exportDeclared(tx));
  assert.match(text, /upstreams:/);
  assert.match(text, /clientId: gatehouse/);
  assert.ok(!text.includes(secret));
  const before = await platform.database.read(system(), (tx) => requireUpstream(tx, 'corp'));
  await platform.apply(text);
  const now = await platform.database.read(system(), (tx) => requireUpstream(tx, 'corp'));
  assert.equal(now.version, before.version);
  const rows = await platform.database.query<{ row: string }>('select u::text as row from upstreams u');
  const events = await platform.database.query<{ row: string }>('select e::text as row from events e');
  for (const one of [...rows.map(({ row }) => row), ...events.map(({ row }) => row), ...platform.lines])
    assert.ok(!one.includes(secret));
  const kept = { ...now.settings, oidc: { ...now.settings.oidc!, issuer: 'https://elsewhere.test' } };
  await assert.rejects(
    platform.apply(`upstreams:\n  - { id: corp, title: Corp, github: { clientId: x } }\n`),
    /clientSecret/,
    'another kind needs credentials of its own',
  );
  await platform.database.transact(system(), (tx) => saveUpstream(tx, platform.secrets, 'corp', kept));
  const [row] = await platform.database.query<{ credentials: Buffer }>(
    "select credentials from upstreams where id = 'corp'",
  );
  assert.equal(
    platform.secrets.open('upstream', row!.credentials, 'upstreams/corp/credentials').toString(),
    '{}',
    'a secret for one place is not sent to another',
  );
});
