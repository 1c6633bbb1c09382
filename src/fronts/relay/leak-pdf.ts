/** What a PDF shows as text, as far as it can be told; it is painted letter by letter, by numbers that each font makes up. */
import { inflate } from './leak-documents.ts';

const pictures = /\/(?:DCTDecode|JPXDecode|CCITTFaxDecode|JBIG2Decode)\b/;
const otherFilters = /\/(?:LZWDecode|ASCII85Decode|ASCIIHexDecode|RunLengthDecode|Crypt|LZW|A85|AHx|RL)\b/;
const mostMaps = 60;
/** As many fonts may have one name on different pages. */
const mostOfOneName = 6;

/**
 * All that a PDF shows or holds as text: its own bytes, its streams, and the strings drawn, read by each of the maps its
 * fonts bring (ISO 32000-1 §9.10.3). Undefined when encrypted, broken, packed in a way not read here, or too large.
 */
export function pdfTexts(file: Buffer, most: number): Buffer[] | undefined {
  try {
    return readPdf(file, most);
  } catch {
    return undefined;
  }
}

function readPdf(file: Buffer, most: number): Buffer[] | undefined {
  const whole = file.toString('latin1');
  if (/\/Encrypt\b/.test(whole)) return undefined;
  const streams: Stream[] = [];
  let left = most;
  let at = 0;
  for (const { index } of whole.matchAll(/stream(?:\r\n|\n|\r)/g)) {
    if (index < at || !/>>\s*$/.test(whole.slice(Math.max(0, index - 20), index))) continue;
    const stop = whole.indexOf('endstream', index);
    if (stop === -1) return undefined;
    at = stop + 9;
    const head = whole.slice(Math.max(0, whole.lastIndexOf(' obj', index), index - 4000), index);
    if (pictures.test(head) || /\/Type\s*\/XRef\b/.test(head)) continue;
    const isPacked = /\/(?:FlateDecode|Fl)\b/.test(head);
    if (otherFilters.test(head) || (/\/Filter\b/.test(head) && !isPacked)) return undefined;
    if (isPacked && /\/Subtype\s*\/Image\b/.test(head)) continue;
    if (isPacked && /\/Predictor\s+(?!1\b)\d/.test(head)) return undefined;
    const stored = file.subarray(index + (whole.startsWith('\r\n', index + 6) ? 8 : 7), stop);
    const bytes = isPacked ? inflate(stored, left) : stored;
    if (!bytes || bytes.length > left) return undefined;
    left -= bytes.length;
    streams.push({ text: bytes.toString('latin1'), head, object: objectBefore(whole, index) });
  }
  return drawn(whole, streams);
}

interface Stream {
  text: string;
  /** What stands before it in its object. */
  head: string;
  object: number;
}

function objectBefore(whole: string, index: number): number {
  const at = whole.lastIndexOf(' obj', index);
  return Number(/(\d+)\s+\d+$/.exec(whole.slice(Math.max(0, at - 20), at))?.[1] ?? -1);
}

function drawn(whole: string, streams: readonly Stream[]): Buffer[] | undefined {
  const all = [whole, ...streams.map(({ text }) => text)];
  const maps = new Map(
    streams
      .filter(({ text }) => text.includes('begincodespacerange'))
      .map((one) => [one.object, readMap(one.text)]),
  );
  // Glyph numbers without a map say nothing to us, and everything to whoever looks at the page.
  const needsMap = all.some((text) => /\/Identity-[HV]\b|\/Subtype\s*\/Type3\b/.test(text));
  if (maps.size > mostMaps || (needsMap && maps.size === 0)) return undefined;
  const texts = streams.map(({ text }) => Buffer.from(text, 'latin1'));
  const fonts = fontsByName(objectsIn(whole, streams), maps);
  const rounds = Math.min(mostOfOneName, Math.max(1, ...[...fonts.values()].map((one) => one.length)));
  for (const text of all) {
    const strings = stringsOf(text);
    texts.push(Buffer.from(strings.map((one) => one.text).join(' '), 'latin1'));
    for (const map of maps.values())
      texts.push(Buffer.from(strings.map((one) => map.read(one.text)).join(' '), 'utf8'));
    for (let round = 0; round < rounds; round += 1) {
      const read = strings.map(({ font, text: bytes }) => {
        const known = fonts.get(font);
        return known ? known[Math.min(round, known.length - 1)]!.read(bytes) : bytes;
      });
      texts.push(Buffer.from(read.join(' '), 'utf8'));
    }
  }
  return texts;
}

