/**
 * Owns: the master key and every key derived from it: what is sealed at rest, and the macs of links, forms and codes.
 * (Ids, tokens and comparison are in ids.ts, passwords in passwords.ts.) Records: nothing but the key file, made once.
 * Refuses: another master key, and a sealed value that was changed or stands where it was not sealed for.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';

/** The master key is missing, malformed, or not the one the data was sealed with. */
export class WrongMasterKey extends Error {
  override name = 'WrongMasterKey';
}

/** A sealed value was changed, cut, or stands in another row, column or purpose than the one it was sealed for. */
export class SealBroken extends Error {
  override name = 'SealBroken';
}

export interface Secrets {
  /**
   * Encrypts for storage. `purpose` names the key; `bind` names the place ("table/row/column"), and the value opens
   * nowhere else. Returns version (1 byte), key id (8), nonce (12), ciphertext, tag (16).
   */
  seal(purpose: string, plaintext: Buffer | string, bind: string): Buffer;
  /** Opens what `seal` made, under the current or a previous master key. Throws WrongMasterKey or SealBroken. */
  open(purpose: string, sealed: Uint8Array, bind: string): Buffer;
  /** The same value sealed under the current master key, or undefined when it already is: the step of an online re-wrap. */
  rewrap(purpose: string, sealed: Uint8Array, bind: string): Buffer | undefined;
  /** HMAC-SHA256 over the length-prefixed parts with the current key of that purpose: 32 bytes. */
  mac(purpose: string, ...parts: string[]): Buffer;
  /**
   * The same under every key there is, the current one first: to compare with what may have been given out before the
   * master key changed (by `constantTimeEqual`).
   */
  macs(purpose: string, ...parts: string[]): [Buffer, ...Buffer[]];
  /** Names the current master key without giving it away; stored in the database and compared at start. */
  readonly fingerprint: string;
  /** Compares a stored fingerprint: 'current', 'previous' (a re-wrap is due), or throws WrongMasterKey. */
  recognise(storedFingerprint: string): 'current' | 'previous';
}

const keyBytes = 32;
const version = 1;
const idEnd = 9;
const nonceEnd = 21;
const tagBytes = 16;

/** Reads a master key written as base64 or base64url (32 bytes). Throws WrongMasterKey. */
export function parseMasterKey(text: string): Buffer {
  const trimmed = text.trim();
  const key = Buffer.from(trimmed, 'base64');
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(trimmed) || key.length !== keyBytes) {
    throw new WrongMasterKey('The master key must be 32 bytes written in base64 (44 characters).');
  }
  return key;
}

/**
 * Reads the master key file. With `create`, a missing file is made with a fresh random key, readable by its owner only;
 * of several processes that start at once one makes it and all read the same. Throws WrongMasterKey when the file is
 * missing (without `create`) or holds anything but a key.
 */
export async function loadMasterKey(input: { file: string; create?: boolean }): Promise<Buffer> {
  const { file } = input;
  try {
    return parseMasterKey(await readFile(file, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    if (!input.create) {
      throw new WrongMasterKey(
        `The master key file ${file} is missing. Put it back; without it nothing can be read.`,
      );
    }
  }
  await writeOnce(file, `${randomBytes(keyBytes).toString('base64')}\n`);
  return parseMasterKey(await readFile(file, 'utf8'));
}

// Written aside, synced and linked into place: no reader ever sees half a key, and a second writer keeps the first key.
async function writeOnce(file: string, content: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const aside = `${file}.${process.pid}.${randomBytes(6).toString('hex')}`;
  const handle = await open(aside, 'wx', 0o600);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  try {
    await link(aside, file);
    const folder = await open(dirname(file), 'r');
    await folder.sync().finally(() => folder.close());
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await unlink(aside);
  }
}

interface RingKey {
  id: Buffer;
  fingerprint: string;
  derive(use: 'seal' | 'mac', purpose: string): KeyObject;
}

function ringKey(master: Buffer): RingKey {
  if (master.length !== keyBytes) throw new WrongMasterKey('The master key must be 32 bytes long.');
  const derived = new Map<string, KeyObject>();
  const expand = (info: string, length: number) =>
    Buffer.from(hkdfSync('sha256', master, 'gatehouse', info, length));
  return {
    id: expand('key id', idEnd - 1),
    fingerprint: expand('fingerprint', 16).toString('hex'),
    derive(use, purpose) {
      const info = `${use}:${purpose}`;
      // As a key object: looking at raw bytes anew for every use would cost more than the cipher.
      const key = derived.get(info) ?? createSecretKey(expand(info, keyBytes));
      derived.set(info, key);
      return key;
    },
  };
}

function lengthPrefixed(parts: readonly (string | Uint8Array)[]): Buffer {
  const lengths = parts.map((part) => Buffer.byteLength(part));
  const whole = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + 4 + length, 0));
  let at = 0;
  for (const [place, part] of parts.entries()) {
    at = whole.writeUInt32BE(lengths[place]!, at);
    if (typeof part === 'string') whole.write(part, at);
    else whole.set(part, at);
    at += lengths[place]!;
  }
  return whole;
}

