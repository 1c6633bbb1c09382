/** Signing out: the map of what it ended, switching the account, and computers that others use too. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { eventually } from '#test/eventually.ts';
import {
  axe,
  chromiumPath,
  launchBrowser,
  openPage,
  sideways,
  tabThrough,
  watchConsole,
} from '../browser.ts';
import { closeAfterEach, type Platform, startPlatform } from '../kit.ts';
import type { Visitor } from '../visitor.ts';
import { communityFile, Party, passwords, secret } from './oidc-party.ts';

closeAfterEach();

const skip = chromiumPath() ? false : 'Chromium is not installed (tools/peers.sh installs it)';

let platform: Platform;
let browser: Browser;
let origin = '';
/** What each app answers when it is told; `hold` keeps it waiting. */
const answers = new Map<string, number | 'hold'>();
const held: (() => void)[] = [];
const apps = createServer((request, response) => {
  const path = new URL(request.url ?? '', 'http://x').pathname.slice(1);
  request.resume();
  request.on('end', () => {
    const answer = answers.get(path) ?? 200;
    if (answer === 'hold') held.push(() => response.writeHead(200).end());
    else response.writeHead(answer, { 'content-type': 'text/html' }).end('<title>app</title>');
  });
});

before(async () => {
  apps.listen(0, '127.0.0.1');
  await once(apps, 'listening');
  origin = `http://127.0.0.1:${(apps.address() as AddressInfo).port}`;
  platform = await startPlatform({
    realTime: true,
    env: { GATEHOUSE_OUTBOUND_ALLOW: new URL(origin).host },
  });
  await platform.apply(communityFile);
  const app = (id: string, more: string) => `
  - id: ${id}
    title: The ${id} app
    secret: ${secret}
    consent: trusted
${more}
      redirectUris: [${origin}/callback]
      postLogoutRedirectUris: [${origin}/bye]`;
  await platform.apply(`applications:
${app('quick', `    oidc:\n      backchannelLogoutUri: ${origin}/quick`)}
${app('slow', `    oidc:\n      backchannelLogoutUri: ${origin}/slow`)}
${app('stubborn', `    url: ${origin}/stubborn-home\n    oidc:\n      backchannelLogoutUri: ${origin}/stubborn`)}
${app('silent', `    url: ${origin}/silent-home\n    oidc:`)}
${app('cloud', `    signOut: { url: "${origin}/cloud/logout", note: The cloud keeps its own session. }\n    oidc:`)}`);
  if (!skip) browser = await launchBrowser();
});
after(async () => {
  await browser?.close();
  apps.close();
  apps.closeAllConnections();
});

const party = (id: string) => new Party(platform, { id, redirectUri: `${origin}/callback` });

async function usedAll(visitor: Visitor): Promise<void> {
  await visitor.signIn('ada', passwords.ada);
  for (const id of ['quick', 'slow', 'stubborn', 'silent', 'cloud']) await party(id).authorize(visitor);
}

