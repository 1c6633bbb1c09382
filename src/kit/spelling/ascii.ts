/** Latin letters that Unicode does not take apart into a base letter and a mark. */
const letters: Readonly<Record<string, string>> = {
  ß: 'ss', ẞ: 'SS', æ: 'ae', Æ: 'AE', œ: 'oe', Œ: 'OE', ø: 'o', Ø: 'O', đ: 'd', Đ: 'D', ð: 'd', Ð: 'D', þ: 'th',
  Þ: 'Th', ł: 'l', Ł: 'L', ħ: 'h', Ħ: 'H', ı: 'i', ĸ: 'k', ŋ: 'n', Ŋ: 'N', ŧ: 't', Ŧ: 'T', ə: 'e', Ə: 'E',
}; // biome-ignore format: a letter table

/**
 * The text in ASCII letters: accents are taken off (`Jürgen` → `Jurgen`), letters of other scripts left out.
 * Printable ASCII stays as it is; the result may be empty.
 */
export function foldToAscii(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text)) return text;
  let folded = '';
  for (const letter of text.normalize('NFKD')) folded += letters[letter] ?? letter;
  return folded.replace(/[^\x20-\x7e]/g, '');
}
