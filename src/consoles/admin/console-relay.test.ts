/** Mail of apps in the console: kinds of messages, lists of senders, signing keys and volumes, in a real browser. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Page } from 'playwright-core';
import { appoint } from '#core/operators/operators.ts';
import { askForSender, choicesOf, listRequests } from '#fronts/relay/choices.ts';
import { listRelayKeys } from '#fronts/relay/keys.ts';
import { noteMessage } from '#fronts/relay/messages.ts';
import { relayApps, relayHouse } from '#fronts/relay/settings-kept.ts';
import { newId } from '#kit/crypto/ids.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { type AtlassianSimulator, startAtlassianSimulator } from '#simulators/scim/atlassian/atlassian.ts';
import { consoleDesk, skip } from '#test/console-desk.ts';
import { startDns } from '#test/dns.ts';
import { idOf } from '#test/factors.ts';
import { freePort } from '#test/port.ts';

const passwords: Record<string, string> = {
  wren: 'river-stone-lamp',
  bob: 'copper-kettle-hill',
  cat: 'lantern-moss-quay',
};
const dns = await startDns();
const port = await freePort();
let publisher: AtlassianSimulator;

const desk = consoleDesk({
  passwords,
  env: {
    GATEHOUSE_DNS_SERVERS: dns.server,
    GATEHOUSE_ALIAS_DOMAIN: 'people.harbour.test',
    GATEHOUSE_MAIL_DOMAIN: 'harbour.test',
    GATEHOUSE_OUTBOUND_ALLOW: `127.0.0.1:${port}`,
  },
  community: `
community: { name: Harbour }
applications: [{ id: jira, title: Jira }, { id: wiki, title: Wiki }]
people:
  - { username: wren, names: { givenName: Wren, familyName: Byron }, password: ${passwords.wren}, addresses: [wren@example.org], operator: owner }
  - { username: bob, names: { givenName: Bob, familyName: Stone }, password: ${passwords.bob}, addresses: [bob@example.org] }
  - { username: cat, names: { givenName: Cat, familyName: Reed }, password: ${passwords.cat}, addresses: [cat@example.org] }
relay:
  senders: { jira: { networks: [192.0.2.0/24], domains: [jira.test] } }
`,
  async prepare(platform) {
    publisher = await startAtlassianSimulator({ log: platform.log, port });
    await platform.database.transact(system('admin'), async (tx) => {
      await appoint(tx, { person: await idOf(platform, 'bob'), role: 'auditor' });
      await appoint(tx, { person: await idOf(platform, 'cat'), role: 'app-owner', application: 'jira' });
    });
    await platform.database.query(
      `insert into relay_counts (day, application, verdict, reason, messages, bytes)
       select (now() at time zone 'utc')::date - n, 'jira', 'relayed', reason, 40, 400000
       from generate_series(0, 29) n, unnest(array['passed-on', 'answered']) reason where reason = 'passed-on' or n = 3`,
    );
    await platform.database.query(
      `insert into relay_budgets (day, application, person, used) values ((now() at time zone 'utc')::date, 'jira', null, 1)`,
    );
    const person = await idOf(platform, 'bob');
    const common = { at: new Date(), person, recipientClass: 'alias', via: 'relay' } as const;
    for (const entry of [
      { application: 'jira', verdict: 'relayed', reason: 'passed-on', headerFrom: 'jira@jira.test' },
      { application: 'jira', verdict: 'refused', reason: 'unproved', headerFrom: 'forged@jira.test' },
      { application: 'wiki', verdict: 'relayed', reason: 'passed-on', headerFrom: 'wiki@wiki.test' },
      { verdict: 'refused', reason: 'no-sender', sender: '' },
    ] as const)
      await noteMessage(platform.database, { id: newId(), ...common, ...entry });
  },
});

after(async () => {
  await publisher?.stop();
  await dns.close();
});

const read = <Value>(look: (tx: Tx) => Promise<Value>) => desk.platform.database.read(system(), look);
const rules = async () => (await read(relayApps))[0]?.settings.messageClasses;
const lists = async () => (await read(relayHouse)).allowlists;
const focused = (page: Page) => page.evaluate(() => document.activeElement?.id);
const kept = (page: Page) => page.locator('.notice', { hasText: 'Kept. It holds from now on.' }).waitFor();

test('kinds of messages: rules are added, put in order and taken out; what is wrong stands at its field', {
  skip,
}, async () => {
  const { page, complaints } = await desk.at('/admin/relay/apps/jira');
  await page.click('#add-rule');
  await page.click('#save-rules');
  await page.locator('#rule-0-sender-error', { hasText: 'at least one of the three' }).waitFor();
  assert.equal(await focused(page), 'rule-0-sender');
  assert.deepEqual(await rules(), [], 'nothing was sent');
  await page.selectOption('#rule-0-class', 'digest');
  await page.fill('#rule-0-subject', 'Daily digest');
  await page.click('#add-rule');
  await page.selectOption('#rule-1-class', 'security');
  await page.fill('#rule-1-sender', 'a'.repeat(201));
  complaints.length = 0;
  await page.click('#save-rules');
  await page.locator('#rule-1-sender-error', { hasText: '200' }).waitFor();
  assert.match(complaints.splice(0).join(), /400/, 'the house refused it');
  await page.click('#rule-1-up');
  await page.locator('#rule-0-sender-error', { hasText: '200' }).waitFor();
  assert.equal(await page.locator('.mail-rule .error').count(), 1, 'what was said goes along');
  assert.equal(await focused(page), 'rule-0-up');
  await page.fill('#rule-0-sender', 'security@');
  assert.equal(await page.locator('.mail-rule .error').count(), 0);
  await page.click('#save-rules');
  await kept(page);
  const security = { class: 'security', sender: 'security@' };
  const digest = { class: 'digest', subject: 'Daily digest' };
  assert.deepEqual(await rules(), [security, digest]);
  await desk.everySide(page, { 'relay-app': '/admin/relay/apps/jira' });
  await page.click('#rule-0-down');
  assert.equal(await focused(page), 'rule-1-down');
  await page.click('#save-rules');
  await kept(page);
  assert.deepEqual(await rules(), [digest, security]);
  await page.click('#rule-1-take');
  await page.click('#save-rules');
  await kept(page);
  assert.deepEqual(await rules(), [digest]);
  assert.deepEqual(complaints, []);
  await page.context().close();
  const { page: auditor } = await desk.at('/admin/relay/apps/jira', { who: 'bob' });
  await auditor.locator('td', { hasText: 'Subject holds Daily digest' }).waitFor();
  assert.equal(await auditor.locator('#save-rules').count(), 0);
  await auditor.locator('dd', { hasText: 'jira.test' }).waitFor();
  assert.equal(await auditor.locator('main input').count(), 0, 'nothing to fill in that could not be kept');
  await auditor.context().close();
});

test('lists of senders: one that is published and one by hand; neither goes while an app is let in by it', {
  skip,
}, async () => {
  const { platform } = desk;
  const { page, complaints } = await desk.at('/admin/relay/lists');
  await page.locator('a', { hasText: 'Add a list' }).click();
  await page.fill('#share', '120');
  await page.click('#keep-list');
  await page.locator('#name-error', { hasText: 'begins with a small letter' }).waitFor();
  await page.locator('#url-error', { hasText: 'Say where it is published' }).waitFor();
  await page.locator('#share-error', { hasText: 'from 0 to 100' }).waitFor();
  await page.fill('#name', 'atlassian');
  await page.fill('#url', publisher.rangesUrl);
  await page.fill('#product', 'email');
  await page.fill('#direction', 'egress');
  await page.fill('#share', '15');
  await page.fill('#minutes', '30');
  await page.fill('#networks', '198.51.100.7\n0.0.0.0/0');
  complaints.length = 0;
  await page.click('#keep-list');
  await page.locator('#networks-error', { hasText: '0.0.0.0/0: Must be an address or a network' }).waitFor();
  assert.match(complaints.splice(0).join(), /400/);
  await page.fill('#networks', '198.51.100.7');
  await page.click('#keep-list');
  await page.locator('dd', { hasText: 'email · egress' }).waitFor();
  assert.equal(desk.place(page), '/admin/relay/lists/atlassian');
  assert.deepEqual(await lists(), {
    atlassian: {
      url: publisher.rangesUrl,
      product: 'email',
      direction: 'egress',
      shrinkGuard: 0.15,
      everyMinutes: 30,
      networks: ['198.51.100.7'],
    },
  });
  await page.click('#look-now');
  await page.locator('.notice', { hasText: /in force|Nothing has changed|was faster/ }).waitFor();

  await page.goto(`${platform.origin}/admin/relay/add-list`);
  await page.fill('#name', 'atlassian');
  await page.click('#kind-by-hand');
  await page.click('#keep-list');
  await page.locator('#name-error', { hasText: 'of this name already' }).waitFor();
  await page.fill('#name', 'campus');
  await page.fill('#networks', '203.0.113.0/24');
  await page.click('#keep-list');
  await page.locator('dd', { hasText: 'by hand' }).waitFor();
  assert.equal(await page.locator('#look-now').count(), 0, 'nobody publishes it');
  await page.click('#change-list');
  await page.fill('#networks', '203.0.113.0/25, 203.0.113.128/26');
  await page.click('#keep-list');
  await page.locator('#remove-list').waitFor();
  assert.deepEqual((await lists()).campus?.networks, ['203.0.113.0/25', '203.0.113.128/26']);

  await page.goto(`${platform.origin}/admin/relay/apps/jira`);
  await page.fill('#networks', '10.0.0.0/7');
  complaints.length = 0;
  await page.click('#networks-add');
  await page.click('#save-senders');
  await page.locator('#networks-error', { hasText: '10.0.0.0/7: ' }).waitFor();
  assert.match(complaints.splice(0).join(), /400/);
  await page.click('[aria-label="Take out 10.0.0.0/7"]');
  await page.fill('#networks', 'list:atlassian');
  await page.click('#networks-add');
  await page.click('#save-senders');
  await kept(page);
  await desk.everySide(page, {
    'relay-lists': '/admin/relay/lists',
    'relay-list': '/admin/relay/lists/atlassian',
    'relay-list-add': '/admin/relay/add-list',
    'relay-list-change': '/admin/relay/lists/atlassian/change',
    'relay-list-remove': '/admin/relay/lists/campus/remove',
    'relay-list-used': '/admin/relay/lists/atlassian/remove',
  });
  assert.equal(await page.locator('#confirm').count(), 0, 'it is refused before anybody asks');
  await page.locator('.notice a', { hasText: 'jira' }).click();
  await page.click('[aria-label="Take out list:atlassian"]');
  await page.click('#save-senders');
  await kept(page);
  await page.goto(`${platform.origin}/admin/relay/lists/atlassian`);
  await page.click('#remove-list');
  await page.click('#confirm');
  await page.waitForURL('**/admin/relay/lists');
  await page.locator('td', { hasText: 'campus' }).waitFor();
  assert.deepEqual(Object.keys(await lists()), ['campus']);
  assert.deepEqual(complaints, []);
  await page.context().close();
});

