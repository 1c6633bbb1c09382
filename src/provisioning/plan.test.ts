import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { modelTarget } from '#test/model-target.ts';
import type { Capabilities, Desired, Judgement, RemoteAccount } from './connector.ts';
import { correlate } from './correlate.ts';
import { planGroup } from './group-plan.ts';
import { isApproved, permissionFor } from './permission.ts';
import { digestOf, type PlanInput, plan, sameValue, type Verdict } from './plan.ts';

const capabilities = modelTarget().connector.capabilities;
const attributes = modelTarget().connector.attributes;
const now = new Date('2026-03-10T12:00:00Z');
const managed: Judgement = { standing: 'managed', frozen: [], why: '' };

const desired: Desired = {
  externalId: 'x1',
  active: true,
  attributes: { userName: 'ada', email: 'ada@example.org', displayName: 'Ada' },
};
const there: RemoteAccount = { id: 'a1', ...structuredClone(desired) };
const off = { ...there, active: false };
const input = (given: Partial<PlanInput>): PlanInput => ({
  standing: 'active',
  desired,
  match: { kind: 'none' },
  judgement: managed,
  capabilities,
  attributes,
  leaver: { rule: 'deactivate' },
  now,
  ...given,
});
const days = (count: number) => new Date(now.getTime() - count * 86_400_000);
const found = (account: RemoteAccount) => ({ kind: 'one' as const, account, by: 'email' as const });
const judged = (standing: Judgement['standing'], frozen: string[] = []) => ({
  judgement: { standing, frozen, why: 'Because.' },
});

test('the table of verdicts', () => {
  const table: [string, Partial<PlanInput>, Verdict, string[]][] = [
    ['nothing there', {}, 'create', ['create']],
    ['gone', { gone: true }, 'create', ['create']],
    ['equal', { remote: there }, 'unchanged', []],
    ['differs', { remote: { ...there, attributes: { userName: 'ada' } } }, 'update', ['update']],
    [
      'case of a name',
      { remote: { ...there, attributes: { ...there.attributes, userName: 'ADA' } } },
      'unchanged',
      [],
    ],
    ['switched off', { remote: off }, 'reactivate', ['update']],
    ['found equal', { match: found(there) }, 'link', []],
    ['found, other id', { match: found({ ...there, externalId: 'old' }) }, 'link', ['update']],
    ['disputed', { match: { kind: 'disputed', why: 'Two.' } }, 'disputed', []],
    ['disputed, but linked', { match: { kind: 'disputed', why: 'Two.' }, remote: there }, 'unchanged', []],
    ['no desired', { desired: undefined, problem: 'No address.' }, 'impossible', []],
    ['needs alias', judged('needs-alias'), 'needs-alias', []],
    ['impossible', judged('impossible'), 'impossible', []],
    ['invite', judged('invite'), 'invite', ['invite']],
    ['invited', { ...judged('invite'), invitedAt: days(2) }, 'unchanged', []],
    ['invited long ago', { ...judged('invite'), invitedAt: days(9) }, 'invite', ['invite']],
    [
      'cannot invite',
      { ...judged('invite'), capabilities: { ...capabilities, invite: false } },
      'impossible',
      [],
    ],
    [
      'frozen alone differs',
      {
        ...judged('external', ['email']),
        remote: { ...there, attributes: { ...there.attributes, email: 'b@c' } },
      },
      'impossible',
      [],
    ],
    [
      'frozen and other differ',
      {
        ...judged('external', ['email']),
        remote: { ...there, attributes: { userName: 'ada', email: 'b@c' } },
      },
      'update',
      ['update'],
    ],
    ['inactive, on', { standing: 'inactive', remote: there }, 'deactivate', ['deactivate']],
    [
      'inactive, on, renamed since the last push',
      {
        standing: 'inactive',
        remote: { ...there, attributes: { ...there.attributes, displayName: 'Before' } },
      },
      'deactivate',
      ['deactivate', 'update'],
    ],
    [
      'inactive, off, renamed since',
      { standing: 'inactive', remote: { ...off, attributes: { ...off.attributes, displayName: 'Before' } } },
      'update',
      ['update'],
    ],
    [
      'inactive, on, renamed, and not ours to change there',
      {
        standing: 'inactive',
        ...judged('external', ['displayName']),
        remote: { ...there, attributes: { ...there.attributes, displayName: 'Before' } },
      },
      'deactivate',
      ['deactivate'],
    ],
    ['inactive, off', { standing: 'inactive', remote: off }, 'unchanged', []],
    [
      'inactive is never deleted',
      { standing: 'inactive', remote: off, leaver: { rule: 'delete' }, inactiveSince: days(99) },
      'unchanged',
      [],
    ],
    ['out, nothing there', { standing: 'out' }, 'unchanged', []],
    ['out, a stranger with the name', { standing: 'out', match: found(there) }, 'unchanged', []],
    ['out, gone', { standing: 'out', gone: true }, 'unchanged', []],
    ['out, on', { standing: 'out', remote: there }, 'deactivate', ['deactivate']],
    [
      'out, delete at once',
      { standing: 'out', remote: there, leaver: { rule: 'delete' } },
      'delete',
      ['deactivate', 'delete'],
    ],
    [
      'out, delete later',
      { standing: 'out', remote: there, leaver: { rule: 'delete', deleteAfterDays: 30 } },
      'deactivate',
      ['deactivate'],
    ],
    [
      'out, days not over',
      {
        standing: 'out',
        remote: off,
        inactiveSince: days(29),
        leaver: { rule: 'delete', deleteAfterDays: 30 },
      },
      'unchanged',
      [],
    ],
    [
      'out, days over',
      {
        standing: 'out',
        remote: off,
        inactiveSince: days(31),
        leaver: { rule: 'delete', deleteAfterDays: 30 },
      },
      'delete',
      ['delete'],
    ],
    [
      'out, cannot delete',
      {
        standing: 'out',
        remote: off,
        leaver: { rule: 'delete' },
        capabilities: { ...capabilities, delete: false },
      },
      'unchanged',
      [],
    ],
  ];
  for (const [name, given, verdict, steps] of table) {
    const made = plan(input(given));
    assert.equal(made.verdict, verdict, name);
    assert.deepEqual(
      made.steps.map((step) => step.do),
      steps,
      name,
    );
    assert.ok(made.why.length > 0, `${name} says why`);
  }
});

