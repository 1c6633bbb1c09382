/** Settings of an app, tokens for new apps, lost proofs and how sign-outs went, in a real browser. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { appoint } from '#core/operators/operators.ts';
import { system } from '#kit/db/database.ts';
import { lookFromFourSides } from '#test/browser.ts';
import { consoleDesk, skip } from '#test/console-desk.ts';
import { idOf, withApp } from '#test/factors.ts';

const passwords: Record<string, string> = {
  wren: 'river-stone-lamp',
  bob: 'copper-kettle-hill',
  ada: 'quiet-orchard-nine',
};
const secret = 'a-secret-of-at-least-thirty-two-characters';

const metadata = (entityId: string) =>
  `<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="${entityId}"><md:SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><md:AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://wiki.example.org/acs" index="0"/></md:SPSSODescriptor></md:EntityDescriptor>`;

const desk = consoleDesk({
  passwords,
  community: `
community: { name: Harbour }
groups: [{ name: staff }]
people:
  - { username: wren, names: { givenName: Wren, familyName: Byron }, password: ${passwords.wren}, addresses: [wren@example.org], operator: owner }
  - { username: bob, names: { givenName: Bob, familyName: Stone }, password: ${passwords.bob}, addresses: [bob@example.org] }
  - { username: ada, names: { givenName: Ada, familyName: Lovelace }, password: ${passwords.ada}, addresses: [ada@example.org], groups: [staff] }
applications:
  - { id: tracker, title: Tracker, secret: ${secret}, consent: trusted, oidc: { redirectUris: ["https://tracker.example.org/cb"] } }
  - { id: papers, title: Papers, consent: trusted, saml: { entityId: "urn:papers", acsUrls: ["https://papers.example.org/acs"], idpInitiated: { allowed: true }, attributes: { mail: email, "urn:oid:2.5.4.42": { from: givenName, nameFormat: uri, friendlyName: givenName } } } }
`,
  async prepare(platform) {
    await platform.database.transact(system('admin'), async (tx) => {
      await appoint(tx, { person: await idOf(platform, 'bob'), role: 'people' });
    });
    await withApp(platform, 'ada');
  },
});

async function settings(id: string): Promise<Record<string, Record<string, unknown>>> {
  const [row] = await desk.platform.database.query<{ settings: Record<string, Record<string, unknown>> }>(
    'select settings from applications where id = $1',
    [id],
  );
  return row!.settings;
}

test('SAML settings are changed on the page: attributes, NameID, signing, sign-out; what is wrong stands at its field', {
  skip,
}, async () => {
  const { page, complaints } = await desk.at('/admin/apps/papers');
  const before = await settings('papers');
  await page.click('#settings');
  await page.locator('nav.tabs a', { hasText: 'SAML' }).click();
  await page.waitForURL('**/settings/saml');
  assert.equal(
    await page.inputValue('#saml_attributes_list'),
    'mail = email\nurn:oid:2.5.4.42 = givenName | uri | givenName',
  );
  // Saved as it is, nothing has changed.
  await page.click('#save');
  await page.locator('.notice.success').waitFor();
  assert.deepEqual(await settings('papers'), before);

  await page.fill('#saml_acsUrls', 'https://papers.example.org/acs\nhttp://papers.example.org/other');
  await page.check('#saml_nameId_format-emailAddress');
  await page.check('#saml_sign-assertion');
  await page.fill('#saml_attributes_list', 'mail email');
  await page.click('#save');
  await page.locator('#saml_attributes_list-error', { hasText: 'mail email' }).waitFor();
  await page.fill('#saml_attributes_list', 'mail = email\nrole = roles | basic');
  await page.click('#save');
  await page.locator('#saml_acsUrls-error').waitFor();
  await page.fill('#saml_acsUrls', 'https://papers.example.org/acs');
  await page.fill('#saml_sloUrl', 'https://papers.example.org/slo');
  await page.fill('#saml_idpInitiated_relayState', 'https://papers.example.org/desk');
  await page.fill('#saml_sessionMinutes', '60');
  await page.reload();
  assert.equal(await page.inputValue('#saml_sloUrl'), 'https://papers.example.org/slo', 'kept in this tab');
  await page.locator('nav.tabs a', { hasText: 'People' }).click();
  await page.waitForURL('**/settings/people');
  await page.check('#access-groups');
  await page.fill('#access_groups', 'staff');
  await page.click('#save');
  await page.locator('.notice.success').waitFor();
  const after = await settings('papers');
  assert.deepEqual(after.saml, {
    ...before.saml,
    nameId: { format: 'emailAddress', force: false },
    sign: 'assertion',
    attributes: { mail: 'email', role: { from: 'roles', nameFormat: 'basic' } },
    sloUrl: 'https://papers.example.org/slo',
    idpInitiated: { allowed: true, relayState: 'https://papers.example.org/desk' },
    sessionMinutes: 60,
  });
  assert.deepEqual(after.access, { groups: ['staff'] });
  assert.deepEqual(
    complaints.filter((one) => !/400|422/.test(one)),
    [],
  );
  await page.context().close();
});

