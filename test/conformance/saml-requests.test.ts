/** What an identity provider must not do for whoever asks: forged, foreign, replayed and stale requests, and what is said. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { deflateRawSync } from 'node:zlib';
import {
  application,
  attributesOf,
  communityFile,
  inline,
  newId,
  passwords,
  postFrom,
  publishedCertificates,
  SamlParty,
  samlKey,
  secondNode,
  signedIn,
} from '#test/flows/saml-party.ts';
import { type Platform, startPlatform } from '#test/kit.ts';

const key = await samlKey({ name: 'app' });
const attacker = await samlKey({ name: 'app' });
let platform: Platform;
let elsewhere: Awaited<ReturnType<typeof secondNode>>;
let certificates: string[];

const party = (id: string, options: ConstructorParameters<typeof SamlParty>[3] = {}) =>
  new SamlParty(platform.origin, id, certificates, options);

before(async () => {
  platform = await startPlatform({ realTime: true });
  elsewhere = await secondNode(platform);
  await platform.apply(
    communityFile(
      [
        application('wiki', `certificates: [${inline(key)}]`),
        application('strict', `certificates: [${inline(key)}], wantSignedRequests: true`),
        application('board', 'idpInitiated: { allowed: true }'),
        application('gone', 'idpInitiated: { allowed: true }', 'consent: trusted, enabled: false'),
      ].join('\n'),
      '',
    ),
  );
  certificates = await publishedCertificates(platform.origin);
});

/** No page of these holds an answer, or leads anywhere but to us. */
function assertNothingSaid(page: { text: string; headers: Headers; status: number }, what: string): void {
  assert.ok(page.status >= 400 && page.status < 500, `${what}: ${page.status}`);
  assert.doesNotMatch(page.text, /SAMLResponse|evil/, what);
  assert.equal(page.headers.get('location'), null, what);
  assert.doesNotMatch(page.headers.get('content-security-policy') ?? '', /form-action 'self' \S/, what);
}

test('SA-12 an answer goes to an address of the app alone, letter by letter', async () => {
  const visitor = await signedIn(platform, 'ada');
  const { acsUrl } = party('wiki');
  const foreign = [
    'https://evil.example/acs',
    `${acsUrl}/`,
    `${acsUrl}?x=1`,
    `${acsUrl}#x`,
    `${acsUrl}@evil.example/`,
    acsUrl.replace('https', 'http'),
    acsUrl.toUpperCase(),
    acsUrl.replace('example.org', 'example.org.evil.example'),
    party('board').acsUrl,
    'javascript:alert(1)',
  ];
  for (const one of foreign) {
    await visitor.open(party('wiki').request({ acsUrl: one, signWith: key }));
    assertNothingSaid(visitor.page, one);
  }
  await visitor.open(party('wiki').request({ signWith: key }));
  assert.equal(party('wiki').delivered(visitor).action, acsUrl);
});

test('SA-12 an app that is off, or nobody knows, is answered on no way in', async () => {
  const visitor = await signedIn(platform, 'ada');
  const gone = party('gone');
  const nobody = party('nobody');
  for (const one of [gone, nobody]) {
    await visitor.open(one.request());
    assertNothingSaid(visitor.page, one.id);
    await postFrom(visitor, '/saml/sso', one.postedRequest());
    assertNothingSaid(visitor.page, `${one.id} by POST`);
    await visitor.open(`/saml/launch/${one.id}`);
    assertNothingSaid(visitor.page, `${one.id} from here`);
    const seen = await visitor.open(`/go/${one.id}`);
    assertNothingSaid(seen, `/go/${one.id}`);
  }
});

test('SA-12 an app that is switched off while somebody signs in is not answered any more', async () => {
  const visitor = platform.visitor();
  const board = party('board');
  await visitor.open(board.request());
  const off = application('board', 'idpInitiated: { allowed: true }', 'consent: trusted, enabled: false');
  await platform.apply(`applications:\n${off}`);
  await visitor.submit({ username: 'ada', password: passwords.ada }, '/sign-in');
  assertNothingSaid(visitor.page, 'switched off');
  await platform.apply(`applications:\n${application('board', 'idpInitiated: { allowed: true }')}`);
});

