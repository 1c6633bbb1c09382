/**
 * Recovery codes: what stands in for a lost factor. Ten, shown once, each good once.
 * Owns `recovery_codes`. Records factor.added and recovery-code.used. A code has 80 random bits; what is kept is salted
 * and slow to guess.
 */
import { randomBytes, scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import { record } from '#core/events/events.ts';
import type { Tx } from '#kit/db/tx.ts';
import * as store from './recovery-codes.store.ts';

const count = 10;
const length = 16;
/** Small letters and digits that are not mistaken for one another (Crockford's base 32). */
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';

const derive = promisify<string, Buffer, number, { N: number; r: number; p: number }, Buffer>(scrypt);

function hash(code: string, salt: Buffer): Promise<Buffer> {
  return derive(code, salt, 32, { N: 4096, r: 8, p: 1 });
}

function newCode(): string {
  return [...randomBytes(length)].map((byte) => alphabet[byte % alphabet.length]).join('');
}

/** As people read it: in groups of four. */
function shown(code: string): string {
  return (code.match(/.{4}/g) ?? []).join('-');
}

/** A typed code in the one spelling that counts; undefined for what cannot be one. */
export function readRecoveryCode(typed: string): string | undefined {
  const code = typed.toLowerCase().replaceAll(/[\s-]/g, '').replaceAll('o', '0').replaceAll(/[il]/g, '1');
  return code.length === length && [...code].every((one) => alphabet.includes(one)) ? code : undefined;
}

/** Makes ten new codes; those of before count no more. Returns them: they are never shown again. */
export async function makeRecoveryCodes(tx: Tx, person: string): Promise<string[]> {
  const salt = randomBytes(16);
  const codes = Array.from({ length: count }, newCode);
  const hashes = await Promise.all(codes.map((code) => hash(code, salt)));
  await store.replaceCodes(tx, person, salt, hashes);
  await record(tx, 'factor.added', { person, data: { kind: 'recovery-codes' } });
  return codes.map(shown);
}

/** Whether this is a code of the person's that was not used yet; it is used from then on. */
export async function useRecoveryCode(tx: Tx, person: string, typed: string): Promise<boolean> {
  const code = readRecoveryCode(typed);
  const salt = code && (await store.saltOf(tx, person));
  if (!code || !salt) return false;
  if (!(await store.useCode(tx, person, await hash(code, salt)))) return false;
  const left = await store.countLeft(tx, person);
  await record(tx, 'recovery-code.used', { person, data: { left } });
  return true;
}

/** When the person's codes were made and how many are left; undefined without any. */
export const recoveryCodesOf = store.factsOf;

/** They count no more. */
export const dropRecoveryCodes = store.deleteCodes;
