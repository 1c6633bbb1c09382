/** Step-up: what changes an account asks for proof, apps ask for levels (RFC 9470), and tokens say what happened. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listSessions } from '#core/sessions/sessions.ts';
import { system } from '#kit/db/database.ts';
import { harbour, idOf, passwords, withApp } from '#test/factors.ts';
import { closeAfterEach, type Platform, startPlatform } from '#test/kit.ts';
import type { Visitor } from '#test/visitor.ts';
import { decode, Party, secret } from './oidc-party.ts';

closeAfterEach();

const apps = `
applications:
  - id: tracker
    title: Tracker
    secret: ${secret}
    consent: trusted
    oidc: { redirectUris: [http://127.0.0.1:9/callback] }
  - id: ledger
    title: Ledger
    secret: ${secret}
    consent: trusted
    assurance: { secondFactor: required, maxAgeMinutes: 30 }
    oidc: { redirectUris: [http://127.0.0.1:9/callback] }
`;

async function stage() {
  const platform = await startPlatform();
  await platform.apply(harbour + apps);
  return platform;
}

async function sessionOf(platform: Platform, username: string) {
  const id = await idOf(platform, username);
  return (await platform.database.read(system(), (tx) => listSessions(tx, id)))[0]!;
}

/** Signed in with a password alone, in a browser that is remembered for the second factor. */
async function withPasswordAlone(platform: Platform, code: () => string): Promise<Visitor> {
  const visitor = platform.visitor();
  await visitor.signIn('ada', passwords.ada);
  await visitor.submit({ code: code(), remember: 'on' }, '/sign-in/second');
  await visitor.submit({}, '/sign-out');
  platform.clock.advance(60_000);
  const seen = await visitor.signIn('ada', passwords.ada);
  assert.match(seen.url, /\/account$/);
  return visitor;
}

test('AU-15 a session of a password alone changes nothing an account hangs on, once there is a stronger factor', async () => {
  const platform = await stage();
  const app = await withApp(platform, 'ada');
  const visitor = await withPasswordAlone(platform, app.code);
  const account = await visitor.open('/account');
  assert.match(account.text, /authenticator app/);
  const posts: [string, string, Record<string, string>][] = [
    ['/account', '/account/addresses', { email: 'new@example.org' }],
    ['/account/signing-in', '/account/signing-in/app/remove', {}],
    ['/account/signing-in', '/account/signing-in/codes', {}],
  ];
  for (const [page, action, fields] of posts) {
    await visitor.open(page);
    const seen = await visitor.submit(fields, action);
    assert.equal(seen.status, 403, action);
    assert.match(seen.text, /Is it you\?/);
  }
  for (const path of ['/account/password', '/account/signing-in/app', '/account/signing-in/passkey'])
    assert.match((await visitor.open(path)).url, /\/sign-in\/again\?request=/, path);
  const addresses = await platform.database.query<{ address: string }>(
    `select address from addresses where address = 'new@example.org'`,
  );
  assert.deepEqual(addresses, []);
  assert.equal((await sessionOf(platform, 'ada')).aal, 1);
});

test('AU-15 SE-02 after the proof it goes on with what was asked, in the same session with a new token', async () => {
  const platform = await stage();
  const app = await withApp(platform, 'ada');
  const visitor = await withPasswordAlone(platform, app.code);
  const before = await sessionOf(platform, 'ada');
  const cookie = [...visitor.cookies].find(([name]) => name.includes('-session-'))!;
  await visitor.open('/account');
  await visitor.submit({ email: 'new@example.org' }, '/account/addresses');
  assert.equal((await visitor.submit({ code: '000000' }, '/sign-in/again')).status, 422);
  platform.clock.advance(60_000);
  const thanks = await visitor.submit({ code: app.code() }, '/sign-in/again');
  assert.match(thanks.text, /Go on with what you were about to do/);
  const done = await visitor.submit({}, '/account/addresses');
  assert.match(done.url, /\/account\/addresses\/[^/]+\/code$/);
  assert.match(done.text, /new@example\.org/);
  const after = await sessionOf(platform, 'ada');
  assert.deepEqual([after.id, after.authTime], [before.id, before.authTime]);
  assert.deepEqual([after.aal, after.amr.sort()], [2, ['mfa', 'otp', 'pwd']]);
  assert.notEqual(visitor.cookies.get(cookie[0]), cookie[1]);
  const old = platform.visitor();
  old.cookies.set(cookie[0], cookie[1]);
  assert.match((await old.open('/account')).url, /\/sign-in/);
  platform.clock.advance(301_000);
  await visitor.open('/account/signing-in');
  assert.equal((await visitor.submit({}, '/account/signing-in/codes')).status, 403, 'five minutes are over');
});