test('a deletion that is not due says when it is', () => {
  const leaver = { rule: 'delete' as const, deleteAfterDays: 30 };
  const late = plan(input({ standing: 'out', remote: off, inactiveSince: days(10), leaver }));
  assert.equal(late.next?.toISOString(), '2026-03-30T12:00:00.000Z');
});

test('values: nothing is nothing, lists are sets', () => {
  assert.ok(sameValue(null, '') && sameValue([], null) && sameValue(['b', 'a', 'a'], ['a', 'b']));
  assert.ok(!sameValue('Ada', 'ada') && sameValue('Ada', 'ada', 'caseless'));
  assert.ok(!sameValue(null, false) && !sameValue('1', 1));
});

test('after a plan is applied there is nothing left to do, whatever was there', async () => {
  const name = fc.constantFrom('ada', 'Ada', 'bob', 'cy');
  const value = fc.oneof(fc.constant(null), fc.constant(''), fc.string({ maxLength: 5 }));
  const attribute = fc.record(
    { userName: name, email: value, displayName: value, title: value },
    { requiredKeys: ['userName'] },
  );
  const remote = fc.option(
    fc.record({
      externalId: fc.constantFrom('x1', 'x2', undefined),
      active: fc.boolean(),
      attributes: attribute,
    }),
    { nil: undefined },
  );
  const property = fc.asyncProperty(
    remote,
    attribute,
    fc.constantFrom('active' as const, 'inactive' as const, 'out' as const),
    fc.boolean(),
    fc.constantFrom('deactivate' as const, 'delete' as const),
    async (was, attributesWanted, standing, linked, rule) => {
      const model = modelTarget();
      const externalId = was?.externalId;
      if (was) model.accounts.set('a0', { id: 'a0', ...was, externalId });
      const want: Desired = { externalId: 'x1', active: true, attributes: attributesWanted };
      const look = (): PlanInput => {
        const account = structuredClone(model.accounts.values().next().value);
        const matched = account ? found(account) : { kind: 'none' as const };
        const view = linked || model.done.length > 0 ? { remote: account } : { match: matched };
        return input({ standing, desired: want, leaver: { rule }, ...view });
      };
      for (const step of plan(look()).steps) await model.send({ op: 'apply', step });
      const again = plan({
        ...look(),
        ...(linked
          ? {}
          : { remote: standing === 'active' ? [...model.accounts.values()][0] : look().remote }),
      });
      assert.deepEqual([again.verdict, again.steps], ['unchanged', []]);
      const left = [...model.accounts.values()];
      if (standing === 'active') assert.ok(left.length === 1 && left[0]?.active);
    },
  );
  await fc.assert(property, { numRuns: 500 });
});

