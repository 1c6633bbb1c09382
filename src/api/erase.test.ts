/** Erasing over the API, and tokens whose maker is taken away while they are at work. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { join } from '#core/lifecycle/join.ts';
import { leave } from '#core/lifecycle/leave.ts';
import { appoint } from '#core/operators/operators.ts';
import { createToken } from '#core/operators/tokens.ts';
import { system } from '#kit/db/database.ts';
import type { Actor, Tx } from '#kit/db/tx.ts';
import { callApi } from '#test/api.ts';
import { type Platform, startPlatform } from '#test/kit.ts';

let platform: Platform;
const during = <T>(work: (tx: Tx) => Promise<T>, actor: Actor = { kind: 'system' }) =>
  platform.database.transact({ ...system('admin'), actor }, work);

before(async () => {
  platform = await startPlatform();
});

const person = (username: string) =>
  during((tx) => join(tx, { username, state: 'active', origin: 'test', addresses: [] }));

async function owner(username: string): Promise<{ id: string; token: string; tokenId: string }> {
  const id = await person(username);
  await during((tx) => appoint(tx, { person: id, role: 'owner' }));
  const actor = { kind: 'operator' as const, id, name: username };
  const made = await during((tx) => createToken(tx, { name: username, scopes: ['admin'] }), actor);
  return { id, token: made.token, tokenId: made.id };
}

const call = (token: string, method: string, path: string, body?: unknown) =>
  callApi(platform, token, method, path, body);

test('a person is erased by whoever names them; another name, or a right too few, changes nothing', async () => {
  const { token } = await owner('anna');
  const id = await person('paula');
  const auditor = await during((tx) => createToken(tx, { name: 'a', scopes: ['auditor'] }));
  const erase = (as: string, username: string) =>
    call(as, 'POST', `/people/${id}/erase`, { username, reason: 'request 3' });
  assert.equal((await erase(auditor.token, 'paula')).status, 403);
  const other = await erase(token, 'pauline');
  assert.deepEqual([other.status, other.body.code], [409, 'conflict']);
  assert.equal((await call(token, 'GET', `/people/${id}`)).body.state, 'active');
  const done = await erase(token, 'paula');
  assert.deepEqual([done.status, done.body.state, done.body.username], [200, 'erased', `erased-${id}`]);
  assert.equal(JSON.stringify(done.body).includes('paula'), false);
  const back = await call(token, 'POST', `/people/${id}/state`, { state: 'active', reason: 'x' });
  assert.equal(back.body.code, 'standing-refused');
  const again = await call(token, 'POST', '/people', { username: 'paula', address: 'p@example.org' });
  assert.equal(again.body.code, 'username-taken');
});

test('an operator is erased by an owner alone', async () => {
  const { token } = await owner('berta');
  const help = await person('helper');
  await during((tx) => appoint(tx, { person: help, role: 'help-desk' }));
  const people = await during((tx) => createToken(tx, { name: 'p', scopes: ['people'] }));
  const erase = (as: string) => call(as, 'POST', `/people/${help}/erase`, { username: 'helper' });
  assert.equal((await erase(people.token)).body.code, 'operator-forbidden');
  assert.equal((await erase(token)).status, 200);
});

test('the list of tokens says who made each and which rest; a resting one is refused', async () => {
  const { token } = await owner('carla');
  const gone = await owner('doris');
  assert.equal((await call(gone.token, 'GET', '/whoami')).status, 200);
  await during((tx) => leave(tx, gone.id, 'suspended', 'x'));
  const refused = await call(gone.token, 'GET', '/whoami');
  assert.deepEqual([refused.status, refused.body.code], [401, 'token-refused']);
  const { items } = (await call(token, 'GET', '/tokens')).body as {
    items: { id: string; maker?: string; makerName?: string; rests?: string }[];
  };
  const row = items.find((one) => one.id === gone.tokenId);
  assert.deepEqual([row?.maker, row?.makerName, row?.rests], [gone.id, 'doris', 'maker-inactive']);
  assert.equal(items.find((one) => one.makerName === 'carla')?.rests, undefined);
});

test('forty calls while the maker is suspended: what is answered as done was recorded before the suspension', async () => {
  await owner('keeper');
  const { id, token } = await owner('erika');
  const calls = Array.from({ length: 40 }, (_, index) =>
    call(token, 'POST', '/people', { username: `made${index}`, address: `made${index}@example.org` }),
  );
  await calls[0];
  const [, ...answers] = await Promise.all([during((tx) => leave(tx, id, 'suspended', 'x')), ...calls]);
  const done = answers.filter((one) => one.status === 201).length;
  assert.ok(done >= 1);
  assert.deepEqual(
    new Set(answers.filter((one) => one.status !== 201).map((one) => one.body.code)),
    new Set(done < 40 ? ['token-refused'] : []),
  );
  const [late] = await platform.database.query<{ count: number }>(
    `select count(*) as count from events joined
     where joined.type = 'person.joined' and joined.data ->> 'username' like 'made%' and joined.xid > (
       select xid from events where type = 'person.left' and person = $1)
       and joined.id > (select id from events where type = 'person.left' and person = $1)`,
    [id],
  );
  assert.equal(late?.count, 0);
  assert.equal((await call(token, 'GET', '/whoami')).status, 401);
});
