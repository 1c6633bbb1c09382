/**
 * What a new password must be (SP 800-63B §5.1.1.2): at least 8 characters, any characters, no composition rules;
 * refused are the ones that are tried first, and the ones made of the person's or the community's own words.
 */
import type { ProblemCode } from '#core/problem.ts';
import { isCommonPassword } from './common-passwords.ts';

/** Shortest and longest password, in Unicode code points. */
export const passwordLength = { least: 8, most: 1024 };

/** The code of what is wrong with a new password, or undefined. Passwords are never trimmed, folded or cut. */
export function passwordProblem(password: string, ownWords: readonly string[]): ProblemCode | undefined {
  const length = [...password].length;
  if (length < passwordLength.least) return 'password-short';
  if (length > passwordLength.most || password.length > passwordLength.most) return 'password-long';
  if (password.includes('\0')) return 'text-not-allowed';
  const plain = skeleton(password);
  if (isCommonPassword(password.toLowerCase()) || isCommonPassword(plain)) return 'password-common';
  if (/^(.)\1+$/u.test(password)) return password.length >= 32 ? undefined : 'password-common';
  const words = ownWords.map(skeleton).filter((word) => word.length >= 4);
  const rest = words.reduce((text, word) => text.replaceAll(word, ''), plain);
  return rest.length < 4 && rest.length < plain.length ? 'password-contains-name' : undefined;
}

const lookalikes: Record<string, string> = {
  '0': 'o',
  '1': 'i',
  '3': 'e',
  '4': 'a',
  '5': 's',
  '7': 't',
  '@': 'a',
  $: 's',
  '!': 'i',
};

/** The word under the decoration: lower case, look-alikes undone inside, digits and signs at the end dropped. */
function skeleton(text: string): string {
  const stem = text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\d\p{P}\p{S}\s]+$/u, '');
  return [...stem]
    .map((character) => lookalikes[character] ?? character)
    .join('')
    .replaceAll(/[^\p{L}\p{N}]/gu, '');
}