test('metadata come from a file, in the settings as in the template, and then nobody types the entity id', {
  skip,
}, async () => {
  const { page } = await desk.at('/admin/apps/add/saml');
  await page.fill('#title', 'Wiki');
  const file = { name: 'sp.xml', mimeType: 'application/xml', buffer: Buffer.from(metadata('urn:wiki')) };
  await page.setInputFiles('#metadata-file', file);
  await page.waitForFunction(() => (document.querySelector('#metadata') as HTMLTextAreaElement).value !== '');
  await page.fill('#id', 'wiki');
  await page.click('#add');
  await page.waitForURL('**/admin/apps/wiki/connect');
  assert.equal((await settings('wiki')).saml?.entityId, 'urn:wiki');
  await page.goto(`${desk.platform.origin}/admin/apps/papers/settings/saml`);
  await page.check('#saml_metadata-xml');
  const mine = { ...file, buffer: Buffer.from(metadata('urn:papers')) };
  await page.setInputFiles('#saml_metadata_xml-file', mine);
  await page.waitForFunction(
    () => (document.querySelector('#saml_metadata_xml') as HTMLTextAreaElement).value !== '',
  );
  await page.click('#save');
  await page.locator('.notice.success').waitFor();
  assert.deepEqual((await settings('papers')).saml?.metadata, {
    xml: metadata('urn:papers'),
    certificates: [],
    refreshHours: 6,
  });
  await page.context().close();
});

test('OpenID Connect, assurance and the rest are changed on their pages; the secret goes where a key comes', {
  skip,
}, async () => {
  const { page } = await desk.at('/admin/apps/tracker/settings/oidc');
  const before = await settings('tracker');
  await page.check('[id="oidc_grants-urn:ietf:params:oauth:grant-type:device_code"]');
  await page.check('#oidc_dpop-required');
  await page.check('#oidc_clientAuth-private_key_jwt');
  await page.fill('#oidc_initiateLoginUri', 'https://tracker.example.org/login');
  await page.click('#save');
  await page.locator('#oidc_jwks-error').waitFor();
  await page.fill('#oidc_jwksUri', 'https://tracker.example.org/jwks');
  await page.locator('nav.tabs a', { hasText: 'Sign-in' }).click();
  await page.waitForURL('**/settings/assurance');
  await page.check('#assurance_secondFactor-required');
  await page.fill('#assurance_maxAgeMinutes', '30');
  await page.click('#save');
  await page.locator('.notice.success').waitFor();
  const after = await settings('tracker');
  assert.deepEqual(after, {
    ...before,
    assurance: { secondFactor: 'required', maxAgeMinutes: 30 },
    oidc: {
      ...before.oidc,
      grants: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
      dpop: 'required',
      clientAuth: 'private_key_jwt',
      jwksUri: 'https://tracker.example.org/jwks',
      initiateLoginUri: 'https://tracker.example.org/login',
    },
  });
  await page.goto(`${desk.platform.origin}/admin/apps/tracker`);
  await page.locator('#test').waitFor();
  assert.equal(await page.locator('#new-secret').count(), 0);
  await page.goto(`${desk.platform.origin}/admin/apps/tracker/settings/assurance`);
  await page.check('#assurance_secondFactor-default');
  await page.fill('#assurance_maxAgeMinutes', '');
  await page.click('#save');
  await page.locator('.notice.success').waitFor();
  assert.equal((await settings('tracker')).assurance, undefined);
  await page.context().close();
});

