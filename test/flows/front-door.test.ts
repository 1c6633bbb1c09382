/** Links that lead into apps: signed in here first, and landed there, whichever way the app wants to be entered. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import type { Browser } from 'playwright-core';
import {
  axe,
  chromiumPath,
  launchBrowser,
  openPage,
  sideways,
  tabThrough,
  watchConsole,
} from '../browser.ts';
import { type Platform, startPlatform } from '../kit.ts';
import { communityFile, Party, passwords, secret } from './oidc-party.ts';

const skip = chromiumPath() ? false : 'Chromium is not installed (tools/peers.sh installs it)';

let platform: Platform;
let browser: Browser | undefined;
let origin = '';
/** The app; at /start it begins a sign-in as it was asked to (OpenID Connect Core §4). */
const app = createServer((request, response) => {
  const url = new URL(request.url ?? '/', origin);
  if (url.pathname !== '/start') {
    response.writeHead(200, { 'content-type': 'text/html' });
    response.end(`<title>app</title><p id="at">${encodeURIComponent(url.href)}</p>`);
    return;
  }
  const asked = new Party(platform, { id: 'starts', redirectUri: `${origin}/callback` });
  const hint = url.searchParams.get('login_hint') ?? undefined;
  const location = asked.authorizationUrl({
    login_hint: hint,
    state: url.searchParams.get('target_link_uri') ?? '',
  });
  response.writeHead(303, { location }).end();
});

before(async () => {
  app.listen(0, '127.0.0.1');
  await once(app, 'listening');
  origin = `http://127.0.0.1:${(app.address() as AddressInfo).port}`;
  platform = await startPlatform({ realTime: true });
  await platform.apply(communityFile);
  await platform.apply(`community:
  name: Harbour
  links: [{ title: Status of everything, url: "https://status.example.org/" }]
applications:
  - id: starts
    title: Starts by itself
    description: Where issues are kept.
    url: ${origin}/home
    secret: ${secret}
    consent: trusted
    oidc: { redirectUris: [${origin}/callback], initiateLoginUri: "${origin}/start?own=1" }
  - id: nameless
    title: Hears no names
    url: ${origin}/nameless
    secret: ${secret}
    release: { claims: [email] }
    oidc: { redirectUris: [${origin}/callback], initiateLoginUri: "${origin}/start" }
  - id: plain
    title: Äpfel & Birnen
    url: ${origin}/plain?x=1
  - id: staff-only
    title: For staff
    url: ${origin}/staff
    access: { groups: [staff] }
  - id: resting
    title: Resting
    url: ${origin}/resting
    enabled: false
`);
});
after(async () => {
  await browser?.close();
  app.close();
  app.closeAllConnections();
});

async function ada(name: keyof typeof passwords = 'ada') {
  const visitor = platform.visitor();
  await visitor.signIn(name, passwords[name]);
  return visitor;
}

test('an app that starts sign-ins is told who asks, whom to expect and where they want to be', async () => {
  const visitor = await ada();
  const leads = async (path: string) => new URL((await visitor.request(path)).headers.get('location')!);
  const start = await leads('/go/starts');
  assert.equal(start.origin + start.pathname, `${origin}/start`);
  assert.deepEqual(Object.fromEntries(start.searchParams), {
    own: '1',
    iss: platform.origin,
    login_hint: 'ada',
    target_link_uri: `${origin}/home`,
  });
  assert.equal(
    (await leads('/go/starts?to=/issue/7')).searchParams.get('target_link_uri'),
    `${origin}/issue/7`,
  );
  assert.equal(
    (await leads('/go/nameless')).searchParams.get('login_hint'),
    null,
    'no name it does not hear anyway',
  );
});

test('an app with an address alone is opened there, and its last use is kept', async () => {
  const visitor = await ada('bob');
  assert.match((await visitor.open('/apps')).text, /Äpfel &amp; Birnen[\s\S]*?not used yet/);
  const seen = await visitor.request('/go/plain');
  assert.equal(seen.headers.get('location'), `${origin}/plain?x=1`);
  assert.equal(
    (await visitor.request('/go/plain?to=/deep?y=2')).headers.get('location'),
    `${origin}/deep?y=2`,
  );
  const tile = /class="tile" href="\/go\/plain"[\s\S]*?<\/a>/.exec((await visitor.open('/apps')).text)![0];
  assert.match(tile, /<span class="letter" aria-hidden="true">Ä<\/span>/);
  assert.match(tile, /used <time/);
  const map = await visitor.submit({}, '/sign-out');
  assert.match(map.text, /map-open[\s\S]*Äpfel &amp; Birnen/, 'it has a session of its own');
});

