import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { LogoutTokenRefused, logoutTokenChecker } from './logout-token.ts';
import { createAppSessions } from './sessions.ts';

const issuer = 'https://id.example';
const clientId = 'tracker';
const event = 'http://schemas.openid.net/event/backchannel-logout';
const moment = new Date('2026-02-01T12:00:00Z');
const seconds = moment.getTime() / 1000;
const { publicKey, privateKey } = await generateKeyPair('RS256');
const strangers = await generateKeyPair('RS256');
let serial = 0;

const right = (): JWTPayload => ({
  iss: issuer,
  aud: clientId,
  iat: seconds,
  exp: seconds + 120,
  jti: `jti-${serial++}`,
  sub: 'anna',
  sid: 's1',
  events: { [event]: {} },
});
const sign = (payload: JWTPayload, key = privateKey, typ?: string) =>
  new SignJWT(payload).setProtectedHeader({ alg: 'RS256', ...(typ ? { typ } : {}) }).sign(key);
const checker = () =>
  logoutTokenChecker({ issuer, clientId, keys: async () => publicKey, now: () => moment });

test('a right logout token says what to end, typed or not, with sid, sub or both', async () => {
  const check = checker();
  assert.deepEqual(await check(await sign(right(), privateKey, 'logout+jwt')), { sub: 'anna', sid: 's1' });
  assert.deepEqual(await check(await sign({ ...right(), sid: undefined })), { sub: 'anna' });
  assert.deepEqual(await check(await sign({ ...right(), sub: undefined }, privateKey, 'JWT')), { sid: 's1' });
});

test('every flaw of a logout token is refused', async () => {
  const check = checker();
  const flaws: Record<string, JWTPayload> = {
    'another issuer': { ...right(), iss: 'https://evil.example' },
    'another app': { ...right(), aud: 'commons' },
    'no audience': { ...right(), aud: undefined },
    'too old': { ...right(), iat: seconds - 3600, exp: seconds + 60 },
    'from the future': { ...right(), iat: seconds + 3600, exp: seconds + 7200 },
    expired: { ...right(), iat: seconds - 250, exp: seconds - 100 },
    'no iat': { ...right(), iat: undefined },
    'no exp': { ...right(), exp: undefined },
    'no jti': { ...right(), jti: undefined },
    'a nonce': { ...right(), nonce: 'n' },
    'a nonce of nothing': { ...right(), nonce: null },
    'no events (an ID token)': { ...right(), events: undefined },
    'another event': { ...right(), events: { 'http://schemas.openid.net/event/other': {} } },
    'an event that is no object': { ...right(), events: { [event]: true } },
    'a list of events': { ...right(), events: [event] },
    'an inherited event': { ...right(), events: JSON.parse('{"__proto__": {}}') },
    nobody: { ...right(), sub: undefined, sid: undefined },
    'a sid that is no string': { ...right(), sid: ['s1'] },
  };
  for (const [flaw, payload] of Object.entries(flaws)) {
    await assert.rejects(check(await sign(payload)), LogoutTokenRefused, flaw);
  }
  await assert.rejects(check(await sign(right(), strangers.privateKey)), LogoutTokenRefused);
  await assert.rejects(check(await sign(right(), privateKey, 'at+jwt')), LogoutTokenRefused);
});

test('unsigned, home-signed and garbled tokens are refused', async () => {
  const check = checker();
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const body = `${encode({ alg: 'none' })}.${encode(right())}.`;
  const symmetric = `${encode({ alg: 'HS256' })}.${encode(right())}`;
  const mac = createHmac(
    'sha256',
    JSON.stringify(await crypto.subtle.exportKey('jwk', publicKey as CryptoKey)),
  );
  const signed = await sign(right());
  const cut = `${signed.split('.').slice(0, 2).join('.')}.`;
  for (const token of [
    body,
    `${symmetric}.${mac.update(symmetric).digest('base64url')}`,
    cut,
    `${signed}x`,
    '',
    'a.b.c',
  ]) {
    await assert.rejects(check(token), LogoutTokenRefused, token.slice(0, 20));
  }
});

test('a logout token works once', async () => {
  const check = checker();
  const token = await sign(right());
  await check(token);
  await assert.rejects(check(token), /used before/);
});

test('a logout order ends just the sessions it names', () => {
  const sessions = createAppSessions();
  const add = (sub: string, sid: string) =>
    sessions.add({ sub, sid, idToken: '', idTokenClaims: {}, userinfo: {}, accessToken: '' });
  const [first, second, other] = [add('anna', 's1'), add('anna', 's2'), add('ben', 's3')];
  assert.equal(sessions.endAll({ sid: 's3', sub: 'anna' }), 0);
  assert.equal(sessions.endAll({ sid: 's1' }), 1);
  assert.equal(sessions.find(first.id), undefined);
  assert.ok(sessions.find(second.id));
  assert.equal(sessions.endAll({ sub: 'anna' }), 1);
  assert.ok(sessions.find(other.id));
});

test('a sign-in comes back once, in time, to the browser that began it', () => {
  let now = new Date('2026-02-01T12:00:00Z');
  const sessions = createAppSessions(() => now);
  const begin = (state: string) =>
    sessions.begin('browser', { state, nonce: 'n', codeVerifier: 'v', target: '/' });
  begin('one');
  assert.equal(sessions.finish('another browser', 'one'), undefined);
  assert.equal(sessions.finish(undefined, 'one'), undefined);
  assert.equal(sessions.finish('browser', 'two'), undefined);
  assert.equal(sessions.finish('browser', null), undefined);
  assert.equal(sessions.finish('browser', 'one')?.nonce, 'n');
  assert.equal(sessions.finish('browser', 'one'), undefined);
  begin('late');
  now = new Date('2026-02-01T12:31:00Z');
  assert.equal(sessions.finish('browser', 'late'), undefined);
});
