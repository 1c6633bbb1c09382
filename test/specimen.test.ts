import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { pageAssets } from '#kit/page/assets.ts';
import { specimenPage, specimens } from '#kit/page/specimen.ts';
import { axe, chromiumPath, launchBrowser, openPage, screenshot, watchConsole } from './browser.ts';

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

for (const name of specimens()) {
  test(`${name}: light and dark, 360 and 1280 px, axe clean, nothing refused by the policy`, {
    skip,
  }, async () => {
    for (const scheme of ['light', 'dark'] as const) {
      for (const width of [360, 1280]) {
        const page = await openPage(browser, { scheme, width });
        const complaints = watchConsole(page);
        await page.goto(`${base}/${name}`);
        await screenshot(page, `specimen/${name}-${scheme}-${width}`);
        assert.deepEqual(await axe(page), [], `${name} ${scheme} ${width}`);
        const overflow = await page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        assert.equal(overflow, 0, `${name} scrolls sideways at ${width} px`);
        assert.deepEqual(complaints, []);
        await page.context().close();
      }
    }
  });
}
