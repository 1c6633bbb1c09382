/** Stored passwords as old directories hold them, from a seeded generator: good for tests, for nothing else. */
import { createHash, pbkdf2Sync } from 'node:crypto';
import { hashSync as bcryptSync } from '@node-rs/bcrypt';
import { desCrypt } from '#wire/hashes/des-crypt.ts';

export type Scheme = 'ssha28' | 'ssha4' | 'sha' | 'md5' | 'smd5' | 'ssha512' | 'des' | 'bcrypt' | 'pbkdf2';

const SHARES: [scheme: Scheme, share: number][] = [
  ['ssha28', 0.46],
  ['ssha4', 0.38],
  ['sha', 0.06],
  ['smd5', 0.03],
  ['md5', 0.02],
  ['ssha512', 0.03],
  ['des', 0.01],
  ['bcrypt', 0.005],
  ['pbkdf2', 0.005],
];

export interface Random {
  /** A whole number from 0 to below `limit`. */
  below(limit: number): number;
  chance(probability: number): boolean;
  pick<T>(list: readonly T[]): T;
  bytes(length: number): Buffer;
}

/** A small seeded generator (splitmix32). */
export function createRandom(seed: number): Random {
  let state = seed | 0;
  const next = () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 4_294_967_296;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  return {
    below,
    chance: (probability) => next() < probability,
    pick: (list) => list[below(list.length)]!,
    bytes: (length) => Buffer.from(Array.from({ length }, () => below(256))),
  };
}

export function pickScheme(random: Random): Scheme {
  let left = random.below(1_000) / 1_000;
  for (const [scheme, share] of SHARES) {
    left -= share;
    if (left < 0) return scheme;
  }
  return 'ssha28';
}

function salted(tag: string, algorithm: string, password: string, salt: Buffer): string {
  const digest = createHash(algorithm).update(password).update(salt).digest();
  return `{${tag}}${Buffer.concat([digest, salt]).toString('base64')}`;
}

/** The `userPassword` value for a password. */
export function hashAs(scheme: Scheme, password: string, random: Random): string {
  switch (scheme) {
    case 'ssha28':
      // The old dashboard's salt: 20 random bytes, used as their base64 text of 28 characters.
      return salted('SSHA', 'sha1', password, Buffer.from(random.bytes(20).toString('base64')));
    case 'ssha4':
      return salted('SSHA', 'sha1', password, random.bytes(4));
    case 'sha':
      return salted('SHA', 'sha1', password, Buffer.alloc(0));
    case 'md5':
      return salted('MD5', 'md5', password, Buffer.alloc(0));
    case 'smd5':
      return salted('SMD5', 'md5', password, random.bytes(8));
    case 'ssha512':
      return salted('SSHA512', 'sha512', password, random.bytes(8));
    case 'des': {
      const letters = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
      const salt = random.pick([...letters]) + random.pick([...letters]);
      return `{CRYPT}${salt}${desCrypt(Buffer.from(password), salt)}`;
    }
    case 'bcrypt':
      return `{CRYPT}${bcryptSync(password, { salt: random.bytes(16), cost: 4, version: '2y' })}`;
    case 'pbkdf2': {
      const salt = random.bytes(16);
      const text = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '').replaceAll('+', '.');
      return `{PBKDF2-SHA256}1000$${text(salt)}$${text(pbkdf2Sync(password, salt, 1_000, 32, 'sha256'))}`;
    }
  }
}
