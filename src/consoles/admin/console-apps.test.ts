/** Adding an app from a template and connecting it, in a real browser. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lookFromFourSides } from '#test/browser.ts';
import { consoleDesk, skip } from '#test/console-desk.ts';

const password = 'river-stone-lamp';
const desk = consoleDesk({
  passwords: { wren: password },
  env: { GATEHOUSE_ALIAS_DOMAIN: 'people.harbour.test' },
  community: `
community: { name: Harbour }
people:
  - { username: wren, names: { givenName: Wren, familyName: Byron }, password: ${password}, addresses: [wren@example.org], operator: owner }
  - { username: ada, names: { givenName: Ada, familyName: Lovelace }, addresses: [ada@example.org] }
  - { username: mono, names: { givenName: Mono }, addresses: [mono@example.org] }
`,
});

test('Atlassian Cloud is added: what to paste first, what is missing is said at its field, then the values stand on a page', {
  skip,
}, async () => {
  const { page, complaints } = await desk.at('/admin/apps');
  await page.locator('a', { hasText: 'Add an app' }).first().click();
  await page.locator('a.template', { hasText: 'Jira and Confluence Cloud' }).click();
  const sso = page.getByLabel('Identity provider SSO URL', { exact: true });
  assert.equal(await sso.inputValue(), `${desk.platform.origin}/saml/sso`);
  const certificate = page.getByLabel('Public x509 certificate', { exact: true });
  assert.match(await certificate.inputValue(), /^-----BEGIN CERTIFICATE-----\n/);
  await page.fill('#site', 'harbour');
  await page.click('#add');
  await page.locator('#uniqueId-error', { hasText: 'Is needed.' }).waitFor();
  await page.fill('#uniqueId', 'https://auth.atlassian.com/saml/0b1c-4c2e');
  await page.reload();
  assert.equal(
    await page.inputValue('#uniqueId'),
    'https://auth.atlassian.com/saml/0b1c-4c2e',
    'kept in this tab',
  );
  await page.click('#add');
  await page.waitForURL('**/admin/apps/jira/connect');
  await page.getByLabel('Identity provider SSO URL', { exact: true }).waitFor();
  const [row] = await desk.platform.database.query<{ entity: string }>(
    `select settings->'saml'->>'entityId' as entity from applications where id = 'jira'`,
  );
  assert.equal(row?.entity, 'https://auth.atlassian.com/saml/0b1c-4c2e');
  assert.deepEqual(
    complaints.filter((one) => !/400/.test(one)),
    [],
  );
  await page.context().close();
});

test('a value is copied without any right to the clipboard: it stands in a field, and a press selects it', {
  skip,
}, async () => {
  const { page } = await desk.at('/admin/apps/add/discourse');
  await page.fill('#baseUrl', 'forum.example.org');
  await page.click('#add');
  await page.waitForURL('**/admin/apps/forum/connect');
  await page.evaluate(() => {
    Object.defineProperty(navigator, 'clipboard', { value: undefined });
    document.execCommand = () => false;
  });
  const field = page.getByLabel('openid_connect_client_id', { exact: true });
  assert.equal(await field.inputValue(), 'forum');
  await page.locator('.paste', { has: field }).locator('button').click();
  await page.locator('.paste', { has: field }).locator('.help', { hasText: 'Selected' }).waitFor();
  assert.equal(await page.evaluate(() => document.getSelection()?.toString()), 'forum');
  await page.click('#make-secret');
  await page.waitForURL('**/admin/apps/forum/secret');
  await page.context().close();
});

test('the sign-in of somebody is tried: what the app would be told and why, and what is missing for this app', {
  skip,
}, async () => {
  const { page, complaints } = await desk.at('/admin/apps/jira');
  await page.click('#test');

  await page.locator('.told strong', { hasText: 'wren@people.harbour.test' }).waitFor();
  await page.locator('.notice.success', { hasText: 'Everything this app needs is there.' }).waitFor();
  await page.fill('#person', 'mono');
  await page.click('#try');
  await page.locator('.notice', { hasText: 'no last name' }).waitFor();
  assert.equal(desk.place(page), '/admin/apps/jira/test?person=mono');
  assert.match(
    (await page.locator('.told').textContent()) ?? '',
    /mono@people\.harbour\.test.*alias\.address/,
  );
  await page.locator('summary').click();
  const xml = (await page.locator('pre.raw').textContent()) ?? '';
  assert.match(xml, /^<samlp:Response/);
  assert.match(xml, /^ {6}<saml:NameID .*mono@people\.harbour\.test</m);
  assert.deepEqual(complaints, []);
  await page.context().close();
});

test('a test login goes the whole way in the browser and comes back to a page of ours', {
  skip,
}, async () => {
  const { page, complaints } = await desk.at('/admin/apps/jira/test');
  await page.click('#real');
  await page.locator('#arrived', { hasText: 'wren@people.harbour.test' }).waitFor();
  assert.equal(desk.place(page), '/saml/test');
  await page.locator('summary').click();
  await lookFromFourSides(page, 'saml-test');
  await page.locator('a', { hasText: 'Back to the app' }).click();
  await page.waitForURL('**/admin/apps/jira/test');
  assert.deepEqual(complaints, []);
  await page.context().close();
});

test('the pages stand on a phone and a desk, light and dark, without anything axe finds', {
  skip,
}, async () => {
  const { page } = await desk.at('/admin/apps/add');
  await desk.everySide(page, {
    'apps-add': '/admin/apps/add',
    'apps-add-atlassian-cloud': '/admin/apps/add/atlassian-cloud',
    'apps-jira-connect': '/admin/apps/jira/connect',
    'apps-jira-test-person-mono': '/admin/apps/jira/test?person=mono',
  });
  await page.context().close();
});
