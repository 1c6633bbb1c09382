/**
 * Keys that mail is signed with, one or two a domain (RSA, and Ed25519 beside it): next → active → retiring. A key signs
 * once its record was seen in DNS, or an operator says so; the one before stays published a while, so that what it
 * signed can still be checked. Private keys are sealed and never leave but to the threads that sign.
 */
import { generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { record } from '#core/events/events.ts';
import { newId } from '#kit/crypto/ids.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import { type Database, system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { type Dns, DnsFailed } from './dns.ts';
import * as store from './keys.store.ts';
import { recordsOf } from './records.ts';
import type { SigningKey } from './sign.ts';

export { type KeyAlgorithm, type KeyState, keyAlgorithms, keyStates } from './keys.store.ts';

/** How long the record of a key that signs no more should stay in DNS. */
export const retiringDays = 14;
const dayMs = 86_400_000;

export interface RelayKey extends Omit<store.KeyRow, 'publicKey'> {
  /** Where its TXT record stands in DNS. */
  name: string;
  /** What the TXT record says. */
  record: string;
  /** Of one that signs no more: until when its record has to stay. */
  keepUntil?: Date;
}

function shown({ publicKey, ...row }: store.KeyRow): RelayKey {
  const kind = row.algorithm === 'rsa-sha256' ? 'rsa' : 'ed25519';
  const keepUntil = new Date(row.changedAt.getTime() + retiringDays * dayMs);
  return {
    ...row,
    name: `${row.selector}._domainkey.${row.domain}`,
    record: `v=DKIM1; k=${kind}; p=${publicKey}`,
    ...(row.state === 'retiring' ? { keepUntil } : {}),
  };
}

export async function listRelayKeys(db: store.Queryable): Promise<RelayKey[]> {
  return (await store.allKeys(db)).map(shown);
}

const generate = promisify(generateKeyPair) as unknown as (
  kind: string,
  options?: object,
) => Promise<{ privateKey: KeyObject; publicKey: KeyObject }>;

/** Makes the next key of a domain, or answers with the one that waits already. */
export async function makeRelayKey(
  tx: Tx,
  secrets: Secrets,
  { domain, algorithm }: { domain: string; algorithm: store.KeyAlgorithm },
): Promise<RelayKey> {
  await store.lockKeys(tx);
  const waiting = (await store.allKeys(tx)).find(
    (key) => key.domain === domain && key.algorithm === algorithm && key.state === 'next',
  );
  if (waiting) return shown(waiting);
  const rsa = algorithm === 'rsa-sha256';
  const { privateKey, publicKey } = await (rsa
    ? generate('rsa', { modulusLength: 2048 })
    : generate('ed25519'));
  const der = publicKey.export({ format: 'der', type: 'spki' });
  const id = newId();
  const day = tx.now().toISOString().slice(0, 10).replaceAll('-', '');
  const key: store.KeyRow = {
    id,
    domain,
    // A name of its own for ever: records are kept by resolvers long after they changed.
    selector: `gh${day}${rsa ? 'r' : 'e'}${id.replaceAll('-', '').slice(-4)}`,
    algorithm,
    state: 'next',
    // Ed25519 stands in DNS as its 32 bytes alone (RFC 8463 §4).
    publicKey: (rsa ? der : der.subarray(-32)).toString('base64'),
    madeAt: tx.now(),
    changedAt: tx.now(),
  };
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' });
  await store.insertKey(tx, { ...key, sealed: secrets.seal('relay-keys', pem, placeOf(id)) });
  await record(tx, 'relay.key-changed', { data: { selector: key.selector, state: 'next' } });
  return shown(key);
}

function placeOf(id: string): string {
  return `relay_keys/${id}/private_key`;
}

/** This key signs from now on; the one that did retires. Undefined: there is no such key. */
export async function activateRelayKey(tx: Tx, id: string): Promise<RelayKey | undefined> {
  await store.lockKeys(tx);
  const key = await store.keyById(tx, id);
  if (!key || key.state === 'active') return key && shown(key);
  for (const other of await store.allKeys(tx)) {
    if (other.domain !== key.domain || other.algorithm !== key.algorithm || other.state !== 'active')
      continue;
    await move(tx, other, 'retiring');
  }
  await move(tx, key, 'active');
  return shown({ ...key, state: 'active', changedAt: tx.now() });
}

async function move(tx: Tx, key: store.KeyRow, state: store.KeyState): Promise<void> {
  await store.moveKey(tx, key.id, state);
  await record(tx, 'relay.key-changed', { data: { selector: key.selector, state } });
}

/** The emergency, or the end: this key signs nothing more and is gone. False: there is no such key. */
export async function withdrawRelayKey(tx: Tx, id: string): Promise<boolean> {
  await store.lockKeys(tx);
  const key = await store.keyById(tx, id);
  if (!key) return false;
  await store.deleteKey(tx, id);
  await record(tx, 'relay.key-changed', { data: { selector: key.selector, state: 'withdrawn' } });
  return true;
}

/** Gives every domain that has none its first key, which signs nothing until its record is published. */
export async function makeFirstKeys(tx: Tx, secrets: Secrets, domains: readonly string[]): Promise<void> {
  const has = new Set((await store.allKeys(tx)).map((key) => key.domain));
  for (const domain of new Set(domains))
    if (!has.has(domain)) await makeRelayKey(tx, secrets, { domain, algorithm: 'rsa-sha256' });
}

/** Whether a record is this key's, whole and not on trial. */
function publishes(text: string, key: RelayKey): boolean {
  const tag = (from: string, name: string) => {
    const tags = from.split(';').map((one) => one.replaceAll(/\s/g, ''));
    return tags.find((one) => one.startsWith(`${name}=`))?.slice(name.length + 1);
  };
  if (tag(text, 'p') !== tag(key.record, 'p')) return false;
  return !(tag(text, 't') ?? '').split(':').includes('y');
}

/** What a look for records of keys came to. */
export interface KeyLook {
  /** How many keys were taken up or let go. */
  changed: number;
  /** Keys nobody answered about: whether they are published is not known. */
  unanswered: string[];
}

/** Looks for the records of keys that wait, and lets those sign that are published; keys that signed long ago go. */
export async function takeUpPublishedKeys(needs: {
  database: Database;
  dns: Pick<Dns, 'resolve'>;
}): Promise<KeyLook> {
  const { database, dns } = needs;
  const keys = await database.read(system(), listRelayKeys);
  const looks = await Promise.all(
    keys
      .filter((key) => key.state === 'next')
      .map(async (key) => ({ id: key.id, said: await saidOf(dns, key) })),
  );
  const found = looks.filter(({ said }) => said === 'published');
  const changed = await database.transact(system(), async (tx) => {
    let count = 0;
    for (const key of keys) {
      if (key.state !== 'retiring' || key.keepUntil! > tx.now()) continue;
      if (await withdrawRelayKey(tx, key.id)) count += 1;
    }
    for (const { id } of found) {
      // What an operator did meanwhile stands.
      const still = await store.keyById(tx, id);
      if (still?.state !== 'next') continue;
      await activateRelayKey(tx, id);
      count += 1;
    }
    return count;
  });
  return { changed, unanswered: looks.filter(({ said }) => said === 'unanswered').map(({ id }) => id) };
}

async function saidOf(
  dns: Pick<Dns, 'resolve'>,
  key: RelayKey,
): Promise<'published' | 'absent' | 'unanswered'> {
  try {
    const texts = await recordsOf(dns).txt(key.name);
    return texts.some((text) => publishes(text, key)) ? 'published' : 'absent';
  } catch (error) {
    if (error instanceof DnsFailed) return 'unanswered';
    throw error;
  }
}

/** What signs now, by domain: RSA first. */
export async function signingKeys(db: store.Queryable, secrets: Secrets): Promise<Map<string, SigningKey[]>> {
  const rows = await store.activeKeys(db);
  const keys = rows.map(({ id, sealed, ...key }) => ({
    ...key,
    privateKey: secrets.open('relay-keys', sealed, placeOf(id)).toString('utf8'),
  }));
  return Map.groupBy(keys, (key) => key.domain);
}

/** A new master key: the keys are sealed again under it. Returns how many changed. */
export async function rewrapRelayKeys(tx: Tx, secrets: Secrets): Promise<number> {
  let changed = 0;
  for (const key of await store.sealedKeys(tx)) {
    const sealed = secrets.rewrap('relay-keys', key.sealed, placeOf(key.id));
    if (!sealed) continue;
    await store.replaceSealedKey(tx, key.id, sealed);
    changed += 1;
  }
  return changed;
}
