/**
 * The short codes that devices show and people type (RFC 8628 §6.1). Twenty consonants, eight of them: no words, nothing
 * that looks like something else, 34 bits. Kept as keyed hashes, as anyone could try all of them against plain ones.
 */
import type { Secrets } from '#kit/crypto/secrets.ts';

/** How a code is made and shown. */
export const userCodeForm = { charset: 'base-20', mask: '****-****' } as const;

const whole = /^[BCDFGHJKLMNPQRSTVWXZ]{8}$/;

/** The code as typed, without what people put between letters; undefined when it cannot be one. */
export function plainUserCode(typed: string): string | undefined {
  if (typed.length > 40) return undefined;
  const plain = typed.replace(/[\s\p{Dash_Punctuation}._]/gu, '').toUpperCase();
  return whole.test(plain) ? plain : undefined;
}

/** The code as the device shows it. */
export function shownUserCode(plain: string): string {
  return `${plain.slice(0, 4)}-${plain.slice(4)}`;
}

/** What stands in the table for a code: under the key of now first, then under earlier ones. */
export function userCodeHashes(secrets: Secrets, plain: string): [Buffer, ...Buffer[]] {
  return secrets.macs('oidc-user-code', plain);
}
