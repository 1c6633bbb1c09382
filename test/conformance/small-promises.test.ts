/** What a page must not do besides what it says. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { communitySettings } from '#core/community/community.ts';
import { openSetup, setupToken } from '#core/operators/setup.ts';
import { findByUsername } from '#core/people/people.ts';
import { system } from '#kit/db/database.ts';
import { type Platform, startPlatform } from '#test/kit.ts';
import { addPeople, behindProxy, mailedLink, signedIn, stranger } from './stage.ts';

const right = 'plum violin tractor';
let platform: Platform;

before(async () => {
  platform = await startPlatform({ env: behindProxy });
});

const personOf = (username: string) => platform.database.read(system(), (tx) => findByUsername(tx, username));

test('the first owner is not told that their password was changed: they have just chosen it', async () => {
  const setup = await platform.database.transact(system(), openSetup);
  const visitor = stranger(platform);
  await visitor.open(`/admin/setup?token=${setupToken(platform.secrets, setup!)}`);
  const names = { given_name: 'Olga', family_name: 'Berg', username: 'olga', email: 'olga@example.org' };
  const done = await visitor.submit({ ...names, password: right }, '/admin/setup');
  assert.equal(new URL(done.url).pathname, '/admin');
  assert.deepEqual(await platform.mailTo('olga@example.org'), []);
});

test('saving a profile unchanged changes nothing: a language the form does not show stays', async () => {
  const visitor = stranger(platform);
  await visitor.open('/sign-up');
  const names = { given_name: 'Ann', family_name: 'Moss', username: 'ann.moss', email: 'ann@example.org' };
  await visitor.submit({ ...names, password: right }, '/sign-up');
  await visitor.open(await mailedLink(platform, 'ann@example.org', '/verify'));
  await visitor.submit({}, '/verify');
  const was = await personOf('ann.moss');
  assert.equal(was?.locale, 'en');
  await visitor.open('/account/profile');
  const { fields } = visitor.formOf('/account/profile');
  const saved = await visitor.submit(
    { ...fields, given_name: 'Ann', family_name: 'Moss', display_name: 'Ann Moss' },
    '/account/profile',
  );
  assert.match(saved.url, /said=saved/);
  assert.deepEqual(await personOf('ann.moss'), was);
});

test('what operators alone see is on no page of the person, and is not changed from there', async () => {
  await platform.apply(`
attributes: [{ name: ground, type: text, title: Why they came, visible: operators, signUp: true }]
people: [{ username: seen, password: ${right}, addresses: [seen@example.org], attributes: { ground: by a friend } }]
`);
  const visitor = await signedIn(platform, { username: 'seen', password: right });
  for (const url of ['/account', '/account/profile'])
    assert.doesNotMatch((await visitor.open(url)).text, /Why they came|by a friend/);
  const { fields } = visitor.formOf('/account/profile');
  await visitor.submit({ ...fields, display_name: 'Seen', attribute_ground: 'by me' }, '/account/profile');
  const [kept] = await platform.database.query<{ value: string }>(
    `select value #>> '{}' as value from person_attributes where name = 'ground'`,
  );
  assert.equal(kept?.value, 'by a friend');
  await platform.database.query("delete from attributes where name = 'ground'");
});

test('an address that stands on the account already is said to, and mailed nothing', async () => {
  const person = { username: 'twice', password: right, address: 'twice@example.org' };
  await addPeople(platform, [person]);
  const visitor = await signedIn(platform, person);
  const answer = await visitor.submit({ email: 'Twice@example.org' }, '/account/addresses');
  assert.match(answer.text, /stands on your account already/);
  assert.deepEqual(await platform.mailTo(person.address), []);
});

test('pressing "confirm" in an old tab for an address that is confirmed by now warns nobody of anything', async () => {
  const person = { username: 'tabs', password: right, address: 'tabs@example.org' };
  await addPeople(platform, [person]);
  const visitor = await signedIn(platform, person);
  await visitor.submit({ email: 'second@example.org' }, '/account/addresses');
  const home = await visitor.open('/account');
  const action = /action="(\/account\/addresses\/[^"]+\/confirm)"/.exec(home.text)![1]!;
  const { fields } = visitor.formOf(action);
  await visitor.open(await mailedLink(platform, 'second@example.org', '/verify'));
  await visitor.submit({}, '/verify');
  const before = (await platform.mailTo('second@example.org')).length;
  const answer = await visitor.open(action, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: visitor.origin },
    body: new URLSearchParams(fields).toString(),
  });
  assert.equal(new URL(answer.url).pathname, '/account');
  assert.equal((await platform.mailTo('second@example.org')).length, before);
});

test('SE-02 a browser that once waited for a sign-up is signed in by no later link, only by the password', async () => {
  const waiting = stranger(platform);
  await waiting.open('/sign-up');
  const names = { given_name: 'Kim', family_name: 'Vale', username: 'kim.vale', email: 'kim@example.org' };
  await waiting.submit({ ...names, password: right }, '/sign-up');
  const phone = stranger(platform);
  await phone.open(await mailedLink(platform, 'kim@example.org', '/verify'));
  await phone.submit({}, '/verify');
  await phone.submit({ password: 'seven lanterns float' }, '/recover/new');
  const home = await signedIn(platform, { username: 'kim.vale', password: 'seven lanterns float' });
  await home.submit({ email: 'kim.two@example.org' }, '/account/addresses');
  await waiting.open(await mailedLink(platform, 'kim.two@example.org', '/verify'));
  const confirmed = await waiting.submit({}, '/verify');
  assert.match(confirmed.url, /\/sign-in\?said=confirmed$/);
  assert.match((await waiting.open('/account')).url, /\/sign-in/);
});

test('a rule for user names that cannot be read is refused where it is set, not at every sign-up', () => {
  const read = (pattern: string) => communitySettings.safeParse({ usernames: { pattern } });
  assert.equal(read('^[a-z]{3,}$').success, true);
  for (const broken of ['[', '(', '^\\p{Nonsense}$', '*'])
    assert.match(read(broken).error?.message ?? '', /regular expression/, broken);
});
