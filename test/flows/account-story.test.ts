/** A person's whole time with us in a real browser, with scripts and without: from sign-up to recovery. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { chromiumPath, launchBrowser, openPage, watchConsole } from '#test/browser.ts';
import { type Platform, startPlatform } from '#test/kit.ts';

const skip = chromiumPath() ? false : 'Chromium is not installed';
let browser: Browser | undefined;
after(async () => browser?.close());

const community = `
community: { name: Northlight Community }
attributes:
  - { name: country, type: choice, title: Country, choices: [Finland, Kenya], signUp: true, required: true, editable: self }
  - { name: about, type: longText, title: About you, editable: self }
`;
const first = 'plum violin tractor';
const second = 'seven lanterns float';
const third = 'a quiet harbour at dawn';

/** Presses what sends a form, and waits for the page that answers. */
async function press(page: Page, selector: string): Promise<void> {
  await Promise.all([page.waitForEvent('load'), page.locator(selector).first().click()]);
}

async function textOf(page: Page, selector: string): Promise<string> {
  return (await page.locator(selector).textContent()) ?? '';
}

async function codeTo(platform: Platform, address: string): Promise<string> {
  const mail = (await platform.mailTo(address, /^(?:Confirm|Your code)/)).at(-1);
  const code = /\b\d{3}[ -]?\d{3}\b/.exec(mail?.text ?? '')?.[0];
  assert.ok(code, `a code to ${address}`);
  return code;
}

async function signIn(page: Page, platform: Platform, name: string, password: string): Promise<void> {
  await page.goto(`${platform.origin}/sign-in`);
  await page.fill('#username', name);
  await page.fill('#password', password);
  // Enter, not the button: a form is sent by the keyboard too.
  await Promise.all([page.waitForEvent('load'), page.press('#password', 'Enter')]);
}

async function signUp(page: Page, platform: Platform, scripts: boolean): Promise<void> {
  await page.goto(platform.origin);
  await page.getByRole('link', { name: 'Create an account' }).click();
  await page.getByLabel('Given name').fill('Ada');
  await page.getByLabel('Family name').fill('Byron');
  await page.fill('#username', 'ada.byron');
  await page.fill('#email', 'ada@example.org');
  await page.fill('#password', first);
  await page.getByLabel('Country').selectOption('Kenya');
  // Without a script that solves the puzzle, a form filled in faster than people type is not taken.
  if (!scripts) await page.waitForTimeout(3100);
  await press(page, '#sign-up');
  assert.match(page.url(), /\/verify\/code$/);
  await page.fill('#code', await codeTo(platform, 'ada@example.org'));
  await press(page, '#confirm');
  assert.match(page.url(), /\/account$/);
  assert.match(await textOf(page, '#profile-section'), /Ada Byron[\s\S]*Kenya/);
}

/** A new address becomes the main one, the old one goes. */
async function changeAddress(page: Page, platform: Platform): Promise<void> {
  await page.fill('#email', 'ada@example.net');
  await press(page, '#add-address');
  assert.match(await textOf(page, 'main'), /ada@example\.net/);
  await page.fill('#code', await codeTo(platform, 'ada@example.net'));
  await press(page, '#confirm');
  assert.match(await textOf(page, '.notice'), /confirmed/);
  await press(page, 'button[aria-label="Make it the main address: ada@example.net"]');
  await press(page, 'button[aria-label="Remove: ada@example.org"]');
  const list = await textOf(page, '#addresses-section .lines');
  assert.match(list, /ada@example\.net/);
  assert.doesNotMatch(list, /ada@example\.org/);
}

async function changeAttribute(page: Page): Promise<void> {
  await page.locator('#profile-section a').click();
  await page.getByLabel('About you').fill('I water the plants.');
  await press(page, '#save');
  assert.match(await textOf(page, '.notice'), /Saved/);
  assert.match(await textOf(page, '#profile-section'), /I water the plants\./);
}

/** Ends the session of another browser, from here. */
async function endOther(page: Page, platform: Platform): Promise<void> {
  const other = await openPage(browser!);
  await signIn(other, platform, 'ada.byron', second);
  assert.match(other.url(), /\/account$/);
  await page.reload();
  await press(page, 'button[aria-label^="Sign out there"]');
  assert.equal(await page.locator('button[aria-label^="Sign out there"]').count(), 0);
  await other.reload();
  assert.match(other.url(), /\/sign-in/);
  await other.context().close();
}

async function changePassword(page: Page): Promise<void> {
  await page.locator('#password-section a').click();
  await page.fill('#current', first);
  await page.fill('#password', second);
  await press(page, '#change-password');
  assert.match(await textOf(page, '.notice'), /password is changed/);
  assert.match(await textOf(page, '#password-section'), /Set just now/);
}

async function recover(page: Page, platform: Platform): Promise<void> {
  await page.goto(`${platform.origin}/sign-in`);
  await page.getByRole('link', { name: 'Forgotten?' }).click();
  await page.fill('#username', 'ada@example.net');
  await press(page, '#recover');
  const mail = (await platform.mailTo('ada@example.net', /^Set a new password/)).at(-1);
  const link = /http\S+\/recover\/new\?token=\S+/.exec(mail?.text ?? '')?.[0];
  assert.ok(link);
  await page.goto(link);
  await page.fill('#password', third);
  await press(page, '#set-password');
  assert.match(await textOf(page, '.notice'), /new password is set/);
  await signIn(page, platform, 'ADA.BYRON', third);
  assert.match(page.url(), /\/account$/);
}

for (const scripts of [true, false]) {
  test(`sign-up to recovery in a browser ${scripts ? 'with' : 'without'} scripts`, { skip }, async () => {
    const platform = await startPlatform({ realTime: true });
    await platform.apply(community);
    browser ??= await launchBrowser();
    const page = await openPage(browser, { scripts, width: scripts ? 1280 : 360 });
    const complaints = watchConsole(page);
    await signUp(page, platform, scripts);
    await changeAttribute(page);
    await changeAddress(page, platform);
    await changePassword(page);
    await endOther(page, platform);
    await press(page, '#sign-out');
    assert.match(await textOf(page, 'h1'), /You are signed out/);
    await page.goto(`${platform.origin}/account`);
    assert.match(page.url(), /\/sign-in/, 'nobody is signed in any more');
    await recover(page, platform);
    assert.deepEqual(complaints, []);
    await page.context().close();
  });
}