test('signing keys: the next one is made, looked for in DNS, and signs once it is seen there', {
  skip,
}, async () => {
  const { page, complaints } = await desk.at('/admin/relay/keys');
  await page.locator('a', { hasText: 'Make the next key' }).click();
  await page.locator('#domain option').nth(1).waitFor({ state: 'attached' });
  assert.deepEqual(await page.locator('#domain option').allTextContents(), [
    'people.harbour.test',
    'harbour.test',
  ]);
  await page.selectOption('#domain', 'harbour.test');
  await page.click('#algorithm-ed25519-sha256');
  await page.click('#confirm');
  await page.locator('.badge', { hasText: 'to be published' }).waitFor();
  const [key] = await read(listRelayKeys);
  assert.deepEqual([key?.domain, key?.algorithm, key?.state], ['harbour.test', 'ed25519-sha256', 'next']);
  await page.click('#look-in-dns');
  await page.locator('.notice', { hasText: 'No record of a key that waits was seen' }).waitFor();
  await desk.everySide(page, {
    'relay-keys': '/admin/relay/keys',
    'relay-key-make': '/admin/relay/keys/make',
  });
  await page.goto(`${desk.platform.origin}/admin/relay/keys`);
  dns.set(key!.name, { TXT: [key!.record] });
  await page.click('#look-in-dns');
  await page.locator('.notice', { hasText: 'this key signs from now on' }).waitFor();
  await page.locator('.badge', { hasText: /^signs$/ }).waitFor();
  assert.equal(await page.locator('#look-in-dns').count(), 0, 'none waits any more');
  assert.deepEqual(complaints, []);
  await page.context().close();
  const { page: auditor } = await desk.at('/admin/relay/keys', { who: 'bob' });
  await auditor.locator('.badge', { hasText: 'signs' }).waitFor();
  assert.equal(await auditor.locator('#make-key').count(), 0);
  await auditor.context().close();
});

