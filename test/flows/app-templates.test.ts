/** Apps from templates, signing people in for real; and the test button, which must say the same as what is really sent. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { createToken } from '#core/operators/tokens.ts';
import { system } from '#kit/db/database.ts';
import { type Platform, startPlatform } from '../kit.ts';
import { decode, Party } from './oidc-party.ts';
import { attributesOf, publishedCertificates, SamlParty, signedIn } from './saml-party.ts';

const password = { ada: 'river-stone-lamp', eve: 'quiet-orchard-nine' };
const claims = 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/';
let platform: Platform;
let token: string;
let party: SamlParty;

before(async () => {
  platform = await startPlatform({ realTime: true, env: { GATEHOUSE_ALIAS_DOMAIN: 'people.harbour.test' } });
  await platform.apply(
    `
community: { name: Harbour }
attributes: [{ name: chat, type: text, title: Chat, releasedTo: [forum] }]
groups: [{ name: staff }]
people:
  - { username: ada, names: { givenName: Ada, familyName: Łovelace }, password: ${password.ada}, addresses: [ada@example.org], groups: [staff], attributes: { chat: "@ada" } }
  - { username: wren, names: { givenName: Wren, familyName: Byron }, password: copper-kettle-hill, addresses: [wren@example.org], operator: apps }
  - { username: eve, names: { givenName: Eve }, password: ${password.eve}, addresses: [eve@example.org] }
applications:
  - { id: jira, template: atlassian-cloud, values: { site: harbour, uniqueId: 0b1c-4c2e } }
  - { id: forum, secret: a-secret-of-at-least-thirty-two-characters, template: discourse, values: { baseUrl: "https://forum.example.org", groups: staff }, aliases: {} }
  - { id: published, title: Published, consent: trusted, saml: { entityId: "urn:published", metadata: { xml: '<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="urn:published"><md:SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><md:AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://published.example.org/acs" index="0"/></md:SPSSODescriptor></md:EntityDescriptor>' } } }
  - { id: closed, title: Closed, access: { groups: [staff] }, saml: { entityId: "urn:closed", acsUrls: ["https://closed.example.org/acs"], nameId: { format: transient } } }
`.replace(', aliases: {}', ''),
  );
  token = await platform.database.transact(
    system('admin'),
    async (tx) => (await createToken(tx, { name: 'test', scopes: ['admin'] })).token,
  );
  party = new SamlParty(platform.origin, 'jira', await publishedCertificates(platform.origin), {
    issuer: 'https://auth.atlassian.com/saml/0b1c-4c2e',
    audience: 'https://auth.atlassian.com/saml/0b1c-4c2e',
    callbackUrl: 'https://auth.atlassian.com/login/callback?connection=saml-0b1c-4c2e',
  });
});

interface Tested {
  refused?: { code: string };
  tellings: {
    speaks: string;
    nameless?: { code: string };
    told: { name: string; values: string[]; from: string; more?: string; why: string }[];
    message: string;
  }[];
  lacking: { value: string; change: string }[];
}

async function tried(app: string, person: string): Promise<Tested> {
  const answer = await fetch(`${platform.origin}/api/v1/applications/${app}/test`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ person }),
  });
  assert.equal(answer.status, 200);
  return (await answer.json()) as Tested;
}

/** A message without what is new in each: ids, moments, signatures. */
function constant(xml: string): string {
  return xml
    .replaceAll(
      /(ID|IssueInstant|AuthnInstant|SessionIndex|NotBefore|NotOnOrAfter|InResponseTo|URI)="[^"]*"/g,
      '$1=""',
    )
    .replaceAll(/<ds:(SignatureValue|DigestValue)>[^<]*/g, '<ds:$1>')
    .replaceAll(/ InResponseTo=""/g, '')
    .replaceAll(/<saml:AuthnContextClassRef>[^<]*/g, '<saml:AuthnContextClassRef>');
}

