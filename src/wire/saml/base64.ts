/** Base64 read strictly: bytes that could be written in two ways are refused. */
import { refuse } from './refusal.ts';

/** Decodes; line breaks and blanks between are allowed (RFC 2045, as saml-bindings 3.5.4 has it), nothing else is. */
export function base64Of(text: string, maxBytes = Number.POSITIVE_INFINITY): Buffer {
  if (text.length > maxBytes * 2) refuse('too-large');
  const bare = text.replace(/[\t\n\r ]+/g, '');
  if ((bare.length / 4) * 3 > maxBytes + 3) refuse('too-large');
  const bytes = Buffer.from(bare, 'base64');
  if (bytes.length > maxBytes) refuse('too-large');
  if (bare === '' || bytes.toString('base64') !== bare) refuse('not-base64');
  return bytes;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Bytes as text; a wrong sequence is refused instead of replaced. */
export function utf8Of(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    return refuse('not-utf8');
  }
}
