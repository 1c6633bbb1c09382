/** Signing in through a SAML provider: the way there and back, who someone is, what is synced, and both ways out. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { exportDeclared } from '#declared/export.ts';
import { system } from '#kit/db/database.ts';
import { defaultKeyPolicy, rotateKeys } from '#signon/saml-keys/saml-keys.ts';
import { eventually } from '#test/eventually.ts';
import { type Platform, startPlatform } from '#test/kit.ts';
import { xmlsecEncrypts, xmlsecMissing } from '#test/peers/xmlsec.ts';
import { samlKey } from '#test/saml.ts';
import { encodeRedirect } from '#wire/saml/bindings.ts';
import { AUTHN_CONTEXT, NAME_ID, STATUS } from '#wire/saml/saml.ts';
import { certificateFacts, verifyRedirect } from '#wire/saml/signature.ts';
import { newId, SamlIdp } from './saml-idp.ts';
import { serveText } from './saml-published.ts';
import { idOn, publicAddress, textOf } from './stage.ts';

let platform: Platform;
let corp: SamlIdp;
let clinic: SamlIdp;

const password = 'plum violin tractor';

before(async () => {
  const { env } = await publicAddress();
  platform = await startPlatform({ env });
  corp = await SamlIdp.make(platform, 'corp');
  clinic = await SamlIdp.make(platform, 'clinic');
  await platform.apply(`
community: { name: Harbour }
attributes: [{ name: team, type: text, title: Team }]
groups: [{ name: staff }, { name: readers }]
people:
  - { username: ada, names: { givenName: Ada, familyName: Lovelace }, password: ${password}, addresses: [ada@example.org] }
applications:
  - { id: wiki, title: Wiki, consent: trusted, saml: { entityId: https://wiki.example.org/saml, acsUrls: [https://wiki.example.org/acs] } }
upstreams:
${corp.declared('logout: true')}${clinic.declared()}`);
});

const declare = (text: string) => platform.apply(`upstreams:\n${text}`);

async function nameHere(visitor: ReturnType<Platform['visitor']>): Promise<string> {
  const page = await visitor.open('/account');
  assert.match(page.url, /\/account$/, page.text);
  return textOf(page);
}

const linksOf = (username: string) =>
  platform.database.query<{ tenant: string; subject: string; upstream: string }>(
    `select l.tenant, l.subject, l.upstream from upstream_links l join people p on p.id = l.person where p.username = $1`,
    [username],
  );

const latestSession = (username: string) =>
  platform.database.query<{ amr: string[]; aal: number; index: string }>(
    `select s.amr, s.aal, u.session_index as index from sessions s join session_upstreams u on u.session = s.id
     join people p on p.id = s.person where p.username = $1 order by s.created_at desc limit 1`,
    [username],
  );

test('our metadata says where answers go, with keys to verify and encrypt by, and is signed', async () => {
  const us = await corp.us();
  assert.equal(us.entityId, `${platform.origin}/upstream/corp/metadata`);
  assert.deepEqual(
    us.acs.map(({ url }) => url),
    [`${platform.origin}/upstream/corp/callback`],
  );
  assert.deepEqual(
    us.slo.map(({ url }) => url),
    [corp.sp.sloUrl, corp.sp.sloUrl],
  );
  assert.deepEqual(
    us.certificates.map(({ use }) => use),
    ['signing', 'encryption'],
  );
  assert.ok(us.authnRequestsSigned && us.wantAssertionsSigned);
  const answer = await fetch(corp.sp.entityId);
  assert.equal(answer.headers.get('content-type'), 'application/samlmetadata+xml; charset=utf-8');
  assert.match(await answer.text(), /<ds:Signature/);
  for (const wrong of ['nothing', 'x'])
    assert.equal((await fetch(`${platform.origin}/upstream/${wrong}/metadata`)).status, 404);
});

test('someone new gets an account by what the assertion says, and comes back as the same person', async () => {
  const page = await platform.visitor().open('/sign-in');
  assert.ok(idOn(page, 'with-corp'));
  const grace = platform.visitor();
  const asked = await corp.asked(grace);
  assert.ok(await corp.isSigned(asked));
  assert.equal(asked.request.acsUrl, corp.sp.acsUrl);
  assert.equal(asked.request.issuer, corp.sp.entityId);
  assert.equal(asked.request.nameIdFormat, NAME_ID.persistent);
  assert.equal(asked.request.forceAuthn, false);
  assert.equal(asked.request.requestedAuthnContext, undefined);
  const attributes = [
    { name: 'urn:oid:0.9.2342.19200300.100.1.1', values: ['Grace.Hopper'] },
    { name: 'urn:oid:2.5.4.42', values: ['Grace'] },
    { name: 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname', values: ['Hopper'] },
    { name: 'email', values: ['grace@example.net', 'second@example.net'] },
  ];
  const home = await corp.post(grace, await corp.response('grace', asked, { attributes }), asked.relayState);
  assert.match(home.url, /\/account$/, home.text);
  assert.match(await nameHere(grace), /Grace Hopper/);
  const [link] = await linksOf('grace.hopper');
  assert.equal(link?.subject, 'grace-there');
  assert.ok(link.tenant.startsWith(`${corp.entityId} ${NAME_ID.persistent} `));
  const again = platform.visitor();
  assert.match((await corp.comes(again, 'grace')).url, /\/account$/);
  assert.match(await nameHere(again), /Grace Hopper/);
  const [session] = await latestSession('grace.hopper');
  assert.deepEqual(
    session,
    { amr: [], aal: 1, index: '_session-grace' },
    'nothing is said that was not told',
  );
});

test('an assertion that is encrypted for us is read, whichever of our keys it is for; one in clear is refused where that is asked', async () => {
  const us = await corp.us();
  const encryptFor = us.certificates.find(({ use }) => use === 'encryption')!.pem;
  const wilma = platform.visitor();
  assert.match((await corp.comes(wilma, 'wilma', { encryptFor })).url, /\/account$/);
  await declare(corp.declared('logout: true, wantEncrypted: true'));
  const clear = await corp.comes(platform.visitor(), 'wilma');
  assert.equal(clear.status, 403);
  assert.match(clear.text, /upstream-answer/);
  const sealed = await corp.comes(platform.visitor(), 'wilma', { encryptFor, sign: 'response' });
  assert.match(sealed.url, /\/account$/, 'signed around the ciphertext');
  await declare(corp.declared('logout: true'));
});

test('SA-17 our next key is published before it signs, and what is encrypted for either is read', async () => {
  const rotate = () =>
    platform.database.transact(system(), (tx) =>
      rotateKeys(
        tx,
        {
          secrets: platform.secrets,
          host: 'localhost',
          policy: { ...defaultKeyPolicy, nextDays: defaultKeyPolicy.certificateDays + 1 },
        },
        platform.clock.now(),
      ),
    );
  await corp.us();
  await rotate();
  const both = await eventually(async () => {
    const found = (await corp.us()).certificates.filter(({ use }) => use === 'encryption');
    return found.length === 2 ? found : undefined;
  });
  for (const { pem } of both!)
    assert.match((await corp.comes(platform.visitor(), 'wilma', { encryptFor: pem })).url, /\/account$/);
  const asked = await corp.asked(platform.visitor());
  assert.ok(verifyRedirect(asked.rawQuery, [both![0]!.pem]), 'the first still signs');
});

test('an assertion that xmlsec1 encrypted for us is read', { skip: xmlsecMissing() }, async () => {
  const encryption = (await corp.us()).certificates.find(({ use }) => use === 'encryption')!.pem;
  const visitor = platform.visitor();
  const asked = await corp.asked(visitor);
  const clear = await corp.response('xenia', asked);
  const assertion = /<saml:Assertion[\s\S]*<\/saml:Assertion>/.exec(clear)![0];
  const sealed = `<saml:EncryptedAssertion>${await xmlsecEncrypts(assertion, encryption)}</saml:EncryptedAssertion>`;
  assert.match(
    (await corp.post(visitor, clear.replace(assertion, sealed), asked.relayState)).url,
    /\/account$/,
  );
});

test('what is declared is written out again, and applying that changes nothing', async () => {
  await declare(corp.declared('logout: true, allowIdpInitiated: true'));
  const text = await platform.database.read(system(), (tx) => exportDeclared(tx, {}));
  assert.match(text, / {6}entityId: https:\/\/corp\.example\.net\/idp\n/);
  assert.doesNotMatch(text, /nameIdFormat|wantEncrypted|signAuthnRequests/, 'what is as usual is left out');
  const version = () => platform.database.query('select id, version from upstreams order by id');
  const before = await version();
  await platform.apply(text);
  assert.deepEqual(await version(), before);
  await declare(corp.declared('logout: true'));
});

test('settings that cannot be meant are refused with a sentence', async () => {
  const bad: Record<string, [string, RegExp]> = {
    'neither metadata nor addresses': ['{ entityId: x }', /ssoUrl/],
    both: [`{ metadata: { url: "https://x.test" }, ssoUrl: "https://x.test" }`, /one of the two/],
    'metadata that is none': ['{ metadata: { xml: "<x/>" } }', /another kind/],
    'a name of today as the key': [
      '{ metadata: { url: "https://x.test" }, nameIdFormat: transient }',
      /subjectAttribute/,
    ],
    'no certificate': ['{ entityId: x, ssoUrl: "https://x.test", certificates: [nonsense] }', /RSA/],
    'a script as the address': ['{ entityId: x, ssoUrl: "javascript:alert(1)" }', /https/],
  };
  for (const [name, [saml, says]] of Object.entries(bad))
    await assert.rejects(declare(`  - { id: bad, title: Bad, saml: ${saml} }\n`), says, name);
});

test('names, attributes and groups come by the same expressions as of others, with attributes by any name', async () => {
  await declare(
    corp.declared(
      'logout: true',
      `newPeople: create, authoritative: [example.net], sync: always,
       mapping: { groups: 'claims["urn:corp:roles"]', attributes: { team: 'claims["urn:corp:team"]' } },
       groups: [{ from: people-staff, to: staff, owned: true }]`,
    ),
  );
  const usual = [
    { name: 'uid', values: ['lin'] },
    { name: 'sn', values: ['Lin'] },
    { name: 'mail', values: ['lin@example.net'] },
    { name: 'urn:corp:team', values: ['Blue'] },
  ];
  const roles = (values: string[]) => [...usual, { name: 'urn:corp:roles', values }];
  assert.match(
    (await corp.comes(platform.visitor(), 'lin', { attributes: roles(['people-staff', 'x']) })).url,
    /\/account$/,
  );
  const state = async () =>
    platform.database.query<{ team: string; groups: string[] }>(
      `select (select value #>> '{}' from person_attributes a where a.person = p.id and a.name = 'team') as team,
         array(select g.name from memberships m join groups g on g.id = m.group_id where m.person = p.id) as groups
       from people p where p.username = 'lin'`,
    );
  assert.deepEqual(await state(), [{ team: 'Blue', groups: ['staff'] }]);
  await corp.comes(platform.visitor(), 'lin', { attributes: roles(['x']) });
  assert.deepEqual(
    await state(),
    [{ team: 'Blue', groups: [] }],
    'one value is a text, and a group by it is none',
  );
  await declare(corp.declared('logout: true'));
});

test('someone with an account links it by proof of both sides, on the way in and from the account page', async () => {
  await declare(corp.declared('logout: true', 'newPeople: ask'));
  const ada = platform.visitor();
  const choice = await corp.comes(ada, 'ada');
  assert.match(choice.url, /\/upstream\/arrivals\//);
  const path = new URL(choice.url).pathname;
  await ada.open(`${path}/link`);
  const confirm = await ada.submit({ username: 'ada', password }, '/sign-in');
  assert.match(confirm.url, /\/link$/);
  assert.match((await ada.submit({}, `${path}/link`)).url, /\/account$/);
  assert.match((await corp.comes(platform.visitor(), 'ada')).url, /\/account$/);

  const account = platform.visitor();
  await account.signIn('ada', password);
  await account.open('/account/links/clinic');
  const asked = clinic.read(await account.submit({}, '/account/links/clinic'));
  const linked = await clinic.post(account, await clinic.response('ada', asked), asked.relayState);
  assert.match(linked.url, /\/account\?said=linked$/);
  assert.deepEqual((await linksOf('ada')).map(({ upstream }) => upstream).sort(), ['clinic', 'corp']);
  await declare(corp.declared('logout: true'));
});

test('ForceAuthn is asked where proof of this moment is needed, and an older sign-in there is refused', async () => {
  const fay = platform.visitor();
  assert.match((await corp.comes(fay, 'fay')).url, /\/account$/);
  platform.clock.advance(120_000);
  const request = encodeRedirect(`${platform.origin}/saml/sso`, {
    name: 'SAMLRequest',
    xml: `<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="${newId()}" Version="2.0" ForceAuthn="true" IssueInstant="${platform.clock.now().toISOString()}"><saml:Issuer>https://wiki.example.org/saml</saml:Issuer></samlp:AuthnRequest>`,
  });
  const page = await fay.open(request);
  const start = /(?:href|formaction)="(\/upstream\/corp\/start[^"]*)"/
    .exec(page.text)?.[1]
    ?.replaceAll('&amp;', '&');
  const id = new URL(page.url).searchParams.get('request')!;
  assert.ok(start, page.text);
  const way = `/upstream/corp/start?request=${encodeURIComponent(id)}`;
  const asked = await corp.asked(fay, way);
  assert.equal(asked.request.forceAuthn, true);
  const old = new Date(platform.clock.now().getTime() - 110_000);
  const stale = await corp.post(
    fay,
    await corp.response('fay', asked, { authnInstant: old }),
    asked.relayState,
  );
  assert.equal(stale.status, 403);
  assert.match(stale.text, /upstream-not-fresh/);
  const anew = await corp.asked(fay, way);
  const fresh = await corp.post(fay, await corp.response('fay', anew), anew.relayState);
  assert.match(fresh.text, /SAMLResponse/, 'on to the app');
});

test('what is asked of the sign-in there is asked by class, believed as told, and refused where it is not met', async () => {
  const mfa = AUTHN_CONTEXT.refedsMfa;
  await declare(
    corp.declared(
      'logout: true',
      `newPeople: create, authoritative: [example.net], require: { acr: ["${mfa}"] }, secondFactor: { acr: ["${mfa}"] }`,
    ),
  );
  const visitor = platform.visitor();
  const asked = await corp.asked(visitor);
  assert.deepEqual(asked.request.requestedAuthnContext, { comparison: 'exact', classRefs: [mfa] });
  const weak = await corp.post(visitor, await corp.response('max', asked), asked.relayState);
  assert.match(weak.text, /upstream-weak/);
  const cannot = await corp.asked(visitor);
  const said = await corp.post(visitor, corp.refusal(cannot, STATUS.noAuthnContext), cannot.relayState);
  assert.match(said.text, /upstream-weak/);
  const declined = await corp.asked(visitor);
  assert.match(
    (await corp.post(visitor, corp.refusal(declined, STATUS.authnFailed), declined.relayState)).text,
    /upstream-declined/,
  );
  assert.match((await corp.comes(visitor, 'max', { authnContext: mfa })).url, /\/account$/);
  const [session] = await latestSession('max');
  assert.equal(session?.aal, 2);
  await declare(corp.declared('logout: true'));
});

test('Entra: the object id is the person and how they proved themselves is told by an attribute', async () => {
  const entra = await SamlIdp.make(
    platform,
    'entra',
    'https://sts.windows.net/3f2504e0-4f89-41d3-9a0c-0305e82c3301/',
  );
  await declare(
    entra.declared(
      'preset: entra',
      'newPeople: create, authoritative: [example.net], secondFactor: { amr: [mfa] }',
    ),
  );
  const microsoft = 'http://schemas.microsoft.com';
  const attributes = (oid: string[]) => [
    { name: `${microsoft}/identity/claims/objectidentifier`, values: oid },
    { name: `${microsoft}/identity/claims/displayname`, values: ['Eva Bright'] },
    { name: 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname', values: ['Eva'] },
    { name: 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name', values: ['eva@example.net'] },
    {
      name: 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress',
      values: ['eva@example.net'],
    },
    {
      name: `${microsoft}/claims/authnmethodsreferences`,
      values: [
        `${microsoft}/ws/2008/06/identity/authenticationmethod/password`,
        `${microsoft}/claims/multipleauthn`,
      ],
    },
  ];
  const oid = '9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d';
  const nameId = (value: string) => ({ value, format: NAME_ID.emailAddress });
  assert.match(
    (
      await entra.comes(platform.visitor(), 'eva', {
        nameId: nameId('eva@example.net'),
        attributes: attributes([oid]),
      })
    ).url,
    /\/account$/,
  );
  const renamed = platform.visitor();
  await entra.comes(renamed, 'eva', { nameId: nameId('eva.new@example.net'), attributes: attributes([oid]) });
  assert.match(await nameHere(renamed), /Eva/);
  const links = await linksOf('eva');
  assert.deepEqual(
    links.map(({ subject }) => subject),
    [oid],
    'the same person under another address',
  );
  const [session] = await latestSession('eva');
  assert.deepEqual(session, { amr: ['pwd', 'mfa'], aal: 2, index: '_session-eva' });
  for (const wrong of [[], ['a', 'b'], [' ']])
    assert.match(
      (await entra.comes(platform.visitor(), 'eva', { attributes: attributes(wrong) })).text,
      /upstream-answer/,
    );
});

test('SA-17 published metadata is fetched when it is needed, followed when its key changes, and kept when it is gone', async () => {
  const published = await SamlIdp.make(platform, 'published');
  const next = await samlKey({ name: 'next' });
  const site = await serveText(published.metadata());
  const from = `metadata: { url: "${site.url}" }`;
  const more = 'newPeople: create, authoritative: [example.net], privateNetwork: true';
  await declare(`  - { id: published, title: published, ${more}, saml: { ${from} } }\n`);
  const enter = (key = published.key) => published.comes(platform.visitor(), 'pia', { signer: key });
  assert.match((await enter()).url, /\/account$/);
  const before = site.asked;
  assert.match((await enter(next)).text, /upstream-answer/, 'nobody knows that key');
  platform.clock.advance(120_000);
  site.text = published.metadata([published.key.certificate, next.certificate]);
  assert.match((await enter(next)).url, /\/account$/, 'asked again, because a key was not known');
  assert.match((await enter()).url, /\/account$/, 'both count while it changes');
  assert.ok(site.asked - before <= 2);
  await enter(await samlKey());
  await enter(await samlKey());
  assert.ok(site.asked - before <= 2, 'not asked at every wrong answer');
  site.status = 500;
  platform.clock.advance(7 * 3_600_000);
  await platform.settle();
  assert.match((await enter(next)).url, /\/account$/, 'the last good one counts');
  const [row] = await platform.database.query<{ failure: string }>('select failure from upstream_metadata');
  assert.match(row!.failure, /HTTP 500/);
  site.status = 200;
  site.text = published.metadata([next.certificate], {
    validUntil: new Date(platform.clock.now().getTime() - 1000),
  });
  platform.clock.advance(3_600_000);
  await platform.settle();
  assert.match((await enter()).url, /\/account$/, 'one that has expired takes no place');
  await site.stop();
});

test('SA-17 metadata that must be signed is refused without the right signature; ends are warned of', async () => {
  const pinned = await SamlIdp.make(platform, 'pinned');
  const pin = await samlKey({ name: 'federation' });
  const site = await serveText(pinned.metadata());
  const more = 'newPeople: create, authoritative: [example.net], privateNetwork: true';
  const from = `metadata: { url: "${site.url}", certificates: [${JSON.stringify(pin.certificate)}] }`;
  await declare(`  - { id: pinned, title: pinned, ${more}, saml: { ${from} } }\n`);
  const go = () => platform.visitor().open('/upstream/pinned/start');
  assert.match((await go()).text, /upstream-unreachable/, 'not signed');
  platform.clock.advance(60_000);
  site.text = pinned.metadata(undefined, { sign: await samlKey() });
  assert.match((await go()).text, /upstream-unreachable/, 'signed by another one');
  platform.clock.advance(60_000);
  site.text = pinned.metadata(undefined, { sign: pin });
  assert.equal((await go()).status, 303);
  await site.stop();
  const end = certificateFacts(pinned.key.certificate).notAfter;
  platform.clock.advance(end.getTime() - platform.clock.now().getTime() - 86_400_000);
  const metrics = await (await fetch(`${platform.origin}/metrics`)).text();
  assert.match(metrics, /gatehouse_saml_ends_seconds\{kind="upstream-certificate"[^}]*upstream="pinned"/);
  assert.match(metrics, /gatehouse_saml_ends_seconds\{kind="upstream-metadata"[^}]*upstream="published"/);
});
