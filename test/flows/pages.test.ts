/**
 * Every page there is at a desk, in a real browser: light and dark, enlarged, on the smallest screen, and with the keyboard
 * alone. pages-use.test.ts has the phone and what is not the same on every page.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { sideways, tabThrough } from '#test/browser.ts';
import { lookAtAll, lookBothWays, skip } from './gallery-looks.ts';

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

test('every page is axe clean, quiet and fits a desk, light, dark and enlarged, and can be used with the keyboard alone', {
  skip,
}, async (t) => {
  await lookAtAll(t, { width: 1280 }, async (page, view, said) => {
    await lookBothWays(page, view, 1280);
    await narrow(page);
    await keysAlone(page);
    said.nothing();
  });
});
