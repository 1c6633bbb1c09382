/** The gallery opened in a browser, and a walk through all of its views: shared by the tests that look at every page. */
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import {
  chromiumPath,
  launchBrowser,
  lookFromFourSides,
  openPage,
  type PageOptions,
  sideways,
  tabThrough,
  watchConsole,
  watchRequests,
} from '#test/browser.ts';
import { type Gallery, passwords, startGallery } from './gallery-community.ts';
import { signIn, type View, views } from './gallery-views.ts';

export const skip = chromiumPath() ? false : 'Chromium is not installed';
/** `VIEWS=apps node --test …` looks at some of them while one works on them. */
export const wanted = views.filter((view) => new RegExp(process.env.VIEWS ?? '.').test(view.name));
export let gallery: Gallery;
export let browser: Browser;

before(async () => {
  if (skip) return;
  gallery = await startGallery();
  browser = await launchBrowser();
});
after(async () => browser?.close());

/** One browser for each of the three who look, already signed in. */
async function openThree(options: PageOptions): Promise<Record<View['who'], Page>> {
  const open = async (who: View['who']) => {
    const page = await openPage(browser, options);
    if (who !== 'guest') await signIn(page, gallery, who, passwords[who]);
    return page;
  };
  return { guest: await open('guest'), ada: await open('ada'), root: await open('root') };
}

async function closeThree(pages: Record<string, Page>): Promise<void> {
  for (const page of Object.values(pages)) await page.context().close();
}

/** What pages complained of and asked for since it was last said to be nothing, and how the last one was answered. */
export interface Said {
  nothing(): void;
  status(): number | undefined;
}

function listen(page: Page): Said {
  const complaints = watchConsole(page);
  const requests = watchRequests(page);
  let status: number | undefined;
  page.on('response', (response) => {
    const request = response.request();
    if (request.isNavigationRequest() && request.frame() === page.mainFrame()) status = response.status();
  });
  return {
    status: () => status,
    nothing() {
      const loud = complaints.splice(0).filter((line) => !/status of (?:4|5)\d\d/.test(line));
      const foreign = requests.splice(0).filter((url) => !url.startsWith(`${gallery.origin}/`));
      assert.deepEqual(loud, []);
      assert.deepEqual(foreign, [], 'PR-11 every request goes to our own origin');
    },
  };
}

/** Looks at every page in one kind of browser; what one says on the way to a page counts as said by that page. */
export async function lookAtAll(
  t: { test(name: string, run: () => Promise<void>): Promise<void> },
  options: PageOptions,
  look: (page: Page, view: View, said: Said) => Promise<void>,
  which: readonly View[],
): Promise<void> {
  const pages = await openThree(options);
  const said = { guest: listen(pages.guest), ada: listen(pages.ada), root: listen(pages.root) };
  for (const view of which) {
    await t.test(view.name, async () => {
      await view.open(pages[view.who], gallery);
      await look(pages[view.who], view, said[view.who]);
    });
  }
  await closeThree(pages);
}

/**
 * Looks at these pages in every way but without scripts: at a desk and on a phone, light and dark, enlarged, on the smallest
 * screen, and with the keyboard alone. Each is opened once: what differs between the looks is said to the page it is.
 * @param more what else is asked of each
 */
export async function lookFromEverySide(
  t: { test(name: string, run: () => Promise<void>): Promise<void> },
  which: readonly View[],
  more: (page: Page) => Promise<void> = async () => undefined,
): Promise<void> {
  const whole = async (page: Page, view: View, said: Said) => {
    assert.equal(said.status(), view.status ?? 200);
    assert.equal(await page.locator('h1').count(), 1, 'one heading of the first rank');
    await lookFromFourSides(page, `pages/${view.name}`);
    await narrow(page);
    await keysAlone(page);
    await more(page);
    said.nothing();
  };
  await lookAtAll(t, { width: 1280 }, whole, which);
}

/** On the smallest screen there is, and with page and letters twice their size (WCAG 2.2, 1.4.4 and 1.4.10). */
async function narrow(page: Page): Promise<void> {
  const before = page.viewportSize()!;
  await page.setViewportSize({ width: 320, height: 450 });
  assert.equal(await sideways(page), 0, 'scrolls sideways at 320 px');
  await page.setViewportSize({ width: 640, height: 450 });
  assert.equal(await sideways(page), 0, 'scrolls sideways at 640 px');
  const letters = (size: string) =>
    page.evaluate((size) => {
      document.documentElement.style.fontSize = size;
    }, size);
  await letters('200%');
  assert.equal(await sideways(page), 0, 'scrolls sideways with letters of twice the size');
  await letters('');
  await page.setViewportSize(before);
}

/** Everything is reached with the Tab key and shows a ring, and the way past the header comes first and leads there. */
async function keysAlone(page: Page): Promise<void> {
  const { missed, blind, first } = await tabThrough(page);
  assert.deepEqual(missed, [], 'visible and never reached');
  assert.deepEqual(blind, [], 'focused without a ring');
  assert.match(first, /class="skip/);
  await page.locator('.skip').focus();
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'main');
}
