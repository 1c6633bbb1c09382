/** Signing in to apps by SAML, with npm node-saml on the other side: its own parser, its own idea of a signature. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { type Platform, startPlatform } from '../kit.ts';
import type { Visitor } from '../visitor.ts';
import {
  application,
  attributesOf,
  communityFile,
  inline,
  passwords,
  postFrom,
  publishedCertificates,
  SamlParty,
  samlKey,
  signedIn,
  statusOf,
} from './saml-party.ts';

const key = await samlKey({ name: 'app' });
let platform: Platform;
let certificates: string[];

before(async () => {
  platform = await startPlatform({ realTime: true, env: { GATEHOUSE_ALIAS_DOMAIN: 'people.harbour.test' } });
  const all = 'consent: trusted, release: { claims: [name, username, email, groups, roles], groups: all }';
  await platform.apply(
    communityFile(
      [
        application('wiki', `certificates: [${inline(key)}]`, `${all}, roles: { developers: [editor] }`),
        application('board', 'sign: assertion'),
        application('vault', `encrypt: true, certificates: [${inline(key)}], wantSignedRequests: true`),
        application('mailed', 'nameId: { format: emailAddress }'),
        application(
          'alias',
          'nameId: { format: emailAddress }',
          'consent: trusted, alias: { address: mailbox }',
        ),
        application('once', 'nameId: { format: transient }, sign: response'),
        application('named', 'nameId: { format: unspecified }'),
        application('asking', '', 'consent: ask'),
        application(
          'lobby',
          'idpInitiated: { allowed: true }',
          'consent: trusted, access: { groups: [developers] }',
        ),
        application('guarded', '', 'consent: trusted, assurance: { secondFactor: required }'),
        application('recent', '', 'consent: trusted, assurance: { maxAgeMinutes: 5 }'),
        application('closed', '', 'consent: trusted, access: { groups: [developers] }'),
        application(
          'jira',
          'idpInitiated: { allowed: true, relayState: "https://jira.example.org/start?a=b&c=d" }, sessionMinutes: 30',
        ),
        application(
          'mapped',
          `attributes: { "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname": givenName,
          "urn:oid:0.9.2342.19200300.100.1.3": { from: email, friendlyName: mail }, org: "attribute:organisation", secret: roles, id: subject }`,
        ),
      ].join('\n'),
    ),
  );
  certificates = await publishedCertificates(platform.origin);
});

const party = (id: string, options: ConstructorParameters<typeof SamlParty>[3] = {}) =>
  new SamlParty(platform.origin, id, certificates, options);

/** The form on this page that gives this answer. */
function formTo({ page }: Visitor, answer: string): string | undefined {
  return new RegExp(`action="([^"]*/${answer})"`).exec(page.text)?.[1];
}
const back = (visitor: Visitor) => formTo(visitor, 'back');

