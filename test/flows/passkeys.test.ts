/** Passkeys in a real browser with a virtual authenticator: made on the way in, offered in the name field, used alone and second. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { passkeysOf } from '#core/credentials/passkeys.ts';
import { listEvents } from '#core/events/store.ts';
import { listSessions } from '#core/sessions/sessions.ts';
import { system } from '#kit/db/database.ts';
import { plugIn } from '#test/authenticator.ts';
import { chromiumPath, launchBrowser, openPage, watchConsole } from '#test/browser.ts';
import { harbour, idOf, passwords } from '#test/factors.ts';
import { closeAfterEach, type Platform, startPlatform } from '#test/kit.ts';

closeAfterEach();

const skip = chromiumPath() ? false : 'Chromium is not installed';
let browser: Browser | undefined;
after(async () => browser?.close());

/** @param offer false where the button is what is tried: what the name field offers would answer first */
async function stage(offer: boolean) {
  const platform = await startPlatform({ realTime: true });
  await platform.apply(harbour);
  await platform.apply('community: { name: Harbour, factors: { secondFactor: required } }');
  browser ??= await launchBrowser();
  const page = await openPage(browser);
  if (!offer) {
    await page.addInitScript(() => {
      PublicKeyCredential.isConditionalMediationAvailable = async () => false;
    });
  }
  const complaints = watchConsole(page);
  return { platform, page, complaints };
}

async function press(page: Page, selector: string): Promise<void> {
  await Promise.all([page.waitForEvent('load'), page.locator(selector).first().click()]);
}

async function typePassword(page: Page, platform: Platform, name: 'ada' | 'bob'): Promise<void> {
  await page.goto(`${platform.origin}/sign-in`);
  await page.fill('#username', name);
  await page.fill('#password', passwords[name]);
  await Promise.all([page.waitForEvent('load'), page.press('#password', 'Enter')]);
}

/** Signs in with a password, adds a passkey where it is asked for, and puts the codes away. */
async function enrol(page: Page, platform: Platform, name: 'ada' | 'bob'): Promise<void> {
  await typePassword(page, platform, name);
  assert.match(page.url(), /\/sign-in\/enrol$/);
  await press(page, '#passkey');
  assert.equal(await page.locator('#recovery-codes li').count(), 10);
  await press(page, '#codes-kept');
  assert.match(page.url(), /\/account$/);
}

async function signOut(page: Page): Promise<void> {
  await press(page, '#sign-out');
  await page.context().clearCookies({ name: /session/ });
}

async function sessionsOf(platform: Platform, name: string) {
  const id = await idOf(platform, name);
  return platform.database.read(system(), (tx) => listSessions(tx, id));
}

test('a passkey is made on the way in, signs in alone by one button, and stands second to a password', {
  skip,
}, async () => {
  const { platform, page, complaints } = await stage(false);
  const device = await plugIn(page);
  await enrol(page, platform, 'ada');
  const [held] = await device.credentials();
  const handle = Buffer.from(held!.userHandle!, 'base64');
  assert.equal(handle.length, 32, 'PK-03 random, no name and no address');
  const [made] = await sessionsOf(platform, 'ada');
  assert.deepEqual([made!.amr.sort(), made!.aal], [['hwk', 'mfa', 'pwd', 'user'], 2]);
  await signOut(page);
  await page.goto(`${platform.origin}/sign-in`);
  await press(page, '#passkey');
  assert.match(page.url(), /\/account$/);
  const [alone] = await sessionsOf(platform, 'ada');
  assert.deepEqual([alone!.amr.sort(), alone!.aal], [['hwk', 'mfa', 'user'], 2]);
  await signOut(page);
  await typePassword(page, platform, 'ada');
  assert.match(page.url(), /\/sign-in\/second$/);
  await press(page, '#passkey');
  assert.match(page.url(), /\/account$/);
  const [second] = await sessionsOf(platform, 'ada');
  assert.deepEqual(second!.amr.sort(), ['hwk', 'mfa', 'pwd', 'user']);
  assert.deepEqual(complaints, []);
  await page.context().close();
});

test('the name field offers the passkey: no name, no password, no button', { skip }, async () => {
  const { platform, page } = await stage(true);
  const device = await plugIn(page, { synced: true });
  await enrol(page, platform, 'ada');
  await signOut(page);
  await Promise.all([
    page.waitForURL(/\/account$/, { timeout: 15_000 }),
    page.goto(`${platform.origin}/sign-in`).catch(() => undefined),
  ]);
  const [session] = await sessionsOf(platform, 'ada');
  assert.deepEqual(
    session!.amr.sort(),
    ['mfa', 'pop', 'user'],
    'a synced key is not said to stay in hardware',
  );
  assert.equal((await device.credentials()).length, 1);
  await page.context().close();
});

test('PK-02 PK-04 an unverified user and a counter that goes back are refused; the second leaves an event and a mail', {
  skip,
}, async () => {
  const { platform, page } = await stage(false);
  const device = await plugIn(page);
  await enrol(page, platform, 'ada');
  await signOut(page);
  await page.goto(`${platform.origin}/sign-in`);
  await device.setVerified(false);
  await page.locator('#passkey').click();
  await page.locator('#passkey-failed').waitFor({ state: 'visible' });
  await device.setVerified(true);
  await page.goto(`${platform.origin}/sign-in`);
  await device.setCount(0);
  await press(page, '#passkey');
  assert.match((await page.locator('#problem').textContent()) ?? '', /could not be checked/);
  assert.equal((await sessionsOf(platform, 'ada')).length, 0);
  const id = await idOf(platform, 'ada');
  const events = await platform.database.read(system(), (tx) =>
    listEvents(tx, { person: id, limit: 100 } as never),
  );
  assert.ok(events.some(({ type }) => type === 'passkey.copied'));
  const mails = await platform.mailTo('ada@example.org');
  assert.ok(mails.some(({ subject }) => /was refused/.test(subject)));
  await page.context().close();
});

test('two people may each have a passkey in one browser, and without scripts the page still takes a password', {
  skip,
}, async () => {
  const { platform, page } = await stage(false);
  await plugIn(page);
  await enrol(page, platform, 'ada');
  await signOut(page);
  await page.context().clearCookies();
  const other = await openPage(browser!);
  await plugIn(other);
  await enrol(other, platform, 'bob');
  const read = async (name: string) => {
    const id = await idOf(platform, name);
    return platform.database.read(system(), (tx) => passkeysOf(tx, id));
  };
  assert.deepEqual([(await read('ada')).length, (await read('bob')).length], [1, 1]);
  const plain = await openPage(browser!, { scripts: false });
  await plain.goto(`${platform.origin}/sign-in`);
  assert.equal(await plain.locator('#passkey').isVisible(), false);
  assert.equal(await plain.locator('#sign-in').isVisible(), true);
  for (const one of [page, other, plain]) await one.context().close();
});
