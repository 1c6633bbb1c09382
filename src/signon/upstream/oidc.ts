/**
 * OpenID Connect providers as upstreams (OIDC Core §3.1, RFC 7636, RFC 9207): discovery, the way there, and the answer.
 * Configurations are kept for an hour each, so keys are fetched anew at most once a minute, whatever `kid` comes (F-28).
 * ID tokens are verified by signature although they come over TLS: one rule for all of them (OA-10).
 */
import * as client from 'openid-client';
import type { Clock } from '#kit/clock/clock.ts';
import { type Net, NetRefused, webFetch } from '#kit/net/net.ts';
import { UpstreamFailure } from './failure.ts';
import {
  googleIssuer,
  isOtherSpelling,
  type OtherSpelling,
  otherSpelling,
  rememberingFetch,
  withoutIssuer,
} from './google.ts';
import type { Told } from './identity.ts';
import type { Journey } from './journeys.ts';
import { issuerOf, type UpstreamSettings } from './settings.ts';
import type { Upstream } from './upstreams.ts';

export interface OidcNeeds {
  net: Net;
  clock: Clock;
}

type OidcSettings = NonNullable<UpstreamSettings['oidc']>;

/** An upstream with what it takes to speak to it. */
export interface OidcUpstream extends Pick<Upstream, 'id' | 'version'> {
  settings: UpstreamSettings & { oidc: OidcSettings };
  secret?: string;
}

/** The other side as it describes itself, and for Google as it calls itself besides. */
interface Discovered {
  configuration: client.Configuration;
  other?: OtherSpelling;
}

const keptMs = 3_600_000;
const kept = new WeakMap<Net, Map<string, { at: number; version: number; made: Promise<Discovered> }>>();

/** The other side as it describes itself; refuses with `upstream-unreachable` or `upstream-answer`. */
export async function configurationOf(
  needs: OidcNeeds,
  upstream: OidcUpstream,
): Promise<client.Configuration> {
  return (await discovered(needs, upstream)).configuration;
}

/** The same, asked anew whatever is kept: for whoever tries the settings out. */
export async function discoverNow(needs: OidcNeeds, upstream: OidcUpstream): Promise<client.Configuration> {
  return (await discover(needs, upstream)).configuration;
}

async function discovered(needs: OidcNeeds, upstream: OidcUpstream): Promise<Discovered> {
  const all = kept.get(needs.net) ?? new Map();
  kept.set(needs.net, all);
  const now = performance.now();
  const known = all.get(upstream.id);
  if (known && known.version === upstream.version && now - known.at < keptMs) return known.made;
  const made = discover(needs, upstream);
  all.set(upstream.id, { at: now, version: upstream.version, made });
  made.catch(() => {
    if (all.get(upstream.id)?.made === made) all.delete(upstream.id);
  });
  return made;
}

async function discover(needs: OidcNeeds, upstream: OidcUpstream): Promise<Discovered> {
  const { oidc, privateNetwork } = upstream.settings;
  const fetcher = webFetch(needs.net, { allowPrivate: privateNetwork, timeoutMs: 8000 });
  const google = issuerOf(oidc) === googleIssuer ? rememberingFetch(fetcher) : undefined;
  try {
    const configuration = await client.discovery(
      new URL(issuerOf(oidc)),
      oidc.clientId,
      { [client.clockTolerance]: 60 },
      authentication(upstream.secret),
      {
        [client.customFetch]: (google?.fetcher ?? fetcher) as client.CustomFetch,
        // Whether plain http may be spoken is kit/net's matter: to private networks alone, where settings allow them.
        execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks],
        timeout: 10,
      },
    );
    if (!google) return { configuration };
    const how = {
      clientId: oidc.clientId,
      authentication: authentication(upstream.secret),
      fetcher: google.again,
    };
    const other = { configuration: otherSpelling(configuration, how), forget: google.forget };
    return { configuration, other };
  } catch (error) {
    throw failureOf(upstream, error);
  }
}

/** By what the other side takes: HTTP Basic unless it says it does not (OIDC Core §9). */
function authentication(secret: string | undefined): client.ClientAuth {
  if (!secret) return client.None();
  const [basic, post] = [client.ClientSecretBasic(secret), client.ClientSecretPost(secret)];
  return (server, metadata, body, headers) => {
    const takes = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
    const way = takes.includes('client_secret_basic') ? basic : post;
    return way(server, metadata, body, headers);
  };
}

