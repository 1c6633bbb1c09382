/**
 * Whether a message shows one of the addresses a person keeps to themselves: in its text, in what is attached, in a
 * certificate, in a file inside a file. What cannot be looked into is said to be so; the caller takes it for the same.
 * Pure and bounded, so that it may run anywhere; it takes some 200 ms a megabyte.
 */
import PostalMime, { type Attachment } from 'postal-mime';
import { readMessage } from '#wire/smtp/message.ts';
import { berStrings, gunzip, pngTexts, unzip } from './leak-documents.ts';
import { createFinder, type Finder } from './leak-finder.ts';
import { pdfTexts } from './leak-pdf.ts';
import { base64Runs, standsIn, standsInBytes } from './leak-views.ts';

export interface Leak {
  /** `shown`: an address stands there. `unreadable`: nobody can tell. `nested`: a message with the traces of its way. */
  kind: 'shown' | 'unreadable' | 'nested';
  where: 'text' | 'attachment';
  /** Name of the attached file, where it has one. */
  name?: string;
}

interface Search {
  has: Finder;
  reads: { utf7: boolean; latin1: boolean };
  /** Bytes that may still be unpacked. */
  left: number;
  /** Pieces that may still be looked at. */
  pieces: number;
}

interface Piece {
  bytes: Buffer;
  /** Media type as it was declared, in small letters. */
  type?: string;
  name?: string;
}

const mostUnpacked = 100_000_000;
const mostPieces = 3000;
const mostEncoded = 50;
const deepest = 8;
const shown = { kind: 'shown', where: 'text' } as const;
const unreadable = { kind: 'unreadable', where: 'attachment' } as const;

/** The first leak of any of these addresses in a whole message; undefined when there is none. */
export async function findLeak(input: {
  raw: Uint8Array;
  addresses: readonly string[];
  /** Of ours: they may stand there. */
  known?: readonly string[];
}): Promise<Leak | undefined> {
  const { addresses, known } = input;
  const raw = Buffer.from(input.raw.buffer, input.raw.byteOffset, input.raw.byteLength);
  const isBeyondAscii = addresses.some((one) => /[^\x20-\x7e]/.test(one));
  const search: Search = {
    has: createFinder(addresses, known),
    reads: { utf7: /utf-?7/i.test(raw.toString('latin1')), latin1: isBeyondAscii },
    left: mostUnpacked,
    pieces: mostPieces,
  };
  return inMessage(search, raw, 0);
}

async function inMessage(search: Search, raw: Buffer, depth: number): Promise<Leak | undefined> {
  if (depth > deepest) return unreadable;
  const { blocks, words, rest } = base64Runs(raw);
  for (const bytes of [rest, words, ...blocks])
    if (standsInBytes(search.has, bytes, search.reads)) return inPlace(search, raw, depth);
  const oddity = oddCoding(rest.toString('latin1'));
  if (oddity) return oddity;
  for (const file of uuencoded(rest.toString('latin1'))) {
    const leak = await inPiece(search, file, depth + 1);
    if (leak) return leak;
  }
  for (const block of blocks) {
    // Files within a text, say as a data: address. Whatever has no mark of a known kind is not taken for one.
    const leak = isPacked(block) ? await inPiece(search, { bytes: block }, depth + 1) : undefined;
    if (leak) return leak;
  }
  return inParts(search, raw, depth);
}

/** An address that stands somewhere in the bytes: in the text, unless a part says better where a person finds it. */
async function inPlace(search: Search, raw: Buffer, depth: number): Promise<Leak> {
  const found = await inParts(search, raw, depth);
  return found?.kind === 'shown' ? found : shown;
}

async function inParts(search: Search, raw: Buffer, depth: number): Promise<Leak | undefined> {
  const limits = { maxNestingDepth: 60, maxHeadersSize: 512 * 1024, forceRfc822Attachments: true } as const;
  const parsed = await PostalMime.parse(raw, limits).catch(() => undefined);
  if (!parsed) return { kind: 'unreadable', where: 'text' };
  for (const text of [parsed.text, parsed.html, parsed.subject]) {
    if (text !== undefined && standsIn(search.has, text)) return shown;
  }
  for (const attached of parsed.attachments) {
    const name = attached.filename ?? undefined;
    const said = [name, attached.description, attached.contentId].filter(Boolean).join('\n');
    if (standsIn(search.has, said)) return { kind: 'shown', where: 'attachment' };
    const piece = { bytes: bytesOf(attached), type: attached.mimeType.toLowerCase(), name };
    const leak = await inPiece(search, piece, depth + 1);
    if (leak) return { ...leak, where: 'attachment', ...(name && { name }) };
  }
  return undefined;
}

