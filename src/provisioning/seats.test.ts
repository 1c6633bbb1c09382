import assert from 'node:assert/strict';
import { test } from 'node:test';
import { removeMembers } from '#core/groups/groups.ts';
import { findByUsername } from '#core/people/people.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { aliasDomain, eventually, startWithJira } from '#test/jira.ts';
import { approve, countProposals } from './approval.ts';
import { linkAgain, partRecords } from './records.ts';
import { requireTarget } from './targets.ts';

const people = `
people:
  - { username: ada, names: { givenName: Ada }, addresses: [ada@example.org], groups: [developers] }
  - { username: grace, names: { givenName: Grace }, addresses: [grace@example.org], groups: [developers] }
`;

test('whoever is linked again in mode plan is in their groups again without a further yes; what is new waits as always', async () => {
  const { jira, platform } = await startWithJira('plan', people);
  const during = <T>(work: (tx: Tx) => Promise<T>) => platform.database.transact(system('admin'), work);
  const proposed = () => during((tx) => countProposals(tx, 'jira'));
  const waiting = async () => (await proposed()).filter(({ state }) => state === 'proposed');
  const groupsOf = (name: string) => jira.state.account(`${name}@${aliasDomain}`)?.groups ?? [];
  const recordOf = (name: string) =>
    jira.state.users().find(({ body }) => String(body.userName).startsWith(name))!.id;
  const agree = async (so: () => boolean) => {
    await eventually(
      async () => {
        await platform.settle();
        if ((await waiting()).length > 0) await during((tx) => approve(tx, 'jira', { all: true }));
        return so();
      },
      (done) => done,
      20_000,
    );
    assert.ok(so());
  };
  await agree(() => groupsOf('ada').length === 1 && groupsOf('grace').length === 1);
  await eventually(waiting, (rows) => rows.length === 0);

  const [ada, grace] = await during(async (tx) => [
    (await findByUsername(tx, 'ada'))!.id,
    (await findByUsername(tx, 'grace'))!.id,
  ]);
  const target = await during((tx) => requireTarget(tx, 'jira'));
  const lose = async (name: string, person: string) => {
    const record = recordOf(name);
    await partRecords(platform, target, person, { record });
    assert.deepEqual(groupsOf(name), []);
    await during((tx) => linkAgain(tx, 'jira', person));
    await eventually(
      () => jira.state.users().find(({ id }) => id === record),
      (gone) => gone === undefined,
    );
    return record;
  };
  await lose('ada', ada!);
  await eventually(
    () => groupsOf('ada').length,
    (count) => count === 1,
  );
  await platform.settle();
  assert.equal(groupsOf('ada').length, 1, 'and is in the group again');
  assert.deepEqual(await waiting(), [], 'nobody is asked for what was agreed to');

  // Taken out of the group here meanwhile: the new record gets no seat for old times’ sake.
  const { group } = (
    await platform.database.query<{ group: string }>(
      `select id as "group" from groups where name = 'developers'`,
    )
  )[0]!;
  await during((tx) => removeMembers(tx, group, [grace!]));
  await platform.settle();
  await lose('grace', grace!);
  await platform.settle();
  await new Promise((resolve) => setTimeout(resolve, 2500));
  await platform.settle();
  assert.deepEqual(groupsOf('grace'), []);
  const seats = await platform.database.query('select 1 from target_members where remote_account_id = $1', [
    '',
  ]);
  assert.equal(seats.length, 0, 'no seat is kept for longer than it takes');
});
