/** Every page operators work with, in a real browser and from every side. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { gallery, lookFromEverySide, skip, wanted } from './gallery-looks.ts';

/** What the server sends to an address of the console, without what is made anew for every answer. */
async function sentTo(page: Page, url: string): Promise<string> {
  const answer = await page.context().request.get(url);
  assert.equal(answer.status(), 200, url);
  return (await answer.text()).replaceAll(/(nonce|name="form_token" value)="[^"]*"/g, '$1');
}

/** At every address it is the same frame: without scripts one stands for all, and pages-use.test.ts looks at that one. */
async function sameFrame(page: Page): Promise<void> {
  if (!page.url().startsWith(`${gallery.origin}/admin`)) return;
  assert.equal(await sentTo(page, page.url()), await sentTo(page, `${gallery.origin}/admin`));
}

test('every page of operators is axe clean, quiet and fits desk and phone, light and dark and enlarged, and can be used with the keyboard alone', {
  skip,
}, async (t) => {
  await lookFromEverySide(
    t,
    wanted.filter(({ who }) => who === 'root'),
    sameFrame,
  );
});
