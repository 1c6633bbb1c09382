/**
 * The passwords that are tried first: about 6,000 from public leak counts (list data of the MIT-licensed zxcvbn
 * project), all lower case. Read once, when the first new password is checked.
 */
import { readFileSync } from 'node:fs';

let known: Set<string> | undefined;

/** Whether the lower-cased text is one of the passwords everyone tries first. */
export function isCommonPassword(lowerCased: string): boolean {
  known ??= new Set(
    readFileSync(new URL('./common-passwords.txt', import.meta.url), 'utf8')
      .trimEnd()
      .split('\n'),
  );
  return known.has(lowerCased);
}
