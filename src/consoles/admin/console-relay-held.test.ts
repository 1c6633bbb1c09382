/** A list of senders that shrank too far, in the console: what goes and what comes, taken over or kept by a press. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Page } from 'playwright-core';
import { type AtlassianSimulator, startAtlassianSimulator } from '#simulators/scim/atlassian/atlassian.ts';
import { consoleDesk, skip } from '#test/console-desk.ts';
import { freePort } from '#test/port.ts';

const port = await freePort();
let publisher: AtlassianSimulator;
after(() => publisher?.stop());

const desk = consoleDesk({
  passwords: { wren: 'river-stone-lamp' },
  env: { GATEHOUSE_OUTBOUND_ALLOW: '127.0.0.1', GATEHOUSE_ALIAS_DOMAIN: 'people.harbour.test' },
  community: `
community: { name: Harbour }
people:
  - { username: wren, names: { givenName: Wren, familyName: Byron }, password: river-stone-lamp, addresses: [wren@example.org], operator: owner }
relay:
  allowlists: { atlassian: { url: "http://127.0.0.1:${port}/ip-ranges.json", product: email, direction: egress } }
`,
  async prepare(platform) {
    publisher = await startAtlassianSimulator({ log: platform.log, port });
  },
});

/** Publishes something else, and looks at it by the button of the page. */
async function publish(page: Page, change: object, said: RegExp): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${port}/simulator/ip-ranges`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(change),
  });
  assert.equal(answer.status, 200);
  await page.click('#look-now');
  await page.locator('.notice', { hasText: said }).waitFor();
}

test('a list that shrank too far: what goes and what comes is read before a press takes it over, or keeps the old one', {
  skip,
}, async () => {
  const { page, complaints } = await desk.at('/admin/relay/lists/atlassian');
  await publish(page, { state: 'whole' }, /in force|Nothing has changed|was faster/);
  await publish(page, { state: 'shrunk', add: ['203.0.113.192/28'] }, /waits for a yes or no/);
  const held = page.locator('.notice', { hasText: 'waits for your yes or no' });
  await held.locator('code', { hasText: '192.0.2.128/26' }).waitFor();
  await held.locator('code', { hasText: '203.0.113.192/28' }).waitFor();
  await desk.everySide(page, {
    'relay-list-held': '/admin/relay/lists/atlassian',
    'relay-list-approve': '/admin/relay/lists/atlassian/approve',
    'relay-list-dismiss': '/admin/relay/lists/atlassian/dismiss',
  });

  await page.locator('main li', { hasText: '203.0.113.192/28' }).waitFor();
  await page.click('#confirm');
  await page.locator('.badge', { hasText: 'turned down' }).waitFor();
  assert.equal(await held.count(), 0);
  await publish(page, { state: 'whole', remove: ['198.51.100.0/24'] }, /waits for a yes or no/);
  await page.click('#approve-list');
  await page.locator('main li', { hasText: '198.51.100.0/24' }).waitFor();
  await page.locator('main li', { hasText: '203.0.113.192/28' }).waitFor();
  await page.click('#confirm');
  const agreed = page.locator('tr', { hasText: 'agreed to' });
  await agreed.locator('a', { hasText: 'Wren Byron' }).waitFor();
  await agreed.locator('summary').first().click();
  await agreed.locator('code', { hasText: '203.0.113.192/28' }).waitFor();
  await agreed.locator('summary').last().click();
  await agreed.locator('code', { hasText: '198.51.100.0/24' }).waitFor();
  assert.deepEqual(complaints, []);
  await page.context().close();
});
