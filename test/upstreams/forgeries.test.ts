/** Answers of an upstream that are wrong in one thing each: nobody comes in, and the page says which upstream it was. */
import assert from 'node:assert/strict';
import { KeyObject, sign as signBytes } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import { exportJWK, generateKeyPair } from 'jose';
import { type Platform, startPlatform } from '#test/kit.ts';
import { type FakeIdp, type Sign, startFakeIdp } from './fake-idp.ts';
import { browser, idOn, textOf } from './stage.ts';

let platform: Platform;
let one: FakeIdp;
let two: FakeIdp;

const upstream = (id: string, idp: FakeIdp, more = '') =>
  `  - { id: ${id}, title: "Door ${id}", privateNetwork: true, newPeople: create, authoritative: [x.test], oidc: { issuer: "${idp.issuer}", clientId: gatehouse }, credentials: { clientSecret: something }${more} }\n`;

before(async () => {
  [one, two] = [await startFakeIdp(), await startFakeIdp()];
  platform = await startPlatform({ realTime: true });
});
after(async () => {
  await one.stop();
  await two.stop();
});
beforeEach(async () => {
  for (const idp of [one, two])
    Object.assign(idp, { claims: {}, answer: {}, metadata: {}, forge: undefined, down: false });
  await platform.apply(`upstreams:\n${upstream('one', one)}${upstream('two', two)}`);
});

const person = (name: string) => ({
  sub: `sub-${name}`,
  preferred_username: name,
  given_name: name,
  email: `${name}@x.test`,
  email_verified: true,
});

const sessions = async () => {
  const [row] = await platform.database.query<{ count: number }>('select count(*) as count from sessions');
  return row!.count;
};

async function come(id = 'one', idp: FakeIdp = one) {
  return browser(platform, [idp.issuer]).go(`/upstream/${id}/start`);
}

test('an honest answer opens a session', async () => {
  one.claims = person('honest');
  assert.match((await come()).url, /\/account$/);
});

test('OA-10 forged ID tokens open nothing: none, HMAC with the public key, empty key, keys of the token itself, strange kid, crit, another key', async () => {
  one.claims = person('forged');
  const other = await generateKeyPair('RS256', { extractable: true });
  const longer = await generateKeyPair('RS384', { extractable: true });
  const ec = await generateKeyPair('ES256', { extractable: true });
  const foreign = await exportJWK(other.publicKey);
  const pem = new TextEncoder().encode(JSON.stringify(one.publicJwk));
  const unsigned = (claims: object, alg: string) =>
    `${Buffer.from(JSON.stringify({ alg, typ: 'JWT' })).toString('base64url')}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.`;
  const forgeries: Record<string, (claims: Record<string, unknown>, sign: Sign) => Promise<string>> = {
    none: async (claims) => unsigned(claims, 'none'),
    'none in capitals': async (claims) => unsigned(claims, 'NONE'),
    'no signature': async (claims, sign) => (await sign(claims)).replace(/[^.]+$/, ''),
    'signature of another token': async (claims, sign) => {
      const [head, , signature] = (await sign({ ...claims, sub: 'other' })).split('.');
      return [head, (await sign(claims)).split('.')[1], signature].join('.');
    },
    'changed payload': async (claims, sign) => {
      const [head, , signature] = (await sign(claims)).split('.');
      const payload = Buffer.from(JSON.stringify({ ...claims, sub: 'victim' })).toString('base64url');
      return [head, payload, signature].join('.');
    },
    'HS256 with the public key': (claims, sign) => sign(claims, { alg: 'HS256', kid: 'one' }, pem),
    'HS256 with the client secret': (claims, sign) =>
      sign(claims, { alg: 'HS256' }, new TextEncoder().encode('something')),
    'another key': (claims, sign) => sign(claims, { alg: 'RS256', kid: 'one' }, other.privateKey),
    'another key, no kid': (claims, sign) => sign(claims, { alg: 'RS256' }, other.privateKey),
    'jwk in the header': (claims, sign) =>
      sign(claims, { alg: 'RS256', jwk: foreign as never }, other.privateKey),
    'jku in the header': (claims, sign) =>
      sign(claims, { alg: 'RS256', jku: `${two.issuer}/jwks`, kid: 'one' }, other.privateKey),
    'x5u in the header': (claims, sign) =>
      sign(claims, { alg: 'RS256', x5u: `${two.issuer}/jwks` }, other.privateKey),
    'kid is a path': (claims, sign) =>
      sign(claims, { alg: 'RS256', kid: '../../../../dev/null' }, other.privateKey),
    'kid is SQL': (claims, sign) => sign(claims, { alg: 'RS256', kid: "' or 1=1 --" }, other.privateKey),
    'crit unknown': async (claims) => {
      const header = { alg: 'RS256', kid: 'one', crit: ['strange'], strange: 1 };
      const input = [header, claims]
        .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
        .join('.');
      return `${input}.${signBytes('sha256', Buffer.from(input), KeyObject.from(one.key)).toString('base64url')}`;
    },
    'another algorithm': (claims, sign) => sign(claims, { alg: 'ES256', kid: 'one' }, ec.privateKey),
    'RS384 where RS256 is announced': (claims, sign) =>
      sign(claims, { alg: 'RS384', kid: 'one' }, longer.privateKey),
    'key of another upstream': (claims, sign) => sign(claims, { alg: 'RS256', kid: 'one' }, two.key),
    'not a token': async () => 'hello',
    'five parts': async () => 'a.b.c.d.e',
  };
  assert.equal(Object.keys(forgeries).length, 20);
  const before = await sessions();
  for (const [name, forge] of Object.entries(forgeries)) {
    one.forge = forge;
    const page = await come();
    assert.match(page.url, /\/callback\?/, name);
    assert.equal(page.status, 403, name);
    assert.match(textOf(page), /Door one did not sign you in/, name);
    assert.ok(idOn(page, 'reference') && idOn(page, 'code'), name);
  }
  assert.equal(await sessions(), before);
});

