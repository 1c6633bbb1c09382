/** Who may not come in: people without standing at every door, and the set-up once it is closed. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { leave } from '#core/lifecycle/leave.ts';
import { openSetup, setupToken } from '#core/operators/setup.ts';
import { type PersonState, personStates } from '#core/people/people.ts';
import { linkToken } from '#core/people/verifications.ts';
import { system } from '#kit/db/database.ts';
import { type Platform, startPlatform } from '#test/kit.ts';
import type { Visitor } from '#test/visitor.ts';
import { addPeople, behindProxy, dump, post, signedIn, stranger, tryPassword } from './stage.ts';

const right = 'plum violin tractor';
const next = 'seven lanterns float';
let platform: Platform;

before(async () => {
  platform = await startPlatform({ env: behindProxy });
  await platform.apply('community:\n  name: Harbour\n');
});

/** Puts a person into a state by SQL alone: nothing ended their sessions and links, the doors have to see for themselves. */
async function force(username: string, state: PersonState): Promise<void> {
  await platform.database.query('update people set state = $2 where username = $1', [username, state]);
}

/** A token of a link of this purpose to this person's address, as if it had been mailed a moment ago. */
async function plantLink(username: string, purpose: 'recovery' | 'sign-up' | 'address'): Promise<string> {
  const [row] = await platform.database.query<{ id: string }>(
    `insert into verifications (id, purpose, person, address, code_expires_at, expires_at, created_at)
     select gen_random_uuid(), $2, p.id, a.id, $3::timestamptz + interval '10 minutes', $3::timestamptz + interval '1 hour', $3
     from people p join addresses a on a.person = p.id where p.username = $1 returning id`,
    [username, purpose, platform.clock.now()],
  );
  return linkToken(platform.secrets, { id: row!.id, purpose });
}

async function mailsTo(address: string): Promise<number> {
  return (await platform.mailTo(address)).filter((mail) => mail.text.includes('token=')).length;
}

async function postLink(visitor: Visitor, url: string, fields: Record<string, string>): Promise<number> {
  await visitor.open('/sign-in');
  return (await post(visitor, url, { ...visitor.formOf('/sign-in').fields, ...fields })).status;
}

test('AU-19 whoever is not active is refused at every door: password, cookie, recovery, mailed link', async () => {
  const closed = personStates.filter((state) => state !== 'active' && state !== 'unverified');
  assert.deepEqual(closed, ['locked', 'suspended', 'spam', 'left', 'erased', 'merged']);
  for (const [index, state] of closed.entries()) {
    const person = { username: `out${index}`, password: right, address: `out${index}@example.org` };
    await addPeople(platform, [person]);
    const inside = await signedIn(platform, person);
    const openPage = await signedIn(platform, person);
    const recovery = await plantLink(person.username, 'recovery');
    const signUp = await plantLink(person.username, 'sign-up');
    await force(person.username, state);
    const before = await dump(platform);
    for (const name of [person.username, person.address]) {
      const refused = await tryPassword(stranger(platform), name, right);
      assert.equal(refused.status, 403, `${state}: password as ${name}`);
      assert.ok(!refused.headers.getSetCookie().some((cookie) => /gatehouse-(session|device)/.test(cookie)));
      assert.equal(
        (await tryPassword(stranger(platform), name, 'wrong')).status,
        422,
        `${state}: a wrong password tells nothing`,
      );
    }
    assert.match((await inside.open('/account')).url, /\/sign-in/, `${state}: cookie`);
    for (const url of [
      '/account/profile',
      '/account/addresses',
      '/account/password',
      '/account/sessions/end-all',
      '/apps/x/withdraw',
    ])
      assert.ok(
        [401, 403].includes(
          (
            await post(openPage, url, {
              ...openPage.formOf('/sign-out').fields,
              given_name: 'x',
              email: 'x@example.org',
              current: right,
              password: next,
            })
          ).status,
        ),
        `${state}: ${url}`,
      );
    for (const page of ['/apps', '/go/wiki', '/admin'])
      assert.match((await inside.open(page)).url, /\/sign-in/, `${state}: ${page}`);
    const visitor = stranger(platform);
    await visitor.open('/recover');
    assert.match((await visitor.submit({ username: person.address }, '/recover')).text, /on its way/);
    assert.equal(await mailsTo(person.address), 0, `${state}: no recovery mail`);
    assert.equal(
      (await visitor.open(`/recover/new?token=${recovery}`)).status,
      403,
      `${state}: recovery link`,
    );
    assert.equal(
      await postLink(visitor, '/recover/new', { token: recovery, password: next }),
      403,
      `${state}: recovery form`,
    );
    assert.equal(
      await postLink(visitor, '/verify', { token: signUp }),
      409,
      `${state}: sign-up link does not let in again`,
    );
    const after = await dump(platform);
    for (const table of [
      'people',
      'passwords',
      'addresses',
      'sessions',
      'known_devices',
      'person_attributes',
    ])
      assert.deepEqual(after.get(table), before.get(table), `${state}: ${table}`);
    const [now] = await platform.database.query<{ state: string }>(
      'select state from people where username = $1',
      [person.username],
    );
    assert.equal(now!.state, state);
  }
});

