/** The second step of a sign-in without scripts: codes, recovery codes, remembered browsers, and who must have one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recoveryCodesOf } from '#core/credentials/recovery-codes.ts';
import { appoint } from '#core/operators/operators.ts';
import { listSessions, listSignIns } from '#core/sessions/sessions.ts';
import { system } from '#kit/db/database.ts';
import { passwordSignIn } from '#signon/gate.ts';
import { dropPending } from '#signon/proof.ts';
import { harbour, idOf, passwords, withApp } from '#test/factors.ts';
import { closeAfterEach, type Platform, startPlatform } from '#test/kit.ts';
import type { Visitor } from '#test/visitor.ts';

closeAfterEach();

async function stage(more = '') {
  const platform = await startPlatform();
  await platform.apply(harbour + more);
  return platform;
}

const cookieOf = (visitor: Visitor, short: string) =>
  [...visitor.cookies].find(([name]) => name.includes(`-${short}-`))?.[1];

async function sessionsOf(platform: Platform, username: string) {
  const id = await idOf(platform, username);
  return platform.database.read(system(), (tx) => listSessions(tx, id));
}

/** Password typed, and standing at the second step. */
async function atSecond(platform: Platform, username: 'ada' | 'bob' | 'eve' = 'ada'): Promise<Visitor> {
  const visitor = platform.visitor();
  const seen = await visitor.signIn(username, passwords[username]);
  assert.match(seen.url, /\/sign-in\/second$/);
  return visitor;
}

test('AU-20 a password is one proof: no session before the code, and amr says what really happened', async () => {
  const platform = await stage();
  const app = await withApp(platform, 'ada');
  const visitor = await atSecond(platform);
  assert.equal(cookieOf(visitor, 'session'), undefined);
  assert.equal((await sessionsOf(platform, 'ada')).length, 0);
  assert.match((await platform.visitor().open('/account')).url, /\/sign-in\?/);
  assert.match((await visitor.open('/account')).url, /\/sign-in\?/, 'the waiting sign-in opens nothing');
  await visitor.open('/sign-in/second');
  const wrong = await visitor.submit({ code: '000000' }, '/sign-in/second');
  assert.equal(wrong.status, 422);
  assert.match(wrong.text, /not right, or was used already/);
  const home = await visitor.submit({ code: app.code() }, '/sign-in/second');
  assert.match(home.url, /\/account$/);
  const [session] = await sessionsOf(platform, 'ada');
  assert.deepEqual([session!.amr.sort(), session!.aal], [['mfa', 'otp', 'pwd'], 2]);
  assert.equal(cookieOf(visitor, 'pending'), undefined);
  const id = await idOf(platform, 'ada');
  const noted = await platform.database.read(system(), (tx) => listSignIns(tx, id, 10));
  assert.deepEqual(
    noted.map((one) => one.outcome),
    ['ok', 'factor-wrong'],
  );
});

test('AU-08 one code at twenty waiting sign-ins at once opens one session', async () => {
  const platform = await stage();
  const app = await withApp(platform, 'ada');
  const visitors: Visitor[] = [];
  for (let count = 0; count < 20; count += 1) visitors.push(await atSecond(platform));
  const code = app.code();
  const seen = await Promise.all(visitors.map((visitor) => visitor.submit({ code }, '/sign-in/second')));
  assert.equal(seen.filter(({ url }) => url.endsWith('/account')).length, 1);
  assert.equal((await sessionsOf(platform, 'ada')).length, 1);
});

