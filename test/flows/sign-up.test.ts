/** The joiner's story without scripts: sign up, verify by code or link, sign in, recover, change, sign out. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closeAfterEach, startPlatform } from '#test/kit.ts';
import type { Visitor } from '#test/visitor.ts';

closeAfterEach();

const person = {
  given_name: 'Ada',
  family_name: 'Byron',
  username: 'ada.b',
  email: 'Ada.B@example.org',
  password: 'plum violin tractor',
};

test('a person signs up, types the mailed code and is in', async () => {
  const platform = await startPlatform();
  const ada = platform.visitor();
  await ada.open('/sign-up');
  const check = await ada.submit(person, '/sign-up');
  assert.equal(check.status, 200);
  assert.match(check.url, /\/verify\/code$/);
  assert.match(check.text, /Ada\.B@example\.org/);
  const [mail] = await platform.mailTo('Ada.B@example.org');
  const code = /\b(\d{3})[ -]?(\d{3})\b/.exec(mail!.text);
  const home = await ada.submit({ code: `${code![1]} ${code![2]}` }, '/verify/code');
  assert.match(home.url, /\/account$/);
  assert.match(home.text, /Ada Byron/);
  const out = await ada.submit({}, '/sign-out');
  assert.match(out.text, /You are signed out/);
  for (const identifier of ['ada.b', 'ADA.B', 'ada.b@EXAMPLE.org']) {
    const back = await platform.visitor().signIn(identifier, person.password);
    assert.match(back.url, /\/account$/, identifier);
  }
});

test('letters come in the language of whoever signs up, and another can be chosen', async () => {
  const platform = await startPlatform();
  const ada = platform.visitor({ 'accept-language': 'de-AT,de;q=0.9,en;q=0.5' });
  await ada.open('/sign-up');
  await ada.submit(person, '/sign-up');
  const [mail] = await platform.mailTo('Ada.B@example.org');
  assert.match(mail!.subject, /Bestätigen Sie Ihre Adresse/);
  const code = /\b(\d{3})[ -]?(\d{3})\b/.exec(mail!.text);
  await ada.submit({ code: `${code![1]} ${code![2]}` }, '/verify/code');
  const kept = async () => {
    const [row] = await platform.database.query<{ locale: string }>('select locale from people');
    return row!.locale;
  };
  const names = { given_name: 'Ada', family_name: 'Lovelace', display_name: 'Ada Lovelace' };
  assert.equal(await kept(), 'de-AT');
  const form = await ada.open('/account/profile');
  assert.match(form.text, /<option value="de" selected>Deutsch/);
  assert.match(form.text, /Mail comes in it\. Pages speak English so far\./);
  await ada.submit({ ...names, locale: 'de' }, '/account/profile');
  assert.equal(await kept(), 'de-AT', 'what was not changed stays');
  await ada.open('/account/profile');
  await ada.submit({ ...names, locale: 'en' }, '/account/profile');
  assert.equal(await kept(), 'en');
});

test('a form sent twice by one click too many is one sign-up with one mail; for others, and later, the name is taken', async (t) => {
  const platform = await startPlatform();
  t.after(() => platform.stop());
  const ada = platform.visitor();
  await ada.open('/sign-up');
  for (const seen of await Promise.all([ada.submit(person, '/sign-up'), ada.submit(person, '/sign-up')])) {
    assert.match(seen.url, /\/verify\/code$/);
    assert.match(seen.text, /Ada\.B@example\.org/);
  }
  assert.equal((await platform.mailTo('Ada.B@example.org')).length, 1);
  const taken = async (visitor: Visitor, more: Record<string, string> = {}) => {
    await visitor.open('/sign-up');
    assert.match(
      (await visitor.submit({ ...person, ...more }, '/sign-up')).text,
      /already has this user name/,
    );
  };
  await taken(platform.visitor());
  await taken(ada, { email: 'other@example.org' });
  platform.clock.advance(60_000);
  await taken(ada);
});

test('AC-05 the mailed link shows a button, confirms once, and whoever opens it elsewhere sets a password of their own: what was set before goes', async () => {
  const platform = await startPlatform();
  const ada = platform.visitor();
  await ada.open('/sign-up');
  await ada.submit(person, '/sign-up');
  const [mail] = await platform.mailTo('Ada.B@example.org');
  const link = /http\S+\/verify\?token=\S+/.exec(mail!.text)![0];
  const other = platform.visitor();
  for (let scanner = 0; scanner < 3; scanner += 1) assert.equal((await other.open(link)).status, 200);
  const confirmed = await other.submit({}, '/verify');
  assert.match(confirmed.url, /\/recover\/new\?token=/);
  assert.match(
    confirmed.text,
    /the one typed at sign-up, in another browser, does not count/,
    'and says why',
  );
  assert.equal(
    (await platform.visitor().signIn('ada.b', person.password)).status,
    422,
    'who signed up may be another',
  );
  assert.match(
    (await ada.open('/verify/code')).url,
    /\/sign-in\?said=confirmed$/,
    'and is signed in by nothing',
  );
  await other.open(confirmed.url);
  const own = 'seven lanterns float';
  assert.match((await other.submit({ password: own }, '/recover/new')).url, /\/sign-in\?said=password$/);
  const again = await other.open(link);
  assert.equal(again.status, 410);
  assert.match(again.text, /used already/);
  assert.match((await other.signIn('ada.b', own)).url, /\/account$/);
});

test('the page that waits for the code says so when the link was opened beside it', async () => {
  const platform = await startPlatform();
  const ada = platform.visitor();
  await ada.open('/sign-up');
  await ada.submit(person, '/sign-up');
  const waiting = ada.page;
  const [mail] = await platform.mailTo('Ada.B@example.org');
  await ada.open(/http\S+\/verify\?token=\S+/.exec(mail!.text)![0]);
  assert.match((await ada.submit({}, '/verify')).url, /\/account$/);
  for (const [action, fields] of [
    ['/verify/code', { code: '123456' }],
    ['/verify/resend', {}],
  ] as const) {
    ada.page = waiting;
    const seen = await ada.submit(fields, action);
    assert.match(seen.url, /\/account\?said=confirmed$/, action);
    assert.equal(seen.status, 200);
    assert.match(seen.text, /Your address is confirmed/);
  }
});

test('a wrong address can be changed before it is confirmed; the old link dies', async () => {
  const platform = await startPlatform();
  const ada = platform.visitor();
  await ada.open('/sign-up');
  await ada.submit({ ...person, email: 'typo@example.net' }, '/sign-up');
  const [old] = await platform.mailTo('typo@example.net');
  await ada.open('/verify/address');
  const sent = await ada.submit({ email: 'right@example.net' }, '/verify/address');
  assert.match(sent.text, /right@example\.net/);
  const link = /http\S+\/verify\?token=\S+/.exec(old!.text)![0];
  assert.equal((await platform.visitor().open(link)).status, 410);
  const [mail] = await platform.mailTo('right@example.net');
  const code = /\b(\d{3})[ -]?(\d{3})\b/.exec(mail!.text)!;
  assert.match((await ada.submit({ code: `${code[1]}${code[2]}` }, '/verify/code')).url, /\/account$/);
});

test('recovery by mail sets a new password and ends every session', async () => {
  const platform = await startPlatform();
  const ada = platform.visitor();
  await ada.open('/sign-up');
  await ada.submit(person, '/sign-up');
  const [mail] = await platform.mailTo('Ada.B@example.org');
  const code = /\b(\d{3})[ -]?(\d{3})\b/.exec(mail!.text)!;
  await ada.submit({ code: `${code[1]}${code[2]}` }, '/verify/code');
  const forgetful = platform.visitor();
  await forgetful.open('/recover');
  assert.match(
    (await forgetful.submit({ username: 'ada.b' }, '/recover')).text,
    /mail with a link is on its way/,
  );
  const letter = (await platform.mailTo('Ada.B@example.org')).find((one) =>
    one.text.includes('/recover/new'),
  )!;
  const link = /http\S+\/recover\/new\?token=\S+/.exec(letter.text)![0];
  await forgetful.open(link);
  const weak = await forgetful.submit({ password: 'Password1!' }, '/recover/new');
  assert.equal(weak.status, 422);
  const set = await forgetful.submit({ password: 'seven lanterns float' }, '/recover/new');
  assert.match(set.text, /new password is set/);
  assert.match((await ada.open('/account')).url, /\/sign-in/, 'the old session is over');
  assert.equal((await platform.visitor().signIn('ada.b', person.password)).status, 422);
  assert.match((await platform.visitor().signIn('ada.b', 'seven lanterns float')).url, /\/account$/);
  assert.equal((await platform.visitor().open(link)).status, 410);
});

test('whoever meets a refusal while signed in can sign out or switch the account there', async (t) => {
  const platform = await startPlatform();
  t.after(() => platform.stop());
  const ada = platform.visitor();
  await ada.open('/sign-up');
  await ada.submit(person, '/sign-up');
  const [mail] = await platform.mailTo('Ada.B@example.org');
  await ada.submit({ code: /\b\d{6}\b/.exec(mail!.text)![0] }, '/verify/code');
  for (const [url, status] of [
    ['/admin', 403],
    ['/go/nowhere', 404],
    ['/verify?token=x', 400],
  ] as const) {
    const seen = await ada.open(url);
    assert.equal(seen.status, status, url);
    assert.match(seen.text, /Ada Byron/, url);
    assert.match(seen.text, /action="\/switch-account"/, url);
  }
  assert.doesNotMatch((await platform.visitor().open('/verify?token=x')).text, /action="\/switch-account"/);
  await ada.open('/admin');
  assert.match((await ada.submit({}, '/sign-out')).text, /You are signed out/);
});
