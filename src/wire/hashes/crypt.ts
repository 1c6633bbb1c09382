/**
 * The modular crypt(3) strings that follow {CRYPT} in directories, or stand bare in exports: traditional DES,
 * `$1$` (MD5), `$5$` and `$6$` (SHA-crypt), `$2a$`, `$2b$`, `$2y$` (bcrypt).
 */
import apacheMd5 from 'apache-md5';
import { desCrypt } from './des-crypt.ts';
import { foreignCrypt } from './foreign.ts';
import { CAPS, FAST, type Family, fromDecimal, type Recipe, type Refused, refuse } from './recipe.ts';
import { shaCrypt } from './sha-crypt.ts';

// The package exports the function itself; its declarations promise a default export inside it.
const md5Crypt = apacheMd5 as unknown as (password: string, salt: string) => string;

/** crypt(3) itself takes no more than this (libxcrypt); it also bounds what a sign-in can cost. */
const MAX_CRYPT_PASSWORD = 512;

const DES_NOTE =
  'DES crypt looked at the first 8 ASCII characters only. A longer password is refused, since any other with ' +
  'the same start would open the account too: these people sign in with the first 8 characters of theirs, or ' +
  'set a new password by mail.';
const BCRYPT_NOTE =
  'Passwords of more than 72 bytes are refused: bcrypt would not tell them apart after that.';

// DES: eleven characters of 6 bits for 64 bits, so the last can only be one of sixteen.
const desShape = /^([./0-9A-Za-z]{2})([./0-9A-Za-z]{10}[.26AEIMQUYcgkosw])$/;
const md5Shape = /^\$1\$([^$:\s]{0,8})\$([./0-9A-Za-z]{22})$/;
const shaShape =
  /^\$([56])\$(?:rounds=([0-9]{1,10})\$)?([^$:\s]{0,16})\$([./0-9A-Za-z]{43}|[./0-9A-Za-z]{86})$/;
const bcryptShape = /^(\$2[aby]\$[0-9]{2}\$[./0-9A-Za-z]{22})([./0-9A-Za-z]{31})$/;