test('OA-11 an ID token that is wrong in iss, aud, azp, exp, iat, nbf, nonce or sub, or lacks one, opens nothing', async () => {
  const now = Math.floor(Date.now() / 1000);
  const before = await sessions();
  const wrong: Record<string, Record<string, unknown>> = {
    'iss another': { iss: two.issuer },
    'iss with a slash': { iss: `${one.issuer}/` },
    'iss gone': { iss: undefined },
    'aud another': { aud: 'someone-else' },
    'aud of many without us': { aud: ['a', 'b'], azp: 'a' },
    'aud gone': { aud: undefined },
    'azp another': { aud: ['gatehouse', 'other'], azp: 'other' },
    'exp over': { exp: now - 120 },
    'exp gone': { exp: undefined },
    'exp a text': { exp: 'soon' },
    'iat gone': { iat: undefined },
    'nbf later': { nbf: now + 600 },
    'nonce another': { nonce: 'another' },
    'nonce gone': { nonce: undefined },
    'sub gone': { sub: undefined },
    'sub empty': { sub: '' },
    'sub a number': { sub: 7 },
  };
  for (const [name, claims] of Object.entries(wrong)) {
    one.claims = { ...person('wrong'), ...claims };
    const page = await come();
    assert.equal(page.status, 403, `${name}: ${page.url}`);
  }
  assert.equal(await sessions(), before);
});

test('OA-14 an answer counts for the upstream it was asked of: iss is looked at, and two providers who swap answers get nowhere', async () => {
  const before = await sessions();
  one.claims = person('mixed');
  two.claims = person('mixed');
  one.answer = { iss: two.issuer };
  assert.equal((await come()).status, 403, 'iss of another');
  one.answer = { iss: undefined };
  const back = await come();
  assert.equal(back.status, 403, 'iss left out where it is announced');
  one.answer = {};
  // The one sends the browser to the other's callback, state and all.
  const mixed = browser(platform, [one.issuer, two.issuer]);
  const away = await mixed.here.request('/upstream/one/start');
  const asked = new URL(away.headers.get('location')!);
  const query = `code=a-code&state=${asked.searchParams.get('state')}&iss=${encodeURIComponent(two.issuer)}`;
  const swapped = await mixed.go(`/upstream/two/callback?${query}`);
  assert.equal(swapped.status, 403);
  // And the state of one journey with the answer of another in the same browser.
  const again = browser(platform, [one.issuer, two.issuer]);
  const first = new URL((await again.here.request('/upstream/one/start')).headers.get('location')!);
  await again.here.request('/upstream/two/start');
  two.claims = { ...person('mixed'), nonce: first.searchParams.get('nonce') };
  const crossed = await again.go(
    `/upstream/two/callback?code=a-code&state=${first.searchParams.get('state')}&iss=${encodeURIComponent(two.issuer)}`,
  );
  assert.equal(crossed.status, 403);
  assert.equal(await sessions(), before);
});

