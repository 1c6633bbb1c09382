/**
 * One person's years at two apps that keep accounts of their own: a SCIM server somebody else wrote and the double of
 * Atlassian Cloud. From sign-up over every change to the day the accounts are deleted.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { addMembers, changeGroup, findGroup, removeMembers } from '#core/groups/groups.ts';
import { activate } from '#core/lifecycle/activate.ts';
import { leave } from '#core/lifecycle/leave.ts';
import type { LeaveState } from '#core/lifecycle/lifecycle.ts';
import { addAddress, changeNames, findByUsername, makePrimary, verifyAddress } from '#core/people/people.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { createLog } from '#kit/log/log.ts';
import { personTimeline } from '#provisioning/timeline.ts';
import { type AtlassianSimulator, startAtlassianSimulator } from '#simulators/scim/atlassian/atlassian.ts';
import { type Platform, startPlatform } from '#test/kit.ts';
import { type Scimmy, startScimmy } from '#test/peers/scimmy.ts';

const aliasDomain = 'people.harbour.test';
const form = {
  given_name: 'Ada',
  family_name: 'Byron',
  username: 'ada.b',
  email: 'ada@post.test',
  password: 'plum violin tractor',
};

let wiki: Scimmy;
let jira: AtlassianSimulator;
let platform: Platform;
let ada = '';

before(async () => {
  wiki = await startScimmy();
  jira = await startAtlassianSimulator({
    log: createLog({ level: 'silent' }),
    domains: { [aliasDomain]: 'VERIFIED' },
  });
  platform = await startPlatform({
    env: { GATEHOUSE_ALIAS_DOMAIN: aliasDomain, GATEHOUSE_OUTBOUND_ALLOW: '127.0.0.1' },
  });
  await platform.apply(`
groups: [{ name: writers }, { name: developers }]
applications:
  - { id: wiki, title: Wiki, alias: { address: own } }
  - { id: jira, title: Jira, alias: { address: mailbox } }
targets:
  - application: wiki
    connector: scim
    mode: automatic
    options: { baseUrl: "${wiki.url}" }
    credentials: { token: "${wiki.token}" }
    groups: all
    leaver: { rule: delete, deleteAfterDays: 30 }
    limits: { perMinute: 60000, burst: 500 }
  - application: jira
    connector: atlassian
    mode: automatic
    options: { baseUrl: "${jira.url}", apiUrl: "${jira.origin}", orgId: "${jira.organisationId}" }
    credentials: { directoryKey: "${jira.directoryKey}", organisationKey: "${jira.organisationKey}" }
    groups: [developers, makers]
    leaver: { rule: delete, deleteAfterDays: 30 }
    limits: { perMinute: 60000, burst: 500 }
`);
});
after(async () => {
  await platform?.close();
  await jira?.stop();
  await wiki?.stop();
});

const during = <T>(work: (tx: Tx) => Promise<T>) => platform.database.transact(system('admin'), work);

/** What an operator or the person did, and everything that follows from it. */
async function then<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
  const result = await during(work);
  // Past the moments in which nothing is concluded from not seeing what was just sent.
  platform.clock.advance(120_000);
  await settled();
  return result;
}

