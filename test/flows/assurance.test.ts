/** How sure an app wants to be, in both protocols: one session, raised by one, is known to the other. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { harbour, passwords, withApp } from '#test/factors.ts';
import { type Platform, startPlatform } from '../kit.ts';
import type { Visitor } from '../visitor.ts';
import { decode, Party, secret } from './oidc-party.ts';
import { application, publishedCertificates, SamlParty, statusOf } from './saml-party.ts';

const mfa = 'https://refeds.org/profile/mfa';
const ppt = 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport';
const one = 'urn:gatehouse:acr:1';
const two = 'urn:gatehouse:acr:2';
let platform: Platform;
let certificates: string[];
let code: () => string;

before(async () => {
  platform = await startPlatform();
  const oidc = `secret: ${secret}, consent: trusted, oidc: { redirectUris: [http://127.0.0.1:9/callback] }`;
  await platform.apply(`${harbour}
applications:
  - { id: tracker, title: Tracker, ${oidc} }
  - { id: ledger, title: Ledger, assurance: { secondFactor: required, maxAgeMinutes: 30 }, ${oidc} }
${application('wiki', '')}
${application('vault', '', 'consent: trusted, assurance: { secondFactor: required, maxAgeMinutes: 30 }')}
`);
  ({ code } = await withApp(platform, 'ada'));
  certificates = await publishedCertificates(platform.origin);
});

const tracker = (id = 'tracker') => new Party(platform, { id });
const saml = (id = 'wiki') => new SamlParty(platform.origin, id, certificates);
type Context = Parameters<SamlParty['request']>[0];

/** Signed in with the password alone, in a browser that need not give the second step. */
async function remembered(): Promise<Visitor> {
  const visitor = platform.visitor();
  platform.clock.advance(60_000);
  await visitor.signIn('ada', passwords.ada);
  await visitor.submit({ code: code(), remember: 'on' }, '/sign-in/second');
  await visitor.submit({}, '/sign-out');
  platform.clock.advance(60_000);
  assert.match((await visitor.signIn('ada', passwords.ada)).url, /\/account$/);
  return visitor;
}

const asking = (context: object, more: Context = {}): Context => ({
  issueInstant: platform.clock.now(),
  requestedAuthnContext: context as never,
  ...more,
});
const stated = (party: SamlParty, visitor: Visitor) =>
  /AuthnContextClassRef>([^<]+)</.exec(party.delivered(visitor).xml)?.[1];

test('AU-20 raised for a SAML app, the session is as strong for one of OpenID Connect, and nothing is asked again', async () => {
  const visitor = await remembered();
  const wiki = saml();
  await visitor.open(wiki.request(asking({ comparison: 'exact', classRefs: [ppt] })));
  assert.equal(stated(wiki, visitor), ppt);
  await visitor.open(wiki.request(asking({ comparison: 'minimum', classRefs: [mfa] })));
  assert.match(visitor.page.url, /\/sign-in\/second\?request=/);
  await visitor.submit({ code: code() }, '/sign-in/second');
  assert.equal(stated(wiki, visitor), mfa);
  for (const more of [{}, { acr_values: two }, { acr_values: two, prompt: 'none' }]) {
    const { acr, amr } = decode((await tracker().tokens(visitor, more)).id_token!).claims;
    assert.deepEqual([acr, (amr as string[]).sort()], [two, ['mfa', 'otp', 'pwd']]);
  }
  assert.equal(decode((await tracker('ledger').tokens(visitor)).id_token!).claims.acr, two);
});

test('AU-20 raised for an app of OpenID Connect, the session is as strong for one of SAML', async () => {
  const visitor = await remembered();
  await visitor.open(tracker().authorizationUrl({ acr_values: two }));
  await visitor.submit({ code: code() }, '/sign-in/second');
  const [wiki, vault] = [saml(), saml('vault')];
  for (const comparison of ['exact', 'minimum', 'maximum'] as const) {
    await visitor.open(wiki.request(asking({ comparison, classRefs: [mfa] }, { isPassive: true })));
    assert.equal(stated(wiki, visitor), mfa, comparison);
  }
  await visitor.open(wiki.request(asking({ comparison: 'better', classRefs: [ppt] }, { isPassive: true })));
  assert.equal(stated(wiki, visitor), mfa);
  await visitor.open(vault.request(asking({ comparison: 'exact', classRefs: [ppt] })));
  assert.equal(stated(vault, visitor), ppt, 'the app has its two factors, and is told of the one it names');
});

