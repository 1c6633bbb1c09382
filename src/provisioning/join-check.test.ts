import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { chooseAccount } from '#core/aliases/account-choices.ts';
import { applicationSettings, requireApplication, saveApplication } from '#core/applications/applications.ts';
import { rememberAliasDomain } from '#core/community/alias-domains.ts';
import { leave } from '#core/lifecycle/leave.ts';
import { samlNameOf } from '#fronts/saml/named.ts';
import { modelTarget } from '#test/model-target.ts';
import { type ProvisioningStage, provisioningStage } from '#test/provisioning.ts';
import type { Connector, Fact } from './connector.ts';
import { joinCheck, relink } from './join-check.ts';
import { listTarget } from './listing.ts';

const joinBy: Fact = {
  text: 'What people who sign in are recognised by.',
  value: 'email',
  choices: ['email', 'userName', 'externalId'],
  source: 'us',
  date: '2026',
  trust: 'assumed',
};

async function stage(t: TestContext): Promise<ProvisioningStage> {
  const s = await provisioningStage({ mode: 'plan' });
  t.after(() => s.close());
  const { connector } = modelTarget();
  const profile = { ...connector.profile, facts: { ...connector.profile.facts, joinBy } };
  (s.needs.connectors as Map<string, Connector>).set('model', { ...s.model.connector, profile });
  return s;
}

const check = (s: ProvisioningStage) =>
  s.during((tx) => joinCheck(tx, { ...s.needs, namedAs: samlNameOf }, s.app));
const change = (s: ProvisioningStage, settings: Record<string, unknown>) =>
  s.during((tx) => saveApplication(tx, s.app, applicationSettings.parse({ title: 'Wiki', ...settings })));

test('whoever is provisioned as they sign in will be recognised; those who are not in scope are not asked about', async (t) => {
  const s = await stage(t);
  await s.person('ada');
  const gone = await s.person('gone');
  await s.person('new', 'request', 'unverified');
  await s.during((tx) => leave(tx, gone, 'left'));
  for (const by of ['email', 'userName', 'externalId']) {
    await s.save({ facts: { joinBy: by } });
    const result = await check(s);
    assert.deepEqual([result.joinBy, result.checked, result.meet, result.findings], [by, 1, 1, []]);
  }
});

test('an account on the alias mailbox and a sign-in that tells the own address do not meet; at an app that expects mailboxes both tell it', async (t) => {
  const s = await stage(t);
  await s.during((tx) => rememberAliasDomain(tx, 'members.example.org'));
  const ada = await s.person('ada');
  await change(s, { alias: { address: 'mailbox' } });
  assert.deepEqual((await check(s)).findings, []);
  await change(s, { alias: { address: 'own' } });
  await s.save({ mapping: { email: 'mailbox' } });
  const [finding] = (await check(s)).findings;
  assert.deepEqual(
    [finding?.person, finding?.record, finding?.login],
    [ada, 'ada@members.example.org', 'ada@example.org'],
  );
  assert.match(
    finding?.why ?? '',
    /sign-in says ada@example\.org\. The account stands on the alias mailbox\.$/,
  );
});

test('the NameID of SAML is held beside the account: mailbox and own account, none at all, and one that never stays', async (t) => {
  const s = await stage(t);
  await s.during((tx) => rememberAliasDomain(tx, 'members.example.org'));
  const ada = await s.person('ada');
  const choose = (choice: 'own' | 'mailbox') =>
    s.during(async (tx) => chooseAccount(tx, await requireApplication(tx, s.app), { person: ada, choice }));
  const saml = (nameId: object) => ({
    alias: { address: 'mailbox' },
    saml: { entityId: 'urn:wiki', acsUrls: ['https://wiki.example.org/acs'], nameId },
  });
  await change(s, saml({ format: 'emailAddress' }));
  await s.save({ mapping: { email: 'mailbox' } });
  const met = await check(s);
  assert.deepEqual([met.meet, met.findings], [1, []]);
  // She keeps an account of her own there: the NameID follows her, a mapping that always says the mailbox does not.
  await choose('own');
  const [own] = (await check(s)).findings;
  assert.deepEqual([own?.record, own?.login], ['ada@members.example.org', 'ada@example.org']);
  assert.match(
    own?.why ?? '',
    /SAML sends the NameID ada@example\.org\. The account stands on the alias mailbox\.$/,
  );
  await s.save({ mapping: { email: 'address' } });
  assert.deepEqual((await check(s)).findings, []);
  await choose('mailbox');
  await change(s, saml({ format: 'transient' }));
  assert.match((await check(s)).findings[0]?.why ?? '', /new one at every sign-in/);
  await change(s, { ...saml({ format: 'unspecified', source: 'username' }) });
  await s.save({ facts: { joinBy: 'userName' }, mapping: {} });
  assert.deepEqual((await check(s)).findings, []);
});

test('each way not to meet has its sentence', async (t) => {
  const s = await stage(t);
  await s.person('ada');
  const why = async () => (await check(s)).findings.map((one) => one.why);
  await change(s, { release: { claims: ['username'] } });
  assert.deepEqual(await why(), ['The sign-in tells the app no address: it is not released to it.']);
  await change(s, { access: { groups: ['nobody'] } });
  assert.deepEqual(await why(), []);
  await s.save({ scope: { groups: [] } });
  assert.equal((await check(s)).checked, 0);
  await s.save({ scope: {}, mapping: { email: '""' } });
  await change(s, {});
  assert.deepEqual(await why(), ['The account there has no address, and the app goes by it.']);
  await s.save({ mapping: { userName: '"x" + username', email: 'address' }, facts: { joinBy: 'userName' } });
  assert.deepEqual(await why(), ['The account there has the user name xada, the sign-in says ada.']);
  await s.save({ mapping: { userName: '""' } });
  assert.match(
    (await why())[0] ?? '',
    /^There is no account there and none will be made: userName is needed/,
  );
});

test('an account made under another external id is found out, and meets after it is linked to the right one', async (t) => {
  const s = await stage(t);
  const ada = await s.person('ada');
  const attributes = { userName: 'ada', email: 'ada@example.org', displayName: 'ada Test' };
  s.model.accounts.set('old', { id: 'old', externalId: 'made-by-hand', active: true, attributes });
  s.model.accounts.set('new', { id: 'new', active: true, attributes: { ...attributes, userName: 'ada2' } });
  s.clock.advance(60_000);
  await listTarget(s.needs, await s.target());
  await s.database.query(
    `insert into target_links (application, person, state, remote_id, external_id, remote, remote_active, updated_at)
     values ($1, $2, 'linked', 'old', 'made-by-hand', $3, true, $4)`,
    [s.app, ada, JSON.stringify(attributes), s.clock.now()],
  );
  await s.save({ facts: { joinBy: 'externalId' } });
  const [finding] = (await check(s)).findings;
  assert.equal(finding?.record, 'made-by-hand');
  assert.match(finding?.why ?? '', /the external id made-by-hand, the sign-in says /);
  await s.database.query(`update target_links set external_id = '', state = 'unlinked', remote_id = null`);
  await s.during((tx) => relink(tx, s.needs, s.app, ada, 'new'));
  const after = await check(s);
  assert.deepEqual([after.meet, after.findings], [1, []]);
  assert.equal((await s.link(ada))?.remoteId, 'new');
});
