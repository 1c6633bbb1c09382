/** The way to SAML apps and back in a real browser, whose rules for forms, redirects and cookies no test double has. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { decodePost, decodeRedirect, encodeRedirect } from '#wire/saml/bindings.ts';
import { makeLogoutRequest, makeLogoutResponse } from '#wire/saml/logout.ts';
import { makeAuthnRequest } from '#wire/saml/requests.ts';
import { STATUS } from '#wire/saml/saml.ts';
import { verifyRedirect } from '#wire/saml/signature.ts';
import { axe, chromiumPath, launchBrowser, openPage, watchConsole } from '../browser.ts';
import { type Platform, startPlatform } from '../kit.ts';
import { communityFile, inline, newId, passwords, publishedCertificates, samlKey } from './saml-party.ts';

const skip = chromiumPath() ? false : 'Chromium is not installed (tools/peers.sh installs it)';
const key = await samlKey();

let platform: Platform;
let browser: Browser;
/** Each app is two sites: where answers are taken, and where people work. */
const servers: Server[] = [];
const places: { site: string; home: string }[] = [];
let seen: string[] = [];

async function listen(
  host: string,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(answer).listen(0, host);
  servers.push(server);
  await once(server, 'listening');
  return `http://${host}:${(server.address() as AddressInfo).port}`;
}

/** Takes an answer and sends the person on to its other site; takes sign-outs and answers them by Redirect. */
async function startApp(): Promise<void> {
  const home = await listen('127.0.0.2', (_request, response) => {
    const page = '<!doctype html><title>home</title><p id="home">home</p>';
    response.writeHead(200, { 'content-type': 'text/html' }).end(page);
  });
  const mine = { site: '', home };
  mine.site = await listen('127.0.0.1', (request, response) => void take(mine, request, response));
  places.push(mine);
}

async function take(
  mine: { site: string; home: string },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '', mine.site);
  const to = (location: string) => response.writeHead(303, { location }).end();
  if (url.pathname === '/acs') {
    seen.push((await text(request)).includes('SAMLResponse') ? 'answer' : 'nothing');
    return void to(`${mine.home}/`);
  }
  if (url.pathname !== '/slo') return void response.writeHead(204).end();
  const given =
    request.method === 'POST'
      ? decodePost(Object.fromEntries(new URLSearchParams(await text(request))))
      : decodeRedirect(url.search.slice(1));
  if (given.name === 'SAMLResponse') {
    seen.push(
      verifyRedirect(url.search.slice(1), await publishedCertificates(platform.origin)) ? 'signed' : 'forged',
    );
    return void to(`${mine.home}/bye`);
  }
  seen.push('sign-out');
  const xml = makeLogoutResponse({
    id: newId(),
    issuer: `${mine.site}/saml`,
    issueInstant: new Date(),
    destination: `${platform.origin}/saml/slo`,
    inResponseTo: /\bID="([^"]+)"/.exec(given.xml)![1]!,
    status: STATUS.success,
  });
  to(encodeRedirect(`${platform.origin}/saml/slo`, { name: 'SAMLResponse', xml }, given.relayState, key));
}

before(async () => {
  if (skip) return;
  platform = await startPlatform({ realTime: true });
  for (const _ of ['redirect', 'post']) await startApp();
  const bindings = ['redirect', 'post'];
  const apps = places.map(
    ({ site }, index) => `  - { id: app-${bindings[index]}, title: App ${bindings[index]}, consent: trusted,
      saml: { entityId: "${site}/saml", acsUrls: ["${site}/acs"], sloUrl: "${site}/slo", sloBinding: ${bindings[index]}, certificates: [${inline(key)}] } }`,
  );
  await platform.apply(communityFile(apps.join('\n')));
  browser = await launchBrowser();
});
after(async () => {
  await browser?.close();
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
});

function requestOf({ site }: { site: string }): string {
  const xml = makeAuthnRequest({
    id: newId(),
    issuer: `${site}/saml`,
    issueInstant: new Date(),
    destination: `${platform.origin}/saml/sso`,
    acsUrl: `${site}/acs`,
  });
  return encodeRedirect(`${platform.origin}/saml/sso`, { name: 'SAMLRequest', xml }, 'here', key);
}

async function enterAll(page: Page, scripts: boolean): Promise<void> {
  for (const [index, app] of places.entries()) {
    await page.goto(requestOf(app));
    if (index === 0) {
      await page.fill('#username', 'ada');
      await page.fill('#password', passwords.ada);
      await page.click('#sign-in');
    }
    if (!scripts) await page.click('#go-on');
    await page.waitForURL(`${app.home}/`);
  }
}

for (const scripts of [true, false]) {
  const how = scripts ? 'with' : 'without';

  test(`into apps that send people on to another site, and out of all of them, ${how} scripts`, {
    skip,
    timeout: 90_000,
  }, async () => {
    seen = [];
    const page = await openPage(browser, { scripts });
    const complaints = watchConsole(page);
    await enterAll(page, scripts);
    assert.deepEqual(seen, ['answer', 'answer']);
    await page.goto(`${platform.origin}/sign-out`);
    await page.click('#confirm-sign-out');
    if (!scripts) await page.click('#go-on');
    await page.waitForURL(`${platform.origin}/signed-out/**`);
    assert.deepEqual(seen, ['answer', 'answer', 'sign-out', 'sign-out']);
    const rows = await platform.database.query<{ state: string }>(
      'select state from saml_logouts order by created_at desc limit 2',
    );
    assert.deepEqual(
      rows.map((row) => row.state),
      ['ended', 'ended'],
    );
    if (scripts) assert.deepEqual(await axe(page), []);
    assert.deepEqual(
      complaints.filter((one) => !one.includes('favicon')),
      [],
    );
    await page.context().close();
  });

  test(`an app begins it: the other one is asked, and the first gets the browser back, ${how} scripts`, {
    skip,
    timeout: 90_000,
  }, async () => {
    const page = await openPage(browser, { scripts });
    await enterAll(page, scripts);
    const [first] = places;
    const [name] = await platform.database.query<{
      name_id: string;
      session_index: string;
      name_format: string;
    }>(
      `select name_id, session_index, name_format from saml_sessions where application = 'app-redirect' order by created_at desc limit 1`,
    );
    const xml = makeLogoutRequest({
      id: newId(),
      issuer: `${first!.site}/saml`,
      issueInstant: new Date(),
      destination: `${platform.origin}/saml/slo`,
      nameId: { value: name!.name_id, format: name!.name_format },
      sessionIndexes: [name!.session_index],
    });
    // A quote is a letter that addresses may be written with in two ways, and a signature knows but one.
    await page.goto(
      encodeRedirect(`${platform.origin}/saml/slo`, { name: 'SAMLRequest', xml }, "it's (me)!*", key),
    );
    if (!scripts) await page.click('#go-on');
    await page.waitForURL(`${first!.home}/bye`);
    assert.equal(seen.at(-1), 'signed');
    await page.goto(`${platform.origin}/account`);
    assert.match(page.url(), /\/sign-in/);
    await page.context().close();
  });
}
