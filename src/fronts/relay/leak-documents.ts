/**
 * What stands inside files that are not plain text, as far as it can be looked into: ZIP (and with it the office formats),
 * gzip, PNG, and the DER of certificates and signatures. Bounded in size; `undefined` where something cannot be read,
 * which the caller takes for the worst.
 */
import { gunzipSync, inflateRawSync, inflateSync, constants as zlib } from 'node:zlib';

export interface Entry {
  name: string;
  bytes: Buffer;
}

const mostEntries = 2000;

/** The files in a ZIP, by its central directory (APPNOTE 4.3.12); undefined when encrypted, split, ZIP64 or too large. */
export function unzip(file: Buffer, most: number): Entry[] | undefined {
  const end = file.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  if (end === -1 || end + 22 > file.length) return undefined;
  const count = file.readUInt16LE(end + 10);
  let at = file.readUInt32LE(end + 16);
  if (count > mostEntries || file.readUInt16LE(end + 4) !== 0 || at > end) return undefined;
  const entries: Entry[] = [];
  let left = most;
  for (let index = 0; index < count; index += 1) {
    if (at + 46 > end || file.readUInt32LE(at) !== 0x02014b50) return undefined;
    const nameLength = file.readUInt16LE(at + 28);
    const name = file.toString('utf8', at + 46, at + 46 + nameLength);
    const bytes = unzipEntry(file, at, left);
    if (!bytes) return undefined;
    left -= bytes.length;
    entries.push({ name, bytes });
    at += 46 + nameLength + file.readUInt16LE(at + 30) + file.readUInt16LE(at + 32);
  }
  return entries;
}

function unzipEntry(file: Buffer, directory: number, most: number): Buffer | undefined {
  const isEncrypted = (file.readUInt16LE(directory + 8) & 1) === 1;
  const method = file.readUInt16LE(directory + 10);
  const size = file.readUInt32LE(directory + 20);
  const local = file.readUInt32LE(directory + 42);
  if (isEncrypted || local + 30 > file.length || file.readUInt32LE(local) !== 0x04034b50) return undefined;
  const from = local + 30 + file.readUInt16LE(local + 26) + file.readUInt16LE(local + 28);
  const stored = file.subarray(from, from + size);
  if (stored.length !== size) return undefined;
  if (method === 0) return size <= most ? stored : undefined;
  return method === 8
    ? unpacked(() => inflateRawSync(stored, { maxOutputLength: Math.max(1, most) }))
    : undefined;
}

function unpacked(work: () => Buffer): Buffer | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

export function gunzip(file: Buffer, most: number): Buffer | undefined {
  return unpacked(() => gunzipSync(file, { maxOutputLength: Math.max(1, most) }));
}

/** Inflates what is there, also where the end is missing. */
export function inflate(file: Buffer, most: number): Buffer | undefined {
  return unpacked(() =>
    inflateSync(file, { maxOutputLength: Math.max(1, most), finishFlush: zlib.Z_SYNC_FLUSH }),
  );
}

/** Texts of a PNG that are packed (zTXt, iTXt); plain ones are found in the bytes. */
export function pngTexts(file: Buffer, most: number): Buffer[] {
  const texts: Buffer[] = [];
  for (let at = 8; at + 12 <= file.length; ) {
    const length = file.readUInt32BE(at);
    const data = file.subarray(at + 8, at + 8 + length);
    if (/^[zi]TXt$/.test(file.toString('latin1', at + 4, at + 8))) {
      // The packed part begins somewhere behind the keyword: with the two bytes every zlib stream begins with.
      for (let from = data.indexOf(0x78); from !== -1 && from < 400; from = data.indexOf(0x78, from + 1)) {
        const text = inflate(data.subarray(from), most);
        if (text?.length) texts.push(text);
      }
    }
    at += 12 + length;
  }
  return texts;
}

/** Strings that BER wrote in pieces (X.690 §8.7), put together; and whether it is data that only others can read. */
export function berStrings(file: Buffer): { strings: Buffer[]; isSealed: boolean } | undefined {
  const strings: Buffer[] = [];
  let isSealed = false;
  let steps = 0;
  const walk = (from: number, to: number, depth: number, gather?: Buffer[]): number | undefined => {
    let at = from;
    while (at < to) {
      steps += 1;
      if (depth > 40 || steps > 200_000) return undefined;
      if (file[at] === 0 && file[at + 1] === 0) return at + 2;
      const head = readHead(file, at);
      if (!head || (head.length !== undefined && head.start + head.length > to)) return undefined;
      const end = head.length === undefined ? to : head.start + head.length;
      const content = file.subarray(head.start, end);
      if (head.tag === 0x06 && sealed.has(content.toString('hex'))) isSealed = true;
      if (!head.isConstructed) {
        gather?.push(content);
        if (head.tag === 0x04) strings.push(content);
        at = end;
        continue;
      }
      const pieces: Buffer[] = [];
      const next = walk(head.start, end, depth + 1, pieces);
      if (next === undefined) return undefined;
      if (pieces.length > 0) strings.push(Buffer.concat(pieces));
      at = head.length === undefined ? next : end;
    }
    return at;
  };
  return walk(0, file.length, 0) === undefined ? undefined : { strings, isSealed };
}

/** Enveloped, encrypted, authenticated-enveloped and compressed data (RFC 5652, 5083, 3274). */
const sealed = new Set([
  '2a864886f70d010703',
  '2a864886f70d010706',
  '2a864886f70d0109100117',
  '2a864886f70d0109100109',
]);

function readHead(file: Buffer, at: number) {
  const first = file[at]!;
  if ((first & 0x1f) === 0x1f || at + 1 >= file.length) return undefined;
  const isConstructed = (first & 0x20) !== 0;
  const short = file[at + 1]!;
  if (short < 0x80) return { tag: first, isConstructed, start: at + 2, length: short };
  if (short === 0x80) return isConstructed ? { tag: first, isConstructed, start: at + 2 } : undefined;
  const bytes = short & 0x7f;
  if (bytes > 4 || at + 2 + bytes > file.length) return undefined;
  return { tag: first, isConstructed, start: at + 2 + bytes, length: file.readUIntBE(at + 2, bytes) };
}
