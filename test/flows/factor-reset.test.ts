/** Whoever lost every factor and the recovery codes: two operators, a mail, a waiting time, and a way to stop it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { factorsOf } from '#core/credentials/factors.ts';
import { appoint } from '#core/operators/operators.ts';
import { createToken } from '#core/operators/tokens.ts';
import { system } from '#kit/db/database.ts';
import { cleanUpSignOn } from '#signon/signon.ts';
import { callAsConsole as call } from '#test/api.ts';
import { harbour, idOf, passwords, withApp } from '#test/factors.ts';
import { closeAfterEach, type Platform, startPlatform } from '#test/kit.ts';
import type { Visitor } from '#test/visitor.ts';

closeAfterEach();

async function stage() {
  const platform = await startPlatform();
  await platform.apply(harbour);
  for (const [name, role] of [
    ['bob', 'people'],
    ['eve', 'people'],
  ] as const) {
    const person = await idOf(platform, name);
    await platform.database.transact(system('admin'), (tx) => appoint(tx, { person, role }));
  }
  const app = await withApp(platform, 'ada');
  const ada = await idOf(platform, 'ada');
  return { platform, app, ada };
}

async function operator(platform: Platform, name: 'bob' | 'eve'): Promise<Visitor> {
  const visitor = platform.visitor();
  await visitor.signIn(name, passwords[name]);
  return visitor;
}

const mailed = async (platform: Platform, subject: RegExp) =>
  (await platform.mailTo('ada@example.org')).filter((mail) => subject.test(mail.subject));

test('AU-16 one operator alone takes nothing away; two do, after the person was told and a day has passed', async () => {
  const { platform, app, ada } = await stage();
  const path = `/people/${ada}/factor-reset`;
  const [bob, eve] = [await operator(platform, 'bob'), await operator(platform, 'eve')];
  assert.equal((await call(bob, 'POST', `${path}/approve`, {})).status, 404);
  const asked = await call(bob, 'POST', path, { reason: 'lost the phone, known by voice' });
  assert.equal(asked.status, 200);
  assert.equal((await call(eve, 'POST', path, { reason: 'the same' })).status, 409);
  const alone = await call(bob, 'POST', `${path}/approve`, {});
  assert.deepEqual([alone.status, alone.body.code], [403, 'second-operator-needed']);
  assert.deepEqual(await mailed(platform, /second proofs/), []);
  const agreed = await call(eve, 'POST', `${path}/approve`, {});
  assert.equal(Date.parse(agreed.body.dueAt) - platform.clock.now().getTime(), 86_400_000);
  assert.equal((await mailed(platform, /will be taken away/)).length, 1);
  platform.clock.advance(86_400_000 - 1000);
  await cleanUpSignOn(platform);
  const visitor = platform.visitor();
  assert.match((await visitor.signIn('ada', passwords.ada)).url, /\/sign-in\/second$/);
  await visitor.submit({ code: app.code() }, '/sign-in/second');
  platform.clock.advance(2000);
  await Promise.all([cleanUpSignOn(platform), cleanUpSignOn(platform)]);
  assert.match((await visitor.open('/account')).url, /\/sign-in/, 'every session ended');
  assert.match((await platform.visitor().signIn('ada', passwords.ada)).url, /\/account$/);
  assert.equal((await mailed(platform, /were taken away/)).length, 1);
  const left = await platform.database.read(system(), (tx) => factorsOf(tx, ada));
  assert.deepEqual(left, { passkeys: 0, totp: false, recoveryCodes: 0 });
});

test('AU-16 the person stops it on the account page, and an operator can call it off', async () => {
  const { platform, app, ada } = await stage();
  const path = `/people/${ada}/factor-reset`;
  const [bob, eve] = [await operator(platform, 'bob'), await operator(platform, 'eve')];
  await call(bob, 'POST', path, { reason: 'someone called' });
  await call(eve, 'POST', `${path}/approve`, {});
  const visitor = platform.visitor();
  await visitor.signIn('ada', passwords.ada);
  await visitor.submit({ code: app.code() }, '/sign-in/second');
  const page = await visitor.open('/account/signing-in');
  assert.match(page.text, /about to be taken away/);
  const stopped = await visitor.submit({}, '/account/signing-in/reset/stop');
  assert.match(stopped.text, /It is stopped/);
  assert.equal((await mailed(platform, /second proofs at Harbour stay/)).length, 1);
  platform.clock.advance(2 * 86_400_000);
  await cleanUpSignOn(platform);
  assert.match((await platform.visitor().signIn('ada', passwords.ada)).url, /\/sign-in\/second$/);
  const again = [await operator(platform, 'bob')];
  assert.equal((await call(again[0]!, 'POST', path, { reason: 'once more' })).status, 200);
  assert.deepEqual((await call(again[0]!, 'DELETE', path)).body, { cancelled: true });
  const known = await call(again[0]!, 'GET', `/people/${ada}/factors`);
  assert.deepEqual([known.body.recoveryCodes, known.body.reset], [10, undefined]);
  assert.ok(!JSON.stringify(known.body).includes('secret'));
});

test('AU-16 no token stands for an operator, nobody agrees to their own, and a recent sign-in is needed', async () => {
  const { platform, ada } = await stage();
  const bobId = await idOf(platform, 'bob');
  const path = `/people/${bobId}/factor-reset`;
  const maker = { kind: 'person' as const, id: bobId, name: 'bob' };
  const { token } = await platform.database.transact({ ...system('admin'), actor: maker }, (tx) =>
    createToken(tx, { name: 'script', scopes: ['people'] }),
  );
  const seen = await fetch(`${platform.origin}/api/v1/people/${ada}/factor-reset`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ reason: 'x' }),
  });
  assert.equal(seen.status, 403);
  const [bob, eve] = [await operator(platform, 'bob'), await operator(platform, 'eve')];
  assert.equal((await call(eve, 'POST', path, { reason: 'bob lost his' })).status, 200);
  assert.equal((await call(bob, 'POST', `${path}/approve`, {})).status, 403);
  platform.clock.advance(601_000);
  assert.equal((await call(bob, 'POST', `${path}/approve`, {})).status, 401);
});

test('AU-20 an operator with a factor is elevated by a proof of that strength, and the overview counts those without', async () => {
  const { platform, ada } = await stage();
  await platform.database.transact(system('admin'), (tx) => appoint(tx, { person: ada, role: 'owner' }));
  const app = await withApp(platform, 'ada');
  const visitor = platform.visitor();
  await visitor.signIn('ada', passwords.ada);
  await visitor.submit({ code: app.code(), remember: 'on' }, '/sign-in/second');
  const concerns = (await call(visitor, 'GET', '/overview')).body.concerns;
  assert.deepEqual(
    concerns.filter((one: { code: string }) => one.code === 'operators-one-factor'),
    [{ code: 'operators-one-factor', count: 2 }],
  );
  await visitor.open('/account');
  await visitor.submit({}, '/sign-out');
  platform.clock.advance(60_000);
  assert.match((await visitor.signIn('ada', passwords.ada)).url, /\/account$/);
  const eve = await idOf(platform, 'eve');
  const path = `/people/${eve}/factor-reset`;
  const weak = await call(visitor, 'POST', path, { reason: 'x' });
  assert.deepEqual([weak.status, weak.body.code], [401, 'elevation-required']);
  await visitor.open('/admin/sign-in?to=/admin/people');
  const back = await visitor.submit({ code: app.code() }, '/sign-in/again');
  assert.match(back.url, /\/admin\/people$/);
  assert.equal((await call(visitor, 'POST', path, { reason: 'x' })).status, 200);
});

test('AD-04 two who look after people take no proof from an owner, nor from whoever becomes one meanwhile', async () => {
  const { platform, app, ada } = await stage();
  const path = `/people/${ada}/factor-reset`;
  const [bob, eve] = [await operator(platform, 'bob'), await operator(platform, 'eve')];
  assert.equal((await call(bob, 'POST', path, { reason: 'lost the phone' })).status, 200);
  assert.equal((await call(eve, 'POST', `${path}/approve`, {})).status, 200);
  await platform.database.transact(system('admin'), (tx) => appoint(tx, { person: ada, role: 'owner' }));
  const [listed] = (await call(bob, 'GET', '/factor-resets')).body.items;
  assert.deepEqual([listed.state, listed.cancelledBy], ['cancelled', undefined], 'the house called it off');
  for (const [visitor, at] of [
    [bob, path],
    [eve, `${path}/approve`],
  ] as const) {
    const refused = await call(visitor, 'POST', at, at === path ? { reason: 'lost the phone' } : {});
    assert.deepEqual([refused.status, refused.body.code], [403, 'operator-forbidden']);
  }
  platform.clock.advance(2 * 86_400_000);
  await cleanUpSignOn(platform);
  const visitor = platform.visitor();
  assert.match((await visitor.signIn('ada', passwords.ada)).url, /\/sign-in\/second$/);
  assert.match((await visitor.submit({ code: app.code() }, '/sign-in/second')).url, /\/account$/);
});
