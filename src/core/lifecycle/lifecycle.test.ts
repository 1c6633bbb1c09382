import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { listEvents } from '#core/events/store.ts';
import { appoint } from '#core/operators/operators.ts';
import {
  findByUsername,
  findByVerifiedAddress,
  findPerson,
  type PersonState,
  personStates,
  requirePerson,
} from '#core/people/people.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { type TestDatabase, testDatabase } from '#test/kit.ts';
import { activate } from './activate.ts';
import { type Joiner, join, joinMany } from './join.ts';
import { leave } from './leave.ts';
import { type LeaveState, mayActivate, mayLeave, requireStanding, standingProblem } from './lifecycle.ts';

const refused = (code: string) => (error: { code?: string }) => error.code === code;
const leaving: LeaveState[] = ['locked', 'suspended', 'spam', 'left', 'erased'];
let home: TestDatabase;
let count = 0;
const during = <T>(work: (tx: Tx) => Promise<T>) => home.database.transact(system('admin'), work);

before(async () => {
  home = await testDatabase({ poolSize: 12 });
});

function joiner(given: Partial<Joiner> = {}): Joiner {
  count += 1;
  return { username: `p${count}`, state: 'active', origin: 'test', addresses: [], ...given };
}

async function someoneIn(state: PersonState): Promise<string> {
  const id = await during((tx) => join(tx, joiner()));
  await home.database.query('update people set state = $2 where id = $1', [id, state]);
  return id;
}

test('AU-19 states and verbs: what the table does not allow is refused and changes nothing', async () => {
  for (const from of personStates) {
    for (const to of leaving) {
      const id = await someoneIn(from);
      const attempt = during((tx) => leave(tx, id, to, 'why'));
      if (from !== to && !mayLeave(from, to))
        await assert.rejects(attempt, refused('standing-refused'), `${from} → ${to}`);
      else await attempt;
      const now = (await during((tx) => requirePerson(tx, id))).state;
      assert.equal(now, mayLeave(from, to) ? to : from, `${from} → ${to}`);
    }
    const id = await someoneIn(from);
    const attempt = during((tx) => activate(tx, id, 'why'));
    if (from !== 'active' && !mayActivate(from))
      await assert.rejects(attempt, refused('standing-refused'), from);
    else await attempt;
    if (mayActivate(from) && from !== 'unverified')
      await assert.rejects(
        someoneIn(from).then((other) => during((tx) => activate(tx, other))),
        refused('standing-refused'),
        `${from} without a reason`,
      );
  }
  for (const gone of ['erased', 'merged'] as const)
    assert.ok(!mayActivate(gone) && leaving.every((to) => !mayLeave(gone, to)), `${gone} is final`);
});

test('AU-19 only the active have standing', () => {
  for (const state of personStates) {
    if (state === 'active') requireStanding(state);
    else assert.throws(() => requireStanding(state), refused(standingProblem(state)!));
  }
});

test('of ten who move one person at once one wins, and one event says so', async () => {
  const id = await someoneIn('active');
  const moves = await Promise.allSettled(
    leaving.concat(leaving).map((to) => during((tx) => leave(tx, id, to, to))),
  );
  assert.ok(moves.some((move) => move.status === 'fulfilled'));
  const { state } = await during((tx) => requirePerson(tx, id));
  const left = (await during((tx) => listEvents(tx, { person: id, limit: 50 }))).filter(
    (event) => event.type === 'person.left',
  );
  assert.equal((left[0]!.data as { state: string }).state, state);
  for (const [index, event] of left.entries())
    if (left[index + 1])
      assert.equal(
        (event.data as { from: string }).from,
        (left[index + 1]!.data as { state: string }).state,
        'one after the other, no move lost',
      );
});

test('AD-06 the last owner keeps their standing; with another active one they may go', async () => {
  const [first, second] = [await someoneIn('active'), await someoneIn('active')];
  await during((tx) => appoint(tx, { person: first, role: 'owner' }));
  for (const to of leaving)
    await assert.rejects(
      during((tx) => leave(tx, first, to)),
      refused('operator-last'),
      to,
    );
  await during((tx) => appoint(tx, { person: second, role: 'owner' }));
  await during((tx) => leave(tx, first, 'suspended'));
  await assert.rejects(
    during((tx) => leave(tx, second, 'left')),
    refused('operator-last'),
  );
  assert.equal((await during((tx) => requirePerson(tx, second))).state, 'active');
});

test('joining: names are taken for good, of twenty at once one gets it, and the losers leave nothing behind', async () => {
  const taken = await Promise.allSettled(
    Array.from({ length: 20 }, (_, index) =>
      during((tx) =>
        join(
          tx,
          joiner({
            username: index % 2 ? 'Wanted' : 'ｗanted',
            addresses: [{ address: `w${index}@example.org`, primary: true, verified: true }],
          }),
        ),
      ),
    ),
  );
  const won = taken.filter((one) => one.status === 'fulfilled');
  assert.equal(won.length, 1);
  for (const one of taken)
    if (one.status === 'rejected') assert.ok(refused('username-taken')(one.reason), String(one.reason));
  const rows = await home.database.query(`select 1 from addresses where address_key like 'w%@example.org'`);
  assert.equal(rows.length, 1);
  assert.ok(await during((tx) => findByUsername(tx, 'WANTED')));
});

test('joining many: those whose name is taken come back, the others are whole', async () => {
  const batch = [
    joiner({
      username: 'fresh',
      givenName: ' Ada ',
      familyName: 'B',
      addresses: [{ address: 'Fresh@Example.org', primary: true, verified: true }],
    }),
    joiner({ username: 'WANTED' }),
    joiner({ username: 'plain' }),
  ];
  const { joined, refused: lost } = await during((tx) => joinMany(tx, batch));
  assert.deepEqual(
    [joined.map((one) => one.joiner.username), lost.map((one) => one.username)],
    [['fresh', 'plain'], ['WANTED']],
  );
  const fresh = await during((tx) => findPerson(tx, joined[0]!.id));
  assert.deepEqual([fresh!.displayName, fresh!.givenName, fresh!.state], ['Ada B', 'Ada', 'active']);
  assert.equal((await during((tx) => findByVerifiedAddress(tx, 'fresh@EXAMPLE.org')))!.id, fresh!.id);
});
