/**
 * Apache with mod_auth_mellon as an app: lasso and xmlsec1 read what we say, a real browser carries it between two
 * sites, and we fetch the metadata it publishes.
 */
import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { system } from '#kit/db/database.ts';
import { defaultKeyPolicy, rotateKeys } from '#signon/saml-keys/saml-keys.ts';
import { chromiumPath, launchBrowser, openPage, watchConsole } from '#test/browser.ts';
import { eventually } from '#test/eventually.ts';
import { communityFile, passwords } from '#test/flows/saml-party.ts';
import { freePort, type Platform, startPlatform } from '#test/kit.ts';
import { type Apache, apacheMissing, startApache } from '#test/peers/apache.ts';
import { makeCertificates, opensslMissing, trustAuthority } from '#test/peers/certificates.ts';
import { samlKey } from '#test/saml.ts';

const modules = ['ssl', 'auth_mellon', 'authn_core', 'authz_user', 'include'];
const noBrowser = chromiumPath() ? undefined : 'Chromium is not installed (tools/peers.sh installs it)';

const shown = [
  'REMOTE_USER',
  'MELLON_NAME_ID',
  'MELLON_givenName',
  'MELLON_email',
  'MELLON_groups',
  'MELLON_roles',
];
const page = shown.map((name) => `${name}=<!--#echo encoding="none" var="${name}" -->\n`).join('');
const nasty =
  '</saml:AttributeValue></saml:Attribute><saml:Attribute Name="roles"><saml:AttributeValue>admin';

