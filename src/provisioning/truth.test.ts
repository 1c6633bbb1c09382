import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { addGroup, addMembers, changeGroup } from '#core/groups/groups.ts';
import { leave } from '#core/lifecycle/leave.ts';
import { type ProvisioningStage, provisioningStage } from '#test/provisioning.ts';
import { approve } from './approval.ts';
import type { Candidate } from './connector.ts';
import { listTarget } from './listing.ts';
import { pushNow } from './provisioning.ts';
import { type PersonVerdict, planTarget, streamPlan } from './reconcile.ts';
import { renameGroupInTargets } from './targets.ts';

async function stage(t: TestContext, ...given: Parameters<typeof provisioningStage>) {
  const made = await provisioningStage(...given);
  t.after(() => made.close());
  return made;
}

async function list(s: ProvisioningStage): Promise<void> {
  s.clock.advance(60_000);
  await listTarget(s.needs, await s.target());
  s.clock.advance(60_000);
}

async function verdictOf(s: ProvisioningStage, username: string): Promise<PersonVerdict | undefined> {
  for await (const one of streamPlan(s.needs, await s.target())) if (one.username === username) return one;
  return undefined;
}

const account = (id: string, attributes: Record<string, string>) => ({ id, active: true, attributes });

/** A target that is asked for external ids and user names alone, and refuses an address that is taken. */
function withoutSearchByAddress(s: ProvisioningStage): void {
  const send = s.model.send;
  const { connector } = s.model;
  const open = connector.open;
  connector.open = (opening) => {
    const connection = open(opening);
    return {
      ...connection,
      find: async (desired) =>
        ((await send({ op: 'find', desired })) as Candidate[]).filter(({ by }) => by !== 'email'),
    };
  };
}

test('a group that was made since the last listing is there', async (t) => {
  const s = await stage(t, { groups: 'all' });
  await list(s);
  const running = await s.start();
  await s.during((tx) => addGroup(tx, { name: 'Crew', origin: 'test' }));
  await running.settle();
  assert.equal(s.model.groups.size, 1);
  const { groups } = await planTarget(s.needs, await s.target());
  assert.deepEqual(
    groups.map(({ name, verdict }) => [name, verdict]),
    [['Crew', 'unchanged']],
  );
});

test('an account we deleted since the last listing is nobody’s stranger', async (t) => {
  const s = await stage(t, { leaver: { rule: 'delete', deleteAfterDays: 0 } });
  const running = await s.start();
  const ada = await s.person('ada');
  await running.settle();
  await list(s);
  await s.during((tx) => leave(tx, ada, 'spam', 'for the test'));
  await running.settle();
  assert.equal(s.model.accounts.size, 0);
  assert.deepEqual((await planTarget(s.needs, await s.target())).strangers, { undecided: 0, decided: 0 });
});

test('a plan says that the account behind a record is lost, after a listing and after a push', async (t) => {
  const s = await stage(t);
  const running = await s.start();
  const ada = await s.person('ada');
  await running.settle();
  const there = [...s.model.accounts.values()][0]!;
  there.accountId = 'aaid-1';
  await list(s);
  assert.equal((await verdictOf(s, 'ada'))?.verdict, 'unchanged');
  delete there.accountId;
  await list(s);
  const lost = await verdictOf(s, 'ada');
  assert.deepEqual([lost?.verdict, lost?.steps], ['impossible', []]);
  assert.match(lost?.why ?? '', /account behind the record \(aaid-1\) is not linked/);
  await s.during((tx) => pushNow(tx, s.app, `person:${ada}`));
  await running.settle();
  assert.equal((await verdictOf(s, 'ada'))?.verdict, 'impossible');
  there.accountId = 'aaid-1';
  await s.during((tx) => pushNow(tx, s.app, `person:${ada}`));
  await running.settle();
  assert.equal((await verdictOf(s, 'ada'))?.verdict, 'unchanged');
  assert.equal((await s.link(ada))?.problem, undefined);
});