function ascii(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

function isAscii(bytes: Buffer): boolean {
  return bytes.every((byte) => byte < 0x80);
}

function desRecipe(salt: string): Recipe {
  return {
    scheme: 'crypt-des',
    setting: `{CRYPT}${salt}`,
    fast: true,
    note: DES_NOTE,
    async derive(password) {
      // Bytes after the eighth and the eighth bit of each are thrown away by DES crypt. Accepting them would
      // let two different passwords open one account, so they are refused and the note tells the way in.
      if (password.length > 8 || !isAscii(password)) return undefined;
      return ascii(desCrypt(password, salt));
    },
  };
}

function md5Recipe(salt: string): Recipe {
  return {
    scheme: 'crypt-md5',
    setting: `{CRYPT}$1$${salt}`,
    fast: true,
    async derive(password) {
      if (password.length > MAX_CRYPT_PASSWORD) return undefined;
      // The package takes one byte per character, so the UTF-8 bytes go in as Latin-1 text.
      const text = md5Crypt(password.toString('latin1'), `$1$${salt}$`);
      return ascii(text.slice(text.lastIndexOf('$') + 1));
    },
  };
}

function shaRecipe(kind: '5' | '6', roundsText: string | undefined, salt: string): Recipe | Refused {
  const scheme = kind === '5' ? 'crypt-sha256' : 'crypt-sha512';
  const asked = roundsText === undefined ? 5_000 : fromDecimal(roundsText);
  if (asked === undefined) return refuse(scheme, 'The number of rounds cannot be read.');
  if (asked > CAPS.shaCryptRounds)
    return refuse(scheme, `It asks for ${asked} rounds; at most ${CAPS.shaCryptRounds} are taken.`);
  if (!isAscii(ascii(salt)) || salt !== ascii(salt).toString('latin1'))
    return refuse(scheme, 'The salt is not ASCII.');
  const rounds = Math.max(asked, 1_000);
  return {
    scheme,
    setting: `{CRYPT}$${kind}$${roundsText === undefined ? '' : `rounds=${asked}$`}${salt}`,
    fast: rounds < FAST.shaCryptRounds,
    async derive(password) {
      if (password.length > MAX_CRYPT_PASSWORD) return undefined;
      return ascii(await shaCrypt(kind === '5' ? 'sha256' : 'sha512', password, ascii(salt), rounds));
    },
  };
}

const BCRYPT_ALPHABET = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** Some writers left garbage in the unused low bits of the last character; they carry nothing. */
function clearLowBits(text: string, bits: number): string {
  const last = BCRYPT_ALPHABET.indexOf(text.at(-1)!);
  return text.slice(0, -1) + BCRYPT_ALPHABET[(last >> bits) << bits];
}

function bcryptRecipe(setting: string): Recipe | Refused {
  const cost = Number(setting.slice(4, 6));
  if (cost > CAPS.bcryptCost)
    return refuse('bcrypt', `It asks for cost ${cost}; at most ${CAPS.bcryptCost} is taken.`);
  if (cost < 4) return refuse('bcrypt', 'Its cost is below what bcrypt allows.');
  const salt = clearLowBits(setting, 4);
  return {
    scheme: 'bcrypt',
    setting: `{CRYPT}${salt}`,
    fast: cost < FAST.bcryptCost,
    note: BCRYPT_NOTE,
    async derive(password) {
      if (password.length > 72) return undefined;
      // Loaded by the first of them: its memory is wasted on a house that took in none.
      const { hash } = await import('@node-rs/bcrypt');
      return ascii((await hash(password, { salt })).slice(29));
    },
  };
}

/** The known crypt string split into recipe and the digest's characters, or a refusal. */
function split(body: string): { recipe: Recipe | Refused; digest: string } | Refused {
  const des = desShape.exec(body);
  if (des) return { recipe: desRecipe(des[1]!), digest: des[2]! };
  const md5 = md5Shape.exec(body);
  if (md5) {
    if (!/^[\x21-\x7e]*$/.test(md5[1]!)) return refuse('crypt-md5', 'The salt is not ASCII.');
    return { recipe: md5Recipe(md5[1]!), digest: md5[2]! };
  }
  const sha = shaShape.exec(body);
  if (sha) {
    const [, kind, rounds, salt, digest] = sha;
    if ((kind === '5') !== (digest!.length === 43))
      return refuse(kind === '5' ? 'crypt-sha256' : 'crypt-sha512', 'The digest has the wrong length.');
    return { recipe: shaRecipe(kind as '5' | '6', rounds, salt!), digest: digest! };
  }
  const blowfish = bcryptShape.exec(body);
  if (blowfish) return { recipe: bcryptRecipe(blowfish[1]!), digest: clearLowBits(blowfish[2]!, 2) };
  return foreignCrypt(body);
}

export const crypt: Family = {
  tags: ['CRYPT'],

  read(_tag, body) {
    const parts = split(body);
    if ('refused' in parts) return parts;
    const { recipe, digest } = parts;
    if ('refused' in recipe) return recipe;
    const separator = recipe.scheme === 'crypt-des' || recipe.scheme === 'bcrypt' ? '' : '$';
    return { recipe, digest: ascii(digest), text: `${recipe.setting}${separator}${digest}` };
  },

  recipe(_tag, setting) {
    if (/^[./0-9A-Za-z]{2}$/.test(setting)) return desRecipe(setting);
    const md5 = /^\$1\$([\x21-\x23\x25-\x39\x3b-\x7e]{0,8})$/.exec(setting);
    if (md5) return md5Recipe(md5[1]!);
    const sha = /^\$([56])\$(?:rounds=([0-9]{1,10})\$)?([^$:\s]{0,16})$/.exec(setting);
    if (sha) return shaRecipe(sha[1] as '5' | '6', sha[2], sha[3]!);
    if (/^\$2[aby]\$[0-9]{2}\$[./0-9A-Za-z]{22}$/.test(setting)) return bcryptRecipe(setting);
    return refuse('crypt', 'The parameters cannot be read.');
  },
};
