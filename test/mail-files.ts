/** Files as people attach them to mail, made here so that tests know what stands in them. */
import { deflateRawSync, deflateSync } from 'node:zlib';

/** A ZIP of files, as programs write it. */
export function zip(files: Record<string, string | Buffer>, flags = 0): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const [name, content] of Object.entries(files)) {
    const bytes = Buffer.from(content);
    const packed = deflateRawSync(bytes);
    const head = Buffer.alloc(30);
    head.writeUInt32LE(0x04034b50, 0);
    head.writeUInt16LE(flags, 6);
    head.writeUInt16LE(8, 8);
    head.writeUInt32LE(packed.length, 18);
    head.writeUInt32LE(bytes.length, 22);
    head.writeUInt16LE(name.length, 26);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(flags, 8);
    entry.writeUInt16LE(8, 10);
    entry.writeUInt32LE(packed.length, 20);
    entry.writeUInt32LE(bytes.length, 24);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt32LE(at, 42);
    parts.push(head, Buffer.from(name), packed);
    directory.push(entry, Buffer.from(name));
    at += 30 + name.length + packed.length;
  }
  const middle = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Object.keys(files).length, 8);
  end.writeUInt16LE(Object.keys(files).length, 10);
  end.writeUInt32LE(middle.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, middle, end]);
}

/** A PDF whose one stream is packed. */
export const pdf = (content: string, more = '') => {
  const packed = deflateSync(Buffer.from(content, 'latin1'));
  return Buffer.concat([
    Buffer.from(`%PDF-1.7\n1 0 obj\n<</Length ${packed.length}/Filter/FlateDecode>>\nstream\n`),
    packed,
    Buffer.from(`\nendstream\nendobj\n${more}\ntrailer <</Root 1 0 R>>\n%%EOF`),
  ]);
};

/** One value of BER. */
export const ber = (tag: number, ...content: Buffer[]): Buffer => {
  const bytes = Buffer.concat(content);
  return Buffer.concat([Buffer.of(tag, 0x82, bytes.length >> 8, bytes.length & 255), bytes]);
};
export const oid = (hex: string) => Buffer.concat([Buffer.of(6, hex.length / 2), Buffer.from(hex, 'hex')]);
/** What a signature of S/MIME looks like from afar, with a certificate that names someone. */
export const signature = (name: string) =>
  ber(0x30, oid('2a864886f70d010702'), ber(0xa0, ber(0x30, ber(0x86, Buffer.from(name)))));
/** A file as uuencode writes it. */
export function uu(text: string): string {
  const bytes = Buffer.from(text);
  let line = String.fromCharCode(32 + bytes.length);
  for (let at = 0; at < bytes.length; at += 3) {
    const three = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    for (const shift of [18, 12, 6, 0]) line += String.fromCharCode(32 + ((three >> shift) & 63));
  }
  return `begin 644 note.txt\n${line}\n\`\nend\n`;
}
