/** The gallery opened in a browser, and a walk through all of its views: shared by the tests that look at every page. */
import { after, before } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { chromiumPath, launchBrowser, openPage, type PageOptions } from '#test/browser.ts';
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

/** Looks at every page in one kind of browser. */
export async function lookAtAll(
  t: { test(name: string, run: () => Promise<void>): Promise<void> },
  options: PageOptions,
  look: (page: Page, view: View) => Promise<void>,
): Promise<void> {
  const pages = await openThree(options);
  for (const view of wanted) {
    await t.test(view.name, async () => {
      await view.open(pages[view.who], gallery);
      await look(pages[view.who], view);
    });
  }
  await closeThree(pages);
}