test('SA-05 a signature that is there must be right, also where none is asked for; one that is asked for must be there', async () => {
  const visitor = await signedIn(platform, 'ada');
  const wiki = party('wiki');
  const strict = party('strict');
  const signed = wiki.request({ signWith: key });
  const twoOf = (url: string) => new URL(url).searchParams;
  const swapped = new URL(signed);
  swapped.searchParams.set('SAMLRequest', twoOf(wiki.request({ signWith: key })).get('SAMLRequest')!);
  const relay = `${wiki.request({ signWith: key, relayState: 'mine' })}`.replace(
    'RelayState=mine',
    'RelayState=evil',
  );
  const attempts: [string, string][] = [
    ['another key', wiki.request({ signWith: attacker })],
    ['another message', swapped.href],
    ['another RelayState', relay],
    ['an algorithm of another kind', signed.replace('rsa-sha256', 'hmac-sha256')],
    ['SHA-1', signed.replace('2001%2F04%2Fxmldsig-more%23rsa-sha256', '2000%2F09%2Fxmldsig%23rsa-sha1')],
    ['an empty signature', signed.replace(/&Signature=.*/, '&Signature=')],
    ['twice', `${signed}&SAMLRequest=${twoOf(signed).get('SAMLRequest')}`],
    ['unsigned', strict.request()],
    ['the signature taken off', strict.request({ signWith: key }).replace(/&SigAlg=.*/, '')],
  ];
  for (const [what, url] of attempts) {
    await visitor.open(url);
    assertNothingSaid(visitor.page, what);
  }
  const forms: [string, Record<string, string>][] = [
    ['another key', strict.postedRequest({ signWith: attacker })],
    ['unsigned', strict.postedRequest()],
    ['changed', strict.postedRequest({ signWith: key, change: (xml) => xml.replace('ID="_', 'ID="_0') })],
    [
      'a comment',
      strict.postedRequest({ signWith: key, change: (xml) => xml.replace('/saml<', '/saml<!-- --><') }),
    ],
    [
      'a DOCTYPE',
      strict.postedRequest({
        change: (xml) => `<!DOCTYPE a [<!ENTITY b SYSTEM "http://evil.example/">]>${xml}`,
      }),
    ],
    ['both ways to prove it, for POST', { ...strict.postedRequest(), SigAlg: 'x', Signature: 'y' }],
  ];
  for (const [what, fields] of forms) {
    await postFrom(visitor, '/saml/sso', fields);
    assertNothingSaid(visitor.page, `${what}, by POST`);
  }
  await postFrom(visitor, '/saml/sso', strict.postedRequest({ signWith: key }));
  assert.ok(strict.delivered(visitor).xml.includes('Assertion'));
});

test('SA-01 a request wrapped around a signed one speaks with nobody’s voice', async () => {
  const visitor = await signedIn(platform, 'ada');
  const strict = party('strict');
  const good = Buffer.from(strict.postedRequest({ signWith: key }).SAMLRequest!, 'base64').toString();
  const evil = Buffer.from(strict.postedRequest({ id: newId() }).SAMLRequest!, 'base64').toString();
  const signature = /<ds:Signature[\s\S]*<\/ds:Signature>/.exec(good)![0];
  const attempts = [
    evil.replace('</saml:Issuer>', `</saml:Issuer>${signature}`),
    evil.replace('</saml:Issuer>', `</saml:Issuer>${good}`),
    evil.replace('</saml:Issuer>', `</saml:Issuer><samlp:Extensions>${good}</samlp:Extensions>`),
    evil.replace(
      '</saml:Issuer>',
      `</saml:Issuer>${signature.replace('</ds:Signature>', `<ds:Object>${good}</ds:Object></ds:Signature>`)}`,
    ),
  ];
  for (const [index, xml] of attempts.entries()) {
    await postFrom(visitor, '/saml/sso', { SAMLRequest: Buffer.from(xml).toString('base64') });
    assertNothingSaid(visitor.page, `attempt ${index}`);
  }
});