test('a change somebody else saved meanwhile is not written over', { skip }, async () => {
  const { page } = await desk.at('/admin/apps/wiki/settings/general');
  await page.fill('#description', 'Mine');
  await desk.platform.database.query(`update applications set version = version + 1 where id = 'wiki'`);
  await page.click('#save');
  await page.locator('.notice.danger-tone').waitFor();
  assert.notEqual((await settings('wiki')).description, 'Mine');
  await page.reload();
  await page.locator('.notice', { hasText: 'Somebody changed this app meanwhile' }).waitFor();
  await page.click('#discard');
  await page.fill('#description', 'Mine');
  await page.click('#save');
  await page.locator('.notice.success').waitFor();
  assert.equal((await settings('wiki')).description, 'Mine');
  await page.context().close();
});

test('the test button of an OpenID Connect app runs the sign-in and comes back with every claim', {
  skip,
}, async () => {
  const { page, complaints } = await desk.at('/admin/apps/tracker/test');
  await page.click('#real-oidc');
  await page.locator('#arrived', { hasText: 'wren@example.org' }).waitFor();
  assert.equal(new URL(page.url()).pathname, '/oidc/test');
  await lookFromFourSides(page, 'oidc-test');
  await page.locator('a', { hasText: 'Back to the app' }).click();
  await page.waitForURL('**/admin/apps/tracker/test');
  assert.deepEqual(complaints, []);
  await page.context().close();
});

test('lost proofs: one operator asks, the same one cannot agree, the second one does, and it can be called off', {
  skip,
}, async () => {
  const ada = await idOf(desk.platform, 'ada');
  const { page: bob } = await desk.at(`/admin/people/${ada}/sign-ins`, { who: 'bob' });
  await bob.click('#ask-reset');
  await bob.click('#confirm');
  await bob.locator('#reason-error').waitFor();
  await bob.fill('#reason', 'Called back on the number we knew');
  await bob.click('#confirm');
  await bob.locator('.notice', { hasText: 'needs a second operator' }).waitFor();
  assert.equal(await bob.locator('#approve-reset').count(), 0);
  await bob.goto(`${desk.platform.origin}/admin/people/${ada}/proofs/agree`);
  await bob.locator('.notice', { hasText: 'another operator has to agree' }).waitFor();
  const { page: wren, complaints } = await desk.at('/admin/factor-resets');
  await wren.locator('td', { hasText: 'Ada Lovelace' }).waitFor();
  const desktop = wren.viewportSize() ?? { width: 1280, height: 800 };
  await wren.setViewportSize({ width: 360, height: 740 });
  const beyond = await wren.locator('main .scroll').evaluate((one) => one.scrollWidth - one.clientWidth);
  assert.ok(beyond <= 0, `on a phone the list goes ${beyond} px beyond the edge`);
  await wren.locator('td', { hasText: 'Called back on the number we knew' }).waitFor();
  await wren.setViewportSize(desktop);
  await wren.locator('a', { hasText: 'Agree' }).click();
  await wren.locator('.facts', { hasText: 'Called back on the number we knew' }).waitFor();
  await wren.click('#confirm');
  await wren.waitForURL('**/admin/factor-resets');
  await wren.locator('.badge', { hasText: 'agreed to' }).waitFor();
  await wren.locator('a', { hasText: 'Call it off' }).click();
  await wren.click('#confirm');
  await wren.locator('.badge', { hasText: 'called off' }).waitFor();
  assert.deepEqual(complaints, []);
  await bob.context().close();
  await wren.context().close();
});

