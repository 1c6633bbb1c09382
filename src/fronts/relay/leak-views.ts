/**
 * The ways in which bytes can be read as text: as they are, broken over lines and tags, written as quoted-printable,
 * entities, percent signs or escapes, in UTF-7, in base64.
 */
import { decodeHeader } from '#wire/smtp/message.ts';
import { createFinder, type Finder } from './leak-finder.ts';

const utf8 = (bytes: string) => Buffer.from(bytes, 'latin1').toString('utf8');

/** Quoted-printable undone, whether or not it was said to be (RFC 2045 §6.7), from bytes held as Latin-1. */
function unquoted(bytes: string): string {
  return bytes
    .replace(/=[ \t]{0,100}\r?\n/g, '')
    .replace(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

const named: Readonly<Record<string, string>> = {
  amp: '&',
  commat: '@',
  period: '.',
  plus: '+',
  lowbar: '_',
};
const character = (code: number) => (code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : ' ');

function withoutEntities(text: string): string {
  return text
    .replace(/&#x0{0,9}([0-9a-f]{1,6});?/gi, (_, hex: string) => character(Number.parseInt(hex, 16)))
    .replace(/&#0{0,9}(\d{1,7});?/g, (_, digits: string) => character(Number(digits)))
    .replace(/&([a-z][a-z0-9]{1,30});/gi, (_, name: string) => named[name.toLowerCase()] ?? ' ');
}

/** Entities (twice, as mail programs quote one another), percent signs (RFC 3986) and escapes of scripts undone. */
function unescaped(text: string): string {
  const plain = withoutEntities(withoutEntities(text));
  return plain
    .replace(/(?:%[0-9a-f]{2})+/gi, (run) =>
      utf8(String.fromCharCode(...Buffer.from(run.replaceAll('%', ''), 'hex'))),
    )
    .replace(/\\u\{?([0-9a-f]{4,6})\}?/gi, (_, hex: string) => character(Number.parseInt(hex, 16)))
    .replace(/\\(?:x|')([0-9a-f]{2})/gi, (_, hex: string) => character(Number.parseInt(hex, 16)));
}

/** Tags give way to a space, or to nothing; linear, whatever stands there. */
function withoutTags(text: string, instead = ' '): string {
  const parts: string[] = [];
  let from = 0;
  for (;;) {
    const open = text.indexOf('<', from);
    const close = open === -1 ? -1 : text.indexOf('>', open);
    if (close === -1) break;
    parts.push(text.slice(from, open));
    from = close + 1;
  }
  return parts.length === 0 ? text : [...parts, text.slice(from)].join(instead);
}

/** What RTF shows: its control words gone, its characters read. */
function withoutRtf(text: string): string {
  return text
    .replace(/\\u(-?\d{1,6}) ?\??/g, (_, digits: string) => character(Number(digits) & 0xffff))
    .replace(/\\[a-z]{1,32}-?\d{0,10} ?|[{}\r\n]/gi, ' ');
}

/** RFC 2152; only where a message names it, as nobody else reads it so. */
function fromUtf7(text: string): string {
  return text.replace(/\+([A-Za-z0-9+/]{2,})-?/g, (_, run: string) =>
    Buffer.from(run, 'base64')
      .subarray(0, Math.floor((run.length * 6) / 16) * 2)
      .swap16()
      .toString('utf16le'),
  );
}

/** Whether an address stands in a text that is decoded already. */
export function standsIn(has: Finder, text: string): boolean {
  if (has(text)) return true;
  const open = unescaped(text);
  if (open !== text && has(open)) return true;
  const bare = withoutTags(open);
  if (bare !== open && has(bare)) return true;
  // Put together again without a gap: lines that were broken and quoted, words with tags in them.
  const joined = unescaped(withoutTags(unescaped(text.replace(/\r?\n[>| \t]{0,40}/g, '')), ''));
  if (joined !== bare && has(joined)) return true;
  return text.startsWith('{\\rtf') && has(withoutRtf(open));
}

/** Whether one of these addresses stands in a line of text. */
export function showsAddress(text: string, addresses: readonly string[]): boolean {
  return standsIn(createFinder(addresses), text);
}

const encodedWord = /=\?[^?\s]{1,60}\?[bq]\?[^?\r\n]{0,400}\?=/i;

const control = /[\0-\x08\x0e-\x1a\x1c-\x1f]/;

const wide = (bytes: Buffer) => new TextDecoder(bytes[0] === 0xff ? 'utf-16le' : 'utf-16be').decode(bytes);

/** The texts within bytes that are none as a whole: runs of letters, one or two bytes each. */
function readable(raw: string, isBeyondAscii: boolean): string {
  const runs = isBeyondAscii
    ? /(?:[\t\r\n\x20-\xff]\0){4,}|(?:\0[\t\r\n\x20-\xff]){4,}|[\t\r\n\x20-\xff]{4,}/g
    : /(?:[\t\r\n\x20-\x7e]\0){4,}|(?:\0[\t\r\n\x20-\x7e]){4,}|[\t\r\n\x20-\x7e]{4,}/g;
  const found = (raw.match(runs) ?? []).map((run) => run.replaceAll('\0', '')).join('\n');
  return isBeyondAscii ? `${found}\n${utf8(found)}` : found;
}

/** Whether an address stands in bytes that hold text of any kind, in any of the ways they may be read. */
export function standsInBytes(
  has: Finder,
  bytes: Buffer,
  reads: { utf7: boolean; latin1: boolean },
): boolean {
  const raw = bytes.toString('latin1');
  if (/^(?:\xff\xfe|\xfe\xff)/.test(raw) && standsIn(has, wide(bytes))) return true;
  if (control.test(raw)) return standsIn(has, readable(raw, reads.latin1));
  const plain = bytes.toString('utf8');
  if (standsIn(has, plain)) return true;
  if (reads.latin1 && standsIn(has, raw)) return true;
  const quoted = unquoted(raw);
  if (quoted !== raw && standsIn(has, utf8(quoted))) return true;
  if (reads.latin1 && quoted !== raw && standsIn(has, quoted)) return true;
  if (reads.utf7 && (standsIn(has, fromUtf7(plain)) || standsIn(has, fromUtf7(quoted)))) return true;
  return encodedWord.test(raw) && standsIn(has, decodeHeader(plain.replace(/\r?\n[ \t]+/g, ' ')));
}

/** Base64 lines one below the other, and words within lines: whatever could be read so. Short ones by all alignments. */
export function base64Runs(bytes: Buffer): { blocks: Buffer[]; words: Buffer; rest: Buffer } {
  const blocks: Buffer[] = [];
  const words: Buffer[] = [];
  const rest: string[] = [];
  let block: string[] = [];
  const end = () => {
    const run = block.join('');
    block = [];
    if (run.length < 8) return;
    if (run.length >= 60) blocks.push(Buffer.from(run, 'base64'));
    if (run.length <= 65_536)
      for (let skip = 0; skip < 4; skip += 1) words.push(gap, Buffer.from(run.slice(skip), 'base64'));
  };
  for (const line of bytes.toString('latin1').split(/\r?\n/)) {
    if (/^[A-Za-z0-9+/]+={0,2}$/.test(line)) {
      block.push(line);
      if (line.length < 60) rest.push(line);
      continue;
    }
    end();
    rest.push(line);
    for (const [run] of line.matchAll(/[A-Za-z0-9+/_-]{8,}/g)) {
      if (run.length >= 200) blocks.push(Buffer.from(run, 'base64'));
      for (let skip = 0; skip < 4; skip += 1) words.push(gap, Buffer.from(run.slice(skip), 'base64'));
    }
  }
  end();
  return { blocks, words: Buffer.concat(words), rest: Buffer.from(rest.join('\r\n'), 'latin1') };
}

const gap = Buffer.from('\n');