test('AU-15 an interrupted form with a secret in it is not carried along, nor one of another browser', async () => {
  const platform = await stage();
  const visitor = platform.visitor();
  await visitor.signIn('bob', passwords.bob);
  platform.clock.advance(301_000);
  await visitor.open('/account');
  const asked = await visitor.submit({ email: 'bob2@example.org' }, '/account/addresses');
  const sealed = /name="onward" value="([^"]+)"/.exec(asked.text)![1]!;
  assert.doesNotMatch(Buffer.from(sealed, 'base64url').toString('latin1'), /bob2/);
  const other = platform.visitor();
  await other.signIn('eve', passwords.eve);
  platform.clock.advance(301_000);
  await other.open('/sign-in/again');
  const seen = await other.submit({ password: passwords.eve, onward: sealed }, '/sign-in/again');
  assert.match(seen.url, /\/account$/);
  assert.doesNotMatch(seen.text, /bob2/);
  assert.equal((await visitor.submit({ password: 'wrong' }, '/sign-in/again')).status, 422);
  const right = await visitor.submit({ password: passwords.bob }, '/sign-in/again');
  assert.match(right.text, /bob2@example\.org/);
});

test('the last factor stays where one is needed, and goes with its recovery codes where none is', async () => {
  const platform = await stage();
  const app = await withApp(platform, 'ada');
  await platform.apply('community: { name: Harbour, factors: { secondFactor: required } }');
  const visitor = platform.visitor();
  await visitor.signIn('ada', passwords.ada);
  await visitor.submit({ code: app.code() }, '/sign-in/second');
  await visitor.open('/account/signing-in');
  const kept = await visitor.submit({}, '/account/signing-in/app/remove');
  assert.equal(kept.status, 409);
  assert.match(kept.text, /this is your last one/);
  await platform.apply('community: { name: Harbour, factors: { secondFactor: optional } }');
  await visitor.open('/account/signing-in');
  const gone = await visitor.submit({}, '/account/signing-in/app/remove');
  assert.match(gone.url, /said=removed/);
  assert.doesNotMatch(gone.text, /Recovery codes/);
  assert.match((await platform.visitor().signIn('ada', passwords.ada)).url, /\/account$/);
  const mails = await platform.mailTo('ada@example.org');
  assert.ok(mails.some(({ subject }) => /authenticator app was removed/.test(subject)));
});

test('AU-20 acr and amr say what happened: a wish is met where it can be, and answered with the truth where not', async () => {
  const platform = await stage();
  const party = new Party(platform, { id: 'tracker' });
  const app = await withApp(platform, 'ada');
  const visitor = await withPasswordAlone(platform, app.code);
  const plain = decode((await party.tokens(visitor)).id_token!).claims;
  assert.deepEqual([plain.acr, plain.amr], ['urn:gatehouse:acr:1', ['pwd']]);
  const wish = { acr_values: 'urn:gatehouse:acr:2' };
  const quiet = decode((await party.tokens(visitor, { ...wish, prompt: 'none' })).id_token!).claims;
  assert.equal(quiet.acr, 'urn:gatehouse:acr:1');
  const asked = await visitor.open(party.authorizationUrl(wish));
  assert.match(asked.url, /\/sign-in\/second\?request=/);
  platform.clock.advance(60_000);
  const back = await visitor.submit({ code: app.code() }, '/sign-in/second');
  const code = new URL(back.headers.get('location')!).searchParams.get('code')!;
  const claims = decode(String((await party.exchange(code)).body.id_token)).claims;
  assert.deepEqual(
    [claims.acr, (claims.amr as string[]).sort()],
    ['urn:gatehouse:acr:2', ['mfa', 'otp', 'pwd']],
  );
  const bob = platform.visitor();
  await bob.signIn('bob', passwords.bob);
  const told = decode((await party.tokens(bob, wish)).id_token!).claims;
  assert.equal(told.acr, 'urn:gatehouse:acr:1', 'who has no factor is not stopped by a wish');
});

