import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { addGroup, addMembers } from '#core/groups/groups.ts';
import { activate } from '#core/lifecycle/activate.ts';
import { leave } from '#core/lifecycle/leave.ts';
import { Problem } from '#core/problem.ts';
import { type ProvisioningStage, provisioningStage } from '#test/provisioning.ts';
import { approve } from './approval.ts';
import { brakeState } from './brake.ts';
import { listTarget } from './listing.ts';
import { planTarget } from './reconcile.ts';
import { relink } from './relink.ts';
import { decideStranger, strangerHandlers, strangers } from './strangers.ts';
import { startProvisioning } from './work.ts';

async function stage(t: TestContext, settings: Record<string, unknown> = {}) {
  const s = await provisioningStage({ mode: 'plan', ...settings });
  t.after(() => s.close());
  const running = await startProvisioning({ ...s.needs, handlers: strangerHandlers });
  t.after(() => running.stop());
  for (const [id, userName] of [
    ['a', 'anna'],
    ['b', 'bert'],
    ['c', 'carl'],
  ] as const)
    s.model.accounts.set(id, {
      id,
      active: true,
      attributes: { userName, email: `${userName}@elsewhere.example` },
    });
  s.clock.advance(60_000);
  await listTarget(s.needs, await s.target());
  return { s, running };
}

const decide = (s: ProvisioningStage, id: string, decision: Parameters<typeof decideStranger>[4]) =>
  s.during((tx) => decideStranger(tx, s.needs, s.app, id, decision));
const shown = async (s: ProvisioningStage, filter: Parameters<typeof strangers>[2] = {}) =>
  (await s.during((tx) => strangers(tx, s.app, filter))).map(({ remoteId }) => remoteId);
const isConflict = (error: unknown) => error instanceof Problem && error.code === 'conflict';

test('accounts of nobody are shown page by page, found by name, and nothing is done about them unasked', async (t) => {
  const { s, running } = await stage(t, { mode: 'automatic' });
  assert.deepEqual(await shown(s), ['a', 'b', 'c']);
  assert.deepEqual(await shown(s, { after: 'a', limit: 1 }), ['b']);
  assert.deepEqual(await shown(s, { search: 'CARL' }), ['c']);
  assert.deepEqual(await shown(s, { search: '%' }), []);
  await decide(s, 'a', 'ignore');
  assert.deepEqual(await shown(s, { decision: 'none' }), ['b', 'c']);
  const plan = await planTarget(s.needs, await s.target(), { send: true });
  assert.deepEqual(plan.strangers, { undecided: 2, decided: 1 });
  await running.settle();
  assert.deepEqual(s.model.done, []);
  await decide(s, 'a', 'undecided');
  assert.deepEqual(await shown(s, { decision: 'ignore' }), []);
  await assert.rejects(decide(s, 'nosuch', 'ignore'), (error) => error instanceof Problem);
});

test('an account is taken away only after it was asked for and approved; the brake counts it', async (t) => {
  const { s, running } = await stage(t);
  await decide(s, 'a', 'remove');
  await running.settle();
  assert.equal((await s.plan('stranger:a'))?.verdict, 'deactivate');
  await planTarget(s.needs, await s.target(), { send: true });
  await running.settle();
  assert.equal(s.model.done.length, 0, 'not before somebody approves');
  assert.equal((await s.plan('stranger:a'))?.state, 'proposed', 'a plan for everyone leaves it alone');
  assert.equal(await s.during((tx) => approve(tx, s.app, { subjects: ['stranger:a'] })), 1);
  await running.settle();
  assert.deepEqual(
    s.model.done.map((step) => step.do),
    ['deactivate'],
  );
  assert.equal(s.model.accounts.get('a')?.active, false);
  assert.equal(s.model.accounts.get('b')?.active, true);
  const { removals } = await s.during((tx) => brakeState(tx, s.app));
  assert.deepEqual(
    removals.map(({ subject, approved }) => [subject, approved]),
    [['stranger:a', true]],
  );
  assert.equal(await s.plan('stranger:a'), undefined);
  const kinds = (await s.timeline('stranger:a')).map(({ kind }) => kind).reverse();
  assert.deepEqual(kinds, ['proposed', 'approved', 'settled']);
});

test('where leavers are deleted at once, so is it; what is gone already is let go', async (t) => {
  const { s, running } = await stage(t, { leaver: { rule: 'delete' } });
  await decide(s, 'a', 'remove');
  await decide(s, 'b', 'remove');
  s.model.accounts.delete('b');
  await s.during((tx) => approve(tx, s.app, { all: true }));
  await running.settle();
  assert.deepEqual(
    s.model.done.map((step) => step.do),
    ['deactivate', 'delete'],
  );
  assert.deepEqual([...s.model.accounts.keys()], ['c']);
  assert.deepEqual(await shown(s), ['c']);
});

test('one that became somebody’s between the decision and the deed stays', async (t) => {
  const { s, running } = await stage(t);
  const ada = await s.person('ada');
  await decide(s, 'a', 'remove');
  // In one commit, or the worker could be faster.
  await s.during(async (tx) => {
    await approve(tx, s.app, { all: true });
    await relink(tx, s.needs, s.app, ada, 'a');
  });
  await running.settle();
  assert.equal(s.model.accounts.get('a')?.active, true);
  assert.equal((await s.link(ada))?.remoteId, 'a');
  await assert.rejects(decide(s, 'a', 'remove'), isConflict);
});

