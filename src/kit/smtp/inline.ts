/** Pictures that stand inside a letter (RFC 2387, RFC 2392): which may go along, and what their own bytes say they are. */
import { MailRefused } from './failed.ts';

export type InlineType = 'image/png' | 'image/jpeg';

export interface InlineImage {
  /** `name@domain`, the same for the same picture; the letter's HTML shows it as `src="cid:…"`. */
  cid: string;
  contentType: InlineType;
  content: Buffer;
}

const mostImages = 4;
const mostBytes = 64 * 1024;
const longestSide = 4096;
const contentId = /^[a-z0-9.-]{1,64}@[a-z0-9.-]{1,190}$/i;
// The signature, and the head of the chunk that has to follow it (PNG §5.2, §11.2.1).
const pngStart = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex');

export interface Measured {
  contentType: InlineType;
  /** In its own pixels. */
  width: number;
  height: number;
}

/** What a picture is by its first bytes, whatever it is called; undefined for what no letter may carry. */
export function readImage(content: Buffer): Measured | undefined {
  if (content.length > mostBytes) return undefined;
  const found = readPng(content) ?? readJpeg(content);
  if (!found) return undefined;
  return [found.width, found.height].every((side) => side >= 1 && side <= longestSide) ? found : undefined;
}

function readPng(content: Buffer): Measured | undefined {
  if (content.length < 33 || !content.subarray(0, pngStart.length).equals(pngStart)) return undefined;
  return { contentType: 'image/png', width: content.readUInt32BE(16), height: content.readUInt32BE(20) };
}

/** The size stands in the frame header, behind segments that each say how long they are (ITU-T T.81 §B.2). */
function readJpeg(content: Buffer): Measured | undefined {
  if (content.length < 4 || content.readUInt16BE(0) !== 0xffd8) return undefined;
  let at = 2;
  while (at + 9 <= content.length && content[at] === 0xff) {
    const marker = content[at + 1]!;
    // Fill bytes may stand before any marker.
    if (marker === 0xff) at += 1;
    else if (isFrame(marker))
      return {
        contentType: 'image/jpeg',
        width: content.readUInt16BE(at + 7),
        height: content.readUInt16BE(at + 5),
      };
    // Between the start and the frame only segments with a length stand.
    else if (marker < 0xc0 || (marker >= 0xd0 && marker <= 0xda)) return undefined;
    else at += 2 + content.readUInt16BE(at + 2);
  }
  return undefined;
}

/** Start of a frame: all of C0 to CF but tables (C4, CC) and the reserved C8. */
function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
}

/**
 * The pictures of a letter as they may leave: nothing but what the bytes prove, and nothing that the letter does not
 * show. Throws MailRefused.
 */
export function checkedInline(images: readonly InlineImage[], html: string | undefined): InlineImage[] {
  if (images.length > mostImages)
    throw new MailRefused(`A letter carries ${mostImages} pictures at the most.`);
  const seen = new Set<string>();
  let bytes = 0;
  return images.map(({ cid, contentType, content }) => {
    if (typeof cid !== 'string' || !contentId.test(cid) || seen.has(cid))
      throw new MailRefused('The id of a picture is not of the form name@domain, or stands twice.');
    seen.add(cid);
    if (!html?.includes(` src="cid:${cid}"`))
      throw new MailRefused('A picture goes along that the letter does not show.');
    // A name of a file or an address is no content, whatever the library would make of it.
    const image = Buffer.isBuffer(content) ? readImage(content) : undefined;
    if (!image || image.contentType !== contentType)
      throw new MailRefused(
        'A picture in a letter is a PNG or JPEG of 64 KB at most, and called what it is.',
      );
    bytes += content.length;
    if (bytes > mostBytes) throw new MailRefused('The pictures of a letter are larger than 64 KB together.');
    return { cid, contentType, content };
  });
}

/** The same for the library that writes messages: a name of ours, and nothing else to look up. */
export function attachmentsOf(images: readonly InlineImage[]) {
  return images.map(({ cid, contentType, content }, index) => ({
    cid,
    contentType,
    content,
    filename: `picture-${index + 1}.${contentType === 'image/png' ? 'png' : 'jpg'}`,
    contentDisposition: 'inline' as const,
  }));
}
