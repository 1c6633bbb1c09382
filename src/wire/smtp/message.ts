/**
 * A message as its exact bytes: which header fields it has, and where its text begins. Nothing is parsed further, and a
 * changed message shares every byte with the first but those of the fields that were named: what a sender has signed
 * still verifies.
 */

export interface HeaderField {
  name: string;
  /** Unfolded, without what surrounds it; bytes beyond UTF-8 are read as U+FFFD. Encoded words stay, see decodeHeader. */
  value: string;
  /** The whole field with its name and its line end, as it came. */
  raw: Buffer;
}

export interface Message {
  fields: readonly HeaderField[];
  /** Where the text begins, behind the empty line; the length of all where there is none. */
  bodyStart: number;
}

export type MessageFault = 'line-ends' | 'header-size' | 'header-fields' | 'header-form' | 'from';

/** No message that two programs would read alike. */
export class MessageRefused extends Error {
  override name = 'MessageRefused';
  readonly fault: MessageFault;
  constructor(fault: MessageFault, text: string) {
    super(text);
    this.fault = fault;
  }
}

export const largestHeader = 64 * 1024;
export const mostFields = 1000;
const fieldName = /^[!-9;-~]{1,200}[ \t]*$/;

/**
 * Reads the header of a message (RFC 5322 section 2.2). Throws MessageRefused for a bare CR or LF anywhere in it, a
 * header above 64 KiB or 1000 fields, a line that is no field, and more than one From.
 */
export function readMessage(raw: Buffer): Message {
  refuseBareLineEnds(raw);
  const headerEnd = endOfHeader(raw);
  if (headerEnd > largestHeader)
    throw new MessageRefused('header-size', `The header has more than ${largestHeader} bytes.`);
  const fields: HeaderField[] = [];
  for (let at = 0; at < headerEnd; ) {
    const end = endOfField(raw, at, headerEnd);
    if (fields.length === mostFields)
      throw new MessageRefused('header-fields', `The header has more than ${mostFields} fields.`);
    fields.push(readField(raw.subarray(at, end)));
    at = end;
  }
  if (fields.filter((field) => isNamed(field, 'from')).length > 1)
    throw new MessageRefused('from', 'The message says twice who it is from.');
  const isEmptyLine = raw[headerEnd] === 0x0d;
  return { fields, bodyStart: isEmptyLine ? headerEnd + 2 : headerEnd };
}

/** Whether this is a field of that name, however its letters are written. */
export function isNamed(field: HeaderField, name: string): boolean {
  return field.name.toLowerCase() === name.toLowerCase();
}

/** The value of the first field of that name. */
export function headerValue(message: Message, name: string): string | undefined {
  return message.fields.find((field) => isNamed(field, name))?.value;
}

export interface HeaderChanges {
  /** Whole fields, `Name: value`, to stand before all others, the first one on top. Line ends are CRLF inside, too. */
  prepend?: readonly (string | Buffer)[];
  /** Whether a field of this name goes. */
  remove?: (name: string, field: HeaderField) => boolean;
  /** The whole field to stand in place of this one; undefined where it stays. */
  replace?: (field: HeaderField) => string | undefined;
}

/**
 * The message with other header fields, and not one byte else touched. Throws RangeError when a new field is none: it
 * could end the header or add a second field.
 */
export function withHeaders(raw: Buffer, changes: HeaderChanges): Buffer {
  const message = readMessage(raw);
  const pieces: Buffer[] = (changes.prepend ?? []).map(fieldBytes);
  for (const field of message.fields) {
    if (changes.remove?.(field.name, field)) continue;
    const replaced = changes.replace?.(field);
    pieces.push(replaced === undefined ? field.raw : fieldBytes(replaced));
  }
  const end = message.fields.reduce((sum, field) => sum + field.raw.length, 0);
  // A message of a header alone may end without the empty line; what follows is what was there.
  return Buffer.concat([...pieces, raw.subarray(end)]);
}

/** One field or several folded lines as they are sent; the line end is added where it is missing. */
function fieldBytes(field: string | Buffer): Buffer {
  const bytes = typeof field === 'string' ? Buffer.from(field, 'utf8') : field;
  const whole = bytes.at(-1) === 0x0a ? bytes : Buffer.concat([bytes, Buffer.from('\r\n')]);
  const text = whole.toString('latin1');
  if (!/^(?:[!-9;-~]+:[^\r\n\0]*\r\n(?:[ \t][^\r\n\0]*\r\n)*)+$/.test(text))
    throw new RangeError('A header field is "Name: value" in lines that end in CRLF.');
  return whole;
}

/**
 * What a person reads in a header: encoded words (RFC 2047) decoded, `undefined` charsets read as UTF-8. Never throws;
 * what cannot be decoded stays as it is written.
 */
export function decodeHeader(text: string): string {
  return text
    .replace(/(=\?[^?\s]+\?[bq]\?[^?\s]*\?=)[ \t\r\n]+(?==\?[^?\s]+\?[bq]\?[^?\s]*\?=)/gi, '$1')
    .replace(/=\?([^?\s*]+)(?:\*[^?\s]*)?\?([bq])\?([^?\s]*)\?=/gi, (whole, charset, coding, coded) => {
      const bytes = coding.toLowerCase() === 'b' ? Buffer.from(coded, 'base64') : fromQ(coded);
      try {
        return new TextDecoder(charset).decode(bytes);
      } catch {
        return whole;
      }
    });
}

function fromQ(coded: string): Buffer {
  const text = coded
    .replaceAll('_', ' ')
    .replace(/=([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(text, 'latin1');
}

function refuseBareLineEnds(raw: Buffer): void {
  let ends = 0;
  for (let at = raw.indexOf(0x0d); at !== -1; at = raw.indexOf(0x0d, at + 2)) {
    if (raw[at + 1] !== 0x0a) throw bareLineEnd();
    ends += 1;
  }
  for (let at = raw.indexOf(0x0a); at !== -1; at = raw.indexOf(0x0a, at + 1)) ends -= 1;
  if (ends !== 0) throw bareLineEnd();
}

const bareLineEnd = () =>
  new MessageRefused('line-ends', 'A line ends in a bare carriage return or line feed.');

/** The place of the empty line, or the length of all. */
function endOfHeader(raw: Buffer): number {
  if (raw[0] === 0x0d && raw[1] === 0x0a) return 0;
  const found = raw.indexOf('\r\n\r\n');
  return found === -1 ? raw.length : found + 2;
}

function endOfField(raw: Buffer, start: number, headerEnd: number): number {
  for (let at = start; ; ) {
    const lineEnd = raw.indexOf('\r\n', at);
    // The last line of a message may have no end.
    if (lineEnd === -1 || lineEnd + 2 >= headerEnd) return headerEnd;
    at = lineEnd + 2;
    if (raw[at] !== 0x20 && raw[at] !== 0x09) return at;
  }
}

function readField(raw: Buffer): HeaderField {
  const colon = raw.indexOf(':');
  const name = raw.toString('latin1', 0, Math.max(colon, 0));
  if (!fieldName.test(name) || raw.includes(0))
    throw new MessageRefused('header-form', 'A line of the header is no field.');
  const value = raw
    .toString('utf8', colon + 1)
    .replace(/\r\n(?=[ \t])/g, '')
    .trim();
  return { name: name.trimEnd(), value, raw };
}
