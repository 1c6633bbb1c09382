/**
 * Signing keys: next → active → retiring → gone, one line for RS256 and one for ES256. A key is published long before
 * it signs and long after, since real clients keep what they read for very long. Private parts are sealed under the
 * master key. Records key.created, key.activated, key.retired, key.withdrawn.
 */
import { generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { record } from '#core/events/events.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Tx } from '#kit/db/tx.ts';
import * as store from './store.ts';

export type KeyAlgorithm = store.KeyRow['alg'];

export interface KeyPolicy {
  /** How long a key signs. */
  activeDays: number;
  /** How long a new key is published before it signs; at least twice the time clients may keep the key set. */
  nextHours: number;
  /** How long a key stays published after it stopped signing. */
  retiringDays: number;
}

export const defaultKeyPolicy: KeyPolicy = { activeDays: 90, nextHours: 24, retiringDays: 60 };

const algorithms: readonly KeyAlgorithm[] = ['RS256', 'ES256'];
const hour = 3_600_000;
const day = 24 * hour;
const generate = promisify(generateKeyPair) as unknown as (
  type: 'rsa' | 'ec',
  options: object,
) => Promise<{ privateKey: KeyObject }>;

/**
 * Takes every step that is due, under one lock for all nodes: makes the first keys, publishes the next one, lets it
 * take over, lets old ones go. Returns the kids that moved (none = nothing was due).
 */
export async function rotateKeys(
  tx: Tx,
  secrets: Secrets,
  now: Date,
  policy: KeyPolicy = defaultKeyPolicy,
): Promise<string[]> {
  await store.lockKeys(tx);
  const keys = await store.listKeys(tx);
  const moved: string[] = [];
  for (const alg of algorithms) {
    moved.push(...(await rotateLine(tx, secrets, now, policy, alg, keys)));
  }
  for (const key of keys) {
    if (key.state !== 'retiring' || !isPast(key.retiringAt, policy.retiringDays * day, now)) continue;
    await withdraw(tx, key);
    moved.push(key.kid);
  }
  if (moved.length > 0) await store.announceKeys(tx);
  return moved;
}

async function rotateLine(
  tx: Tx,
  secrets: Secrets,
  now: Date,
  policy: KeyPolicy,
  alg: KeyAlgorithm,
  keys: readonly store.KeyRow[],
): Promise<string[]> {
  const active = keys.find((key) => key.alg === alg && key.state === 'active');
  const next = keys.find((key) => key.alg === alg && key.state === 'next');
  if (!active) return [next ? await activate(tx, next) : await makeKey(tx, secrets, alg, 'active')];
  const ahead = policy.activeDays * day - policy.nextHours * hour;
  if (!next) return isPast(active.activeAt, ahead, now) ? [await makeKey(tx, secrets, alg, 'next')] : [];
  const published = isPast(next.createdAt, policy.nextHours * hour, now);
  if (!published || !isPast(active.activeAt, policy.activeDays * day, now)) return [];
  await store.moveKey(tx, active.kid, 'retiring');
  await record(tx, 'key.retired', { data: { kid: active.kid } });
  return [active.kid, await activate(tx, next)];
}

function isPast(since: Date | null, milliseconds: number, now: Date): boolean {
  return since !== null && now.getTime() - since.getTime() >= milliseconds;
}

async function activate(tx: Tx, key: store.KeyRow): Promise<string> {
  await store.moveKey(tx, key.kid, 'active');
  await record(tx, 'key.activated', { data: { kid: key.kid, alg: key.alg } });
  return key.kid;
}

async function withdraw(tx: Tx, key: store.KeyRow): Promise<void> {
  await store.moveKey(tx, key.kid, 'gone');
  await record(tx, 'key.withdrawn', { data: { kid: key.kid } });
}

async function makeKey(
  tx: Tx,
  secrets: Secrets,
  alg: KeyAlgorithm,
  state: 'next' | 'active',
): Promise<string> {
  const { privateKey } =
    alg === 'RS256'
      ? await generate('rsa', { modulusLength: 2048 })
      : await generate('ec', { namedCurve: 'P-256' });
  const jwk = privateKey.export({ format: 'jwk' }) as JWK;
  const kid = await calculateJwkThumbprint(jwk);
  const { d, p, q, dp, dq, qi, ...publicPart } = jwk;
  await store.insertKey(tx, {
    kid,
    alg,
    state,
    publicJwk: { ...publicPart, kid, alg, use: 'sig' },
    sealed: secrets.seal('oidc-keys', JSON.stringify(jwk), placeOfKey(kid)),
  });
  await record(tx, 'key.created', { data: { kid, alg } });
  if (state === 'active') await record(tx, 'key.activated', { data: { kid, alg } });
  return kid;
}

export function placeOfKey(kid: string): string {
  return `oidc_keys/${kid}/sealed`;
}

/**
 * The emergency: this key is no longer published, signs nothing and proves nothing, from this commit on. A key that
 * was signing is followed by the next one at once, or by a new one. Returns false for a kid that is not in use.
 */
export async function withdrawKey(tx: Tx, secrets: Secrets, kid: string): Promise<boolean> {
  await store.lockKeys(tx);
  const keys = await store.listKeys(tx);
  const key = keys.find((one) => one.kid === kid);
  if (!key) return false;
  await withdraw(tx, key);
  if (key.state === 'active') {
    const next = keys.find((one) => one.alg === key.alg && one.state === 'next');
    if (next) await activate(tx, next);
    else await makeKey(tx, secrets, key.alg, 'active');
  }
  await store.announceKeys(tx);
  return true;
}

/** One published key as operators see it; what it signs with stays sealed. */
export interface PublishedKey {
  kid: string;
  alg: KeyAlgorithm;
  state: 'next' | 'active' | 'retiring';
  createdAt: Date;
  activeAt?: Date;
  retiringAt?: Date;
}

/** Every key that apps accept now, oldest first. */
export async function publishedKeys(tx: Tx): Promise<PublishedKey[]> {
  const rows = await store.listKeys(tx);
  return rows.map(({ kid, alg, state, createdAt, activeAt, retiringAt }) => ({
    kid,
    alg,
    state: state as PublishedKey['state'],
    createdAt,
    activeAt: activeAt ?? undefined,
    retiringAt: retiringAt ?? undefined,
  }));
}

export interface KeyRing {
  /** Private keys with kid, alg and use: those that sign first, then the others that are published. */
  jwks: JWK[];
  /** The key that signs, by algorithm. */
  active: ReadonlyMap<KeyAlgorithm, JWK>;
  /** The same text for the same keys in the same states. */
  fingerprint: string;
}

/** Reads and opens all keys that are published. */
export async function readKeys(db: store.Queryable, secrets: Secrets): Promise<KeyRing> {
  const rows = await store.listKeys(db);
  const order = { active: 0, retiring: 1, next: 2, gone: 3 };
  rows.sort((one, other) => order[one.state] - order[other.state]);
  const active = new Map<KeyAlgorithm, JWK>();
  const jwks = rows.map((row) => {
    const opened = JSON.parse(
      secrets.open('oidc-keys', row.sealed, placeOfKey(row.kid)).toString('utf8'),
    ) as JWK;
    const jwk = { ...opened, kid: row.kid, alg: row.alg, use: 'sig' };
    if (row.state === 'active') active.set(row.alg, jwk);
    return jwk;
  });
  return { jwks, active, fingerprint: rows.map((row) => `${row.kid}:${row.state}`).join(' ') };
}
