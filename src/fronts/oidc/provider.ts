/**
 * The configuration of oidc-provider, and the places where the house stands in for it: sessions, clients, subjects,
 * claims, pages. Everything not named here is off.
 */
import {
  type ClientCredentials,
  type Configuration,
  errors,
  type KoaContextWithOIDC,
  Provider,
  type RefreshToken,
} from 'oidc-provider';
import { clientAuths, clientSigningAlgs } from '#core/applications/client-keys.ts';
import type { Limits } from '#kit/limits/limits.ts';
import type { Log } from '#kit/log/log.ts';
import type { Net } from '#kit/net/net.ts';
import { describeDevice } from '#signon/device.ts';
import { trace } from '#signon/trace.ts';
import { type AdapterNeeds, createAdapter, type SaveTrade } from './adapter.ts';
import { findAccount, requestStanding, type StillCounts, subjectFor, whatStillCounts } from './admission.ts';
import { answerMiddleware } from './answers.ts';
import { acrs } from './asked.ts';
import { renderClaimsOf } from './claims.ts';
import { checkAssertion, fetchKeysOfApps } from './client-assertions.ts';
import { type Applications, applicationOf, mayReadFrom, serveClients } from './clients.ts';
import { useCoreSessions } from './core-session.ts';
import { serveDevices } from './devices.ts';
import { captureAnswers, exchangeOf } from './exchange.ts';
import { takeIdTokensAlone } from './hints.ts';
import type { KeyRing } from './keys.ts';
import { housePolicy, mayShare } from './policy.ts';
import { scopeClaims } from './profile.ts';
import { countProofsOnce } from './replays.ts';
import { ownTokenSeconds, sealOwnTokens } from './sealed-tokens.ts';
import { isTurnedAway } from './turned-away.ts';
import { userCodeForm } from './user-codes.ts';

/** Every path of this front. */
export const paths = {
  authorization: '/oidc/auth',
  pushed: '/oidc/par',
  deviceAuthorization: '/oidc/device',
  device: '/device',
  token: '/oidc/token',
  userinfo: '/oidc/userinfo',
  jwks: '/oidc/jwks',
  introspection: '/oidc/introspection',
  revocation: '/oidc/revocation',
  endSession: '/oidc/session/end',
  interaction: '/oidc/interaction',
} as const;

export interface ProviderNeeds extends AdapterNeeds {
  log: Log;
  net: Net;
  limits: Limits;
  issuer: URL;
  publicUrl: URL;
  applications: Applications;
  save: SaveTrade;
  /** When the house was last restored from a backup. */
  restoredAt?: Date | undefined;
  /** How an error that may not go back to the app is shown. */
  renderError(ctx: KoaContextWithOIDC, out: { error: string }, error: Error): void;
  /** How an answer is posted back to the app. */
  renderFormPost(ctx: KoaContextWithOIDC, action: string, inputs: Record<string, unknown>): void;
}

const hour = 3600;
const day = 24 * hour;

/** The issuer identifier as every token says it: without a trailing slash where it has no path. */
export function issuerOf(issuer: URL): string {
  return issuer.pathname === '/' ? issuer.origin : issuer.href.replace(/\/$/, '');
}

/** A provider for these keys; made anew when they change. */
export function createProvider(needs: ProviderNeeds, keys: KeyRing): Provider {
  class HouseProvider extends Provider {
    override registerResponseMode(...[name, handler]: Parameters<Provider['registerResponseMode']>): void {
      super.registerResponseMode(name, name === 'form_post' ? needs.renderFormPost : handler);
    }
  }
  const provider = new HouseProvider(issuerOf(needs.issuer), configurationOf(needs, keys));
  standOnPublicUrl(provider, needs.publicUrl);
  captureAnswers(provider);
  provider.use(answerMiddleware(needs));
  serveClients(provider, needs.applications, needs);
  useCoreSessions(provider, needs.database);
  renderClaimsOf(provider);
  takeIdTokensAlone(provider);
  sealOwnTokens(provider, needs);
  countProofsOnce(provider, needs);
  serveDevices(provider, needs, paths.deviceAuthorization);
  logFaults(provider, needs.log);
  return provider;
}