const nonceBytes = nonceEnd - idEnd;
let nonces = Buffer.alloc(0);

/** Random and never given out twice; fetched from the system a few hundred at a time. */
function nextNonce(): Buffer {
  if (nonces.length < nonceBytes) nonces = randomBytes(nonceBytes * 256);
  const nonce = nonces.subarray(0, nonceBytes);
  nonces = nonces.subarray(nonceBytes);
  return nonce;
}

function sealWith(key: RingKey, purpose: string, plaintext: Buffer | string, bind: string): Buffer {
  const nonce = nextNonce();
  const header = Buffer.concat([Buffer.of(version), key.id, nonce]);
  const cipher = createCipheriv('aes-256-gcm', key.derive('seal', purpose), nonce, {
    authTagLength: tagBytes,
  });
  cipher.setAAD(lengthPrefixed([header, purpose, bind]));
  const body = Buffer.concat([cipher.update(plaintext as Buffer), cipher.final()]);
  return Buffer.concat([header, body, cipher.getAuthTag()]);
}

function openWith(key: RingKey, purpose: string, sealed: Buffer, bind: string): Buffer {
  const header = sealed.subarray(0, nonceEnd);
  const decipher = createDecipheriv(
    'aes-256-gcm',
    key.derive('seal', purpose),
    sealed.subarray(idEnd, nonceEnd),
    { authTagLength: tagBytes },
  );
  decipher.setAAD(lengthPrefixed([header, purpose, bind]));
  decipher.setAuthTag(sealed.subarray(-tagBytes));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(nonceEnd, -tagBytes)), decipher.final()]);
  } catch {
    throw new SealBroken(`A sealed value at ${bind} was changed or stands in the wrong place.`);
  }
}

/**
 * The keeper of everything sealed at rest: one key a purpose and use, derived by HKDF-SHA256 (RFC 5869) from the master
 * key; AES-256-GCM bound to its place. `previous` master keys still open what they sealed, so a key can be changed
 * while running: start with both, re-wrap every row, then drop the old one.
 */
export function createSecrets(masterKey: Buffer, previous: readonly Buffer[] = []): Secrets {
  const current = ringKey(masterKey);
  const ring = [current, ...previous.map(ringKey)];

  const keyOf = (sealed: Buffer, bind: string): RingKey => {
    if (sealed.length < nonceEnd + tagBytes || sealed[0] !== version) {
      throw new SealBroken(`What stands at ${bind} is not a sealed value.`);
    }
    const id = sealed.subarray(1, idEnd);
    const key = ring.find((candidate) => candidate.id.equals(id));
    if (!key) throw new WrongMasterKey(`The value at ${bind} was sealed with another master key.`);
    return key;
  };
  const macWith = (key: RingKey, purpose: string, parts: readonly string[]) =>
    createHmac('sha256', key.derive('mac', purpose)).update(lengthPrefixed(parts)).digest();

  return {
    fingerprint: current.fingerprint,
    seal: (purpose, plaintext, bind) => sealWith(current, purpose, plaintext, bind),
    open(purpose, sealed, bind) {
      const bytes = Buffer.from(sealed);
      return openWith(keyOf(bytes, bind), purpose, bytes, bind);
    },
    rewrap(purpose, sealed, bind) {
      const bytes = Buffer.from(sealed);
      const key = keyOf(bytes, bind);
      return key === current
        ? undefined
        : sealWith(current, purpose, openWith(key, purpose, bytes, bind), bind);
    },
    mac: (purpose, ...parts) => macWith(current, purpose, parts),
    macs: (purpose, ...parts) => [
      macWith(current, purpose, parts),
      ...ring.slice(1).map((key) => macWith(key, purpose, parts)),
    ],
    recognise(storedFingerprint) {
      if (storedFingerprint === current.fingerprint) return 'current';
      if (ring.some((key) => key.fingerprint === storedFingerprint)) return 'previous';
      throw new WrongMasterKey(
        'This master key is not the one the database was set up with. Nothing was changed.',
      );
    },
  };
}
