/** SimpleSAMLphp as the identity provider people come through: a real browser, its own pages, messages and sessions. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { chromiumPath, launchBrowser, openPage, watchConsole } from '#test/browser.ts';
import { freePort, type Platform, startPlatform } from '#test/kit.ts';
import {
  type SimpleSamlProvider,
  simpleSamlMissing,
  startSimpleSamlProvider,
} from '#test/peers/simplesamlphp.ts';
import { samlKey } from '#test/saml.ts';
import { encodeRedirect } from '#wire/saml/bindings.ts';
import { makeAuthnRequest } from '#wire/saml/requests.ts';

const noBrowser = chromiumPath() ? undefined : 'Chromium is not installed (tools/peers.sh installs it)';
const password = 'plum violin tractor';

describe('SimpleSAMLphp as identity provider', { skip: simpleSamlMissing() ?? noBrowser ?? false }, () => {
  let platform: Platform;
  let provider: SimpleSamlProvider;
  let browser: Browser;

  before(async () => {
    const port = await freePort();
    platform = await startPlatform({ realTime: true });
    // Our metadata is needed before theirs is there: their address is known, and stands in the settings first.
    await platform.apply(`
community: { name: Harbour }
people:
  - { username: ada, names: { givenName: Ada, familyName: Lovelace }, password: ${password}, addresses: [ada@example.org] }
applications:
  - { id: wiki, title: Wiki, consent: trusted, saml: { entityId: https://wiki.example.org/saml, acsUrls: [https://wiki.example.org/acs] } }
${upstream(port)}`);
    const metadata = await (await fetch(`${platform.origin}/upstream/clinic/metadata`)).text();
    provider = await startSimpleSamlProvider({
      port,
      key: await samlKey({ name: 'clinic' }),
      sp: { metadata },
      people: {
        'grace:harbour-light': person('grace', 'Hopper'),
        'ada:engine-number-one': person('ada', 'Lovelace'),
      },
      nameBy: 'uid',
      trusted: [new URL(platform.origin).host, '127.0.0.1'],
    });
    browser = await launchBrowser();
  });
  after(async () => {
    await browser?.close();
    await provider?.stop();
  });

  function person(uid: string, sn: string): Record<string, string> {
    return { uid, givenName: uid[0]!.toUpperCase() + uid.slice(1), sn, mail: `${uid}@clinic.example` };
  }

  function upstream(port: number, more = ''): string {
    return `upstreams:
  - { id: clinic, title: Clinic, privateNetwork: true, newPeople: create, authoritative: [clinic.example],
      saml: { metadata: { url: "http://127.0.0.1:${port}/saml2/idp/metadata.php" }, logout: true${more} } }
`;
  }

  async function there(page: Page, username: string, secret: string): Promise<void> {
    await page.waitForURL(`${provider.origin}/**`).catch(lost(page));
    await page.fill('input[name=username]', username);
    await page.fill('input[name=password]', secret);
    await page.press('input[name=password]', 'Enter');
  }

  /** Without scripts its page waits for a press of its button; the other one, for scripts, is there until its style has come. */
  async function back(page: Page, scripts: boolean): Promise<void> {
    if (!scripts) await page.click('button[type=submit]');
  }

  const lost = (page: Page) => async (error: unknown) =>
    assert.fail(
      `${error} ${page.url()} ${await page.textContent('body')} ${(await provider.log()).slice(-3000)}`,
    );

  async function arrives(page: Page, path = '/account'): Promise<void> {
    await page.waitForURL((url) => url.origin === platform.origin && url.pathname === path).catch(lost(page));
  }

  for (const scripts of [true, false]) {
    test(`someone new is signed in through it and has an account at once, ${scripts ? 'with' : 'without'} scripts`, async () => {
      const page = await openPage(browser, { scripts });
      const complaints = watchConsole(page);
      await page.goto(`${platform.origin}/sign-in`);
      await page.click('#with-clinic');
      await there(page, 'grace', 'harbour-light');
      await back(page, scripts);
      await arrives(page);
      assert.match((await page.textContent('body')) ?? '', /Grace Hopper/);
      const cookies = await page.context().cookies(platform.origin);
      assert.ok(
        cookies.every(({ sameSite }) => sameSite === 'Lax'),
        'no cookie of ours goes with forms of others',
      );
      assert.deepEqual(
        complaints.filter((one) => !one.includes('favicon') && one.includes(platform.origin)),
        [],
      );
      await page.context().close();
    });
  }

  test('someone with an account links it by signing in at both sides, and comes back without', async () => {
    await platform.apply(
      upstream(Number(new URL(provider.origin).port)).replace('newPeople: create', 'newPeople: ask'),
    );
    const page = await openPage(browser);
    await page.goto(`${platform.origin}/upstream/clinic/start`);
    await there(page, 'ada', 'engine-number-one');
    await page.waitForURL(/\/upstream\/arrivals\//).catch(lost(page));
    await page.click('#have-account');
    await page.fill('#username', 'ada');
    await page.fill('#password', password);
    await page.click('#sign-in');
    await page.click('#link');
    await arrives(page);
    await page.context().close();
    const again = await openPage(browser);
    await again.goto(`${platform.origin}/upstream/clinic/start`);
    await there(again, 'ada', 'engine-number-one');
    await arrives(again);
    assert.match((await again.textContent('body')) ?? '', /Ada Lovelace/);
    await again.context().close();
  });

  test('ForceAuthn: it asks for the password again where proof of this moment is needed, and not otherwise', async () => {
    const page = await openPage(browser);
    await page.goto(`${platform.origin}/upstream/clinic/start`);
    await there(page, 'ada', 'engine-number-one');
    await arrives(page);
    await page.goto(`${platform.origin}/upstream/clinic/start`);
    await arrives(page);
    await page.goto(forced());
    const request = new URL(page.url()).searchParams.get('request')!;
    await page.goto(`${platform.origin}/upstream/clinic/start?request=${encodeURIComponent(request)}`);
    await page.waitForSelector('input[name=password]').catch(lost(page));
    assert.ok(page.url().startsWith(provider.origin), 'it asks again');
    await there(page, 'ada', 'engine-number-one');
    await page.waitForURL(/wiki\.example\.org/, { waitUntil: 'commit' }).catch(() => undefined);
    const [row] = await platform.database.query<{ count: number }>(
      `select count(*)::int as count from saml_sessions where application = 'wiki'`,
    );
    assert.equal(row?.count, 1, 'and the app was answered');
    await page.context().close();
  });

  /** An app that wants proof of this moment. */
  function forced(): string {
    const xml = makeAuthnRequest({
      id: `_${crypto.randomUUID()}`,
      issuer: 'https://wiki.example.org/saml',
      issueInstant: new Date(),
      destination: `${platform.origin}/saml/sso`,
      acsUrl: 'https://wiki.example.org/acs',
      forceAuthn: true,
    });
    return encodeRedirect(`${platform.origin}/saml/sso`, { name: 'SAMLRequest', xml });
  }

  test('SA-10 what it encrypts with an algorithm that is broken is refused, and the page says which upstream failed', async () => {
    await provider.encrypt(true);
    const page = await openPage(browser);
    await page.goto(`${platform.origin}/upstream/clinic/start`);
    await there(page, 'ada', 'engine-number-one');
    await page.waitForSelector('#code').catch(lost(page));
    assert.match((await page.textContent('#code')) ?? '', /upstream-answer/);
    assert.ok(
      platform.lines.some((line) => line.includes('aes128-cbc')),
      'the log says why',
    );
    await provider.encrypt(false);
    await page.context().close();
  });

  test('SA-14 signing out here signs out there, and signing out there signs out here', async () => {
    const page = await openPage(browser);
    const enter = async () => {
      await page.goto(`${platform.origin}/upstream/clinic/start`);
      await there(page, 'ada', 'engine-number-one');
      await arrives(page);
    };
    await enter();
    await page.goto(`${platform.origin}/sign-out`);
    await page.click('#confirm-sign-out');
    await page.waitForURL(`${platform.origin}/signed-out/**`).catch(lost(page));
    await page.click('a[href^="/upstream/clinic/sign-out"]');
    await page.waitForURL(`${platform.origin}/signed-out`).catch(lost(page));
    await enter();
    await page.goto(provider.logoutUrl(`${platform.origin}/sign-in`));
    await arrives(page, '/sign-in');
    await page.goto(`${platform.origin}/account`);
    assert.match(page.url(), /\/sign-in/, 'the session here is over');
    const [row] = await platform.database.query<{ reason: string }>(
      `select data ->> 'reason' as reason from events where type = 'session.ended' order by id desc limit 1`,
    );
    assert.equal(row?.reason, 'signed-out-upstream');
    await page.context().close();
  });
});