test('an account is given to one person, whoever else tries at the same time; what differs is then proposed', async (t) => {
  const { s, running } = await stage(t);
  const people: string[] = [];
  for (let n = 0; n < 8; n += 1) people.push(await s.person(`p${n}`));
  await running.settle();
  const ends = await Promise.allSettled(people.map((person) => decide(s, 'a', { adopt: person })));
  const won = people.filter((_, place) => ends[place]?.status === 'fulfilled');
  assert.equal(won.length, 1);
  for (const end of ends)
    if (end.status === 'rejected') assert.ok(isConflict(end.reason), String(end.reason));
  await running.settle();
  const [winner] = won as [string];
  const link = await s.link(winner);
  assert.deepEqual([link?.state, link?.remoteId], ['linked', 'a']);
  const plan = await s.plan(`person:${winner}`);
  assert.deepEqual([plan?.verdict, plan?.state], ['update', 'proposed']);
  assert.deepEqual(await shown(s), ['b', 'c']);
  await s.during(async (tx) => {
    const made = await addGroup(tx, { name: 'Editors', origin: 'admin' });
    await addMembers(tx, made.id, [winner]);
  });
  await running.settle();
  await s.save({ mode: 'automatic', groups: 'all' });
  await s.during((tx) => relink(tx, s.needs, s.app, winner, 'b'));
  assert.deepEqual(await shown(s), ['a', 'c'], 'the one before is nobody’s now');
  assert.equal((await s.link(winner))?.externalId, link?.externalId, 'the external id stays');
  await running.settle();
  assert.equal(s.model.accounts.get('b')?.attributes.userName, `p${people.indexOf(winner)}`);
  const [there] = [...s.model.groups.values()];
  assert.deepEqual([there?.name, there?.members], ['Editors', ['b']]);
});

test('where DELETE leaves an account switched off, what we deleted ourselves comes back as nobody’s stranger', async (t) => {
  const { s, running } = await stage(t, {
    mode: 'automatic',
    leaver: { rule: 'delete', deleteAfterDays: 0 },
  });
  const ada = await s.person('ada');
  await running.settle();
  const made = (await s.link(ada))?.remoteId as string;
  const remains = { ...s.model.accounts.get(made)!, active: false };
  const bert = { ...s.model.accounts.get('b')!, active: false };
  await s.during((tx) => leave(tx, ada, 'spam', 'for the test'));
  await decide(s, 'b', 'remove');
  await s.during((tx) => approve(tx, s.app, { all: true }));
  await running.settle();
  assert.deepEqual([...s.model.accounts.keys()], ['a', 'c']);
  const relist = async () => {
    s.clock.advance(60_000);
    await listTarget(s.needs, await s.target());
    return shown(s);
  };
  // What such a target shows from then on.
  s.model.accounts.set(made, remains).set('b', bert);
  assert.deepEqual(await relist(), ['a', 'c']);
  assert.deepEqual((await planTarget(s.needs, await s.target())).strangers, { undecided: 2, decided: 0 });
  s.model.accounts.set('b', { ...bert, active: true });
  assert.deepEqual(await relist(), ['a', 'b', 'c'], 'somebody there switched it on again');
  s.model.accounts.set('b', bert);
  assert.deepEqual(await relist(), ['a', 'c']);
  const marks = () => s.database.query('select remote_id from target_deleted order by remote_id');
  assert.equal((await marks()).length, 2);
  s.model.accounts.delete('b');
  await relist();
  assert.deepEqual(await marks(), [{ remote_id: made }], 'gone for good');
  await s.during((tx) => activate(tx, ada, 'for the test'));
  await running.settle();
  assert.equal((await s.link(ada))?.remoteId, made, 'back, and the same account again');
  assert.deepEqual([await marks(), await relist()], [[], ['a', 'c']]);
});

test('what is left of an account that was deleted for an erased person is read without what says who they were', async (t) => {
  const { s, running } = await stage(t, {
    mode: 'automatic',
    leaver: { rule: 'delete', deleteAfterDays: 0 },
  });
  const [ada, grace] = [await s.person('ada'), await s.person('grace')];
  await running.settle();
  const keep = async (person: string) => {
    const id = (await s.link(person))?.remoteId as string;
    return { ...s.model.accounts.get(id)!, active: false };
  };
  const [left, erased] = [await keep(ada), await keep(grace)];
  await s.during((tx) => leave(tx, ada, 'left', 'for the test'));
  await s.during((tx) => leave(tx, grace, 'erased', 'for the test'));
  await running.settle();
  s.model.accounts.set(left.id, left).set(erased.id, erased);
  s.clock.advance(60_000);
  await listTarget(s.needs, await s.target());
  const read = async (id: string) =>
    (
      await s.database.query<{ attributes: object; user_name_key: string | null }>(
        'select attributes, user_name_key from target_accounts where remote_id = $1',
        [id],
      )
    )[0];
  assert.deepEqual(await read(erased.id), { attributes: {}, user_name_key: null });
  assert.equal((await read(left.id))?.user_name_key, 'ada');
  await s.during((tx) => leave(tx, ada, 'erased', 'for the test'));
  await running.settle();
  assert.deepEqual(await read(left.id), { attributes: {}, user_name_key: null }, 'also when it comes later');
});
