/**
 * Passwords as other systems stored them: says what a stored hash is, verifies a typed password against it,
 * and replaces fast hashes by argon2id over their digest, so that no dump holds one.
 *
 * Owns: the canonical text of an imported hash (`{SCHEME}…`, one column) and of a wrapped one
 * (`{WRAPPED}<scheme, salt and cost>|<argon2id PHC string over the digest>`). Records nothing.
 * Refuses: plain text, empty passwords and digests, damaged or unknown schemes, parameters that would cost
 * minutes, and every password a scheme cannot tell from another one (beyond bcrypt's 72 bytes, DES's 8).
 *
 * Canonical texts beside the LDAP ones: `{OPENMRS}<salt>$<hex>`, `{DISCOURSE}$pbkdf2-sha256$i=N,l=32$<salt>$<hex>`,
 * `{KEYCLOAK-PBKDF2-SHA256}<iterations>$<salt>$<key>`, `{ARGON2}$argon2id$…` (Keycloak's argon2 too).
 */
import { timingSafeEqual } from 'node:crypto';
import { argon2 } from './argon2.ts';
import { crypt } from './crypt.ts';
import { foreignBare, foreignTag } from './foreign.ts';
import { keycloakText } from './keycloak.ts';
import { ldapDigests } from './ldap-digest.ts';
import { openmrs } from './openmrs.ts';
import { atlassianPbkdf2, discoursePbkdf2, ldapPbkdf2 } from './pbkdf2.ts';
import {
  type Family,
  isRefused,
  MAX_STORED_LENGTH,
  type Reading,
  type Recipe,
  type Refused,
  refuse,
} from './recipe.ts';

/** A stored hash whose parts come from several columns. */
export type LegacyHash =
  | { kind: 'openmrs'; hash: string; salt: string }
  | { kind: 'keycloak'; secretData: unknown; credentialData: unknown }
  | { kind: 'discourse'; hash: string; salt: string; algorithm?: string };

export interface HashIdentity {
  /** Short name of the scheme, for reports: `ssha`, `crypt-md5`, `bcrypt`, `yescrypt`, `unnamed`… */
  scheme: string;
  verifiable: boolean;
  /** Verifiable, but so cheap to guess that it has to be wrapped (see `wrapLegacy`) soon after import. */
  fast: boolean;
  /** Why it is not verifiable, as a sentence. */
  reason?: string;
  /** What to know about a verifiable one. */
  note?: string;
  /** The text to store. Only when verifiable. */
  canonical?: string;
  /** Scheme, salt and cost without the digest: tells two hashes apart without helping to guess. Only when verifiable. */
  setting?: string;
}

/** What wrapping needs of the platform's hasher: argon2id over a text, as PHC string. */
export interface Stretcher {
  hash(password: string): Promise<string>;
  verify(phc: string, password: string): Promise<boolean>;
}

const families = new Map<string, Family>();
for (const family of [ldapDigests, crypt, ldapPbkdf2, atlassianPbkdf2, discoursePbkdf2, argon2, openmrs]) {
  for (const tag of family.tags) families.set(tag, family);
}

const WRAPPED = '{WRAPPED}';

/** Longer than any password typed by a person; keeps one attempt cheap. */
const MAX_PASSWORD_BYTES = 4_096;

function splitTag(text: string): [tag: string, body: string] | undefined {
  const match = /^\{([A-Za-z0-9_.-]{1,32})\}/.exec(text);
  return match ? [match[1]!.toUpperCase(), text.slice(match[0].length)] : undefined;
}

/** The one text form of a hash that came in several columns. */
export function legacyText(hash: string | LegacyHash): string {
  if (typeof hash === 'string') return hash;
  switch (hash.kind) {
    case 'openmrs':
      return `{OPENMRS}${hash.salt}$${hash.hash}`;
    case 'keycloak':
      return keycloakText(hash.secretData, hash.credentialData);
    case 'discourse':
      // Sites from before the column `algorithm` used 64,000 iterations.
      return `{DISCOURSE}${(hash.algorithm ?? '$pbkdf2-sha256$i=64000,l=32$').replace(/\$*$/, '$')}${hash.salt}$${hash.hash}`;
  }
}

function read(hash: string | LegacyHash): Reading {
  // LDIF made by hand often ends the value with a line break.
  const text = legacyText(hash).replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, '');
  if (text.length > MAX_STORED_LENGTH) return refuse('unknown', 'It is longer than any known hash.');
  const tagged = splitTag(text);
  if (!tagged) {
    if (text.startsWith('$argon2')) return argon2.read('ARGON2', text);
    return /^\$(?:1|5|6|2[aby])\$/.test(text) ? crypt.read('CRYPT', text) : foreignBare(text);
  }
  const [tag, body] = tagged;
  const family = families.get(tag);
  if (!family) return foreignTag(tag);
  return body === '' ? refuse(tag.toLowerCase(), 'The hash is empty.') : family.read(tag, body);
}

