import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findByUsername } from '#core/people/people.ts';
import { system } from '#kit/db/database.ts';
import { type EntryKind, note } from '#provisioning/timeline.ts';
import { startPlatform } from '#test/kit.ts';

test('a person reads in plain words that an account is on its way or has to be looked at, and nothing where there is none', async () => {
  const platform = await startPlatform({ env: { GATEHOUSE_RUN: 'web' } });
  await platform.apply(`
community: { name: Harbour }
applications: [{ id: wiki, title: Wiki & more }]
targets:
  - { application: wiki, connector: scim, mode: automatic, options: { baseUrl: https://scim.example.org/v2 }, credentials: { token: t } }
people:
  - { username: ada, addresses: [ada@example.org], password: correct horse battery }
`);
  const { id } = (await platform.database.read(system(), (tx) => findByUsername(tx, 'ada')))!;
  const happened = (kind: EntryKind, text: string) =>
    note(platform.database, { application: 'wiki', subject: `person:${id}`, kind, text });
  const visitor = platform.visitor();
  await visitor.signIn('ada', 'correct horse battery');
  const page = async () => (await visitor.open('/account')).text;
  assert.doesNotMatch(await page(), /accounts at apps/);
  await happened('queued', 'Something changed here.');
  assert.match(await page(), /Your account at Wiki &amp; more is on its way\./);
  await happened('proposed', 'Waits to be approved: There is no account there yet.');
  await happened('answered', 'GET /Users → 200');
  assert.match(await page(), /Your account at Wiki &amp; more waits for an administrator\./);
  await happened('refused', 'HTTP 409: uniqueness at https://scim.example.org');
  const stuck = await page();
  assert.match(stuck, /Your account at Wiki &amp; more is not as it should be yet\./);
  assert.match(stuck, /An administrator of Harbour has to look at it\./);
  assert.doesNotMatch(stuck, /409|uniqueness|scim\.example/, 'no technical detail');
  await happened('forgotten', 'Not here any more.');
  assert.doesNotMatch(await page(), /Wiki &amp; more is/);
  await platform.close();
});