test('SA-07 a request for elsewhere, of another time or without a destination where it is signed is turned away', async () => {
  const visitor = await signedIn(platform, 'ada');
  const wiki = party('wiki');
  const at = (seconds: number) => new Date(Date.now() + seconds * 1000);
  for (const [what, more] of [
    ['for elsewhere', { destination: 'https://other.example.org/saml/sso' }],
    ['for our sign-out', { destination: `${platform.origin}/saml/slo` }],
    ['stale', { issueInstant: at(-3600) }],
    ['from the future', { issueInstant: at(120) }],
  ] as const) {
    await visitor.open(wiki.request(more));
    assertNothingSaid(visitor.page, what);
  }
  await visitor.open(wiki.request({ signWith: key, destination: undefined as never }));
  assertNothingSaid(visitor.page, 'signed, and for nobody');
  await visitor.open(wiki.request({ issueInstant: at(-200) }));
  assert.ok(wiki.delivered(visitor).xml.includes('Assertion'), 'a slow network is no attack');
});

test('SA-09 a request is answered once, on whichever node', async () => {
  const visitor = await signedIn(platform, 'ada');
  const url = party('wiki').request({ signWith: key });
  await visitor.open(url);
  assert.ok(party('wiki').delivered(visitor).xml.includes('Assertion'));
  await visitor.open(url);
  assert.equal(visitor.page.status, 410);
  assertNothingSaid(visitor.page, 'again');
  const there = await elsewhere(url);
  assert.equal(there.status, 410);
  assert.doesNotMatch(there.text, /SAMLResponse/);
});

test('SA-08 an open request is that of the browser it was made in', async () => {
  const mallory = platform.visitor();
  await mallory.open(party('wiki').request({ signWith: key }));
  const open = await platform.database.query<{ id: string }>(
    'select id from saml_requests order by created_at desc limit 1',
  );
  const victim = await signedIn(platform, 'ada');
  await victim.open(`/saml/sso/${open[0]!.id}`);
  assert.equal(victim.page.status, 410);
  assertNothingSaid(victim.page, 'another browser');
});

test('SA-11 a message larger than 256 KB is refused before and after it is inflated', async () => {
  const visitor = await signedIn(platform, 'ada');
  const began = performance.now();
  const seen = await fetch(`${platform.origin}/saml/sso`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ SAMLRequest: Buffer.alloc(400_000, 'a').toString('base64') }).toString(),
  });
  assert.equal(seen.status, 413);
  assert.ok(performance.now() - began < 2000);
  const bomb = deflateRawSync(Buffer.alloc(5 * 1024 * 1024, 'a')).toString('base64');
  await visitor.open(`/saml/sso?SAMLRequest=${encodeURIComponent(bomb)}`);
  assert.equal(visitor.page.status, 413);
});

test('SA-13 a name that looks like markup stays one value of one attribute', async () => {
  const nasty = `</saml:AttributeValue></saml:Attribute><saml:Attribute Name="roles"><saml:AttributeValue>admin`;
  await platform.apply(`people: [{ username: nina, names: { givenName: ${JSON.stringify(nasty)}, displayName: "a & b <!-- c" },
    password: ${passwords.bob}, addresses: [nina@example.org] }]`);
  const visitor = platform.visitor();
  await visitor.signIn('nina', passwords.bob);
  const wiki = party('wiki', { key });
  const told = attributesOf(await (await wiki.enter(visitor)).believe());
  assert.equal(told.givenName, nasty);
  assert.equal(told.name, 'a & b <!-- c');
  assert.equal(told.roles, undefined);
});

test('AU-19 whoever loses their standing is let in nowhere, from that moment on', async () => {
  const wiki = party('wiki', { key });
  for (const state of ['locked', 'suspended', 'spam', 'left'] as const) {
    await platform.apply(
      `people: [{ username: sam-${state}, names: { givenName: Sam }, password: ${passwords.bob}, addresses: [${state}@example.org] }]`,
    );
    const visitor = platform.visitor();
    await visitor.signIn(`sam-${state}`, passwords.bob);
    assert.ok((await wiki.enter(visitor)).xml.includes('Assertion'));
    await platform.apply(`people: [{ username: sam-${state}, state: ${state} }]`);
    await visitor.open(wiki.request({ isPassive: true }));
    assert.doesNotMatch(visitor.page.text, new RegExp(`${state}@`));
    const said = wiki.delivered(visitor).xml;
    assert.doesNotMatch(said, /<saml:Assertion/, state);
  }
});
