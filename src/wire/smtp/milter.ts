/**
 * The milter protocol, version 6, as Postfix speaks it (MILTER_README; there is no RFC): packets of a length, a letter and
 * data. Of what a mail server may tell we want who talks, whom the message is for and the message itself, and of what may
 * be done to a message we use another return address and other header fields.
 */

export class MilterRefused extends Error {
  override name = 'MilterRefused';
}

/** One packet: what it is, by its letter, and what goes with it. */
export interface MilterPacket {
  command: string;
  data: Buffer;
}

export interface MilterReader {
  /** Takes what came and returns every packet that is whole by now. Throws MilterRefused, then the connection is over. */
  push(chunk: Buffer): MilterPacket[];
  readonly isPending: boolean;
}

const version = 6;
/** Add header fields, change them, change the sender. */
const actions = 0x01 | 0x10 | 0x40;
/** Values of header fields as they stand, with the blank before them. */
const leadingSpace = 0x100000;
/** Not sent: DATA, the end of the header, commands nobody knows. Not answered: all else but recipients and the end. */
const steps = 0x200 | 0x40 | 0x100 | 0x80 | 0x1000 | 0x2000 | 0x4000 | 0x80000 | leadingSpace;

/** Reads packets off a connection, however they are cut; at most `maxBytes` in one. */
export function createMilterReader(options: { maxBytes: number }): MilterReader {
  let rest: Buffer = Buffer.alloc(0);
  return {
    get isPending() {
      return rest.length > 0;
    },
    push(chunk) {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const packets: MilterPacket[] = [];
      while (rest.length >= 4) {
        const length = rest.readUInt32BE(0);
        if (length === 0) throw new MilterRefused('A packet has at least its letter.');
        if (length > options.maxBytes)
          throw new MilterRefused(`More than ${options.maxBytes} bytes are not read.`);
        if (rest.length < 4 + length) break;
        packets.push({
          command: String.fromCharCode(rest[4]!),
          data: Buffer.from(rest.subarray(5, 4 + length)),
        });
        rest = rest.subarray(4 + length);
      }
      return packets;
    },
  };
}

/** Texts that each end in a zero byte, as bytes. Throws MilterRefused where the last one does not. */
export function readTexts(data: Buffer): Buffer[] {
  const texts: Buffer[] = [];
  for (let at = 0; at < data.length; ) {
    const end = data.indexOf(0, at);
    if (end === -1) throw new MilterRefused('A text ends in a zero byte.');
    texts.push(data.subarray(at, end));
    at = end + 1;
  }
  return texts;
}

/** Who talks (SMFIC_CONNECT). `address` is empty where the mail server does not know it. */
export function readClient(data: Buffer): { address: string; port: number } {
  const name = data.indexOf(0);
  const family = String.fromCharCode(data[name + 1] ?? 0);
  if (name === -1 || (family !== '4' && family !== '6')) return { address: '', port: 0 };
  if (data.length < name + 5) throw new MilterRefused('An address comes with its port.');
  const [address = ''] = readTexts(data.subarray(name + 4));
  return {
    address: address.toString('latin1').replace(/^IPv6:/i, ''),
    port: data.readUInt16BE(name + 2),
  };
}

/** The macros that go with a command (SMFIC_MACRO), by their names without braces. */
export function readMacros(data: Buffer): Map<string, string> {
  const texts = readTexts(data.subarray(1)).map((text) => text.toString('utf8'));
  const macros = new Map<string, string>();
  for (let at = 0; at + 1 < texts.length; at += 2)
    macros.set(texts[at]!.replace(/^\{|\}$/g, ''), texts[at + 1]!);
  return macros;
}

/** A field of the header as it stood in the message. Folded lines come with line feeds alone. */
export function readHeaderField(data: Buffer): Buffer {
  const [name, value] = readTexts(data);
  if (!name || !value) throw new MilterRefused('A field of the header has a name and a value.');
  const folded = value.toString('latin1').replace(/\r?\n/g, '\r\n');
  return Buffer.concat([name, Buffer.from(`:${folded}\r\n`, 'latin1')]);
}

/**
 * What we want to be told and may do, in answer to what is offered (SMFIC_OPTNEG). Throws MilterRefused where the mail
 * server is too old for it.
 */
export function writeOptions(offered: Buffer): Buffer {
  if (offered.length < 12) throw new MilterRefused('Options are three numbers.');
  const [theirs, can, may] = [0, 4, 8].map((at) => offered.readUInt32BE(at));
  if (theirs! < version || (can! & actions) !== actions || (may! & steps) !== steps)
    throw new MilterRefused(
      'The mail server speaks an older milter protocol: Postfix 3.4 or later is needed.',
    );
  const data = Buffer.alloc(12);
  data.writeUInt32BE(version, 0);
  data.writeUInt32BE(actions, 4);
  data.writeUInt32BE(steps, 8);
  return packet('O', data);
}

/** Goes on: with the next recipient, or with the message where it is at its end. */
export const writeContinue = (): Buffer => packet('c');

/** The message is taken without further questions. */
export const writeAccept = (): Buffer => packet('a');

/** An answer such as `550 5.1.1 No mailbox here.` in place of the mail server's own. One line whatever it holds. */
export function writeAnswer(text: string): Buffer {
  // The mail server reads %% as %.
  return packet('y', texts(text.replace(/[\x00-\x1f\x7f]+/g, ' ').replaceAll('%', '%%')));
}

/** Another return address. Throws RangeError where it is none. */
export function writeSender(address: string): Buffer {
  if (!/^[\x21-\x3b\x3d\x3f-\x7e]+$/.test(address))
    throw new RangeError('A return address is one word of ASCII.');
  return packet('e', texts(`<${address}>`));
}

/** A field, `Name: value`, to stand above all others; inside it lines end in CRLF. */
export function writeFieldAbove(field: string): Buffer {
  const colon = field.indexOf(':');
  const value = field.slice(colon + 1).replace(/(?:\r\n)+$/, '');
  if (colon < 1 || /\r(?!\n)|(?<!\r)\n|\0|\r\n(?![ \t])/.test(value))
    throw new RangeError('A header field is "Name: value" in lines that end in CRLF.');
  const place = Buffer.alloc(4);
  return packet('i', Buffer.concat([place, texts(field.slice(0, colon), value.replaceAll('\r\n', '\n'))]));
}

/** Takes the so many-th field of that name away, counted from 1. */
export function writeNoField(name: string, which: number): Buffer {
  const place = Buffer.alloc(4);
  place.writeUInt32BE(which);
  return packet('m', Buffer.concat([place, texts(name, '')]));
}

const texts = (...all: string[]) => Buffer.from(all.map((text) => `${text}\0`).join(''), 'utf8');

function packet(command: string, data: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(data.length + 1, 0);
  head.write(command, 4, 'latin1');
  return Buffer.concat([head, data]);
}
