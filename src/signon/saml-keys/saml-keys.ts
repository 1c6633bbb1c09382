/**
 * The key of the house in SAML, with the certificate others know it by: next → active → retiring → gone. It signs what
 * apps are told and what identity providers are asked, and opens what those encrypted for us. Many are given the
 * certificate by hand, so it lives long, and its follower is published months before it takes over.
 * Owns `saml_keys`; the private part is sealed under the master key. Records what `core/keys` records. Refuses nothing: whoever needs a key where there is none gets one made.
 */
import { createPrivateKey, generateKeyPair, type KeyObject, randomBytes, X509Certificate } from 'node:crypto';
import { promisify } from 'node:util';
import * as life from '#core/keys/keys.ts';
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
  const policy = needs.policy ?? defaultKeyPolicy;
  return life.rotate(tx, store, {
    advance: (keys) =>
      life.advance(tx, store, keys, {
        isNextDue: ({ notAfter }) => isNear(notAfter, policy.nextDays, now),
        isChangeDue: ({ notAfter }) => isNear(notAfter, policy.switchDays, now),
        make: (state) => makeKey(tx, needs, state),
      }),
    isOver: (retiredAt) => now.getTime() - retiredAt.getTime() >= policy.retiringDays * day,
  });
}

function isNear(end: Date, days: number, now: Date): boolean {
  return end.getTime() - now.getTime() <= days * day;
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
  await life.noteMade(tx, { kid, alg: store.algorithm, state });
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

/** The emergency; see `withdraw` of core/keys. Returns false for a kid that is not in use. */
export function withdrawKey(tx: Tx, needs: KeyNeeds, kid: string): Promise<boolean> {
  return life.withdraw(tx, store, kid, () => makeKey(tx, needs, 'active'));
}

export interface PublishedKey extends life.PublishedKey<typeof store.algorithm> {
  /** When its certificate ends. */
  notAfter: Date;
}

/** Every key whose certificate stands in our metadata, oldest first. */
export async function publishedKeys(tx: Tx): Promise<PublishedKey[]> {
  return (await store.listKeys(tx)).map((key) => ({ ...life.published(key), notAfter: key.notAfter }));
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
