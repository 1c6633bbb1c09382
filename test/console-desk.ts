/**
 * An operator at the console of a house of their own, in a real browser: what the tests of its pages stand on.
 *
 *   const desk = consoleDesk({ community: `people: …` });   opens before the first test and closes after the last
 *   const { page, complaints } = await desk.at('/admin/apps');
 *   await desk.everySide(page, { 'apps-add': '/admin/apps/add', … });
 */
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { ensureConsole } from '../tools/console.ts';
import {
  chromiumPath,
  launchBrowser,
  lookFromFourSides,
  openPage,
  type PageOptions,
  quiet,
  watchConsole,
} from './browser.ts';
import { type Platform, startPlatform } from './kit.ts';

/** What `test` is told where there is no browser. */
export const skip = chromiumPath() ? false : 'Chromium is not installed';

export interface ConsoleDesk {
  readonly platform: Platform;
  /** Signs in and opens a page of the console, the owner's unless `who` says otherwise; close its context when done. */
  at(path: string, options?: PageOptions & { who?: string }): Promise<{ page: Page; complaints: string[] }>;
  /** Path and query the page is at. */
  place(page: Page): string;
  /** Opens each path once, named as its pictures are, and looks at it on a desk and a phone, in the light and in the dark. */
  everySide(page: Page, paths: Readonly<Record<string, string>>): Promise<void>;
}

export interface DeskOptions {
  /** The community file; the people named in `passwords` are in it. */
  community: string;
  /** User name → password; the first is who sits there. */
  passwords: Record<string, string>;
  env?: Record<string, string>;
  /** What else stands before anybody looks. */
  prepare?(platform: Platform): Promise<void>;
}

/** Sets the stage of a test file. */
export function consoleDesk({ community, passwords, env, prepare }: DeskOptions): ConsoleDesk {
  let platform: Platform;
  let browser: Browser;
  const [owner] = Object.keys(passwords) as [string];
  before(async () => {
    if (skip) return;
    await ensureConsole();
    platform = await startPlatform({ realTime: true, env });
    await platform.apply(community);
    await prepare?.(platform);
    browser = await launchBrowser();
  });
  after(async () => browser?.close());
  return {
    get platform() {
      return platform;
    },
    async at(path, { who = owner, ...options } = {}) {
      const page = await openPage(browser, options);
      await page.goto(`${platform.origin}/sign-in`);
      await page.fill('#username', who);
      await page.fill('#password', passwords[who] ?? '');
      await Promise.all([page.waitForURL('**/account'), page.click('#sign-in')]);
      const complaints = watchConsole(page);
      await page.goto(platform.origin + path);
      await page.locator('h1').waitFor();
      return { page, complaints };
    },
    place: (page) => page.url().slice(platform.origin.length),
    async everySide(page, paths) {
      for (const [name, path] of Object.entries(paths)) {
        await page.goto(platform.origin + path);
        await page.locator('main h1').waitFor();
        await quiet(page);
        assert.equal(await page.locator('h1').count(), 1, path);
        await lookFromFourSides(page, name);
      }
    },
  };
}
