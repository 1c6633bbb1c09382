import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const idForm = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const counterLimit = 0x1000;
let lastMillis = 0;
let counter = 0;

/**
 * A new identifier: UUID version 7 (RFC 9562 §5.7), lower case. Ids made by one process sort in the order they were
 * made, also within a millisecond and when the machine's clock steps back (§6.2, method 1: the 12 bits after the
 * version are a counter that starts at a random place in its lower half).
 */
export function newId(): string {
  const bytes = randomBytes(16);
  const now = Date.now();
  if (now > lastMillis) {
    lastMillis = now;
    counter = ((bytes[6]! << 8) | bytes[7]!) & (counterLimit / 2 - 1);
  } else if (++counter === counterLimit) {
    lastMillis += 1;
    counter = 0;
  }
  bytes.writeUIntBE(lastMillis, 0, 6);
  bytes[6] = 0x70 | (counter >> 8);
  bytes[7] = counter & 0xff;
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Whether a text has the form of an id; what has not names nobody, and must not reach a column of ids. */
export function isId(text: string): boolean {
  return idForm.test(text);
}

/** A secret nobody can guess: `bytes` random bytes (at least 16) in base64url without padding. */
export function randomToken(bytes = 32): string {
  if (bytes < 16) throw new RangeError('A token needs at least 16 random bytes.');
  return randomBytes(bytes).toString('base64url');
}

/** What is stored instead of a random token: its SHA-256, 32 bytes. Only for secrets with 128 bits of entropy or more. */
export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token, 'utf8').digest();
}

/** Compares two secrets in a time that depends on neither content; different lengths are simply unequal. */
export function constantTimeEqual(a: string | Uint8Array, b: string | Uint8Array): boolean {
  const digestA = createHash('sha256').update(a).digest();
  const digestB = createHash('sha256').update(b).digest();
  return timingSafeEqual(digestA, digestB) && a.length === b.length;
}
