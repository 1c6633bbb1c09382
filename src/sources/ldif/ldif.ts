/**
 * LDIF (RFC 2849) content records, read as a stream: folded lines, base64 values, comments, CRLF or LF.
 *
 * Owns: entries as attribute names with values as bytes. Records nothing.
 * Refuses, each with its line number and without stopping: broken base64, lines that are none, values by URL
 * (`:<` would read any file of the machine), change records, lines and records beyond the bounds.
 */
import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { type Source, type SourceError, SourceIncomplete, type SourceItem } from '#sources/source.ts';
import { decodeUtf8 } from './dn.ts';
import { readTreeEntry, type TreeOptions } from './openmrs-tree.ts';

export interface LdifEntry {
  dn: string;
  /** Number of the line the entry begins at, from 1. */
  line?: number;
  /** By attribute name in lower case without options (`cn;lang-fr` counts as `cn`). */
  attributes: Map<string, Buffer[]>;
}

export type LdifItem = { kind: 'entry'; entry: LdifEntry } | { kind: 'error'; error: SourceError };

export interface LdifLimits {
  /** Bytes of one logical line, folds joined. */
  lineBytes: number;
  /** Bytes of one record; a group of 50,000 members takes about 4 MB. */
  recordBytes: number;
}

const DEFAULT_LIMITS: LdifLimits = { lineBytes: 1_048_576, recordBytes: 16_777_216 };

/** A logical line; of one that is too long only the beginning. Empty is the end of a record. */
interface LogicalLine {
  number: number;
  bytes: Buffer;
  tooLong: boolean;
}

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;

/** Joins folds. Holds at most one logical line of `limit` bytes and one chunk. */
async function* logicalLines(chunks: AsyncIterable<Buffer>, limit: number): AsyncGenerator<LogicalLine> {
  let parts: Buffer[] = [];
  let length = 0;
  let begun = 0;
  let number = 0;
  let rest: Buffer = Buffer.alloc(0);

  const take = (bytes: Buffer) => {
    length += bytes.length;
    // Copied, or each short value would keep its whole chunk in memory.
    if (length <= limit) parts.push(Buffer.from(bytes));
  };
  const complete = (): LogicalLine => ({
    number: begun,
    bytes: Buffer.concat(parts),
    tooLong: length > limit,
  });
  /** Takes the next line of the file; gives back the logical line it shows to be over. */
  const physical = (line: Buffer): LogicalLine | undefined => {
    number += 1;
    const bytes = line.at(-1) === CR ? line.subarray(0, -1) : line;
    if (bytes[0] === SPACE && length > 0) {
      take(bytes.subarray(1));
      return undefined;
    }
    const over = begun > 0 ? complete() : undefined;
    parts = [];
    length = 0;
    begun = number;
    take(bytes);
    return over;
  };

  for await (const chunk of chunks) {
    const data = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    let start = 0;
    for (let end = data.indexOf(LF); end >= 0; end = data.indexOf(LF, start)) {
      const over = physical(data.subarray(start, end));
      start = end + 1;
      if (over) yield over;
    }
    // A line without end is not collected beyond what is needed to know that it is too long.
    rest = data.subarray(start, Math.min(data.length, start + limit + 2));
  }
  const over = rest.length > 0 ? physical(rest) : undefined;
  if (over) yield over;
  if (begun > 0) yield complete();
}

/** What one line says. */
type Parsed = { name: string; value: Buffer } | { code: string; text: string };

const attributeShape = /^(?:[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)*)(?:;[A-Za-z0-9-]+)*$/;

function parseLine(bytes: Buffer): Parsed {
  const colon = bytes.indexOf(0x3a);
  const name = bytes.subarray(0, Math.max(colon, 0)).toString('latin1');
  if (!attributeShape.test(name))
    return { code: 'ldif-line', text: 'This line does not read "attribute: value".' };
  const marker = bytes[colon + 1];
  if (marker === 0x3c)
    return { code: 'ldif-url', text: `The value of ${name} is given by a URL, which is never opened.` };
  let start = colon + (marker === 0x3a ? 2 : 1);
  while (bytes[start] === SPACE) start += 1;
  const raw = bytes.subarray(start);
  if (marker !== 0x3a) return { name, value: raw };
  const text = raw.toString('latin1').trimEnd();
  const digits = text.replace(/={1,2}$/, '');
  const wellFormed = /^[A-Za-z0-9+/]*$/.test(digits) && digits.length % 4 !== 1;
  if (!wellFormed) return { code: 'ldif-base64', text: `The value of ${name} is not base64.` };
  return { name, value: Buffer.from(text, 'base64') };
}

/** Collects the lines of one record and judges it at its end. */
class OpenRecord {
  dn: string | undefined;
  readonly line: number;
  readonly attributes = new Map<string, Buffer[]>();
  readonly errors: SourceError[] = [];
  private bytes = 0;
  private overfull = false;

  constructor(line: number) {
    this.line = line;
  }

  fail(line: number, code: string, text: string): void {
    this.errors.push({ line, ...(this.dn === undefined ? {} : { dn: this.dn }), code, text });
  }

