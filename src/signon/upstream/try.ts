/**
 * Trying an upstream out before people do: what can be asked of the other side without anybody signing in. Each thing that
 * was tried is said in words of ours; what the other side wrote stands beside it for operators alone.
 */
import { Problem } from '#core/problem.ts';
import { askDirectory } from './directory.ts';
import { UpstreamFailure } from './failure.ts';
import { githubTakes } from './github.ts';
import { discoverNow, failureOf, type OidcNeeds } from './oidc.ts';
import { endOf, identityProvider } from './saml-provider.ts';
import { type PublishedNeeds, toSaml } from './saml-published.ts';
import type { Credentials, Upstream } from './upstreams.ts';

/** One thing that was tried. */
export interface Tried {
  what: string;
  ok: boolean;
  said: string;
  /** What the other side or the network said; for operators. */
  detail?: string;
}

export type TryNeeds = OidcNeeds & PublishedNeeds;

/** Tries what can be tried. Never throws for what is the other side's: that is among the answers. */
export async function tryUpstream(
  needs: TryNeeds,
  upstream: Upstream,
  credentials: Credentials,
): Promise<Tried[]> {
  const { settings } = upstream;
  if (settings.oidc)
    return tryOidc(needs, {
      ...upstream,
      settings: { ...settings, oidc: settings.oidc },
      secret: credentials.clientSecret,
    });
  if (settings.github) return tryGithub(needs, upstream, credentials);
  if (settings.ldap) return [await tryDirectory(needs, upstream, credentials)];
  return [await trySaml(needs, upstream)];
}

/** Runs one attempt; a failure of the other side becomes its answer. */
async function attempt(what: string, wrong: string, work: () => Promise<string>): Promise<Tried> {
  try {
    return { what, ok: true, said: await work() };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const { detail } = error.facts;
    const far = error.code === 'upstream-unreachable' ? 'It does not answer, or not as it should. ' : '';
    return { what, ok: false, said: `${far}${wrong}`, detail: detail?.slice(0, 500) };
  }
}

async function tryOidc(needs: OidcNeeds, of: Parameters<typeof discoverNow>[1]): Promise<Tried[]> {
  let metadata: ReturnType<Awaited<ReturnType<typeof discoverNow>>['serverMetadata']> | undefined;
  const description = await attempt(
    'Description',
    'Look at the issuer, letter by letter, and whether it may stand in a private network.',
    async () => {
      metadata = (await discoverNow(needs, of)).serverMetadata();
      return `It calls itself ${metadata.issuer}.`;
    },
  );
  if (!metadata) return [description];
  const known = metadata;
  const keys = await attempt(
    'Keys',
    'Without its keys no answer of it can be believed.',
    async () => `It publishes ${await countKeys(needs, of, known.jwks_uri)}.`,
  );
  const wanted = of.settings.oidc.logout;
  const ends = known.end_session_endpoint !== undefined;
  const logout = {
    what: 'Sign-out',
    ok: ends,
    said: ends
      ? 'People can be led there to sign out.'
      : 'It offers no sign-out: switch “logout” off, or nobody can be led there.',
  };
  return [description, keys, ...(wanted ? [logout] : [])];
}

async function countKeys(
  { net }: OidcNeeds,
  upstream: Parameters<typeof discoverNow>[1],
  url: string | undefined,
): Promise<string> {
  if (!url) throw new UpstreamFailure('upstream-answer', upstream, { detail: 'no jwks_uri' });
  try {
    const answer = await net.fetch(url, {
      headers: { accept: 'application/json' },
      allowPrivate: upstream.settings.privateNetwork,
      timeoutMs: 8000,
    });
    const keys = answer.status === 200 ? (JSON.parse(answer.text()) as { keys?: unknown[] }).keys : undefined;
    if (!Array.isArray(keys) || keys.length === 0) throw new TypeError(`status ${answer.status}, no keys`);
    return keys.length === 1 ? 'one key' : `${keys.length} keys`;
  } catch (error) {
    throw failureOf(upstream, error);
  }
}

async function tryGithub(needs: OidcNeeds, upstream: Upstream, credentials: Credentials): Promise<Tried[]> {
  const { github, ...rest } = upstream.settings;
  if (!github) return [];
  const of = {
    ...upstream,
    settings: { ...rest, github },
    secret: credentials.clientSecret ?? '',
  };
  return [
    await attempt('Client', 'Look at the client id, the client secret and the address.', async () => {
      await githubTakes(needs, of);
      return 'It knows this client id, and the secret is right.';
    }),
  ];
}

function tryDirectory(needs: OidcNeeds, upstream: Upstream, credentials: Credentials): Promise<Tried> {
  const { ldap, ...rest } = upstream.settings;
  return attempt(
    'Directory',
    'Look at the address, the certificates, and the account that looks people up with its password.',
    async () => {
      if (!ldap) throw new Problem('upstream-unknown');
      const of = { ...upstream, settings: { ...rest, ldap }, password: credentials.bindPassword ?? '' };
      // A search as for everybody; nobody is called so, and no password is tried.
      await askDirectory(needs, of, { name: 'somebody-who-is-nobody-here' }, undefined);
      return `It let us in as ${ldap.bindDn} and can be searched below ${ldap.baseDn}.`;
    },
  );
}

function trySaml(needs: PublishedNeeds, upstream: Upstream): Promise<Tried> {
  const of = toSaml(upstream);
  return attempt(
    'Metadata',
    'Look at the address of its metadata, or at the metadata that was pasted.',
    async () => {
      if (!of) throw new Problem('upstream-unknown');
      const idp = await identityProvider(needs, of, { fresh: true });
      const end = endOf(idp);
      const until = end ? ` Its certificate ends on ${end.toISOString().slice(0, 10)}.` : '';
      const slo = idp.slo ? ' It takes sign-outs.' : '';
      return `It calls itself ${idp.entityId}; people go to ${new URL(idp.ssoUrl).host}.${slo}${until}`;
    },
  );
}
