/**
 * What every family of stored hashes is read into: a recipe (scheme, salt, cost: how to get from a password
 * to a digest) and the digest itself. Kept apart because a recipe may be stored in the clear, a fast digest not.
 */

/** How to get from a password to the digest a legacy system stored. Holds salt and cost, never a digest. */
export interface Recipe {
  /** Short name for reports, for example `ssha` or `crypt-sha512`. */
  readonly scheme: string;
  /** Canonical text of scheme, salt and cost, for example `{SSHA}c2FsdA==`. `recipeFrom` reads it back. */
  readonly setting: string;
  /** True when one guess is so cheap that the digest must not stay in a database dump. */
  readonly fast: boolean;
  /** What an operator should know before relying on this scheme. */
  readonly note?: string;
  /** The digest for these password bytes, or undefined when the scheme cannot tell this password from another. */
  derive(password: Buffer): Promise<Buffer | undefined>;
}

/** A stored hash that can be verified. `text` is its one canonical spelling. */
export interface Known {
  readonly recipe: Recipe;
  readonly digest: Buffer;
  readonly text: string;
}

/** A stored hash that cannot be verified, and why, in a sentence for the import report. */
export interface Refused {
  readonly scheme: string;
  readonly refused: string;
}

export type Reading = Known | Refused;

/** One family of schemes that share a brace tag. `tag` is always upper case and one of `tags`. */
export interface Family {
  readonly tags: readonly string[];
  read(tag: string, body: string): Reading;
  recipe(tag: string, setting: string): Recipe | Refused;
}

/** Longest stored text looked at; the longest real one (OpenMRS: 128 + 1 + 128 characters) is far below. */
export const MAX_STORED_LENGTH = 2_048;

/** Caps on imported cost parameters: a hostile row must not buy minutes of processor time per sign-in. */
export const CAPS = {
  bcryptCost: 14,
  pbkdf2Iterations: 2_000_000,
  shaCryptRounds: 500_000,
  argon2MemoryKiB: 262_144,
  argon2Passes: 20,
  argon2Lanes: 16,
} as const;

/** Below these a digest is called fast and is wrapped: a guess costs about a hundredth of a second or less. */
export const FAST = {
  bcryptCost: 10,
  pbkdf2Iterations: 100_000,
  shaCryptRounds: 100_000,
  /** memory in KiB times passes. */
  argon2Work: 16_384,
} as const;

/** Makes a refusal. */
export function refuse(scheme: string, refused: string): Refused {
  return { scheme, refused };
}

export function isRefused(value: Reading | Recipe | Refused): value is Refused {
  return 'refused' in value;
}

/**
 * Standard base64, padding optional, nothing else: no line breaks, no URL alphabet. Undefined when malformed.
 */
export function fromBase64(text: string): Buffer | undefined {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return undefined;
  const body = text.replace(/=+$/, '');
  if (body.length % 4 === 1) return undefined;
  return Buffer.from(body, 'base64');
}

/** The "adapted base64" of passlib and OpenLDAP's pbkdf2 module: `.` for `+`, no padding. `+` is read too. */
export function fromAdaptedBase64(text: string): Buffer | undefined {
  return fromBase64(text.replaceAll('.', '+'));
}

export function toAdaptedBase64(bytes: Buffer): string {
  return toBareBase64(bytes).replaceAll('+', '.');
}

export function toBareBase64(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}

/** A decimal number without sign, leading zero or exponent, at most 10 digits. Undefined when malformed. */
export function fromDecimal(text: string | undefined): number | undefined {
  return text !== undefined && /^(?:0|[1-9][0-9]{0,9})$/.test(text) ? Number(text) : undefined;
}