test('AU-20 unknown classes, and what nobody here can give, end with NoAuthnContext and ask for nothing', async () => {
  const visitor = await remembered();
  const wiki = saml();
  for (const [comparison, classRefs] of [
    ['exact', ['urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI']],
    ['minimum', ['urn:example:whatever']],
    ['maximum', ['urn:example:whatever']],
    ['better', [mfa]],
    ['better', [ppt, 'urn:example:whatever']],
  ] as const) {
    await visitor.open(wiki.request(asking({ comparison, classRefs })));
    assert.deepEqual(statusOf(wiki.delivered(visitor).xml), ['Responder', 'NoAuthnContext'], comparison);
  }
  const guest = platform.visitor();
  await guest.open(wiki.request(asking({ comparison: 'exact', classRefs: ['urn:example:whatever'] })));
  assert.match(guest.page.url, /\/sign-in/);
  await guest.submit({ username: 'bob', password: passwords.bob }, '/sign-in');
  assert.deepEqual(statusOf(wiki.delivered(guest).xml), ['Responder', 'NoAuthnContext']);
});

test('AU-20 max_age and acr together: the proof is a new one and as strong as asked, and only that is told', async () => {
  const visitor = await remembered();
  platform.clock.advance(10 * 60_000);
  const wants = { max_age: '300', acr_values: `${two} ${one}` };
  assert.equal(
    (await tracker().authorize(visitor, { ...wants, prompt: 'none' })).get('error'),
    'login_required',
  );
  const party = tracker();
  await visitor.open(party.authorizationUrl(wants));
  assert.match(visitor.page.url, /\/sign-in\?request=/);
  const asked = await visitor.submit({ username: 'ada', password: passwords.ada }, '/sign-in');
  assert.match(asked.url, /\/sign-in\/second\?request=/, 'a remembered browser does not stand in');
  const back = await visitor.submit({ code: code() }, '/sign-in/second');
  const given = new URL(back.headers.get('location')!).searchParams.get('code')!;
  const { claims } = decode(String((await party.exchange(given)).body.id_token));
  assert.deepEqual([claims.acr, claims.auth_time], [two, Math.floor(platform.clock.now().getTime() / 1000)]);
  // Another app with an age limit of its own takes the same proof, until it is too old; the other protocol too.
  platform.clock.advance(29 * 60_000);
  assert.ok((await tracker('ledger').tokens(visitor)).id_token);
  const vault = saml('vault');
  await visitor.open(vault.request({ issueInstant: platform.clock.now() }));
  assert.equal(stated(vault, visitor), mfa);
  platform.clock.advance(2 * 60_000);
  assert.match((await visitor.open(tracker('ledger').authorizationUrl())).url, /\/sign-in\?request=/);
  await visitor.open(vault.request({ issueInstant: platform.clock.now() }));
  assert.match(visitor.page.url, /\/sign-in\?request=/);
});

test('AU-20 levels asked for by names nobody knows are no wish, and insisting on one ends with an error', async () => {
  const visitor = await remembered();
  const { acr } = decode(
    (await tracker().tokens(visitor, { acr_values: 'gold urn:example:3' })).id_token!,
  ).claims;
  assert.equal(acr, one);
  const first = decode((await tracker().tokens(visitor, { acr_values: `${one} ${two}` })).id_token!).claims;
  assert.equal(first.acr, one, 'the first of those wished for is enough');
  const claims = JSON.stringify({ id_token: { acr: { essential: true, value: 'gold' } } });
  const refused = await tracker().authorize(visitor, { claims });
  assert.equal(refused.get('error'), 'unmet_authentication_requirements');
});

test('AU-20 two factors that a provider told of, and nobody believes, are told to no app', async () => {
  const visitor = platform.visitor();
  await visitor.signIn('bob', passwords.bob);
  await platform.database.query(
    `update sessions set amr = '{pwd,mfa}' where ended_at is null and person = (select id from people where username = 'bob')`,
  );
  const { acr, amr } = decode((await tracker().tokens(visitor)).id_token!).claims;
  assert.deepEqual([acr, amr], [one, ['pwd']]);
  const wiki = saml();
  await visitor.open(wiki.request({ issueInstant: platform.clock.now() }));
  assert.equal(stated(wiki, visitor), ppt);
  await visitor.open(wiki.request(asking({ comparison: 'exact', classRefs: [mfa] }, { isPassive: true })));
  assert.deepEqual(statusOf(wiki.delivered(visitor).xml), ['Responder', 'NoAuthnContext']);
});