test('the Atlassian template signs people in: node-saml believes the alias mailbox as NameID and the three attributes', async () => {
  const visitor = await signedIn(platform, 'ada');
  const delivered = await party.enter(visitor);
  assert.equal(delivered.action, 'https://auth.atlassian.com/login/callback?connection=saml-0b1c-4c2e');
  const profile = await delivered.believe();
  assert.equal(profile.nameID, 'ada@people.harbour.test');
  assert.equal(profile.nameIDFormat, 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress');
  const told = attributesOf(profile);
  assert.deepEqual(Object.keys(told).sort(), [`${claims}givenname`, `${claims}name`, `${claims}surname`]);
  assert.equal(told[`${claims}givenname`], 'Ada');
  assert.equal(told[`${claims}surname`], 'Łovelace');
  assert.doesNotMatch(String(told[`${claims}name`]), /@/);
});

test('started from here it arrives with the RelayState of the site', async () => {
  const visitor = await signedIn(platform, 'ada');
  await visitor.open('/saml/launch/jira');
  const delivered = party.delivered(visitor);
  assert.equal(delivered.relayState, 'https://harbour.atlassian.net');
  assert.equal((await delivered.believe()).nameID, 'ada@people.harbour.test');
});

test('the test button tells what is really sent, letter by letter, and holds nothing anyone would believe', async () => {
  const before = await platform.database.query('select count(*) from events');
  const { tellings, lacking, refused } = await tried('jira', 'ada');
  assert.deepEqual(await platform.database.query('select count(*) from events'), before);
  const [saml] = tellings;
  assert.ok(saml);
  const really = await party.enter(await signedIn(platform, 'ada'));
  assert.equal(constant(saml.message), constant(really.xml));
  assert.doesNotMatch(saml.message, /<ds:SignatureValue>[^<]/);
  const profile = await really.believe();
  assert.equal(saml.told[0]?.values[0], profile.nameID);
  assert.equal(saml.told[0]?.more, profile.nameIDFormat);
  const told = Object.fromEntries(saml.told.slice(1).map((one) => [one.name, one.values[0]]));
  assert.deepEqual(told, attributesOf(profile));
  assert.match(saml.told[0]?.why ?? '', /alias mailbox.*alias\.address: mailbox/);
  assert.deepEqual([lacking, refused], [[], undefined]);
  const forged = Buffer.from(saml.message).toString('base64');
  await assert.rejects(party.saml.validatePostResponseAsync({ SAMLResponse: forged }));
});

test('an app that is known by its metadata is shown where its answer would go', async () => {
  const { tellings } = await tried('published', 'ada');
  assert.match(tellings[0]?.message ?? '', /Destination="https:\/\/published\.example\.org\/acs"/);
});

test('what an app of this template cannot do without is said before it refuses someone', async () => {
  const { lacking } = await tried('jira', 'eve');
  assert.deepEqual(
    lacking.map(({ value, change }) => [value, change]),
    [['familyName', 'This person has no last name: add one to the profile.']],
  );
});

test('claims of OpenID Connect with where each comes from; who may not enter is told so and still seen', async () => {
  const { tellings } = await tried('forum', 'ada');
  const told = new Map(tellings[0]?.told.map((one) => [one.name, one]));
  assert.deepEqual(told.get('groups')?.values, ['staff']);
  assert.match(told.get('groups')?.why ?? '', /release\.groups/);
  assert.match(told.get('preferred_username')?.why ?? '', /alias\.rule: username/);
  assert.match(told.get('chat')?.why ?? '', /released to this app/);
  assert.equal(told.get('email')?.more, 'email');
  const closed = await tried('closed', 'eve');
  assert.equal(closed.refused?.code, 'application-forbidden');
  assert.equal(closed.tellings[0]?.told[0]?.from, 'random');
});

test('the Discourse template signs people in with the values it says to paste, and userinfo says what the test button said', async () => {
  const party = new Party(platform, {
    id: 'forum',
    redirectUri: 'https://forum.example.org/auth/oidc/callback',
    scope: 'openid profile email',
  });
  const tokens = await party.tokens(await signedIn(platform, 'ada'));
  const { body: info } = await party.userinfo(tokens.access_token);
  const [oidc] = (await tried('forum', 'ada')).tellings;
  const told = Object.fromEntries((oidc?.told ?? []).map((one) => [one.name, one.values.join()]));
  const really = Object.fromEntries(Object.entries(info).map(([name, value]) => [name, String(value)]));
  assert.deepEqual(told, really);
  const { iss, aud, ...message } = JSON.parse(oidc?.message ?? '{}') as Record<string, unknown>;
  assert.deepEqual(message, info);
  const { claims: token } = decode(tokens.id_token ?? '');
  assert.deepEqual([iss, aud], [token.iss, token.aud]);
});

test('a test login comes back to our own page: believed once, by this browser, and by no app', async () => {
  const visitor = platform.visitor();
  await visitor.signIn('wren', 'copper-kettle-hill');
  const joined = () => platform.database.query('select count(*) from session_applications');
  const before = [await joined(), await platform.database.query('select count(*) from subjects')];
  await visitor.open('/saml/test/jira');
  const { action, fields } = visitor.formOf('/saml/test');
  assert.equal(new URL(action, platform.origin).pathname, '/saml/test');
  const xml = Buffer.from(fields.SAMLResponse ?? '', 'base64').toString();
  assert.match(xml, new RegExp(`<saml:Audience>${platform.origin}/saml/test</saml:Audience>`));
  assert.doesNotMatch(xml, /auth\.atlassian\.com/);
  await assert.rejects(party.saml.validatePostResponseAsync({ SAMLResponse: fields.SAMLResponse ?? '' }));
  // Neither the request nor the answer is worth anything at the pages of a real sign-in.
  await visitor.open(`/saml/sso/${fields.RelayState}`);
  assert.notEqual(visitor.page.status, 200);
  await visitor.open('/saml/test/jira');
  await visitor.submit({}, '/saml/test');
  assert.match(visitor.page.text, /wren@people\.harbour\.test/);
  assert.match(visitor.page.text, /Byron/);
  assert.deepEqual(
    [await joined(), await platform.database.query('select count(*) from subjects')],
    before,
    'nobody joined the app, and no subject was fixed',
  );
});

test('an answer of a test that was used, changed, or is of another browser is turned away; and nobody but operators test', async () => {
  const visitor = platform.visitor();
  await visitor.signIn('wren', 'copper-kettle-hill');
  await visitor.open('/saml/test/jira');
  const { fields } = visitor.formOf('/saml/test');
  const changed = Buffer.from(
    Buffer.from(fields.SAMLResponse ?? '', 'base64')
      .toString()
      .replace('wren@', 'ada@'),
  ).toString('base64');
  await visitor.submit({ SAMLResponse: changed }, '/saml/test');
  assert.equal(visitor.page.status, 400);
  assert.doesNotMatch(visitor.page.text, /ada@people/);
  await visitor.open('/saml/test/jira');
  const second = visitor.formOf('/saml/test').fields;
  const other = platform.visitor();
  await other.signIn('ada', password.ada);
  await other.open('/saml/test/jira');
  assert.equal(other.page.status, 403);
  const third = platform.visitor();
  await third.signIn('wren', 'copper-kettle-hill');
  await third.open('/saml/test/jira');
  await third.submit(
    { SAMLResponse: second.SAMLResponse ?? '', RelayState: second.RelayState ?? '' },
    '/saml/test',
  );
  assert.equal(third.page.status, 410);
  await visitor.submit({}, '/saml/test');
  assert.equal(visitor.page.status, 200);
});
