/** Every page there is without scripts; some of them in other colours and languages. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { addLocale } from '#kit/page/words.ts';
import { axe, colourRules, openPage, screenshot, sideways, weigh } from '#test/browser.ts';
import { communityWith, passwords } from './gallery-community.ts';
import { german } from './gallery-german.ts';
import { browser, gallery, lookAtAll, skip, wanted } from './gallery-looks.ts';
import { settled, signIn, views } from './gallery-views.ts';

test('a refusal is answered with its status', { skip }, async (t) => {
  const statuses = new WeakMap<Page, number>();
  await lookAtAll(t, { scripts: false }, async (page, view) => {
    if (!statuses.has(page)) {
      page.on('response', (response) => {
        if (response.request().isNavigationRequest()) statuses.set(page, response.status());
      });
      await view.open(page, gallery);
    }
    assert.equal(statuses.get(page), view.status ?? 200);
  });
});

test('the sign-in page weighs at most 30 KB as transferred, with everything it loads', { skip }, async () => {
  const page = await openPage(browser);
  const { bytes, files } = await weigh(page, `${gallery.origin}/sign-in`);
  assert.ok(files >= 4, `page, styles, script and icon: ${files}`);
  assert.ok(bytes <= 30 * 1024, `${bytes} bytes`);
  await page.context().close();
});

test('password managers find the name beside every password', { skip }, async () => {
  const page = await openPage(browser);
  const hints: string[] = [];
  page.on('console', (message) => {
    if (message.text().includes('[DOM]')) hints.push(message.text());
  });
  const withPassword = wanted.filter((view) => /^(?:sign-in|sign-up|new-password|password)$/.test(view.name));
  for (const view of withPassword) {
    if (view.who === 'ada') await signIn(page, gallery, 'ada', passwords.ada);
    await view.open(page, gallery);
    const name = page.locator('form:has([type="password"]) input[autocomplete~="username"]');
    assert.equal(await name.count(), 1, view.name);
    assert.equal(await name.getAttribute('type'), 'text', view.name);
  }
  assert.deepEqual(hints, []);
  await page.context().close();
});

test("the community's colour can be read in both themes, whatever it is", { skip }, async () => {
  for (const accent of ['#ffd400', '#7a003c', '#00e0a0']) {
    await gallery.apply(communityWith(`accent: "${accent}"`));
    const page = await openPage(browser);
    const inBoth = async (name: string) => {
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        // The first time with every rule; then what depends on colours.
        assert.deepEqual(
          await axe(page, colorScheme === 'dark' ? colourRules : undefined),
          [],
          `${accent} ${colorScheme}`,
        );
        await screenshot(page, `pages/accent-${accent.slice(1)}-${name}-${colorScheme}`);
      }
    };
    await page.goto(`${gallery.origin}/sign-in`);
    await inBoth('sign-in');
    await page.emulateMedia({ colorScheme: 'light' });
    await signIn(page, gallery, 'root', passwords.root);
    await page.goto(`${gallery.origin}/admin`);
    await settled(page);
    await inBoth('admin');
    await page.context().close();
  }
});

test('long German words fit a phone, and Arabic stands on the right', { skip }, async () => {
  await gallery.apply(communityWith());
  addLocale('de', german);
  addLocale('ar', { signon: { signIn: 'تسجيل الدخول' }, account: { title: 'حسابك' } });
  for (const locale of ['de', 'ar']) {
    for (const width of [360, 1280]) {
      const page = await openPage(browser, { width, locale });
      const device = ['device-code-unknown', 'device-decide', 'device-forbidden'];
      const names = ['sign-in', 'sign-up-errors', 'check-your-mail', 'error-404', 'account', 'apps'];
      for (const name of [...names, ...device]) {
        const view = views.find((one) => one.name === name)!;
        if (name === 'account') await signIn(page, gallery, 'ada', passwords.ada);
        await view.open(page, gallery);
        await screenshot(page, `pages/${name}-${locale}-${width}`);
        assert.equal(await sideways(page), 0, `${name} in ${locale} at ${width} px`);
        assert.equal(await page.locator('html').getAttribute('lang'), locale);
      }
      const mark = await page.locator('.brand svg').boundingBox();
      assert.equal((mark?.x ?? 0) > width / 2, locale === 'ar', 'the mark stands where reading begins');
      await page.context().close();
    }
  }
});
