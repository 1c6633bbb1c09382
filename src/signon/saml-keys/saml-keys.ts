/**
 * The key of the house in SAML, with the certificate others know it by: next → active → retiring → gone. It signs what
 * apps are told and what identity providers are asked, and opens what those encrypted for us. Many are given the
 * certificate by hand, so it lives long, and its follower is published months before it takes over.
 * Owns `saml_keys`; the private part is sealed under the master key. Records key.created, key.activated, key.retired,
 * key.withdrawn. Refuses nothing: whoever needs a key where there is none gets one made.
 */
import { createPrivateKey, generateKeyPair, type KeyObject, randomBytes, X509Certificate } from 'node:crypto';
import { promisify } from 'node:util';
import { record } from '#core/events/events.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Tx } from '#kit/db/tx.ts';
import * as store from './store.ts';

export interface KeyPolicy {
  /** How long a certificate holds. */
  certificateDays: number;
  /** How long before its end the next one is published. */
  nextDays: number;
  /** How long before its end the next one takes over. */
  switchDays: number;
  /** How long it stays published after it stopped signing. */
  retiringDays: number;
}

export const defaultKeyPolicy: KeyPolicy = {
  certificateDays: 1095,
  nextDays: 90,
  switchDays: 7,
  retiringDays: 7,
};

const algorithm = 'RSA-3072';
const day = 86_400_000;
const generate = promisify(generateKeyPair) as unknown as (
  type: 'rsa',
  options: { modulusLength: number },
) => Promise<{ privateKey: KeyObject; publicKey: KeyObject }>;

export interface KeyNeeds {
  secrets: Secrets;
  /** What the certificate is made out to: the host we are known by. */
  host: string;
  policy?: KeyPolicy;
}

/**
 * Takes every step that is due, under one lock for all nodes: makes the first key, publishes the next one, lets it take
 * over, lets the old one go. Returns the kids that moved (none = nothing was due).
 */
export async function rotateKeys(tx: Tx, needs: KeyNeeds, now: Date): Promise<string[]> {
  await store.lockKeys(tx);
  const policy = needs.policy ?? defaultKeyPolicy;
  const keys = await store.listKeys(tx);
  const active = keys.find((key) => key.state === 'active');
  const next = keys.find((key) => key.state === 'next');
  const moved: string[] = [];
  if (!active) moved.push(next ? await activate(tx, next) : await makeKey(tx, needs, 'active'));
  else if (!next) {
    if (isNear(active.notAfter, policy.nextDays, now)) moved.push(await makeKey(tx, needs, 'next'));
  } else if (isNear(active.notAfter, policy.switchDays, now)) {
    await store.moveKey(tx, active.kid, 'retiring');
    await record(tx, 'key.retired', { data: { kid: active.kid } });
    moved.push(active.kid, await activate(tx, next));
  }
  for (const key of keys) {
    if (key.state !== 'retiring' || !key.retiringAt) continue;
    if (now.getTime() - key.retiringAt.getTime() < policy.retiringDays * day) continue;
    await withdraw(tx, key);
    moved.push(key.kid);
  }
  if (moved.length > 0) await store.announceKeys(tx);
  return moved;
}

function isNear(end: Date, days: number, now: Date): boolean {
  return end.getTime() - now.getTime() <= days * day;
}

async function activate(tx: Tx, key: store.KeyRow): Promise<string> {
  await store.moveKey(tx, key.kid, 'active');
  await record(tx, 'key.activated', { data: { kid: key.kid, alg: algorithm } });
  return key.kid;
}

async function withdraw(tx: Tx, key: store.KeyRow): Promise<void> {
  await store.moveKey(tx, key.kid, 'gone');
  await record(tx, 'key.withdrawn', { data: { kid: key.kid } });
}

async function makeKey(tx: Tx, needs: KeyNeeds, state: 'next' | 'active'): Promise<string> {
  const { certificateDays } = needs.policy ?? defaultKeyPolicy;
  const { privateKey, publicKey } = await generate('rsa', { modulusLength: 3072 });
  const notAfter = new Date(tx.now().getTime() + certificateDays * day);
  const certificate = await selfSigned({ privateKey, publicKey, host: needs.host, from: tx.now(), notAfter });
  const kid = kidOf(certificate);
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
  const sealed = needs.secrets.seal('saml-keys', pem, placeOfKey(kid));
  await store.insertKey(tx, { kid, certificate, sealed, notAfter, state });
  await record(tx, 'key.created', { data: { kid, alg: algorithm } });
  if (state === 'active') await record(tx, 'key.activated', { data: { kid, alg: algorithm } });
  return kid;
}