test('an app asks by Redirect: the person signs in, node-saml believes who it is and what is told', async () => {
  const visitor = platform.visitor();
  const wiki = party('wiki', { key });
  await visitor.open(await wiki.startUrl('token-"<&>-1'));
  assert.match(visitor.page.url, /\/sign-in\?request=/);
  assert.match(visitor.page.text, /wiki/);
  await visitor.submit({ username: 'ada', password: passwords.ada }, '/sign-in');
  const first = wiki.delivered(visitor);
  assert.equal(first.action, wiki.acsUrl);
  assert.equal(first.relayState, 'token-"<&>-1');
  assert.match(
    visitor.page.headers.get('content-security-policy') ?? '',
    /form-action 'self' https:\/\/wiki\.example\.org/,
  );
  const profile = await first.believe();
  assert.equal(profile.nameIDFormat, 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent');
  assert.deepEqual(attributesOf(profile), {
    name: 'Ada Łovelace',
    givenName: 'Ada',
    familyName: 'Łovelace',
    username: 'ada',
    email: 'ada@example.org',
    groups: ['developers', 'staff'],
    roles: 'editor',
    organisation: 'Engines',
  });
  const again = await (await wiki.enter(visitor)).believe();
  assert.equal(again.nameID, profile.nameID);
  assert.equal(again.sessionIndex, profile.sessionIndex, 'one session, one index');
  const [sign] = await platform.database.query<{ front: string }>(
    `select front from session_applications where application = 'wiki'`,
  );
  assert.equal(sign?.front, 'saml');
});

test('PR-01 two apps share no value of a person: name and session index are different at each', async () => {
  const visitor = await signedIn(platform, 'ada');
  const wiki = await (await party('wiki').enter(visitor)).believe();
  const board = await (await party('board', { wantAuthnResponseSigned: false }).enter(visitor)).believe();
  assert.notEqual(wiki.nameID, board.nameID);
  assert.notEqual(wiki.sessionIndex, board.sessionIndex);
  assert.equal(board.nameQualifier, `${platform.origin}/saml/metadata`);
  assert.equal(board.spNameQualifier, 'https://board.example.org/saml');
  const [row] = await platform.database.query<{ subject: string }>(
    `select subject from subjects where application = 'board'`,
  );
  assert.equal(row?.subject, board.nameID, 'the subject of every other protocol');
});

test('an app asks by POST from its own page, where no cookie of ours comes along', async () => {
  const visitor = await signedIn(platform, 'bob');
  const wiki = party('wiki', { key, authnRequestBinding: 'HTTP-POST', skipRequestCompression: true });
  const { SAMLRequest } = (await wiki.saml.getAuthorizeMessageAsync('back')) as { SAMLRequest: string };
  await postFrom(visitor, '/saml/sso', { SAMLRequest, RelayState: 'back' });
  const seen = wiki.delivered(visitor);
  assert.equal(seen.relayState, 'back');
  assert.equal(attributesOf(await seen.believe()).username, 'bob');
});

test('an assertion that only the app can read, and requests that must be signed', async () => {
  const visitor = await signedIn(platform, 'ada');
  const vault = party('vault', { key, decryptionPvk: key.key });
  const seen = await vault.enter(visitor);
  assert.match(seen.xml, /EncryptedAssertion/);
  assert.doesNotMatch(seen.xml, /ada@example\.org/);
  assert.equal(attributesOf(await seen.believe()).email, 'ada@example.org');
  await visitor.open(await party('vault').startUrl());
  assert.equal(visitor.page.status, 400);
  assert.match(visitor.page.text, /unsigned/);
});

test('PR-08 the name may be an address: the own one, the alias mailbox alone, or nothing where there is none', async () => {
  const visitor = await signedIn(platform, 'ada');
  const mailed = await (await party('mailed').enter(visitor)).believe();
  assert.equal(mailed.nameID, 'ada@example.org');
  assert.equal(mailed.nameIDFormat, 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress');
  const aliased = await party('alias').enter(visitor);
  assert.equal((await aliased.believe()).nameID, 'ada@people.harbour.test');
  assert.doesNotMatch(aliased.xml, /example\.org</);
  const eve = await signedIn(platform, 'eve');
  await eve.open(await party('mailed').startUrl());
  assert.equal(eve.page.status, 409);
  assert.match(eve.page.text, /not confirmed/);
  await eve.submit({}, back(eve));
  assert.deepEqual(statusOf(party('mailed').delivered(eve).xml), ['Responder', 'RequestDenied']);
  const board = await party('board', { wantAuthnResponseSigned: false }).enter(eve);
  assert.doesNotMatch(board.xml, /eve@example\.org/, 'an address nobody confirmed is told to nobody');
});

test('a transient name is new every time; a plain one is the user name', async () => {
  const visitor = await signedIn(platform, 'ada');
  const once = party('once', { wantAssertionsSigned: false });
  const names = [await (await once.enter(visitor)).believe(), await (await once.enter(visitor)).believe()];
  assert.notEqual(names[0]?.nameID, names[1]?.nameID);
  const named = await (await party('named').enter(visitor)).believe();
  assert.equal(named.nameID, 'ada');
});

test('attributes go under the names the app wants, and only what is released to it', async () => {
  const visitor = await signedIn(platform, 'ada');
  const seen = await party('mapped').enter(visitor);
  const profile = await seen.believe();
  assert.deepEqual(attributesOf(profile), {
    'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname': 'Ada',
    'urn:oid:0.9.2342.19200300.100.1.3': 'ada@example.org',
    org: 'Engines',
    id: profile.nameID,
  });
  assert.match(seen.xml, /FriendlyName="mail"/);
});

test('the person decides once where the app must ask, and may say no', async () => {
  const visitor = await signedIn(platform, 'ada');
  const asking = party('asking');
  await visitor.open(await asking.startUrl('r'));
  assert.match(visitor.page.text, /Share with asking\?/);
  assert.match(visitor.page.text, /ada@example\.org/);
  await visitor.submit({}, back(visitor));
  assert.deepEqual(statusOf(asking.delivered(visitor).xml), ['Responder', 'RequestDenied']);
  await assert.rejects(asking.delivered(visitor).believe(), /You chose not to share/);
  await visitor.open(asking.request({ isPassive: true }));
  assert.deepEqual(statusOf(asking.delivered(visitor).xml), ['Responder', 'NoPassive']);
  await visitor.open(await asking.startUrl('r'));
  await visitor.submit({}, formTo(visitor, 'allow'));
  assert.ok((await asking.delivered(visitor).believe()).nameID);
  assert.ok((await (await asking.enter(visitor)).believe()).nameID, 'and is not asked again');
  await visitor.open('/apps');
  assert.match(visitor.page.text, /asking/);
});

test('AU-19 OA-21 who may not enter is told so here, and the app by a status', async () => {
  const visitor = await signedIn(platform, 'bob');
  const closed = party('closed');
  await visitor.open(await closed.startUrl());
  assert.equal(visitor.page.status, 403);
  assert.match(visitor.page.text, /You cannot enter closed/);
  await visitor.submit({}, back(visitor));
  assert.deepEqual(statusOf(closed.delivered(visitor).xml), ['Responder', 'RequestDenied']);
  await visitor.open('/saml/launch/lobby');
  assert.match(visitor.page.text, /You cannot enter lobby/);
  await visitor.submit({}, back(visitor));
  assert.match(visitor.page.url, /\/apps$/, 'an app that did not ask is told nothing');
  const ada = await signedIn(platform, 'ada');
  assert.ok((await (await closed.enter(ada)).believe()).nameID);
  await visitor.open(closed.request({ isPassive: true }));
  assert.deepEqual(statusOf(closed.delivered(visitor).xml), ['Responder', 'RequestDenied']);
});

test('IsPassive never shows a page; ForceAuthn asks for the password again', async () => {
  const wiki = party('wiki', { key });
  const stranger = platform.visitor();
  await stranger.open(wiki.request({ isPassive: true, relayState: 'x' }));
  assert.deepEqual(statusOf(wiki.delivered(stranger).xml), ['Responder', 'NoPassive']);
  const visitor = await signedIn(platform, 'ada');
  await visitor.open(wiki.request({ isPassive: true }));
  assert.ok(wiki.delivered(visitor).xml.includes('Assertion'));
  const before = Date.now();
  await visitor.open(await party('wiki', { key, forceAuthn: true }).startUrl());
  assert.match(visitor.page.url, /\/sign-in/);
  await visitor.submit({ username: 'ada', password: passwords.ada }, '/sign-in');
  const forced = wiki.delivered(visitor);
  const instant = /AuthnInstant="([^"]+)"/.exec(forced.xml)?.[1] ?? '';
  assert.ok(Date.parse(instant) >= before - 1000, 'the proof is a new one');
  await visitor.open(wiki.request({ forceAuthn: true, isPassive: true }));
  assert.deepEqual(statusOf(wiki.delivered(visitor).xml), ['Responder', 'NoPassive']);
});

