/** What an operator does about targets, in a real browser against a double of Atlassian Cloud. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { findByUsername } from '#core/people/people.ts';
import { system } from '#kit/db/database.ts';
import { partRecords } from '#provisioning/records.ts';
import { requireTarget } from '#provisioning/targets.ts';
import { chromiumPath, launchBrowser, openPage, watchConsole } from '#test/browser.ts';
import { passwords, startGallery } from '../../../test/flows/gallery-community.ts';
import { settled, signIn } from '../../../test/flows/gallery-views.ts';

const skip = chromiumPath() ? false : 'Chromium is not installed';
let gallery: Awaited<ReturnType<typeof startGallery>>;
let browser: Browser;

before(async () => {
  if (skip) return;
  gallery = await startGallery();
  browser = await launchBrowser();
});
after(async () => browser?.close());

async function atDesk(path: string): Promise<{ page: Page; complaints: string[] }> {
  const page = await openPage(browser);
  await signIn(page, gallery, 'root', passwords.root);
  const complaints = watchConsole(page);
  await page.goto(gallery.origin + path);
  await settled(page);
  return { page, complaints };
}

const idOf = async (username: string) =>
  (await gallery.database.read(system(), (tx) => findByUsername(tx, username)))?.id ?? '';
const place = (page: Page) => page.url().slice(gallery.origin.length);
const main = async (page: Page) => (await page.locator('main').textContent()) ?? '';
const growOld = () =>
  gallery.database.query(`update sessions set auth_time = auth_time - interval '11 minutes'`);
const settingsOf = async (application: string) => {
  const [row] = await gallery.database.query<{ settings: Record<string, unknown> }>(
    'select settings from targets where application = $1',
    [application],
  );
  return row?.settings ?? {};
};

test('the target is read, everyone planned, two are chosen, approved by their number, and arrive', {
  skip,
}, async () => {
  const { page, complaints } = await atDesk('/admin/targets/issues/plan');
  await page.click('#read-and-plan');
  await page.locator('.progress').first().waitFor();
  // Two bars, one after the other: between them there may be none.
  await page.locator('main', { hasText: 'Planning took' }).waitFor();
  await page.locator('.progress').first().waitFor({ state: 'detached' });
  assert.match(await main(page), /Writing will take[\s\S]*Reading took[\s\S]*Planning took/);
  await page.locator('a.total', { hasText: 'link to existing' }).click();
  await page.waitForFunction(() => document.querySelectorAll('tbody .tick').length === 2);
  assert.equal(place(page), '/admin/targets/issues/plan?verdict=link');
  await page.locator('summary', { hasText: '3 fields' }).click();
  assert.match((await page.locator('table.diff').first().textContent()) ?? '', /familyName/);
  await page.click('#choose-all');
  await page.click('text=Approve 2');
  assert.equal(place(page), '/admin/targets/issues/plan/approve?chosen=yes');
  await page.fill('#expect', '3');
  await page.click('#confirm');
  await page.locator('#expect-error').waitFor();
  await page.fill('#expect', '2');
  await page.click('#confirm');
  await page.waitForURL('**/targets/issues/plan');
  const person = await idOf('member001');
  await page.goto(`${gallery.origin}/admin/targets/issues/people/person:${person}`);
  await page.locator('.way li.success', { hasText: 'Settled' }).waitFor();
  await page.locator('summary', { hasText: 'PUT' }).or(page.locator('details summary')).first().click();
  const raw = (await page.locator('pre.raw').first().textContent()) ?? '';
  assert.doesNotMatch(raw, /Bearer \S/);
  await page.click('#look');
  await page.locator('h2', { hasText: 'What a push would do now' }).waitFor();
  assert.match(await main(page), /as it should be/);
  assert.deepEqual(complaints, []);
  await page.context().close();
});

test('a plan is saved as a file, one line of JSON a person', { skip }, async () => {
  const { page } = await atDesk('/admin/targets/issues/plan');
  const [file] = await Promise.all([page.waitForEvent('download'), page.click('#export')]);
  assert.equal(file.suggestedFilename(), 'plan-issues.ndjson');
  const lines = (await readFile(await file.path(), 'utf8')).trim().split('\n');
  const found = lines.map((line) => JSON.parse(line) as { username?: string; verdict: string });
  assert.ok(found.length > 40);
  assert.equal(found.find((one) => one.username === 'ada')?.verdict, 'unchanged');
  await page.context().close();
});

