/** Signing in to apps by OpenID Connect: what an app is told, and what a person is asked on the way. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { type Platform, startPlatform } from '../kit.ts';
import { communityFile, decode, Party, passwords } from './oidc-party.ts';

let platform: Platform;
before(async () => {
  platform = await startPlatform();
  await platform.apply(communityFile);
});

async function signedIn(name: keyof typeof passwords) {
  const visitor = platform.visitor();
  await visitor.signIn(name, passwords[name]);
  return visitor;
}

test('a person signs in to an app and it hears what is released, in userinfo', async () => {
  const tracker = new Party(platform, { id: 'tracker' });
  const visitor = platform.visitor();
  await visitor.open(tracker.authorizationUrl());
  assert.match(visitor.page.text, /Tracker/);
  const seen = await visitor.submit({ username: 'ada', password: passwords.ada }, '/sign-in');
  const back = new URL(seen.headers.get('location') ?? '');
  assert.equal(back.origin, 'http://127.0.0.1:9');
  assert.equal(back.searchParams.get('state'), 'state-1');
  assert.equal(back.searchParams.get('iss'), platform.origin);
  const { status, body } = await tracker.exchange(back.searchParams.get('code') ?? '');
  assert.equal(status, 200, JSON.stringify(body));
  const { header, claims } = decode(body.id_token ?? '');
  assert.equal(header.alg, 'RS256');
  assert.equal(claims.nonce, 'nonce-1');
  assert.equal(claims.acr, 'aal1');
  assert.deepEqual(claims.amr, ['pwd']);
  assert.ok(claims.sid);
  assert.equal(claims.preferred_username, undefined);
  const { body: info } = await tracker.userinfo(body.access_token);
  assert.equal(info.sub, claims.sub);
  assert.equal(info.preferred_username, 'ada');
  assert.equal(info.email, 'ada@example.org');
  assert.deepEqual(info.groups, ['developers', 'staff']);
  assert.deepEqual(info.roles, ['editor']);
  assert.equal(info.organisation, 'Engines');
  assert.equal(info.mentor, 'true');
});
