/**
 * GitHub as an upstream: OAuth 2.0 (RFC 6749, RFC 7636) without OpenID Connect. The numeric id is the person, because
 * names there change hands; the address is the one that is both primary and verified; errors come with status 200.
 */

import { calculatePKCECodeChallenge } from 'openid-client';
import { z } from 'zod';
import type { FetchInit, Net } from '#kit/net/net.ts';
import { UpstreamFailure } from './failure.ts';
import type { Told } from './identity.ts';
import type { Journey } from './journeys.ts';
import { failureOf } from './oidc.ts';
import type { UpstreamSettings } from './settings.ts';
import type { Upstream } from './upstreams.ts';

type GithubSettings = NonNullable<UpstreamSettings['github']>;

export interface GithubUpstream extends Pick<Upstream, 'id'> {
  settings: UpstreamSettings & { github: GithubSettings };
  secret: string;
}

const tokenAnswer = z.object({ access_token: z.string().min(1), token_type: z.string() });
const userAnswer = z.object({
  id: z.number().int().positive().max(Number.MAX_SAFE_INTEGER),
  login: z.string().min(1).max(100),
  name: z.string().nullish(),
});
const emailsAnswer = z.array(z.object({ email: z.string(), primary: z.boolean(), verified: z.boolean() }));
const organisationsAnswer = z.array(z.object({ login: z.string() }));

const base = (settings: GithubSettings) => settings.url.replace(/\/+$/, '');

/** Where its API answers: beside github.com, below an own server. */
function apiOf(settings: GithubSettings): string {
  const url = base(settings);
  return url === 'https://github.com' ? 'https://api.github.com' : `${url}/api/v3`;
}

/** Where the browser is sent. */
export async function githubUrl(
  { settings }: GithubUpstream,
  way: Journey & { redirectUri: string; hint?: string },
): Promise<URL> {
  const { github } = settings;
  const url = new URL(`${base(github)}/login/oauth/authorize`);
  const scopes = ['read:user', 'user:email', ...(asksOrganisations(settings) ? ['read:org'] : [])];
  const query = {
    client_id: github.clientId,
    redirect_uri: way.redirectUri,
    scope: scopes.join(' '),
    state: way.handle,
    code_challenge: await calculatePKCECodeChallenge(way.verifier),
    code_challenge_method: 'S256',
    ...(way.hint && { login: way.hint }),
  };
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url;
}

function asksOrganisations({ github, groups }: UpstreamSettings): boolean {
  return Boolean(github?.organisations?.length) || groups.length > 0;
}

/** Fetches what the answer stands for. Refuses as an OpenID provider's answer is, and people of other organisations. */
export async function readGithub(
  needs: { net: Net },
  upstream: GithubUpstream,
  way: Journey & { redirectUri: string },
  answer: URL,
): Promise<Told> {
  const { code, error } = Object.fromEntries(answer.searchParams);
  if (error !== undefined || !code)
    throw new UpstreamFailure('upstream-declined', upstream, { detail: (error ?? 'no code').slice(0, 200) });
  try {
    const token = await exchange(needs, upstream, way, code);
    const get = <T>(path: string, shape: z.ZodType<T>) => ask(needs, upstream, token, path, shape);
    const user = await get('/user', userAnswer);
    const emails = await get('/user/emails?per_page=100', emailsAnswer);
    const mine = asksOrganisations(upstream.settings)
      ? (await get('/user/orgs?per_page=100', organisationsAnswer)).map(({ login }) => login)
      : [];
    checkOrganisations(upstream, mine);
    const address = emails.find(({ primary, verified }) => primary && verified)?.email;
    return {
      tenant: '',
      subject: String(user.id),
      claims: { ...user, email: address ?? null, organizations: mine },
      label: user.login,
      address: address === undefined ? undefined : { address, verified: true },
    };
  } catch (error_) {
    throw failureOf(upstream, error_);
  }
}

function checkOrganisations(upstream: GithubUpstream, mine: readonly string[]): void {
  const wanted = upstream.settings.github.organisations;
  if (!wanted?.length) return;
  const names = new Set(mine.map((one) => one.toLowerCase()));
  if (!wanted.some((one) => names.has(one.toLowerCase())))
    throw new UpstreamFailure('upstream-foreign', upstream, { detail: 'in none of the organisations' });
}

/**
 * Whether GitHub knows this client and its secret, asked with a code that is none: it looks at the client first and says
 * then that the code is wrong. Refuses as an answer is.
 */
export async function githubTakes(needs: { net: Net }, upstream: GithubUpstream): Promise<void> {
  const way = { id: '', handle: '', nonce: '', verifier: 'x'.repeat(43), redirectUri: 'https://localhost/' };
  try {
    await exchange(needs, upstream, way, 'no-code-at-all');
  } catch (error) {
    const said = error instanceof UpstreamFailure ? error.facts.detail : undefined;
    if (said === 'token: bad_verification_code' || said === 'token: redirect_uri_mismatch') return;
    throw failureOf(upstream, error);
  }
}

async function exchange(
  needs: { net: Net },
  upstream: GithubUpstream,
  way: Journey & { redirectUri: string },
  code: string,
): Promise<string> {
  const { github } = upstream.settings;
  const body = new URLSearchParams({
    client_id: github.clientId,
    client_secret: upstream.secret,
    code,
    redirect_uri: way.redirectUri,
    code_verifier: way.verifier,
  });
  const given = await fetched(needs, upstream, `${base(github)}/login/oauth/access_token`, {
    method: 'POST',
    body: body.toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  });
  const said = z.object({ error: z.string() }).safeParse(given);
  if (said.success)
    throw new UpstreamFailure('upstream-answer', upstream, {
      detail: `token: ${said.data.error.slice(0, 200)}`,
    });
  return read(upstream, tokenAnswer, given).access_token;
}

async function ask<T>(
  needs: { net: Net },
  upstream: GithubUpstream,
  token: string,
  path: string,
  shape: z.ZodType<T>,
): Promise<T> {
  const url = `${apiOf(upstream.settings.github)}${path}`;
  const headers = { authorization: `Bearer ${token}`, 'x-github-api-version': '2022-11-28' };
  return read(upstream, shape, await fetched(needs, upstream, url, { headers }));
}

async function fetched(
  { net }: { net: Net },
  upstream: GithubUpstream,
  url: string,
  init: FetchInit,
): Promise<unknown> {
  const answer = await net.fetch(url, {
    ...init,
    headers: { accept: 'application/json', ...(init.headers as Record<string, string>) },
    allowPrivate: upstream.settings.privateNetwork,
    timeoutMs: 8000,
    redirects: 0,
  });
  if (answer.status !== 200)
    throw new UpstreamFailure(answer.status >= 500 ? 'upstream-unreachable' : 'upstream-answer', upstream, {
      detail: `${new URL(url).pathname}: status ${answer.status}`,
    });
  try {
    return JSON.parse(answer.text());
  } catch {
    throw new UpstreamFailure('upstream-answer', upstream, {
      detail: `${new URL(url).pathname}: not JSON`,
    });
  }
}

function read<T>(upstream: GithubUpstream, shape: z.ZodType<T>, given: unknown): T {
  const found = shape.safeParse(given);
  if (found.success) return found.data;
  const where = found.error.issues.map((issue) => issue.path.join('.')).join(', ');
  throw new UpstreamFailure('upstream-answer', upstream, { detail: `not as documented: ${where}` });
}