test('AU-19 losing standing ends sessions, known browsers and mailed links in the same moment', async () => {
  const person = { username: 'leaver', password: right, address: 'leaver@example.org' };
  await addPeople(platform, [person]);
  const inside = await signedIn(platform, person);
  const token = await plantLink('leaver', 'recovery');
  const [row] = await platform.database.query<{ id: string }>(
    `select id from people where username = 'leaver'`,
  );
  await platform.database.transact(system('admin'), (tx) => leave(tx, row!.id, 'suspended', 'for the test'));
  assert.match((await inside.open('/account')).url, /\/sign-in/);
  assert.equal((await stranger(platform).open(`/recover/new?token=${token}`)).status, 410);
  await force('leaver', 'active');
  assert.match((await inside.open('/account')).url, /\/sign-in/, 'an ended session stays ended');
  const devices = await platform.database.query('select 1 from known_devices where person = $1', [row!.id]);
  assert.equal(devices.length, 0);
});

test('AU-19 an unconfirmed person gets no session and no recovery, only the mail that confirms', async () => {
  const person = { username: 'newish', password: right, address: 'newish@example.org', state: 'unverified' };
  await addPeople(platform, [person]);
  await platform.database.query(
    `update addresses set verified_at = null where address = 'newish@example.org'`,
  );
  const visitor = stranger(platform);
  const answer = await tryPassword(visitor, 'newish', right);
  assert.deepEqual([answer.status, answer.headers.get('location')], [303, '/verify/code']);
  assert.ok(![...visitor.cookies.keys()].some((name) => name.includes('session')));
  assert.match((await visitor.open('/account')).url, /\/sign-in/);
  const asker = stranger(platform);
  await asker.open('/recover');
  await asker.submit({ username: 'newish' }, '/recover');
  const links = (await platform.mailTo(person.address)).flatMap(
    (mail) => mail.text.match(/https?:\/\/\S+token=\S+/g) ?? [],
  );
  assert.ok(links.length > 0 && links.every((link) => new URL(link).pathname === '/verify'));
});

test('AD-06 the last owner cannot lose their standing, of two who leave at once one stays', async () => {
  await platform.apply(
    `people:\n  - { username: own1, password: ${right}, operator: owner }\n  - { username: own2, password: ${right}, operator: owner }\n`,
  );
  const ids = await platform.database.query<{ id: string }>(
    `select id from people where username like 'own_' order by username`,
  );
  const attempts = await Promise.allSettled(
    ids.map(({ id }) => platform.database.transact(system('admin'), (tx) => leave(tx, id, 'left'))),
  );
  assert.deepEqual(attempts.map((attempt) => attempt.status).sort(), ['fulfilled', 'rejected']);
  const refused = attempts.find((attempt) => attempt.status === 'rejected') as PromiseRejectedResult;
  assert.equal(refused.reason.code, 'operator-last');
});

test('AU-17 the set-up is used once, by one of many at once, and closed after that: by link, restart, or without owners', async () => {
  const house = await startPlatform({ env: behindProxy });
  const setup = (await house.database.transact(system(), openSetup))!;
  const token = setupToken(house.secrets, setup);
  const url = `/admin/setup?token=${token}`;
  for (const wrong of [
    '/admin/setup',
    '/admin/setup?token=',
    `${url}x`,
    `/admin/setup?token=${'A'.repeat(43)}`,
    `${url}&token=${token}`,
  ])
    assert.ok([400, 404].includes((await stranger(house).open(wrong)).status), wrong);
  const member = { username: 'member', password: right, address: 'member@example.org' };
  await addPeople(house, [member]);
  for (const [field, value] of Object.entries({ username: 'MEMBER', email: 'Member@example.org' })) {
    const visitor = stranger(house);
    await visitor.open(url);
    const fields = { username: 'first', email: 'first@example.org', password: right, [field]: value };
    const seen = await visitor.submit(fields, '/admin/setup');
    assert.ok([409, 422].includes(seen.status), `${field} of someone else: ${seen.status}`);
    assert.match(seen.text, new RegExp(`id="${field}-error"`));
  }
  const racers = Array.from({ length: 8 }, () => stranger(house));
  for (const racer of racers) assert.equal((await racer.open(url)).status, 200);
  const answers = await Promise.all(
    racers.map((racer, index) =>
      post(racer, '/admin/setup', {
        ...racer.formOf('/admin/setup').fields,
        username: `chief${index}`,
        email: `chief${index}@example.org`,
        password: right,
      }),
    ),
  );
  assert.deepEqual(answers.map((answer) => answer.status).sort(), [303, ...Array(7).fill(404)]);
  const owners = () =>
    house.database.query<{ person: string }>(`select person from operators where role = 'owner'`);
  assert.equal((await owners()).length, 1);
  assert.equal((await house.database.query('select 1 from people')).length, 2, 'the losers made no account');
  assert.equal((await stranger(house).open(url)).status, 404);
  await house.database.query('delete from operators');
  await house.database.query('delete from usernames');
  await house.database.query('delete from people');
  const restarted = await house.again();
  for (const platformNow of [house, restarted]) {
    assert.equal((await stranger(platformNow).open(url)).status, 404);
    const visitor = stranger(platformNow);
    await visitor.open('/sign-in');
    const fields = {
      ...visitor.formOf('/sign-in').fields,
      token,
      username: 'thief',
      email: 'thief@example.org',
      password: right,
    };
    assert.equal((await post(visitor, '/admin/setup', fields)).status, 404);
  }
  assert.equal(await restarted.database.transact(system(), openSetup), undefined);
  assert.equal((await owners()).length, 0);
});