function bytesOf({ content }: Attachment): Buffer {
  if (typeof content === 'string') return Buffer.from(content, 'utf8');
  return content instanceof ArrayBuffer
    ? Buffer.from(content)
    : Buffer.from(content.buffer, content.byteOffset, content.byteLength);
}

/** Codings and charsets by which text reads as something else than what stands there. */
function oddCoding(raw: string): Leak | undefined {
  const headers = [
    ...raw.matchAll(/^content-(type|transfer-encoding)[ \t]*:((?:[^\r\n]|\r\n[ \t]){0,2000})/gim),
  ];
  for (const [, kind, value] of headers) {
    if (kind!.toLowerCase() === 'type') {
      const charset = /charset\*?\s*=\s*"?(?:[\w-]*'[\w-]*')?([^\s";]+)/i.exec(value!)?.[1];
      if (charset && !readsAsAscii(charset)) return { kind: 'unreadable', where: 'text' };
      if (/^\s*message\/(?:partial|external-body)/i.test(value!)) return unreadable;
      if (/^\s*(?:multipart\/encrypted|application\/pgp-encrypted)/i.test(value!)) return unreadable;
    } else if (!/^\s*(?:7bit|8bit|binary|quoted-printable|base64|(?:x-)?uu(?:e|encode))?\s*$/i.test(value!))
      return unreadable;
  }
  return /^=ybegin |^\(This file must be converted with BinHex|^-----BEGIN PGP MESSAGE-----/m.test(raw)
    ? unreadable
    : undefined;
}

/** Names of charsets that no standard of the Web lists, and whose first half is ASCII. */
const likeAscii =
  /^(?:(?:cp|ibm)-?(?:437|8[56]\d|125\d|874)|unknown-8bit|x-unknown|unknown|default|ansi|utf-?7|utf-?32(?:[bl]e)?|iso-?8859-?\d+.*)$/i;

function readsAsAscii(charset: string): boolean {
  if (likeAscii.test(charset)) return true;
  try {
    new TextDecoder(charset);
    return true;
  } catch {
    return false;
  }
}

function uuencoded(raw: string): Piece[] {
  const files: Piece[] = [];
  const begins = [...raw.matchAll(/^begin [0-7]{3,4} ([^\r\n]{1,200})\r?\n/gm)];
  for (const [turn, match] of begins.slice(0, mostEncoded).entries()) {
    const lines: Buffer[] = [];
    const end = begins[turn + 1]?.index ?? raw.length;
    for (const line of raw.slice(match.index + match[0].length, end).split(/\r?\n/)) {
      if (line === 'end' || line.length > 90) break;
      lines.push(uuLine(line));
    }
    const bytes = Buffer.concat(lines);
    if (bytes.length > 0) files.push({ bytes, name: match[1] });
  }
  // More files than anybody sends: nobody looks at all of them.
  return begins.length > mostEncoded ? [...files, { bytes: Buffer.of(0), name: 'begin' }] : files;
}

function uuLine(line: string): Buffer {
  const six = (at: number) => ((line.charCodeAt(at) || 32) - 32) & 63;
  const bytes = Buffer.alloc(Math.ceil(Math.max(line.length - 1, 0) / 4) * 3);
  for (let at = 1, to = 0; at < line.length; at += 4, to += 3)
    bytes.writeUIntBE((six(at) << 18) | (six(at + 1) << 12) | (six(at + 2) << 6) | six(at + 3), to, 3);
  return bytes.subarray(0, six(0));
}

const starts = (bytes: Buffer, ...marks: string[]) =>
  marks.some((mark) => bytes.subarray(0, mark.length).equals(Buffer.from(mark, 'latin1')));
const isZip = (bytes: Buffer) => starts(bytes, 'PK\x03\x04', 'PK\x05\x06');
const isGzip = (bytes: Buffer) => starts(bytes, '\x1f\x8b');
const isPdf = (bytes: Buffer) => bytes.subarray(0, 1024).includes('%PDF-');
const isPacked = (bytes: Buffer) => isZip(bytes) || isGzip(bytes) || isPdf(bytes);

/** Pictures: what stands in them as text stands there plainly. What is painted nobody can search. */
const isPicture = (bytes: Buffer) =>
  starts(bytes, '\x89PNG', '\xff\xd8\xff', 'GIF8', 'BM', 'II*\0', 'MM\0*', '\xd7\xcd\xc6\x9a') ||
  /^(?:RIFF[\s\S]{4}WEBP|[\s\S]{4}ftyp(?:heic|heix|mif1|avif))/.test(bytes.toString('latin1', 0, 12)) ||
  bytes.toString('latin1', 40, 44) === ' EMF';

