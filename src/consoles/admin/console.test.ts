/** The console as an operator meets it, in a real browser. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { findByUsername } from '#core/people/people.ts';
import { endSessions } from '#core/sessions/sessions.ts';
import { system } from '#kit/db/database.ts';
import {
  chromiumPath,
  launchBrowser,
  openPage,
  screenshot,
  watchConsole,
  watchRequests,
} from '#test/browser.ts';
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

async function atDesk(path: string): Promise<Page> {
  const page = await openPage(browser);
  await signIn(page, gallery, 'root', passwords.root);
  await page.goto(gallery.origin + path);
  await settled(page);
  return page;
}

const idOf = async (username: string) =>
  (await gallery.database.read(system(), (tx) => findByUsername(tx, username)))?.id ?? '';
const place = (page: Page) => page.url().slice(gallery.origin.length);
const rows = (page: Page) => page.locator('tbody tr');

test('a list filters while one types, its address says how, and the way back finds the same place', {
  skip,
}, async () => {
  const page = await atDesk('/admin/people');
  const complaints = watchConsole(page);
  const requests = watchRequests(page);
  assert.equal(await rows(page).count(), 50);
  await page.click('#more');
  await page.waitForFunction(() => document.querySelectorAll('tbody tr').length > 50);
  // The click itself must not scroll any further.
  await page.locator('a.row-link', { hasText: 'member040' }).scrollIntoViewIfNeeded();
  await page.waitForTimeout(100);
  const top = await page.evaluate(() => scrollY);
  assert.ok(top > 1000);
  await page.locator('a.row-link', { hasText: 'member040' }).click();
  await page.locator('.tabs').waitFor();
  assert.equal(await page.evaluate(() => scrollY), 0, 'another page begins at its top');
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'main', 'and is read from there');
  await page.goBack();
  await page.locator('a.row-link', { hasText: 'member040' }).waitFor();
  const back = await page.evaluate(() => scrollY);
  assert.ok(Math.abs(back - top) < 5, `the same place in the list: ${back}, not ${top}`);
  assert.ok((await rows(page).count()) > 50, 'in the same length');
  await page.keyboard.press('/');
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'filter');
  await page.keyboard.type('member04');
  await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 10);
  assert.equal(place(page), '/admin/people?search=member04');
  await page.selectOption('select', 'spam');
  await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 1);
  assert.equal(place(page), '/admin/people?search=member04&state=spam');
  await page.reload();
  await settled(page);
  assert.equal(await rows(page).count(), 1, 'a filtered list has an address');
  assert.deepEqual(complaints, []);
  assert.ok(requests.every((url) => url.startsWith(`${gallery.origin}/`)));
  await page.context().close();
});

test('an account is locked with a reason and let in again, with the keyboard alone', { skip }, async () => {
  const id = await idOf('member001');
  const page = await atDesk(`/admin/people/${id}`);
  const complaints = watchConsole(page);
  await page.locator('#to-locked').focus();
  await page.keyboard.press('Enter');
  await page.locator('#reason').waitFor();
  await page.locator('#confirm').focus();
  await page.keyboard.press('Enter');
  await page.locator('#reason-error').waitFor();
  await page.locator('#reason').focus();
  await page.keyboard.type('Asked to, by phone <b>');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.locator('#to-active').waitFor();
  assert.equal(place(page), `/admin/people/${id}`);
  assert.match((await page.locator('main').textContent()) ?? '', /locked[\s\S]*Asked to, by phone <b>/);
  await screenshot(page, 'console/person-locked');
  await page.click('#to-active');
  await page.fill('#reason', 'Called back');
  await page.click('#confirm');
  await page.locator('#to-locked').waitFor();
  await page.click('text=Timeline');
  await page.locator('.timeline li').first().waitFor();
  assert.match(
    (await page.locator('.timeline').textContent()) ?? '',
    /became active[\s\S]*lost their standing/,
  );
  assert.deepEqual(complaints, []);
  await page.context().close();
});

test('what needs a recent sign-in leads to one and comes back to the same page', { skip }, async () => {
  const page = await atDesk('/admin/apps/wiki');
  await gallery.database.query(`update sessions set auth_time = auth_time - interval '11 minutes'`);
  await page.click('#new-secret');
  await page.locator('#confirm').waitFor();
  // The page cannot know yet that the sign-in grew old; the API does.
  await page.click('#confirm');
  await page.locator('#elevate').waitFor();
  await screenshot(page, 'console/elevation');
  await Promise.all([page.waitForURL('**/sign-in/again?request=*'), page.click('#elevate')]);
  await page.fill('#password', passwords.root);
  await Promise.all([page.waitForURL('**/admin/apps/wiki/secret'), page.click('#again')]);
  await page.click('#confirm');
  await page.locator('.notice.success').waitFor();
  assert.match((await page.locator('.facts code').textContent()) ?? '', /^[\w-]{43}$/);
  await page.context().close();
});

test('removing a group asks for the number of its members', { skip }, async () => {
  const page = await atDesk('/admin/groups/add');
  await page.fill('#name', 'Gardeners');
  await page.click('#add');
  await page.locator('#member').waitFor();
  await page.fill('#member', 'nobody.here');
  await page.click('#add-member');
  await page.locator('#member-error').waitFor();
  for (const username of ['ada', 'member002']) {
    await page.fill('#member', username);
    await page.click('#add-member');
    await page.locator('tbody', { hasText: username }).waitFor();
  }
  await screenshot(page, 'console/group');
  await page.click('#remove-group');
  await page.fill('#expect', '1');
  await page.click('#confirm');
  await page.locator('#expect-error').waitFor();
  await page.fill('#expect', '2');
  await page.click('#confirm');
  await page.waitForURL('**/admin/groups');
  await page.locator('tbody', { hasText: 'clinicians' }).waitFor();
  assert.equal(await page.locator('text=Gardeners').count(), 0);
  await page.context().close();
});

test('signed out elsewhere: the console says so at the next step and offers the way back', {
  skip,
}, async () => {
  const page = await atDesk('/admin/groups');
  await page.click('text=Overview');
  await page.locator('.figures').waitFor();
  const root = await idOf('root');
  await gallery.database.transact(system(), (tx) => endSessions(tx, root, 'admin'));
  await page.click('nav >> text=Apps');
  await page.locator('dialog[open]').waitFor();
  await screenshot(page, 'console/signed-out');
  await page.keyboard.press('Escape');
  assert.ok(await page.locator('dialog[open]').isVisible(), 'it does not go away: nothing works without');
  await Promise.all([page.waitForURL('**/sign-in?request=*'), page.click('#sign-in-again')]);
  await page.fill('#username', 'root');
  await page.fill('#password', passwords.root);
  await Promise.all([page.waitForURL('**/admin/apps'), page.click('#sign-in')]);
  await page.locator('tbody tr').first().waitFor();
  await page.context().close();
});

test('whoever may see one section alone finds that one in the navigation', { skip }, async () => {
  const page = await openPage(browser);
  await gallery.apply(`
people:
  - { username: bookkeeper, password: plum violin tractor, addresses: [books@example.org], operator: { role: app-owner, application: wiki } }
`);
  await signIn(page, gallery, 'bookkeeper', passwords.ada);
  await page.goto(`${gallery.origin}/admin`);
  await settled(page);
  assert.deepEqual(await page.locator('nav.side a').allInnerTexts(), ['Apps', 'Targets', 'Mail of apps']);
  assert.deepEqual(await page.locator('a.row-link small').allInnerTexts(), ['wiki']);
  await page.context().close();
});
