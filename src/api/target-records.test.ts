import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { createToken } from '#core/operators/tokens.ts';
import { findByUsername } from '#core/people/people.ts';
import { system } from '#kit/db/database.ts';
import { aliasDomain, eventually, startWithJira } from '#test/jira.ts';

type Stage = Awaited<ReturnType<typeof startWithJira>>;
let jira: Stage['jira'];
let platform: Stage['platform'];
let token: string;
const ids: Record<string, string> = {};

before(async () => {
  ({ jira, platform } = await startWithJira(
    'automatic',
    `
people:
  - { username: ada, names: { givenName: Ada }, addresses: [ada@example.org], groups: [developers] }
  - { username: grace, names: { givenName: Grace }, addresses: [grace@example.org] }
  - { username: mallory, addresses: [m@example.org], state: spam }
`,
  ));
  await platform.database.transact(system('admin'), async (tx) => {
    token = (await createToken(tx, { name: 'test', scopes: ['admin'] })).token;
    for (const name of ['ada', 'grace', 'mallory']) ids[name] = (await findByUsername(tx, name))?.id ?? '';
  });
  await call('/sweep', {});
  await eventually(
    () => jira.state.users().length,
    (count) => count === 2,
    20_000,
  );
  await settle();
});

async function call(path: string, body: unknown) {
  const answer = await fetch(`${platform.origin}/api/v1/targets/jira${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked into by name
  return { status: answer.status, text, json: (text === '' ? undefined : JSON.parse(text)) as any };
}

const held = async (person: string) => (await call('/records', { person: ids[person] })).json;
const recordOf = (person: string) =>
  jira.state.users().find(({ body }) => String(body.userName).startsWith(person));

/** Groups follow their people, a moment later. */
async function settle(): Promise<void> {
  for (let at = 0; at < 3; at += 1) await platform.settle();
}

test('what a target holds for a person is asked of the target itself', async () => {
  const here = await held('ada');
  const email = `ada@${aliasDomain}`;
  const account = jira.state.account(email);
  assert.deepEqual(
    [here.answered, here.account.active, here.account.attributes.email, here.account.accountId],
    [true, true, email, account?.aaid],
  );
  assert.deepEqual(here.records, [{ directoryId: jira.directoryId, scimUserId: here.account.id, email }]);
  assert.equal(here.lost, undefined);
  assert.deepEqual(await held('mallory'), { answered: true, records: [] });
  const nobody = await call('/records', { person: '01890000-0000-7000-8000-000000000000' });
  assert.deepEqual([nobody.status, nobody.json.code], [404, 'person-unknown']);
  assert.equal((await call('/link-again', { person: ids.mallory })).status, 409, 'nothing was ever there');
});

test('a record is cut from its account; one request makes the link whole, groups and all, and the account stays', async () => {
  const before = recordOf('ada');
  const account = () => jira.state.account(`ada@${aliasDomain}`);
  await eventually(
    () => account()?.groups.length,
    (count) => count === 1,
  );
  const refused = await call('/records/part', { person: ids.ada, record: 'nosuch' });
  assert.equal(refused.status, 404, refused.text);
  assert.equal((await call('/records/part', { person: ids.ada })).status, 400);
  const cut = await call('/records/part', { person: ids.ada, record: before?.id });
  assert.deepEqual(cut.json, { answered: true });
  const lost = await held('ada');
  assert.match(lost.lost, /is not linked to it any more/);
  assert.deepEqual([lost.records, lost.account.accountId, account()?.groups], [[], undefined, []]);
  const aaid = account()?.aaid;
  let wasOff = false;
  const watching = setInterval(() => {
    wasOff ||= account()?.active === false;
  }, 1);
  assert.equal((await call('/link-again', { person: ids.ada })).status, 202);
  await settle();
  clearInterval(watching);
  await eventually(
    () => account()?.groups.length,
    (count) => count === 1,
  );
  const whole = await held('ada');
  assert.equal(whole.lost, undefined);
  assert.deepEqual([whole.account.accountId, account()?.aaid, account()?.active], [aaid, aaid, true]);
  assert.equal(account()?.groups.length, 1, 'and is in its group again');
  assert.equal(wasOff, false, 'the account was never switched off');
  assert.notEqual(whole.account.id, before?.id);
  assert.deepEqual(
    jira.state
      .users()
      .filter(({ body }) => String(body.userName).startsWith('ada'))
      .map(({ id }) => id),
    [whole.account.id],
    'one record, the new one',
  );
  // Again, where nothing is lost: nothing is done.
  await call('/link-again', { person: ids.ada });
  await settle();
  assert.equal((await held('ada')).account.id, whole.account.id);
});

test('where DELETE only switches a record off, the link is made whole all the same', async () => {
  jira.switches.deleteMeaning = 'deactivate';
  const account = () => jira.state.account(`grace@${aliasDomain}`);
  const aaid = account()?.aaid;
  await call('/records/part', { person: ids.grace, record: recordOf('grace')?.id });
  assert.match((await held('grace')).lost, /is not linked/);
  await call('/link-again', { person: ids.grace });
  await settle();
  const whole = await held('grace');
  assert.deepEqual(
    [whole.lost, whole.account?.accountId, whole.account?.active, account()?.active],
    [undefined, aaid, true, true],
  );
});

test('what the target refuses is an answer', async () => {
  await jira.stop();
  const away = await held('grace');
  assert.equal(away.answered, false);
  assert.ok(away.why.length > 10);
});