/** The objects of a file by their numbers, those that are packed together too (ISO 32000-1 §7.5.7). */
function objectsIn(whole: string, streams: readonly Stream[]): Map<number, string> {
  const objects = new Map<number, string>();
  for (const [, number, text] of whole.matchAll(
    /(\d{1,8})\s\d{1,5}\sobj\b([\s\S]{0,6000}?)(?:endobj|stream[\r\n])/g,
  ))
    objects.set(Number(number), text!);
  for (const { head, text } of streams) {
    const first = /\/Type\s*\/ObjStm\b/.test(head) ? Number(/\/First\s+(\d+)/.exec(head)?.[1]) : Number.NaN;
    if (Number.isNaN(first)) continue;
    const places = [...text.slice(0, first).matchAll(/(\d+)\s+(\d+)/g)].map(
      ([, number, at]) => [Number(number), Number(at)] as const,
    );
    for (const [index, [number, at]] of places.entries())
      objects.set(number, text.slice(first + at, first + (places[index + 1]?.[1] ?? text.length)));
  }
  return objects;
}

/** What the names that fonts have on pages stand for; on several pages the same name may be another font. */
function fontsByName(
  objects: ReadonlyMap<number, string>,
  maps: ReadonlyMap<number, FontMap>,
): Map<string, FontMap[]> {
  const fonts = new Map<number, FontMap>();
  for (const [number, text] of objects) {
    const map = maps.get(Number(/\/ToUnicode\s+(\d+)\s+\d+\s+R/.exec(text)?.[1]));
    if (map) fonts.set(number, map);
  }
  const names = new Map<string, FontMap[]>();
  for (const text of objects.values())
    for (const [, name, number] of text.matchAll(/\/([^\s/<>[\]()]{1,100})\s+(\d+)\s+\d+\s+R/g)) {
      const font = fonts.get(Number(number));
      const known = names.get(name!) ?? [];
      if (font && !known.includes(font)) names.set(name!, [...known, font]);
    }
  return names;
}

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' };

/** The strings of a content stream in their order, as bytes in Latin-1 (ISO 32000-1 §7.3.4). */
function stringsOf(text: string): { text: string; font: string }[] {
  const strings: { text: string; font: string }[] = [];
  let font = '';
  const shape =
    /\(((?:[^()\\]|\\[\s\S]|\((?:[^()\\]|\\[\s\S]){0,500}\)){0,2000})\)|<([0-9A-Fa-f\s]{1,8000})>|\/([^\s/<>[\]()]{1,100})\s+[\d.]{1,20}\s+Tf\b/g;
  for (const [, literal, hex, name] of text.matchAll(shape)) {
    if (name !== undefined) font = name;
    else if (hex !== undefined)
      strings.push({ font, text: Buffer.from(hex.replace(/\s/g, ''), 'hex').toString('latin1') });
    else strings.push({ font, text: literal!.replace(escapedSign, withoutEscape) });
  }
  return strings;
}

const escapedSign = /\\(?:([0-7]{1,3})|(\r\n|[\s\S]))/g;

function withoutEscape(_: string, octal?: string, sign = ''): string {
  if (octal) return String.fromCharCode(Number.parseInt(octal, 8) & 0xff);
  return /^[\r\n]/.test(sign) ? '' : (escapes[sign] ?? sign);
}

interface FontMap {
  read(bytes: string): string;
}

/** A font's way from codes to letters: `bfchar` and `bfrange` of its ToUnicode map. */
function readMap(text: string): FontMap {
  const letters = new Map<number, string>();
  const width = /begincodespacerange\s*<[0-9A-Fa-f]{2}>/.test(text) ? 1 : 2;
  const letter = (hex: string) =>
    Buffer.from(hex.padStart(Math.ceil(hex.length / 4) * 4, '0'), 'hex')
      .swap16()
      .toString('utf16le');
  for (const [, block] of text.matchAll(/beginbfchar([\s\S]*?)endbfchar/g))
    for (const [, code, hex] of block!.matchAll(/<([0-9A-Fa-f]{2,4})>\s*<([0-9A-Fa-f]{2,64})>/g))
      letters.set(Number.parseInt(code!, 16), letter(hex!));
  for (const [, block] of text.matchAll(/beginbfrange([\s\S]*?)endbfrange/g)) {
    for (const [, low, high, first] of block!.matchAll(
      /<([0-9A-Fa-f]{2,4})>\s*<([0-9A-Fa-f]{2,4})>\s*<([0-9A-Fa-f]{4})>/g,
    )) {
      const from = Number.parseInt(low!, 16);
      const start = Number.parseInt(first!, 16);
      for (let code = from; code <= Math.min(Number.parseInt(high!, 16), 0xffff); code += 1)
        letters.set(code, String.fromCharCode((start + code - from) & 0xffff));
    }
    for (const [, low, list] of block!.matchAll(/<([0-9A-Fa-f]{2,4})>\s*<[0-9A-Fa-f]{2,4}>\s*\[([^\]]*)\]/g))
      for (const [index, [, hex]] of [...list!.matchAll(/<([0-9A-Fa-f]{4,64})>/g)].entries())
        letters.set(Number.parseInt(low!, 16) + index, letter(hex!));
  }
  return {
    read(bytes) {
      let text = '';
      for (let at = 0; at + width <= bytes.length; at += width) {
        const code =
          width === 1 ? bytes.charCodeAt(at) : bytes.charCodeAt(at) * 256 + bytes.charCodeAt(at + 1);
        text += letters.get(code) ?? ' ';
      }
      return text;
    },
  };
}
