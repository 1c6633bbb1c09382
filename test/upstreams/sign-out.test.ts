/** Signing out at both ends: the provider tells us, and the map after signing out here leads to the provider. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { SignJWT } from 'jose';
import { type Platform, startPlatform } from '#test/kit.ts';
import { type OidcUpstream, startOidcUpstream, upstreamSecret } from '#test/peers/oidc-upstream.ts';
import { type FakeIdp, startFakeIdp } from './fake-idp.ts';
import { browser, publicAddress, textOf } from './stage.ts';

let platform: Platform;
let peer: OidcUpstream;
let fake: FakeIdp;

before(async () => {
  const { origin, env } = await publicAddress();
  peer = await startOidcUpstream({
    redirectUris: [`${origin}/upstream/corp/callback`],
    postLogoutRedirectUris: [`${origin}/signed-out`],
  });
  fake = await startFakeIdp();
  platform = await startPlatform({ env, realTime: true });
  const usual = 'privateNetwork: true, newPeople: create, authoritative: [x.test]';
  await platform.apply(`
community: { name: Harbour }
upstreams:
  - { id: corp, title: Corp, ${usual}, oidc: { issuer: "${peer.issuer}", clientId: gatehouse, logout: true }, credentials: { clientSecret: ${upstreamSecret} } }
  - { id: fake, title: Fake, ${usual}, oidc: { issuer: "${fake.issuer}", clientId: gatehouse } }
`);
});
after(async () => {
  await peer.stop();
  await fake.stop();
});
beforeEach(() => {
  fake.asked.clear();
});

const person = (name: string) => ({
  preferred_username: name,
  given_name: name,
  email: `${name}@x.test`,
  email_verified: true,
});

test('after signing out here the map says that the provider’s session is open and leads to where it ends', async () => {
  peer.people.set('rp', person('rpone'));
  peer.account = 'rp';
  const mine = browser(platform, [peer.issuer]);
  assert.match((await mine.go('/upstream/corp/start')).url, /\/account$/);
  const map = await mine.send({}, '/sign-out');
  assert.match(textOf(map), /Corp/);
  const way = /href="(\/upstream\/corp\/sign-out\?hint=[^"]+)"/.exec(map.text)![1]!;
  const away = await mine.here.request(way);
  const url = new URL(away.headers.get('location')!);
  assert.equal(url.origin, peer.issuer);
  assert.ok(url.searchParams.get('id_token_hint'));
  assert.equal(url.searchParams.get('post_logout_redirect_uri'), `${platform.origin}/signed-out`);
  const theirs = await mine.there[0]!.request(url.href);
  assert.equal(theirs.status, 200, 'the provider knows the address to come back to');
  for (const wrong of [
    '/upstream/corp/sign-out',
    '/upstream/corp/sign-out?hint=x',
    way.replace('corp', 'fake'),
  ])
    assert.equal((await mine.here.request(wrong)).status, 410);
});

const post = (id: string, token: string) =>
  fetch(`${platform.origin}/upstream/${id}/backchannel`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ logout_token: token }).toString(),
  });

const event = { 'http://schemas.openid.net/event/backchannel-logout': {} };
let serial = 0;
const logoutToken = (
  more: Record<string, unknown> = {},
  alg = 'RS256',
  key: CryptoKey | Uint8Array = fake.key,
) => {
  serial += 1;
  const now = Math.floor(Date.now() / 1000);
  const usual = {
    iss: fake.issuer,
    aud: 'gatehouse',
    iat: now,
    exp: now + 120,
    jti: `j${serial}`,
    events: event,
  };
  return new SignJWT({ ...usual, ...more })
    .setProtectedHeader({ alg, kid: 'one', typ: 'logout+jwt' })
    .sign(key);
};

test('a provider that says somebody signed out ends the sessions it vouched for, by session or by subject, and no others', async () => {
  const come = async (sid: string, name: string) => {
    fake.claims = { sub: name, sid, ...person(name) };
    const one = browser(platform, [fake.issuer]);
    assert.match((await one.go('/upstream/fake/start')).url, /\/account$/);
    return one;
  };
  const isIn = async (one: Awaited<ReturnType<typeof come>>) =>
    (await one.go('/account')).url.endsWith('/account');
  const [a, b, other] = [await come('s1', 'bcone'), await come('s2', 'bcone'), await come('s3', 'bctwo')];
  assert.equal((await post('fake', await logoutToken({ sub: 'bcone', sid: 's1' }))).status, 200);
  assert.deepEqual([await isIn(a), await isIn(b), await isIn(other)], [false, true, true]);
  assert.equal((await post('fake', await logoutToken({ sub: 'bcone' }))).status, 200);
  assert.deepEqual([await isIn(b), await isIn(other)], [false, true]);
  assert.equal((await post('corp', await logoutToken({ sid: 's3' }))).status, 400, 'another provider’s word');
  assert.equal(await isIn(other), true);
  assert.equal((await post('fake', await logoutToken({ sid: 's3' }))).status, 200);
  assert.equal(await isIn(other), false);
});

test('OA-10 logout tokens that are forged, replayed, stale or none end nothing', async () => {
  fake.claims = { sub: 'bcthree', sid: 's9', ...person('bcthree') };
  const mine = browser(platform, [fake.issuer]);
  await mine.go('/upstream/fake/start');
  const now = Math.floor(Date.now() / 1000);
  const sid = { sid: 's9' };
  const secret = new TextEncoder().encode('something-of-thirty-two-characters');
  const tokens: Record<string, string> = {
    empty: '',
    nonsense: 'a.b.c',
    HS256: await logoutToken(sid, 'HS256', secret),
    none: `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(JSON.stringify({ iss: fake.issuer, aud: 'gatehouse', iat: now, jti: 'n', events: event, ...sid })).toString('base64url')}.`,
    'issuer of another': await logoutToken({ ...sid, iss: peer.issuer }),
    'audience of another': await logoutToken({ ...sid, aud: 'other' }),
    'no event': await logoutToken({ ...sid, events: undefined }),
    'another event': await logoutToken({ ...sid, events: { x: {} } }),
    'a nonce': await logoutToken({ ...sid, nonce: 'x' }),
    nobody: await logoutToken({}),
    'no jti': await logoutToken({ ...sid, jti: undefined }),
    'no iat': await logoutToken({ ...sid, iat: undefined }),
    stale: await logoutToken({ ...sid, iat: now - 3600, exp: now + 60 }),
    over: await logoutToken({ ...sid, exp: now - 120 }),
  };
  for (const [name, token] of Object.entries(tokens)) {
    assert.equal((await post('fake', token)).status, 400, name);
    assert.match((await mine.go('/account')).url, /\/account$/, name);
  }
  assert.equal((await post('nothing', await logoutToken(sid))).status, 400);
  assert.ok((fake.asked.get('/jwks') ?? 0) <= 1);
  const token = await logoutToken({ sid: 'nobody-has-this' });
  assert.equal((await post('fake', token)).status, 200);
  assert.equal((await post('fake', token)).status, 400, 'heard before');
});
