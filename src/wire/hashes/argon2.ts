/**
 * Argon2 (RFC 9106) in the PHC string form, after {ARGON2} as OpenLDAP's argon2 module writes it, or bare.
 * Keycloak's raw salt and hash are spelt this way too (keycloak.ts).
 */
import { hashRaw } from '@node-rs/argon2';
import {
  CAPS,
  FAST,
  type Family,
  fromBase64,
  fromDecimal,
  type Recipe,
  refuse,
  toBareBase64,
} from './recipe.ts';

// The library's enums are `const enum`s of its declarations, which type stripping cannot read.
const algorithms: Record<string, number> = { argon2d: 0, argon2i: 1, argon2id: 2 };
const versions: Record<number, number> = { 16: 0, 19: 1 };

const shape =
  /^\$(argon2(?:id|i|d))\$(?:v=([0-9]{1,2})\$)?m=([0-9]{1,10}),t=([0-9]{1,10}),p=([0-9]{1,3})\$([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+)$/;

interface Parameters {
  kind: string;
  version: number;
  memory: number;
  passes: number;
  lanes: number;
  salt: Buffer;
  length: number;
}

function head({ kind, version, memory, passes, lanes, salt }: Parameters): string {
  return `{ARGON2}$${kind}$v=${version}$m=${memory},t=${passes},p=${lanes}$${toBareBase64(salt)}`;
}

/** Why these parameters are not taken, or undefined. */
function complaint({ version, memory, passes, lanes, salt, length }: Parameters): string | undefined {
  if (versions[version] === undefined) return 'Its Argon2 version is not known.';
  if (memory > CAPS.argon2MemoryKiB)
    return `It asks for ${memory} KiB of memory; at most ${CAPS.argon2MemoryKiB} are taken.`;
  if (passes > CAPS.argon2Passes)
    return `It asks for ${passes} passes; at most ${CAPS.argon2Passes} are taken.`;
  if (lanes > CAPS.argon2Lanes) return `It asks for ${lanes} lanes; at most ${CAPS.argon2Lanes} are taken.`;
  if (passes < 1 || lanes < 1 || memory < 8 * lanes) return 'Its parameters are below what Argon2 allows.';
  if (salt.length < 8 || salt.length > 64) return 'Its salt has no usable length.';
  if (length < 16 || length > 128) return 'Its hash has no usable length.';
  return undefined;
}

function recipeFor(parameters: Parameters): Recipe {
  const { kind, version, memory, passes, lanes, salt, length } = parameters;
  return {
    scheme: kind,
    setting: `${head(parameters)}$${length}`,
    fast: memory * passes < FAST.argon2Work,
    derive: (password) =>
      hashRaw(password, {
        algorithm: algorithms[kind] as number,
        version: versions[version] as number,
        memoryCost: memory,
        timeCost: passes,
        parallelism: lanes,
        salt,
        outputLen: length,
      }),
  };
}

/** Spells Keycloak's and others' raw Argon2 values as the canonical text. */
export function argon2Text(parameters: Parameters, digest: Buffer): string {
  return `${head(parameters)}$${toBareBase64(digest)}`;
}

export const argon2: Family = {
  tags: ['ARGON2'],

  read(_tag, body) {
    const match = shape.exec(body);
    if (!match) return refuse('argon2', 'It does not read "$argon2id$v=19$m=…,t=…,p=…$salt$hash".');
    const [, kind, version, memory, passes, lanes, saltText, digestText] = match;
    const salt = fromBase64(saltText!);
    const digest = fromBase64(digestText!);
    if (!salt || !digest) return refuse(kind!, 'Its salt or hash is not base64.');
    const parameters: Parameters = {
      kind: kind!,
      // Strings from before the version field are of version 0x10.
      version: version === undefined ? 16 : Number(version),
      memory: Number(memory),
      passes: Number(passes),
      lanes: Number(lanes),
      salt,
      length: digest.length,
    };
    const wrong = complaint(parameters);
    if (wrong) return refuse(kind!, wrong);
    return { recipe: recipeFor(parameters), digest, text: argon2Text(parameters, digest) };
  },

  recipe(_tag, setting) {
    const cut = setting.lastIndexOf('$');
    const length = fromDecimal(setting.slice(cut + 1));
    if (length === undefined || length < 16 || length > 128)
      return refuse('argon2', 'The parameters cannot be read.');
    const reading = argon2.read('ARGON2', `${setting.slice(0, cut)}$${toBareBase64(Buffer.alloc(length))}`);
    return 'refused' in reading ? reading : reading.recipe;
  },
};