  add(line: LogicalLine, limits: LdifLimits): void {
    if (this.overfull) return;
    this.bytes += line.bytes.length;
    this.overfull = this.bytes > limits.recordBytes;
    if (line.tooLong) {
      this.fail(line.number, 'ldif-line-long', `This line is longer than ${limits.lineBytes} bytes.`);
    } else if (this.overfull) {
      this.attributes.clear();
      this.fail(line.number, 'ldif-record-long', `The record is longer than ${limits.recordBytes} bytes.`);
    } else {
      const parsed = parseLine(line.bytes);
      if ('code' in parsed) this.fail(line.number, parsed.code, parsed.text);
      else this.keep(line.number, parsed.name.toLowerCase().replace(/;.*$/s, ''), parsed.value);
    }
  }

  private keep(line: number, name: string, value: Buffer): void {
    const values = this.attributes.get(name);
    if (name === 'dn') this.name(line, value);
    else if (values) values.push(value);
    else this.attributes.set(name, [value]);
  }

  private name(line: number, value: Buffer): void {
    const dn = decodeUtf8(value);
    if (this.dn !== undefined)
      this.fail(line, 'ldif-dn-twice', 'A second "dn:" without an empty line before it.');
    else if (dn === undefined) this.fail(line, 'ldif-dn', 'The name of this record is not UTF-8 text.');
    else this.dn = dn;
  }

  *items(): Generator<LdifItem> {
    for (const attribute of ['changetype', 'control']) {
      const value = this.attributes.get(attribute)?.[0];
      if (value === undefined || this.dn === undefined) continue;
      this.fail(
        this.line,
        'ldif-change-record',
        `This is a change record (${attribute}: ${value.toString('latin1').slice(0, 20)}), not an entry. Export the directory itself, for example with slapcat.`,
      );
      break;
    }
    if (this.errors.length === 0 && this.dn === undefined)
      this.fail(this.line, 'ldif-no-dn', 'This record does not begin with "dn:".');
    for (const error of this.errors) yield { kind: 'error', error };
    if (this.errors.length > 0) return;
    yield { kind: 'entry', entry: { dn: this.dn!, line: this.line, attributes: this.attributes } };
  }

  /** The trailer ldapsearch prints, `search: 2` and `result: 0 Success`; any other result is a short export. */
  trailer(): string | undefined {
    if (this.dn !== undefined || !this.attributes.has('search')) return undefined;
    return this.attributes.get('result')?.[0]?.toString('latin1');
  }
}

/**
 * Entries and errors of an LDIF text, in order. `chunks`: bytes in pieces of any size.
 * Throws SourceIncomplete when the text itself says that the export broke off.
 */
export async function* parseLdif(
  chunks: AsyncIterable<Buffer>,
  limits: Partial<LdifLimits> = {},
): AsyncGenerator<LdifItem> {
  const bounds = { ...DEFAULT_LIMITS, ...limits };
  let record: OpenRecord | undefined;
  let first = true;

  for await (const line of logicalLines(withoutMark(chunks), bounds.lineBytes)) {
    if (line.bytes.length === 0 && !line.tooLong) {
      if (record) yield* finish(record);
      record = undefined;
      continue;
    }
    if (line.bytes[0] === 0x23) continue;
    if (first) {
      first = false;
      const version = /^version:\s*(.*?)\s*$/i.exec(line.bytes.toString('latin1'));
      if (version) {
        if (version[1] !== '1')
          yield {
            kind: 'error',
            error: {
              line: line.number,
              code: 'ldif-version',
              text: 'Only LDIF version 1 is known; read as that.',
            },
          };
        continue;
      }
    }
    record ??= new OpenRecord(line.number);
    record.add(line, bounds);
  }
  if (record) yield* finish(record);
}

function* finish(record: OpenRecord): Generator<LdifItem> {
  const result = record.trailer();
  if (result === undefined) yield* record.items();
  else if (!/^0\b/.test(result))
    throw new SourceIncomplete(
      'ldif-incomplete',
      `The export broke off: the directory answered "${result.slice(0, 80)}". Export again with paging, or as an administrator.`,
    );
}

/** Drops the byte order mark some editors put before the first line. */
async function* withoutMark(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let start = true;
  for await (const chunk of chunks) {
    const marked = start && chunk[0] === 0xef && chunk[1] === 0xbb && chunk[2] === 0xbf;
    if (chunk.length > 0) start = false;
    yield marked ? chunk.subarray(3) : chunk;
  }
}

/**
 * A directory export in a file, as a source. Throws what opening and reading the file throws.
 */
export function ldifSource(
  file: string,
  options: TreeOptions & { limits?: Partial<LdifLimits> } = {},
): Source {
  return {
    label: basename(file),
    readSource: () => readLdif(createReadStream(file, { highWaterMark: 262_144 }), options),
  };
}

/** Entries of an LDIF text as people and groups. */
export async function* readLdif(
  chunks: AsyncIterable<Buffer>,
  options: TreeOptions & { limits?: Partial<LdifLimits> } = {},
): AsyncGenerator<SourceItem> {
  for await (const item of parseLdif(chunks, options.limits)) {
    if (item.kind === 'error') yield item;
    else yield readTreeEntry(item.entry, options);
  }
}
