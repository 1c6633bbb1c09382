import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { before, test } from 'node:test';
import { connectors } from '#connectors.ts';
import { createHasher } from '#kit/crypto/passwords.ts';
import { createSecrets } from '#kit/crypto/secrets.ts';
import { system } from '#kit/db/database.ts';
import { findTarget, holdsCredentials } from '#provisioning/targets.ts';
import { type TestDatabase, testDatabase } from '../../test/kit.ts';
import { applyDeclared, exportDeclared } from './declared.ts';

const secrets = createSecrets(randomBytes(32));
const hasher = createHasher({ memoryKiB: 64, passes: 1 });
let home: TestDatabase;
before(async () => {
  home = await testDatabase();
});

const apply = (
  text: string,
  more: { env?: Record<string, string>; folder?: string; dryRun?: boolean } = {},
) =>
  applyDeclared(
    { database: home.database, hasher, secrets, connectors, context: system('apply') },
    { text, ...more },
  );
const holds = (given: Record<string, string>) =>
  home.database.read(system(), (tx) => holdsCredentials(tx, secrets, 'tracker', given));

const file = (token: string, rest = '') => `
applications: [{ id: tracker, title: Tracker }]
targets:
  - application: tracker
    connector: scim
    options: { baseUrl: https://scim.example.org/v2 }
    credentials: { token: ${token} }
    scope: { groups: [developers] }
    mapping: { displayName: username }
    brake: { count: 20 }${rest}
`;

test('a target is made, is then as the file says, and its credentials come from elsewhere', async () => {
  const env = { TRACKER_TOKEN: 'from the environment' };
  const dry = await apply(file(`"\${TRACKER_TOKEN}"`), { env, dryRun: true });
  assert.deepEqual(dry.changes, [
    'Add the app tracker (Tracker)',
    'Make the app tracker a target (SCIM 2.0, mode plan)',
  ]);
  assert.equal(await home.database.read(system(), (tx) => findTarget(tx, 'tracker')), undefined);
  await apply(file(`"\${TRACKER_TOKEN}"`), { env });
  assert.ok(await holds({ token: 'from the environment' }));
  assert.deepEqual((await apply(file(`"\${TRACKER_TOKEN}"`), { env })).changes, []);

  const folder = await mkdtemp(path.join(tmpdir(), 'gatehouse-declared-'));
  await writeFile(path.join(folder, 'token'), 'from a file\n');
  const changed = await apply(file('{ file: token }', '\n    mode: automatic'), { folder });
  assert.deepEqual(changed.changes, ['Change the target tracker: mode, credentials']);
  assert.ok(await holds({ token: 'from a file' }));
  await rm(folder, { recursive: true });
  const target = await home.database.read(system(), (tx) => findTarget(tx, 'tracker'));
  assert.equal(target?.mode, 'automatic');
  assert.deepEqual(target?.settings.scope.groups, ['developers']);
});

test('what is exported holds no credential and is what is there', async () => {
  const text = await home.database.read(system(), (tx) => exportDeclared(tx));
  assert.doesNotMatch(text, /from a file|credentials|token/);
  assert.match(text, /mode: automatic/);
  assert.match(text, /displayName: username/);
  assert.deepEqual((await apply(text)).changes, []);
  assert.ok(await holds({ token: 'from a file' }), 'credentials that are not given stay');
});

test('everything wrong with a target is found at its line, and nothing changes', async () => {
  const wrong = `
targets:
  - application: nowhere
    connector: scim
    options: { baseUrl: https://scim.example.org/v2 }
  - application: tracker
    connector: scim
    options: { baseUrl: nonsense }
    mapping: { displayName: username +, shoe: username }
    facts: { invented: true }
`;
  await assert.rejects(apply(wrong), (error: Error) => {
    const lines = error.message.split('\n').map((line) => line.replace(/: .*/, ''));
    assert.ok(lines.includes('line 3, targets[0].application'), error.message);
    assert.ok(lines.includes('line 8, targets[1].options.baseUrl'), error.message);
    assert.ok(lines.includes('line 10, targets[1].facts.invented'), error.message);
    assert.ok(lines.some((line) => line.startsWith('line 9, targets[1].mapping')));
    return true;
  });
  await assert.rejects(apply(file(`"\${NO_SUCH_TOKEN}"`)), /line 7.*NO_SUCH_TOKEN is not set/);
  await assert.rejects(apply(file('{ file: /nowhere/token }')), /line 7.*cannot be read/);
  const bare = `
applications: [{ id: jira, title: Jira }]
targets: [{ application: jira, connector: atlassian, options: { directoryId: d } }]
`;
  await assert.rejects(apply(bare), /targets\[0\].*directoryKey must be given/);
  assert.equal((await home.database.read(system(), (tx) => findTarget(tx, 'tracker')))?.mode, 'automatic');
});