test('a mapping is tried while one types: the value, or what is wrong and where; a draft outlives signing in again', {
  skip,
}, async () => {
  const { page, complaints } = await atDesk('/admin/targets/issues/mapping?person=ada');
  const row = page.locator('.mapped', { has: page.locator('#mapping-displayName') });
  await page.fill('#mapping-displayName', 'username + nothere');
  await page.locator('#mapping-displayName-error').waitFor();
  assert.match(
    (await page.locator('#mapping-displayName-error').textContent()) ?? '',
    /At character 12:.*nothere/,
  );
  assert.equal(await row.locator('mark').textContent(), 'n');
  await page.fill('#mapping-displayName', 'givenName + " (" + username + ")"');
  await row.locator('output', { hasText: 'Ada (ada)' }).waitFor();
  assert.deepEqual((await settingsOf('issues')).mapping, {}, 'nothing is saved while one types');
  await growOld();
  await page.click('#save');
  await page.locator('#elevate').waitFor();
  await Promise.all([page.waitForURL('**/sign-in/again?request=*'), page.click('#elevate')]);
  await page.fill('#password', passwords.root);
  await Promise.all([page.waitForURL('**/mapping?person=ada'), page.click('#again')]);
  await row.locator('output', { hasText: 'Ada (ada)' }).waitFor();
  await page.click('#save');
  await page.locator('.save-bar .notice.success').waitFor();
  assert.deepEqual((await settingsOf('issues')).mapping, {
    displayName: 'givenName + " (" + username + ")"',
  });
  await row.locator('button', { hasText: 'Back to' }).click();
  await page.click('#save');
  await page.locator('#save').waitFor({ state: 'detached' });
  assert.deepEqual((await settingsOf('issues')).mapping, {});
  // A refusal is an answer the browser complains of as well.
  assert.deepEqual(
    complaints.filter((line) => !/status of 401/.test(line)),
    [],
  );
  await page.context().close();
});

test('settings are refused in words at their field, and saved; credentials only go in', {
  skip,
}, async () => {
  const { page } = await atDesk('/admin/targets/issues/settings');
  await page.fill('#brake-share', '12.5');
  await page.fill('#limit-perMinute', 'many');
  await page.click('#save');
  await page.locator('#limit-perMinute-error').waitFor();
  await page.fill('#limit-perMinute', '120');
  await page.fill('#scope-group, #push-group', 'staff');
  await page.keyboard.press('Enter');
  await page.locator('.chip', { hasText: 'staff' }).waitFor();
  assert.equal(await page.inputValue('#credential-directoryKey'), '');
  assert.equal(await page.getAttribute('#credential-directoryKey', 'type'), 'password');
  await page.click('#save');
  await page.locator('#save').waitFor({ state: 'detached' });
  const saved = await settingsOf('issues');
  assert.equal((saved.brake as { share: number }).share, 0.125);
  assert.deepEqual(saved.limits, { perMinute: 120 });
  assert.deepEqual(saved.groups, ['clinicians', 'staff']);
  // Whoever may change where things go could have the secrets sent to themselves.
  await page.fill('#option-baseUrl', 'https://elsewhere.example/scim/directory/x');
  await page.click('#save');
  await page.locator('#credential-directoryKey-error').waitFor();
  await page.click('#discard');
  await page.locator('#save').waitFor({ state: 'detached' });
  assert.match(await page.inputValue('#option-baseUrl'), /127\.0\.0\.1/);
  await page.context().close();
});

test('an app becomes a target step by step, and nothing is sent before its first plan is approved', {
  skip,
}, async () => {
  const { page, complaints } = await atDesk('/admin/targets');
  await page.click('#add-target');
  await page.click('#next');
  await page.locator('#app-error').waitFor();
  await page.selectOption('#app', 'forum');
  await page.check('#connector-webhook');
  await page.click('#next');
  await page.fill('#option-url', 'https://forum.northlight.example/hook');
  await page.fill('#credential-secret', `whsec_${Buffer.alloc(32, 7).toString('base64')}`);
  await page.click('#next');
  await page.check('#scope-groups');
  await page.fill('#scope-group', 'board');
  await page.click('#scope-group-add');
  await page.goBack();
  assert.equal(
    await page.inputValue('#option-url'),
    'https://forum.northlight.example/hook',
    'the way back keeps',
  );
  await page.click('#next');
  await page.click('#make');
  await page.waitForURL('**/targets/forum/mapping?guide=yes*');
  const saved = await settingsOf('forum');
  assert.deepEqual((saved.scope as { groups: string[] }).groups, ['board']);
  const [target] = await gallery.database.query<{ mode: string }>(
    `select mode from targets where application = 'forum'`,
  );
  assert.equal(target?.mode, 'plan');
  await page.click('#to-plan');
  await page.click('#plan-again');
  await page.locator('.takes').waitFor();
  assert.equal(await page.evaluate(() => JSON.stringify(sessionStorage).includes('whsec_')), false);
  assert.deepEqual(complaints, []);
  await page.context().close();
});

