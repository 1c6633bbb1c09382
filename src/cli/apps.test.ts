import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from '#config/config.ts';
import { join } from '#core/lifecycle/join.ts';
import { openHouse } from '#house.ts';
import { system } from '#kit/db/database.ts';
import { runCommand } from '#test/command.ts';
import { testDatabase } from '#test/kit.ts';

const home = await testDatabase();
const { connection } = home;
const key = Buffer.alloc(32, 7).toString('base64');

const run = (...args: string[]) =>
  runCommand(
    ['apps', ...args],
    {
      readSettings: async ({ env, given }) => loadConfig({ env, argv: given }),
      openHouse: (settings, tools) => openHouse(settings, { ...tools, connection }),
    },
    { env: { GATEHOUSE_MASTER_KEY: key, GATEHOUSE_PORT: '8321', GATEHOUSE_DATA: import.meta.dirname } },
  );

test('templates are listed and say what they ask', async () => {
  assert.match((await run('templates')).out, /^atlassian-cloud {2}/m);
  const { out } = await run('templates', 'atlassian-cloud');
  assert.match(out, /^uniqueId {2}yes/m);
  const wrong = await run('templates', 'atlassian-clout');
  assert.deepEqual(
    [wrong.status, wrong.err],
    [2, 'There is no template atlassian-clout. Did you mean atlassian-cloud?\n'],
  );
});

test('an app is added from a template; a dry run adds nothing, and what is missing is said', async () => {
  const set = ['--set', 'site=harbour', 'uniqueId=0b1c-4c2e'];
  const dry = await run('add', 'atlassian-cloud', ...set, '--dry-run');
  assert.equal(dry.status, 0, dry.err);
  assert.equal(JSON.parse(dry.out).settings.saml.idpInitiated.relayState, 'https://harbour.atlassian.net');
  assert.match((await run('list')).out, /There are no apps/);
  const missing = await run('add', 'atlassian-cloud', '--set', 'site=a b');
  assert.deepEqual(
    [missing.status, missing.err],
    [2, 'site must be the name before .atlassian.net.\nuniqueId is needed.\n'],
  );
  const added = await run('add', 'atlassian-cloud', ...set);
  assert.equal(added.status, 0, added.err);
  assert.match(added.out, /Identity provider SSO URL {2,}http:\/\/localhost:8321\/saml\/sso/);
  assert.match(added.out, /-----BEGIN CERTIFICATE-----\n[\s\S]+-----END CERTIFICATE-----/);
  assert.match((await run('add', 'atlassian-cloud', ...set)).err, /There is an app jira already/);
  assert.equal((await run('connection', 'jira')).out, added.out);
});

test('a secret is made with the app and printed this once', async () => {
  const added = await run('add', 'discourse', '--id', 'talk', '--set', 'baseUrl=https://forum.example.org');
  const [, secret = ''] = /openid_connect_client_secret +(\S+)/.exec(added.out) ?? [];
  assert.ok(secret.length >= 32, added.out);
  const again = await run('connection', 'talk');
  assert.equal(again.out.includes(secret), false);
  assert.match(again.out, /openid_connect_client_id +talk/);
});

test('apps test says what would be told, why, and what is missing', async () => {
  const { database } = home;
  await database.transact(system('admin'), (tx) =>
    join(tx, {
      username: 'mono',
      givenName: 'Mono',
      state: 'active',
      origin: 'test',
      addresses: [{ address: 'mono@example.org', primary: true, verified: true }],
    }),
  );
  const tested = await run('test', 'jira', 'mono');
  assert.equal(tested.status, 0, tested.err);
  assert.match(tested.err, /Missing: Atlassian refuses a sign-in without a last name\./);
  assert.match(tested.err, /cannot be told who it is/, 'there is no alias domain, so no mailbox');
  const talk = await run('test', 'talk', 'mono@example.org', '--message');
  assert.match(talk.out, /^preferred_username {2,}mono {2,}No name was given here/m);
  assert.match(talk.out, /"aud": "talk"/);
  assert.equal((await run('test', 'talk', 'nobody')).status, 1);
});

test('an app that publishes its metadata is asked who it is; where it cannot be, that is said and it can be typed', async () => {
  const set = ['--set', 'title=Wiki', 'metadataUrl=http://127.0.0.1:9/metadata'];
  const away = await run('add', 'saml', '--id', 'published', ...set);
  assert.equal(away.status, 2);
  assert.match(away.err, /^metadataUrl could not be read now, so type the entity ID or paste the metadata\./);
  const typed = await run('add', 'saml', '--id', 'published', ...set, 'entityId=urn:wiki', '--dry-run');
  assert.equal(typed.status, 0, typed.err);
  assert.equal(JSON.parse(typed.out).settings.saml.entityId, 'urn:wiki');
});
