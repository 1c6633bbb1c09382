/**
 * The community's mark as a letter can carry it. Mail programs show neither data: images nor SVG, and few show WebP; and a
 * letter loads nothing from us. So it goes along as a picture, where it is a PNG or JPEG; else the name stands alone.
 */
import { createHash } from 'node:crypto';
import type { Community } from '#core/community/community.ts';
import { type InlineImage, readImage } from '#kit/smtp/inline.ts';

export interface LetterLogo extends InlineImage {
  /** As it is shown, in CSS pixels: never larger than it is, nor than its place beside the name. */
  width: number;
  height: number;
}

const place = { width: 160, height: 40 };

/** The logo for letters; undefined where there is none that mail programs show. The bytes decide, not their name. */
export function letterLogo({ logo }: Pick<Community, 'logo'>): LetterLogo | undefined {
  if (logo === undefined) return undefined;
  const content = Buffer.from(logo.slice(logo.indexOf(',') + 1), 'base64');
  const image = readImage(content);
  if (!image) return undefined;
  const { contentType, width, height } = image;
  const scale = Math.min(1, place.width / width, place.height / height);
  const shown = (side: number) => Math.max(1, Math.round(side * scale));
  // Named by its content, so that no two pictures ever share an id (RFC 2392).
  const cid = `${createHash('sha256').update(content).digest('hex').slice(0, 32)}@logo`;
  return { cid, contentType, content, width: shown(width), height: shown(height) };
}

/** What becomes of the logo a community has set: for whoever looks at a letter before it is sent. */
export const logoFates = ['shown', 'left-out', 'none'] as const;

export function logoFate(settings: Pick<Community, 'logo'>): (typeof logoFates)[number] {
  if (settings.logo === undefined) return 'none';
  return letterLogo(settings) ? 'shown' : 'left-out';
}
