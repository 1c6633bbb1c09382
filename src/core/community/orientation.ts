/** How a picture asks to be shown: cameras leave the pixels as they lie and note beside them how to turn them. */

/** Behind the marker and the length of its segment (Exif 2.3 §4.7.2). */
const exifStart = Buffer.from('Exif\0\0', 'latin1');
const orientationTag = 0x0112;
const shortType = 3;

/**
 * The orientation a JPEG asks for (Exif 2.3 §4.6.4, tag 274): 1 as its pixels lie, 2 to 8 turned or mirrored. 1 for what
 * asks for nothing, cannot be read, or is no JPEG.
 */
export function orientationOf(content: Buffer): number {
  const exif = exifOf(content);
  const asked = exif ? readOrientation(exif) : 1;
  return asked >= 1 && asked <= 8 ? asked : 1;
}

/** The first segment with Exif in it; it stands before the frame (ITU-T T.81 §B.2). */
function exifOf(content: Buffer): Buffer | undefined {
  if (content.length < 4 || content.readUInt16BE(0) !== 0xffd8) return undefined;
  let at = 2;
  while (at + 4 <= content.length && content[at] === 0xff) {
    const marker = content[at + 1]!;
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    // Entropy-coded data begins, the picture ends, or nothing that has a length.
    if (marker < 0xc0 || (marker >= 0xd0 && marker <= 0xda)) return undefined;
    const end = at + 2 + content.readUInt16BE(at + 2);
    const data = content.subarray(at + 4, end);
    if (marker === 0xe1 && data.subarray(0, exifStart.length).equals(exifStart))
      return data.subarray(exifStart.length);
    at = end;
  }
  return undefined;
}

/** A TIFF of one directory of fields, in either order of bytes (TIFF 6.0 §2). */
function readOrientation(tiff: Buffer): number {
  const order = tiff.toString('latin1', 0, 2);
  if (tiff.length < 8 || (order !== 'II' && order !== 'MM')) return 1;
  const short = (at: number) => (order === 'II' ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at));
  const directory = order === 'II' ? tiff.readUInt32LE(4) : tiff.readUInt32BE(4);
  if (short(2) !== 42 || directory + 2 > tiff.length) return 1;
  const count = short(directory);
  for (let field = directory + 2, left = count; left > 0 && field + 12 <= tiff.length; field += 12, left -= 1)
    if (short(field) === orientationTag && short(field + 2) === shortType) return short(field + 8);
  return 1;
}