/** Where the browser is sent. `anew` asks for fresh proof there. */
export async function authorizationUrl(
  needs: OidcNeeds,
  upstream: OidcUpstream,
  way: Journey & { redirectUri: string; hint?: string; anew?: boolean; locale?: string },
): Promise<URL> {
  const configuration = await configurationOf(needs, upstream);
  const { oidc, require, secondFactor } = upstream.settings;
  const acr = [...new Set([...require.acr, ...secondFactor.acr])];
  return client.buildAuthorizationUrl(configuration, {
    redirect_uri: way.redirectUri,
    scope: oidc.scopes.join(' '),
    state: way.handle,
    nonce: way.nonce,
    code_challenge: await client.calculatePKCECodeChallenge(way.verifier),
    code_challenge_method: 'S256',
    ...(acr.length > 0 && { acr_values: acr.join(' ') }),
    ...(way.hint && { login_hint: way.hint }),
    ...(way.anew && { prompt: 'login', max_age: '0' }),
    ...(way.locale && { ui_locales: way.locale }),
    ...(oidc.preset === 'google' && oidc.hostedDomains.length === 1 && { hd: oidc.hostedDomains[0]! }),
  });
}

/**
 * Reads the answer and fetches what it stands for. Everything is bound to the journey: state, nonce, verifier, issuer.
 * Refuses with `upstream-declined` when the person or the other side said no, `upstream-answer` when it is not right.
 */
export async function readAnswer(
  needs: OidcNeeds,
  upstream: OidcUpstream,
  journey: Journey,
  answer: URL,
): Promise<Told> {
  const found = await discovered(needs, upstream);
  const { configuration } = found;
  try {
    const tokens = await exchange(found, answer, {
      expectedState: journey.handle,
      expectedNonce: journey.nonce,
      pkceCodeVerifier: journey.verifier,
      idTokenExpected: true,
    });
    const claims = tokens.claims();
    if (!claims) throw new Error('there is no ID token');
    const more = configuration.serverMetadata().userinfo_endpoint
      ? await client.fetchUserInfo(configuration, tokens.access_token, claims.sub)
      : {};
    return toTold(upstream, { ...more, ...claims }, tokens.id_token);
  } catch (error) {
    throw failureOf(upstream, error);
  }
}

async function exchange(
  { configuration, other }: Discovered,
  answer: URL,
  checks: client.AuthorizationCodeGrantChecks,
) {
  try {
    return await client.authorizationCodeGrant(configuration, answer, checks);
  } catch (error) {
    if (!other || !isOtherSpelling(error)) throw error;
    return await client.authorizationCodeGrant(other.configuration, withoutIssuer(answer), checks);
  } finally {
    other?.forget(answer.searchParams.get('code') ?? '');
  }
}

/** What the claims say, by the habits of the one who sends them. */
export function toTold(upstream: OidcUpstream, claims: Record<string, unknown>, idToken?: string): Told {
  const { preset } = upstream.settings.oidc;
  const text = (name: string) =>
    typeof claims[name] === 'string' && claims[name] !== '' ? claims[name] : undefined;
  const who = preset === 'entra' ? entraSubject(upstream, claims) : usualSubject(upstream, claims);
  if (preset === 'google') checkHostedDomain(upstream, claims.hd);
  const address = preset === 'entra' ? entraAddress(claims) : usualAddress(claims);
  return {
    ...who,
    claims,
    label: text('preferred_username') ?? text('email') ?? text('name') ?? who.subject,
    address,
    amr: Array.isArray(claims.amr)
      ? claims.amr.filter((one) => typeof one === 'string').slice(0, 20)
      : undefined,
    acr: text('acr'),
    provedAt: typeof claims.auth_time === 'number' ? new Date(claims.auth_time * 1000) : undefined,
    sessionIndex: text('sid'),
    idToken,
    groupsMissing: isOverage(claims),
  };
}

