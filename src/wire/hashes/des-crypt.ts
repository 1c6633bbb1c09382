/**
 * Traditional crypt(3): DES (FIPS 46-3) iterated 25 times over a zero block, keyed by the password and with
 * the expansion table perturbed by 12 bits of salt. No package in use covers it. Works on arrays of single
 * bits: slow for a cipher, about a millisecond per password, and easy to compare with the standard's tables.
 */

const ALPHABET = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

// Tables of FIPS 46-3, numbered from 1 as printed there.
const FINAL = [
  40, 8, 48, 16, 56, 24, 64, 32, 39, 7, 47, 15, 55, 23, 63, 31, 38, 6, 46, 14, 54, 22, 62, 30, 37, 5, 45, 13,
  53, 21, 61, 29, 36, 4, 44, 12, 52, 20, 60, 28, 35, 3, 43, 11, 51, 19, 59, 27, 34, 2, 42, 10, 50, 18, 58, 26,
  33, 1, 41, 9, 49, 17, 57, 25,
];
const EXPANSION = [
  32, 1, 2, 3, 4, 5, 4, 5, 6, 7, 8, 9, 8, 9, 10, 11, 12, 13, 12, 13, 14, 15, 16, 17, 16, 17, 18, 19, 20, 21,
  20, 21, 22, 23, 24, 25, 24, 25, 26, 27, 28, 29, 28, 29, 30, 31, 32, 1,
];
const PERMUTATION = [
  16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10, 2, 8, 24, 14, 32, 27, 3, 9, 19, 13, 30, 6, 22,
  11, 4, 25,
];
const CHOICE_1 = [
  57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44, 36,
  63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20, 12, 4,
];
const CHOICE_2 = [
  14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2, 41, 52, 31, 37, 47,
  55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
];
const SHIFTS = [1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1];
// The eight substitution boxes: four rows of sixteen hexadecimal digits each, written one after the other.
const BOXES = [
  'e4d12fb83a6c59070f74e2d1a6cb953841e8d62bfc973a50fc8249175b3ea06d',
  'f18e6b34972dc05a3d47f28ec01a69b50e7ba4d158c6932fd8a13f42b67c05e9',
  'a09e63f51dc7b428d709346a285ecbf1d6498f30b12c5ae71ad069874fe3b52c',
  '7de3069a1285bc4fd8b56f03472c1ae9a690cb7df13e52843f06a1d8945bc72e',
  '2c417ab6853fd0e9eb2c47d150fa3986421bad78f9c5630eb8c71e2d6f09a453',
  'c1af92680d34e75baf427c9561de0b389ef528c3704a1db6432c95fabe17608d',
  '4b2ef08d3c975a61d0b7491ae35c2f8614bdc37eaf6805926bd814a7950fe23c',
  'd2846fb1a93e50c71fd8a374c56b0e927b419ce206adf35821e74a8dfc90356b',
].map((box) => Uint8Array.from(box, (digit) => Number.parseInt(digit, 16)));

function pick(bits: Uint8Array, table: readonly number[]): Uint8Array {
  return Uint8Array.from(table, (position) => bits[position - 1]!);
}

/** The sixteen 48-bit round keys. The password's bytes give their low seven bits, high bit first. */
function schedule(password: Buffer): Uint8Array[] {
  const key = new Uint8Array(64);
  for (let i = 0; i < 8; i++) {
    for (let bit = 0; bit < 7; bit++) key[8 * i + bit] = ((password[i] ?? 0) >> (6 - bit)) & 1;
  }
  const chosen = pick(key, CHOICE_1);
  let left = chosen.slice(0, 28);
  let right = chosen.slice(28);
  return SHIFTS.map((by) => {
    left = Uint8Array.from([...left.slice(by), ...left.slice(0, by)]);
    right = Uint8Array.from([...right.slice(by), ...right.slice(0, by)]);
    return pick(Uint8Array.from([...left, ...right]), CHOICE_2);
  });
}

/** The expansion table with entries i and i + 24 exchanged wherever bit i of the salt is set. */
function saltedExpansion(salt: string): number[] {
  const bits = ALPHABET.indexOf(salt[0]!) | (ALPHABET.indexOf(salt[1]!) << 6);
  const table = [...EXPANSION];
  for (let i = 0; i < 12; i++) {
    if ((bits >> i) & 1) [table[i], table[i + 24]] = [table[i + 24]!, table[i]!];
  }
  return table;
}

/** One round's function: expand, add the round key, substitute, permute. */
function feistel(half: Uint8Array, key: Uint8Array, expansion: readonly number[]): Uint8Array {
  const substituted = new Uint8Array(32);
  for (let box = 0; box < 8; box++) {
    let six = 0;
    for (let bit = 0; bit < 6; bit++) {
      const at = 6 * box + bit;
      six = (six << 1) | (half[expansion[at]! - 1]! ^ key[at]!);
    }
    const four = BOXES[box]![((six & 32) | ((six & 1) << 4)) + ((six >> 1) & 15)]!;
    for (let bit = 0; bit < 4; bit++) substituted[4 * box + bit] = (four >> (3 - bit)) & 1;
  }
  return pick(substituted, PERMUTATION);
}

/**
 * The 11 characters after the salt. Only the low seven bits of the first eight bytes count, so the caller has
 * to refuse longer passwords and other bytes if two passwords must not be the same.
 * `salt`: two characters of `./0-9A-Za-z`.
 */
export function desCrypt(password: Buffer, salt: string): string {
  const keys = schedule(password);
  const expansion = saltedExpansion(salt);
  let left: Uint8Array = new Uint8Array(32);
  let right: Uint8Array = new Uint8Array(32);
  // The initial permutation of zeros is zeros, and between iterations it undoes the final one.
  for (let iteration = 0; iteration < 25; iteration++) {
    for (const key of keys) {
      const mixed = feistel(right, key, expansion);
      for (let i = 0; i < 32; i++) mixed[i]! ^= left[i]!;
      left = right;
      right = mixed;
    }
    [left, right] = [right, left];
  }
  const bits = pick(Uint8Array.from([...left, ...right]), FINAL);
  let text = '';
  for (let i = 0; i < 66; i += 6) {
    let six = 0;
    for (let bit = 0; bit < 6; bit++) six = (six << 1) | (bits[i + bit] ?? 0);
    text += ALPHABET[six];
  }
  return text;
}