test('what is said of the sign-in is true: a password is no second factor', async () => {
  const visitor = await signedIn(platform, 'ada');
  const password = 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport';
  const wiki = party('wiki', { key, disableRequestedAuthnContext: false, authnContext: [password] });
  assert.match((await wiki.enter(visitor)).xml, new RegExp(`AuthnContextClassRef>${password}<`));
  const strong = ['https://refeds.org/profile/mfa'];
  for (const comparison of ['exact', 'minimum'] as const) {
    await visitor.open(
      wiki.request({ requestedAuthnContext: { comparison, classRefs: strong }, isPassive: true }),
    );
    assert.deepEqual(statusOf(wiki.delivered(visitor).xml), ['Responder', 'NoAuthnContext']);
  }
  await visitor.open(wiki.request({ requestedAuthnContext: { comparison: 'better', classRefs: strong } }));
  assert.deepEqual(
    statusOf(wiki.delivered(visitor).xml),
    ['Responder', 'NoAuthnContext'],
    'nothing is better here',
  );
  await visitor.open(wiki.request({ requestedAuthnContext: { comparison: 'exact', classRefs: strong } }));
  assert.match(visitor.page.url, /\/sign-in\/(second|enrol)/, 'a further factor is asked for');
  const declined = /href="([^"]*\?declined=1)"/.exec(visitor.page.text)?.[1];
  await visitor.open(declined!);
  assert.deepEqual(statusOf(wiki.delivered(visitor).xml), ['Responder', 'NoAuthnContext']);
  await visitor.open(wiki.request({ requestedAuthnContext: { comparison: 'maximum', classRefs: strong } }));
  assert.ok(wiki.delivered(visitor).xml.includes('Assertion'));
});

