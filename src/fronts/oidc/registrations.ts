/**
 * Apps that register themselves (RFC 7591): off until the community says `appRegistration: token`, and then with a token
 * that an operator made for it and for so many apps. What registers itself is never trusted: it gets an id of ours
 * (OA-18), returns to https addresses alone, has to use PKCE, may have codes and refresh tokens and nothing else, and asks
 * every person. It is an app like others from then on: operators see, change and remove it.
 */
import { z } from 'zod';
import { isLoopback, isReturnUri } from '#core/applications/addresses.ts';
import {
  type ApplicationSettings,
  applicationSettings,
  saveApplication,
  setSecret,
} from '#core/applications/applications.ts';
import { record } from '#core/events/events.ts';
import { cleanLine } from '#core/people/names.ts';
import { Problem } from '#core/problem.ts';
import { hashToken, newId, randomToken } from '#kit/crypto/ids.ts';
import type { Tx } from '#kit/db/tx.ts';
import { hasPlainQuery } from './clients.ts';
import * as store from './registrations.store.ts';

export const listRegistrationTokens = store.registrationTokens;

const form = /^ghr_[A-Za-z0-9_-]{43}$/;

/**
 * Makes a token that lets its holder register apps: `ghr_` and 43 characters, returned once.
 * @param input.uses how many apps, 1 to 100
 */
export async function createRegistrationToken(
  tx: Tx,
  input: { name: string; uses: number; expiresAt: Date },
): Promise<{ id: string; token: string }> {
  const name = cleanLine(input.name);
  if (name === '') throw new Problem('attribute-required', { fields: { name: 'attribute-required' } });
  const { uses, expiresAt } = input;
  if (!Number.isInteger(uses) || uses < 1 || uses > 100 || !(expiresAt > tx.now()))
    throw new Problem('input-malformed');
  const id = newId();
  const token = `ghr_${randomToken()}`;
  await store.insertRegistrationToken(tx, { id, name, hash: hashToken(token), usesLeft: uses, expiresAt });
  await record(tx, 'registration-token.created', { data: { token: id, uses } });
  return { id, token };
}

/** Withdraws a token; apps it let in stay. Returns whether it was there. */
export async function revokeRegistrationToken(tx: Tx, id: string): Promise<boolean> {
  const was = await store.deleteRegistrationToken(tx, id);
  if (was) await record(tx, 'registration-token.revoked', { data: { token: id } });
  return was;
}

/** Whether this token lets someone register an app now. */
export async function mayRegister(tx: Tx, token: string): Promise<boolean> {
  return form.test(token) && store.isRegistrationToken(tx, hashToken(token));
}

/** Why an app was not registered, in the words of RFC 7591 §3.2.2. */
export class RegistrationRefused extends Error {
  override name = 'RegistrationRefused';
  readonly code: 'invalid_redirect_uri' | 'invalid_client_metadata' | 'invalid_software_statement';

  constructor(code: RegistrationRefused['code'], message: string) {
    super(message);
    this.code = code;
  }
}

const uris = z.array(z.string().max(500)).max(10);
const refreshable = ['authorization_code', 'refresh_token'] as const;

/** A name that can be shown safely. */
function isPlain(text: string): boolean {
  try {
    return cleanLine(text) !== '';
  } catch {
    return false;
  }
}

/** What of the metadata of RFC 7591 §2 counts; what else there is goes unread, as the standard says. */
const metadata = z.object({
  redirect_uris: uris.min(1),
  post_logout_redirect_uris: uris.default([]),
  client_name: z.string().max(80).refine(isPlain).optional(),
  token_endpoint_auth_method: z
    .enum(['client_secret_basic', 'client_secret_post', 'none'])
    .default('client_secret_basic'),
  grant_types: z.array(z.enum(refreshable)).max(2).default(['authorization_code']),
  response_types: z.array(z.literal('code')).max(1).default(['code']),
  id_token_signed_response_alg: z.enum(['RS256', 'ES256']).default('RS256'),
  subject_type: z.literal('pairwise').default('pairwise'),
  application_type: z.literal('web').default('web'),
  dpop_bound_access_tokens: z.boolean().default(false),
});

type Metadata = z.infer<typeof metadata>;

/** Reads what an app says of itself. Refuses with RegistrationRefused. */
export function readMetadata(given: unknown): Metadata {
  if (typeof given === 'object' && given !== null && 'software_statement' in given)
    throw new RegistrationRefused('invalid_software_statement', 'software statements are not taken');
  for (const keys of ['jwks', 'jwks_uri', 'request_uris', 'sector_identifier_uri', 'backchannel_logout_uri'])
    if (typeof given === 'object' && given !== null && keys in given)
      throw new RegistrationRefused('invalid_client_metadata', `${keys} is not taken`);
  const read = metadata.safeParse(given);
  if (!read.success) {
    const [issue] = read.error.issues;
    const name = String(issue?.path[0] ?? '');
    const code = name === 'redirect_uris' ? 'invalid_redirect_uri' : 'invalid_client_metadata';
    throw new RegistrationRefused(code, `${name || 'the body'} is not as it has to be`);
  }
  const { redirect_uris: back, post_logout_redirect_uris: bye, grant_types: grants } = read.data;
  if (![...back, ...bye].every(isOpenHttps) || !back.every(hasPlainQuery))
    throw new RegistrationRefused('invalid_redirect_uri', 'return addresses have to be https and whole');
  if (!grants.includes('authorization_code'))
    throw new RegistrationRefused('invalid_client_metadata', 'grant_types has to name authorization_code');
  return read.data;
}

function isOpenHttps(uri: string): boolean {
  return isReturnUri(uri) && uri.startsWith('https://') && !isLoopback(new URL(uri).hostname);
}

export interface Registered {
  id: string;
  secret?: string;
  title: string;
}

/** Registers the app; the token has one use less. Undefined when the token counts no more. */
export async function registerApplication(
  tx: Tx,
  token: string,
  asked: Metadata,
): Promise<Registered | undefined> {
  const spent = form.test(token) ? await store.spendRegistrationToken(tx, hashToken(token)) : undefined;
  if (!spent) return undefined;
  const id = `app-${randomToken(16)
    .replace(/[^A-Za-z0-9]/g, '')
    .toLowerCase()
    .slice(0, 20)}`;
  const settings = settingsOf(asked, spent, tx.now());
  await saveApplication(tx, id, settings);
  const made = asked.token_endpoint_auth_method === 'none' ? undefined : await setSecret(tx, id);
  return { id, secret: made?.secret, title: settings.title };
}

function settingsOf(asked: Metadata, token: string, now: Date): ApplicationSettings {
  const [first = ''] = asked.redirect_uris;
  const title = asked.client_name ? cleanLine(asked.client_name) : new URL(first).host.slice(0, 80);
  return applicationSettings.parse({
    title,
    consent: 'ask',
    subject: 'pairwise',
    oidc: {
      redirectUris: asked.redirect_uris,
      postLogoutRedirectUris: asked.post_logout_redirect_uris,
      clientAuth: asked.token_endpoint_auth_method,
      pkce: 'required',
      idTokenAlg: asked.id_token_signed_response_alg,
      grants: refreshable.filter((grant) => asked.grant_types.includes(grant)),
      dpop: asked.dpop_bound_access_tokens ? 'required' : 'optional',
      registered: { token, at: now.toISOString() },
    },
  });
}
