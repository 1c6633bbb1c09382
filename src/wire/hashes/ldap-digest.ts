/**
 * Plain and salted digests of LDAP `userPassword` values (RFC 2307, RFC 3112 and OpenLDAP's sha2 module):
 * base64 of the digest, followed by the salt in the salted schemes. Salts of any length occur in the wild.
 */
import { createHash } from 'node:crypto';
import { type Family, fromBase64, type Recipe, type Refused, refuse } from './recipe.ts';

interface Layout {
  algorithm: string;
  size: number;
  salted: boolean;
}

const layouts = new Map<string, Layout>();
for (const [name, algorithm, size] of [
  ['SHA', 'sha1', 20],
  ['MD5', 'md5', 16],
  ['SHA256', 'sha256', 32],
  ['SHA384', 'sha384', 48],
  ['SHA512', 'sha512', 64],
] as const) {
  layouts.set(name, { algorithm, size, salted: false });
  layouts.set(name === 'MD5' ? 'SMD5' : `S${name}`, { algorithm, size, salted: true });
}
// Some tools write the hyphenated names of the digests.
const spellings = new Map([...layouts.keys()].map((tag) => [tag.replace(/^(S?SHA)(\d)/, '$1-$2'), tag]));

const MAX_SALT = 256;

function recipeFor(tag: string, layout: Layout, salt: Buffer): Recipe {
  return {
    scheme: tag.toLowerCase(),
    setting: `{${tag}}${salt.toString('base64')}`,
    fast: true,
    async derive(password) {
      return createHash(layout.algorithm).update(password).update(salt).digest();
    },
  };
}

export const ldapDigests: Family = {
  tags: [...new Set([...layouts.keys(), ...spellings.keys()])],

  read(spelling, body) {
    const tag = spellings.get(spelling) ?? spelling;
    const layout = layouts.get(tag)!;
    const scheme = tag.toLowerCase();
    const bytes = fromBase64(body);
    if (!bytes) return refuse(scheme, 'The part after the scheme is not base64.');
    const digest = bytes.subarray(0, layout.size);
    const salt = bytes.subarray(layout.size);
    if (digest.length < layout.size) return refuse(scheme, 'The digest is too short for its scheme.');
    if (layout.salted ? salt.length === 0 : salt.length > 0)
      return refuse(
        scheme,
        layout.salted ? 'The salt is missing.' : 'The digest is too long for its scheme.',
      );
    if (salt.length > MAX_SALT) return refuse(scheme, 'The salt is longer than any real one.');
    return { recipe: recipeFor(tag, layout, salt), digest, text: `{${tag}}${bytes.toString('base64')}` };
  },

  recipe(tag, setting): Recipe | Refused {
    const layout = layouts.get(tag);
    const salt = setting === '' ? Buffer.alloc(0) : fromBase64(setting);
    if (!layout || !salt || layout.salted === (salt.length === 0))
      return refuse(tag.toLowerCase(), 'The salt cannot be read.');
    return recipeFor(tag, layout, salt);
  },
};
