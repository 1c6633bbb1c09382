/** What comes with a first factor: codes, and the end of what a password alone opened elsewhere; later changes offer it. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { codeAt, stepOf } from '#core/credentials/totp.ts';
import { listSessions } from '#core/sessions/sessions.ts';
import { system } from '#kit/db/database.ts';
import { harbour, idOf, passwords, withApp } from '#test/factors.ts';
import { type Platform, startPlatform } from '#test/kit.ts';
import { PasskeyDevice } from '#test/passkey.ts';
import type { Visitor } from '#test/visitor.ts';
import { Party, secret } from './oidc-party.ts';

let platform: Platform;
before(async () => {
  platform = await startPlatform();
  await platform.apply(`${harbour}
applications:
  - { id: tracker, title: Tracker, secret: ${secret}, consent: trusted, oidc: { redirectUris: [http://127.0.0.1:9/callback] } }
`);
});

async function sessionsOf(username: string) {
  const id = await idOf(platform, username);
  return platform.database.read(system(), (tx) => listSessions(tx, id));
}

async function signedIn(username: 'ada' | 'bob' | 'eve'): Promise<Visitor> {
  const visitor = platform.visitor();
  assert.match((await visitor.signIn(username, passwords[username])).url, /\/account$/);
  return visitor;
}

/** The code an app makes of the key that the page shows. */
function codeOn({ page }: Visitor): string {
  const key = /id="totp-key"[^>]*>([A-Z2-7 ]+)</.exec(page.text)![1]!.replaceAll(' ', '');
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const bits = [...key].map((one) => alphabet.indexOf(one).toString(2).padStart(5, '0')).join('');
  const bytes = (bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2));
  return codeAt(Buffer.from(bytes), stepOf(platform.clock.now()));
}

const reasons = async (username: string) =>
  (
    await platform.database.query<{ reason: string }>(
      `select data->>'reason' as reason from events where type = 'session.ended' and person = $1 order by id`,
      [await idOf(platform, username)],
    )
  ).map(({ reason }) => reason);

test('AU-14 the first factor ends every other session at once, and tells apps; this one goes on, stronger', async () => {
  const mine = await signedIn('ada');
  const elsewhere = [await signedIn('ada'), await signedIn('ada')];
  const party = new Party(platform, { id: 'tracker', scope: 'openid' });
  const { access_token: token } = await party.tokens(elsewhere[0]!);
  assert.equal((await party.userinfo(token)).status, 200);
  await mine.open('/account/signing-in/app');
  const [own] = (await sessionsOf('ada')).filter((one) => one.aal === 1);
  assert.ok(own);
  const codes = await mine.submit({ code: codeOn(mine) }, '/account/signing-in/app');
  assert.equal(codes.text.match(/<li><code>/g)?.length, 10);
  assert.match(codes.text, /2 other browsers were signed out/);
  for (const visitor of elsewhere) assert.match((await visitor.open('/account')).url, /\/sign-in/);
  assert.equal((await party.userinfo(token)).status, 401);
  assert.match((await mine.open('/account')).url, /\/account$/);
  assert.deepEqual(
    (await sessionsOf('ada')).map(({ aal }) => aal),
    [2],
  );
  assert.deepEqual(await reasons('ada'), ['factor-added', 'factor-added']);
  const mails = await platform.mailTo('ada@example.org');
  assert.ok(mails.some(({ subject }) => /authenticator app/i.test(subject)));
});

test('AU-14 so does one that is added on the way in, and a passkey', async () => {
  const old = await signedIn('bob');
  await platform.apply('community: { name: Harbour, factors: { secondFactor: required } }');
  const fresh = platform.visitor();
  assert.match((await fresh.signIn('bob', passwords.bob)).url, /\/sign-in\/enrol$/);
  assert.match((await old.open('/account')).url, /\/account$/, 'a password alone ends nothing');
  await fresh.open('/sign-in/enrol');
  const codes = await fresh.submit({ code: codeOn(fresh) }, '/sign-in/enrol');
  assert.match(codes.text, /Another browser was signed out/);
  assert.match((await old.open('/account')).url, /\/sign-in/);
  assert.match((await fresh.open('/account')).url, /\/account$/);
  await platform.apply('community: { name: Harbour, factors: { secondFactor: optional } }');

  const [mine, other] = [await signedIn('eve'), await signedIn('eve')];
  await mine.open('/account/signing-in/passkey');
  const options = JSON.parse((await mine.request('/sign-in/passkey/options?for=account')).text);
  const device = new PasskeyDevice({ rpId: 'localhost', origin: platform.origin });
  const answer = device.create(options);
  const added = await mine.submit({ answer, name: 'key' }, '/account/signing-in/passkey');
  assert.match(added.text, /Another browser was signed out/);
  assert.match((await other.open('/account')).url, /\/sign-in/);
});