/** At most 255 characters (OIDC Core §2), and never none: everybody without a name would be one person. */
function usualSubject(upstream: OidcUpstream, { sub }: Record<string, unknown>) {
  if (typeof sub === 'string' && sub !== '' && sub.length <= 255) return { tenant: '', subject: sub };
  throw new UpstreamFailure('upstream-answer', upstream, { detail: 'sub is missing or too long' });
}

function usualAddress(claims: Record<string, unknown>): Told['address'] {
  const { email, email_verified: verified } = claims;
  return typeof email === 'string'
    ? { address: email, verified: verified === true || verified === 'true' }
    : undefined;
}

/** `oid` is the person and `tid` where; `sub` differs for each app and an address belongs to whoever typed it. */
function entraSubject(
  upstream: OidcUpstream,
  { tid, oid }: Record<string, unknown>,
): { tenant: string; subject: string } {
  if (typeof tid !== 'string' || typeof oid !== 'string' || !tid || !oid)
    throw new UpstreamFailure('upstream-answer', upstream, { detail: 'tid or oid is missing' });
  const { tenants } = upstream.settings.oidc;
  if (tenants?.length && !tenants.includes(tid))
    throw new UpstreamFailure('upstream-foreign', upstream, { detail: `tenant ${tid}` });
  return { tenant: tid, subject: oid };
}

/** An address is theirs only where the tenant's owner proved its domain; names of sign-in are never proof of a mailbox. */
function entraAddress(claims: Record<string, unknown>): Told['address'] {
  const { email, preferred_username: name, upn, xms_edov: proved } = claims;
  if (typeof email === 'string' && email !== '')
    return {
      address: email,
      verified: proved === true || proved === 1 || proved === '1' || proved === 'true',
    };
  const fallback = [name, upn].find((one) => typeof one === 'string' && one.includes('@'));
  return fallback === undefined ? undefined : { address: fallback as string, verified: false };
}

function checkHostedDomain(upstream: OidcUpstream, hd: unknown): void {
  const { hostedDomains } = upstream.settings.oidc;
  if (hostedDomains.length === 0 || (typeof hd === 'string' && hostedDomains.includes(hd.toLowerCase())))
    return;
  throw new UpstreamFailure('upstream-foreign', upstream, { detail: 'another Workspace domain, or none' });
}

/** Entra leaves groups out of tokens where there are too many and names a place to ask instead. */
function isOverage(claims: Record<string, unknown>): boolean {
  const names = claims._claim_names;
  return claims.hasgroups === true || (typeof names === 'object' && names !== null && 'groups' in names);
}

/** Where the person ends their session there; undefined when it offers no such place. */
export async function endSessionUrl(
  needs: OidcNeeds,
  upstream: OidcUpstream,
  input: { idToken?: string; returnTo: string },
): Promise<URL | undefined> {
  const configuration = await configurationOf(needs, upstream);
  if (!configuration.serverMetadata().end_session_endpoint) return undefined;
  return client.buildEndSessionUrl(configuration, {
    post_logout_redirect_uri: input.returnTo,
    ...(input.idToken && { id_token_hint: input.idToken }),
  });
}

/** From what the library or the network threw to a refusal with a name; what the other side wrote goes to the log alone. */
export function failureOf(
  upstream: Pick<Upstream, 'id'> & { settings: { title: string } },
  error: unknown,
): UpstreamFailure {
  if (error instanceof UpstreamFailure) return error;
  const causes = chainOf(error);
  const detail = causes
    .map((one) => [(one as { code?: unknown }).code, one.message].filter(Boolean).join(': '))
    .join(' / ')
    .slice(0, 500);
  const said = causes.find((one) => one instanceof client.AuthorizationResponseError);
  const isFar = causes.some(
    (one) =>
      one instanceof NetRefused ||
      ['OAUTH_TIMEOUT', 'OAUTH_RESPONSE_IS_NOT_CONFORM', 'OAUTH_RESPONSE_IS_NOT_JSON'].includes(
        String((one as { code?: unknown }).code),
      ),
  );
  const code = said ? 'upstream-declined' : isFar ? 'upstream-unreachable' : 'upstream-answer';
  return new UpstreamFailure(code, upstream, { detail, cause: error });
}

function chainOf(error: unknown): Error[] {
  const chain: Error[] = [];
  for (let one = error; one instanceof Error && chain.length < 5; one = one.cause) chain.push(one);
  return chain;
}