test('who may write: what is typed counts without a press of its own, and what is wrong stands at its field', {
  skip,
}, async () => {
  const settings = async () => (await read(relayApps)).find(({ id }) => id === 'jira')?.settings;
  const { page, complaints } = await desk.at('/admin/relay/apps/jira');
  await page.fill('#envelope', '*@bounces.jira.test');
  await page.fill('#domains', 'more.jira.test');
  await page.fill('#per-person', '7');
  await page.click('#save-senders');
  await kept(page);
  const { domains, envelope, budgets, maxBytes } = (await settings())!;
  assert.deepEqual([domains, envelope], [['jira.test', 'more.jira.test'], ['*@bounces.jira.test']]);
  assert.deepEqual([budgets, maxBytes], [{ perPerson: 7 }, 25_000_000]);
  await page.fill('#per-person', '-1');
  assert.equal(await page.locator('.notice', { hasText: 'Kept' }).count(), 0, 'not kept any more');
  await page.fill('#megabytes', '0');
  await page.click('#save-senders');
  await page.locator('#per-person-error', { hasText: 'whole number' }).waitFor();
  await page.locator('#megabytes-error', { hasText: '0.01 to 100' }).waitFor();
  assert.equal(await focused(page), 'per-person');
  assert.deepEqual((await settings())?.budgets, { perPerson: 7 }, 'nothing was sent');
  await page.fill('#per-person', '');
  await page.fill('#megabytes', '2.5');
  await page.fill('#networks', '10.0.0.0/33');
  complaints.length = 0;
  await page.click('#save-senders');
  await page.locator('#networks-error', { hasText: '10.0.0.0/33: Must be' }).waitFor();
  const said = await page.locator('#networks-error').textContent();
  assert.match(said ?? '', /IPv6: \/16\),? or list:NAME of an allow-list/);
  assert.match(complaints.splice(0).join(), /400/);
  assert.equal(await page.locator('.notice').count(), 0, 'it is said once, where it is');
  await page.click('[aria-label="Take out 10.0.0.0/33"]');
  assert.equal(await page.locator('#networks-error').count(), 0);
  await page.click('#save-senders');
  await kept(page);
  assert.deepEqual([(await settings())?.budgets, (await settings())?.maxBytes], [{}, 2_500_000]);
  await page.locator('p', { hasText: 'Today 1 of at most 100,000 were passed on' }).waitFor();
  await page.click('#switch-app');
  await page.locator('.badge', { hasText: 'stopped' }).waitFor();
  await page.fill('#domains', 'typed.jira.test');
  await page.click('#switch-app');
  await page.locator('.badge', { hasText: 'may write' }).waitFor();
  assert.equal(await page.inputValue('#domains'), 'typed.jira.test', 'the switch leaves what is typed');
  assert.deepEqual(complaints, []);
  await page.context().close();
});

