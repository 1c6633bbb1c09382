/** Setting identity providers up in a real browser: adding, trying, switching, changing, removing, and a person's links. */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { consoleDesk, skip } from '#test/console-desk.ts';

const password = 'river-stone-lamp';
const desk = consoleDesk({
  passwords: { wren: password },
  community: `
community: { name: Harbour }
groups: [{ name: staff }]
attributes: [{ name: team, type: text, title: Team }]
people:
  - { username: wren, names: { givenName: Wren, familyName: Byron }, password: ${password}, addresses: [wren@example.org], operator: owner }
  - { username: ada, names: { givenName: Ada, familyName: Lovelace }, addresses: [ada@example.org] }
upstreams:
  - { id: old, title: Old directory, enabled: false, privateNetwork: true, ldap: { url: "ldap://127.0.0.1:9", bindDn: cn=x, baseDn: dc=x }, credentials: { bindPassword: x } }
`,
});
beforeEach(async () => {
  if (!skip) await desk.platform.database.query('delete from rate_buckets');
});

async function stored(id: string) {
  // biome-ignore lint/suspicious/noExplicitAny: settings are looked into by name
  const [row] = await desk.platform.database.query<{ settings: any; sealed: boolean }>(
    'select settings, credentials is not null as sealed from upstreams where id = $1',
    [id],
  );
  return row;
}

/** Ada is known there. */
async function linkAda(upstream: string) {
  await desk.platform.database.query(
    `insert into upstream_links (id, upstream, tenant, subject, person, label, created_at)
     select gen_random_uuid(), $1, '', 'ada-there', id, 'ada.l', now() from people where username = 'ada'`,
    [upstream],
  );
}

test('GitHub is added switched off, with what to paste there first; what is missing is said at its field', {
  skip,
}, async () => {
  const { page, complaints } = await desk.at('/admin/upstreams');
  await page.click('#add-upstream');
  await page.locator('a.template', { hasText: 'GitHub' }).click();
  const callback = page.getByLabel('Authorization callback URL', { exact: true });
  assert.equal(await callback.inputValue(), `${desk.platform.origin}/upstream/github/callback`);
  await page.fill('#id', 'hub');
  assert.equal(await callback.inputValue(), `${desk.platform.origin}/upstream/hub/callback`);
  await page.click('#add');
  await page.locator('#kind-clientId-error').waitFor();
  await page.fill('#kind-clientId', 'Ov23abc');
  await page.fill('#kind-organisations', 'openmrs\nharbour');
  await page.reload();
  assert.equal(await page.inputValue('#kind-clientId'), 'Ov23abc', 'kept in this tab');
  await page.click('#add');
  await page.locator('#credential-clientSecret-error').waitFor();
  await page.fill('#credential-clientSecret', 'a-secret-of-github');
  await page.click('#add');
  await page.waitForURL('**/admin/upstreams/hub');
  await page.locator('.notice', { hasText: 'It is off' }).waitFor();
  const row = await stored('hub');
  assert.equal(row?.sealed, true);
  assert.deepEqual(
    [row?.settings.enabled, row?.settings.github.clientId, row?.settings.github.organisations],
    [false, 'Ov23abc', ['openmrs', 'harbour']],
  );
  assert.deepEqual(
    complaints.filter((one) => !/400/.test(one)),
    [],
  );
  await page.context().close();
});

test('it is tried before it is switched on; what fails is said in words, with what the network said', {
  skip,
}, async () => {
  const { page } = await desk.at('/admin/upstreams/old');
  await page.click('#try');
  await page.locator('.tried', { hasText: 'does not work' }).waitFor();
  assert.match((await page.locator('.tried').textContent()) ?? '', /It does not answer.*Look at the address/);
  await page.click('#switch');
  await page.click('#confirm');
  await page.waitForURL('**/admin/upstreams/old');
  await page.locator('.badge', { hasText: /^on$/ }).waitFor();
  assert.equal((await stored('old'))?.settings.enabled, true);
  await page.click('#switch');
  await page.locator('p', { hasText: 'Nobody comes in through it any more' }).waitFor();
  await page.click('#confirm');
  await page.locator('.notice', { hasText: 'It is off' }).waitFor();
  await page.context().close();
});

