import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { connectors } from '#connectors.ts';
import { requireApplication } from '#core/applications/applications.ts';
import { createHasher } from '#kit/crypto/passwords.ts';
import { createSecrets } from '#kit/crypto/secrets.ts';
import { system } from '#kit/db/database.ts';
import { testDatabase } from '#test/kit.ts';
import { applyDeclared, DeclaredError, exportDeclared, parseDeclared } from './declared.ts';

const house = `
applications:
  - id: jira
    template: atlassian-cloud
    values: { site: harbour, uniqueId: 0b1c-4c2e }
    title: Jira of the harbour
    access: { groups: [staff] }
    release: { claims: [name, email, username] }
    saml: { idpInitiated: { relayState: "https://harbour.atlassian.net/jira" } }
  - id: tracker
    template: oidc
    values: { title: Tracker, redirectUris: ["https://t.example.org/cb", "https://t.example.org/cb2"] }
groups: [{ name: staff }]
`;

test('a template with values becomes settings, what stands beside it lies over them, and an export holds the settings', async () => {
  const home = await testDatabase();
  const secrets = createSecrets(randomBytes(32));
  const needs = {
    database: home.database,
    hasher: createHasher({ memoryKiB: 64, passes: 1 }),
    secrets,
    connectors,
    context: system('apply'),
  };
  const first = await applyDeclared(needs, { text: house, env: {} });
  assert.ok(first.changes.length > 0);
  const { settings } = await home.database.read(system(), (tx) => requireApplication(tx, 'jira'));
  assert.equal(settings.title, 'Jira of the harbour');
  assert.equal(settings.saml?.entityId, 'https://auth.atlassian.com/saml/0b1c-4c2e');
  assert.deepEqual(settings.saml?.idpInitiated, {
    allowed: true,
    relayState: 'https://harbour.atlassian.net/jira',
  });
  assert.deepEqual(settings.release.claims, ['name', 'email', 'username']);
  assert.equal(settings.template, 'atlassian-cloud');
  const tracker = await home.database.read(system(), (tx) => requireApplication(tx, 'tracker'));
  assert.equal(tracker.settings.oidc?.redirectUris.length, 2);
  assert.deepEqual((await applyDeclared(needs, { text: house, env: {} })).changes, []);
  const exported = await home.database.read(system(), (tx) => exportDeclared(tx));
  assert.match(exported, /template: atlassian-cloud/);
  assert.doesNotMatch(exported, /values:/);
  assert.deepEqual((await applyDeclared(needs, { text: exported, env: {} })).changes, []);
});

test('what is wrong with a template or its values is named with its line', () => {
  const findings = (text: string): string[] => {
    try {
      parseDeclared(text);
      return [];
    } catch (error) {
      assert.ok(error instanceof DeclaredError);
      return error.message.split('\n');
    }
  };
  assert.deepEqual(
    findings(`applications:
  - { id: a1, template: atlassian-clod, values: {} }
  - id: a2
    template: atlassian-cloud
    values:
      site: "no site"
      sight: harbour
  - { id: a3, title: X, values: { site: x } }
  - { id: a4, template: discourse, values: [x] }
`),
    [
      'line 2, applications[0].template: there is no such template; did you mean "atlassian-cloud"?',
      'line 2, applications[0].title: is missing',
      'line 5, applications[1].values.uniqueId: is needed',
      'line 6, applications[1].values.site: must be the name before .atlassian.net',
      'line 7, applications[1].values.sight: is no value of the template atlassian-cloud',
      'line 8, applications[2].values: needs a template',
      'line 9, applications[3].values: must be a block of names and texts',
      'line 9, applications[3].title: is missing',
    ],
  );
});
