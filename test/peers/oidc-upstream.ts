/**
 * A real OpenID provider (npm oidc-provider) to sign in through: it signs in whoever `account` names, asks nobody
 * anything, and says of them what `people` holds.
 */
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type Configuration, Provider } from 'oidc-provider';

export interface OidcUpstream {
  issuer: string;
  provider: Provider;
  /** By account id: the claims of each. */
  people: Map<string, Record<string, unknown>>;
  /** Who is sitting in front of it. */
  account: string;
  /** Paths asked so far. */
  asked: string[];
  /** When set, answers everything instead. */
  instead?: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** amr and acr of the next sign-ins. */
  strength: { amr?: string[]; acr?: string };
  /** Signs with a new key from now on. */
  rotate(): void;
  stop(): Promise<void>;
}

function newKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: 'RS256' };
}

export const upstreamSecret = 'a-secret-between-two-providers-of-a-test';

/** Starts it on loopback; one client `gatehouse` that may be sent back to these addresses. */
export async function startOidcUpstream(options: {
  redirectUris: string[];
  postLogoutRedirectUris?: string[];
  backchannelLogoutUri?: string;
}): Promise<OidcUpstream> {
  const server: Server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const issuer = `http://127.0.0.1:${port}`;
  const peer: OidcUpstream = {
    issuer,
    people: new Map(),
    account: '',
    asked: [],
    strength: {},
    provider: undefined as unknown as Provider,
    rotate() {
      peer.provider = makeProvider(issuer, peer, options);
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  peer.rotate();
  server.on('request', (request, response) => {
    peer.asked.push((request.url ?? '').split('?')[0] ?? '');
    if (peer.instead?.(request, response)) return;
    if (request.url?.startsWith('/interaction/')) void finish(peer, request, response);
    else void peer.provider.callback()(request, response);
  });
  return peer;
}

function makeProvider(
  issuer: string,
  peer: OidcUpstream,
  options: Parameters<typeof startOidcUpstream>[0],
): Provider {
  const configuration: Configuration = {
    jwks: { keys: [newKey()] } as Configuration['jwks'],
    cookies: { keys: ['of-a-test'] },
    clients: [
      {
        client_id: 'gatehouse',
        client_secret: upstreamSecret,
        redirect_uris: options.redirectUris,
        post_logout_redirect_uris: options.postLogoutRedirectUris ?? [],
        ...(options.backchannelLogoutUri && {
          backchannel_logout_uri: options.backchannelLogoutUri,
          backchannel_logout_session_required: true,
        }),
      },
    ],
    acrValues: ['silver', 'gold'],
    claims: {
      openid: ['sub', 'sid'],
      profile: ['name', 'given_name', 'family_name', 'preferred_username', 'locale', 'groups'],
      email: ['email', 'email_verified'],
      acr: null,
      amr: null,
      auth_time: null,
    },
    conformIdTokenClaims: false,
    features: { devInteractions: { enabled: false }, backchannelLogout: { enabled: true } },
    interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_context, id) => ({
      accountId: id,
      claims: () => ({ sub: id, ...peer.people.get(id) }),
    }),
    pkce: { required: () => true },
    ttl: { Session: 3600, Interaction: 600, Grant: 3600 },
  };
  return new Provider(issuer, configuration);
}

/** Answers what the provider would ask a person. */
async function finish(peer: OidcUpstream, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { provider } = peer;
  const details = await provider.interactionDetails(request, response);
  const grant = new provider.Grant({ accountId: peer.account, clientId: String(details.params.client_id) });
  grant.addOIDCScope(String(details.params.scope));
  grant.addOIDCClaims(['acr', 'amr', 'auth_time']);
  const result = {
    login: { accountId: peer.account, ...peer.strength },
    consent: { grantId: await grant.save() },
  };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}
