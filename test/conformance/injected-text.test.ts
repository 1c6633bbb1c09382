/**
 * FE-04: whatever text a person, an operator or an app brings, on every page it is text. In a real browser with the
 * policy of the pages switched off, so that what is proved is the escaping and not the second wall behind it.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { chromiumPath, launchBrowser } from '#test/browser.ts';
import { Party, secret } from '#test/flows/oidc-party.ts';
import { type Platform, startPlatform } from '#test/kit.ts';

const skip = chromiumPath() ? false : 'Chromium is not installed (tools/peers.sh installs it)';
const password = 'plum violin tractor';

/** Each breaks out of several places at once: content, attributes, raw text, scripts, comments, templates. */
const payloads = [
  `"'></title></script><img src=x onerror=alert(1)>`,
  '--></style></textarea><script>alert(2)</script>',
  `" autofocus onfocus=alert(3) x='&lt;b&gt;\${alert(4)}`,
];
/** What an app may say of its own has no such bounds. */
const allAtOnce = `${payloads.join(' ')} '><svg onload=alert(5)> {{constructor.alert(6)}} \u2028\\"`;

let platform: Platform;
let browser: Browser;
let origin = '';
/** The app, which keeps what is posted to it. */
let posted = new URLSearchParams();
const app = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    if (request.method === 'POST') posted = new URLSearchParams(Buffer.concat(chunks).toString());
    response.writeHead(200, { 'content-type': 'text/html' }).end('<title>the app</title>');
  });
});

before(async () => {
  if (skip) return;
  app.listen(0, '127.0.0.1');
  await once(app, 'listening');
  origin = `http://127.0.0.1:${(app.address() as AddressInfo).port}`;
  platform = await startPlatform({ realTime: true });
  browser = await launchBrowser();
});
after(async () => {
  await browser?.close();
  app.close();
  app.closeAllConnections();
});

/** The house with this text wherever an operator or a person may put text. */
function houseOf(text: string): string {
  const entry = (id: string, more: object = {}) => ({
    id,
    title: text,
    description: text,
    secret,
    oidc: { redirectUris: [`${origin}/callback`] },
    ...more,
  });
  return JSON.stringify({
    community: {
      name: text,
      announcement: text,
      contact: text,
      links: [{ title: text.slice(0, 40), url: 'https://example.org/' }],
    },
    attributes: [{ name: 'note', type: 'text', title: text, releasedTo: ['*'] }],
    groups: [{ name: text.replaceAll(',', ''), title: text, description: text }],
    applications: [
      entry('asking', { release: { claims: ['name', 'username', 'email', 'groups'], groups: 'all' } }),
      entry('trusted', { consent: 'trusted' }),
      entry('silent', { consent: 'trusted', url: undefined }),
      entry('closed', { access: { groups: ['nobody-here'] } }),
    ],
    people: [
      {
        username: 'ada',
        names: { givenName: text, familyName: text, displayName: text },
        password,
        addresses: ['ada@example.org'],
        groups: [text.replaceAll(',', '')],
        attributes: { note: text },
      },
    ],
  });
}

/** A page on which nothing of the kind may happen; `alarms` fills when it does. */
async function watchedPage(): Promise<{ page: Page; alarms: string[] }> {
  const context = await browser.newContext({ bypassCSP: true, locale: 'en-GB' });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const alarms: string[] = [];
  page.on('dialog', (dialog) => {
    alarms.push(`dialog ${dialog.message()} on ${page.url()}`);
    void dialog.dismiss();
  });
  return { page, alarms };
}

/** What the text would have made of the page: elements and handlers that are never ours. */
function intruders(page: Page): Promise<string[]> {
  return page.evaluate(() =>
    [...document.querySelectorAll('*')]
      .filter(
        (one) =>
          [...one.attributes].some(({ name }) => name.startsWith('on')) || one.getAttribute('src') === 'x',
      )
      .map((one) => one.outerHTML.slice(0, 200)),
  );
}