test('AU-10 guesses are counted for the person, over sign-ins and recovery codes, and the right code waits too', async () => {
  const platform = await stage();
  const app = await withApp(platform, 'ada');
  let refusedAt = 0;
  for (let session = 0; session < 6; session += 1) {
    const visitor = await atSecond(platform);
    for (let guess = 0; guess < 5; guess += 1) {
      const code = guess % 2 === 0 ? String(100_000 + session * 10 + guess) : 'aaaa-bbbb-cccc-dddd';
      const seen = await visitor.submit({ code }, '/sign-in/second');
      if (seen.status === 429 && refusedAt === 0) refusedAt = session * 5 + guess + 1;
    }
  }
  assert.equal(refusedAt, 11);
  const visitor = await atSecond(platform);
  const late = await visitor.submit({ code: app.code() }, '/sign-in/second');
  assert.equal(late.status, 429);
  platform.clock.advance(16 * 60_000);
  const again = await atSecond(platform);
  assert.match((await again.submit({ code: app.code() }, '/sign-in/second')).url, /\/account$/);
  const mails = await platform.mailTo('ada@example.org');
  assert.ok(mails.some(({ subject }) => /failed attempts/.test(subject)));
});

test('AU-16 a recovery code stands in once; eight at once are one', async () => {
  const platform = await stage();
  const app = await withApp(platform, 'ada');
  const visitor = await atSecond(platform);
  const page = await visitor.open('/sign-in/second?by=recovery');
  assert.match(page.text, /Recovery code/);
  const typed = app.codes[0]!.replaceAll('-', ' ').toUpperCase();
  assert.match((await visitor.submit({ code: typed }, '/sign-in/second')).url, /\/account$/);
  const again = await atSecond(platform);
  await again.open('/sign-in/second?by=recovery');
  assert.equal((await again.submit({ code: app.codes[0]! }, '/sign-in/second')).status, 422);
  const visitors: Visitor[] = [];
  for (let count = 0; count < 8; count += 1) visitors.push(await atSecond(platform));
  const code = app.codes[1]!;
  const seen = await Promise.all(visitors.map((one) => one.submit({ code }, '/sign-in/second')));
  assert.equal(seen.filter(({ url }) => url.endsWith('/account')).length, 1);
  const id = await idOf(platform, 'ada');
  assert.equal((await platform.database.read(system(), (tx) => recoveryCodesOf(tx, id)))?.left, 8);
  assert.ok(
    (await platform.mailTo('ada@example.org')).some(({ subject }) => /recovery code was used/i.test(subject)),
  );
  const stored = await platform.database.query<{ hash: Buffer }>('select hash from recovery_codes');
  assert.ok(stored.every(({ hash }) => !app.codes.some((one) => hash.includes(one.replaceAll('-', '')))));
});

test('SE-09 a waiting sign-in belongs to the browser that began it, ends after ten minutes, and counts once', async () => {
  const platform = await stage();
  const app = await withApp(platform, 'ada');
  const visitor = await atSecond(platform);
  const thief = platform.visitor();
  await thief.open('/sign-in');
  const name = [...visitor.cookies.keys()].find((one) => one.includes('-pending-'))!;
  thief.cookies.set(name, visitor.cookies.get(name)!);
  assert.match((await thief.open('/sign-in/second')).url, /\/sign-in$/);
  platform.clock.advance(10 * 60_000 + 1000);
  const late = await visitor.submit({ code: app.code() }, '/sign-in/second');
  assert.match(late.url, /\/sign-in$/);
  assert.equal((await sessionsOf(platform, 'ada')).length, 0);
  const dropped = await platform.database.transact(system('schedule'), dropPending);
  assert.equal(dropped, 1);
  const id = await idOf(platform, 'ada');
  const noted = await platform.database.read(system(), (tx) => listSignIns(tx, id, 10));
  assert.equal(noted[0]!.outcome, 'second-factor-needed', 'its owner sees that someone had the password');
});

