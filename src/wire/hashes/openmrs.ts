/**
 * Passwords of an OpenMRS server's `users` table. Canonical text: `{OPENMRS}<salt>$<hex>`, the two columns
 * joined by the last `$`; the salt is hashed as the text it is. Three digests were in use over the years:
 * SHA-512, SHA-1, and SHA-1 printed byte by byte without leading zeros, which is therefore kept as text.
 */
import { createHash } from 'node:crypto';
import { type Family, type Recipe, type Refused, refuse } from './recipe.ts';

const kinds = ['sha512', 'sha1', 'sha1-short'] as const;
type Kind = (typeof kinds)[number];

function kindOf(hex: string): Kind | undefined {
  if (!/^[0-9a-f]+$/.test(hex)) return undefined;
  if (hex.length === 128) return 'sha512';
  if (hex.length === 40) return 'sha1';
  // 20 bytes of which each may have lost one digit; more than seven lost ones happen once in 100,000 rows,
  // and 32 digits would rather be an MD5 that never belonged here.
  return hex.length >= 33 && hex.length < 40 ? 'sha1-short' : undefined;
}

function recipeFor(salt: string, kind: Kind): Recipe {
  return {
    scheme: `openmrs-${kind}`,
    setting: `{OPENMRS}${salt}$${kind}`,
    fast: true,
    async derive(password) {
      const digest = createHash(kind === 'sha512' ? 'sha512' : 'sha1')
        .update(password)
        .update(salt, 'utf8')
        .digest();
      if (kind !== 'sha1-short') return digest;
      return Buffer.from([...digest].map((byte) => byte.toString(16)).join(''), 'latin1');
    },
  };
}

export const openmrs: Family = {
  tags: ['OPENMRS'],

  read(_tag, body) {
    const cut = body.lastIndexOf('$');
    if (cut < 0) return refuse('openmrs', 'It does not read "salt$hash".');
    const salt = body.slice(0, cut);
    const hex = body.slice(cut + 1).toLowerCase();
    const kind = kindOf(hex);
    if (!kind) return refuse('openmrs', 'The hash is neither SHA-512 nor SHA-1 in hexadecimal.');
    const digest = Buffer.from(hex, kind === 'sha1-short' ? 'latin1' : 'hex');
    return { recipe: recipeFor(salt, kind), digest, text: `{OPENMRS}${salt}$${hex}` };
  },

  recipe(_tag, setting): Recipe | Refused {
    const cut = setting.lastIndexOf('$');
    const kind = kinds.find((candidate) => candidate === setting.slice(cut + 1));
    return cut < 0 || !kind
      ? refuse('openmrs', 'The parameters cannot be read.')
      : recipeFor(setting.slice(0, cut), kind);
  },
};
