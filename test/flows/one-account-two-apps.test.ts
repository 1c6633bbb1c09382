/**
 * The main job, as a stranger does it with the demo in a browser: one account signs in once to two different apps, with
 * an account made on the spot and with a legacy account whose password its owner still knows; signing out ends both.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { loadConfig } from '#config/config.ts';
import { type RunningDemo, startDemo } from '#demo.ts';
import { runImport } from '#migration/import.ts';
import { ldifSource } from '#sources/ldif/ldif.ts';
import { chromiumPath, launchBrowser, openPage, screenshot } from '#test/browser.ts';
import { freePorts } from '#test/port.ts';

describe('one account, two apps', { skip: chromiumPath() ? false : 'Chromium is not installed' }, () => {
  let demo: RunningDemo;
  let browser: Browser;
  let data: string;
  let origin: string;
  let apps: { tracker: string; commons: string; mail: string };

  before(async () => {
    data = await mkdtemp(path.join(tmpdir(), 'gatehouse-demo-'));
    const port = await freePorts(6);
    demo = await startDemo(
      loadConfig({ env: { GATEHOUSE_DATA: data, GATEHOUSE_PORT: String(port) }, demo: true }),
    );
    origin = `http://localhost:${port}`;
    const at = (offset: number) => `http://127.0.0.1:${port + offset}`;
    apps = { tracker: at(1), commons: at(2), mail: at(3) };
    browser = await launchBrowser();
  });
  after(async () => {
    await browser?.close();
    await demo?.stop();
    await rm(data, { recursive: true, force: true });
  });

  async function signInTo(page: Page, app: string, username: string, password: string): Promise<void> {
    await page.goto(app);
    await page.click('#sign-in');
    await page.fill('#username', username);
    await page.fill('#password', password);
    await page.click('form[action="/sign-in"] #sign-in');
    await page.waitForURL(`${app}/**`);
  }

  for (const scripts of [true, false]) {
    test(`a new account made on the way to an app ${scripts ? '' : 'without JavaScript'}`, async () => {
      const name = scripts ? 'nora' : 'nils';
      const page = await openPage(browser, { scripts });
      await page.goto(apps.tracker);
      await page.click('#sign-in');
      await page.click('text=Create an account');
      await page.fill('#given_name', 'Nora');
      await page.fill('#username', name);
      await page.fill('#email', `${name}@example.org`);
      await page.fill('#password', 'kelp forest morning');
      // Without a script that solves the puzzle, a form filled in faster than people type is not taken.
      if (!scripts) await page.waitForTimeout(3100);
      await page.click('#sign-up');
      const mail = await mailTo(`${name}@example.org`);
      const code = /\b(\d{3})[ -]?(\d{3})\b/.exec(mail);
      await page.fill('#code', `${code?.[1]}${code?.[2]}`);
      await page.click('#confirm');
      await page.waitForURL(`${apps.tracker}/**`);
      assert.equal(await page.textContent('#alias'), name, 'back in the app they came from');
      const subject = await page.textContent('#sub');

      await page.goto(apps.commons);
      await page.click('#sign-in');
      assert.match(page.url(), /\/oidc\/interaction\//, 'no second password, but this app asks first');
      await screenshot(page, `one-account/consent-${scripts}`);
      await page.click('#allow');
      await page.waitForURL(`${apps.commons}/**`);
      assert.equal(await page.textContent('#alias'), name);
      assert.notEqual(
        await page.textContent('#sub'),
        subject,
        'the apps cannot tell it is the same person by the subject',
      );

      await page.click('#refresh');
      assert.match(page.url(), /note=refreshed/);
      await page.click('#sign-out');
      await page.waitForURL(`${apps.commons}/**`);
      await signedOut(page, apps.tracker);
      await page.goto(`${origin}/account`);
      assert.match(page.url(), /\/sign-in/);
    });
  }

  test('legacy accounts sign in with the passwords they know, locked ones do not', async () => {
    const report = await runImport(demo.house, ldifSource(path.join(data, 'legacy-2000.ldif')), {
      name: 'legacy',
      dryRun: false,
    });
    assert.ok(report.counts.imported >= 1900, JSON.stringify(report.counts));
    const mails = (await (await fetch(`${apps.mail}/messages.json`)).json()) as unknown;
    assert.ok(!JSON.stringify(mails).includes('jane.doe'), 'an import mails nobody');
    for (const [username, password] of [
      ['jane_doe', 'orchid-ledger-1997'],
      ['MARIASILVA', 'Clínica do Sul 2009'],
      ['otis@example.net', 'first-of-2004'],
    ] as const) {
      const page = await openPage(browser);
      await signInTo(page, apps.tracker, username, password);
      assert.equal(
        (await page.textContent('#alias'))?.toLowerCase(),
        username.includes('@') ? 'old.timer' : username.toLowerCase(),
      );
      await page.context().close();
    }
    const page = await openPage(browser);
    await page.goto(`${origin}/sign-in`);
    await page.fill('#username', 'locked_out');
    await page.fill('#password', 'closed-door-2011');
    await page.click('form[action="/sign-in"] #sign-in');
    assert.match((await page.textContent('#problem')) ?? '', /locked/);
  });

  test('a person has another name at one app, and the same account', async () => {
    const page = await openPage(browser);
    await signInTo(page, apps.tracker, 'jonas', 'copper-kettle-hill');
    assert.equal(await page.textContent('#alias'), 'jlindqvist');
    await page.goto(`${origin}/account`);
    assert.match((await page.textContent('main')) ?? '', /jonas/);
  });

  async function mailTo(address: string): Promise<string> {
    const deadline = Date.now() + 10_000;
    while (Date.now() < deadline) {
      const messages = (await (await fetch(`${apps.mail}/messages.json`)).json()) as {
        recipients: string[];
        text: string;
      }[];
      const found = messages.find((one) => one.recipients.includes(address));
      if (found) return found.text;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`no mail to ${address}`);
  }

  async function signedOut(page: Page, app: string): Promise<void> {
    const deadline = Date.now() + 5_000;
    for (;;) {
      await page.goto(app);
      if ((await page.locator('#alias').count()) === 0) return;
      assert.ok(Date.now() < deadline, 'the other app still holds the session after 5 s');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
});