test('AU-11 a new password by mailed link skips no factor, and ends what waited with the old one', async () => {
  const platform = await stage();
  const app = await withApp(platform, 'ada');
  const waiting = await atSecond(platform);
  platform.clock.advance(1000);
  const visitor = platform.visitor();
  await visitor.open('/recover');
  await visitor.submit({ username: 'ada' }, '/recover');
  const mail = (await platform.mailTo('ada@example.org', /^Set a new password/)).at(-1)!;
  await visitor.open(/http\S+\/recover\/new\?token=\S+/.exec(mail.text)![0]);
  const fresh = 'seven lanterns float';
  await visitor.submit({ password: fresh }, '/recover/new');
  const seen = await visitor.signIn('ada', fresh);
  assert.match(seen.url, /\/sign-in\/second$/);
  assert.match((await waiting.submit({ code: app.code() }, '/sign-in/second')).url, /\/sign-in$/);
  assert.match((await visitor.submit({ code: app.code() }, '/sign-in/second')).url, /\/account$/);
});

test('a remembered browser is asked for the password alone, until its days are over or someone else signs in there', async () => {
  const platform = await stage();
  const app = await withApp(platform, 'ada');
  await withApp(platform, 'bob');
  const visitor = await atSecond(platform);
  assert.match(visitor.page.text, /Do not ask on this browser for 30 days/);
  await visitor.submit({ code: app.code(), remember: 'on' }, '/sign-in/second');
  await visitor.submit({}, '/sign-out');
  assert.match((await visitor.signIn('ada', passwords.ada)).url, /\/account$/);
  const [session] = await sessionsOf(platform, 'ada');
  assert.deepEqual([session!.amr, session!.aal], [['pwd'], 1], 'never more than what happened');
  await visitor.submit({}, '/sign-out');
  assert.match((await visitor.signIn('bob', passwords.bob)).url, /\/sign-in\/second$/);
  assert.match((await platform.visitor().signIn('ada', passwords.ada)).url, /\/sign-in\/second$/);
  platform.clock.advance(30 * 86_400_000 + 1000);
  assert.match((await visitor.signIn('ada', passwords.ada)).url, /\/sign-in\/second$/);
});

test('where remembering is off, or shorter by now, no browser stays remembered', async () => {
  const platform = await stage();
  const app = await withApp(platform, 'ada');
  const visitor = await atSecond(platform);
  await visitor.submit({ code: app.code(), remember: 'on' }, '/sign-in/second');
  await visitor.submit({}, '/sign-out');
  await platform.apply('community: { name: Harbour, factors: { rememberDeviceDays: 0 } }');
  const seen = await visitor.signIn('ada', passwords.ada);
  assert.match(seen.url, /\/sign-in\/second$/);
  assert.doesNotMatch(seen.text, /Do not ask on this browser/);
});

test('AU-20 required for all: whoever has none adds one on the way in, and gets recovery codes once', async () => {
  const platform = await stage();
  await platform.apply('community: { name: Harbour, factors: { secondFactor: required } }');
  const visitor = platform.visitor();
  const seen = await visitor.signIn('bob', passwords.bob);
  assert.match(seen.url, /\/sign-in\/enrol$/);
  assert.equal(cookieOf(visitor, 'session'), undefined);
  assert.match(seen.text, /<svg class="qr"/);
  const key = /id="totp-key"[^>]*>([A-Z2-7 ]+)</.exec(seen.text)![1]!.replaceAll(' ', '');
  assert.equal((await visitor.submit({ code: '000000' }, '/sign-in/enrol')).status, 422);
  const { codeAt, stepOf } = await import('#core/credentials/totp.ts');
  const code = codeAt(fromBase32(key), stepOf(platform.clock.now()));
  const shown = await visitor.submit({ code }, '/sign-in/enrol');
  assert.equal(shown.status, 200);
  assert.equal(shown.text.match(/<li><code>[0-9a-z]{4}(-[0-9a-z]{4}){3}<\/code><\/li>/g)?.length, 10);
  assert.match((await visitor.open('/account')).url, /\/account$/);
  const [session] = await sessionsOf(platform, 'bob');
  assert.deepEqual([session!.amr.sort(), session!.aal], [['mfa', 'otp', 'pwd'], 2]);
  const mails = await platform.mailTo('bob@example.org');
  assert.ok(mails.some(({ subject }) => /authenticator app/i.test(subject)));
});

