/** Every page there is, in a real browser: 320 to 1280 px, light and dark, enlarged; pages-use.test.ts uses them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { axe, screenshot, sideways, watchConsole, watchRequests } from '#test/browser.ts';
import { gallery, lookAtAll, skip } from './gallery-looks.ts';

/** On the smallest screen there is, and with page and letters twice their size (WCAG 2.2, 1.4.4 and 1.4.10). */
async function narrow(page: Page): Promise<void> {
  const before = page.viewportSize()!;
  await page.setViewportSize({ width: 320, height: 450 });
  assert.equal(await sideways(page), 0, 'scrolls sideways at 320 px');
  await page.setViewportSize({ width: 640, height: 450 });
  assert.equal(await sideways(page), 0, 'scrolls sideways at 640 px');
  await page.evaluate(() => {
    document.documentElement.style.fontSize = '200%';
  });
  assert.equal(await sideways(page), 0, 'scrolls sideways with letters of twice the size');
  await page.setViewportSize(before);
}

for (const width of [360, 1280]) {
  test(`every page is axe clean, quiet and fits, light and dark: ${width} px`, { skip }, async (t) => {
    const watched = new Map<Page, { complaints: string[]; requests: string[] }>();
    await lookAtAll(t, { width }, async (page, view) => {
      // What was said on the way to the page was said by pages that are looked at themselves.
      let said = watched.get(page);
      if (!said) {
        said = { complaints: watchConsole(page), requests: watchRequests(page) };
        watched.set(page, said);
        await view.open(page, gallery);
      }
      await screenshot(page, `pages/${view.name}-light-${width}`);
      assert.deepEqual(await axe(page), []);
      assert.equal(await sideways(page), 0, 'scrolls sideways');
      assert.equal(await page.locator('h1').count(), 1, 'one heading of the first rank');
      await page.emulateMedia({ colorScheme: 'dark' });
      await screenshot(page, `pages/${view.name}-dark-${width}`);
      // The page is the same but for its colours.
      assert.deepEqual(await axe(page, ['color-contrast']), [], 'in the dark');
      await page.emulateMedia({ colorScheme: 'light' });
      if (width === 1280) await narrow(page);
      const loud = said.complaints.splice(0).filter((line) => !/status of (?:4|5)\d\d/.test(line));
      assert.deepEqual(loud, []);
      const foreign = said.requests.splice(0).filter((url) => !url.startsWith(`${gallery.origin}/`));
      assert.deepEqual(foreign, [], 'PR-11 every request goes to our own origin');
    });
  });
}
