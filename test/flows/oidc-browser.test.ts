/** The way to an app and back in a real browser, whose rules for forms and redirects no test double has. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { axe, chromiumPath, launchBrowser, openPage, watchConsole } from '../browser.ts';
import { type Platform, startPlatform } from '../kit.ts';
import { communityFile, Party, passwords, secret } from './oidc-party.ts';

const skip = chromiumPath() ? false : 'Chromium is not installed (tools/peers.sh installs it)';

let platform: Platform;
let browser: Browser;
/** The app: shows what was sent to it. */
const app = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const got = request.method === 'POST' ? Buffer.concat(chunks).toString() : request.url;
    response
      .writeHead(200, { 'content-type': 'text/html' })
      .end(`<title>app</title><p id="got">${encodeURIComponent(got ?? '')}</p>`);
  });
});
let origin = '';

before(async () => {
  if (skip) return;
  app.listen(0, '127.0.0.1');
  await once(app, 'listening');
  origin = `http://127.0.0.1:${(app.address() as AddressInfo).port}`;
  platform = await startPlatform({ realTime: true });
  await platform.apply(communityFile);
  const entry = (id: string, consent: string) => `
  - id: ${id}
    title: ${id}
    secret: ${secret}
    consent: ${consent}
    oidc: { redirectUris: [${origin}/callback], postLogoutRedirectUris: [${origin}/bye] }`;
  await platform.apply(`applications:${entry('trusted-app', 'trusted')}${entry('asking-app', 'ask')}`);
  browser = await launchBrowser();
});
after(async () => {
  await browser?.close();
  app.close();
  app.closeAllConnections();
});

const party = (id: string) => new Party(platform, { id, redirectUri: `${origin}/callback` });

for (const scripts of [true, false]) {
  const how = scripts ? 'with' : 'without';

  test(`sign in, agree and sign out at apps on another site, ${how} scripts`, {
    skip,
    timeout: 60_000,
  }, async () => {
    const page = await openPage(browser, { scripts });
    const complaints = watchConsole(page);
    const trusted = party('trusted-app');
    await page.goto(trusted.authorizationUrl());
    await page.fill('#username', 'ada');
    await page.fill('#password', passwords.ada);
    await page.click('#sign-in');
    await page.waitForURL(`${origin}/callback?**`);
    const code = new URL(page.url()).searchParams.get('code');
    const tokens = (await trusted.exchange(code!)).body;
    assert.ok(tokens.id_token);

    await page.goto(party('asking-app').authorizationUrl({ prompt: 'consent' }));
    assert.match((await page.textContent('#shared')) ?? '', /ada@example\.org/);
    if (scripts) assert.deepEqual(await axe(page), []);
    await page.click('#deny');
    await page.waitForURL(`${origin}/callback?**`);
    assert.equal(new URL(page.url()).searchParams.get('error'), 'access_denied');
    await page.goto(party('asking-app').authorizationUrl({ prompt: 'consent' }));
    await page.click('#allow');
    await page.waitForURL(`${origin}/callback?**`);
    assert.ok(new URL(page.url()).searchParams.get('code'));

    await page.goto(
      trusted.authorizationUrl({ response_mode: 'form_post', state: '"><img src=x onerror=alert(1)>' }),
    );
    if (!scripts) await page.click('#go-on');
    await page.waitForURL(`${origin}/callback`);
    const got = new URLSearchParams(decodeURIComponent((await page.textContent('#got')) ?? ''));
    assert.ok(got.get('code'));
    assert.equal(got.get('state'), '"><img src=x onerror=alert(1)>');

    const end = `${platform.origin}/oidc/session/end`;
    await page.goto(
      `${end}?client_id=trusted-app&post_logout_redirect_uri=${encodeURIComponent(`${origin}/bye`)}`,
    );
    if (scripts) assert.deepEqual(await axe(page), []);
    await page.click('#sign-out');
    await page.waitForURL(`${origin}/bye`);
    await page.goto(trusted.authorizationUrl({ prompt: 'none' }));
    assert.equal(new URL(page.url()).searchParams.get('error'), 'login_required');
    assert.deepEqual(complaints, []);
    await page.context().close();
  });

  test(`a hint that names the session signs out in one step, ${how} scripts`, {
    skip,
    timeout: 60_000,
  }, async () => {
    const page = await openPage(browser, { scripts });
    const trusted = party('trusted-app');
    await page.goto(trusted.authorizationUrl());
    await page.fill('#username', 'bob');
    await page.fill('#password', passwords.bob);
    await page.click('#sign-in');
    await page.waitForURL(`${origin}/callback?**`);
    const { id_token: hint = '' } = (await trusted.exchange(new URL(page.url()).searchParams.get('code')!))
      .body;
    const query = new URLSearchParams({
      id_token_hint: hint,
      post_logout_redirect_uri: `${origin}/bye`,
      state: 's',
    });
    await page.goto(`${platform.origin}/oidc/session/end?${query}`);
    assert.equal(page.url(), `${origin}/bye?state=s`);
    await page.context().close();
  });
}

test('someone who may not enter sees why, and can change account on the spot', {
  skip,
  timeout: 60_000,
}, async () => {
  const page = await openPage(browser, {});
  const closed = new Party(platform, { id: 'closed' });
  await page.goto(closed.authorizationUrl());
  await page.fill('#username', 'eve');
  await page.fill('#password', passwords.eve);
  await page.click('#sign-in');
  await page.waitForSelector('#problem');
  assert.match((await page.textContent('main')) ?? '', /may not enter this app/);
  assert.deepEqual(await axe(page), []);
  await page.click('main form[action="/switch-account"] button');
  await page.waitForSelector('#password');
  assert.match(page.url(), /\/sign-in\?request=/);
  await page.context().close();
});
