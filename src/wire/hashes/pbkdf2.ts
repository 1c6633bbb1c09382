/**
 * PBKDF2 (RFC 8018) in the spellings met in directories and apps: OpenLDAP's pbkdf2 module, Atlassian's
 * {PKCS5S2}, Keycloak's credential rows (as {KEYCLOAK-PBKDF2-…}, see keycloak.ts) and Discourse's columns
 * (as `{DISCOURSE}$pbkdf2-sha256$i=N,l=32$<salt>$<hex>`).
 */
import { pbkdf2 } from 'node:crypto';
import {
  CAPS,
  FAST,
  type Family,
  fromAdaptedBase64,
  fromBase64,
  fromDecimal,
  type Recipe,
  type Refused,
  refuse,
  toAdaptedBase64,
} from './recipe.ts';

interface Parameters {
  algorithm: string;
  iterations: number;
  salt: Buffer;
  length: number;
}

/** Makes the recipe, or refuses parameters no sign-in should pay for. Runs on the thread pool. */
function recipeFor(scheme: string, setting: string, parameters: Parameters): Recipe | Refused {
  const { algorithm, iterations, salt, length } = parameters;
  if (iterations < 1) return refuse(scheme, 'The number of iterations is missing.');
  if (iterations > CAPS.pbkdf2Iterations)
    return refuse(
      scheme,
      `It asks for ${iterations} iterations; at most ${CAPS.pbkdf2Iterations} are taken.`,
    );
  if (salt.length < 1 || salt.length > 256) return refuse(scheme, 'The salt has no usable length.');
  return {
    scheme,
    setting,
    fast: iterations < FAST.pbkdf2Iterations,
    derive(password) {
      return new Promise((resolve, reject) => {
        pbkdf2(password, salt, iterations, length, algorithm, (error, key) =>
          error ? reject(error) : resolve(key),
        );
      });
    },
  };
}

const ldapTags: Record<string, { algorithm: string; size?: number }> = {
  'PBKDF2-SHA1': { algorithm: 'sha1', size: 20 },
  'PBKDF2-SHA256': { algorithm: 'sha256', size: 32 },
  'PBKDF2-SHA512': { algorithm: 'sha512', size: 64 },
  // Keycloak derived 64 bytes with every digest for years, 32 lately: as many bytes count as were stored.
  'KEYCLOAK-PBKDF2-SHA1': { algorithm: 'sha1' },
  'KEYCLOAK-PBKDF2-SHA256': { algorithm: 'sha256' },
  'KEYCLOAK-PBKDF2-SHA512': { algorithm: 'sha512' },
};

/** `{PBKDF2…}<iterations>$<salt>$<key>`; a setting has the key's length in its place. */
export const ldapPbkdf2: Family = {
  tags: ['PBKDF2', ...Object.keys(ldapTags)],

  read(spelling, body) {
    const tag = spelling === 'PBKDF2' ? 'PBKDF2-SHA1' : spelling;
    const scheme = tag.toLowerCase();
    const { algorithm, size } = ldapTags[tag]!;
    const [count, saltText, keyText, ...rest] = body.split('$');
    const iterations = fromDecimal(count);
    const salt = fromAdaptedBase64(saltText ?? '');
    const digest = fromAdaptedBase64(keyText ?? '');
    if (iterations === undefined || !salt || !digest || rest.length > 0)
      return refuse(scheme, 'It does not read "iterations$salt$key".');
    if (size !== undefined ? digest.length !== size : digest.length < 16 || digest.length > 128)
      return refuse(scheme, 'The derived key has the wrong length for its scheme.');
    const head = `{${tag}}${iterations}$${toAdaptedBase64(salt)}`;
    const recipe = recipeFor(scheme, `${head}$${digest.length}`, {
      algorithm,
      iterations,
      salt,
      length: digest.length,
    });
    return 'refused' in recipe ? recipe : { recipe, digest, text: `${head}$${toAdaptedBase64(digest)}` };
  },

  recipe(tag, setting) {
    const scheme = tag.toLowerCase();
    const known = ldapTags[tag];
    const [count, saltText, lengthText] = setting.split('$');
    const iterations = fromDecimal(count);
    const salt = fromAdaptedBase64(saltText ?? '');
    const length = fromDecimal(lengthText);
    if (!known || iterations === undefined || !salt || length === undefined || length < 16 || length > 128)
      return refuse(scheme, 'The parameters cannot be read.');
    return recipeFor(scheme, `{${tag}}${setting}`, { algorithm: known.algorithm, iterations, salt, length });
  },
};

const PKCS5S2 = { algorithm: 'sha1', iterations: 10_000, length: 32 };

/** Crowd, Jira, Confluence, Bitbucket: base64 of 16 bytes of salt and 32 bytes of PBKDF2-HMAC-SHA1. */
export const atlassianPbkdf2: Family = {
  tags: ['PKCS5S2'],

  read(_tag, body) {
    const bytes = fromBase64(body);
    if (bytes?.length !== 48) return refuse('pkcs5s2', 'It is not base64 of 48 bytes.');
    const salt = bytes.subarray(0, 16);
    const recipe = recipeFor('pkcs5s2', `{PKCS5S2}${salt.toString('base64')}`, { ...PKCS5S2, salt });
    return 'refused' in recipe
      ? recipe
      : { recipe, digest: bytes.subarray(16), text: `{PKCS5S2}${bytes.toString('base64')}` };
  },

  recipe(_tag, setting) {
    const salt = fromBase64(setting);
    if (salt?.length !== 16) return refuse('pkcs5s2', 'The salt cannot be read.');
    return recipeFor('pkcs5s2', `{PKCS5S2}${setting}`, { ...PKCS5S2, salt });
  },
};

const discourseShape = /^\$pbkdf2-(sha256|sha512)\$i=([0-9]{1,10}),l=([0-9]{1,3})\$([^$]{1,256})$/;

function discourseRecipe(setting: string): Recipe | Refused {
  const match = discourseShape.exec(setting);
  const iterations = fromDecimal(match?.[2]);
  const length = fromDecimal(match?.[3]);
  if (!match || iterations === undefined || length === undefined || length < 16 || length > 128)
    return refuse('discourse', 'It does not read "$pbkdf2-sha256$i=…,l=…$salt$hash".');
  // The salt is hashed as the text it is, even though it looks like hexadecimal.
  return recipeFor('discourse', `{DISCOURSE}${setting}`, {
    algorithm: match[1]!,
    iterations,
    salt: Buffer.from(match[4]!, 'utf8'),
    length,
  });
}

export const discoursePbkdf2: Family = {
  tags: ['DISCOURSE'],

  read(_tag, body) {
    const cut = body.lastIndexOf('$');
    const recipe = discourseRecipe(body.slice(0, Math.max(cut, 0)));
    if ('refused' in recipe) return recipe;
    const hex = body.slice(cut + 1);
    const length = Number(/,l=([0-9]+)\$/.exec(recipe.setting)![1]);
    if (!/^[0-9a-f]+$/i.test(hex) || hex.length !== length * 2)
      return refuse('discourse', 'The hash is not hexadecimal of the length it names.');
    const digest = Buffer.from(hex, 'hex');
    return { recipe, digest, text: `${recipe.setting}$${digest.toString('hex')}` };
  },

  recipe: (_tag, setting) => discourseRecipe(setting),
};
