/**
 * Apps that sign instead of sharing a secret (private_key_jwt): what an assertion must say beyond what the library asks,
 * and how the keys of apps that publish them are fetched. RFC 7523 §3 as its revision has it
 * (draft-ietf-oauth-rfc7523bis): made out to the issuer alone, so that no other server can use it here; once, which
 * replays.ts decides for all nodes.
 */
import { type Client, errors, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import { faultOfKey } from '#core/applications/client-keys.ts';
import { type Net, NetRefused } from '#kit/net/net.ts';
import { applicationOf } from './clients.ts';

/** How long an assertion may count, in seconds: so long its id is remembered. */
const longestSeconds = 3600;
const mostBytes = 64 * 1024;
const againAfterMs = 10_000;

/** What a token of another kind says it is, this one must not. */
const types = new Set(['jwt', 'client-authentication+jwt', 'application/client-authentication+jwt']);

/** The library's last check of an assertion whose signature is right, before its id is counted. */
export function checkAssertion(
  ctx: KoaContextWithOIDC,
  claims: Record<string, unknown>,
  header: Record<string, unknown>,
  _client: Client,
): void {
  const refuse = (why: string): never => {
    throw new errors.InvalidClientAuth(why);
  };
  const { aud, exp, sub } = claims;
  const [only, ...others] = Array.isArray(aud) ? aud : [aud];
  if (only !== ctx.oidc.issuer || others.length > 0)
    refuse('the audience of the assertion must be the issuer and nothing else');
  if (sub !== claims.iss) refuse('iss and sub of the assertion must be the client_id');
  const now = Math.floor(Date.now() / 1000);
  if (typeof exp !== 'number' || exp > now + longestSeconds)
    refuse('the assertion counts for longer than an hour');
  if (header.typ !== undefined && !types.has(String(header.typ).toLowerCase()))
    refuse('the assertion is a token of another kind');
}

/**
 * The library's way out, used for the keys of apps alone: through the guarded door, bounded, without redirects. A key
 * set that cannot be had is not asked for again for ten seconds, whoever knocks; weak keys in it do not count.
 */
export function fetchKeysOfApps(net: Net): (input: string | URL | Request) => Promise<Response> {
  const failed = new Map<string, number>();
  return async (input) => {
    const url = String(input);
    const client = Provider.ctx?.oidc.client;
    if (client?.jwksUri !== url) throw new Error('only keys of apps are fetched');
    const last = failed.get(url);
    if (last !== undefined && performance.now() - last < againAfterMs)
      throw new Error('the keys could not be fetched a moment ago');
    try {
      const keys = await fetchKeys(net, url, applicationOf(client).settings.privateHttp);
      failed.delete(url);
      return Response.json({ keys });
    } catch (error) {
      if (failed.size > 1000) failed.clear();
      failed.set(url, performance.now());
      throw error;
    }
  };
}

async function fetchKeys(net: Net, url: string, allowPrivate: boolean): Promise<unknown[]> {
  const headers = { accept: 'application/jwk-set+json, application/json' };
  const got = await net
    .fetch(url, { headers, timeoutMs: 3000, maxBytes: mostBytes, redirects: 0, allowPrivate })
    .catch((error: unknown) => {
      throw error instanceof NetRefused ? new Error(`keys of the app: ${error.message}`) : error;
    });
  if (got.status !== 200) throw new Error(`keys of the app: HTTP ${got.status}`);
  const { keys } = JSON.parse(got.text()) as { keys?: unknown };
  if (!Array.isArray(keys)) throw new Error('keys of the app: no key set');
  return keys.filter(isUsable).slice(0, 20);
}

function isUsable(key: unknown): boolean {
  return typeof key === 'object' && key !== null && faultOfKey(key as Record<string, unknown>) === undefined;
}
