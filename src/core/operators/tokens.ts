/**
 * API tokens: how programs act as operators. Shown once, kept as a hash only. A token stands and falls with the operator
 * who made it, also by way of another token: it works while they are active and hold at least its roles, and rests
 * otherwise. Tokens made on the host itself have no maker.
 */
import { record } from '#core/events/events.ts';
import { cleanLine } from '#core/people/names.ts';
import { findPeople, findPerson, holdPerson, type Person } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import { hashToken, newId, randomToken } from '#kit/crypto/ids.ts';
import type { Tx } from '#kit/db/tx.ts';
import { covers, type Grant, isRole, type Role } from './permissions.ts';
import * as store from './store.ts';

export interface ApiToken {
  id: string;
  name: string;
  roles: Role[];
  /** The app an `app-owner` token is bound to. */
  application?: string;
  createdAt: Date;
  createdBy: { kind: string; id?: string; name?: string };
  /** The person it stands and falls with; undefined when it was made on the host. */
  maker?: string;
  expiresAt?: Date;
  lastUsedAt?: Date;
  revokedAt?: Date;
}

/** Why a token does nothing for now: its maker has no standing, or holds less than the token does. */
export type Rest = 'maker-inactive' | 'maker-role';

export interface ListedToken extends ApiToken {
  makerName?: string;
  /** Undefined while it works, as far as its maker goes. */
  rests?: Rest;
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
 * @throws Problem `operator-forbidden` when neither a person, nor a token of theirs, nor the host itself makes it
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
  const maker = await makerOf(tx);
  const id = newId();
  const token = `gh_${randomToken()}`;
  const { application, expiresAt } = input;
  await store.insertToken(tx, { id, name, hash: hashToken(token), roles, application, expiresAt, maker });
  await record(tx, 'token.created', { application, data: { token: id, roles } });
  return { token, id };
}

/** Whose act this is in the end: a token acts for whoever made it. */
async function makerOf(tx: Tx): Promise<string | undefined> {
  const { kind, id } = tx.actor;
  if (kind === 'system') return undefined;
  if (id === undefined || (kind !== 'operator' && kind !== 'person')) throw new Problem('operator-forbidden');
  const token = await store.tokenById(tx, id);
  if (token) return token.maker;
  if (!(await findPerson(tx, id))) throw new Problem('operator-forbidden');
  return id;
}

/**
 * The token behind a presented value, or undefined when it is not known, has ended, was revoked or rests. Notes when it
 * was last used, at most once a minute, so it needs a transaction that may write.
 */
export async function tokenByValue(tx: Tx, value: string): Promise<ApiToken | undefined> {
  if (!form.test(value)) return undefined;
  const token = await store.liveToken(tx, hashToken(value));
  if (!token) return undefined;
  if (token.maker !== undefined) {
    const maker = await findPerson(tx, token.maker);
    if (restOf(token, maker, await store.rolesOf(tx, token.maker))) return undefined;
  }
  const { lastUsedAt } = token;
  if (!lastUsedAt || tx.now().getTime() - lastUsedAt.getTime() >= 60_000)
    await store.touchToken(tx, token.id);
  return token;
}

/**
 * To be asked first in the transaction that changes something with a token: refuses with `token-refused` when it was
 * revoked, or began to rest, since it was presented; and until the end of the transaction neither happens.
 */
export async function holdToken(tx: Tx, id: string): Promise<void> {
  const token = await store.holdLiveToken(tx, id);
  if (!token) throw new Problem('token-refused');
  if (token.maker === undefined) return;
  const maker = await holdPerson(tx, token.maker);
  if (restOf(token, maker, await store.holdRoles(tx, token.maker))) throw new Problem('token-refused');
}

function restOf(token: ApiToken, maker: Person | undefined, grants: readonly Grant[]): Rest | undefined {
  if (maker?.state !== 'active') return 'maker-inactive';
  return grantsOfToken(token).every((grant) => covers(grants, grant)) ? undefined : 'maker-role';
}

/** What a token may do, as `may` takes it. */
export function grantsOfToken(token: Pick<ApiToken, 'roles' | 'application'>): Grant[] {
  return token.roles.map((role) => ({ role, application: token.application }));
}

/** All tokens, newest first, revoked, ended and resting ones too; never the values. */
export async function listTokens(tx: Tx): Promise<ListedToken[]> {
  const tokens = await store.listTokens(tx);
  const ids = [...new Set(tokens.flatMap((token) => token.maker ?? []))];
  const people = new Map((await findPeople(tx, ids)).map((person) => [person.id, person]));
  const roles = Map.groupBy(await store.listOperators(tx), (one) => one.person);
  return tokens.map((token): ListedToken => {
    if (token.maker === undefined) return token;
    const maker = people.get(token.maker);
    return {
      ...token,
      makerName: maker?.username,
      rests: restOf(token, maker, roles.get(token.maker) ?? []),
    };
  });
}

/** Withdraws a token for good. Refuses with `token-refused` when there is none of this id; twice does no harm. */
export async function revokeToken(tx: Tx, id: string): Promise<void> {
  const outcome = await store.revokeToken(tx, id);
  if (outcome === 'unknown') throw new Problem('token-refused');
  if (outcome === 'revoked') await record(tx, 'token.revoked', { data: { token: id } });
}

/** For erasing: the person's tokens are withdrawn and lose their names. Returns their ids. */
export async function eraseTokens(tx: Tx, person: string): Promise<string[]> {
  const tokens = await store.tokensMadeBy(tx, person);
  for (const { id } of tokens) await revokeToken(tx, id);
  await store.blankTokens(tx, person);
  return tokens.map((token) => token.id);
}
