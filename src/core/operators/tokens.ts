/** API tokens: how programs act as operators. Shown once, kept as a hash only. */
import { record } from '#core/events/events.ts';
import { cleanLine } from '#core/people/names.ts';
import { Problem } from '#core/problem.ts';
import { hashToken, newId, randomToken } from '#kit/crypto/ids.ts';
import type { Tx } from '#kit/db/tx.ts';
import { type Grant, isRole, type Role } from './permissions.ts';
import * as store from './store.ts';

export interface ApiToken {
  id: string;
  name: string;
  roles: Role[];
  /** The app an `app-owner` token is bound to. */
  application?: string;
  createdAt: Date;
  createdBy: { kind: string; id?: string; name?: string };
  expiresAt?: Date;
  lastUsedAt?: Date;
  revokedAt?: Date;
}

const form = /^gh_[A-Za-z0-9_-]{43}$/;

/** The roles behind the names a token is asked with: role names, and `admin` for owner. Refuses others by field. */
export function rolesFromScopes(scopes: readonly string[]): Role[] {
  const given = scopes.map((scope) => (scope === 'admin' ? 'owner' : scope));
  const found = [...new Set(given)].filter(isRole);
  if (found.length === 0 || found.length !== new Set(given).size)
    throw new Problem('input-malformed', { fields: { scope: 'input-malformed' } });
  return found;
}

/**
 * Makes a token: `gh_` and 43 characters (256 random bits, base64url). It is returned once and cannot be read again.
 * @param input.scopes role names, or `admin` for owner; `app-owner` needs `application` and stands alone
 * @param input.expiresAt in the future; without it the token lasts until it is revoked
 */
export async function createToken(
  tx: Tx,
  input: { name: string; scopes: readonly string[]; application?: string; expiresAt?: Date },
): Promise<{ token: string; id: string }> {
  const roles = rolesFromScopes(input.scopes);
  const bound = roles.includes('app-owner');
  if (bound !== (input.application !== undefined) || (bound && roles.length > 1))
    throw new Problem('input-malformed', { fields: { application: 'input-malformed' } });
  const name = cleanLine(input.name);
  if (name === '') throw new Problem('attribute-required', { fields: { name: 'attribute-required' } });
  if (input.expiresAt && !(input.expiresAt > tx.now()))
    throw new Problem('input-malformed', { fields: { expiresAt: 'input-malformed' } });
  const id = newId();
  const token = `gh_${randomToken()}`;
  const { application, expiresAt } = input;
  await store.insertToken(tx, { id, name, hash: hashToken(token), roles, application, expiresAt });
  await record(tx, 'token.created', { application, data: { token: id, roles } });
  return { token, id };
}

/**
 * The token behind a presented value, or undefined when it is not known, has ended or was revoked. Notes when it was
 * last used, at most once a minute, so it needs a transaction that may write.
 */
export async function tokenByValue(tx: Tx, value: string): Promise<ApiToken | undefined> {
  if (!form.test(value)) return undefined;
  const token = await store.liveToken(tx, hashToken(value));
  if (!token) return undefined;
  const { lastUsedAt } = token;
  if (!lastUsedAt || tx.now().getTime() - lastUsedAt.getTime() >= 60_000)
    await store.touchToken(tx, token.id);
  return token;
}

/** What a token may do, as `may` takes it. */
export function grantsOfToken(token: Pick<ApiToken, 'roles' | 'application'>): Grant[] {
  return token.roles.map((role) => ({ role, application: token.application }));
}

/** All tokens, newest first, revoked and ended ones too; never the values. */
export const listTokens = store.listTokens;

/** Withdraws a token for good. Refuses with `token-refused` when there is none of this id; twice does no harm. */
export async function revokeToken(tx: Tx, id: string): Promise<void> {
  const outcome = await store.revokeToken(tx, id);
  if (outcome === 'unknown') throw new Problem('token-refused');
  if (outcome === 'revoked') await record(tx, 'token.revoked', { data: { token: id } });
}
