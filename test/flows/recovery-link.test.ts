/** Whoever gets no mail: two operators make a link, one hands it over, and nothing is proved by it but that they were asked. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { appoint } from '#core/operators/operators.ts';
import { createToken } from '#core/operators/tokens.ts';
import { system } from '#kit/db/database.ts';
import { callAsConsole as call } from '#test/api.ts';
import { harbour, idOf, passwords } from '#test/factors.ts';
import { closeAfterEach, type Platform, startPlatform } from '#test/kit.ts';
import type { Visitor } from '#test/visitor.ts';

closeAfterEach();

const fresh = 'nine swallows over slate';

async function stage() {
  const platform = await startPlatform();
  await platform.apply(harbour);
  for (const name of ['bob', 'eve']) {
    const person = await idOf(platform, name);
    await platform.database.transact(system('admin'), (tx) => appoint(tx, { person, role: 'people' }));
  }
  const ada = await idOf(platform, 'ada');
  const [bob, eve] = [await operator(platform, 'bob'), await operator(platform, 'eve')];
  return { platform, ada, bob, eve, path: `/people/${ada}/recovery-link` };
}

async function operator(platform: Platform, name: 'bob' | 'eve'): Promise<Visitor> {
  const visitor = platform.visitor();
  await visitor.signIn(name, passwords[name]);
  return visitor;
}

async function made({ bob, eve, path }: Awaited<ReturnType<typeof stage>>): Promise<string> {
  assert.equal((await call(bob, 'POST', path, { reason: 'known by voice' })).status, 200);
  const agreed = await call(eve, 'POST', `${path}/approve`, {});
  assert.equal(agreed.status, 200);
  return agreed.body.url;
}

test('AU-16 one operator alone makes no link; two do, it is shown once, sets a password once and confirms no address', async () => {
  const home = await stage();
  const { platform, ada, bob, eve, path } = home;
  const addresses = () =>
    platform.database.query('select id, verified_at from addresses where person = $1', [ada]);
  await platform.database.query('update addresses set verified_at = null where person = $1', [ada]);
  const before = await addresses();
  assert.equal((await call(bob, 'POST', `${path}/approve`, {})).status, 404);
  assert.equal((await call(bob, 'POST', path, { reason: 'known by voice' })).status, 200);
  assert.equal((await call(eve, 'POST', path, { reason: 'the same' })).status, 409);
  const alone = await call(bob, 'POST', `${path}/approve`, {});
  assert.deepEqual([alone.status, alone.body.code], [403, 'second-operator-needed']);
  const agreed = await call(eve, 'POST', `${path}/approve`, {});
  assert.equal(Date.parse(agreed.body.expiresAt) - platform.clock.now().getTime(), 3_600_000);
  assert.equal((await call(eve, 'POST', `${path}/approve`, {})).status, 404, 'shown once');
  const list = await call(bob, 'GET', '/recovery-links');
  assert.equal(list.body.items[0].state, 'made');
  assert.ok(!JSON.stringify(list.body).includes('token'));

  const session = platform.visitor();
  await session.signIn('ada', passwords.ada);
  const visitor = platform.visitor();
  await visitor.open(agreed.body.url);
  await visitor.submit({ password: fresh }, '/recover/new');
  assert.match((await session.open('/account')).url, /\/sign-in/, 'every session ended');
  assert.equal((await platform.visitor().open(agreed.body.url)).status, 410, 'once');
  assert.deepEqual(await addresses(), before, 'no address is confirmed by it');
  assert.equal((await call(bob, 'GET', '/recovery-links')).body.items[0].state, 'used');
  const types = await platform.database.query<{ type: string }>(
    `select type from events where type like 'recovery-link.%' order by id`,
  );
  assert.deepEqual(
    types.map(({ type }) => type),
    ['recovery-link.asked', 'recovery-link.approved'],
  );
});

test('the person is told at every confirmed address, and nobody who asks for a mailed link takes this one away', async () => {
  const home = await stage();
  const { platform } = home;
  const url = await made(home);
  const told = (await platform.mailTo('ada@example.org')).filter((mail) =>
    /A link to set/.test(mail.subject),
  );
  assert.equal(told.length, 1);
  assert.ok(!told[0]?.text.includes('token='), 'the link itself is mailed to nobody');
  const stranger = platform.visitor();
  await stranger.open('/recover');
  await stranger.submit({ username: 'ada' }, '/recover');
  const visitor = platform.visitor();
  assert.equal((await visitor.open(url)).status, 200);
  await visitor.submit({ password: fresh }, '/recover/new');
  assert.match((await platform.visitor().signIn('ada', fresh)).url, /\/account$/);
});

test('it ends after an hour, when it is called off, and with a newer one; it confirms no sign-up', async () => {
  const home = await stage();
  const { platform, bob, path } = home;
  const late = await made(home);
  platform.clock.advance(61 * 60_000);
  assert.equal((await platform.visitor().open(late)).status, 410);
  const [bobAgain, eveAgain] = [await operator(platform, 'bob'), await operator(platform, 'eve')];
  const again = { ...home, bob: bobAgain, eve: eveAgain };
  const older = await made(again);
  const newer = await made(again);
  assert.equal((await platform.visitor().open(older)).status, 410);
  const verify = new URL(newer);
  verify.pathname = '/verify';
  assert.equal((await platform.visitor().open(verify.href)).status, 400, 'it is no confirmation');
  assert.deepEqual((await call(bobAgain, 'DELETE', path)).body, { cancelled: true });
  assert.equal((await platform.visitor().open(newer)).status, 410);
  assert.deepEqual((await call(bobAgain, 'DELETE', path)).body, { cancelled: false });
  void bob;
});

test('no token stands for an operator, nobody hands a link to themselves, and whoever was let go gets none', async () => {
  const { platform, ada, bob, path } = await stage();
  const bobId = await idOf(platform, 'bob');
  assert.equal((await call(bob, 'POST', `/people/${bobId}/recovery-link`, { reason: 'me' })).status, 403);
  const maker = { kind: 'person' as const, id: bobId, name: 'bob' };
  const { token } = await platform.database.transact({ ...system('admin'), actor: maker }, (tx) =>
    createToken(tx, { name: 'script', scopes: ['people'] }),
  );
  const seen = await fetch(`${platform.origin}/api/v1${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ reason: 'x' }),
  });
  assert.equal(seen.status, 403);
  await call(bob, 'POST', `/people/${ada}/state`, { state: 'locked', reason: 'asked' });
  const refused = await call(bob, 'POST', path, { reason: 'x' });
  assert.equal(refused.body.code, 'account-locked');
});

test('AD-04 two who look after people hand no link into the account of an owner', async () => {
  const { platform, ada, bob, eve, path } = await stage();
  await call(bob, 'POST', path, { reason: 'known by voice' });
  await platform.database.transact(system('admin'), (tx) => appoint(tx, { person: ada, role: 'owner' }));
  const agreed = await call(eve, 'POST', `${path}/approve`, {});
  assert.deepEqual([agreed.status, agreed.body.code], [403, 'operator-forbidden']);
  assert.equal((await call(bob, 'POST', path, { reason: 'known by voice' })).status, 403);
});

test('AD-04 a link made before somebody became an operator leads into no operator’s account', async () => {
  const home = await stage();
  const { platform, ada, bob } = home;
  const url = await made(home);
  await platform.database.transact(system('admin'), (tx) => appoint(tx, { person: ada, role: 'help-desk' }));
  assert.equal((await platform.visitor().open(url)).status, 410);
  const [listed] = (await call(bob, 'GET', '/recovery-links')).body.items;
  assert.deepEqual([listed.state, listed.cancelledBy], ['cancelled', undefined], 'the house called it off');
  await made(home);
});
