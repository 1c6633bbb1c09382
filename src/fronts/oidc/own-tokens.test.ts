import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FastifyRequest } from 'fastify';
import type { Provider } from 'oidc-provider';
import { ownTokens } from './own-tokens.ts';

const authorization = `Basic ${Buffer.from('tracker:a%20secret').toString('base64')}`;

/** Whom a request is taken to be from where it is plain; undefined where it goes on to the library. */
async function plainFor(form: string, headers: Record<string, string> = { authorization }) {
  let asked: string | undefined;
  const provider = {
    Client: {
      find: async (id: string) => {
        asked = id;
        return undefined;
      },
    },
  } as unknown as Provider;
  assert.equal(
    await ownTokens(provider, { headers } as unknown as FastifyRequest, Buffer.from(form)),
    undefined,
    'nobody is given anything',
  );
  return asked;
}

const own = 'grant_type=client_credentials';

test('a plain request is one with one secret and nothing else', async () => {
  assert.equal(await plainFor(own), 'tracker');
  assert.equal(await plainFor(`${own}&client_id=tracker`), 'tracker');
  assert.equal(await plainFor(`${own}&client_id=wiki&client_secret=s`, {}), 'wiki');
});

test('whatever is said twice, is unknown or proves more goes on to the library', async () => {
  for (const form of [
    'grant_type=refresh_token&refresh_token=x',
    `${own}&${own}`,
    `${own}&scope=openid`,
    `${own}&client_id=`,
    `${own}&resource=https://api.example.org`,
    `${own}&client_id=other`,
    `${own}&client_secret=s`,
    `${own}&client_assertion=x`,
  ])
    assert.equal(await plainFor(form), undefined, form);
  for (const more of ['dpop', 'origin', 'oauth-client-attestation', 'oauth-client-attestation-pop'])
    assert.equal(await plainFor(own, { authorization, [more]: 'x' }), undefined, more);
  for (const header of [
    'Basic dHJhY2tlcg==',
    'Basic dHJhY2tlcjp',
    'Basic OnNlY3JldA==',
    'Bearer x',
    'Basic  x',
  ])
    assert.equal(await plainFor(own, { authorization: header }), undefined, header);
  assert.equal(await plainFor(own, {}), undefined);
});
