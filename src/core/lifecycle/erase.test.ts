import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { assignAliases, fixSubject, subjectsAt } from '#core/aliases/aliases.ts';
import {
  type Application,
  applicationSettings,
  requireApplication,
  saveApplication,
} from '#core/applications/applications.ts';
import { changeCommunity, communitySettings } from '#core/community/community.ts';
import { listEvents } from '#core/events/events.ts';
import { appoint, rolesOf } from '#core/operators/operators.ts';
import { findPerson, insertOrigins, isUsernameFree, originsOf, takenUsernames } from '#core/people/people.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { type TestDatabase, testDatabase } from '#test/kit.ts';
import { type Joiner, join, joinMany } from './join.ts';
import { leave } from './leave.ts';

let home: TestDatabase;
let named: Application;
let plain: Application;
const during = <T>(work: (tx: Tx) => Promise<T>) => home.database.transact(system('admin'), work);
const refused = (code: string) => (error: { code?: string }) => error.code === code;

before(async () => {
  home = await testDatabase({ poolSize: 8 });
  const settings = (subject: 'username' | 'pairwise') =>
    applicationSettings.parse({
      title: subject,
      subject,
      oidc: { redirectUris: ['https://wiki.example.org/cb'] },
    });
  await during(async (tx) => {
    await saveApplication(tx, 'named', settings('username'));
    await saveApplication(tx, 'plain', settings('pairwise'));
  });
  named = await during((tx) => requireApplication(tx, 'named'));
  plain = await during((tx) => requireApplication(tx, 'plain'));
});

function joiner(username: string, given: Partial<Joiner> = {}): Joiner {
  return { username, state: 'active', origin: 'test', addresses: [], ...given };
}

async function erased(username: string): Promise<string> {
  return during(async (tx) => {
    const id = await join(tx, joiner(username));
    await leave(tx, id, 'erased', 'asked for it');
    return id;
  });
}

test('the user name of an erased person stays kept, in any spelling, by every way of asking, and stands nowhere', async () => {
  const id = await erased('Greta.Kept');
  await assert.rejects(
    during((tx) => join(tx, joiner('greta.kept'))),
    refused('username-taken'),
  );
  const { joined, refused: lost } = await during((tx) =>
    joinMany(tx, [joiner('GRETA.KEPT'), joiner('free1')]),
  );
  assert.deepEqual([joined.length, lost.length], [1, 1]);
  assert.equal(await during((tx) => isUsernameFree(tx, 'greta.kept')), false);
  assert.deepEqual([...(await during((tx) => takenUsernames(tx, ['greta.kept', 'free2'])))], ['greta.kept']);
  const rows = await home.database.query<{ username_key: string }>('select username_key from usernames');
  assert.equal(rows.filter((row) => row.username_key.includes('greta')).length, 0);
  const person = await during((tx) => findPerson(tx, id));
  assert.deepEqual([person?.username, person?.displayName, person?.state], [`erased-${id}`, '', 'erased']);
});

test('where the community lets names be taken again, an erased one is free', async () => {
  await during((tx) => changeCommunity(tx, communitySettings.parse({ usernames: { reuseErased: true } })));
  await erased('again');
  await during((tx) => changeCommunity(tx, communitySettings.parse({})));
  assert.ok(await during((tx) => join(tx, joiner('again'))));
});

test('an erased name is not given to another while the erasing commits', async () => {
  const id = await during((tx) => join(tx, joiner('contested')));
  const takers = Array.from({ length: 12 }, () =>
    during((tx) => join(tx, joiner('contested'))).then(
      () => 'taken',
      (error: { code?: string }) => error.code,
    ),
  );
  await during((tx) => leave(tx, id, 'erased'));
  assert.deepEqual(new Set(await Promise.all(takers)), new Set(['username-taken']));
});