test('what holds for all apps is changed on the overview, within its bounds', { skip }, async () => {
  const { page, complaints } = await desk.at('/admin/relay');
  await page.fill('#house-logDays', '401');
  await page.fill('#house-perApp', '0');
  await page.click('#save-house');
  await page.locator('#house-logDays-error', { hasText: '1 to 400' }).waitFor();
  await page.locator('#house-perApp-error', { hasText: '1 to 10,000,000' }).waitFor();
  assert.equal(await focused(page), 'house-perApp');
  await page.fill('#house-logDays', '60');
  await page.fill('#house-perApp', '5000');
  await page.click('#save-house');
  await kept(page);
  const { logDays, replyDays, budgets } = await read(relayHouse);
  assert.deepEqual([logDays, replyDays, budgets], [60, 30, { perPerson: 500, perApp: 5000 }]);
  await page.locator('td', { hasText: '1 of 5,000' }).waitFor();
  assert.deepEqual(complaints, []);
  await page.context().close();
});

test('whoever owns one app reads what became of its mail, and is led nowhere they may not go', {
  skip,
}, async () => {
  const { page, complaints } = await desk.at('/admin/relay', { who: 'cat' });
  const tabs = page.locator('.tabs a');
  await tabs.first().waitFor();
  assert.deepEqual(await tabs.allTextContents(), ['Overview', 'Log']);
  await page.locator('a.row-link', { hasText: 'Jira' }).click();
  await page.locator('#save-senders').waitFor();
  await page.locator('main a', { hasText: /^Log$/ }).click();
  await page.locator('td', { hasText: 'forged@jira.test' }).waitFor();
  assert.equal(await page.locator('td', { hasText: 'is not proved' }).count(), 1, 'and why');
  assert.doesNotMatch((await page.locator('main').textContent()) ?? '', /wiki@|bob|Bob/);
  assert.equal(await page.locator('td a').count(), 0);
  await desk.everySide(page, { 'relay-log-owner': '/admin/relay/log?app=jira' });
  await page.goto(`${desk.platform.origin}/admin/relay/apps/jira`);
  await page.locator('a', { hasText: 'unproved' }).click();
  await page.locator('.chip', { hasText: 'only unproved' }).waitFor();
  await page.locator('td', { hasText: 'forged@jira.test' }).waitFor();
  assert.equal(await page.locator('tbody tr').count(), 1);
  await page.click('[aria-label="Take out unproved"]');
  await page.waitForURL('**/admin/relay/log?verdict=refused&app=jira');
  await page.goto(`${desk.platform.origin}/admin/relay/log`);
  await page.locator('td', { hasText: 'forged@jira.test' }).waitFor();
  assert.deepEqual(complaints, []);
  await page.context().close();
});