test('an account that only the listing knows by its address is linked, as the plan says, never doubled', async (t) => {
  const s = await stage(t, { mode: 'plan' });
  withoutSearchByAddress(s);
  s.model.accounts.set('old', account('old', { userName: 'her.old.name', email: 'ada@example.org' }));
  s.model.accounts.set('left', account('left', { userName: 'other', email: 'grace@example.org' }));
  const running = await s.start();
  await list(s);
  // What the listing saw is not what is there any more: that one is nobody's by now.
  s.model.accounts.set('left', account('left', { userName: 'other', email: 'moved@example.org' }));
  const [ada, grace] = [await s.person('ada'), await s.person('grace')];
  await running.settle();
  const planned = await verdictOf(s, 'ada');
  assert.deepEqual([planned?.verdict, planned?.steps], ['link', ['update']]);
  const proposed = await s.plan(`person:${ada}`);
  assert.equal(proposed?.verdict, 'link', 'the push comes to the same');
  await s.during((tx) => approve(tx, s.app, { all: true }));
  await running.settle();
  assert.equal((await s.link(ada))?.remoteId, 'old');
  assert.equal(s.model.accounts.get('old')?.attributes.userName, 'ada');
  assert.notEqual((await s.link(grace))?.remoteId, 'left');
  assert.equal(s.model.accounts.size, 3);
});

test('who was refused there stays refused in the plan, until it is tried again', async (t) => {
  const s = await stage(t);
  withoutSearchByAddress(s);
  const running = await s.start();
  await list(s);
  s.model.accounts.set('hidden', account('hidden', { userName: 'other', email: 'ada@example.org' }));
  const ada = await s.person('ada');
  // A clash is believed once what was sent before it would be visible.
  await running.settle();
  s.clock.advance(60_000);
  await s.during((tx) => pushNow(tx, s.app, `person:${ada}`));
  await running.settle();
  for (let tries = 0; tries < 400 && !(await s.link(ada))?.problem; tries += 1) await sleep(25);
  // The problem is kept first, then what is left to do: what comes next must not overtake that.
  await running.settle();
  assert.match((await s.link(ada))?.problem ?? '', /Another account there/);
  const refused = await verdictOf(s, 'ada');
  assert.deepEqual([refused?.verdict, refused?.outlook], ['refused', 'waits']);
  assert.match(refused?.why ?? '', /Another account there/);
  await planTarget(s.needs, await s.target(), { send: true });
  assert.equal((await verdictOf(s, 'ada'))?.verdict, 'refused', 'also after a sweep');
  s.model.accounts.delete('hidden');
  await s.during((tx) => approve(tx, s.app, { all: true }));
  await running.settle();
  assert.equal((await verdictOf(s, 'ada'))?.verdict, 'unchanged');
});

test('a group that is renamed stays chosen: its group there follows, nobody falls out of scope', async (t) => {
  const s = await stage(t, { groups: ['Crew', 'Board'], scope: { groups: ['CREW'] } });
  const running = await s.start();
  const crew = await s.during(async (tx) => (await addGroup(tx, { name: 'Crew', origin: 'test' })).id);
  const ada = await s.person('ada');
  await s.during((tx) => addMembers(tx, crew, [ada]));
  await running.settle();
  await running.settle();
  await s.during(async (tx) => {
    await changeGroup(tx, crew, { name: 'Team' });
    await renameGroupInTargets(tx, 'Crew', 'Team');
  });
  await running.settle();
  await running.settle();
  const { settings } = await s.target();
  assert.deepEqual([settings.groups, settings.scope.groups], [['Team', 'Board'], ['Team']]);
  assert.deepEqual(
    [...s.model.groups.values()].map(({ name, members }) => [name, members.length]),
    [['Team', 1]],
  );
  assert.equal([...s.model.accounts.values()][0]?.active, true);
});
