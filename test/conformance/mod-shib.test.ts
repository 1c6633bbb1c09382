/**
 * Apache with mod_shib and shibd as an app: OpenSAML validates our metadata by its schema and what we sign and encrypt
 * by its own code; a real browser carries it between two sites.
 */
import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { chromiumPath, launchBrowser, openPage } from '#test/browser.ts';
import { eventually, inTheEnd } from '#test/eventually.ts';
import { communityFile, passwords } from '#test/flows/saml-party.ts';
import { freePort, type Platform, startPlatform } from '#test/kit.ts';
import { type Apache, apacheMissing, startApache } from '#test/peers/apache.ts';
import { makeCertificates, opensslMissing, trustAuthority } from '#test/peers/certificates.ts';
import { type Shibboleth, shibbolethMissing, startShibboleth } from '#test/peers/shibboleth.ts';
import { samlKey } from '#test/saml.ts';

const modules = ['ssl', 'authn_core', 'authz_user', 'include'];
const noBrowser = chromiumPath() ? undefined : 'Chromium is not installed (tools/peers.sh installs it)';
const missing = apacheMissing([...modules, 'shib']) ?? shibbolethMissing() ?? opensslMissing() ?? noBrowser;

const shown = ['REMOTE_USER', 'persistent-id', 'givenName', 'groups', 'Shib-AuthnContext-Class'];
const page = shown.map((name) => `${name}=<!--#echo encoding="none" var="${name}" -->\n`).join('');

describe('Apache with mod_shib', { skip: missing ?? false }, () => {
  let directory: string;
  let platform: Platform;
  let apache: Apache;
  let shibboleth: Shibboleth;
  let browser: Browser;
  let portal: string;

  before(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'apache-shib-'));
    const file = (name: string) => path.join(directory, name);
    const certificates = await makeCertificates(directory);
    trustAuthority(certificates.caFile);
    await chmod(directory, 0o777);
    const port = await freePort();
    portal = `https://127.0.0.1:${port}`;
    platform = await startPlatform({
      realTime: true,
      env: { GATEHOUSE_OUTBOUND_ALLOW: `127.0.0.1:${port}` },
    });
    const idpEntityId = `${platform.origin}/saml/metadata`;
    const { key, certificate } = await samlKey({ name: 'portal' });
    await writeFile(file('sp.key'), key);
    await writeFile(file('sp.pem'), certificate);
    await writeFile(file('idp.xml'), await (await fetch(idpEntityId)).text());
    shibboleth = await startShibboleth({
      directory,
      port: await freePort(),
      entityId: `${portal}/sp`,
      keyFile: file('sp.key'),
      certificateFile: file('sp.pem'),
      idpFile: file('idp.xml'),
      idpEntityId,
      attributes: ['username', 'givenName', 'groups'],
    });
    apache = await startApache({
      ports: [port],
      modules,
      pages: { 'inside/who.shtml': page, 'bye.html': 'See you.', 'favicon.ico': '' },
      configuration: `
        LoadModule mod_shib /usr/lib/apache2/modules/mod_shib.so
        ShibConfig ${shibboleth.configurationFile}
        UseCanonicalName On
        ServerName https://127.0.0.1:${port}
        SSLEngine on
        SSLCertificateFile ${certificates.certificateFile}
        SSLCertificateKeyFile ${certificates.keyFile}
        AddType text/html .shtml
        AddOutputFilter INCLUDES .shtml
        <Location /inside>
          Options +Includes
          AuthType shibboleth
          ShibRequestSetting requireSession 1
          Require shib-session
        </Location>`,
    });
    // Apache answers before what it asks is ready.
    await inTheEnd(async () => (await fetch(`${portal}/Shibboleth.sso/Metadata`)).ok);
    await platform.apply(communityFile(portalApp()));
    await eventually(async () => {
      const [row] = await platform.database.query<{ xml: string | null; failure: string | null }>(
        'select xml, failure from saml_metadata',
      );
      assert.equal(row?.failure ?? null, null);
      return row?.xml;
    });
    browser = await launchBrowser();
  });
  after(async () => {
    await browser?.close();
    await apache?.stop();
    await shibboleth?.stop();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  function portalApp(more = ''): string {
    return `  - { id: portal, title: Portal, consent: trusted,
      release: { claims: [name, username, email, groups], groups: all },
      saml: { entityId: ${portal}/sp, metadata: { url: ${portal}/Shibboleth.sso/Metadata }${more} } }`;
  }

  async function words(error: unknown): Promise<never> {
    return assert.fail(`${error} ${await apache.log()} ${await shibboleth.log()}`);
  }

  async function enter(one: Page, username: keyof typeof passwords): Promise<Record<string, string>> {
    await one.goto(`${portal}/inside/who.shtml`);
    await one.fill('#username', username).catch(words);
    await one.fill('#password', passwords[username]);
    await one.click('#sign-in');
    await one.waitForURL(`${portal}/inside/who.shtml`).catch(words);
    const lines = ((await one.textContent('body')) ?? '').trim().split('\n');
    return Object.fromEntries(
      lines.map((line) => [line.split('=', 1)[0], line.slice(line.indexOf('=') + 1)]),
    );
  }

  test('a browser is signed in by what Shibboleth believes, in clear and encrypted', async () => {
    const one = await openPage(browser);
    const clear = await enter(one, 'ada');
    assert.equal(clear.REMOTE_USER, 'ada');
    assert.equal(clear.groups, 'developers;staff');
    assert.match(clear['Shib-AuthnContext-Class'] ?? '', /PasswordProtectedTransport$/);
    await platform.apply(`applications:\n${portalApp(', encrypt: true')}`);
    const other = await openPage(browser);
    const encrypted = await enter(other, 'ada');
    assert.equal(encrypted['persistent-id'], clear['persistent-id']);
    await one.context().close();
    await other.context().close();
  });

  test('SA-14 signing out there ends our session; signing out here ends its session', async () => {
    const one = await openPage(browser);
    await enter(one, 'ada');
    await one.goto(`${portal}/Shibboleth.sso/Logout?return=${encodeURIComponent(`${portal}/bye.html`)}`);
    await one.waitForURL(`${portal}/**`).catch(words);
    await one.goto(`${platform.origin}/account`);
    assert.match(one.url(), /\/sign-in/);
    await enter(one, 'ada');
    await one.goto(`${platform.origin}/sign-out`);
    await one.click('#confirm-sign-out');
    await one.waitForURL(`${platform.origin}/signed-out/**`).catch(words);
    const [row] = await platform.database.query<{ state: string; answer: string }>(
      'select state, answer from saml_logouts order by created_at desc limit 1',
    );
    assert.equal(row?.state, 'ended', `${row?.answer} ${await shibboleth.log()}`);
    await one.goto(`${portal}/inside/who.shtml`);
    assert.match(one.url(), /\/sign-in/);
    await one.context().close();
  });
});