test('FE-05 a link leads to the app and nowhere else', async () => {
  const visitor = await ada();
  const elsewhere = [
    'https://evil.example/',
    '//evil.example/',
    '/\\evil.example',
    '\\\\evil.example',
    '/%5cevil.example',
    '/\t/evil.example',
    '/%09/evil.example',
    'javascript:alert(1)',
    'data:text/html,x',
    '/..//evil.example',
    '/.//evil.example',
    '@evil.example',
    ':80@evil.example',
    '.evil.example',
    '/@evil.example/..//evil.example',
    'http:evil.example',
    '/%2f/evil.example',
    '\u0000/',
    '',
    '/ok\r\nlocation: https://evil.example',
    `/${'a'.repeat(3000)}`,
  ];
  for (const to of elsewhere) {
    for (const id of ['plain', 'starts']) {
      for (const more of ['', '&arrived=1']) {
        const seen = await visitor.request(`/go/${id}?to=${encodeURIComponent(to)}${more}`);
        const way =
          seen.headers.get('location') ?? seen.headers.get('refresh')?.slice('0; url='.length) ?? origin;
        const url = new URL(way, platform.origin);
        assert.equal(url.origin, origin, `${id} ${to}`);
        const target = url.searchParams.get('target_link_uri');
        if (target) assert.equal(new URL(target).origin, origin, `${id} ${to}`);
      }
    }
  }
  for (const query of ['url=', 'next=', 'return_to=', 'target_link_uri=', 'RelayState=', 'to=/a&to='])
    assert.equal(
      new URL((await visitor.request(`/go/plain?${query}https://evil.example/`)).headers.get('location')!)
        .origin,
      origin,
    );
});

test('no app of that name, no access, switched off: a page that says so, with the ways on', async () => {
  const eve = await ada('eve');
  const unknown = await eve.open('/go/nothing-here');
  assert.equal(unknown.status, 404);
  assert.match(unknown.text, /The link names no app of Harbour/);
  assert.match(unknown.text, /href="\/apps"/);
  const refused = await eve.open('/go/staff-only');
  assert.equal(refused.status, 403);
  assert.match(refused.text, /You cannot enter For staff/);
  assert.match(refused.text, /may not enter this app/);
  assert.match(refused.text, /id="reference"/);
  const sign = await eve.submit({}, '/switch-account');
  assert.match(sign.text, /For staff/, 'another account goes on to the app');
  const there = await eve.submit({ username: 'bob', password: passwords.bob }, '/sign-in');
  assert.match(there.url, /\/go\/staff-only\?arrived=1$/);
  assert.equal(there.headers.get('refresh'), `0; url=${origin}/staff`);
  assert.equal((await eve.open('/go/resting')).status, 403);
  for (const odd of ['/go/%00', `/go/${'x'.repeat(90)}`, '/go/__proto__', '/go/constructor', '/go/..'])
    assert.ok((await eve.open(odd)).status < 500, odd);
});

test('the header leads to all services: the apps this person may enter, and what the community links to', async () => {
  const visitor = await ada('eve');
  const page = await visitor.open('/account');
  const menu = /<details class="menu">[\s\S]*?<\/details>/.exec(page.text)![0];
  for (const [link, there] of [
    ['/go/starts', true],
    ['/go/plain', true],
    ['/go/staff-only', false],
    ['/go/resting', false],
    ['/apps', true],
    ['https://status.example.org/', true],
  ] as const)
    assert.equal(menu.includes(`href="${link}"`), there, link);
  assert.match((await platform.visitor().open('/sign-in')).text, /href="https:\/\/status\.example\.org\/"/);
});

for (const [scripts, width, scheme] of [
  [true, 360, 'dark'],
  [true, 1280, 'light'],
  [false, 1280, 'light'],
] as const) {
  test(`from the link through signing in to the app, in a browser (${width} px, ${scheme}, ${scripts ? 'with' : 'without'} scripts)`, {
    skip,
    timeout: 60_000,
  }, async () => {
    browser ??= await launchBrowser();
    const page = await openPage(browser, { scripts, width, scheme });
    const complaints = watchConsole(page);
    await page.goto(`${platform.origin}/go/starts?to=/issue/7`);
    assert.match((await page.textContent('main')) ?? '', /Starts by itself/);
    await page.fill('#username', 'ada');
    await page.fill('#password', passwords.ada);
    await page.click('#sign-in');
    await page.waitForURL(`${origin}/callback?**`);
    assert.ok(new URL(page.url()).searchParams.get('code'));
    assert.equal(new URL(page.url()).searchParams.get('state'), `${origin}/issue/7`);
    await page.goto(`${platform.origin}/go/plain`);
    assert.equal(page.url(), `${origin}/plain?x=1`);
    await page.goto(`${platform.origin}/apps`);
    assert.equal(await sideways(page), 0);
    if (scripts) {
      assert.deepEqual(await axe(page), []);
      const { missed, blind } = await tabThrough(page);
      assert.deepEqual([missed, blind], [[], []]);
    }
    await page.click('details.menu > summary');
    assert.equal(await sideways(page), 0);
    // What an open menu lies over on a phone is there again when it closes.
    const found = scripts ? await axe(page) : [];
    assert.deepEqual(
      found.filter(({ id }) => id !== 'target-size' || width > 500),
      [],
    );
    await page.click('details.menu a[href="/go/plain"]');
    await page.waitForURL(`${origin}/plain?x=1`);
    await page.goto(`${platform.origin}/go/nothing-here`);
    if (scripts) assert.deepEqual(await axe(page), []);
    assert.deepEqual(
      complaints.filter((one) => !/404/.test(one)),
      [],
    );
    await page.context().close();
  });
}

test('someone who signs in on the way to an app they may not enter reads why', {
  skip,
  timeout: 60_000,
}, async () => {
  browser ??= await launchBrowser();
  const page = await openPage(browser, { width: 360 });
  await page.goto(`${platform.origin}/go/staff-only`);
  await page.fill('#username', 'eve');
  await page.fill('#password', passwords.eve);
  await page.click('#sign-in');
  await page.waitForSelector('#problem');
  assert.deepEqual(await axe(page), []);
  assert.equal(await sideways(page), 0);
  await page.context().close();
});