function configurationOf(needs: ProviderNeeds, keys: KeyRing): Configuration {
  const stillCounts = whatStillCounts(needs);
  return {
    adapter: createAdapter(needs),
    jwks: { keys: keys.jwks as NonNullable<Configuration['jwks']>['keys'] },
    routes: {
      authorization: paths.authorization,
      pushed_authorization_request: paths.pushed,
      device_authorization: paths.deviceAuthorization,
      code_verification: paths.device,
      token: paths.token,
      userinfo: paths.userinfo,
      jwks: paths.jwks,
      introspection: paths.introspection,
      revocation: paths.revocation,
      end_session: paths.endSession,
    },
    responseTypes: ['code'],
    clientAuthMethods: [...clientAuths],
    assertJwtClientAuthClaimsAndHeader: checkAssertion,
    fetch: fetchKeysOfApps(needs.net),
    subjectTypes: ['pairwise', 'public'],
    enabledJWA: {
      idTokenSigningAlgValues: ['RS256', 'ES256'],
      userinfoSigningAlgValues: ['RS256', 'ES256'],
      clientAuthSigningAlgValues: clientSigningAlgs,
      dPoPSigningAlgValues: ['ES256', 'Ed25519', 'EdDSA', 'PS256', 'RS256'],
    },
    acrValues: acrs,
    // Through whom people shall come: an id of `upstreams`; one that is not there changes nothing.
    extraParams: ['gatehouse_upstream'],
    scopes: ['openid', 'offline_access'],
    claims: {
      openid: ['sub', 'sid', 'auth_time', 'acr', 'amr'],
      ...Object.fromEntries(Object.entries(scopeClaims).map(([scope, claims]) => [scope, [...claims]])),
    },
    pkce: { required: (_ctx, client) => needsPkce(client) },
    allowOmittingSingleRegisteredRedirectUri: false,
    acceptQueryParamAccessTokens: false,
    expiresWithSession: () => false,
    findAccount: findAccount(needs, stillCounts),
    pairwiseIdentifier: subjectFor(needs),
    loadExistingGrant: (ctx) => grantFor(ctx),
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    revokeGrantPolicy: () => true,
    extraTokenClaims: refuseSwitchedOff,
    clientBasedCORS: (_ctx, origin, client) => mayReadFrom(applicationOf(client), origin),
    interactions: {
      policy: housePolicy(needs.clock),
      url: (_ctx, interaction) => `${paths.interaction}/${interaction.uid}`,
    },
    renderError: (ctx, out, error) => needs.renderError(ctx, out, error),
    features: featuresOf(stillCounts),
    cookies: cookiesOf(needs),
    ttl: lifetimes,
  };
}

const lifetimes: Configuration['ttl'] = {
  AuthorizationCode: 60,
  DeviceCode: 600,
  PushedAuthorizationRequest: 60,
  AccessToken: hour,
  ClientCredentials: ownTokenSeconds,
  IdToken: hour,
  Interaction: hour,
  Session: day,
  Grant: (ctx) => refreshDaysOf(ctx) * day,
  RefreshToken: (ctx, token) => {
    // Rotation moves no end: the family ends when its first token would have.
    const first = (token as RefreshToken).iiat ?? Math.floor(Date.now() / 1000);
    return Math.max(1, first + refreshDaysOf(ctx) * day - Math.floor(Date.now() / 1000));
  },
};

function refreshDaysOf(ctx: KoaContextWithOIDC): number {
  return (ctx.oidc.client && applicationOf(ctx.oidc.client).settings.oidc?.refreshDays) || 30;
}

function needsPkce(client: Parameters<typeof applicationOf>[0]): boolean {
  const { clientAuth, pkce } = applicationOf(client).settings.oidc!;
  return clientAuth === 'none' || pkce === 'required';
}

/** One grant an authorization, so that whatever is misused takes down its own family and no other. */
async function grantFor(ctx: KoaContextWithOIDC) {
  const standing = requestStanding(ctx);
  if (!standing?.profile || !mayShare(ctx)) return undefined;
  const { oidc } = ctx;
  const grant = new oidc.provider.Grant({
    accountId: oidc.account!.accountId,
    clientId: oidc.client!.clientId,
  });
  grant.addOIDCScope(oidc.requestParamOIDCScopes);
  grant.addOIDCClaims(oidc.requestParamClaims);
  await grant.save();
  return grant;
}