describe('Apache with mod_auth_mellon', {
  skip: apacheMissing(modules) ?? opensslMissing() ?? noBrowser ?? false,
}, () => {
  let directory: string;
  let platform: Platform;
  let apache: Apache;
  let browser: Browser;
  let portal: string;

  before(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'apache-mellon-'));
    const file = (name: string) => path.join(directory, name);
    const port = await freePort();
    portal = `https://127.0.0.1:${port}`;
    // Cookies that come along with a form of another site are kept over https alone.
    const certificates = await makeCertificates(directory);
    trustAuthority(certificates.caFile);
    platform = await startPlatform({
      realTime: true,
      env: { GATEHOUSE_OUTBOUND_ALLOW: `127.0.0.1:${port}` },
    });
    await turnKeys({ nextDays: defaultKeyPolicy.certificateDays + 1 });
    const { key, certificate } = await samlKey({ name: 'portal' });
    await writeFile(file('sp.key'), key);
    await writeFile(file('sp.pem'), certificate);
    await chmod(directory, 0o755);
    const metadata = await (await fetch(`${platform.origin}/saml/metadata`)).text();
    assert.equal(metadata.match(/<md:KeyDescriptor/g)?.length, 2, 'the next key is published already');
    await writeFile(file('idp.xml'), metadata);
    apache = await startApache({
      ports: [port],
      modules,
      pages: { 'inside/who.shtml': page, 'bye.html': 'See you.', 'favicon.ico': '' },
      configuration: `
        SSLEngine on
        SSLCertificateFile ${certificates.certificateFile}
        SSLCertificateKeyFile ${certificates.keyFile}
        AddType text/html .shtml
        AddOutputFilter INCLUDES .shtml
        <Location />
          MellonEnable "info"
          MellonEndpointPath /mellon
          MellonSPEntityId ${portal}/sp
          MellonSPPrivateKeyFile ${file('sp.key')}
          MellonSPCertFile ${file('sp.pem')}
          MellonIdPMetadataFile ${file('idp.xml')}
          MellonSecureCookie On
          MellonSignatureMethod rsa-sha256
          MellonMergeEnvVars On ";"
        </Location>
        <Location /inside>
          Options +Includes
          MellonEnable "auth"
          AuthType Mellon
          MellonUser "username"
          Require valid-user
        </Location>`,
    });
    await platform.apply(communityFile(portalApp()));
    await platform.apply(
      `people: [{ username: nina, names: { givenName: ${JSON.stringify(nasty)}, displayName: Nina }, password: ${passwords.bob},
        addresses: [nina@example.org] }]`,
    );
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
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  function portalApp(more = ''): string {
    return `  - { id: portal, title: Portal, url: ${portal}/inside/who.shtml, consent: trusted,
      release: { claims: [name, username, email, groups], groups: all },
      saml: { entityId: ${portal}/sp, metadata: { url: ${portal}/mellon/metadata }, nameId: { format: transient }${more} } }`;
  }

  /** Moves our keys on as a policy says. */
  async function turnKeys(policy: Partial<typeof defaultKeyPolicy>): Promise<void> {
    const needs = {
      secrets: platform.secrets,
      host: 'localhost',
      policy: { ...defaultKeyPolicy, ...policy },
    };
    await platform.database.transact(system(), (tx) => rotateKeys(tx, needs, new Date()));
    await platform.database.transact(system(), (tx) => rotateKeys(tx, needs, new Date()));
  }

  async function enter(
    one: Page,
    username: keyof typeof passwords | 'nina',
  ): Promise<Record<string, string>> {
    await one.goto(`${portal}/inside/who.shtml`);
    await one.fill('#username', username);
    await one.fill('#password', username === 'nina' ? passwords.bob : passwords[username]);
    await one.click('#sign-in');
    return inside(one);
  }

  /** What Apache knows of the person, as its page shows it. */
  async function inside(one: Page): Promise<Record<string, string>> {
    await one
      .waitForURL(`${portal}/inside/who.shtml`)
      .catch(async (error) => assert.fail(`${error} ${await apache.log()}`));
    const lines = ((await one.textContent('body')) ?? '').trim().split('\n');
    return Object.fromEntries(
      lines.map((line) => [line.split('=', 1)[0], line.slice(line.indexOf('=') + 1)]),
    );
  }

  test('a browser is signed in at mellon, without a question the second time', async () => {
    const one = await openPage(browser);
    const complaints = watchConsole(one);
    const known = await enter(one, 'ada');
    assert.equal(known.REMOTE_USER, 'ada', await apache.log());
    assert.match(known.MELLON_NAME_ID ?? '', /^_/);
    assert.equal(known.MELLON_email, 'ada@example.org');
    assert.equal(known.MELLON_groups, 'developers;staff');
    await one.context().clearCookies({ domain: '127.0.0.1' });
    await one.goto(`${portal}/inside/who.shtml`);
    const again = await inside(one);
    assert.equal(again.REMOTE_USER, 'ada');
    assert.notEqual(again.MELLON_NAME_ID, known.MELLON_NAME_ID, 'a transient name is new each time');
    assert.deepEqual(complaints, []);
    await one.context().close();
  });

  test('the same without scripts: the way back is a button', async () => {
    const one = await openPage(browser, { scripts: false });
    await one.goto(`${portal}/inside/who.shtml`);
    await one.fill('#username', 'bob');
    await one.fill('#password', passwords.bob);
    await one.click('#sign-in');
    await one.click('#go-on');
    assert.equal((await inside(one)).REMOTE_USER, 'bob');
    await one.context().close();
  });

  test('SA-13 a name that looks like markup is one value, and no role', async () => {
    const one = await openPage(browser);
    const known = await enter(one, 'nina');
    assert.equal(known.REMOTE_USER, 'nina');
    assert.match(await one.content(), /Attribute Name="roles"|&lt;saml:Attribute/);
    assert.equal(known.MELLON_roles, '(none)');
    await one.context().close();
  });

  test('an assertion encrypted for mellon alone is read by it', async () => {
    await platform.apply(`applications:\n${portalApp(', encrypt: true')}`);
    const one = await openPage(browser);
    assert.equal((await enter(one, 'ada')).REMOTE_USER, 'ada', await apache.log());
    await platform.apply(`applications:\n${portalApp()}`);
    await one.context().close();
  });

  test('SA-14 signing out at mellon ends our session and comes back', async () => {
    const one = await openPage(browser);
    await enter(one, 'ada');
    await one.goto(`${portal}/mellon/logout?ReturnTo=${encodeURIComponent(`${portal}/bye.html`)}`);
    await one.waitForURL(`${portal}/bye.html`);
    await one.goto(`${platform.origin}/account`);
    assert.match(one.url(), /\/sign-in/);
    await one.goto(`${portal}/inside/who.shtml`);
    assert.match(one.url(), /\/sign-in/);
    await one.context().close();
  });

  test('signing out here ends the session of mellon, and the page says so', async () => {
    const one = await openPage(browser);
    await enter(one, 'ada');
    await one.goto(`${platform.origin}/account`);
    await one.goto(`${platform.origin}/sign-out`);
    await one.click('#confirm-sign-out');
    await one.waitForURL(`${platform.origin}/signed-out/**`);
    const [row] = await platform.database.query<{ state: string; answer: string }>(
      'select state, answer from saml_logouts order by created_at desc limit 1',
    );
    assert.equal(row?.state, 'ended', `${row?.answer} ${await apache.log()}`);
    await one.goto(`${portal}/inside/who.shtml`);
    assert.match(one.url(), /\/sign-in/, 'mellon asks again');
    await one.context().close();
  });

  test('SA-17 another key takes over, and mellon goes on without being touched', async () => {
    const [first] = await platform.database.query<{ kid: string }>(
      `select kid from saml_keys where state = 'active'`,
    );
    await turnKeys({ switchDays: defaultKeyPolicy.certificateDays + 1, nextDays: 0 });
    const [second] = await platform.database.query<{ kid: string }>(
      `select kid from saml_keys where state = 'active'`,
    );
    assert.notEqual(second?.kid, first?.kid);
    await eventually(async () => {
      const text = await (await fetch(`${platform.origin}/saml/metadata`)).text();
      const [current] = await platform.database.query<{ certificate: string }>(
        `select certificate from saml_keys where state = 'active'`,
      );
      const bare = current!.certificate.replace(/-----[^-]+-----|\s/g, '');
      // Its own signature stands first.
      return text.indexOf(bare) < text.indexOf('KeyDescriptor');
    });
    const one = await openPage(browser);
    assert.equal((await enter(one, 'ada')).REMOTE_USER, 'ada', await apache.log());
    await one.context().close();
  });
});
