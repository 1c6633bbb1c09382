/** The gallery opened in a browser, and a walk through all of its views: shared by the tests that look at every page. */
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import {
  axe,
  chromiumPath,
  colourRules,
  launchBrowser,
  openPage,
  type PageOptions,
  screenshot,
  sideways,
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

/** What pages complained of and asked for since it was last said to be nothing. */
export interface Said {
  nothing(): void;
}

function listen(page: Page): Said {
  const complaints = watchConsole(page);
  const requests = watchRequests(page);
  return {
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
): Promise<void> {
  const pages = await openThree(options);
  const said = { guest: listen(pages.guest), ada: listen(pages.ada), root: listen(pages.root) };
  for (const view of wanted) {
    await t.test(view.name, async () => {
      await view.open(pages[view.who], gallery);
      await look(pages[view.who], view, said[view.who]);
    });
  }
  await closeThree(pages);
}

/**
 * The page in the light and in the dark: pictures of both, nothing for axe to say, nothing wider than the window. In the
 * other theme a page is the same but for its colours, on the phone the same but laid out anew: at the desk every rule is
 * asked in the light and those of colours again in the dark, on the phone every rule in the dark.
 */
export async function lookBothWays(page: Page, view: View, width: 360 | 1280): Promise<void> {
  await screenshot(page, `pages/${view.name}-light-${width}`);
  if (width === 1280) assert.deepEqual(await axe(page), []);
  assert.equal(await sideways(page), 0, 'scrolls sideways');
  assert.equal(await page.locator('h1').count(), 1, 'one heading of the first rank');
  await page.emulateMedia({ colorScheme: 'dark' });
  await screenshot(page, `pages/${view.name}-dark-${width}`);
  assert.deepEqual(await axe(page, width === 1280 ? colourRules : undefined), [], 'in the dark');
  await page.emulateMedia({ colorScheme: 'light' });
}
