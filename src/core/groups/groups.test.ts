import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { listEvents } from '#core/events/store.ts';
import { insertPeople } from '#core/people/store.ts';
import { newId } from '#kit/crypto/ids.ts';
import { type Database, system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { type TestDatabase, testDatabase } from '../../../test/kit.ts';
import {
  addGroup,
  addMembers,
  changeGroup,
  ensureGroups,
  findGroup,
  groupsOf,
  listGroups,
  membersOf,
  removeGroup,
  removeMembers,
} from './groups.ts';

let home: TestDatabase;
let database: Database;
before(async () => {
  home = await testDatabase({ poolSize: 12 });
  database = home.database;
});

const during = <T>(work: (tx: Tx) => Promise<T>) => database.transact(system('admin'), work);
const refused = (code: string) => (error: { code?: string }) => error.code === code;

async function people(count: number): Promise<string[]> {
  const rows = Array.from({ length: count }, () => {
    const id = newId();
    return {
      id,
      username: id,
      usernameKey: id,
      givenName: 'A',
      familyName: 'B',
      displayName: 'A B',
      state: 'active' as const,
      origin: 'test',
    };
  });
  await during((tx) => insertPeople(tx, rows));
  return rows.map((row) => row.id);
}

const typesSince = (id: number) =>
  during(async (tx) =>
    (await listEvents(tx, { limit: 1000 })).filter((event) => event.id > id).map((event) => event.type),
  );
const lastEvent = () => during(async (tx) => (await listEvents(tx, { limit: 1 }))[0]?.id ?? 0);

test('a group is found by id and by name in any case, and a second one of that name is refused', async () => {
  const group = await during((tx) => addGroup(tx, { name: 'jira-Users', origin: 'admin' }));
  assert.equal((await during((tx) => findGroup(tx, group.id)))?.name, 'jira-Users');
  assert.equal((await during((tx) => findGroup(tx, ' JIRA-USERS ')))?.id, group.id);
  assert.equal(await during((tx) => findGroup(tx, 'jira')), undefined);
  await assert.rejects(
    during((tx) => addGroup(tx, { name: 'ｊira-users', origin: 'admin' })),
    refused('group-taken'),
  );
  await assert.rejects(
    during((tx) => addGroup(tx, { name: '  ', origin: 'admin' })),
    refused('attribute-required'),
  );
  await assert.rejects(
    during((tx) => addGroup(tx, { name: 'a\u0000b', origin: 'admin' })),
    refused('text-not-allowed'),
  );
});

test('of twenty who add the same group at once, one wins', async () => {
  const outcomes = await Promise.allSettled(
    Array.from({ length: 20 }, () => during((tx) => addGroup(tx, { name: 'raced', origin: 'admin' }))),
  );
  assert.equal(outcomes.filter((one) => one.status === 'fulfilled').length, 1);
  const lost = outcomes.filter((one) => one.status === 'rejected').map((one) => one.reason.code);
  assert.deepEqual([...new Set(lost)], ['group-taken']);
});

test('a change records the fields that changed, and never takes the name of another', async () => {
  const one = await during((tx) => addGroup(tx, { name: 'change-one', origin: 'admin' }));
  await during((tx) => addGroup(tx, { name: 'change-two', origin: 'admin' }));
  const changed = await during((tx) =>
    changeGroup(tx, one.id, { name: 'Change-One', title: 'One', description: '' }),
  );
  assert.deepEqual(changed, ['name', 'title']);
  assert.deepEqual(await during((tx) => changeGroup(tx, one.id, { title: 'One' })), []);
  await assert.rejects(
    during((tx) => changeGroup(tx, one.id, { name: 'CHANGE-TWO' })),
    refused('group-taken'),
  );
  await assert.rejects(
    during((tx) => changeGroup(tx, newId(), { title: 'x' })),
    refused('group-unknown'),
  );
});

test('only those whose membership really changed are counted and recorded', async () => {
  const [anna, ben, carla] = (await people(3)) as [string, string, string];
  const group = await during((tx) => addGroup(tx, { name: 'members', origin: 'admin' }));
  const start = await lastEvent();
  assert.equal(await during((tx) => addMembers(tx, group.id, [anna, ben, anna])), 2);
  assert.equal(await during((tx) => addMembers(tx, group.id, [ben, carla])), 1);
  assert.equal(await during((tx) => removeMembers(tx, group.id, [anna, newId(), 'not an id'])), 1);
  assert.equal(await during((tx) => removeMembers(tx, group.id, [anna])), 0);
  const types = await typesSince(start);
  assert.equal(types.filter((type) => type === 'membership.added').length, 3);
  assert.equal(types.filter((type) => type === 'membership.removed').length, 1);

  const first = await during((tx) => membersOf(tx, group.id, { limit: 1 }));
  const rest = await during((tx) => membersOf(tx, group.id, { after: first[0]?.person, limit: 10 }));
  assert.deepEqual(
    [...first, ...rest].map((one) => one.person),
    [ben, carla].sort(),
  );
});

test('someone who is not there cannot join, and nobody joins with them', async () => {
  const [anna] = (await people(1)) as [string];
  const group = await during((tx) => addGroup(tx, { name: 'strangers', origin: 'admin' }));
  await assert.rejects(
    during((tx) => addMembers(tx, group.id, [anna, newId()])),
    refused('person-unknown'),
  );
  await assert.rejects(
    during((tx) => addMembers(tx, group.id, [anna, 'x'])),
    refused('person-unknown'),
  );
  await assert.rejects(
    during((tx) => addMembers(tx, newId(), [anna])),
    refused('group-unknown'),
  );
  assert.deepEqual(await during((tx) => membersOf(tx, group.id, { limit: 10 })), []);
});

test('a removed group lets its members go first, each by an event of their own', async () => {
  const members = await people(3);
  const group = await during((tx) => addGroup(tx, { name: 'ending', origin: 'admin' }));
  await during((tx) => addMembers(tx, group.id, members));
  const start = await lastEvent();
  await during((tx) => removeGroup(tx, group.id));
  const types = await typesSince(start);
  assert.deepEqual(types.toSorted(), [
    'group.removed',
    'membership.removed',
    'membership.removed',
    'membership.removed',
  ]);
  assert.deepEqual((await during((tx) => groupsOf(tx, members))).get(members[0] as string), []);
  await assert.rejects(
    during((tx) => removeGroup(tx, group.id)),
    refused('group-unknown'),
  );
});

test('groups of many people come at once, in order of name', async () => {
  const [anna, ben] = (await people(2)) as [string, string];
  const ids = await during((tx) => ensureGroups(tx, ['zebra', 'apple'], 'test'));
  await during((tx) => addMembers(tx, ids.get('zebra') as string, [anna]));
  await during((tx) => addMembers(tx, ids.get('apple') as string, [anna]));
  const found = await during((tx) => groupsOf(tx, [anna, ben]));
  assert.deepEqual(
    found.get(anna)?.map((group) => group.name),
    ['apple', 'zebra'],
  );
  assert.deepEqual(found.get(ben), []);
});

test('ensured groups are made once, whatever their case, also by many at once', async () => {
  const start = await lastEvent();
  const names = ['Curators', 'curators', 'jira-users2'];
  const maps = await Promise.all(
    Array.from({ length: 10 }, () => during((tx) => ensureGroups(tx, names, 'ldif'))),
  );
  for (const map of maps) {
    assert.deepEqual([...map.keys()], names);
    assert.equal(map.get('Curators'), map.get('curators'));
    assert.deepEqual(map, maps[0]);
  }
  assert.deepEqual(await typesSince(start), ['group.added', 'group.added']);
  assert.deepEqual(await during((tx) => ensureGroups(tx, [], 'ldif')), new Map());
});

test('the list counts members, searches, and turns pages by name', async () => {
  const [anna, ben] = (await people(2)) as [string, string];
  const ids = await during((tx) => ensureGroups(tx, ['page%a', 'Page%b', 'page-c'], 'test'));
  await during((tx) => addMembers(tx, ids.get('Page%b') as string, [anna, ben]));
  const both = await during((tx) => listGroups(tx, { search: 'PAGE%', limit: 10 }));
  assert.deepEqual(
    both.map((group) => [group.name, group.members]),
    [
      ['page%a', 0],
      ['Page%b', 2],
    ],
  );
  const next = await during((tx) => listGroups(tx, { search: 'page%', after: 'Page%A', limit: 10 }));
  assert.deepEqual(
    next.map((group) => group.name),
    ['Page%b'],
  );
});
