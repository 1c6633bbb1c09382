/** Signing out at both ends of a SAML upstream: ours asks the provider, and the provider ends what it opened. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { type Platform, startPlatform } from '#test/kit.ts';
import { samlKey } from '#test/saml.ts';
import { encodeRedirect } from '#wire/saml/bindings.ts';
import { NAME_ID, STATUS } from '#wire/saml/saml.ts';
import { postFrom, publishedCertificates, SamlParty } from '../flows/saml-party.ts';
import type { Visitor } from '../visitor.ts';
import { newId, SamlIdp } from './saml-idp.ts';
import { publicAddress, textOf } from './stage.ts';

let platform: Platform;
let corp: SamlIdp;
let other: SamlIdp;
let party: SamlParty;

before(async () => {
  const { env } = await publicAddress();
  platform = await startPlatform({ env });
  corp = await SamlIdp.make(platform, 'corp');
  other = await SamlIdp.make(platform, 'other');
  await platform.apply(`
community: { name: Harbour }
applications:
  - { id: wiki, title: Wiki, consent: trusted, saml: { entityId: https://wiki.example.org/saml, acsUrls: [https://wiki.example.org/acs],
      sloUrl: https://wiki.example.org/slo } }
upstreams:
${corp.declared('logout: true')}${other.declared()}`);
  party = new SamlParty(platform.origin, 'wiki', await publishedCertificates(platform.origin));
});

async function come(idp: SamlIdp, name: string, session = `_session-${name}`): Promise<Visitor> {
  const visitor = platform.visitor();
  const home = await idp.comes(visitor, name, { sessionIndex: session });
  assert.match(home.url, /\/account$/, home.text);
  return visitor;
}

async function enterWiki(visitor: Visitor): Promise<void> {
  await visitor.open(party.request({ issueInstant: platform.clock.now() }));
  assert.equal(party.delivered(visitor).action, party.acsUrl);
}

async function isIn(visitor: Visitor): Promise<boolean> {
  return (await visitor.open('/account')).url.endsWith('/account');
}

async function signOutHere(visitor: Visitor): Promise<string> {
  await visitor.open('/account');
  const map = await visitor.submit({}, '/sign-out');
  const way = /href="(\/upstream\/corp\/sign-out\?hint=[^"]+)"/.exec(map.text)?.[1];
  assert.ok(way, map.text);
  return way;
}

test('SA-14 signing out here leads to the provider, which is asked by the name and session it gave, signed', async () => {
  const ann = await come(corp, 'ann');
  const way = await signOutHere(ann);
  assert.equal(await isIn(ann), false);
  const asked = await corp.logoutAsked(await ann.open(way));
  assert.equal(asked.issuer, corp.sp.entityId);
  assert.deepEqual([asked.nameId.value, asked.nameId.format], ['ann-there', NAME_ID.persistent]);
  assert.deepEqual(asked.sessionIndexes, ['_session-ann']);
  assert.ok(asked.notOnOrAfter && Buffer.byteLength(asked.relayState) <= 80);
  const done = await ann.open(corp.answerUrl(asked));
  assert.match(done.url, /\/signed-out$/);
  assert.match(textOf(done), /signed out/i);
  const twice = await ann.open(corp.answerUrl(asked));
  assert.equal(twice.status, 403, 'an answer counts once');
});

test('SA-14 an answer that is forged, to another request or says no is told as it is', async () => {
  const bea = await come(corp, 'bea');
  const way = await signOutHere(bea);
  const ask = async () => corp.logoutAsked(await bea.open(way));
  const answers: Record<string, Parameters<SamlIdp['answerUrl']>[1]> = {
    'signed by another': { signer: other.key },
    'not signed': { signer: undefined },
    'to another request': { inResponseTo: newId() },
    'it did not': { status: STATUS.responder },
  };
  for (const [name, more] of Object.entries(answers)) {
    const page = await bea.open(corp.answerUrl(await ask(), more));
    assert.equal(page.status, 403, name);
    assert.match(textOf(page), /corp did not sign you out/, name);
    assert.match(textOf(page), /You are signed out here/, name);
  }
  const elsewhere = await bea.open(corp.answerUrl({ ...(await ask()), relayState: 'https://evil.example/' }));
  assert.equal(elsewhere.status, 403, 'SA-18 an address in RelayState leads nowhere');
  assert.equal(new URL(elsewhere.url).origin, platform.origin);
});

test('SA-14 the provider ends the sessions it opened, by name and index, and no others', async () => {
  const [one, two] = [await come(corp, 'cleo', '_s1'), await come(corp, 'cleo', '_s2')];
  const [dan, elsewhere] = [await come(corp, 'dan', '_s1'), await come(other, 'cleo', '_s1')];
  const answer = await corp.loggedOut(
    await one.open(corp.logoutUrl('cleo', { sessionIndexes: ['_s1'] }, corp.key, 'here')),
  );
  assert.deepEqual([answer.status, answer.subStatus, answer.relayState], [STATUS.success, undefined, 'here']);
  assert.equal(answer.issuer, corp.sp.entityId);
  assert.deepEqual(
    [await isIn(one), await isIn(two), await isIn(dan), await isIn(elsewhere)],
    [false, true, true, true],
  );
  assert.ok(!one.cookies.size || ![...one.cookies.keys()].some((name) => name.includes('session')));
  const wrong = await corp.loggedOut(
    await platform.visitor().open(corp.logoutUrl('cleo', { sessionIndexes: ['_s9'] })),
  );
  assert.equal(wrong.status, STATUS.success, 'nobody is in by that, as was asked');
  assert.equal(await isIn(two), true);
  const posted = await corp.postLogout(platform.visitor(), 'cleo', { sessionIndexes: [] });
  assert.equal((await corp.loggedOut(posted)).status, STATUS.success);
  assert.deepEqual([await isIn(two), await isIn(dan), await isIn(elsewhere)], [false, true, true]);
  const [row] = await platform.database.query<{ reason: string }>(
    `select data ->> 'reason' as reason from events where type = 'session.ended' order by id desc limit 1`,
  );
  assert.equal(row?.reason, 'signed-out-upstream');
});

test('SA-14 a request that is unsigned, forged, stale, for others, about others or heard before ends nothing', async () => {
  const eli = await come(corp, 'eli');
  const old = new Date(platform.clock.now().getTime() - 361_000);
  const early = new Date(platform.clock.now().getTime() + 61_000);
  const urls: Record<string, string> = {
    'not signed': encodeRedirect(corp.sp.sloUrl, { name: 'SAMLRequest', xml: corp.logout('eli', {}) }),
    'signed by another': corp.logoutUrl('eli', {}, other.key),
    'signed by nobody known': corp.logoutUrl('eli', {}, await samlKey({ name: 'corp' })),
    'of another': corp.logoutUrl('eli', { issuer: other.entityId }),
    'to another address': corp.logoutUrl('eli', { destination: other.sp.sloUrl }),
    stale: corp.logoutUrl('eli', { issueInstant: old }),
    early: corp.logoutUrl('eli', { issueInstant: early }),
    over: corp.logoutUrl('eli', { notOnOrAfter: new Date(platform.clock.now().getTime() - 61_000) }),
    'at another provider’s door': corp.logoutUrl('eli').replace('/upstream/corp/', '/upstream/other/'),
    'changed on the way': corp.logoutUrl('eli', {}, corp.key, 'a').replace('RelayState=a', 'RelayState=b'),
  };
  for (const [name, url] of Object.entries(urls)) {
    const page = await eli.open(url);
    assert.equal(page.status, 403, name);
    assert.match(textOf(page), /You were not signed out/, name);
    assert.equal(await isIn(eli), true, name);
  }
  const unsigned = { SAMLRequest: Buffer.from(corp.logout('eli', {})).toString('base64') };
  assert.equal((await postFrom(platform.visitor(), corp.sp.sloUrl, unsigned)).status, 403);
  for (const nameId of [
    { value: 'eli-there', format: NAME_ID.emailAddress },
    { value: 'eli-there', format: NAME_ID.persistent, nameQualifier: 'https://elsewhere.example' },
    { value: 'Eli-there', format: NAME_ID.persistent },
  ])
    await platform.visitor().open(corp.logoutUrl('eli', { nameId }));
  assert.equal(await isIn(eli), true, 'another name is somebody else');
  const url = corp.logoutUrl('nobody');
  assert.equal((await platform.visitor().open(url)).status, 303);
  assert.equal((await platform.visitor().open(url)).status, 403, 'heard before');
});

test('SA-14 apps of a session that the provider ends are asked by the browser before it is answered; what is not asked is said', async () => {
  const fay = await come(corp, 'fay');
  await enterWiki(fay);
  const page = await fay.open(corp.logoutUrl('fay', {}, corp.key, 'relay'));
  assert.match(page.url, /\/saml\/slo\/next\//);
  assert.equal(await isIn(fay), false);
  assert.match(page.headers.get('refresh') ?? '', /https:\/\/wiki\.example\.org\/slo/);
  const over = await fay.open(page.url);
  const answer = await corp.loggedOut(over);
  assert.deepEqual(
    [answer.status, answer.subStatus, answer.relayState],
    [STATUS.success, STATUS.partialLogout, 'relay'],
  );

  const gus = await come(corp, 'gus');
  await enterWiki(gus);
  const framed = await gus.open(corp.logoutUrl('gus'), { headers: { 'sec-fetch-dest': 'iframe' } });
  const told = await corp.loggedOut(framed);
  assert.deepEqual([told.status, told.subStatus], [STATUS.success, STATUS.partialLogout]);
  assert.equal(await isIn(gus), false);
});
