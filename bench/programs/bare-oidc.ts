/** Bench program: the OIDC library by itself, keeping everything in the memory of its process. */
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Provider, { type Configuration } from 'oidc-provider';
import { answerParent } from '../program.ts';
import type { TokenClient } from '../tokens.ts';

/** The same client, keys and answers as the house has; nothing is asked before a token is given. */
function configurationFor(client: TokenClient): Configuration {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return {
    clients: [
      {
        client_id: client.id,
        client_secret: client.secret,
        redirect_uris: [client.redirectUri],
        grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
        id_token_signed_response_alg: 'RS256',
      },
    ],
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig' }] as never },
    features: { devInteractions: { enabled: false }, clientCredentials: { enabled: true } },
    issueRefreshToken: () => true,
    rotateRefreshToken: true,
    claims: { openid: ['sub'], profile: ['name'], email: ['email'] },
    // Whoever has a session has agreed, as with an app of the house that is trusted.
    loadExistingGrant: async ({ oidc }) => {
      const { accountId } = oidc.session!;
      const grant = new oidc.provider.Grant({ accountId, clientId: oidc.client!.clientId });
      grant.addOIDCScope(client.scope);
      await grant.save();
      return grant;
    },
    findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id, name: id }) }),
    ttl: { AccessToken: 3600, ClientCredentials: 3600, Grant: 86_400, IdToken: 3600, RefreshToken: 86_400 },
  };
}

const server = createServer();
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const origin = `http://localhost:${(server.address() as AddressInfo).port}`;

/** Starts it with one client. Returns its origin, as many refresh tokens as wanted and cookies of people who are signed in. */
async function start(input: { client: TokenClient; refreshTokens?: number; sessions?: number }) {
  const provider = new Provider(origin, configurationFor(input.client));
  server.on('request', provider.callback());
  const client = await provider.Client.find(input.client.id);
  const refreshTokens: string[] = [];
  for (let at = 0; at < (input.refreshTokens ?? 0); at += 1) {
    const accountId = `person${at}`;
    const grant = new provider.Grant({ accountId, clientId: input.client.id });
    grant.addOIDCScope(input.client.scope);
    const facts = { accountId, client: client!, grantId: await grant.save(), scope: input.client.scope };
    const token = new provider.RefreshToken({ ...facts, gty: 'authorization_code' } as never);
    refreshTokens.push(await token.save());
  }
  const cookies: string[] = [];
  for (let at = 0; at < (input.sessions ?? 0); at += 1) {
    const facts = { accountId: `person${at}`, loginTs: Math.floor(Date.now() / 1000) };
    const session = Object.assign(new provider.Session(), facts);
    cookies.push(`_session=${await session.save(86_400)}`);
  }
  return { origin, refreshTokens, cookies };
}

answerParent({ start }, async () => {
  server.close();
  server.closeAllConnections();
});