async function inPiece(search: Search, piece: Piece, depth: number): Promise<Leak | undefined> {
  const { bytes, type = '', name = '' } = piece;
  search.pieces -= 1;
  if (depth > deepest || search.pieces < 0) return unreadable;
  if (standsInBytes(search.has, bytes, search.reads)) return { kind: 'shown', where: 'attachment' };
  if (bytes.length === 0) return undefined;
  if (type === 'message/rfc822' || type === 'message/global') return inNested(search, bytes, depth);
  if (isZip(bytes)) return inEntries(search, unzip(bytes, search.left), depth);
  if (isGzip(bytes)) {
    const content = gunzip(bytes, search.left);
    return content ? inUnpacked(search, { bytes: content }, depth) : unreadable;
  }
  if (isPdf(bytes)) return inTexts(search, pdfTexts(bytes, search.left));
  if (starts(bytes, '\x89PNG')) return inTexts(search, pngTexts(bytes, search.left));
  if (isPicture(bytes)) return undefined;
  if (
    /pkcs7|pkcs12|pkix|x-x509/.test(type) ||
    (bytes[0] === 0x30 && /\.(?:p7[smc]|cer|crt|der)$/i.test(name))
  )
    return inDer(search, bytes, depth);
  if (isText(bytes)) return inText(search, bytes, depth);
  // Settings of printers and fonts travel inside office files: UTF-16 and plain bytes, searched above.
  return /(?:printersettings\d*\.bin|\.odttf)$/i.test(name) ? undefined : unreadable;
}

async function inNested(search: Search, bytes: Buffer, depth: number): Promise<Leak | undefined> {
  const crlf = Buffer.from(bytes.toString('latin1').replace(/\r\n|\r|\n/g, '\r\n'), 'latin1');
  try {
    if (readMessage(crlf).fields.some((field) => traces.test(field.name)))
      return { kind: 'nested', where: 'attachment' };
  } catch {
    return unreadable;
  }
  return inMessage(search, crlf, depth);
}

/** Fields by which the way of a message, and with it whoever got it, can be told. */
const traces =
  /^(?:received|x-received|return-path|delivered-to|x-original-to|envelope-to|x-forwarded-.*|x-originating-.*|arc-.*|authentication-results|received-spf|x-google-.*|x-gm-.*|x-ms-exchange-.*|x-sender.*)$/i;

async function inEntries(
  search: Search,
  entries: readonly Piece[] | undefined,
  depth: number,
): Promise<Leak | undefined> {
  if (!entries) return unreadable;
  for (const entry of entries) {
    if (standsIn(search.has, entry.name ?? '')) return { kind: 'shown', where: 'attachment' };
    const leak = await inUnpacked(search, entry, depth);
    if (leak) return leak;
  }
  return undefined;
}

function inUnpacked(search: Search, piece: Piece, depth: number): Promise<Leak | undefined> {
  search.left -= piece.bytes.length;
  return inPiece(search, piece, depth + 1);
}

function inTexts(search: Search, texts: readonly Buffer[] | undefined): Leak | undefined {
  if (!texts) return unreadable;
  for (const text of texts) {
    search.left -= text.length;
    if (search.left < 0) return unreadable;
    if (standsInBytes(search.has, text, search.reads)) return { kind: 'shown', where: 'attachment' };
  }
  return undefined;
}

/** Certificates and signatures: names and addresses in them, and the message a signature is wrapped around. */
async function inDer(search: Search, bytes: Buffer, depth: number): Promise<Leak | undefined> {
  const read = berStrings(bytes);
  if (!read || read.isSealed) return isText(bytes) ? inText(search, bytes, depth) : unreadable;
  for (const text of read.strings) {
    if (standsInBytes(search.has, text, search.reads)) return { kind: 'shown', where: 'attachment' };
    const leak = /^[\s\S]{0,2000}content-type\s*:/i.test(text.toString('latin1', 0, 4000))
      ? await inNested(search, text, depth + 1)
      : undefined;
    if (leak) return leak;
  }
  return undefined;
}

async function inText(search: Search, bytes: Buffer, depth: number): Promise<Leak | undefined> {
  const { blocks, words } = base64Runs(bytes);
  if (standsInBytes(search.has, words, search.reads)) return { kind: 'shown', where: 'attachment' };
  for (const block of blocks) {
    if (standsInBytes(search.has, block, search.reads)) return { kind: 'shown', where: 'attachment' };
    const leak = isPacked(block) ? await inPiece(search, { bytes: block }, depth + 1) : undefined;
    if (leak) return leak;
  }
  return oddCoding(bytes.toString('latin1'));
}

/** Text of any charset built on ASCII, or UTF-16: no control characters but those of lines and of ISO 2022. */
function isText(bytes: Buffer): boolean {
  if (starts(bytes, '\xff\xfe', '\xfe\xff')) return true;
  return bytes.every((byte) => byte >= 0x20 || (byte >= 9 && byte <= 13) || byte === 27);
}
