import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addGroup, addMembers, changeGroup, removeGroup, removeMembers } from '#core/groups/groups.ts';
import { leave } from '#core/lifecycle/leave.ts';
import { eventually } from '#test/eventually.ts';
import { type ProvisioningStage, stageFor } from '#test/provisioning.ts';
import { Retry } from './connector.ts';
import { findGroupLink } from './groups.store.ts';

const crewOf = (s: ProvisioningStage, name = 'Crew') =>
  [...s.model.groups.values()].find((one) => one.name === name);
const newGroup = (s: ProvisioningStage, name: string) =>
  s.during(async (tx) => (await addGroup(tx, { name, origin: 'test' })).id);

test('groups come after people: whoever has no account yet joins when theirs is there; changes in batches', async (t) => {
  const s = await stageFor(t, { groups: 'all' });
  let closed = true;
  s.model.before = (asked) => {
    if (closed && asked.op === 'apply') throw new Retry('Later.', { kind: 'later', afterSeconds: 0.2 });
  };
  const running = await s.start();
  const group = await newGroup(s, 'Crew');
  const people: string[] = [];
  for (let n = 0; n < 7; n += 1) people.push(await s.person(`m${n}`));
  await s.during((tx) => addMembers(tx, group, people));
  await eventually(() => crewOf(s));
  assert.deepEqual(crewOf(s)?.members, []);
  await eventually(async () =>
    (await s.timeline(`group:${group}`)).some(({ text }) => /without an account there join/.test(text)),
  );
  closed = false;
  await eventually(() => crewOf(s)?.members.length === 7);
  await running.settle();
  const adds = s.model.done.filter((step) => step.do === 'add-members');
  assert.ok(
    adds.every((step) => step.members.length <= 3),
    'at most what the connector takes at once',
  );
  crewOf(s)?.members.push('stranger');
  await s.during((tx) => removeMembers(tx, group, people.slice(0, 4)));
  await eventually(() => crewOf(s)?.members.length === 4);
  assert.ok(crewOf(s)?.members.includes('stranger'), 'who was put in there by others stays');
});

test('only the groups that were chosen, under the names the app knows; a removed one goes', async (t) => {
  const s = await stageFor(t, { groups: ['CREW'] });
  const running = await s.start();
  const [crew, other] = [await newGroup(s, 'Crew'), await newGroup(s, 'Other')];
  const ada = await s.person('ada');
  await s.during((tx) => addMembers(tx, crew, [ada]));
  await s.during((tx) => addMembers(tx, other, [ada]));
  await eventually(() => crewOf(s)?.members.length === 1);
  await running.settle();
  assert.equal(s.model.groups.size, 1);
  await s.during((tx) => changeGroup(tx, crew, { title: 'The crew' }));
  await s.during((tx) => removeGroup(tx, crew));
  await eventually(() => s.model.groups.size === 0);
  await running.settle();
  assert.equal(await s.during((tx) => findGroupLink(tx, s.app, crew)), undefined);
});

test('a group that was there is adopted, and stays when ours is removed, without those we put in', async (t) => {
  const s = await stageFor(t, { groups: 'all' });
  s.model.groups.set('old', { id: 'old', name: 'Crew', members: ['stranger'] });
  const running = await s.start();
  const crew = await newGroup(s, 'Crew');
  const ada = await s.person('ada');
  await s.during((tx) => addMembers(tx, crew, [ada]));
  await eventually(() => crewOf(s)?.members.length === 2);
  await running.settle();
  assert.equal(s.model.groups.size, 1);
  await s.during((tx) => removeGroup(tx, crew));
  await eventually(() => crewOf(s)?.members.length === 1);
  assert.deepEqual(crewOf(s)?.members, ['stranger']);
});

test('a rename where names can change is a rename', async (t) => {
  const s = await stageFor(t, { groups: 'all' });
  const running = await s.start();
  const crew = await newGroup(s, 'Crew');
  await eventually(() => crewOf(s));
  await running.settle();
  await s.during((tx) => changeGroup(tx, crew, { name: 'Team' }));
  await eventually(() => crewOf(s, 'Team'));
  assert.deepEqual(
    s.model.done.map((step) => step.do),
    ['create-group', 'rename-group'],
  );
});

test('a rename where names cannot change, cut off at every step: one group of the new name, everybody in it, the old one gone', async (t) => {
  const s = await stageFor(t, { groups: 'all' }, { capabilities: { renameGroup: false, membersBatch: 2 } });
  const running = await s.start();
  const crew = await newGroup(s, 'Crew');
  const people: string[] = [];
  for (let n = 0; n < 5; n += 1) people.push(await s.person(`m${n}`));
  await s.during((tx) => addMembers(tx, crew, people));
  await eventually(() => crewOf(s)?.members.length === 5);
  await running.settle();
  const steps = 5; // create, three batches, delete
  for (let cut = 0; cut < steps; cut += 1) {
    for (const when of ['before', 'after'] as const) {
      let count = 0;
      const fault = (asked: { op: string }) => {
        if (asked.op !== 'applyGroup' || count++ !== cut) return;
        throw new Retry('Cut off.', { afterSeconds: 0 });
      };
      s.model[when] = fault;
      const name = `Team-${cut}-${when}`;
      await s.during((tx) => changeGroup(tx, crew, { name }));
      await eventually(() => s.model.groups.size === 1 && crewOf(s, name)?.members.length === 5);
      await eventually(
        async () => (await s.during((tx) => findGroupLink(tx, s.app, crew)))?.formerIds.length === 0,
      );
      await running.settle();
      assert.ok(count > cut, `${name} was cut off`);
      s.model.before = undefined;
      s.model.after = undefined;
    }
  }
  const made = s.model.done.filter((step) => step.do === 'create-group').length;
  assert.equal(made, 1 + 2 * steps, 'one new group a rename');
});

test('who is switched off keeps the groups there; who is deleted is in none', async (t) => {
  const s = await stageFor(t, { groups: 'all', leaver: { rule: 'delete', deleteAfterDays: 0 } });
  const running = await s.start();
  const crew = await newGroup(s, 'Crew');
  const [ada, bob] = [await s.person('ada'), await s.person('bob')];
  await s.during((tx) => addMembers(tx, crew, [ada, bob]));
  await eventually(() => crewOf(s)?.members.length === 2);
  await running.settle();
  await s.during((tx) => leave(tx, ada, 'left'));
  await running.settle();
  await eventually(() => crewOf(s)?.members.length === 1);
  assert.equal((await s.database.query('select 1 from target_members where person = $1', [ada])).length, 0);
});