/** Groups wait for their people, some by the clock of the database: until nothing is due any more. */
async function settled(): Promise<void> {
  for (let round = 0; round < 60; round += 1) {
    await platform.settle();
    const [due] = await platform.database.query<{ soon: number }>(
      `select count(*)::integer as soon from queue_jobs
       where lane like 'target:%' and state <> 'dead' and run_at < now() + interval '20 seconds'`,
    );
    if (due?.soon === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  assert.fail('the queue did not become quiet');
}

/** The account at the wiki; there is never more than one. */
function atWiki(): Record<string, unknown> | undefined {
  assert.ok(wiki.users.size <= 1);
  const [user] = wiki.users.values();
  if (!user) return undefined;
  const emails = (user.emails ?? []) as { value: string }[];
  return { name: user.displayName, active: user.active, email: emails[0]?.value, userName: user.userName };
}

function atJira(): Record<string, unknown> | undefined {
  const users = jira.state.users();
  assert.ok(users.length <= 1);
  const [user] = users;
  if (!user) return undefined;
  const emails = (user.body.emails ?? []) as { value: string }[];
  return { name: user.body.displayName, active: user.body.active !== false, email: emails[0]?.value };
}

const groupsAtWiki = () =>
  [...wiki.groups.values()]
    .map(({ displayName, members }) => [displayName, ((members ?? []) as unknown[]).length])
    .sort();
const groupsAtJira = () => jira.state.groups().map(({ body, members }) => [body.displayName, members.length]);

test('sign-up: nowhere before the address is confirmed, at both apps right after', async () => {
  const visitor = platform.visitor();
  await visitor.open('/sign-up');
  await visitor.submit(form, '/sign-up');
  const [mail] = await platform.mailTo(form.email);
  await settled();
  assert.deepEqual([atWiki(), atJira()], [undefined, undefined]);
  const code = /\b(\d{3})[ -]?(\d{3})\b/.exec(mail!.text);
  await visitor.submit({ code: `${code![1]}${code![2]}` }, '/verify/code');
  await settled();
  assert.deepEqual(atWiki(), { name: 'Ada Byron', active: true, email: form.email, userName: 'ada.b' });
  assert.deepEqual(atJira(), { name: 'Ada Byron', active: true, email: `ada.b@${aliasDomain}` });
  ada = (await during((tx) => findByUsername(tx, 'ada.b')))!.id;
});

test('a new name and a new address arrive; Jira keeps the alias and the account behind it', async () => {
  const before = jira.state.accounts().map(({ aaid }) => aaid);
  await then((tx) => changeNames(tx, ada, { familyName: 'Lovelace' }));
  assert.deepEqual([atWiki()?.name, atJira()?.name], ['Ada Lovelace', 'Ada Lovelace']);
  await then(async (tx) => {
    const added = await addAddress(tx, ada, 'countess@post.test');
    await verifyAddress(tx, ada, added.id);
    await makePrimary(tx, ada, added.id);
  });
  assert.equal(atWiki()?.email, 'countess@post.test');
  assert.equal(atJira()?.email, `ada.b@${aliasDomain}`);
  assert.deepEqual(
    jira.state.accounts().map(({ aaid }) => aaid),
    before,
  );
});

test('groups follow; where a group cannot be renamed a new one takes its members and the old one goes', async () => {
  const group = async (tx: Tx, name: string) => (await findGroup(tx, name))!.id;
  await then(async (tx) => {
    await addMembers(tx, await group(tx, 'writers'), [ada]);
    await addMembers(tx, await group(tx, 'developers'), [ada]);
  });
  assert.deepEqual(groupsAtWiki(), [
    ['developers', 1],
    ['writers', 1],
  ]);
  assert.deepEqual(groupsAtJira(), [['developers', 1]]);
  const old = jira.state.groups()[0]!.id;
  const wikiIds = [...wiki.groups.keys()].sort();
  await then(async (tx) => changeGroup(tx, await group(tx, 'developers'), { name: 'makers' }));
  assert.deepEqual(groupsAtJira(), [['makers', 1]]);
  assert.notEqual(jira.state.groups()[0]!.id, old, 'another group there');
  assert.deepEqual(groupsAtWiki(), [
    ['makers', 1],
    ['writers', 1],
  ]);
  assert.deepEqual([...wiki.groups.keys()].sort(), wikiIds, 'the same groups, renamed');
  await then(async (tx) => removeMembers(tx, await group(tx, 'writers'), [ada]));
  assert.deepEqual(groupsAtWiki(), [
    ['makers', 1],
    ['writers', 0],
  ]);
});

for (const state of ['suspended', 'spam', 'locked'] as LeaveState[]) {
  test(`${state}: switched off at both; reinstated: the same accounts are on again`, async () => {
    const ids = [[...wiki.users.keys()], jira.state.users().map(({ id }) => id)];
    await then((tx) => leave(tx, ada, state, 'for the test'));
    assert.deepEqual([atWiki()?.active, atJira()?.active], [false, false]);
    await then((tx) => activate(tx, ada, 'over'));
    assert.deepEqual([atWiki()?.active, atJira()?.active], [true, true]);
    assert.deepEqual([[...wiki.users.keys()], jira.state.users().map(({ id }) => id)], ids);
    await settled();
    assert.deepEqual(groupsAtJira(), [['makers', 1]]);
  });
}

test('who leaves is switched off at once and deleted when thirty days are over, not before', async () => {
  await then((tx) => leave(tx, ada, 'left'));
  assert.deepEqual([atWiki()?.active, atJira()?.active], [false, false]);
  for (let day = 0; day < 29; day += 7) {
    platform.clock.advance(7 * 86_400_000);
    await settled();
    assert.deepEqual(
      [atWiki()?.active, atJira()?.active],
      day < 28 ? [false, false] : [undefined, undefined],
    );
  }
  assert.deepEqual([wiki.users.size, jira.state.users().length], [0, 0]);
  const told = await during((tx) => personTimeline(tx, ada));
  for (const application of ['wiki', 'jira']) {
    const own = told.filter((entry) => entry.application === application);
    assert.ok(own.some(({ kind }) => kind === 'forgotten' || kind === 'settled'));
    assert.ok(
      own.some(({ request }) => JSON.stringify(request ?? {}).includes('DELETE')),
      `${application} was asked to delete`,
    );
  }
  const secrets = [wiki.token, jira.directoryKey, jira.organisationKey];
  assert.ok(!secrets.some((one) => JSON.stringify(told).includes(one)), 'no key in any timeline');
});
