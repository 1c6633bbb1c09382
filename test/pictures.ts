/** Pictures made for tests, so that none has to be kept. */
import { crc32, deflateSync } from 'node:zlib';

type Colour = readonly [red: number, green: number, blue: number, alpha: number];

/** A real PNG of one colour (RGBA, 8 bits). */
export function makePng(width: number, height: number, colour: Colour = [43, 80, 200, 255]): Buffer {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 6, 0, 0, 0], 8);
  const line = Buffer.concat([Buffer.of(0), Buffer.alloc(width * 4, Buffer.from(colour))]);
  const lines = deflateSync(Buffer.concat(Array.from({ length: height }, () => line)));
  const signature = Buffer.from('89504e470d0a1a0a', 'hex');
  return Buffer.concat([
    signature,
    chunk('IHDR', head),
    chunk('IDAT', lines),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  check.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, check]);
}

/** What a JPEG of this size begins with, up to its frame and a little beyond. */
export function jpegHead(width: number, height: number, frame = 0xc0): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt16BE(height, 0);
  size.writeUInt16BE(width, 2);
  return Buffer.concat([
    Buffer.from('ffd8ffe000104a46494600010100000100010000', 'hex'),
    // A comment, a table, and fill bytes before the frame.
    Buffer.from('fffe0006c0c0c0c0ffdb000400ffffff', 'hex'),
    Buffer.of(0xff, frame, 0, 11, 8),
    size,
    Buffer.from('0101110000', 'hex'),
  ]);
}

/** A segment as cameras write it, with one field that says how to turn the picture. */
export function exif(
  orientation: number,
  order: 'II' | 'MM' = 'MM',
  { mark = 42, directory = 8, type = 3 } = {},
): Buffer {
  const tiff = Buffer.alloc(26);
  const short = (value: number, at: number) =>
    order === 'II' ? tiff.writeUInt16LE(value, at) : tiff.writeUInt16BE(value, at);
  const long = (value: number, at: number) =>
    order === 'II' ? tiff.writeUInt32LE(value, at) : tiff.writeUInt32BE(value, at);
  tiff.write(order, 'latin1');
  short(mark, 2);
  long(directory, 4);
  short(1, 8);
  short(0x0112, 10);
  short(type, 12);
  long(1, 14);
  short(orientation, 18);
  const head = Buffer.from('ffe10000457869660000', 'hex');
  head.writeUInt16BE(head.length - 2 + tiff.length, 2);
  return Buffer.concat([head, tiff]);
}

/** What a JPEG of 80 × 40 begins with that asks to be turned. */
export function jpegTurned(orientation: number, order: 'II' | 'MM' = 'MM'): Buffer {
  const plain = jpegHead(80, 40);
  return Buffer.concat([plain.subarray(0, 2), exif(orientation, order), plain.subarray(2)]);
}

/** As a setting takes it. */
export const dataImage = (type: string, content: Buffer) =>
  `data:image/${type};base64,${content.toString('base64')}`;