/** The last gate before a token is kept: an app that is switched off gets none, its own included. */
async function refuseSwitchedOff(_ctx: KoaContextWithOIDC, token: { client?: unknown }): Promise<undefined> {
  const client = (token as ClientCredentials).client;
  if (client && !applicationOf(client).settings.enabled)
    throw new errors.InvalidGrant('the app is switched off');
  return undefined;
}

function featuresOf(stillCounts: StillCounts): Configuration['features'] {
  return {
    devInteractions: { enabled: false },
    // That a proof counts once is decided by replays.ts: in the library two uses at once would both count.
    dPoP: { enabled: true },
    // The library hands out and redeems the codes; they are typed and decided on at pages of ours (device-pages.ts).
    deviceFlow: {
      enabled: true,
      ...userCodeForm,
      deviceInfo: (ctx) => {
        const { network, headers } = exchangeOf(ctx).request;
        return { network, device: describeDevice(headers['user-agent']) };
      },
    },
    clientCredentials: { enabled: true },
    claimsParameter: { enabled: true },
    introspection: {
      enabled: true,
      // Only an app's own tokens, and only while they count (RFC 9700 §4.10, OA-08).
      allowedPolicy: async (_ctx, client, token) => {
        if (token.clientId !== client.clientId) return false;
        if (token.kind === 'ClientCredentials') return applicationOf(client).settings.enabled;
        return (await stillCounts(token as Parameters<StillCounts>[0])) !== undefined;
      },
    },
    revocation: {
      enabled: true,
      allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId,
    },
    rpInitiatedLogout: { enabled: true },
    // Announced here, sent by backchannel.ts when the core session ends.
    backchannelLogout: { enabled: true },
    userinfo: { enabled: true },
    // Offered, never asked for: apps that find it in the discovery document use it (RFC 9126).
    pushedAuthorizationRequests: { enabled: true },
  };
}

/** Names as the rest of the house has them; paths other than / cannot have the `__Host-` prefix. */
function cookiesOf(needs: ProviderNeeds): Configuration['cookies'] {
  const { publicUrl, secrets } = needs;
  const secure = publicUrl.protocol === 'https:';
  const name = (short: string) =>
    secure ? `__Secure-gatehouse-${short}` : `gatehouse-${short}-${publicUrl.port || '80'}`;
  const options = { httpOnly: true, sameSite: 'lax', overwrite: true, secure, signed: true } as const;
  return {
    names: {
      interaction: name('oidc-interaction'),
      resume: name('oidc-resume'),
      session: name('oidc-session'),
    },
    keys: secrets.macs('oidc-cookies').map((mac) => mac.toString('base64url')),
    long: options,
    short: options,
  };
}

/** Addresses come from the settings, never from what a request says of itself. */
function standOnPublicUrl(provider: Provider, publicUrl: URL): void {
  Object.defineProperties(provider.request, {
    protocol: { get: () => publicUrl.protocol.replace(':', '') },
    host: { get: () => publicUrl.host },
  });
}

function logFaults(provider: Provider, log: Log): void {
  provider.on('server_error', (ctx, error) => {
    const exchange = exchangeOf(ctx);
    const reference = exchange.request.requestId;
    // Told and logged where it is answered.
    if (isTurnedAway(error)) exchange.turned = error;
    else log.error({ err: error, code: 'unexpected', reference }, 'oidc failed');
  });
  const refused = (ctx: KoaContextWithOIDC, error: errors.OIDCProviderError) => {
    const facts = {
      code: error.error,
      reference: exchangeOf(ctx).request.requestId,
      application: ctx.oidc?.client?.clientId,
      detail: error.error_detail ?? error.error_description,
    };
    log.info(facts, 'an app was refused');
    const { code, reference, application, detail } = facts;
    trace(reference, 'the app was refused', { error: code, application, detail });
  };
  const kinds = [
    'authorization',
    'pushed_authorization_request',
    'device_authorization',
    'grant',
    'userinfo',
    'introspection',
    'revocation',
  ] as const;
  for (const kind of kinds) provider.on(`${kind}.error` as 'grant.error', refused);
}
