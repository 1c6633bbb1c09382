import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { findByUsername } from '#core/people/people.ts';
import { saveChoice } from '#fronts/relay/choices.ts';
import { noteMessage } from '#fronts/relay/messages.ts';
import { relayApps, relayHouse } from '#fronts/relay/settings-kept.ts';
import { newId } from '#kit/crypto/ids.ts';
import { system } from '#kit/db/database.ts';
import { type AtlassianSimulator, startAtlassianSimulator } from '#simulators/scim/atlassian/atlassian.ts';
import { terminal } from '#test/command.ts';
import { type Platform, startPlatform } from '#test/kit.ts';
import { freePort } from '#test/port.ts';

let platform: Platform;
let publisher: AtlassianSimulator;

before(async () => {
  const port = await freePort();
  platform = await startPlatform({
    realTime: true,
    env: {
      GATEHOUSE_ALIAS_DOMAIN: 'people.harbour.test',
      GATEHOUSE_MAIL_DOMAIN: 'harbour.test',
      GATEHOUSE_OUTBOUND_ALLOW: `127.0.0.1:${port}`,
    },
  });
  publisher = await startAtlassianSimulator({ log: platform.log, port });
  await platform.apply(`
applications: [{ id: jira, title: Jira }]
people:
  - { username: ada, names: { displayName: Ada }, addresses: [ada@example.org] }
relay:
  senders: { jira: { networks: [list:atlassian], domains: [jira.test] } }
  allowlists:
    atlassian: { url: "${publisher.rangesUrl}", product: email, direction: egress }
    ours: { networks: [10.0.0.0/8] }
`);
});
after(() => publisher.stop());

const house = terminal(() => platform);
const run = (...args: string[]) => house.run(['relay', ...args]);
const good = (...args: string[]) => house.good(['relay', ...args]);

test('lists: looked at, held, approved by name with a yes, dismissed', async () => {
  await good('lists', 'check', 'atlassian');
  assert.match((await good('lists')).out, /atlassian +5 +0 +\d{4}-.*good\n *ours +0 +1 +by hand +good/);
  publisher.ranges.set({ remove: ['198.51.100.0/24'], add: ['203.0.113.200/29'] });
  const held = await good('lists', 'check', 'atlassian');
  assert.match(held.err, /is held.*relay lists approve atlassian/);
  assert.match(held.out, /- 198\.51\.100\.0\/24\n *\+ 203\.0\.113\.200\/29/);
  assert.match((await good('lists')).out, /waits for a yes: 1 networks would go/);
  const asked = await run('lists', 'approve', 'atlassian');
  assert.equal(asked.status, 2);
  assert.match(asked.out, /- 198\.51\.100\.0\/24/);
  assert.match((await good('lists', 'dismiss', 'atlassian')).err, /stays in force/);
  assert.match(
    (await good('lists', 'check', 'atlassian')).err,
    /Nothing has changed|still what was dismissed/,
  );
  publisher.ranges.set({ remove: ['192.0.2.0/25'] });
  await good('lists', 'check', 'atlassian');
  assert.match((await good('lists', 'approve', 'atlassian', '--yes')).err, /in force on every node/);
  const json = JSON.parse((await good('lists', '--json')).out);
  assert.ok(!json[0].networks.includes('192.0.2.0/25'));
  publisher.ranges.set({ state: 'page' });
  const refused = await run('lists', 'check', 'atlassian');
  assert.equal(refused.status, 1);
  assert.match(refused.err, /a page, not a list of networks. What was in force stays in force/);
  assert.match((await run('lists', 'check', 'ours')).err, /by hand/);
  assert.match((await run('lists', 'check', 'nowhere')).err, /no allow-list of this name/);
  assert.match((await run('lists', 'approve', 'atlassian', '--yes')).err, /Nothing of atlassian is held/);
});