test('a token for new apps is made, shown once, listed and withdrawn', { skip }, async () => {
  const { page, complaints } = await desk.at('/admin/tokens');
  await page.click('#registration-tokens');
  await page.locator('.notice', { hasText: 'may not register themselves' }).waitFor();
  await page.click('#make-registration-token');
  await page.fill('#name', 'Jo, for the new wiki');
  await page.click('#make');
  await page.locator('code', { hasText: /^ghr_/ }).waitFor();
  await page.locator('a', { hasText: 'Back to the tokens' }).click();
  await page.locator('td', { hasText: 'Jo, for the new wiki' }).waitFor();
  assert.doesNotMatch(await page.content(), /ghr_/);
  await lookFromFourSides(page, 'around-registration');
  await page.locator('a', { hasText: 'Withdraw' }).click();
  await page.click('#confirm');
  await page.locator('h2', { hasText: 'No tokens for new apps' }).waitFor();
  assert.deepEqual(complaints, []);
  await page.context().close();
});

test('a token for a program is made, shown once, listed and withdrawn', { skip }, async () => {
  const { page, complaints } = await desk.at('/admin/tokens');
  await page.click('#make-token');
  await page.click('#make');
  await page.locator('#name-error').waitFor();
  await page.fill('#name', 'Nightly export');
  await page.selectOption('#lasts', '30');
  await page.click('#make');
  await page.locator('code', { hasText: /^gh_/ }).waitFor();
  await page.locator('a', { hasText: 'Back to all tokens' }).click();
  const row = page.locator('tr', { hasText: 'Nightly export' });
  await row.locator('.badge', { hasText: 'works' }).waitFor();
  assert.doesNotMatch(await page.content(), /gh_[A-Za-z0-9]/);
  await row.locator('a', { hasText: 'Withdraw' }).click();
  await page.click('#confirm');
  await row.locator('.badge', { hasText: 'withdrawn' }).waitFor();
  await page.goto(`${desk.platform.origin}/admin/tokens/nowhere/revoke`);
  await page.locator('h1', { hasText: 'There is no page here' }).waitFor();
  assert.deepEqual(
    complaints.filter((one) => !/422/.test(one)),
    [],
  );
  await page.context().close();
});

test('the pages stand on a phone and a desk, light and dark, without anything axe finds', {
  skip,
}, async () => {
  const ada = await idOf(desk.platform, 'ada');
  // Somebody signs out after having been at an app that takes no sign-outs, and one that only a browser can ask.
  const visitor = desk.platform.visitor();
  await visitor.signIn('wren', passwords.wren ?? '');
  await visitor.open('/saml/launch/papers');
  await visitor.open('/account');
  await visitor.submit({}, '/sign-out');
  const bob = await desk.at(`/admin/people/${ada}/proofs/ask`, { who: 'bob' });
  await bob.page.fill('#reason', 'Known by voice');
  await bob.page.click('#confirm');
  await bob.page.locator('#cancel-reset').waitFor();
  await bob.page.context().close();
  const wren = await idOf(desk.platform, 'wren');
  const { page } = await desk.at('/admin/apps');
  await desk.everySide(page, {
    'around-general': '/admin/apps/tracker/settings',
    'around-people': '/admin/apps/tracker/settings/people',
    'around-assurance': '/admin/apps/tracker/settings/assurance',
    'around-oidc': '/admin/apps/tracker/settings/oidc',
    'around-saml': '/admin/apps/papers/settings/saml',
    'around-app': '/admin/apps/papers',
    'around-person': `/admin/people/${wren}/sign-ins`,
    'around-resets': '/admin/factor-resets',
    'around-agree': `/admin/people/${ada}/proofs/agree`,
    'around-make': '/admin/tokens/registration/make',
    'around-add': '/admin/apps/add/saml',
  });
  await page.context().close();
});
