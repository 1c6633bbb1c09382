/** Metadata that apps publish, fetched by a job: believed or not, kept, never shrunk to nothing; and what warns ahead. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { createToken } from '#core/operators/tokens.ts';
import { system } from '#kit/db/database.ts';
import { makeSpMetadata, type SpMetadataToMake } from '#wire/saml/metadata.ts';
import { BINDING } from '#wire/saml/saml.ts';
import { type Platform, startPlatform } from '../kit.ts';
import { communityFile, newId, publishedCertificates, SamlParty, samlKey, signedIn } from './saml-party.ts';

const day = 86_400_000;
const [app, federation] = [await samlKey({ name: 'app' }), await samlKey({ name: 'federation' })];
let platform: Platform;
/** What the app publishes. */
let answer: { status: number; body: string };
let asked = 0;
const publisher = createServer((_request, response) => {
  asked += 1;
  response.writeHead(answer.status, { 'content-type': 'application/samlmetadata+xml' }).end(answer.body);
});
let url: string;

const entityId = 'https://wiki.example.org/saml';
const acs = (address: string, index = 0, isDefault = false) => ({
  url: address,
  binding: BINDING.post,
  index,
  isDefault,
});

function describe(more: Partial<SpMetadataToMake> = {}): string {
  return makeSpMetadata({
    id: newId(),
    entityId,
    acs: [acs('https://wiki.example.org/acs')],
    slo: [],
    certificates: [app.certificate],
    wantAssertionsSigned: true,
    authnRequestsSigned: false,
    ...more,
  });
}

function wikiFrom(metadata: string): string {
  return `  - { id: wiki, title: Wiki, consent: trusted, privateHttp: true, saml: { entityId: "${entityId}", metadata: { ${metadata} } } }`;
}

before(async () => {
  publisher.listen(0, '127.0.0.1');
  await once(publisher, 'listening');
  const { port } = publisher.address() as AddressInfo;
  url = `http://127.0.0.1:${port}/metadata`;
  platform = await startPlatform({ env: { GATEHOUSE_OUTBOUND_ALLOW: `127.0.0.1:${port}` } });
  answer = { status: 200, body: describe() };
  await platform.apply(communityFile(wikiFrom(`url: "${url}"`)));
});
after(() => {
  publisher.close();
  publisher.closeAllConnections();
});
beforeEach(async () => {
  answer = { status: 200, body: describe() };
  await platform.apply(`applications:\n${wikiFrom(`url: "${url}"`)}`);
  await later(6);
});

/** Lets hours pass and everything run that is due then. */
async function later(hours: number): Promise<void> {
  platform.clock.advance(hours * 3_600_000);
  await platform.settle();
}

async function kept(): Promise<{ xml: string | null; failure: string | null }> {
  const [row] = await platform.database.query<{ xml: string | null; failure: string | null }>(
    'select xml, failure from saml_metadata',
  );
  return row!;
}