/** Reads back a setting, as kept in a wrapped hash. */
function recipeFrom(setting: string): Recipe | Refused {
  const tagged = splitTag(setting);
  const family = tagged && families.get(tagged[0]);
  return family ? family.recipe(tagged[0], tagged[1]) : refuse('unknown', 'The scheme is not known.');
}

/** Says what a stored hash is. Never throws, whatever the text. */
export function identifyHash(stored: string | LegacyHash): HashIdentity {
  const reading = read(stored);
  if (isRefused(reading))
    return { scheme: reading.scheme, verifiable: false, fast: false, reason: reading.refused };
  const { scheme, fast, note, setting } = reading.recipe;
  return { scheme, verifiable: true, fast, ...(note ? { note } : {}), canonical: reading.text, setting };
}

/**
 * The spellings of a typed password worth trying, in order: as typed, then composed (NFC), then decomposed
 * (NFD). One for plain ASCII. Legacy systems hashed whatever the keyboard of that day sent. Whoever verifies
 * spends as many hashes on an unknown account, so that time tells nothing.
 */
export function passwordForms(password: string): string[] {
  return [...new Set([password, password.normalize('NFC'), password.normalize('NFD')])];
}

function bytesOf(password: string): Buffer | undefined {
  // A lone surrogate would become U+FFFD and be the same as any other. NUL ends a C string.
  if (password === '' || password.includes('\0') || !password.isWellFormed()) return undefined;
  const bytes = Buffer.from(password, 'utf8');
  return bytes.length <= MAX_PASSWORD_BYTES ? bytes : undefined;
}

function sameBytes(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/**
 * True when the password is the one the legacy system stored. False for everything unreadable. Compares in
 * constant time; Argon2, bcrypt and PBKDF2 run off the main thread, but not behind a semaphore of their own.
 */
export async function verifyLegacy(hash: string | LegacyHash, password: string): Promise<boolean> {
  const reading = read(hash);
  if (isRefused(reading)) return false;
  for (const form of passwordForms(password)) {
    const bytes = bytesOf(form);
    const digest = bytes && (await reading.recipe.derive(bytes));
    if (digest && sameBytes(digest, reading.digest)) return true;
  }
  return false;
}

/** True when the password fits any of several values of `userPassword`. */
export async function verifyLegacyAny(
  hashes: readonly (string | LegacyHash)[],
  password: string,
): Promise<boolean> {
  for (const hash of hashes) if (await verifyLegacy(hash, password)) return true;
  return false;
}

/** What argon2id is computed over: the scheme, so that no two schemes share digests, and the digest. */
function digestText(recipe: Recipe, digest: Buffer): string {
  return `${recipe.scheme}:${digest.toString('base64')}`;
}

/**
 * The digest text a stored (or wrapped) hash gives for this password with its own salt and cost, exactly as
 * typed. Undefined when the hash is unreadable or the scheme cannot tell this password from another one.
 */
export async function preimage(hash: string | LegacyHash, password: string): Promise<string | undefined> {
  const recipe = wrappedParts(hash)?.recipe ?? recipeOf(hash);
  const bytes = bytesOf(password);
  const digest = recipe && bytes && (await recipe.derive(bytes));
  return digest && recipe ? digestText(recipe, digest) : undefined;
}

function recipeOf(hash: string | LegacyHash): Recipe | undefined {
  const reading = read(hash);
  return isRefused(reading) ? undefined : reading.recipe;
}

export function isWrapped(stored: string): boolean {
  return stored.startsWith(WRAPPED);
}

function wrappedParts(stored: string | LegacyHash): { recipe: Recipe; phc: string } | undefined {
  if (typeof stored !== 'string' || !isWrapped(stored)) return undefined;
  // A PHC string holds no '|', an OpenMRS salt might.
  const cut = stored.lastIndexOf('|');
  if (cut < 0) return undefined;
  const recipe = recipeFrom(stored.slice(WRAPPED.length, cut));
  return isRefused(recipe) ? undefined : { recipe, phc: stored.slice(cut + 1) };
}

/**
 * Replaces the digest of a stored hash by argon2id over it; scheme, salt and cost stay readable. Needs no
 * password, so a background job can do it. Undefined when the hash is unreadable.
 */
export async function wrapLegacy(hash: string | LegacyHash, hasher: Stretcher): Promise<string | undefined> {
  const reading = read(hash);
  if (isRefused(reading)) return undefined;
  const phc = await hasher.hash(digestText(reading.recipe, reading.digest));
  return `${WRAPPED}${reading.recipe.setting}|${phc}`;
}

/** Like `verifyLegacy` for a wrapped hash. Costs one argon2id per spelling tried. */
export async function verifyWrapped(wrapped: string, password: string, hasher: Stretcher): Promise<boolean> {
  const parts = wrappedParts(wrapped);
  if (!parts) return false;
  for (const form of passwordForms(password)) {
    const text = await preimage(wrapped, form);
    // One argon2id also for a password the scheme cannot take, so that time does not tell the scheme.
    const right = await hasher.verify(parts.phc, text ?? '');
    if (right && text !== undefined) return true;
  }
  return false;
}
