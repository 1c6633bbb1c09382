/**
 * Signing keys: next → active → retiring → gone, one line for RS256 and one for ES256. A key is published long before
 * it signs and long after, since real clients keep what they read for very long. Private parts are sealed under the
 * master key.
 */
import { generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { calculateJwkThumbprint, type JWK } from 'jose';
import * as life from '#core/keys/keys.ts';
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
  return life.rotate(tx, store, {
    advance: async (keys) => {
      const moved: string[] = [];
      for (const alg of algorithms) {
        const line = keys.filter((key) => key.alg === alg);
        moved.push(
          ...(await life.advance(tx, store, line, {
            isNextDue: ({ activeAt }) =>
              isPast(activeAt, policy.activeDays * day - policy.nextHours * hour, now),
            isChangeDue: ({ activeAt }, { createdAt }) =>
              isPast(createdAt, policy.nextHours * hour, now) &&
              isPast(activeAt, policy.activeDays * day, now),
            make: (state) => makeKey(tx, secrets, alg, state),
          })),
        );
      }
      return moved;
    },
    isOver: (retiredAt) => isPast(retiredAt, policy.retiringDays * day, now),
  });
}

function isPast(since: Date | null, milliseconds: number, now: Date): boolean {
  return since !== null && now.getTime() - since.getTime() >= milliseconds;
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
  await life.noteMade(tx, { kid, alg, state });
  return kid;
}

export function placeOfKey(kid: string): string {
  return `oidc_keys/${kid}/sealed`;
}

/** The emergency; see `withdraw` of core/keys. Returns false for a kid that is not in use. */
export function withdrawKey(tx: Tx, secrets: Secrets, kid: string): Promise<boolean> {
  return life.withdraw(tx, store, kid, ({ alg }) => makeKey(tx, secrets, alg, 'active'));
}

export type PublishedKey = life.PublishedKey<KeyAlgorithm>;

/** Every key that apps accept now, oldest first. */
export async function publishedKeys(tx: Tx): Promise<PublishedKey[]> {
  return (await store.listKeys(tx)).map((key) => life.published(key));
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