test('AU-20 an app that wants two factors gets nobody with one, and is told of two when there were two', async () => {
  const visitor = await signedIn(platform, 'ada');
  const guarded = party('guarded');
  await visitor.open(guarded.request());
  assert.match(visitor.page.url, /\/sign-in\/(second|enrol)/);
  await visitor.open(guarded.request({ isPassive: true }));
  assert.deepEqual(statusOf(guarded.delivered(visitor).xml), ['Responder', 'NoAuthnContext']);
  await platform.database.query(
    `update sessions set aal = 2, amr = '{pwd,otp,mfa}' where ended_at is null and person = (select id from people where username = 'ada')`,
  );
  const mfa = 'https://refeds.org/profile/mfa';
  assert.match((await guarded.enter(visitor)).xml, new RegExp(`AuthnContextClassRef>${mfa}<`));
  for (const classRefs of [[mfa], ['http://schemas.microsoft.com/claims/multipleauthn', mfa]]) {
    await visitor.open(guarded.request({ requestedAuthnContext: { comparison: 'exact', classRefs } }));
    assert.match(guarded.delivered(visitor).xml, new RegExp(`AuthnContextClassRef>${classRefs[0]}<`));
  }
  await visitor.open(party('recent').request());
  assert.ok(party('recent').delivered(visitor).xml.includes('Assertion'));
  await platform.database.query(`update sessions set auth_time = auth_time - interval '6 minutes'`);
  await visitor.open(party('recent').request());
  assert.match(visitor.page.url, /\/sign-in/, 'a sign-in older than the app takes is asked for anew');
});

test('a kind of name the app does not get is refused in words of the standard', async () => {
  const visitor = await signedIn(platform, 'ada');
  const wiki = party('wiki', { key });
  await visitor.open(
    wiki.request({ nameIdFormat: 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress' }),
  );
  assert.deepEqual(statusOf(wiki.delivered(visitor).xml), ['Requester', 'InvalidNameIDPolicy']);
});

test('an app that names another person does not get this one', async () => {
  const visitor = await signedIn(platform, 'ada');
  const mailed = party('mailed');
  await visitor.open(mailed.request({ subject: { value: 'bob@example.org' } }));
  assert.match(visitor.page.text, /Another account is needed/);
  await visitor.submit({}, back(visitor));
  assert.deepEqual(statusOf(mailed.delivered(visitor).xml), ['Responder', 'UnknownPrincipal']);
  await visitor.open(mailed.request({ subject: { value: 'ada@example.org' } }));
  assert.match(mailed.delivered(visitor).xml, />ada@example\.org<\/saml:NameID>/);
});

test('SA-08 /go leads into an app that may be opened from here, with the RelayState of its settings; others not', async () => {
  const visitor = platform.visitor();
  await visitor.open('/go/jira');
  await visitor.submit({ username: 'ada', password: passwords.ada }, '/sign-in');
  const jira = party('jira');
  await visitor.open(/href="([^"]*\/saml\/launch\/jira)"/.exec(visitor.page.text)?.[1] ?? '/go/jira');
  const seen = jira.delivered(visitor);
  assert.equal(seen.relayState, 'https://jira.example.org/start?a=b&c=d');
  assert.doesNotMatch(seen.xml, /InResponseTo/);
  assert.match(seen.xml, /SessionNotOnOrAfter/);
  assert.ok((await seen.believe()).nameID);
  await visitor.open('/saml/launch/jira?RelayState=https%3A%2F%2Fevil.example');
  assert.equal(jira.delivered(visitor).relayState, 'https://jira.example.org/start?a=b&c=d');
  await visitor.open('/saml/launch/wiki');
  assert.equal(visitor.page.status, 403);
  assert.doesNotMatch(visitor.page.text, /SAMLResponse/);
});
