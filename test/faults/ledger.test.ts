/** The checker itself: each kind of failure is planted and found, and what is allowed is not taken for one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LedgerEntry } from '#simulators/scim/ledger.ts';
import { createDriverLedger, type DriverLedger, nameOf, type TargetView, type Verdict } from './ledger.ts';

interface Account {
  id: string;
  userName: string;
  displayName: string;
  active?: boolean;
  externalId?: string;
}

const bodyOf = ({ userName, displayName, active = true, externalId = `x-${userName}` }: Account) => ({
  userName,
  displayName,
  active,
  externalId,
});

/** What a target tells that went through these states and ends with these accounts. */
function view(accounts: readonly Account[], history: readonly Account[] = accounts): TargetView {
  return {
    users: accounts.map((one) => ({ id: one.id, version: 1, body: bodyOf(one), members: [] })),
    entries: history.map(
      (one, at): LedgerEntry => ({
        seq: at + 1,
        at: '2026-01-01T00:00:00.000Z',
        method: 'PATCH',
        path: `/Users/${one.id}`,
        subject: {},
        status: 200,
        tookMs: 1,
        change: {
          what: 'patch',
          kind: 'User',
          id: one.id,
          before: 1,
          after: 2,
          state: { ...bodyOf(one), digest: '' },
        },
      }),
    ),
    doubled: [],
  };
}

/** Ada joined, was renamed and locked; Bob joined; what Eve asked for last was never acknowledged. */
async function story(): Promise<DriverLedger> {
  const ledger = createDriverLedger();
  const done = async () => undefined;
  await ledger.run('ada', { displayName: nameOf('ada', 1), active: true }, done);
  await ledger.run('bob', { displayName: nameOf('bob', 1), active: true }, done);
  await ledger.run('ada', { displayName: nameOf('ada', 2), active: true }, done);
  await ledger.run('ada', { displayName: nameOf('ada', 2), active: false }, done);
  await ledger.run('eve', { displayName: nameOf('eve', 1), active: true }, done);
  const failing = ledger.run('eve', { displayName: nameOf('eve', 2), active: true }, async () => {
    throw new Error('the answer was lost');
  });
  await assert.rejects(failing, /lost/);
  return ledger;
}

const ada: Account = { id: 'a', userName: 'ada', displayName: 'ada v2', active: false };
const bob: Account = { id: 'b', userName: 'bob', displayName: 'bob v1' };
const eve: Account = { id: 'e', userName: 'eve', displayName: 'eve v1' };

const planted: readonly [keyof Verdict, string, TargetView][] = [
  ['LOST', 'nobody has Bob', view([ada, eve])],
  ['LOST', 'an account that was there is gone', view([bob, eve], [ada, bob, eve])],
  ['DOUBLED', 'Bob twice', view([ada, bob, { ...bob, id: 'b2' }, eve])],
  [
    'DOUBLED',
    'twice for a while',
    { ...view([ada, bob, eve]), doubled: [{ name: 'bob', ids: ['b', 'b2'] }] },
  ],
  ['STALE', 'an earlier name', view([{ ...ada, displayName: 'ada v1' }, bob, eve])],
  ['STALE', 'still switched on', view([{ ...ada, active: true }, bob, eve])],
  [
    'ORDER',
    'a name goes back on the way',
    view(
      [ada, bob, eve],
      [{ ...ada, displayName: 'ada v2' }, { ...ada, displayName: 'ada v1' }, ada, bob, eve],
    ),
  ],
  ['ORDER', 'on again on the way', view([ada, bob, eve], [ada, { ...ada, active: true }, ada, bob, eve])],
  [
    'WRONG',
    'Bob under the name of Ada',
    view([ada, bob, eve], [ada, { ...bob, displayName: 'ada v2' }, bob, eve]),
  ],
  ['WRONG', 'another external id', view([ada, bob, eve], [ada, bob, { ...bob, externalId: 'x-ada' }, eve])],
  [
    'WRONG',
    'nobody asked for Zoe',
    view([ada, bob, eve, { id: 'z', userName: 'zoe', displayName: 'zoe v1' }]),
  ],
];

test('the checker finds every failure that is planted', async () => {
  const ledger = await story();
  for (const [kind, what, target] of planted) {
    const verdict = ledger.check(target);
    assert.ok((verdict[kind] as number) >= 1, `${kind}: ${what}`);
  }
});

test('what was not acknowledged may have happened or not; whoever was never let in needs no account', async () => {
  const ledger = await story();
  for (const displayName of ['eve v1', 'eve v2'])
    assert.deepEqual(ledger.check(view([ada, bob, { ...eve, displayName }])).findings, []);
  assert.deepEqual(ledger.check(view([bob, eve])).findings, [], 'Ada was locked before anything was sent');
});
