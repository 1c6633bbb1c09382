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
    findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id, name: id }) }),
    ttl: { AccessToken: 3600, ClientCredentials: 3600, Grant: 86_400, IdToken: 3600, RefreshToken: 86_400 },
  };
}

const server = createServer();
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const origin = `http://localhost:${(server.address() as AddressInfo).port}`;

/** Starts it with one client. Returns its origin and as many refresh tokens as wanted. */
async function start(input: { client: TokenClient; refreshTokens: number }) {
  const provider = new Provider(origin, configurationFor(input.client));
  server.on('request', provider.callback());
  const client = await provider.Client.find(input.client.id);
  const refreshTokens: string[] = [];
  for (let at = 0; at < input.refreshTokens; at += 1) {
    const accountId = `person${at}`;
    const grant = new provider.Grant({ accountId, clientId: input.client.id });
    grant.addOIDCScope(input.client.scope);
    const facts = { accountId, client: client!, grantId: await grant.save(), scope: input.client.scope };
    const token = new provider.RefreshToken({ ...facts, gty: 'authorization_code' } as never);
    refreshTokens.push(await token.save());
  }
  return { origin, refreshTokens };
}

answerParent({ start }, async () => {
  server.close();
  server.closeAllConnections();
});