/** The text of one part of the map. */
function part(text: string, id: string): string {
  const from = text.indexOf(`id="map-${id}"`);
  if (from < 0) return '';
  const rest = text.slice(from + 10);
  const to = rest.search(/id="map-|<noscript>|<\/main>/);
  return rest.slice(0, to);
}

/** Looks again until this part of the map says so. */
function until(read: () => Promise<string>, id: string, said: RegExp): Promise<string> {
  return eventually(
    async () => {
      const text = await read();
      return said.test(part(text, id)) && text;
    },
    { what: `${said} below ${id}` },
  );
}

/** Every app answers from now on, also those that are waited for. */
function letGo(): void {
  answers.clear();
  for (const go of held.splice(0)) go();
}

test('SE-03 one click signs out, and the map says what is ended, what was asked and what is not ended from here', async () => {
  answers.set('slow', 'hold').set('stubborn', 400);
  const ada = platform.visitor();
  await usedAll(ada);
  await ada.open('/account');
  const cookies = new Map(ada.cookies);
  const out = await ada.submit({}, '/sign-out');
  assert.match(out.url, /\/signed-out\/[\w-]{43}$/);
  assert.match(out.text, /You are signed out/);
  assert.doesNotMatch(out.text, /Lovelace|ada@example/, 'nothing about the person');
  assert.match(out.text, /Harbour/);
  assert.match(part(out.text, 'asked'), /The quick app|The slow app/);
  assert.match(part(out.text, 'open'), /The silent app/);
  assert.match(part(out.text, 'open'), new RegExp(`href="${origin}/silent-home"`));
  assert.match(part(out.text, 'open'), /The cloud keeps its own session/);
  assert.match(part(out.text, 'open'), new RegExp(`href="${origin}/cloud/logout"`));
  const read = async () => (await ada.open(out.url)).text;
  await until(read, 'ended', /The quick app/);
  const text = await until(read, 'open', /The stubborn app/);
  assert.match(part(text, 'open'), /answered that it did not sign you out/);
  assert.match(part(text, 'asked'), /The slow app/);
  assert.doesNotMatch(part(text, 'asked'), /quick|stubborn/);
  letGo();
  await until(read, 'ended', /The slow app/);
  assert.doesNotMatch(await read(), /id="map-asked"|data-refresh/);
  const kept = await platform.database.query<{ application: string; state: string; answer: string }>(
    `select application, state, answer from oidc_logouts where application <> 'told' order by application`,
  );
  assert.deepEqual(
    kept.map(({ application, state, answer }) => [application, state, answer]),
    [
      ['quick', 'confirmed', 'HTTP 200'],
      ['slow', 'confirmed', 'HTTP 200'],
      ['stubborn', 'failed', 'HTTP 400'],
    ],
  );
  // The old cookie is worth nothing, on the pages and at the apps.
  for (const [name, value] of cookies) ada.cookies.set(name, value);
  assert.match((await ada.open('/account')).url, /\/sign-in\?request=/);
});

test('an app that never answers is given up, and the map says so', async () => {
  answers.set('slow', 503);
  const ada = platform.visitor();
  await ada.signIn('ada', passwords.ada);
  await party('slow').authorize(ada);
  await ada.open('/account');
  const out = await ada.submit({}, '/sign-out');
  const read = async () => (await ada.open(out.url)).text;
  await until(read, 'asked', /We told the app \w+( times)?; it has not/);
  // Its last attempt, some minutes later.
  const [gone] = await platform.database.query<{ attempts: number; answer: string }>(
    `update oidc_logouts set state = 'failed', settled_at = now() where state = 'waiting' returning attempts, answer`,
  );
  answers.clear();
  assert.ok(gone!.attempts > 0);
  assert.equal(gone!.answer, 'HTTP 503');
  const text = await read();
  assert.match(part(text, 'open'), /did not answer, so you may still be signed in there/);
  assert.match(part(text, 'open'), /close all windows of this browser/);
});

test('the map is known by its address alone, and for ten minutes', async () => {
  const still = await startPlatform();
  await still.apply(communityFile);
  const ada = still.visitor();
  await ada.signIn('ada', passwords.ada);
  const out = await ada.submit({}, '/sign-out');
  assert.equal((await still.visitor().open(out.url)).status, 200);
  assert.equal(
    (await still.visitor().open(`${out.url.slice(0, -1)}${out.url.endsWith('A') ? 'B' : 'A'}`)).status,
    410,
  );
  assert.equal((await still.visitor().open(`/signed-out/${'x'.repeat(90)}`)).status, 410);
  const [row] = await still.database.query<{ dump: string }>(
    'select row_to_json(s)::text as dump from sign_outs s',
  );
  assert.ok(!row!.dump.includes(out.url.split('/').at(-1)!), 'the address is not kept');
  still.clock.advance(601_000);
  const over = await still.visitor().open(out.url);
  assert.equal(over.status, 410);
  assert.match(over.text, /This page is over/);
  const guest = still.visitor();
  await guest.open('/signed-out');
  assert.match(guest.page.text, /You are signed out/);
});

test('the cookie dies although the session cannot be ended', async () => {
  const lame = await startPlatform();
  await lame.apply(communityFile);
  const ada = lame.visitor();
  await ada.signIn('ada', passwords.ada);
  await ada.open('/account');
  const before = [...ada.cookies.keys()].some((name) => name.includes('session'));
  await lame.database.query('alter table sign_outs rename to sign_outs_gone');
  const out = await ada.submit({}, '/sign-out');
  assert.equal(out.status, 500);
  assert.ok(before && ![...ada.cookies.keys()].some((name) => name.includes('session')));
  await lame.database.query('alter table sign_outs_gone rename to sign_outs');
});

test('signing out everywhere shows one map for all sessions', async () => {
  const one = platform.visitor();
  await one.signIn('bob', passwords.bob);
  await party('quick').authorize(one);
  const two = platform.visitor();
  await two.signIn('bob', passwords.bob);
  await party('silent').authorize(two);
  await two.open('/account');
  const out = await two.submit({}, '/account/sessions/end-all');
  assert.match(out.url, /\/signed-out\//);
  await until(async () => (await two.open(out.url)).text, 'ended', /The quick app/);
  assert.match(part((await two.open(out.url)).text, 'open'), /The silent app/);
  assert.match((await one.open('/account')).url, /\/sign-in/);
});

test('OA-22 an app that asks without a return address leads to the map, and switching leads back to the app', async () => {
  const ada = platform.visitor();
  await ada.signIn('ada', passwords.ada);
  await party('quick').authorize(ada);
  await ada.open('/oidc/session/end?client_id=quick');
  assert.match(ada.page.text, /main[\s\S]*action="\/switch-account"/);
  const map = await ada.submit({}, '/oidc/session/end/confirm');
  assert.match(map.url, /\/signed-out\//);
  await until(async () => (await ada.open(map.url)).text, 'ended', /The quick app/);
  await ada.signIn('ada', passwords.ada);
  await ada.open('/oidc/session/end?client_id=silent');
  const seen = await ada.submit({}, '/switch-account');
  assert.match(seen.url, /\/sign-in\?request=/);
  assert.match(seen.text, /The silent app/, 'what was asked for is not lost');
});

test('SE-10 switching the account by the header goes on with what the app asked', async () => {
  const ada = platform.visitor();
  await ada.signIn('ada', passwords.ada);
  const asking = new Party(platform, { id: 'commons' });
  await ada.open(asking.authorizationUrl());
  assert.match(ada.page.url, /\/oidc\/interaction\//);
  await ada.submit({}, '/switch-account');
  assert.match(ada.page.text, /Commons/);
  await ada.submit({ username: 'bob', password: passwords.bob }, '/sign-in');
  assert.match(ada.page.url, /\/oidc\/interaction\//);
  const back = await ada.submit(
    {},
    ada.formOf().action.includes('allow') ? undefined : /action="([^"]*allow)"/.exec(ada.page.text)![1],
  );
  const code = new URL(back.headers.get('location')!).searchParams.get('code')!;
  const tokens = (await asking.exchange(code)).body;
  assert.equal((await asking.userinfo(tokens.access_token)).body.preferred_username, 'bob');
});

test('prompt=select_account asks which account, even where one is signed in', async () => {
  const ada = platform.visitor();
  await ada.signIn('ada', passwords.ada);
  await ada.open(party('quick').authorizationUrl({ prompt: 'select_account' }));
  assert.match(ada.page.text, /Which account\?/);
  assert.match(ada.page.text, /Use another account/);
});

test('SE-06 leaving or restarting a sign-in that was asked anew changes nothing in the running session', async () => {
  const ada = platform.visitor();
  await ada.signIn('ada', passwords.ada);
  await ada.open(party('quick').authorizationUrl({ prompt: 'login' }));
  assert.match(ada.page.url, /\/sign-in\?request=/);
  await ada.submit({ username: 'bob', password: 'not-his-password' }, '/sign-in');
  await ada.open(party('quick').authorizationUrl({ prompt: 'login' }));
  assert.match((await ada.open('/account')).text, /Ada Lovelace/);
});

test('a path that is not there offers the way out to whoever is signed in, and to nobody else', async () => {
  const ada = platform.visitor();
  assert.doesNotMatch((await ada.open('/nowhere')).text, /action="\/sign-out"/);
  await ada.signIn('ada', passwords.ada);
  const seen = await ada.open('/nowhere');
  assert.equal(seen.status, 404);
  assert.match(seen.text, /Ada Lovelace/);
  assert.match((await ada.submit({}, '/switch-account')).url, /\/sign-in$/);
});

test('a computer that others use too: short, nothing remembered, the way out loud on every page', async () => {
  const still = await startPlatform();
  await still.apply(communityFile);
  const ada = still.visitor();
  await ada.open('/sign-in');
  assert.match(ada.page.text, /Others use this computer too/);
  const answer = await ada.request('/sign-in', {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: still.origin },
    body: new URLSearchParams({
      ...ada.formOf('/sign-in').fields,
      username: 'ada',
      password: passwords.ada,
      remember: 'on',
      shared: 'on',
    }).toString(),
  });
  const set = answer.headers.getSetCookie();
  const session = set.find((one) => one.startsWith('gatehouse-session'));
  assert.ok(session && !/max-age/i.test(session), 'the cookie goes with the browser');
  assert.ok(!set.some((one) => one.startsWith('gatehouse-device')));
  assert.deepEqual(await still.database.query('select 1 from known_devices'), []);
  for (const url of ['/account', '/apps', '/account/profile', '/nowhere', '/sign-out'])
    assert.match((await ada.open(url)).text, /id="sign-out-loud"/, url);
  // Used all the time, it still ends after its minutes.
  for (let minute = 0; minute < 29; minute += 1) {
    still.clock.advance(60_000);
    assert.equal((await ada.open('/account')).url, `${still.origin}/account`);
  }
  still.clock.advance(61_000);
  assert.match((await ada.open('/account')).url, /\/sign-in/);
  await still.apply('community:\n  name: Harbour\n  sessions: { sharedMinutes: 0 }\n');
  assert.doesNotMatch((await ada.open('/sign-in')).text, /Others use this computer/);
});

test('an hour, a day, a month: only what the community offers, and the server keeps the time', async () => {
  const still = await startPlatform();
  await still.apply(communityFile);
  await still.apply('community:\n  name: Harbour\n  sessions: { choices: [day, hour, month] }\n');
  const cases: [string, number][] = [
    ['hour', 3600],
    ['day', 86_400],
    ['month', 30 * 86_400],
    ['week', 24 * 3600],
    ['', 24 * 3600],
  ];
  for (const [stay, seconds] of cases) {
    const ada = still.visitor();
    await ada.open('/sign-in');
    assert.match(ada.page.text, /for an hour[\s\S]*for a month/);
    await ada.submit({ username: 'ada', password: passwords.ada, stay, remember: 'on' }, '/sign-in');
    const [row] = await still.database.query<{ lasts: number; persistent: boolean }>(
      `select extract(epoch from expires_at - created_at)::integer as lasts, persistent from sessions
       order by created_at desc, id desc limit 1`,
    );
    const offered = stay !== '' && stay !== 'week';
    assert.deepEqual([row!.lasts, row!.persistent], [seconds, offered], stay);
    await ada.submit({}, '/sign-out');
  }
});

test('SE-05 back and reload after signing out show nothing of the person, in a real browser', {
  skip,
  timeout: 60_000,
}, async () => {
  const page = await signedInPage({});
  const complaints = watchConsole(page);
  await page.goto(`${platform.origin}/account/profile`);
  await page.goto(`${platform.origin}/account`);
  await page.click('#sign-out');
  await page.waitForURL(/\/signed-out\//);
  const personal = /Lovelace|ada@example/;
  for (let back = 0; back < 3; back += 1) {
    await page.goBack();
    assert.doesNotMatch(await page.content(), personal);
  }
  await page.reload();
  assert.doesNotMatch(await page.content(), personal);
  assert.deepEqual(complaints, []);
  await page.context().close();
});

async function signedInPage(options: Parameters<typeof openPage>[1]): Promise<Page> {
  const page = await openPage(browser, options);
  await page.goto(`${platform.origin}/sign-in`);
  await page.fill('#username', 'ada');
  await page.fill('#password', passwords.ada);
  await page.click('#sign-in');
  await page.waitForURL(/\/account$/);
  return page;
}

for (const [width, scheme, scripts] of [
  [360, 'dark', true],
  [1280, 'light', true],
  [1280, 'light', false],
] as const) {
  test(`the map in a browser: ${width} px, ${scheme}, ${scripts ? 'it follows the answers by itself' : 'looked at again by hand'}`, {
    skip,
    timeout: 60_000,
  }, async () => {
    answers.set('slow', 'hold');
    const page = await signedInPage({ width, scheme, scripts });
    for (const id of ['slow', 'cloud', 'quick']) await page.goto(party(id).authorizationUrl());
    await page.goto(`${platform.origin}/account`);
    await page.click('#sign-out');
    await page.waitForSelector('#map-asked');
    assert.equal(await sideways(page), 0);
    if (scripts) {
      const complaints = watchConsole(page);
      assert.deepEqual(await axe(page), []);
      const { missed, blind } = await tabThrough(page);
      assert.deepEqual([missed, blind], [[], []]);
      letGo();
      await page.waitForSelector('#map-asked', { state: 'detached' });
      assert.match((await page.textContent('#map-ended')) ?? '', /The slow app/);
      assert.deepEqual(complaints, []);
    } else {
      letGo();
      await eventually(async () => {
        const again = page.locator('noscript a');
        if ((await again.count()) > 0) await again.click();
        return (await page.locator('#map-asked').count()) === 0;
      });
    }
    assert.match((await page.textContent('#map-open')) ?? '', /Sign out of The cloud app/);
    await page.context().close();
  });
}