test('the log says what became of mail, for eyes and for programs', async () => {
  const ada = await platform.database.read(system(), (tx) => findByUsername(tx, 'ada'));
  const entry = {
    person: ada?.id,
    application: 'jira',
    recipientClass: 'alias',
    via: 'relay',
    sender: 'bounce@jira.test',
    recipient: 'ada@people.harbour.test',
  } as const;
  const now = Date.now();
  for (const [verdict, reason, hours, headerFrom] of [
    ['relayed', 'passed-on', 3, 'bounce@jira.test'],
    ['refused', 'unproved', 1, 'someone@elsewhere.test'],
  ] as const)
    await noteMessage(platform.database, {
      id: newId(),
      at: new Date(now - hours * 3_600_000),
      ...entry,
      headerFrom,
      verdict,
      reason,
    });
  const { out } = await good('log');
  assert.match(
    out,
    /refused +unproved +bounce@jira\.test \(From someone@elsewhere\.test\) +What the app has to prove/,
  );
  assert.match(out, /jira +ada +relayed +passed-on +bounce@jira\.test +The smart host/);
  const lines = JSON.parse((await good('log', '--json', '--person', 'ada')).out);
  assert.deepEqual(
    lines.map(({ app, verdict, reason }: Record<string, string>) => [app, verdict, reason]),
    [
      ['jira', 'refused', 'unproved'],
      ['jira', 'relayed', 'passed-on'],
    ],
  );
  assert.equal(new Date(lines[1].time).getTime(), now - 3 * 3_600_000);
  assert.equal(JSON.parse((await good('log', '--json', '--since', '2h')).out).length, 1);
  assert.equal(
    JSON.parse((await good('log', '--json', '--verdict', 'relayed', '--app', 'jira')).out).length,
    1,
  );
  assert.equal(JSON.parse((await good('log', '--json', '--reason', 'size')).out).length, 0);
  for (const wrong of [
    ['--verdict', 'lost'],
    ['--since', 'yesterday'],
    ['--reason', 'bad luck'],
  ])
    assert.equal((await run('log', ...wrong)).status, 2, wrong.join(' '));
  assert.equal((await run('log', '--app', 'nowhere')).status, 1);
  assert.equal((await run('log', '--person', 'nobody')).status, 1);
  await noteMessage(platform.database, {
    id: newId(),
    at: new Date(now - 30 * 3_600_000),
    ...entry,
    via: 'postfix',
    verdict: 'relayed',
    reason: 'queued',
    messageId: '<back@jira.test>',
  });
  assert.match((await good('log')).out, /relayed +queued +bounce@jira\.test +Postfix was told to take it/);
  await platform.database.query(
    "update relay_messages set bounced_at = now(), bounce_status = '5.1.1' where message_id = '<back@jira.test>'",
  );
  assert.match((await good('log')).out, /relayed +queued +bounce@jira\.test +It came back later \(5\.1\.1\)/);
});

test('explain says what would be decided now and why; off and on are in force at once', async () => {
  const ask = ['explain', '203.0.113.7', 'bounce@jira.test', 'ada@people.harbour.test'];
  const { out } = await good(...ask);
  assert.match(out, /would be taken/);
  assert.match(out, /recipient +alias, ada/);
  assert.match(out, /lists +atlassian/);
  assert.match(out, /jira \(transparent\): From jira\.test; proved by dmarc/);
  assert.doesNotMatch(out, /ada@example\.org/);
  const stranger = await good('explain', '11.0.0.1', '<x@jira.test>', '<ada@people.harbour.test>');
  assert.match(stranger.out, /would be refused: 550 5\.1\.1 .*\n.*\(no-sender\)/);
  assert.match((await good('explain', '203.0.113.7', '', 'eve@people.harbour.test')).out, /\(unknown\)/);
  const json = JSON.parse((await good(...ask, '--json')).out);
  assert.equal(json.admitted, true);
  assert.equal((await run('explain', 'somewhere', 'a@b.test', 'c@d.test')).status, 2);

  assert.match((await good('off', '--app', 'jira')).err, /Mail of jira is passed on no more/);
  assert.match((await good(...ask)).out, /\(app-off\)/);
  await good('on', '--app', 'jira');
  await good('off');
  assert.match((await good(...ask)).out, /451.*\n.*\(all-off\)/);
  assert.equal((await platform.database.read(system(), relayHouse)).off, true);
  await good('on');
  assert.match((await good(...ask)).out, /would be taken/);
  const pause = (paused: boolean) =>
    platform.database.transact(system(), async (tx) => {
      const person = (await findByUsername(tx, 'ada'))!.id;
      await saveChoice(tx, { person, application: 'jira', change: { paused } });
    });
  await pause(true);
  const paused = (await good(...ask)).out;
  assert.match(paused, /would be taken, and the message refused: 550 5\.2\.1 .*\n.*\(app-paused\)/);
  assert.match(paused, /app +jira .*\n +refused +notification: 550 5\.2\.1 .*\(app-paused\)/);
  await pause(false);
  const [jira] = await platform.database.read(system(), relayApps);
  assert.deepEqual(jira?.settings.networks, ['list:atlassian']);
  const nowhere = await run('off', '--app', 'nowhere');
  assert.deepEqual([nowhere.status, nowhere.err.trim().slice(0, 26)], [1, 'There is no app "nowhere".']);
  assert.match((await run('log', '--app', 'nowhere')).err, /There is no app "nowhere"/);
});
