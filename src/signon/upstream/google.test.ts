/** Google's two spellings of itself, against everybody else's one; every other check holds for both. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { FakeClock } from '#kit/clock/clock.ts';
import type { Net } from '#kit/net/net.ts';
import { UpstreamFailure } from './failure.ts';
import { type OidcUpstream, readAnswer } from './oidc.ts';
import { upstreamSettings } from './settings.ts';

const { privateKey, publicKey } = await generateKeyPair('RS256');
const stranger = await generateKeyPair('RS256');
const jwk = { ...(await exportJWK(publicKey)), kid: 'one', use: 'sig', alg: 'RS256' };
const journey = {
  id: 'j',
  handle: 'a-state',
  nonce: 'a-nonce',
  verifier: 'a-verifier-of-at-least-forty-three-characters',
};
const publicUrl = 'https://id.example.org/upstream/google/callback';

/** A provider in memory that answers at `issuer`; `asked` counts what was asked where. */
function provider(issuer: string, token: Record<string, unknown>, key = privateKey) {
  const asked: string[] = [];
  const json = (body: unknown) => {
    const text = JSON.stringify(body);
    return {
      status: 200,
      headers: { 'content-type': 'application/json' },
      bytes: Buffer.from(text),
      text: () => text,
    };
  };
  const fetch = async (url: string) => {
    const { pathname } = new URL(url);
    asked.push(pathname);
    if (pathname === '/.well-known/openid-configuration')
      return json({
        issuer,
        authorization_endpoint: `${issuer}/auth`,
        token_endpoint: `${issuer}/token`,
        jwks_uri: `${issuer}/jwks`,
        authorization_response_iss_parameter_supported: true,
        id_token_signing_alg_values_supported: ['RS256'],
      });
    if (pathname === '/jwks') return json({ keys: [jwk] });
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: issuer,
      aud: 'us',
      sub: 'ada',
      iat: now,
      exp: now + 300,
      nonce: journey.nonce,
      ...token,
    };
    const signed = await new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'one' }).sign(key);
    return json({ access_token: 'x', token_type: 'Bearer', id_token: signed });
  };
  return { asked, net: { fetch } as unknown as Net };
}

async function read(
  issuer: string,
  token: Record<string, unknown>,
  more: { preset?: string; key?: CryptoKey; iss?: string } = {},
) {
  const { net, asked } = provider(issuer, token, more.key);
  const settings = upstreamSettings.parse({
    title: 'Google',
    oidc: { preset: more.preset ?? 'google', issuer, clientId: 'us' },
  });
  const upstream = { id: 'google', version: 1, settings, secret: 's' } as OidcUpstream;
  const answer = new URL(
    `${publicUrl}?code=c&state=${journey.handle}&iss=${encodeURIComponent(more.iss ?? issuer)}`,
  );
  const told = await readAnswer({ net, clock: new FakeClock() }, upstream, journey, answer);
  return { told, asked };
}

const google = 'https://accounts.google.com';
const refused = (error: unknown) => error instanceof UpstreamFailure && error.code === 'upstream-answer';

test('Google is itself with and without its scheme, and its code is asked for once', async () => {
  const plain = await read(google, {});
  assert.equal(plain.told.subject, 'ada');
  const { told, asked } = await read(google, { iss: 'accounts.google.com' });
  assert.equal(told.subject, 'ada');
  assert.equal(asked.filter((path) => path === '/token').length, 1);
});

test('OA-10 the other spelling is checked like the first: signature, audience, nonce, time, and the redirect’s own issuer', async () => {
  const iss = 'accounts.google.com';
  const now = Math.floor(Date.now() / 1000);
  const forged: [Record<string, unknown>, { key?: CryptoKey; iss?: string }][] = [
    [{ iss }, { key: stranger.privateKey }],
    [{ iss, aud: 'another' }, {}],
    [{ iss, nonce: 'another' }, {}],
    [{ iss, nonce: undefined }, {}],
    [{ iss, exp: now - 600 }, {}],
    [{ iss }, { iss }],
    [{ iss }, { iss: 'https://evil.example' }],
    [{ iss: 'accounts.google.com.evil.example' }, {}],
    [{ iss: 'http://accounts.google.com' }, {}],
    [{ iss: `${google}/` }, {}],
    [{ iss: 'ACCOUNTS.GOOGLE.COM' }, {}],
  ];
  for (const [token, how] of forged)
    await assert.rejects(
      read(google, token, how),
      refused,
      JSON.stringify({ ...token, iss: how.iss ?? token.iss }),
    );
});

test('OA-10 nobody else is believed without their scheme, whatever preset they are given, nor in Google’s name', async () => {
  for (const preset of ['google', 'generic', 'okta']) {
    await assert.rejects(read('https://idp.example', { iss: 'idp.example' }, { preset }), refused);
    await assert.rejects(read('https://idp.example', { iss: 'accounts.google.com' }, { preset }), refused);
  }
});
