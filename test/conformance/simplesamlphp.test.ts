/** SimpleSAMLphp as an app: its own XML reader and signatures, a real browser, and the metadata it publishes. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { system } from '#kit/db/database.ts';
import { defaultKeyPolicy, rotateKeys } from '#signon/saml-keys/saml-keys.ts';
import { chromiumPath, launchBrowser, openPage } from '#test/browser.ts';
import { eventually } from '#test/eventually.ts';
import { communityFile, passwords } from '#test/flows/saml-party.ts';
import { freePort, type Platform, startPlatform } from '#test/kit.ts';
import { type SimpleSaml, simpleSamlMissing, startSimpleSamlService } from '#test/peers/simplesamlphp.ts';
import { samlKey } from '#test/saml.ts';

const noBrowser = chromiumPath() ? undefined : 'Chromium is not installed (tools/peers.sh installs it)';
const persistent = 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent';

interface Known {
  name: string;
  format: string;
  attributes: Record<string, string[]>;
}

describe('SimpleSAMLphp', { skip: simpleSamlMissing() ?? noBrowser ?? false }, () => {
  let platform: Platform;
  let service: SimpleSaml;
  let browser: Browser;

  before(async () => {
    const port = await freePort();
    platform = await startPlatform({
      realTime: true,
      env: { GATEHOUSE_OUTBOUND_ALLOW: `127.0.0.1:${port}` },
    });
    await turnKeys({ nextDays: defaultKeyPolicy.certificateDays + 1 });
    const entityId = `${platform.origin}/saml/metadata`;
    const metadata = await (await fetch(entityId)).text();
    const source = `'NameIDPolicy' => ['Format' => '${persistent}', 'AllowCreate' => true]`;
    const key = await samlKey({ name: 'portal' });
    service = await startSimpleSamlService({ port, key, idp: { entityId, metadata }, source });
    await platform.apply(communityFile(portal()));
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
    await service?.stop();
  });

  function portal(more = ''): string {
    return `  - { id: portal, title: Portal, consent: trusted, privateHttp: true,
      release: { claims: [name, username, email, groups], groups: all },
      saml: { entityId: "${service.entityId}", metadata: { url: "${service.metadataUrl}" }${more} } }`;
  }

  async function turnKeys(policy: Partial<typeof defaultKeyPolicy>): Promise<void> {
    const needs = {
      secrets: platform.secrets,
      host: 'localhost',
      policy: { ...defaultKeyPolicy, ...policy },
    };
    for (let step = 0; step < 2; step += 1)
      await platform.database.transact(system(), (tx) => rotateKeys(tx, needs, new Date()));
  }

  async function enter(page: Page, username: keyof typeof passwords): Promise<Known> {
    await page.goto(service.whoUrl);
    await page.fill('#username', username);
    await page.fill('#password', passwords[username]);
    await page.click('#sign-in');
    await page
      .waitForURL(service.whoUrl)
      .catch(async (error) => assert.fail(`${error} ${await service.log()}`));
    return JSON.parse((await page.textContent('body')) ?? '') as Known;
  }

  test('a browser is signed in by what it believes, the same person by the same name', async () => {
    const page = await openPage(browser);
    const ada = await enter(page, 'ada');
    assert.equal(ada.format, persistent);
    assert.deepEqual(ada.attributes.groups, ['developers', 'staff']);
    assert.deepEqual(ada.attributes.name, ['Ada Łovelace']);
    const other = await openPage(browser);
    assert.equal((await enter(other, 'ada')).name, ada.name);
    await page.context().close();
    await other.context().close();
  });

  test('an assertion encrypted for it is read by it', async () => {
    await platform.apply(`applications:\n${portal(', encrypt: true')}`);
    const page = await openPage(browser);
    assert.deepEqual((await enter(page, 'bob')).attributes.username, ['bob']);
    await platform.apply(`applications:\n${portal()}`);
    await page.context().close();
  });

  test('SA-14 signing out there ends our session and comes back; signing out here ends its session', async () => {
    const page = await openPage(browser);
    await enter(page, 'ada');
    await page.goto(`${service.whoUrl}?logout`);
    await page
      .waitForURL(`${service.origin}/bye`)
      .catch(async (error) => assert.fail(`${error} ${await service.log()}`));
    await page.goto(`${platform.origin}/account`);
    assert.match(page.url(), /\/sign-in/);
    await enter(page, 'ada');
    await page.goto(`${platform.origin}/sign-out`);
    await page.click('#confirm-sign-out');
    await page
      .waitForURL(`${platform.origin}/signed-out/**`)
      .catch(async (error) => assert.fail(`${error} ${await service.log()}`));
    const [row] = await platform.database.query<{ state: string }>(
      'select state from saml_logouts order by created_at desc limit 1',
    );
    assert.equal(row?.state, 'ended', await service.log());
    await page.goto(service.whoUrl);
    assert.match(page.url(), /\/sign-in/);
    await page.context().close();
  });

  test('SA-17 another key takes over, and it goes on without being touched', async () => {
    await turnKeys({ switchDays: defaultKeyPolicy.certificateDays + 1, nextDays: 0 });
    await eventually(async () => {
      const text = await (await fetch(`${platform.origin}/saml/metadata`)).text();
      const [now] = await platform.database.query<{ certificate: string }>(
        `select certificate from saml_keys where state = 'active'`,
      );
      const bare = now!.certificate.replace(/-----[^-]+-----|\s/g, '');
      return text.indexOf(bare) < text.indexOf('KeyDescriptor');
    });
    const page = await openPage(browser);
    assert.deepEqual((await enter(page, 'ada')).attributes.username, ['ada']);
    await page.context().close();
  });
});