test('RFC 9470 insisted on, who has no factor adds one or the app hears that it cannot be; a declined wish goes on', async () => {
  const platform = await stage();
  const party = new Party(platform, { id: 'tracker' });
  const claims = JSON.stringify({ id_token: { acr: { essential: true, value: 'urn:gatehouse:acr:2' } } });
  const bob = platform.visitor();
  await bob.signIn('bob', passwords.bob);
  assert.equal((await party.authorize(bob, { claims, prompt: 'none' })).get('error'), 'login_required');
  const enrol = await bob.open(party.authorizationUrl({ claims }));
  assert.match(enrol.url, /\/sign-in\/enrol\?request=/);
  const cancel = /href="([^"]*declined=1)"/.exec(enrol.text)![1]!;
  const refused = await bob.open(cancel);
  const error = new URL(refused.headers.get('location')!).searchParams.get('error');
  assert.equal(error, 'unmet_authentication_requirements');
  const app = await withApp(platform, 'ada');
  const ada = await withPasswordAlone(platform, app.code);
  const second = await ada.open(party.authorizationUrl({ acr_values: 'urn:gatehouse:acr:2' }));
  const decline = /href="([^"]*declined=1)"/.exec(second.text)![1]!;
  const on = await ada.open(decline);
  assert.ok(new URL(on.headers.get('location')!).searchParams.get('code'));
});

test('AU-20 an app that needs two factors gets them at sign-in and in a session; its age limit asks anew', async () => {
  const platform = await stage();
  const party = new Party(platform, { id: 'ledger' });
  const app = await withApp(platform, 'ada');
  const visitor = await withPasswordAlone(platform, app.code);
  assert.equal((await party.authorize(visitor, { prompt: 'none' })).get('error'), 'login_required');
  assert.match((await visitor.open(party.authorizationUrl())).url, /\/sign-in\/second\?request=/);
  platform.clock.advance(60_000);
  const back = await visitor.submit({ code: app.code() }, '/sign-in/second');
  const code = new URL(back.headers.get('location')!).searchParams.get('code')!;
  assert.equal(decode(String((await party.exchange(code)).body.id_token)).claims.acr, 'urn:gatehouse:acr:2');
  platform.clock.advance(31 * 60_000);
  const old = await visitor.open(party.authorizationUrl());
  assert.match(old.url, /\/sign-in\?request=/);
  const after = await visitor.submit({ username: 'ada', password: passwords.ada }, '/sign-in');
  assert.match(after.url, /\/sign-in\/second/, 'a remembered browser does not stand in');
  const fresh = platform.visitor();
  await fresh.open(party.authorizationUrl());
  const enrol = await fresh.submit({ username: 'bob', password: passwords.bob }, '/sign-in');
  assert.match(enrol.url, /\/sign-in\/enrol\?request=/);
});

test('SE-06 a sign-in begun anew as someone else and left changes nothing in the running session', async () => {
  const platform = await stage();
  const party = new Party(platform, { id: 'tracker' });
  await withApp(platform, 'bob');
  const visitor = platform.visitor();
  await visitor.signIn('ada', passwords.ada);
  const before = await sessionOf(platform, 'ada');
  const token = [...visitor.cookies].find(([name]) => name.includes('-session-'))!;
  platform.clock.advance(1000);
  await visitor.open(party.authorizationUrl({ prompt: 'login' }));
  const second = await visitor.submit({ username: 'bob', password: passwords.bob }, '/sign-in');
  assert.match(second.url, /\/sign-in\/second/);
  const account = await visitor.open('/account');
  assert.match(account.text, /Ada Lovelace/);
  assert.equal(visitor.cookies.get(token[0]), token[1]);
  const after = await sessionOf(platform, 'ada');
  assert.deepEqual([after.id, after.authTime, after.amr], [before.id, before.authTime, before.amr]);
  const claims = decode((await party.tokens(visitor)).id_token!).claims;
  assert.equal(claims.auth_time, Math.floor(before.authTime.getTime() / 1000));
});