test('AU-20 a password alone adds no factor where one came meanwhile', async () => {
  const platform = await stage();
  await platform.apply('community: { name: Harbour, factors: { secondFactor: required } }');
  const thief = platform.visitor();
  const seen = await thief.signIn('bob', passwords.bob);
  const key = /id="totp-key"[^>]*>([A-Z2-7 ]+)</.exec(seen.text)![1]!.replaceAll(' ', '');
  await withApp(platform, 'bob');
  const { codeAt, stepOf } = await import('#core/credentials/totp.ts');
  const code = codeAt(fromBase32(key), stepOf(platform.clock.now()));
  const after = await thief.submit({ code }, '/sign-in/enrol');
  assert.match(after.url, /\/sign-in/);
  assert.equal(cookieOf(thief, 'session'), undefined);
});

test('AU-20 required for operators: they alone add one, and no remembered browser stands in', async () => {
  const platform = await stage();
  const ada = await idOf(platform, 'ada');
  await platform.database.transact(system('admin'), (tx) => appoint(tx, { person: ada, role: 'auditor' }));
  const app = await withApp(platform, 'ada');
  const visitor = await atSecond(platform);
  await visitor.submit({ code: app.code(), remember: 'on' }, '/sign-in/second');
  await visitor.submit({}, '/sign-out');
  await platform.apply('community: { name: Harbour, factors: { operators: required } }');
  assert.match((await visitor.signIn('ada', passwords.ada)).url, /\/sign-in\/second$/);
  assert.doesNotMatch(visitor.page.text, /Do not ask on this browser/);
  assert.match((await platform.visitor().signIn('bob', passwords.bob)).url, /\/account$/);
  const eve = await idOf(platform, 'eve');
  await platform.database.transact(system('admin'), (tx) => appoint(tx, { person: eve, role: 'auditor' }));
  assert.match((await platform.visitor().signIn('eve', passwords.eve)).url, /\/sign-in\/enrol$/);
});

test('AU-20 a door that cannot ask refuses with a clear code, and opens nothing', async () => {
  const platform = await stage();
  await withApp(platform, 'ada');
  const attempt = (identifier: string, password: string) =>
    passwordSignIn(
      { ...platform, floorMs: 0 },
      {
        identifier,
        password,
        door: 'basic',
        device: 'a mail program',
        ip: '192.0.2.1',
        persistent: false,
        context: system('request'),
      },
    );
  await assert.rejects(attempt('ada', passwords.ada), { code: 'second-factor-needed' });
  await assert.rejects(attempt('ada', 'wrong'), { code: 'sign-in-failed' });
  assert.equal((await sessionsOf(platform, 'ada')).length, 0);
  await attempt('bob', passwords.bob);
  await platform.apply('community: { name: Harbour, factors: { secondFactor: required } }');
  await assert.rejects(attempt('bob', passwords.bob), { code: 'second-factor-needed' });
});

test('AU-19 whoever lost their standing while a sign-in waited does not come in', async () => {
  const platform = await stage();
  const app = await withApp(platform, 'ada');
  const visitor = await atSecond(platform);
  const ada = await idOf(platform, 'ada');
  const { leave } = await import('#core/lifecycle/leave.ts');
  await platform.database.transact(system('admin'), (tx) => leave(tx, ada, 'suspended', 'test'));
  const seen = await visitor.submit({ code: app.code() }, '/sign-in/second');
  assert.equal(seen.status, 403);
  assert.equal((await sessionsOf(platform, 'ada')).length, 0);
});

function fromBase32(text: string): Buffer {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const bits = [...text].map((one) => alphabet.indexOf(one).toString(2).padStart(5, '0')).join('');
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)));
}