async function look(page: Page, url: string, seen: { alarms: string[]; text?: string }): Promise<void> {
  if (url) await page.goto(url);
  for (const found of await intruders(page)) seen.alarms.push(`${page.url()}: ${found}`);
  if (seen.text === undefined) return;
  const shown = await page.evaluate(() => `${document.title}\n${document.body.textContent}`);
  const plain = (text: string) => text.replaceAll(/\s+/g, ' ').toLowerCase();
  assert.ok(plain(shown).includes(plain(seen.text)), `${page.url()} shows ${seen.text} as it is`);
}

test('FE-04 a browser without our policy would notice: the watch itself works', { skip }, async () => {
  const { page, alarms } = await watchedPage();
  await page.goto(`${platform.origin}/sign-in`);
  for (const payload of [payloads[0]!, '"><svg onload=alert(5)>']) {
    await page.evaluate(
      (text) => document.body.insertAdjacentHTML('beforeend', `<p title="${text}">${text}</p>`),
      payload,
    );
    await page.waitForTimeout(200);
  }
  assert.match(alarms.join(), /dialog 1/);
  assert.match(alarms.join(), /dialog 5/);
  assert.ok((await intruders(page)).length >= 2);
  await page.context().close();
});

for (const [index, text] of payloads.entries()) {
  test(`FE-04 text ${index + 1} stays text: names, groups, apps, the community, consent, refusals, form_post`, {
    skip,
    timeout: 90_000,
  }, async () => {
    await platform.apply(houseOf(text));
    const { page, alarms } = await watchedPage();
    const party = (id: string) => new Party(platform, { id, redirectUri: `${origin}/callback` });
    const shown = { alarms, text };
    for (const path of ['/sign-in', '/sign-up', '/recover', '/nowhere'])
      await look(page, platform.origin + path, shown);
    await page.goto(`${platform.origin}/sign-in`);
    await page.fill('#username', text);
    await page.fill('#password', text);
    await page.click('#sign-in');
    await look(page, '', { alarms });
    await page.fill('#username', 'ada');
    await page.fill('#password', password);
    await page.click('#sign-in');
    await page.waitForURL(`${platform.origin}/account`);
    for (const path of ['/account', '/account/profile', '/account/addresses', '/account/security', '/apps'])
      await look(page, platform.origin + path, shown);
    await look(page, `${platform.origin}/go/closed`, { alarms });
    await look(page, party('closed').authorizationUrl({ state: allAtOnce }), { alarms });

    // Consent: the app, the person and the groups are all on it; allowing posts the answer to the app.
    await look(
      page,
      party('asking').authorizationUrl({
        response_mode: 'form_post',
        state: allAtOnce,
        scope: 'openid profile email groups',
        prompt: 'consent',
      }),
      shown,
    );
    posted = new URLSearchParams();
    await page.click('#allow');
    await page.waitForURL(`${origin}/callback`);
    assert.equal(posted.get('state'), allAtOnce);
    assert.ok(posted.get('code'));

    // The page that posts, held still: its script is ours, so it is kept from running by keeping all from running.
    const still = await browser.newContext({
      javaScriptEnabled: false,
      storageState: await page.context().storageState(),
    });
    const held = await still.newPage();
    const elements = async (state: string) => {
      await held.goto(party('trusted').authorizationUrl({ response_mode: 'form_post', state }));
      assert.equal(await held.inputValue('input[name=state]'), state);
      return held.locator('*').count();
    };
    assert.equal(
      await elements(allAtOnce),
      await elements('plain'),
      'no element more than with a plain state',
    );
    await still.close();

    // An error goes back the same way.
    posted = new URLSearchParams();
    const refused = { response_mode: 'form_post', prompt: 'none', max_age: '0', state: allAtOnce };
    await page.waitForTimeout(1100);
    await page.goto(party('trusted').authorizationUrl(refused));
    await page.waitForURL(`${origin}/callback`);
    assert.deepEqual([posted.get('error'), posted.get('state')], ['login_required', allAtOnce]);

    await look(
      page,
      `${platform.origin}/oidc/session/end?client_id=trusted&state=${encodeURIComponent(allAtOnce)}`,
      { alarms },
    );
    await page.click('#sign-out');
    await look(page, '', { alarms });
    await page.waitForTimeout(100);
    assert.deepEqual(alarms, []);
    await page.context().close();
  });
}
