/** KE-04: the emergency. From one moment on a key proves nothing, on every node, whatever was signed with it before. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { withdrawKey } from '#fronts/oidc/keys.ts';
import { system } from '#kit/db/database.ts';
import { communityFile, decode, Party, passwords } from '#test/flows/oidc-party.ts';
import { type Platform, startPlatform } from '#test/kit.ts';

const bye = 'http://127.0.0.1:9/bye';
/** The check allows a minute; nodes tell each other at once. */
const withinMs = 5000;

test('KE-04 after an emergency withdrawal every token of the key is refused by every node and by apps that look', async (context) => {
  const platform = await startPlatform({ realTime: true });
  await platform.apply(communityFile);
  const other = await platform.again();
  const nodes = [platform, other];
  const audience = 'tracker';
  const { origin } = platform;
  const verify = (token: string, at: Platform) =>
    jwtVerify(token, createRemoteJWKSet(new URL(`${at.origin}/oidc/jwks`)), { issuer: origin, audience });

  const visitors = await Promise.all(
    Array.from({ length: 5 }, async () => {
      const visitor = platform.visitor();
      await visitor.signIn('ada', passwords.ada);
      return visitor;
    }),
  );
  const tokens: { hint: string; access: string }[] = [];
  for (const visitor of visitors) {
    for (let count = 0; count < 3; count++) {
      const got = await new Party(platform, { id: audience }).tokens(visitor);
      tokens.push({ hint: got.id_token!, access: got.access_token });
    }
  }
  const kid = String(decode(tokens[0]!.hint).header.kid);
  for (const { hint } of tokens) {
    assert.equal(decode(hint).header.kid, kid);
    for (const node of nodes) await verify(hint, node);
  }
  const modern = (await new Party(platform, { id: 'modern' }).tokens(visitors[0]!)).id_token!;
  assert.notEqual(decode(modern).header.kid, kid);

  const began = performance.now();
  await platform.database.transact(system(), (tx) => withdrawKey(tx, platform.secrets, kid));
  const refused = async () => {
    for (const node of nodes) {
      for (const { hint } of tokens) {
        if (
          await verify(hint, node).then(
            () => true,
            () => false,
          )
        )
          return false;
      }
    }
    return true;
  };
  while (!(await refused())) {
    assert.ok(performance.now() - began < withinMs, 'the key still proves something');
    await sleep(20);
  }
  context.diagnostic(
    `${tokens.length} tokens refused on 2 nodes after ${Math.round(performance.now() - began)} ms`,
  );

  // As a hint it names nobody: the way out asks the person, and nobody is signed out by it.
  for (const [index, visitor] of visitors.entries()) {
    const query = new URLSearchParams({
      id_token_hint: tokens[index * 3]!.hint,
      post_logout_redirect_uri: bye,
    });
    const seen = await visitor.request(`${origin}/oidc/session/end?${query}`);
    assert.notEqual(seen.headers.get('location'), bye);
    assert.match((await visitor.open('/account')).url, /\/account$/);
  }
  const hinted = new Party(platform, { id: audience }).authorizationUrl({
    prompt: 'none',
    id_token_hint: tokens[0]!.hint,
  });
  const answer = await visitors[0]!.request(hinted);
  const said = new URL(answer.headers.get('location') ?? `${origin}/?error=${answer.status}`);
  assert.equal(said.searchParams.get('code'), null, 'a hint that proves nothing brings no code');

  // What another key signed stands, and the house goes on with a new one.
  await jwtVerify(modern, createRemoteJWKSet(new URL(`${origin}/oidc/jwks`)), {
    issuer: origin,
    audience: 'modern',
  });
  for (const node of nodes) {
    const fresh = (await new Party(platform, { id: audience }).tokens(visitors[1]!)).id_token!;
    assert.notEqual(decode(fresh).header.kid, kid);
    await verify(fresh, node);
  }
});
