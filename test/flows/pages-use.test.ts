/** Every page there is without scripts; some of them in other colours and languages. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { addLocale } from '#kit/page/words.ts';
import { asPhone, axe, colourRules, openPage, screenshot, sideways, weigh } from '#test/browser.ts';
import { communityWith, passwords } from './gallery-community.ts';
import { german } from './gallery-german.ts';
import { browser, gallery, lookAtAll, type Said, skip, wanted } from './gallery-looks.ts';
import { settled, signIn, type View, views } from './gallery-views.ts';

/** Of the console without scripts one page is all: pages-console.test.ts sees that every address sends the same. */
const sent = wanted.filter(({ who, name }) => who !== 'root' || /^(?:admin-overview|oidc-test)/.test(name));

test('a refusal is answered with its status', { skip }, async (t) => {
  const look = async (_page: Page, view: View, said: Said) => assert.equal(said.status(), view.status ?? 200);
  await lookAtAll(t, { scripts: false }, look, sent);
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
        assert.deepEqual(await axe(page, colourRules), [], `${accent} ${colorScheme}`);
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
  const device = ['device-code-unknown', 'device-decide', 'device-forbidden'];
  const names = ['sign-in', 'sign-up-errors', 'check-your-mail', 'error-404', 'account', 'apps'];
  const mail = ['account-mail', 'account-mail-app', 'account-mail-ask'];
  for (const locale of ['de', 'ar']) {
    const page = await openPage(browser, { locale });
    const fits = async (name: string, width: number) => {
      await screenshot(page, `pages/${name}-${locale}-${width}`);
      assert.equal(await sideways(page), 0, `${name} in ${locale} at ${width} px`);
      const mark = await page.locator('.brand svg').boundingBox();
      assert.equal((mark?.x ?? 0) > width / 2, locale === 'ar', 'the mark stands where reading begins');
    };
    for (const name of [...names, ...mail, ...device]) {
      const view = views.find((one) => one.name === name)!;
      if (name === 'account') await signIn(page, gallery, 'ada', passwords.ada);
      await view.open(page, gallery);
      assert.equal(await page.locator('html').getAttribute('lang'), locale);
      await fits(name, 1280);
      await asPhone(page, () => fits(name, 360));
    }
    await page.context().close();
  }
});
