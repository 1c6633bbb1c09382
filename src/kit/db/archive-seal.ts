/**
 * The envelope of an archive file: a readable head, then the content in chunks of AES-256-GCM under a key of this file
 * alone. The number of a chunk is its nonce, and stands with the head and the mark of the last chunk in what is
 * authenticated: chunks cannot be changed, moved, repeated, taken out or cut off without being noticed.
 *
 *   "GATEHOUSE BACKUP 1\n"  length (4)  head (JSON)  HMAC-SHA256 of all before (32)
 *   per chunk: last (1: 0 or 1)  length (4)  ciphertext  tag (16)
 */
import { createCipheriv, createDecipheriv, createHmac, randomBytes, scrypt } from 'node:crypto';
import { constantTimeEqual } from '#kit/crypto/ids.ts';

/** Why a file cannot be taken, in a sentence. Nothing was written. */
export class ArchiveRefused extends Error {
  override name = 'ArchiveRefused';
}

const magic = Buffer.from('GATEHOUSE BACKUP 1\n');
const macBytes = 32;
const tagBytes = 16;
const chunkBytes = 64 * 1024;
const mostHeadBytes = 64 * 1024;
/** Costs about a third of a second and 64 MiB: what a passphrase is worth protecting with. Fixed by the format. */
const stretching = { N: 2 ** 16, r: 8, p: 1, maxmem: 128 * 1024 * 1024 };
/** Shortest key text: about what six random words have. */
export const shortestKey = 20;

interface Keys {
  seal: Buffer;
  mac: Buffer;
}

async function deriveKeys(keyText: string, salt: Buffer): Promise<Keys> {
  if ([...keyText].length < shortestKey)
    throw new ArchiveRefused(`The key of a backup needs at least ${shortestKey} characters.`);
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  scrypt(keyText.normalize('NFC'), salt, 64, stretching, (error, bytes) =>
    error ? reject(error) : resolve(bytes),
  );
  const bytes = await promise;
  return { seal: bytes.subarray(0, 32), mac: bytes.subarray(32) };
}

/** Nonce of chunk `index`, and what is authenticated beside its text. */
function placeOf(headMac: Buffer, index: number, last: boolean): { nonce: Buffer; aad: Buffer } {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64BE(BigInt(index), 4);
  return { nonce, aad: Buffer.concat([headMac, nonce, Buffer.of(last ? 1 : 0)]) };
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Seals a stream of content under a head everyone may read. */
export async function* sealContent(
  content: AsyncIterable<Buffer>,
  head: Record<string, unknown>,
  keyText: string,
): AsyncGenerator<Buffer> {
  const salt = randomBytes(16);
  const keys = await deriveKeys(keyText, salt);
  const headText = Buffer.from(JSON.stringify({ ...head, salt: salt.toString('base64') }));
  const start = Buffer.concat([magic, uint32(headText.length), headText]);
  const headMac = createHmac('sha256', keys.mac).update(start).digest();
  yield Buffer.concat([start, headMac]);
  let index = 0;
  const sealed = (plain: Buffer, last: boolean): Buffer => {
    const { nonce, aad } = placeOf(headMac, index++, last);
    const cipher = createCipheriv('aes-256-gcm', keys.seal, nonce, { authTagLength: tagBytes });
    cipher.setAAD(aad);
    const body = Buffer.concat([cipher.update(plain), cipher.final()]);
    return Buffer.concat([Buffer.of(last ? 1 : 0), uint32(body.length), body, cipher.getAuthTag()]);
  };
  let held: Buffer = Buffer.alloc(0);
  for await (const piece of content) {
    held = Buffer.concat([held, piece]);
    for (; held.length > chunkBytes; held = held.subarray(chunkBytes))
      yield sealed(held.subarray(0, chunkBytes), false);
  }
  yield sealed(held, true);
}

/** Takes exactly so many bytes at a time from a stream; undefined when it ended before the first of them. */
export function takeFrom(source: AsyncIterable<Buffer>): (count: number) => Promise<Buffer | undefined> {
  const iterator = source[Symbol.asyncIterator]();
  let held: Buffer = Buffer.alloc(0);
  return async (count) => {
    const pieces = [held];
    let length = held.length;
    while (length < count) {
      const { value, done } = await iterator.next();
      if (done) break;
      pieces.push(value);
      length += value.length;
    }
    const all = Buffer.concat(pieces);
    held = all.subarray(count);
    if (all.length === 0 && count > 0) return undefined;
    if (all.length < count) throw new ArchiveRefused('The file is cut off: it ends in the middle.');
    return all.subarray(0, count);
  };
}

export interface OpenedArchive {
  /** As written, with the salt of this file. */
  head: Record<string, unknown>;
  content: AsyncGenerator<Buffer>;
}

/**
 * Opens a file. The head is proved before it is returned; the content while it is read, and only whoever reads to its
 * end knows that it is whole.
 * @throws ArchiveRefused when it is no archive, the key is another one, or a byte is not as it was written
 */
export async function openContent(source: AsyncIterable<Buffer>, keyText: string): Promise<OpenedArchive> {
  const take = takeFrom(source);
  const need = async (count: number) => {
    const bytes = await take(count);
    if (!bytes) throw new ArchiveRefused('The file is cut off: its end is missing.');
    return bytes;
  };
  if (!(await take(magic.length).catch(() => undefined))?.equals(magic))
    throw new ArchiveRefused('This file is not a backup of Gatehouse.');
  const length = await need(4);
  if (length.readUInt32BE() > mostHeadBytes) throw new ArchiveRefused('The head of the file was changed.');
  const headText = await need(length.readUInt32BE());
  const headMac = await need(macBytes);
  const head = parseHead(headText);
  const keys = await deriveKeys(keyText, Buffer.from(String(head.salt), 'base64'));
  const mac = createHmac('sha256', keys.mac).update(magic).update(length).update(headText).digest();
  if (!constantTimeEqual(mac, headMac))
    throw new ArchiveRefused('This key does not open the backup, or the beginning of the file was changed.');
  return { head, content: openChunks(take, need, keys, headMac) };
}

function parseHead(text: Buffer): Record<string, unknown> {
  try {
    const head: unknown = JSON.parse(text.toString());
    if (typeof head === 'object' && head !== null) return { ...head };
  } catch {
    // Falls through to the refusal.
  }
  throw new ArchiveRefused('The head of the file was changed.');
}

async function* openChunks(
  take: (count: number) => Promise<Buffer | undefined>,
  need: (count: number) => Promise<Buffer>,
  keys: Keys,
  headMac: Buffer,
): AsyncGenerator<Buffer> {
  for (let index = 0; ; index++) {
    const start = await need(5);
    const last = start[0] === 1;
    const length = start.readUInt32BE(1);
    if ((start[0] ?? 2) > 1 || length > chunkBytes) throw changed();
    const body = await need(length + tagBytes);
    const { nonce, aad } = placeOf(headMac, index, last);
    const decipher = createDecipheriv('aes-256-gcm', keys.seal, nonce, { authTagLength: tagBytes });
    decipher.setAAD(aad);
    decipher.setAuthTag(body.subarray(length));
    let plain: Buffer;
    try {
      plain = Buffer.concat([decipher.update(body.subarray(0, length)), decipher.final()]);
    } catch {
      throw changed();
    }
    if (last && (await take(1))) throw new ArchiveRefused('The file goes on after its end: it was changed.');
    yield plain;
    if (last) return;
  }
}

function changed(): ArchiveRefused {
  return new ArchiveRefused('The file was changed after it was written.');
}
