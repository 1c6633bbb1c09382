/**
 * SHA-crypt, the `$5$` and `$6$` of crypt(3), after Ulrich Drepper's specification "Unix crypt using SHA-256
 * and SHA-512" (2007). Written here rather than taken from the package `unixcrypt`, which gives wrong digests
 * for passwords of 32, 64, 96… bytes and computes all rounds in one go: this one lets the event loop breathe.
 */
import { createHash, hash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';

const ALPHABET = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** About five milliseconds of work between two turns of the event loop. */
const ROUNDS_PER_TURN = 2_000;

/** The order in which the specification picks the digest's bytes, three at a time. */
function byteOrder(size: number): number[] {
  if (size === 32) {
    const order: number[] = [];
    let triple = [0, 10, 20];
    for (let i = 0; i < 10; i++) {
      order.push(...triple);
      triple = [triple[2]! + 1, triple[0]! + 1, triple[1]! + 1];
    }
    return order;
  }
  const order: number[] = [];
  let triple = [0, 21, 42];
  for (let i = 0; i < 21; i++) {
    order.push(...triple);
    triple = [triple[1]! + 1, triple[2]! + 1, triple[0]! + 1];
  }
  return order;
}

function sixBits(value: number, characters: number): string {
  let text = '';
  for (let i = 0; i < characters; i++) text += ALPHABET[(value >>> (6 * i)) & 63];
  return text;
}

function encode(digest: Buffer): string {
  const order = byteOrder(digest.length);
  let text = '';
  for (let i = 0; i < order.length; i += 3) {
    text += sixBits((digest[order[i]!]! << 16) | (digest[order[i + 1]!]! << 8) | digest[order[i + 2]!]!, 4);
  }
  return (
    text + (digest.length === 32 ? sixBits((digest[31]! << 8) | digest[30]!, 3) : sixBits(digest[63]!, 2))
  );
}

/** `length` bytes of `block`, repeated as often as needed. */
function stretch(block: Buffer, length: number): Buffer {
  return Buffer.alloc(length, block);
}

/**
 * The 43 (`sha256`) or 86 (`sha512`) characters after the last `$`.
 * `salt`: at most 16 bytes; `rounds`: already within the caller's bounds.
 */
export async function shaCrypt(
  algorithm: 'sha256' | 'sha512',
  password: Buffer,
  salt: Buffer,
  rounds: number,
): Promise<string> {
  const inner = createHash(algorithm).update(password).update(salt).update(password).digest();
  const start = createHash(algorithm).update(password).update(salt);
  if (password.length > 0) start.update(stretch(inner, password.length));
  for (let bits = password.length; bits > 0; bits >>>= 1) start.update(bits & 1 ? inner : password);
  let digest: Buffer = start.digest();

  const repeated = createHash(algorithm);
  for (let i = 0; i < password.length; i++) repeated.update(password);
  const p = password.length > 0 ? stretch(repeated.digest(), password.length) : password;
  const salted = createHash(algorithm);
  for (let i = 16 + digest[0]!; i > 0; i--) salted.update(salt);
  const s = salt.length > 0 ? stretch(salted.digest(), salt.length) : salt;

  for (let round = 0; round < rounds; round++) {
    const parts = [round & 1 ? p : digest];
    if (round % 3) parts.push(s);
    if (round % 7) parts.push(p);
    parts.push(round & 1 ? digest : p);
    digest = hash(algorithm, Buffer.concat(parts), 'buffer');
    if (round % ROUNDS_PER_TURN === ROUNDS_PER_TURN - 1) await nextTurn();
  }
  return encode(digest);
}
