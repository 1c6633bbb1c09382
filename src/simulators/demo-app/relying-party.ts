/** The app's side of OpenID Connect, over `openid-client`: it finds the community's sign-in service when first needed. */
import { setTimeout as sleep } from 'node:timers/promises';
import { createRemoteJWKSet, customFetch } from 'jose';
import * as oidc from 'openid-client';
import type { Log } from '#kit/log/log.ts';
import { createNet, webFetch } from '#kit/net/net.ts';
import { logoutTokenChecker } from './logout-token.ts';
import type { AppSession, PendingSignIn } from './sessions.ts';

export interface RelyingPartyOptions {
  issuer: URL;
  clientId: string;
  clientSecret: string;
  redirectUri: string;
  postLogoutRedirectUri: string;
  scope: string;
  log: Log;
}

/** The sign-in service does not answer, or answers something else. */
export class IssuerUnreachable extends Error {
  override name = 'IssuerUnreachable';
}

export type Known = Omit<AppSession, 'id' | 'signedInAt' | 'refreshes'>;
export type RelyingParty = ReturnType<typeof createRelyingParty>;

const tries = 4;

/** Throws RangeError for an issuer over http that is not on this machine. */
export function createRelyingParty(options: RelyingPartyOptions) {
  const { issuer, clientId, redirectUri, log } = options;
  const insecure = issuer.protocol === 'http:';
  if (insecure && !/^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(issuer.hostname)) {
    throw new RangeError('An issuer over http must be on this machine.');
  }
  const port = issuer.port || (insecure ? '80' : '443');
  const net = createNet({ allow: [`${issuer.hostname}:${port}`], log, connectMs: 1000 });
  const guardedFetch = webFetch(net);
  let discovered: Promise<Discovered> | undefined;

  async function discover() {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const configuration = await oidc.discovery(
          issuer,
          clientId,
          { client_secret: options.clientSecret, redirect_uris: [redirectUri] },
          oidc.ClientSecretBasic(options.clientSecret),
          {
            execute: insecure ? [oidc.allowInsecureRequests] : [],
            [oidc.customFetch]: (url, init) => guardedFetch(url, init as RequestInit),
          },
        );
        const keys = createRemoteJWKSet(new URL(configuration.serverMetadata().jwks_uri!), {
          [customFetch]: guardedFetch,
        });
        const checkLogoutToken = logoutTokenChecker({ issuer: issuerName(configuration), clientId, keys });
        return { configuration, checkLogoutToken };
      } catch (error) {
        if (attempt === tries)
          throw new IssuerUnreachable('The sign-in service cannot be reached.', { cause: error });
        await sleep(200 * attempt);
      }
    }
  }
  type Discovered = Awaited<ReturnType<typeof discover>>;

  function ready(): Promise<Discovered> {
    discovered ??= discover().catch((error) => {
      // The next request tries again.
      discovered = undefined;
      throw error;
    });
    return discovered;
  }

  async function known(tokens: Tokens, sub: string, before?: Known): Promise<Known> {
    const { configuration } = await ready();
    const userinfo = await oidc.fetchUserInfo(configuration, tokens.access_token, sub);
    const claims = tokens.claims();
    const seconds = tokens.expiresIn();
    return {
      sub,
      sid: typeof claims?.sid === 'string' ? claims.sid : before?.sid,
      idToken: tokens.id_token ?? before!.idToken,
      idTokenClaims: claims ?? before!.idTokenClaims,
      userinfo,
      accessToken: tokens.access_token,
      accessTokenExpiresAt: seconds === undefined ? undefined : new Date(Date.now() + seconds * 1000),
      refreshToken: tokens.refresh_token ?? before?.refreshToken,
    };
  }

  return {
    /** Where to send the browser, and what to remember until it comes back (PKCE S256, state, nonce). */
    async begin(extra: Record<string, string> = {}) {
      const { configuration } = await ready();
      const codeVerifier = oidc.randomPKCECodeVerifier();
      const state = oidc.randomState();
      const nonce = oidc.randomNonce();
      const url = oidc.buildAuthorizationUrl(configuration, {
        redirect_uri: redirectUri,
        scope: options.scope,
        code_challenge: await oidc.calculatePKCECodeChallenge(codeVerifier),
        code_challenge_method: 'S256',
        state,
        nonce,
        ...extra,
      });
      return { url, state, nonce, codeVerifier };
    },
    /** Turns the answer in the callback address into what we know of the person. Throws what openid-client throws. */
    async finish(address: URL, pending: PendingSignIn): Promise<Known> {
      const { configuration } = await ready();
      const tokens = await oidc.authorizationCodeGrant(configuration, address, {
        pkceCodeVerifier: pending.codeVerifier,
        expectedState: pending.state,
        expectedNonce: pending.nonce,
        idTokenExpected: true,
      });
      return known(tokens, tokens.claims()!.sub);
    },
    /** New tokens and fresh claims for the same person. */
    async refresh(session: AppSession): Promise<Known> {
      const { configuration } = await ready();
      const tokens = await oidc.refreshTokenGrant(configuration, session.refreshToken!);
      const claims = tokens.claims();
      if (claims && claims.sub !== session.sub) throw new Error('The new tokens are about someone else.');
      return known(tokens, session.sub, session);
    },
    /** Where to send the browser so that the community's session ends too. Undefined when the service offers no such place. */
    async signOut(session: AppSession, state: string): Promise<URL | undefined> {
      const { configuration } = await ready();
      if (!configuration.serverMetadata().end_session_endpoint) return undefined;
      return oidc.buildEndSessionUrl(configuration, {
        id_token_hint: session.idToken,
        post_logout_redirect_uri: options.postLogoutRedirectUri,
        state,
      });
    },
    /** Checks a logout token; throws LogoutTokenRefused. */
    async checkLogoutToken(token: string) {
      return (await ready()).checkLogoutToken(token);
    },
    /** Whether `iss` of a third-party sign-in names our issuer (OpenID Connect Core §4). */
    isOurIssuer: (iss: string | null) => iss !== null && sameIssuer(iss, issuer),
    close: () => net.close(),
  };
}

type Tokens = Awaited<ReturnType<typeof oidc.authorizationCodeGrant>>;

const issuerName = (configuration: oidc.Configuration) => configuration.serverMetadata().issuer;

function sameIssuer(iss: string, issuer: URL): boolean {
  const bare = (text: string) => text.replace(/\/$/, '');
  return bare(iss) === bare(issuer.href);
}