test('subjects are never another person’s: derived ones stay, names become tombstones that still refuse', async () => {
  const id = await during((tx) => join(tx, joiner('nina')));
  const derived = 'A'.repeat(32);
  await during(async (tx) => {
    await fixSubject(tx, named, id, 'nina');
    await fixSubject(tx, plain, id, derived);
    await assignAliases(tx, [{ application: 'named', person: id, alias: 'Nina-Old' }], 'test');
    await leave(tx, id, 'erased');
  });
  assert.equal((await during((tx) => subjectsAt(tx, 'plain', [id]))).get(id), derived);
  assert.match((await during((tx) => subjectsAt(tx, 'named', [id]))).get(id) ?? '', /^erased:[\w-]{43}$/);
  const other = await during((tx) => join(tx, joiner('nobody1')));
  await assert.rejects(
    during((tx) => fixSubject(tx, named, other, 'nina')),
    refused('conflict'),
  );
  await assert.rejects(
    during((tx) => fixSubject(tx, plain, other, derived)),
    refused('conflict'),
  );
  const given = await during((tx) =>
    assignAliases(tx, [{ application: 'named', person: other, alias: 'nina-old' }], 'test'),
  );
  assert.deepEqual([given.assigned, given.refused.length], [0, 1]);
  const elsewhere = await during((tx) =>
    assignAliases(tx, [{ application: 'plain', person: other, alias: 'nina-old' }], 'test'),
  );
  assert.equal(elsewhere.assigned, 1, 'at another app the name is nobody’s');
});

test('an import still recognises the record of an erased person, and cannot read it here', async () => {
  const id = await during((tx) => join(tx, joiner('imported')));
  await during(async (tx) => {
    await insertOrigins(tx, 'old', [{ key: 'uid=imported', person: id, fingerprint: 'f' }]);
    await leave(tx, id, 'erased');
  });
  const found = await during((tx) => originsOf(tx, 'old', ['uid=imported', 'uid=other']));
  assert.deepEqual([...found.keys()], ['uid=imported']);
  assert.deepEqual([found.get('uid=imported')?.person, found.get('uid=imported')?.fingerprint], [id, '']);
  assert.equal((await during((tx) => originsOf(tx, 'new', ['uid=imported']))).size, 0);
});

test('an operator who is erased loses every role; the last owner is not erased; twice is no change', async () => {
  const id = await during((tx) => join(tx, joiner('helper')));
  const owner = await during((tx) => join(tx, joiner('owner')));
  await during((tx) => appoint(tx, { person: id, role: 'help-desk' }));
  await during((tx) => appoint(tx, { person: owner, role: 'owner' }));
  await during((tx) => leave(tx, id, 'erased'));
  assert.deepEqual(await during((tx) => rolesOf(tx, id)), []);
  await assert.rejects(
    during((tx) => leave(tx, owner, 'erased')),
    refused('operator-last'),
  );
  assert.equal((await during((tx) => findPerson(tx, owner)))?.username, 'owner', 'all of it is undone');
  const before = await during((tx) => listEvents(tx, { person: id, limit: 50 }));
  await during((tx) => leave(tx, id, 'erased'));
  const after = await during((tx) => listEvents(tx, { person: id, limit: 50 }));
  assert.equal(after.length, before.length);
});

test('the log keeps what happened to an erased person, without what was personal in it', async () => {
  const id = await during((tx) => join(tx, joiner('logged')));
  await during((tx) => leave(tx, id, 'locked', 'wrote "logged" on a wall'));
  await during((tx) => leave(tx, id, 'erased', 'request 12'));
  const events = await during((tx) => listEvents(tx, { person: id, limit: 50 }));
  assert.deepEqual(
    events.map(({ type, data }) => [type, data]),
    [
      ['person.left', { from: 'locked', state: 'erased', reason: 'request 12' }],
      ['person.left', { from: 'active', state: 'locked', reason: '(erased)' }],
      ['person.joined', { state: 'active', origin: 'test', username: '(erased)' }],
    ],
  );
});