test('a request that would let in nothing more is not answered, and whoever decides is told why', {
  skip,
}, async () => {
  const { platform } = desk;
  const person = await idOf(platform, 'bob');
  const ask = (sender: string, note?: string) =>
    platform.database.transact(system(), (tx) => askForSender(tx, { person, sender, note }));
  const state = async (sender: string) =>
    (await read((tx) => listRequests(tx, { person, limit: 5 }))).find((one) => one.sender === sender)?.state;
  const { id } = await ask('jira.test', 'x'.repeat(500));
  await ask('library.test');
  const { page, complaints } = await desk.at(`/admin/relay/requests/${id}/allow`);
  await page.locator('p', { hasText: 'Asked because: xxx' }).waitFor();
  await page.locator('p', { hasText: 'Asked by Bob Stone (bob).' }).waitFor();
  await desk.everySide(page, { 'relay-request-allow': `/admin/relay/requests/${id}/allow` });
  await page.goto(`${platform.origin}/admin/relay/requests/${id}/allow`);
  await page.click('#confirm');
  await page.locator('#application-error', { hasText: 'Say which app' }).waitFor();
  await page.selectOption('#application', 'jira');
  await page.click('#confirm');
  await page.locator('.notice', { hasText: 'Nothing was changed' }).waitFor();
  await page.locator('.notice', { hasText: 'may write with this domain already' }).waitFor();
  assert.equal(await state('jira.test'), 'open');
  await page.selectOption('#application', 'wiki');
  await page.locator('.notice', { hasText: 'Nobody could write as Wiki until now.' }).waitFor();
  await page.goto(`${platform.origin}/admin/relay/requests?state=allowed`);
  await page.locator('h2', { hasText: 'No request was answered like this' }).waitFor();
  await page.goto(`${platform.origin}/admin/relay/requests/${id}/allow`);
  await page.goto(`${platform.origin}/admin/relay/requests/${id}/refuse`);
  await page.fill('#answer', 'It writes already.');
  await page.click('#confirm');
  await page.locator('small', { hasText: 'Answered: It writes already.' }).waitFor();
  assert.equal(await state('jira.test'), 'refused');
  // Another tab still shows the question.
  await page.goto(`${platform.origin}/admin/relay/requests/${id}/allow`);
  await page.locator('h2', { hasText: 'not open any more' }).waitFor();
  await page.goto(`${platform.origin}/admin/relay/requests`);
  await page.locator('td a', { hasText: 'Let them write' }).click();
  await page.selectOption('#application', 'jira');
  await page.click('#confirm');
  await page.waitForURL('**/admin/relay/requests');
  await page.locator('.badge', { hasText: 'allowed' }).waitFor();
  assert.equal(await state('library.test'), 'allowed');
  const jira = (await read(relayApps)).find((one) => one.id === 'jira');
  assert.ok(jira?.settings.domains.includes('library.test'));
  assert.deepEqual(complaints, []);
  await page.context().close();
});