test('who it is: external id before user name before address; never somebody else', () => {
  const account = (id: string, externalId?: string): RemoteAccount => ({ ...there, id, externalId });
  const email = String(there.attributes.email ?? '').toLowerCase();
  const self = { person: 'p1', externalId: 'x1', addresses: new Set([email]) };
  const strongest = correlate(
    [
      { account: account('a3'), by: 'email' },
      { account: account('a1', 'x1'), by: 'externalId' },
      { account: account('a2'), by: 'userName' },
    ],
    new Map(),
    self,
  );
  assert.ok(strongest.kind === 'one' && strongest.account.id === 'a1');
  const held = correlate([{ account: account('a1'), by: 'userName' }], new Map([['a1', 'p2']]), self);
  assert.equal(held.kind, 'disputed');
  const mine = correlate([{ account: account('a1'), by: 'userName' }], new Map([['a1', 'p1']]), self);
  assert.equal(mine.kind, 'one');
  const two = [account('a1'), account('a2')].map((one) => ({ account: one, by: 'email' as const }));
  assert.equal(correlate(two, new Map(), self).kind, 'disputed');
  const carried = [{ account: account('a1', 'x2'), by: 'userName' as const }];
  assert.equal(correlate(carried, new Map(), self, new Set(['x2'])).kind, 'disputed');
  assert.equal(correlate(carried, new Map(), self).kind, 'one', 'an id that is not ours is no obstacle');
});

test('a user name alone takes no account over: its address must be one of this person’s', () => {
  const self = {
    person: 'p1',
    externalId: 'x1',
    addresses: new Set(['ada@example.org', 'ada@people.example.org']),
  };
  const found = (email: string | null, by: 'userName' | 'externalId' = 'userName', externalId?: string) =>
    correlate(
      [{ account: { id: 'a1', externalId, active: true, attributes: { email } }, by }],
      new Map(),
      self,
    ).kind;
  assert.equal(found('Ada@example.org'), 'one', 'a proved address of theirs');
  assert.equal(found('ada@people.example.org'), 'one', 'their alias mailbox');
  assert.equal(found(null), 'one', 'the target does not tell');
  assert.equal(found('somebody@example.net'), 'disputed');
  assert.equal(
    found('somebody@example.net', 'externalId', 'x1'),
    'one',
    'what we made is ours whatever it was changed to',
  );
});

test('an approval holds for exactly what was approved, and for the rest of it once begun', () => {
  const steps = plan(input({ standing: 'out', remote: there, leaver: { rule: 'delete' } })).steps;
  const row = { state: 'approved' as const, steps, digest: digestOf(steps) };
  assert.ok(isApproved({}, row, steps) && isApproved({}, row, steps.slice(1)) && isApproved({}, row, []));
  assert.ok(!isApproved({}, { ...row, state: 'proposed' }, steps));
  assert.ok(!isApproved({}, row, [{ do: 'delete', id: 'other' }]));
  const update = (email: string) => ({
    do: 'update' as const,
    id: 'a1',
    fields: ['email'],
    desired: { ...desired, attributes: { email } },
  });
  assert.ok(digestOf([update('a')]).equals(digestOf([{ ...update('a'), version: '7' }])));
  assert.ok(!digestOf([update('a')]).equals(digestOf([update('b')])));
});