test('later changes offer to sign out elsewhere, and do it with one press', async () => {
  platform.clock.advance(60_000);
  await platform.apply(
    `people: [{ username: kay, names: { givenName: Kay }, password: ${passwords.ada}, addresses: [kay@example.org] }]`,
  );
  const app = await withApp(platform, 'kay');
  const come = async () => {
    const visitor = platform.visitor();
    await visitor.signIn('kay', passwords.ada);
    platform.clock.advance(60_000);
    assert.match((await visitor.submit({ code: app.code() }, '/sign-in/second')).url, /\/account$/);
    return visitor;
  };
  const [other, mine] = [await come(), await come()];
  await mine.open('/account/signing-in/app');
  const seen = await mine.submit({ code: codeOn(mine) }, '/account/signing-in/app');
  assert.match(seen.text, /Another browser is signed in to your account/);
  assert.match((await other.open('/account')).url, /\/account$/, 'nothing ended by itself');
  assert.doesNotMatch((await mine.open('/account/signing-in')).text, /signed in to your account/);
  await mine.open('/account/signing-in?said=app');
  await mine.submit({}, '/account/sessions/end-others');
  assert.match((await other.open('/account')).url, /\/sign-in/);
  assert.match((await mine.open('/account')).url, /\/account$/);
  assert.doesNotMatch(
    (await mine.open('/account/signing-in?said=removed')).text,
    /signed in to your account/,
  );
});

test('PK-05 what sets a factor up counts in the browser and for the person it was shown to, and once', async () => {
  await platform.apply(`people:
  - { username: lea, names: { givenName: Lea }, password: ${passwords.ada}, addresses: [lea@example.org] }
  - { username: mo, names: { givenName: Mo }, password: ${passwords.bob}, addresses: [mo@example.org] }
`);
  const lea = platform.visitor();
  await lea.signIn('lea', passwords.ada);
  await lea.open('/account/signing-in/app');
  const { fields } = lea.formOf('/account/signing-in/app');
  const code = codeOn(lea);
  const count = async () =>
    (
      await platform.database.query('select 1 from totp_authenticators where person = $1', [
        await idOf(platform, 'lea'),
      ])
    ).length;
  // The very form in another browser: not signed in, as the same person, as another one.
  const bring = async (visitor: Visitor, token: string | undefined) =>
    visitor.request('/account/signing-in/app', {
      method: 'POST',
      headers: { origin: platform.origin, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ ...fields, code, ...(token && { form_token: token }) }).toString(),
    });
  const guest = platform.visitor();
  await guest.open('/sign-in');
  assert.equal((await bring(guest, undefined)).status, 403);
  for (const [name, password] of [
    ['lea', passwords.ada],
    ['mo', passwords.bob],
  ] as const) {
    const visitor = platform.visitor();
    await visitor.signIn(name, password);
    assert.equal((await bring(visitor, undefined)).status, 403, 'a token of another browser');
    const own = visitor.formOf('/sign-out').fields.form_token;
    const refused = await bring(visitor, own);
    assert.equal(refused.status, 422, name);
    assert.match(refused.text, /not right, or was used already/);
  }
  assert.equal(await count(), 0);
  // What another browser was asked for is no answer here either, be it for the same person.
  const other = platform.visitor();
  await other.signIn('lea', passwords.ada);
  const options = JSON.parse((await other.request('/sign-in/passkey/options?for=account')).text);
  const answer = new PasskeyDevice({ rpId: 'localhost', origin: platform.origin }).create(options);
  await lea.open('/account/signing-in/passkey');
  assert.equal((await lea.submit({ answer, name: 'x' }, '/account/signing-in/passkey')).status, 422);
  await lea.open('/account/signing-in/app');
  const again = await bring(lea, undefined);
  assert.equal(again.status, 200, 'in its own browser it counts');
  assert.equal(await count(), 1);
  assert.equal((await bring(lea, undefined)).status, 422, 'and once');
  // The last factor goes only after proof as strong as it.
  platform.clock.advance(6 * 60_000);
  await lea.open('/account/signing-in');
  const asked = await lea.submit({}, '/account/signing-in/app/remove');
  assert.equal(asked.status, 403);
  assert.match(asked.text, /Is it you\?/);
  assert.equal(await count(), 1);
});
