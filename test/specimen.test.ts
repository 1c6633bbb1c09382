import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { pageAssets } from '#kit/page/assets.ts';
import { specimenPage, specimens } from '#kit/page/specimen.ts';
import { addLocale, englishWords } from '#kit/page/words.ts';
import {
  axe,
  chromiumPath,
  colourRules,
  launchBrowser,
  openPage,
  screenshot,
  watchConsole,
} from './browser.ts';

const skip = chromiumPath() ? false : 'Chromium is not installed';
const POLICY =
  "default-src 'none'; style-src 'self' 'nonce-specimen'; script-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'";

const server = createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const asset = pageAssets.find((one) => one.url === url.pathname);
  if (asset) return response.setHeader('content-type', asset.type).end(asset.content);
  const name = url.pathname.slice(1);
  if (!specimens().includes(name)) return response.writeHead(404).end();
  response.setHeader('content-type', 'text/html; charset=utf-8').setHeader('content-security-policy', POLICY);
  const options = {
    locale: url.searchParams.get('locale') ?? 'en',
    accent: url.searchParams.get('accent') ?? undefined,
  };
  return response.end(String(specimenPage(name, options)));
});
// Words of a language that runs long, and of one that runs the other way: the English ones, stretched and mirrored.
for (const [locale, stretch] of [
  ['de', (text: string) => text.replace(/[aeiou]/g, '$&$&')],
  ['ar', (text: string) => `\u202b${text}\u202c`],
] as const) {
  const page = Object.entries(englishWords().page ?? {}).filter(([, text]) => !text.includes('{'));
  addLocale(locale, { page: Object.fromEntries(page.map(([key, text]) => [key, stretch(text)])) });
}

let browser: Browser;
let base: string;

before(async () => {
  if (skip) return;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  browser = await launchBrowser();
});
after(async () => {
  await browser?.close();
  server.close();
  server.closeAllConnections();
});

const sideways = (page: Page) =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

for (const name of specimens()) {
  test(`${name}: both themes, phone and desk, axe clean, nothing refused by the policy`, {
    skip,
  }, async () => {
    for (const width of [360, 1280]) {
      const page = await openPage(browser, { width });
      const complaints = watchConsole(page);
      await page.goto(`${base}/${name}`);
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        await screenshot(page, `specimen/${name}-${colorScheme}-${width}`);
        // Rules of structure are the same in all four; those of colour need each theme once, those of size each width.
        if ((colorScheme === 'light') === (width === 1280))
          assert.deepEqual(await axe(page), [], `${colorScheme} ${width}`);
        assert.equal(await sideways(page), 0, `${name} scrolls sideways at ${width} px`);
      }
      assert.deepEqual(complaints, []);
      await page.context().close();
    }
  });
}

test('every accent is clean in both themes, a hostile one too', { skip }, async () => {
  const page = await openPage(browser, { width: 1280 });
  for (const accent of ['%23ffe600', '%23000000', '%23ff00ff']) {
    await page.goto(`${base}/operator?accent=${accent}`);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      assert.deepEqual(await axe(page, colourRules), [], `${accent} ${colorScheme}`);
    }
  }
  await page.context().close();
});

test('long words, right to left and 200 % zoom: nothing is cut off, nothing scrolls sideways', {
  skip,
}, async () => {
  // Half the width is what a browser lays out at 200 %; 320 px is the narrowest of WCAG 1.4.10.
  for (const [locale, width] of [
    ['ar', 360],
    ['ar', 1280],
    ['de', 320],
    ['de', 640],
  ] as const) {
    const page = await openPage(browser, { width });
    for (const name of ['sign-in-refused', 'account', 'parts', 'consent']) {
      await page.goto(`${base}/${name}?locale=${locale}`);
      await screenshot(page, `specimen/${name}-${locale}-${width}`);
      assert.equal(await sideways(page), 0, `${name} ${locale} ${width}`);
      assert.equal(await page.locator('html').getAttribute('dir'), locale === 'ar' ? 'rtl' : 'ltr');
    }
    await page.context().close();
  }
});