test('on the page of a person: what came for them, and their mail is paused and let through again', {
  skip,
}, async () => {
  const person = await idOf(desk.platform, 'bob');
  const { page, complaints } = await desk.at(`/admin/people/${person}/mail`);
  await page.locator('td', { hasText: 'no sender (a report)' }).waitFor();
  assert.equal(await page.locator('tbody tr').count(), 4);
  await page.click('#pause-person');
  await page.locator('.notice', { hasText: 'Their mail is paused' }).waitFor();
  const [all] = await read((tx) => choicesOf(tx, person));
  assert.deepEqual([all?.application, all?.paused], [undefined, true]);
  await desk.everySide(page, { 'person-mail': `/admin/people/${person}/mail` });
  await page.goto(`${desk.platform.origin}/admin/people/${person}/mail`);
  await page.click('#pause-person');
  await page.locator('#pause-person', { hasText: 'Pause their mail' }).waitFor();
  await page.locator('a.row-link', { hasText: 'jira@jira.test' }).click();
  await page.locator('h1', { hasText: 'jira@jira.test' }).waitFor();
  assert.deepEqual(complaints, []);
  await page.context().close();
});

test('volumes: a bar a day, and the first and the last are as wide as the others', { skip }, async () => {
  const { page } = await desk.at('/admin/relay');
  await page.locator('.chart canvas').waitFor();
  const widths = await page.locator('.chart canvas').evaluate((canvas: HTMLCanvasElement) => {
    const context = canvas.getContext('2d', { willReadFrequently: true });
    if (!context) throw new Error('there is no canvas to read');
    // A line through the middle of the bars, which are all of one height.
    const { data } = context.getImageData(0, Math.round(canvas.height * 0.45), canvas.width, 1);
    const colours = Array.from({ length: canvas.width }, (_, x) => data.slice(x * 4, x * 4 + 4).join());
    const counted = Map.groupBy(
      colours.filter((one) => !one.endsWith(',0')),
      (one) => one,
    );
    const [bar] = [...counted].sort(([, one], [, other]) => other.length - one.length)[0] ?? [];
    const runs: number[] = [];
    for (const [x, colour] of colours.entries()) {
      if (colour !== bar) continue;
      if (colours[x - 1] === bar) runs[runs.length - 1]! += 1;
      else runs.push(1);
    }
    return runs;
  });
  assert.equal(widths.length, 30);
  assert.ok(Math.max(...widths) - Math.min(...widths) <= 2, widths.join(' '));
  await desk.everySide(page, { relay: '/admin/relay' });
  await page.context().close();
});
