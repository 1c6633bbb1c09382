/** Text of people as it may stand in a header: names, subjects and dates, written so that nothing can break out. */

const hidden = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]+/gu;

/** One line without controls and direction marks, cut to a length that no mail program stumbles over. */
export function plainLine(text: string, most: number): string {
  const clean = text.toWellFormed().replace(hidden, ' ').replace(/\s+/g, ' ').trim();
  return [...clean].slice(0, most).join('').trim();
}

/** Text of any language as encoded words of at most 75 letters each (RFC 2047 §2), folded; ASCII stays as it is. */
export function encodeText(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text) && !text.includes('=?')) return text;
  const words: string[] = [];
  let word = '';
  for (const sign of text) {
    if (Buffer.byteLength(word + sign) > 42) {
      words.push(word);
      word = '';
    }
    word += sign;
  }
  return [...words, word].map((one) => `=?utf-8?B?${Buffer.from(one).toString('base64')}?=`).join('\r\n ');
}

/** `"Name" <address>`; the name alone is dropped when nothing of it is left. An @ in a name would pass for an address. */
export function mailboxText(name: string, address: string): string {
  const shown = plainLine(name.replace(/\s*[@\uFF20\uFE6B]\s*/g, ' at ').replace(/[<>"\\]/g, ' '), 120);
  if (shown === '') return `<${address}>`;
  const encoded = encodeText(shown);
  return encoded === shown ? `"${shown}" <${address}>` : `${encoded}\r\n <${address}>`;
}

const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const two = (number: number) => String(number).padStart(2, '0');

/** A date as RFC 5322 §3.3 writes it, in UTC: where somebody is does not show. */
export function dateText(date: Date): string {
  const day = `${days[date.getUTCDay()]}, ${date.getUTCDate()} ${months[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
  return `${day} ${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())} +0000`;
}
