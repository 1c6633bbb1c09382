/** Mail of apps in the console while others change it too, and while no name server answers. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Page } from 'playwright-core';
import { relayAppSettings } from '#fronts/relay/settings.ts';
import { relayApps, relayHouse, saveRelayApp, saveRelayHouse } from '#fronts/relay/settings-kept.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { consoleDesk, skip } from '#test/console-desk.ts';
import { startDns } from '#test/dns.ts';

const dns = await startDns(undefined, {
  'people.harbour.test': { MX: ['10 mx.harbour.test'] },
  'mx.harbour.test': { A: ['192.0.2.25'] },
});
after(() => dns.close());

const desk = consoleDesk({
  passwords: { wren: 'river-stone-lamp' },
  env: {
    GATEHOUSE_DNS_SERVERS: dns.server,
    GATEHOUSE_ALIAS_DOMAIN: 'people.harbour.test',
    GATEHOUSE_MAIL_DOMAIN: 'harbour.test',
    GATEHOUSE_SMTP_NAME: 'mx.harbour.test',
  },
  community: `
community: { name: Harbour }
applications: [{ id: jira, title: Jira }]
people:
  - { username: wren, names: { givenName: Wren, familyName: Byron }, password: river-stone-lamp, addresses: [wren@example.org], operator: owner }
relay:
  senders: { jira: { networks: [192.0.2.0/24] } }
  allowlists: { campus: { networks: [203.0.113.0/24] } }
`,
});

const read = <Value>(look: (tx: Tx) => Promise<Value>) => desk.platform.database.read(system(), look);
const meanwhile = (work: (tx: Tx) => Promise<unknown>) =>
  desk.platform.database.transact(system('admin'), work);
const jira = async () => (await read(relayApps))[0]!.settings;
/**
 * Presses it, and waits for what its own form says of it. What it kept the page reads once more: that is waited for too,
 * or it would read what another keeps next, and rightly have nothing against it.
 */
async function press(
  page: Page,
  button: string,
  said: 'Kept. It holds' | 'Someone changed this',
): Promise<void> {
  const isRead =
    said === 'Kept. It holds' &&
    page.waitForResponse(
      (response) => response.request().method() === 'GET' && /\/relay(\/apps\/jira)?$/.test(response.url()),
    );
  await page.click(button);
  await page.locator(`form:has(${button}) .notice`, { hasText: said }).waitFor();
  await isRead;
}

/** What another operator keeps while this page stands open. */
const changeJira = (change: object) =>
  meanwhile(async (tx) => {
    const [before] = await relayApps(tx);
    await saveRelayApp(tx, 'jira', relayAppSettings.parse({ ...before!.settings, ...change }));
  });

test('an app: nobody’s change is written over; what this page keeps itself, or a switch, is in no way', {
  skip,
}, async () => {
  const { page, complaints } = await desk.at('/admin/relay/apps/jira');
  await page.click('#mode-rewritten');
  await press(page, '#save-senders', 'Kept. It holds');
  await page.click('#add-rule');
  await page.fill('#rule-0-sender', 'security@');
  await press(page, '#save-rules', 'Kept. It holds');
  await page.click('#switch-app');
  await page.locator('.badge', { hasText: 'stopped' }).waitFor();
  await page.click('#mode-transparent');
  await press(page, '#save-senders', 'Kept. It holds');
  assert.equal((await jira()).mode, 'transparent');
  assert.deepEqual(complaints, []);

  await changeJira({ domains: ['theirs.test'] });
  await page.click('#mode-rewritten');
  await press(page, '#save-senders', 'Someone changed this');
  await page.fill('#rule-0-sender', 'mine@');
  await press(page, '#save-rules', 'Someone changed this');
  assert.match(complaints.splice(0).join(), /409/);
  const { mode, domains, messageClasses } = await jira();
  assert.deepEqual([mode, domains], ['transparent', ['theirs.test']]);
  assert.equal(messageClasses[0]?.sender, 'security@');
  await page.reload();
  await page.locator('[aria-label="Take out theirs.test"]').waitFor();
  await page.click('#mode-rewritten');
  await press(page, '#save-senders', 'Kept. It holds');
  assert.deepEqual([(await jira()).mode, (await jira()).domains], ['rewritten', ['theirs.test']]);
  await page.context().close();
});