async function selfSigned(input: {
  privateKey: KeyObject;
  publicKey: KeyObject;
  host: string;
  from: Date;
  notAfter: Date;
}): Promise<string> {
  const signingAlgorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
  const serial = randomBytes(16);
  // A serial number is positive (RFC 5280 §4.1.2.2).
  serial[0] = (serial[0]! & 0x3f) | 0x40;
  // Loaded where a key is made, which is once in years.
  await import('reflect-metadata');
  const { X509CertificateGenerator } = await import('@peculiar/x509');
  const made = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serial.toString('hex'),
    name: [{ CN: [input.host] }],
    // Apps whose clock is behind ours take it from the first minute on.
    notBefore: new Date(input.from.getTime() - day),
    notAfter: input.notAfter,
    signingAlgorithm,
    keys: {
      privateKey: input.privateKey.toCryptoKey(signingAlgorithm, true, ['sign']) as CryptoKey,
      publicKey: input.publicKey.toCryptoKey(signingAlgorithm, true, ['verify']) as CryptoKey,
    },
  });
  return `${made.toString('pem').trim()}\n`;
}

function kidOf(certificate: string): string {
  return `saml-${new X509Certificate(certificate).fingerprint256.replaceAll(':', '').slice(0, 32).toLowerCase()}`;
}

export function placeOfKey(kid: string): string {
  return `saml_keys/${kid}/sealed`;
}

/**
 * The emergency: this key is no longer published and signs nothing, from this commit on. A key that was signing is
 * followed by the next one at once, or by a new one. Returns false for a kid that is not in use.
 */
export async function withdrawKey(tx: Tx, needs: KeyNeeds, kid: string): Promise<boolean> {
  await store.lockKeys(tx);
  const keys = await store.listKeys(tx);
  const key = keys.find((one) => one.kid === kid);
  if (!key) return false;
  await withdraw(tx, key);
  if (key.state === 'active') {
    const next = keys.find((one) => one.state === 'next');
    if (next) await activate(tx, next);
    else await makeKey(tx, needs, 'active');
  }
  await store.announceKeys(tx);
  return true;
}

/** One published key as operators see it; what it signs with stays sealed. */
export interface PublishedKey {
  kid: string;
  alg: typeof algorithm;
  state: 'next' | 'active' | 'retiring';
  createdAt: Date;
  activeAt?: Date;
  retiringAt?: Date;
  /** When its certificate ends. */
  notAfter: Date;
}

/** Every key whose certificate stands in our metadata, oldest first. */
export async function publishedKeys(tx: Tx): Promise<PublishedKey[]> {
  const rows = await store.listKeys(tx);
  return rows.map(({ kid, state, createdAt, activeAt, retiringAt, notAfter }) => ({
    kid,
    alg: algorithm,
    state: state as PublishedKey['state'],
    createdAt,
    activeAt: activeAt ?? undefined,
    retiringAt: retiringAt ?? undefined,
    notAfter,
  }));
}

export interface KeyRing {
  /** What signs now. */
  active: { kid: string; key: KeyObject; certificate: string };
  /** Every certificate others may meet, PEM: first the one that signs. */
  certificates: string[];
  /** What opens messages that were encrypted for any of these certificates. */
  openers: KeyObject[];
  /** The same text for the same keys in the same states. */
  fingerprint: string;
}

/** Reads and opens the keys; undefined while there are none, because nobody needed one yet. */
export async function readKeys(db: store.Queryable, secrets: Secrets): Promise<KeyRing | undefined> {
  const rows = await store.listKeys(db);
  const active = rows.find((row) => row.state === 'active');
  if (!active) return undefined;
  const all = [active, ...rows.filter((row) => row !== active)];
  const openers = all.map(({ kid, sealed }) =>
    createPrivateKey(secrets.open('saml-keys', sealed, placeOfKey(kid)).toString('utf8')),
  );
  return {
    active: { kid: active.kid, key: openers[0]!, certificate: active.certificate },
    certificates: all.map((row) => row.certificate),
    openers,
    fingerprint: rows.map((row) => `${row.kid}:${row.state}`).join(' '),
  };
}

/** A new master key: the keys are sealed again under it. Returns how many changed. */
export async function rewrapKeys(tx: Tx, secrets: Secrets): Promise<number> {
  let changed = 0;
  for (const key of await store.sealedKeys(tx)) {
    const sealed = secrets.rewrap('saml-keys', key.sealed, placeOfKey(key.kid));
    if (!sealed) continue;
    await store.replaceSealedKey(tx, key.kid, sealed);
    changed += 1;
  }
  return changed;
}