test('every setting can be changed in one form: domains, who may come, strength, mapping and groups', {
  skip,
}, async () => {
  const { page, complaints } = await desk.at('/admin/upstreams/hub/settings');
  await page.fill('#title', 'GitHub of Harbour');
  await page.fill('#domains', 'harbour.test');
  await page.press('#domains', 'Enter');
  await page.check('#new-people-create');
  await page.selectOption('#trust', 'no');
  await page.fill('#secondFactor-amr', 'mfa');
  await page.press('#secondFactor-amr', 'Enter');
  await page.check('#sync-always');
  await page.fill('#mapping-displayName', 'claims.nonsense(');
  await page.fill('#mapping-attributes-team', 'claims.login');
  await page.click('#add-group-rule');
  await page.fill('#group-0-from', 'openmrs');
  await page.fill('#group-0-to', 'staff');
  await page.selectOption('#group-0-owned', 'true');
  await page.click('#save');
  await page.locator('#mapping-displayName-error').waitFor();
  await page.fill('#mapping-displayName', 'claims.name');
  await page.click('#save');
  await page.locator('.notice.success', { hasText: 'Saved' }).waitFor();
  const { settings } = (await stored('hub'))!;
  assert.deepEqual(settings.domains, ['harbour.test']);
  assert.deepEqual(
    [settings.title, settings.newPeople, settings.trustAddresses, settings.sync, settings.enabled],
    ['GitHub of Harbour', 'create', false, 'always', false],
  );
  assert.deepEqual(settings.mapping, {
    displayName: 'claims.name',
    attributes: { team: 'claims.login' },
  });
  assert.deepEqual(settings.groups, [{ from: 'openmrs', to: 'staff', owned: true }]);
  assert.deepEqual(settings.secondFactor, { amr: ['mfa'], acr: [] });
  assert.equal((await stored('hub'))?.sealed, true, 'the secret that was not typed again stays');
  assert.deepEqual(
    complaints.filter((one) => !/400/.test(one)),
    [],
  );
  await page.context().close();
});

test('a SAML provider is added by pasted values: entity id, address and certificates are its own fields', {
  skip,
}, async () => {
  const { page } = await desk.at('/admin/upstreams/add/saml');
  const metadata = page.getByLabel('Entity ID, Audience', { exact: true });
  assert.equal(await metadata.inputValue(), `${desk.platform.origin}/upstream/idp/metadata`);
  const acs = page.getByLabel('Assertion Consumer Service, Reply URL', { exact: true });
  assert.equal(await acs.inputValue(), `${desk.platform.origin}/upstream/idp/callback`);
  await page.fill('#kind-metadata-url', 'https://idp.example.org/metadata');
  await page.click('#add');
  await page.waitForURL('**/admin/upstreams/idp');
  const { settings } = (await stored('idp'))!;
  assert.equal(settings.saml.metadata.url, 'https://idp.example.org/metadata');
  await page.goto(`${desk.platform.origin}/admin/upstreams/idp/settings`);
  await page.fill('#kind-metadata-url', '');
  await page.locator('details.more-of').evaluateAll((all) => {
    for (const one of all) (one as HTMLDetailsElement).open = true;
  });
  await page.fill('#kind-entityId', 'https://idp.example.org');
  await page.fill('#kind-ssoUrl', 'https://idp.example.org/sso');
  await page.fill('#kind-certificates', 'no certificate');
  await page.click('#save');
  await page.locator('#kind-certificates-error').waitFor();
  await page.context().close();
});

test('an operator sees whom a provider knows, and unlinks an account from the person’s page', {
  skip,
}, async () => {
  await linkAda('hub');
  const { page } = await desk.at('/admin/upstreams/hub/people');
  await page.locator('a.row-link', { hasText: 'Ada Lovelace' }).click();
  const link = page.getByLabel(/^Unlink .*ada.l/);
  await link.click();
  await page.locator('p', { hasText: 'ada.l there no longer opens the account of Ada Lovelace' }).waitFor();
  await page.click('#confirm');
  await page.locator('p', { hasText: 'No account elsewhere opens this one.' }).waitFor();
  const events = await desk.platform.database.query(
    `select 1 from events where type = 'upstream.unlinked' and actor->>'kind' = 'operator'`,
  );
  assert.equal(events.length, 1);
  await page.context().close();
});

test('removing one says who loses what and wants their number typed', { skip }, async () => {
  await linkAda('hub');
  const { page } = await desk.at('/admin/upstreams/hub');
  await page.click('#remove-upstream');
  await page.locator('p', { hasText: 'People who are linked (now 1) lose this way in' }).waitFor();
  await page.locator('#dependents', { hasText: /^For 1 of them it is the only way in/ }).waitFor();
  assert.doesNotMatch((await page.locator('#dependents').textContent()) ?? '', /confirmed address/);
  await page.fill('#expect', '2');
  await page.click('#confirm');
  await page.locator('#expect-error').waitFor();
  await page.fill('#expect', '1');
  await page.click('#confirm');
  await page.waitForURL('**/admin/upstreams');
  assert.equal(await stored('hub'), undefined);
  await page.context().close();
});

test('the pages stand on a phone and a desk, light and dark, without anything axe finds', {
  skip,
}, async () => {
  const { page } = await desk.at('/admin/upstreams');
  await desk.everySide(page, {
    'upstreams-list': '/admin/upstreams',
    'upstreams-add': '/admin/upstreams/add',
    'upstreams-add-entra': '/admin/upstreams/add/entra',
    'upstreams-idp': '/admin/upstreams/idp',
    'upstreams-idp-settings': '/admin/upstreams/idp/settings',
    'upstreams-idp-remove': '/admin/upstreams/idp/remove',
  });
  await page.context().close();
});