test('an account of nobody is left, given to somebody, or proposed to be taken away', { skip }, async () => {
  const { page } = await atDesk('/admin/targets/issues/strangers');
  await page.locator('a.row-link', { hasText: 'Build Bot' }).click();
  await page.click('#confirm');
  await page.waitForURL('**/strangers');
  await page.locator('tr', { hasText: 'Build Bot' }).locator('text=left as it is').waitFor();
  await page.locator('a.row-link', { hasText: 'Margarete' }).click();
  await page.check('#decision-adopt');
  await page.fill('#person', 'nobody.here');
  await page.click('#confirm');
  await page.locator('#person-error').waitFor();
  await page.fill('#person', 'member018');
  await page.click('#confirm');
  const person = await idOf('member018');
  await page.waitForURL(`**/people/person:${person}`);
  await page.locator('.timeline').waitFor();
  assert.match(await main(page), /said that the account \S+ is this person's/);
  await page.goto(`${gallery.origin}/admin/targets/issues/strangers`);
  await page.locator('a.row-link', { hasText: 'Somebody from before' }).click();
  await page.check('#decision-remove');
  await page.click('#confirm');
  await page.waitForURL('**/targets/issues/plan');
  await page.selectOption('select[aria-label="Verdict"]', 'deactivate');
  await page.locator('tbody tr', { hasText: 'nobody’s here' }).waitFor();
  await page.context().close();
});

test('a person’s accounts stand on their page; erasing asks for their user name', { skip }, async () => {
  const ada = await idOf('ada');
  const { page } = await atDesk(`/admin/people/${ada}/accounts`);
  const account = page.locator('.lines li', { hasText: 'Issues' });
  await account.locator('.badge').waitFor();
  await account.locator('a.what').click();
  await page.waitForURL(`**/targets/issues/people/person:${ada}`);
  const gone = await idOf('member003');
  await page.goto(`${gallery.origin}/admin/people/${gone}`);
  await page.click('#erase');
  await page.fill('#reason', 'Asked to be forgotten');
  await page.fill('#expect', 'member004');
  await page.click('#confirm');
  await page.locator('#expect-error').waitFor();
  await page.fill('#expect', 'member003');
  await page.click('#confirm');
  await page.locator('.badge', { hasText: 'erased' }).waitFor();
  assert.equal(await page.locator('#erase').count(), 0);
  await page.context().close();
});

test('what is there for a person is asked of the target, and a lost link is made whole', {
  skip,
}, async () => {
  const ada = await idOf('ada');
  const { page } = await atDesk(`/admin/people/${ada}/accounts`);
  await page.getByRole('link', { name: 'What is there at Issues' }).click();
  await page.getByRole('heading', { name: 'Records of that account' }).waitFor();
  const before = (await page.locator('tbody code').first().textContent()) ?? '';
  const target = await gallery.database.read(system(), (tx) => requireTarget(tx, 'issues'));
  await partRecords(gallery, target, ada, { record: before });
  await page.click('#ask-again');
  await page.locator('#link-again').click();
  await page.click('#confirm');
  await page.waitForURL(/\/people\/person(?::|%3A)[^/]+$/);
  await page.locator('.badge', { hasText: 'All is as it should be' }).waitFor();
  await page.click('#records');
  await page.locator('tbody code').first().waitFor();
  assert.equal(await page.locator('#link-again').count(), 0, 'nothing is lost any more');
  assert.notEqual(await page.locator('tbody code').first().textContent(), before);
  await page.context().close();
});

test('FE-10, AD-05 whoever may only look sees the plan and the timeline, and nothing is tried, planned or asked for them', {
  skip,
}, async () => {
  await gallery.apply(`
people:
  - { username: looker, password: plum violin tractor, addresses: [looker@example.org], operator: auditor }
`);
  const page = await openPage(browser);
  await signIn(page, gallery, 'looker', passwords.ada);
  const asked: string[] = [];
  page.on('request', (one) => {
    if (one.method() !== 'GET') asked.push(one.url());
  });
  const ada = await idOf('ada');
  const base = '/admin/targets/issues';
  for (const path of ['', '/plan', '/strangers', `/people/person:${ada}`, '/mapping', '/settings', '/join']) {
    await page.goto(gallery.origin + base + path);
    await settled(page);
    // What a page would ask a moment after it is shown is waited for as well.
    await page.waitForLoadState('networkidle');
    assert.equal(
      await page.locator('main .button:not(.plain)').count(),
      0,
      `${path || 'overview'}: nothing to press but the way on`,
    );
  }
  assert.deepEqual(await page.locator('.tabs a').allInnerTexts(), [
    'Overview',
    'Plan',
    'Queue',
    'Brake',
    'Accounts of nobody',
  ]);
  assert.deepEqual(asked, []);
  const status = await page.evaluate(async (person) => {
    const answer = await fetch('/api/v1/targets/issues/preview', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-gatehouse-console': '1' },
      body: JSON.stringify({ person, mapping: { displayName: 'username' } }),
    });
    return answer.status;
  }, ada);
  assert.equal(status, 403);
  await page.context().close();
});