test('fingers: what one presses is at least 44 px high on touch', { skip }, async () => {
  const page = await openPage(browser, { width: 360 });
  for (const name of ['sign-in', 'consent', 'account', 'operator']) {
    await page.goto(`${base}/${name}`);
    const small = await page.evaluate(() => {
      const pressed = document.querySelectorAll(
        'button:not([hidden]), .input, .button, .tool, summary, .side a, .foot a, .tile',
      );
      return [...pressed]
        .filter((one) => one.getBoundingClientRect().height < 43.5)
        .map((one) => one.outerHTML);
    });
    assert.deepEqual(small, [], name);
  }
  await page.context().close();
});

test('without a script there is nothing that needs one', { skip }, async () => {
  const page = await openPage(browser, { scripts: false, url: `${base}/sign-in` });
  assert.equal(await page.locator('[data-show]').isVisible(), false);
  await page.locator('.menu summary').click();
  assert.equal(await page.locator('.menu a').first().isVisible(), true);
  await page.goto(`${base}/account`);
  assert.equal(await page.locator('[data-copy]').isVisible(), false);
  assert.equal(await page.locator('#sign-out').isVisible(), true);
  await page.context().close();
});

test('the script: show a password, copy, close a menu, send once, tell the exact time', {
  skip,
}, async () => {
  const page = await openPage(browser, { url: `${base}/sign-in` });
  await page.fill('#password', 'plum violin tractor');
  await page.click('[data-show]');
  assert.equal(await page.locator('#password').getAttribute('type'), 'text');
  await page.click('[data-show]');
  assert.equal(await page.locator('#password').getAttribute('type'), 'password');

  await page.locator('.menu summary').click();
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('.menu a').first().isVisible(), false);

  const posts: string[] = [];
  await page.route('**/sign-in', async (route) => {
    if (route.request().method() !== 'POST') return route.continue();
    posts.push(route.request().postData() ?? '');
    await new Promise((resolve) => setTimeout(resolve, 600));
    return route.fulfill({ status: 204 });
  });
  await page.fill('#username', 'ada');
  await page.click('[data-show]');
  await page.click('#sign-in');
  assert.equal(await page.locator('#password').getAttribute('type'), 'password', 'sent as a password');
  await page.click('#sign-in', { force: true });
  await page.waitForFunction(() => document.querySelector('#sign-in')?.getAttribute('aria-busy') === 'true');
  assert.equal(posts.length, 1);

  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin: base });
  await page.goto(`${base}/account`);
  await page.click('[data-copy]');
  await page.waitForFunction(() => document.querySelector('[data-copy]')?.textContent === 'Copied');
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), 'ada');
  assert.match((await page.locator('time').first().getAttribute('title')) ?? '', /2026 at 9:28:00/);
  await page.context().close();
});

test('keys alone: the way to the content first, a ring on everything', { skip }, async () => {
  const page = await openPage(browser, { url: `${base}/sign-in` });
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement?.className), 'skip unseen');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  const order: (string | undefined)[] = [];
  for (let step = 0; step < 6; step += 1) {
    const seen = await page.evaluate(() => {
      const one = document.activeElement as HTMLElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(one);
      return {
        id: one.id || one.textContent,
        ring: outlineStyle !== 'none' && Number.parseFloat(outlineWidth) >= 2,
      };
    });
    assert.equal(seen.ring, true, `${seen.id} shows where one is`);
    order.push(seen.id ?? undefined);
    await page.keyboard.press('Tab');
  }
  // The password comes right after the name: it is typed without looking.
  assert.deepEqual(order, ['username', 'password', 'Show', 'Forgotten it?', 'sign-in', 'Make an account']);
  await page.context().close();
});