test('what holds for all, and a list: the later of two is told, and nothing of the first is lost', {
  skip,
}, async () => {
  const { page, complaints } = await desk.at('/admin/relay');
  await page.fill('#house-logDays', '60');
  await press(page, '#save-house', 'Kept. It holds');
  await meanwhile(async (tx) => saveRelayHouse(tx, { ...(await relayHouse(tx)), replyDays: 5 }));
  await page.fill('#house-logDays', '61');
  await press(page, '#save-house', 'Someone changed this');
  assert.match(complaints.splice(0).join(), /409/);
  const house = await read(relayHouse);
  assert.deepEqual([house.logDays, house.replyDays], [60, 5]);

  const setCampus = (networks: string[]) =>
    meanwhile(async (tx) => {
      const { allowlists, ...rest } = await relayHouse(tx);
      const campus = { ...allowlists.campus!, networks };
      await saveRelayHouse(tx, { ...rest, allowlists: { ...allowlists, campus } });
    });
  await page.goto(`${desk.platform.origin}/admin/relay/lists/campus/change`);
  await page.fill('#networks', '203.0.113.0/25');
  await setCampus(['198.51.100.0/24']);
  await press(page, '#keep-list', 'Someone changed this');
  assert.deepEqual((await read(relayHouse)).allowlists.campus?.networks, ['198.51.100.0/24']);
  assert.equal(await page.inputValue('#networks'), '203.0.113.0/25', 'what was typed stays to be read');

  await page.goto(`${desk.platform.origin}/admin/relay/add-list`);
  await page.fill('#name', 'quay');
  await page.click('#kind-by-hand');
  await page.fill('#networks', '203.0.113.7');
  await meanwhile(async (tx) => {
    const rest = await relayHouse(tx);
    const quay = { networks: ['198.51.100.9'], shrinkGuard: 0.2, everyMinutes: 60 };
    await saveRelayHouse(tx, { ...rest, allowlists: { ...rest.allowlists, quay } });
  });
  await press(page, '#keep-list', 'Someone changed this');
  assert.deepEqual((await read(relayHouse)).allowlists.quay?.networks, ['198.51.100.9']);
  assert.match(complaints.splice(0).join(), /409/);
  await page.context().close();
});

test('while no name server answers, nothing is said to be missing: nobody knows, and when it was there', {
  skip,
}, async () => {
  const { page, complaints } = await desk.at('/admin/relay/health');
  const check = (name: string) => page.locator('.checks-list > li', { hasText: name }).first();
  await page.locator('.badge', { hasText: 'nobody answered' }).first().waitFor({ state: 'detached' });
  await check('Where its mail goes').locator('.badge', { hasText: 'good' }).waitFor();
  dns.fail('*', 'servfail');
  await page.click('#look-again');
  await check('Where its mail goes').locator('.badge', { hasText: 'nobody answered' }).waitFor();
  await check('Where its mail goes').locator('p', { hasText: 'Last seen as it should be' }).waitFor();
  await check('Forged mail').locator('p', { hasText: 'It was not seen as it should be since' }).waitFor();
  assert.equal(await page.locator('.publish', { hasText: 'MX' }).count(), 0, 'nothing to publish for it');
  await desk.everySide(page, { 'relay-health-unanswered': '/admin/relay/health' });

  await page.goto(`${desk.platform.origin}/admin/relay/keys/make`);
  await page.click('#confirm');
  await page.locator('.badge', { hasText: 'to be published' }).waitFor();
  await page.click('#look-in-dns');
  await page.locator('.notice', { hasText: 'gave no answer about a key that waits' }).waitFor();
  assert.equal(await page.locator('.notice', { hasText: 'was seen' }).count(), 0);
  dns.fail('*', undefined);
  await page.click('#look-in-dns');
  await page.locator('.notice', { hasText: 'No record of a key that waits was seen' }).waitFor();
  assert.equal(await page.locator('.notice', { hasText: 'gave no answer' }).count(), 0);
  assert.deepEqual(complaints, []);
  await page.context().close();
});
