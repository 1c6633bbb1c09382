import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import {
  type Application,
  applicationSettings,
  requireApplication,
  saveApplication,
} from '#core/applications/applications.ts';
import { listEvents } from '#core/events/store.ts';
import { insertPeople } from '#core/people/people.ts';
import { newId } from '#kit/crypto/ids.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { type TestDatabase, testDatabase } from '#test/kit.ts';
import { aliasesAt, aliasesOf, assignAliases, fixSubject, personBySubject, removeAlias } from './aliases.ts';

let home: TestDatabase;
let wiki: Application;
let people: string[];
const during = <T>(work: (tx: Tx) => Promise<T>) => home.database.transact(system('admin'), work);
const give = (person: string, alias: string, application = 'wiki') =>
  during((tx) => assignAliases(tx, [{ application, person, alias }], 'test'));

before(async () => {
  home = await testDatabase({ poolSize: 12 });
  people = Array.from({ length: 12 }, newId);
  await during(async (tx) => {
    for (const id of ['wiki', 'forum'])
      await saveApplication(tx, id, applicationSettings.parse({ title: id }));
    wiki = await requireApplication(tx, 'wiki');
    await insertPeople(
      tx,
      people.map((id) => ({
        id,
        username: id,
        usernameKey: id,
        givenName: '',
        familyName: '',
        displayName: id,
        state: 'active',
        origin: 'test',
      })),
    );
  });
});

test('a name at an app is one person\u2019s, whatever its case or width; at another app it is free', async () => {
  const [ada, bob] = people as [string, string];
  assert.deepEqual(await give(ada, ' Countess '), { assigned: 1, refused: [] });
  assert.equal((await give(ada, 'Countess')).assigned, 0, 'the same again is no change');
  for (const taken of ['countess', 'COUNTESS', 'Ｃountess'])
    assert.equal((await give(bob, taken)).refused.length, 1, taken);
  assert.equal((await give(bob, 'countess', 'forum')).assigned, 1);
  assert.equal((await give(ada, 'COUNTESS')).assigned, 1, 'its own spelling may change');
  assert.deepEqual([...(await during((tx) => aliasesOf(tx, ada)))], [['wiki', 'COUNTESS']]);
  for (const odd of ['', ' ', 'a\nb', 'a\u202eb', 'x'.repeat(256)])
    await assert.rejects(give(bob, odd), /./, JSON.stringify(odd));
  await during((tx) => removeAlias(tx, 'wiki', ada));
  await during((tx) => removeAlias(tx, 'wiki', ada));
  assert.equal((await give(bob, 'countess')).assigned, 1, 'a name taken back is free');
  const types = (await during((tx) => listEvents(tx, { limit: 50 })))
    .map((event) => event.type)
    .filter((type) => type.startsWith('alias'));
  assert.deepEqual(types.reverse(), [
    'alias.assigned',
    'alias.assigned',
    'alias.assigned',
    'alias.removed',
    'alias.assigned',
  ]);
});

test('of two in one batch, and of twelve at once, one gets the name', async () => {
  const [, , one, two] = people as [string, string, string, string];
  const batch = await during((tx) =>
    assignAliases(
      tx,
      [
        { application: 'wiki', person: one, alias: 'twin' },
        { application: 'wiki', person: two, alias: 'TWIN' },
      ],
      'test',
    ),
  );
  assert.deepEqual([batch.assigned, batch.refused.length], [1, 1]);
  const outcomes = await Promise.allSettled(people.map((person) => give(person, 'star', 'forum')));
  const won = outcomes.filter((outcome) => outcome.status === 'fulfilled' && outcome.value.assigned === 1);
  assert.equal(won.length, 1);
  for (const outcome of outcomes) if (outcome.status === 'rejected') assert.fail(String(outcome.reason));
  const holders = [...(await during((tx) => aliasesAt(tx, 'forum', people))).values()].filter(
    (alias) => alias === 'star',
  );
  assert.equal(holders.length, 1);
});

test('a subject is fixed once, by the first of many, and never given to another person', async () => {
  const [ada, bob] = people as [string, string];
  const fixed = await Promise.all(
    Array.from({ length: 10 }, (_, index) => during((tx) => fixSubject(tx, wiki, ada, `s${index}`))),
  );
  assert.equal(new Set(fixed).size, 1);
  assert.equal(await during((tx) => personBySubject(tx, 'wiki', fixed[0]!)), ada);
  await assert.rejects(
    during((tx) => fixSubject(tx, wiki, bob, fixed[0]!)),
    (error: { code?: string }) => error.code === 'conflict',
  );
  assert.equal(await during((tx) => personBySubject(tx, 'forum', fixed[0]!)), undefined);
});
