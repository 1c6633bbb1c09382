/** Tokens stand and fall with the operator who made them. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { activate } from '#core/lifecycle/activate.ts';
import { join } from '#core/lifecycle/join.ts';
import { leave } from '#core/lifecycle/leave.ts';
import type { LeaveState } from '#core/lifecycle/lifecycle.ts';
import { system } from '#kit/db/database.ts';
import type { Actor, Tx } from '#kit/db/tx.ts';
import { type TestDatabase, testDatabase } from '#test/kit.ts';
import { appoint, dismiss } from './operators.ts';
import { createToken, holdToken, listTokens, revokeToken, tokenByValue } from './tokens.ts';

const refused = (code: string) => (error: { code?: string }) => error.code === code;
let home: TestDatabase;
let count = 0;
const during = <T>(work: (tx: Tx) => Promise<T>, actor: Actor = { kind: 'system' }) =>
  home.database.transact({ ...system('admin'), actor }, work);

before(async () => {
  home = await testDatabase({ poolSize: 12 });
  const keeper = await someone();
  await during((tx) => appoint(tx, { person: keeper, role: 'owner' }));
});

async function someone(): Promise<string> {
  count += 1;
  return during((tx) => join(tx, { username: `op${count}`, state: 'active', origin: 'test', addresses: [] }));
}

async function owner(): Promise<{ id: string; actor: Actor }> {
  const id = await someone();
  await during((tx) => appoint(tx, { person: id, role: 'owner' }));
  return { id, actor: { kind: 'operator', id, name: `op${count}` } };
}

const make = (actor: Actor, scopes: string[] = ['people']) =>
  during((tx) => createToken(tx, { name: 'sync', scopes }), actor);
const works = async (token: string) => (await during((tx) => tokenByValue(tx, token))) !== undefined;
const restOf = async (id: string) => (await during(listTokens)).find((one) => one.id === id)?.rests;

for (const state of ['locked', 'suspended', 'spam', 'left', 'erased'] satisfies LeaveState[])
  test(`a token does nothing from the moment its maker is ${state}`, async () => {
    const { id, actor } = await owner();
    const { token, id: tokenId } = await make(actor);
    assert.ok(await works(token));
    await during((tx) => leave(tx, id, state, 'why'));
    assert.equal(await works(token), false);
    await assert.rejects(
      during((tx) => holdToken(tx, tokenId)),
      refused('token-refused'),
    );
    assert.equal(await restOf(tokenId), 'maker-inactive');
    if (state === 'erased') return;
    await during((tx) => activate(tx, id, 'back'));
    assert.ok(await works(token), 'it rested, and works again');
    assert.equal(await restOf(tokenId), undefined);
  });

test('a token rests while its maker holds less than it does, and no longer than that', async () => {
  const { id, actor } = await owner();
  const people = await make(actor, ['people']);
  const all = await make(actor, ['admin']);
  await during((tx) => dismiss(tx, { person: id, role: 'owner' }));
  assert.deepEqual([await works(people.token), await works(all.token)], [false, false]);
  assert.equal(await restOf(people.id), 'maker-role');
  await during((tx) => appoint(tx, { person: id, role: 'people' }));
  assert.deepEqual([await works(people.token), await works(all.token)], [true, false]);
  await during((tx) => holdToken(tx, people.id));
  await assert.rejects(
    during((tx) => holdToken(tx, all.id)),
    refused('token-refused'),
  );
});

test('a token made with a token falls with the person behind both; one made on the host has nobody to fall with', async () => {
  const { id, actor } = await owner();
  const first = await make(actor, ['admin']);
  const second = await make({ kind: 'operator', id: first.id, name: 'token: sync' });
  const host = await make({ kind: 'system', name: 'command line' });
  const third = await make({ kind: 'operator', id: host.id, name: 'token: sync' });
  const listed = new Map((await during(listTokens)).map((one) => [one.id, one]));
  assert.deepEqual(
    [first, second, host, third].map((one) => listed.get(one.id)?.maker),
    [id, id, undefined, undefined],
  );
  assert.equal(listed.get(second.id)?.makerName, actor.name);
  await during((tx) => leave(tx, id, 'suspended'));
  const now = await Promise.all([first, second, host, third].map((one) => works(one.token)));
  assert.deepEqual(now, [false, false, true, true]);
});

test('nobody in particular makes no token', async () => {
  for (const actor of [
    { kind: 'anonymous' },
    { kind: 'application', id: 'wiki' },
    { kind: 'operator', id: crypto.randomUUID() },
    { kind: 'operator' },
  ] satisfies Actor[])
    await assert.rejects(make(actor), refused('operator-forbidden'), JSON.stringify(actor));
});

test('a token in use while its maker is suspended: what it does is done before, or not at all', async () => {
  const { id, actor } = await owner();
  const { id: tokenId } = await make(actor);
  const order: string[] = [];
  const { promise: held, resolve: isHeld } = Promise.withResolvers<void>();
  const { promise: go, resolve: letGo } = Promise.withResolvers<void>();
  const use = during(async (tx) => {
    await holdToken(tx, tokenId);
    isHeld();
    await go;
    order.push('used');
  });
  await held;
  const suspend = during((tx) => leave(tx, id, 'suspended')).then(() => order.push('suspended'));
  const dropRole = during((tx) => dismiss(tx, { person: id, role: 'owner' })).then(() =>
    order.push('dismissed'),
  );
  const revoke = during((tx) => revokeToken(tx, tokenId)).then(() => order.push('revoked'));
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual(order, [], 'nobody takes it away under the hands of what is under way');
  letGo();
  await Promise.all([use, suspend, dropRole, revoke]);
  assert.equal(order[0], 'used');

  const other = await owner();
  const late = await make(other.actor);
  const { promise: suspended, resolve: isSuspended } = Promise.withResolvers<void>();
  const { promise: end, resolve: finish } = Promise.withResolvers<void>();
  const suspending = during(async (tx) => {
    await leave(tx, other.id, 'suspended');
    isSuspended();
    await end;
  });
  await suspended;
  const attempt = assert.rejects(
    during((tx) => holdToken(tx, late.id)),
    refused('token-refused'),
  );
  await new Promise((resolve) => setTimeout(resolve, 50));
  finish();
  await Promise.all([suspending, attempt]);
});

test('fifty uses while the maker is suspended: none after the suspension has ended', async () => {
  const { id, actor } = await owner();
  const { id: tokenId } = await make(actor);
  let suspendedFirst = 0;
  const uses = Array.from({ length: 50 }, () =>
    during(async (tx) => {
      await holdToken(tx, tokenId);
      const [row] = await tx.query<{ state: string }>('select state from people where id = $1', [id]);
      if (row?.state !== 'active') suspendedFirst += 1;
    }).then(
      () => 'used',
      (error: { code?: string }) => error.code,
    ),
  );
  const done = await Promise.all([...uses, during((tx) => leave(tx, id, 'suspended')).then(() => 'left')]);
  assert.equal(suspendedFirst, 0);
  assert.deepEqual(
    new Set(done.filter((one) => one !== 'used')),
    new Set(done.includes('token-refused') ? ['token-refused', 'left'] : ['left']),
  );
  await assert.rejects(
    during((tx) => holdToken(tx, tokenId)),
    refused('token-refused'),
  );
});