test('what may be sent: by mode, cause and decision', () => {
  const { steps } = plan(input({}));
  const row = (state: 'proposed' | 'approved' | 'held' | 'refused') => ({
    state,
    steps,
    digest: digestOf(steps),
  });
  const may = (mode: 'off' | 'observe' | 'plan' | 'automatic', cause: string, was?: ReturnType<typeof row>) =>
    permissionFor({ mode }, { cause }, was, steps);
  assert.equal(may('off', 'request', row('approved')), 'leave');
  assert.equal(may('observe', 'request', row('approved')), 'propose');
  assert.equal(may('plan', 'request'), 'propose');
  assert.equal(may('plan', 'button'), 'propose');
  assert.equal(may('plan', 'request', row('approved')), 'send');
  assert.equal(may('plan', 'request', row('refused')), 'leave');
  assert.equal(may('automatic', 'request'), 'send');
  for (const cause of ['import', 'sync', 'merge', 'demo'])
    assert.equal(may('automatic', cause), 'propose', cause);
  assert.equal(may('automatic', 'import', row('approved')), 'send');
  assert.equal(may('automatic', 'schedule'), 'send');
  assert.equal(may('automatic', 'schedule', row('proposed')), 'propose', 'what an import brought waits on');
  assert.equal(may('automatic', 'members', row('proposed')), 'propose');
  assert.equal(may('automatic', 'members'), 'send');
  assert.equal(may('automatic', 'request', row('proposed')), 'send');
  assert.equal(may('automatic', 'request', row('refused')), 'leave');
  assert.equal(may('automatic', 'button', row('refused')), 'send');
});

test('groups: members in batches, others left in peace, a name that cannot change is a new group', () => {
  const can: Capabilities = { ...capabilities, membersBatch: 2 };
  const base = {
    standing: 'wanted' as const,
    name: 'crew',
    externalId: 'g',
    capabilities: can,
    removable: [],
    current: [],
  };
  const made = planGroup({ ...base, members: ['1', '2', '3'] });
  assert.deepEqual(made.steps, [
    { do: 'create-group', name: 'crew', externalId: 'g' },
    { do: 'add-members', id: '', members: ['1', '2'] },
    { do: 'add-members', id: '', members: ['3'] },
  ]);
  const link = { application: 'a', group: 'g', name: 'crew', remoteId: 'r1', created: true, formerIds: [] };
  const remote = { id: 'r1', name: 'crew' };
  const changed = planGroup({
    ...base,
    link,
    remote,
    members: ['1', '4'],
    current: ['1', '2', 'stranger'],
    removable: ['1', '2'],
  });
  assert.deepEqual(changed.steps, [
    { do: 'add-members', id: 'r1', members: ['4'] },
    { do: 'remove-members', id: 'r1', members: ['2'] },
  ]);
  const moved = planGroup({
    ...base,
    name: 'team',
    link: { ...link, remoteId: undefined, formerIds: ['r1'] },
    members: ['1'],
  });
  assert.deepEqual(
    moved.steps.map((step) => step.do),
    ['create-group', 'add-members', 'delete-group'],
  );
  const named = planGroup({ ...base, link, remote: { ...remote, name: 'old' }, members: [] });
  assert.deepEqual(named.steps, [{ do: 'rename-group', id: 'r1', name: 'crew' }]);
  const removed = planGroup({ ...base, standing: 'removed', link, remote, members: [] });
  assert.deepEqual(removed.steps, [{ do: 'delete-group', id: 'r1' }]);
  const adopted = { ...link, created: false };
  const left = planGroup({
    ...base,
    standing: 'removed',
    link: adopted,
    remote,
    members: [],
    current: ['1', 's'],
    removable: ['1'],
  });
  assert.deepEqual(left.steps, [{ do: 'remove-members', id: 'r1', members: ['1'] }]);
  assert.deepEqual(planGroup({ ...base, standing: 'deselected', link, remote, members: [] }).steps, []);
});