test('OA-14 metadata that names another issuer than the configured one is not believed', async () => {
  one.metadata = { issuer: two.issuer };
  await platform.apply(`upstreams:\n${upstream('one', one, ', button: false')}`);
  const page = await come();
  assert.equal(page.status, 403);
  assert.match(textOf(page), /upstream-answer/);
  one.metadata = {};
});

test('SE-09 an answer in another browser, a second time, or after ten minutes is refused; the same journey in its browser works', async () => {
  one.claims = person('bound');
  const mine = browser(platform, [one.issuer]);
  const away = await mine.here.request('/upstream/one/start');
  const seen = await mine.there[0]!.request(away.headers.get('location')!);
  const callback = seen.headers.get('location')!;
  const clean = browser(platform, [one.issuer]);
  const stolen = await clean.go(callback);
  assert.equal(stolen.status, 403);
  assert.ok(!stolen.headers.getSetCookie().some((cookie) => cookie.includes('session')));
  const visited = browser(platform, [one.issuer]);
  await visited.go('/sign-in');
  assert.equal((await visited.go(callback)).status, 403);
  assert.match((await mine.go(callback)).url, /\/account$/);
  assert.equal((await mine.go(callback)).status, 403, 'used once');
  for (const query of ['', 'code=x', 'state=', 'state=a&state=b', `state=${'x'.repeat(43)}`])
    assert.equal((await clean.go(`/upstream/one/callback?${query}`)).status, 403, query);
  const slow = browser(platform, [one.issuer]);
  const late = await slow.here.request('/upstream/one/start');
  await platform.database.query("update upstream_requests set expires_at = now() - interval '1 second'");
  const answer = await slow.there[0]!.request(late.headers.get('location')!);
  assert.equal((await slow.go(answer.headers.get('location')!)).status, 403);
});

test('SE-09 fifty who bring the same answer at once: one comes in', async () => {
  one.claims = person('raced');
  const mine = browser(platform, [one.issuer]);
  const away = await mine.here.request('/upstream/one/start');
  const seen = await mine.there[0]!.request(away.headers.get('location')!);
  const callback = seen.headers.get('location')!;
  const answers = await Promise.all(Array.from({ length: 50 }, () => mine.here.request(callback)));
  assert.equal(answers.filter(({ status }) => status === 303).length, 1);
  assert.equal(answers.filter(({ status }) => status === 403).length, 49);
});

test('F-28 an upstream that is down is named, others and passwords work; unknown kids fetch keys once a minute at most', async () => {
  one.claims = person('down');
  two.claims = person('other');
  one.down = true;
  const page = await come();
  assert.equal(page.status, 503);
  assert.match(textOf(page), /Door one did not sign you in/);
  assert.match(textOf(page), /upstream-unreachable/);
  assert.match((await come('two', two)).url, /\/account$/);
  await platform.apply(
    'people: [{ username: local, names: { givenName: L }, password: plum violin tractor, addresses: [l@l.test] }]\n',
  );
  assert.match((await platform.visitor().signIn('local', 'plum violin tractor')).url, /\/account$/);
  one.down = false;
  assert.match((await come()).url, /\/account$/);
  one.asked.clear();
  one.forge = (claims, sign) =>
    sign(claims, { alg: 'RS256', kid: `strange-${Math.floor(performance.now())}` });
  for (let n = 0; n < 12; n += 1) assert.equal((await come()).status, 403);
  assert.ok((one.asked.get('/jwks') ?? 0) <= 1, `asked ${one.asked.get('/jwks')} times`);
});
