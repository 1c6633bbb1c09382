/** Every page of signing in through others in a real browser: narrow and wide, light and dark, without scripts, axe. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import {
  asPhone,
  axe,
  chromiumPath,
  launchBrowser,
  openPage,
  screenshot,
  sideways,
  watchConsole,
} from '#test/browser.ts';
import { type Platform, startPlatform } from '#test/kit.ts';
import { type FakeIdp, startFakeIdp } from './fake-idp.ts';

const skip = chromiumPath() ? false : 'skipped: Chromium is not installed';
const password = 'plum violin tractor';
let platform: Platform;
let idp: FakeIdp;
let browser: Browser;
/** One that runs scripts and one that runs none; used for every view, and clean before each. */
let page: Page;
let noise: string[];
let plain: Page;

before(async () => {
  if (skip) return;
  idp = await startFakeIdp();
  browser = await launchBrowser();
  platform = await startPlatform({ realTime: true });
  await platform.apply(`
community: { name: Harbour }
attributes: [{ name: team, type: text, title: Team, signUp: true }]
people:
  - { username: ada, names: { givenName: Ada, familyName: Lovelace }, password: ${password}, addresses: [ada@corp.test] }
upstreams:
  - { id: corp, title: Harbour Engineering Association, privateNetwork: true, domains: [corp.test], trustAddresses: true, oidc: { issuer: "${idp.issuer}", clientId: gatehouse } }
  - { id: github, title: GitHub, github: { clientId: x }, credentials: { clientSecret: x } }
  - { id: old, title: Old directory, privateNetwork: true, ldap: { url: "ldap://127.0.0.1:9", bindDn: cn=x, baseDn: dc=x, takeOver: true }, credentials: { bindPassword: x } }
`);
  page = await openPage(browser);
  noise = watchConsole(page);
  plain = await openPage(browser, { scripts: false });
});
after(async () => {
  if (skip) return;
  await browser.close();
  await idp.stop();
});

type Walk = (page: Page) => Promise<unknown>;
const go = (path: string) => (page: Page) => page.goto(platform.origin + path);
const come: Walk = async (page) => {
  idp.claims = {
    sub: 'look',
    preferred_username: 'grace',
    given_name: 'Grace',
    family_name: 'Hopper',
    email: 'grace@corp.test',
    email_verified: true,
  };
  await page.goto(`${platform.origin}/upstream/corp/start`);
};
const signIn: Walk = async (page) => {
  await page.goto(`${platform.origin}/sign-in`);
  await page.fill('#username', 'ada');
  await page.fill('#password', password);
  await Promise.all([page.waitForURL(/\/account/), page.click('#sign-in')]);
};

const views: Record<string, Walk> = {
  'sign-in': go('/sign-in'),
  'sign-in-by-address': async (page) => {
    await page.goto(`${platform.origin}/sign-in`);
    await page.fill('#username', 'someone@corp.test');
    await page.fill('#password', 'wrong');
    await Promise.all([page.waitForEvent('load'), page.click('#sign-in')]);
  },
  arrival: come,
  'arrival-known': async (page) => {
    await come(page);
    idp.claims = { ...idp.claims, sub: 'look-known', email: 'ada@corp.test' };
    await page.goto(`${platform.origin}/upstream/corp/start`);
  },
  join: async (page) => {
    await come(page);
    await page.click('#make-account');
  },
  'join-refused': async (page) => {
    await come(page);
    await page.click('#make-account');
    await page.fill('#username', 'ada');
    await page.fill('#email', 'nothing');
    await page.locator('form').evaluateAll((all) => {
      for (const one of all) (one as HTMLFormElement).noValidate = true;
    });
    await Promise.all([page.waitForEvent('load'), page.click('#join')]);
  },
  'arrival-link': async (page) => {
    await come(page);
    await page.click('#have-account');
    await page.fill('#username', 'ada');
    await page.fill('#password', password);
    await Promise.all([page.waitForURL(/\/link$/), page.click('#sign-in')]);
  },
  failure: async (page) => {
    idp.forge = async () => 'a.b.c';
    await page.goto(`${platform.origin}/upstream/corp/start`);
    idp.forge = undefined;
  },
  account: async (page) => {
    await signIn(page);
    await page.goto(`${platform.origin}/account`);
  },
  'account-link': async (page) => {
    await signIn(page);
    await page.goto(`${platform.origin}/account/links/github`);
  },
  'account-directory': async (page) => {
    await signIn(page);
    await page.goto(`${platform.origin}/account/links/old`);
  },
};

for (const [name, walk] of Object.entries(views)) {
  test(`${name} fits a phone and a desk, light and dark, reads well to machines, and needs no script`, {
    skip,
  }, async () => {
    const fits = async (width: number, scheme: 'light' | 'dark') => {
      await page.emulateMedia({ colorScheme: scheme });
      assert.equal(await sideways(page), 0, `${name} at ${width}`);
      assert.deepEqual(await axe(page), [], `${name} at ${width}`);
      await screenshot(page, `upstreams/${name}-${width}-${scheme}`);
    };
    await page.context().clearCookies();
    await walk(page);
    await fits(1280, 'dark');
    await asPhone(page, () => fits(360, 'light'));
    assert.deepEqual(
      noise.splice(0).filter((line) => !/status of (4|5)\d\d/.test(line)),
      [],
    );
    await plain.context().clearCookies();
    await walk(plain);
    assert.ok((await plain.locator('h1').textContent())?.trim());
  });
}
