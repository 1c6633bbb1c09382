import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { before, test } from 'node:test';
import { listChanges } from '#fronts/relay/lists.ts';
import { relayApps, relayHouse, saveRelayApp, saveRelayHouse } from '#fronts/relay/settings-kept.ts';
import { createHasher } from '#kit/crypto/passwords.ts';
import { createSecrets } from '#kit/crypto/secrets.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { type TestDatabase, testDatabase } from '../../test/kit.ts';
import { applyDeclared, exportDeclared } from './declared.ts';

const secrets = createSecrets(randomBytes(32));
const hasher = createHasher({ memoryKiB: 64, passes: 1 });
let home: TestDatabase;
before(async () => {
  home = await testDatabase();
});

const apply = (text: string, dryRun = false) =>
  applyDeclared(
    { database: home.database, hasher, secrets, connectors: new Map(), context: system('apply') },
    { text, dryRun },
  );
const read = <T>(work: (tx: Tx) => Promise<T>) => home.database.read(system(), work);
const change = <T>(work: (tx: Tx) => Promise<T>) => home.database.transact(system('admin'), work);

const file = `
applications:
  - { id: jira, title: Jira }
  - { id: wiki, title: Wiki }
relay:
  modes: { jira: rewritten }
  senders:
    jira:
      networks: [list:atlassian, 192.0.2.7]
      domains: [atlassian.net, "*.atlassian.com"]
      envelope: ["*@bounces.atlassian.net"]
      require: [dkim]
      messageClasses:
        - { class: security, subject: "log in" }
        - { class: digest, listId: digest }
  budgets: { perPerson: 200, apps: { wiki: { perApp: 5 } } }
  allowlists:
    atlassian:
      url: https://ip-ranges.atlassian.com/
      product: email
      direction: egress
      shrinkGuard: 0.1
      networks: [127.0.0.0/8]
    partners: { networks: [203.0.113.0/24] }
  logDays: 60
`;

test('the relay is as the file says; a dry run says so and changes nothing; twice is once', async () => {
  const changes = [
    'Add the app jira (Jira)',
    'Add the app wiki (Wiki)',
    'Change the relay: budgets, logDays',
    'Add the allow-list atlassian (https://ip-ranges.atlassian.com/)',
    'Add the allow-list partners (by hand)',
    'Let mail of the app jira pass to alias mailboxes (rewritten)',
    'Let mail of the app wiki pass to alias mailboxes (transparent)',
  ];
  const dry = await apply(file, true);
  assert.deepEqual(dry.changes, changes);
  assert.deepEqual(await read(relayApps), []);
  assert.deepEqual((await read(relayHouse)).allowlists, {});
  const done = await apply(file);
  assert.deepEqual(done.changes, changes);
  assert.deepEqual(done.warnings, [
    'Nobody may write to alias mailboxes as wiki: its senders name neither networks nor domains.',
  ]);
  const again = await apply(file);
  assert.deepEqual(again.changes, []);
  const house = await read(relayHouse);
  assert.deepEqual(house.budgets, { perPerson: 200, perApp: 100_000 });
  assert.equal(house.allowlists.atlassian?.everyMinutes, 60);
  const [jira, wiki] = await read(relayApps);
  assert.equal(jira?.settings.mode, 'rewritten');
  assert.deepEqual(jira?.settings.messageClasses[1], { class: 'digest', listId: 'digest' });
  assert.deepEqual(wiki?.settings.budgets, { perApp: 5 });
  const kept = await read((tx) => listChanges(tx, 'partners', { limit: 5 }));
  assert.deepEqual(
    kept.map(({ outcome, added }) => ({ outcome, added })),
    [{ outcome: 'by-hand', added: ['203.0.113.0/24'] }],
  );
});

test('what is exported says the same, and is applied without a change', async () => {
  const text = await read((tx) => exportDeclared(tx));
  assert.match(text, /logDays: 60/);
  assert.match(text, /list:atlassian/);
  assert.doesNotMatch(text, /everyMinutes|maxBytes|replyDays/);
  assert.deepEqual((await apply(text)).changes, []);
});

test('what the file does not name stays: lists, apps, and switches that somebody threw', async () => {
  await change(async (tx) => {
    await saveRelayHouse(tx, { ...(await relayHouse(tx)), off: true });
    const jira = (await relayApps(tx)).find((one) => one.id === 'jira')!;
    await saveRelayApp(tx, 'jira', { ...jira.settings, off: true });
  });
  assert.deepEqual((await apply(file)).changes, []);
  const short = await apply(
    'relay: { modes: { jira: transparent }, logDays: 60, budgets: { perPerson: 200 } }',
  );
  assert.deepEqual(short.changes, ['Change mail of the app jira: mode']);
  const house = await read(relayHouse);
  assert.deepEqual(Object.keys(house.allowlists).sort(), ['atlassian', 'partners']);
  assert.equal(house.off, true);
  const [jira, wiki] = await read(relayApps);
  assert.equal(jira?.settings.off, true);
  assert.deepEqual(jira?.settings.networks, ['list:atlassian', '192.0.2.7']);
  assert.deepEqual(wiki?.settings.budgets, { perApp: 5 });
  const on = await apply('relay: { off: false, logDays: 60, budgets: { perPerson: 200 } }');
  assert.deepEqual(on.changes, ['Switch the relay on']);
  const off = 'senders: { jira: { off: false, networks: [192.0.2.7] } }';
  const changed = await apply(`relay: { ${off}, logDays: 60, budgets: { perPerson: 200 } }`);
  assert.deepEqual(changed.changes, [
    'Change mail of the app jira: domains, envelope, messageClasses, networks, off, require',
  ]);
});

test('everything wrong is found at its line, and nothing changes', async () => {
  const before = await read((tx) => exportDeclared(tx));
  const wrong = `
relay:
  modes: { jra: rewritten }
  senders:
    jira:
      networks: [list:atlasian]
    wiki:
      domains: [wiki.example]
      require: []
    nowhere: { networks: [192.0.2.0/24] }
  budgets:
    apps: { gone: { perApp: 5 } }
`;
  await assert.rejects(apply(wrong), (error: Error) => {
    const lines = error.message.split('\n');
    assert.ok(
      lines.includes('line 3, relay.modes.jra: there is no such app; did you mean "jira"?'),
      error.message,
    );
    assert.ok(lines.includes('line 6, relay.senders.jira.networks[0]: there is no such allow-list'));
    assert.ok(lines.some((line) => line.startsWith('line 7, relay.senders.wiki: anybody could be this')));
    assert.ok(lines.includes('line 10, relay.senders.nowhere: there is no such app'));
    assert.ok(lines.includes('line 12, relay.budgets.apps.gone: there is no such app'));
    return true;
  });
  const keys = `
relay:
  allowlist: {}
  senders: { jira: { netwroks: [192.0.2.0/24], messageClasses: [{ class: security }] } }
  allowlists: { X: { url: "ftp://x" }, wide: { networks: [0.0.0.0/0] } }
`;
  await assert.rejects(apply(keys), (error: Error) => {
    assert.match(error.message, /line 3.*did you mean "allowlists"/);
    assert.match(error.message, /line 4.*did you mean "networks"/);
    assert.match(error.message, /line 4.*must say sender, subject or listId/);
    assert.match(error.message, /line 5.*relay\.allowlists\.X: is not a name allowed here/);
    assert.match(error.message, /line 5.*wide\.networks\[0\].*no wider than/);
    return true;
  });
  assert.equal(await read((tx) => exportDeclared(tx)), before);
});