async function concerns(): Promise<{ code: string; application?: string; at?: string }[]> {
  const { token } = await platform.database.transact(system(), (tx) =>
    createToken(tx, { name: newId(), scopes: ['auditor'] }),
  );
  const response = await fetch(`${platform.origin}/api/v1/overview`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const body = (await response.json()) as { concerns: { code: string }[] };
  return body.concerns.filter((one) => one.code.startsWith('saml-'));
}

/** Where an answer for ada would go: the address the page posts to. */
async function answerPlace(more: object = {}): Promise<string | undefined> {
  const visitor = await signedIn(platform, 'ada');
  const party = new SamlParty(platform.origin, 'wiki', await publishedCertificates(platform.origin));
  await visitor.open(
    party.request({ issueInstant: platform.clock.now(), acsUrl: undefined as never, ...more }),
  );
  return visitor.page.text.includes('SAMLResponse') ? visitor.formOf().action : undefined;
}

test('what an app publishes is fetched when it is added, and again after some hours; its first choice is kept to', async () => {
  assert.equal((await kept()).xml, answer.body);
  const before = asked;
  await later(1);
  assert.equal(asked, before, 'not at every look');
  answer.body = describe({
    acs: [acs('https://wiki.example.org/one'), acs('https://wiki.example.org/two', 1, true)],
  });
  await later(6);
  assert.equal(asked, before + 1);
  assert.equal(await answerPlace(), 'https://wiki.example.org/two');
  assert.equal(await answerPlace({ acsUrl: 'https://wiki.example.org/one' }), 'https://wiki.example.org/one');
  assert.equal(await answerPlace({ acsUrl: 'https://wiki.example.org/three' }), undefined);
});

test('metadata that cannot be believed changes nothing, and never leaves an app with nothing', async () => {
  const good = (await kept()).xml;
  const bad: [string, Partial<typeof answer>][] = [
    ['a fault', { status: 500 }],
    ['gone', { status: 404 }],
    ['no XML', { body: 'hello' }],
    ['a DOCTYPE', { body: `<!DOCTYPE x SYSTEM "${url}">${describe()}` }],
    ['of another app', { body: describe({ entityId: 'https://other.example.org' }) }],
    ['expired', { body: describe({ validUntil: new Date(0) }) }],
    ['an address that may not be used', { body: describe({ acs: [acs('http://wiki.example.org/acs')] }) }],
    ['no certificate any more', { body: describe({ certificates: [] }) }],
    ['too large', { body: describe() + ' '.repeat(3 * 1024 * 1024) }],
  ];
  for (const [what, more] of bad) {
    answer = { status: 200, body: describe(), ...more };
    await later(6);
    const { xml, failure } = await kept();
    assert.equal(xml, good, what);
    assert.ok(failure, what);
    assert.equal(await answerPlace(), 'https://wiki.example.org/acs', what);
  }
  await later(73);
  assert.deepEqual(
    (await concerns()).map(({ code, application }) => [code, application]),
    [['saml-app-metadata', 'wiki']],
  );
  answer = { status: 200, body: describe() };
  await later(6);
  assert.equal((await kept()).failure, null);
  assert.deepEqual(await concerns(), []);
});

test('validUntil is honoured: from that day on the app is not answered any more', async () => {
  answer.body = describe({ validUntil: new Date(platform.clock.now().getTime() + 2 * day) });
  await later(6);
  assert.equal(await answerPlace(), 'https://wiki.example.org/acs');
  answer.status = 500;
  await later(6);
  assert.equal((await concerns())[0]?.code, 'saml-app-metadata', 'said ahead');
  await later(48);
  assert.equal(await answerPlace(), undefined);
});

test('SA-05 where a certificate is pinned, only what it signed counts', async () => {
  const pin = `url: "${url}", certificates: [${JSON.stringify(federation.certificate)}]`;
  await platform.apply(`applications:\n${wikiFrom(pin)}`);
  const signed = (key: typeof app, more: Partial<SpMetadataToMake> = {}) => describe({ sign: key, ...more });
  for (const body of [describe(), signed(app), signed(federation).replace('/acs', '/evil')]) {
    answer.body = body;
    await later(6);
    assert.ok((await kept()).failure);
    assert.doesNotMatch((await kept()).xml ?? '', /evil/);
  }
  answer.body = signed(federation, { acs: [acs('https://wiki.example.org/pinned')] });
  await later(6);
  assert.equal((await kept()).failure, null);
  assert.equal(await answerPlace(), 'https://wiki.example.org/pinned');
});

test('settings refuse what could not work, each in a sentence', async () => {
  const saml = (more: string, rest = '') =>
    `applications: [{ id: odd, title: Odd${rest}, saml: { entityId: "https://odd.example.org"${more} } }]`;
  const acsUrls = ', acsUrls: [https://odd.example.org/acs]';
  const pem = JSON.stringify(app.certificate);
  for (const [yaml, words] of [
    [saml(''), /give acsUrls or metadata/],
    [saml(', acsUrls: [http://odd.example.org/acs]'), /not https/],
    [saml(', acsUrls: ["javascript:alert(1)"]'), /must be https/],
    [saml(`${acsUrls}, encrypt: true`), /needs the certificate/],
    [saml(`${acsUrls}, wantSignedRequests: true`), /needs the certificate/],
    [saml(`${acsUrls}, certificates: [hello]`), /one certificate with an RSA key/],
    [
      saml(`${acsUrls}, nameId: { format: emailAddress }`, ', release: { claims: [name] }'),
      /email in release/,
    ],
    [saml(`${acsUrls}, nameId: { format: transient, source: subject }`), /no source/],
    [saml(`${acsUrls}, attributes: { mail: telephone }`), /value or attribute:NAME|nvalid/],
    [saml(', metadata: { xml: "<x/>" }'), /another kind|descriptions|Metadata|message/],
    [saml(acsUrls).replace('https://odd.example.org"', `${entityId}"`), /entity id/],
  ] as const) {
    await assert.rejects(platform.apply(yaml), (error: Error & { findings?: unknown }) => {
      assert.match(
        `${error.message} ${JSON.stringify(error)} ${JSON.stringify((error as { facts?: unknown }).facts ?? '')}`,
        words,
        yaml,
      );
      return true;
    });
  }
  await platform.apply(saml(`${acsUrls}, encrypt: true, certificates: [${pem}]`));
});

test('SA-17 the certificate of an app is warned of 30 days ahead, and goes on being used', async () => {
  const now = platform.clock.now().getTime();
  const short = await samlKey({ name: 'short', from: new Date(now - day), until: new Date(now + 40 * day) });
  const long = await samlKey({ name: 'long', from: new Date(now - day), until: new Date(now + 400 * day) });
  const withKeys = (...keys: { certificate: string }[]) =>
    platform.apply(
      `applications: [{ id: old, title: Old, consent: trusted, saml: { entityId: "https://old.example.org/saml", acsUrls: [https://old.example.org/acs],
        wantSignedRequests: true, certificates: [${keys.map((key) => JSON.stringify(key.certificate)).join(', ')}] } }]`,
    );
  await withKeys(short);
  assert.deepEqual(await concerns(), []);
  await later(11 * 24);
  const [warned] = await concerns();
  assert.equal(warned?.code, 'saml-app-certificate');
  assert.equal(warned?.application, 'old');
  assert.match(warned?.at ?? '', /^\d{4}-/);
  const metrics = await (await fetch(`${platform.origin}/metrics`)).text();
  assert.match(metrics, /gatehouse_saml_ends_seconds\{kind="app-certificate",application="old"\} \d/);
  await withKeys(long, short);
  assert.deepEqual(await concerns(), [], 'another one stands beside it');
  await withKeys(short);
  await later(40 * 24);
  const visitor = await signedIn(platform, 'bob');
  const old = new SamlParty(platform.origin, 'old', []);
  await visitor.open(old.request({ issueInstant: platform.clock.now(), signWith: short }));
  assert.match(visitor.page.text, /SAMLResponse/, 'what counts is the key somebody configured');
});
