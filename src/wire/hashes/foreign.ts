/**
 * Names what is met in exports but cannot be verified here, so that an import report says "Drupal 7" instead
 * of "unknown". Nothing in this file ever leads to an accepted password.
 */
import { type Refused, refuse } from './recipe.ts';

const NOT_TAKEN = 'Passwords of this scheme cannot be taken over; these people set a new one by mail.';
const ELSEWHERE = 'The password is not in this directory: it was checked by another system.';
const PLAIN = 'Plain text is never taken over as a password.';
const LOCKED = 'This is a mark for "no password", not a hash.';

const foreignTags: Record<string, [scheme: string, reason: string]> = {
  SASL: ['sasl', ELSEWHERE],
  KERBEROS: ['kerberos', ELSEWHERE],
  RADIUS: ['radius', ELSEWHERE],
  UNIX: ['unix', ELSEWHERE],
  CLEARTEXT: ['cleartext', PLAIN],
  CLEAR: ['cleartext', PLAIN],
  PBKDF2_SHA256: ['389ds-pbkdf2', NOT_TAKEN],
  APR1: ['apr1', NOT_TAKEN],
  BSDMD5: ['bsdmd5', NOT_TAKEN],
  'NS-MTA-MD5': ['ns-mta-md5', NOT_TAKEN],
  LANMAN: ['lan-manager', NOT_TAKEN],
  LANM: ['lan-manager', NOT_TAKEN],
  NT: ['nt-hash', NOT_TAKEN],
  DES: ['crowd-des', NOT_TAKEN],
  SCRYPT: ['scrypt', NOT_TAKEN],
  KEYCLOAK: ['keycloak', 'This Keycloak credential cannot be read, or its algorithm is not known.'],
};

const foreignShapes: [shape: RegExp, scheme: string][] = [
  [/^\$y\$/, 'yescrypt'],
  [/^\$gy\$/, 'gost-yescrypt'],
  [/^\$7\$/, 'scrypt-crypt'],
  [/^\$sha1\$/, 'netbsd-sha1crypt'],
  [/^\$md5[,$]/, 'sun-md5'],
  [/^\$2x\$/, 'bcrypt-2x'],
  [/^\$2\$/, 'bcrypt-2'],
  [/^\$3\$/, 'nt-crypt'],
  [/^\$apr1\$/, 'apr1'],
  [/^_[./0-9A-Za-z]{19}$/, 'bsdi-des'],
  [/^\$S\$/, 'drupal7'],
  [/^U\$/, 'drupal7-upgraded'],
  [/^\$wp\$/, 'wordpress-bcrypt'],
  [/^\$[PH]\$/, 'phpass'],
  [/^pbkdf2_sha(?:1|256)\$/, 'django-pbkdf2'],
  [/^argon2\$argon2/, 'django-argon2'],
  [/^bcrypt(?:_sha256)?\$/, 'django-bcrypt'],
  [/^scrypt\$/, 'django-scrypt'],
  [/^(?:sha1|md5|unsalted_sha1|unsalted_md5)\$/, 'django-digest'],
  [/^\$pbkdf2(?:-sha(?:1|256|512))?\$/, 'passlib-pbkdf2'],
  [/^\$scrypt\$/, 'phc-scrypt'],
  [/^[A-Za-z0-9+/]{86}==$/, 'atlassian-sha1'],
];

/** A refusal for what stands after {CRYPT} or bare, when it is none of the known crypt strings. */
export function foreignCrypt(body: string): Refused {
  if (isPlaceholder(body)) return refuse('none', LOCKED);
  for (const [shape, scheme] of foreignShapes) if (shape.test(body)) return refuse(scheme, NOT_TAKEN);
  const known = /^\$(1|5|6|2[aby])\$/.exec(body);
  if (known) return refuse(`crypt-${known[1]}`, 'It begins like a known crypt string but is damaged.');
  return refuse('crypt', 'This crypt string is not known or is damaged.');
}

/** A refusal for a text in no brace scheme we take. */
export function foreignBare(text: string): Refused {
  if (isPlaceholder(text)) return refuse('none', LOCKED);
  for (const [shape, scheme] of foreignShapes) if (shape.test(text)) return refuse(scheme, NOT_TAKEN);
  return refuse('unnamed', `It names no scheme. ${PLAIN}`);
}

/** A refusal for a brace tag we do not take. */
export function foreignTag(tag: string): Refused {
  if (/^TOTP/.test(tag)) return refuse('totp', 'This is a one-time code secret, not a password.');
  const known = Object.hasOwn(foreignTags, tag) ? foreignTags[tag] : undefined;
  if (known) return refuse(...known);
  return refuse('unknown', `The scheme {${tag}} is not known.`);
}

/** "", x, X, *, !, !…, *LK*, nopass…: what systems write when nobody may sign in with a password. */
function isPlaceholder(text: string): boolean {
  return text === '' || /^(?:x|nopass|np|nologin)$/i.test(text) || /^[*!]/.test(text);
}
