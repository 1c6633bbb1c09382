/** Sendmail's socketmap as Postfix speaks it (socketmap_table(5)): `map key` in, one verdict out, both netstrings. */
import { writeNetstring } from './netstring.ts';

/** Postfix's own bounds, in bytes. */
export const longestQuery = 10_000;
export const longestReply = 100_000;

export interface SocketmapQuery {
  map: string;
  key: string;
}

/**
 * `temp`: ask again later, the backend is away. `perm`: the question itself is no good. Only `notFound` says that there
 * is nothing of that name: mail would be refused for good on it.
 */
export type SocketmapReply =
  | { ok: string }
  | { notFound: true }
  | { temp: string }
  | { timeout: string }
  | { perm: string };

/** What one netstring asks; undefined when it is no question. The key may hold spaces, the name of a map does not. */
export function readQuery(bytes: Buffer): SocketmapQuery | undefined {
  const text = bytes.toString('utf8');
  const space = text.indexOf(' ');
  if (space < 1 || /[\x00-\x1f\x7f\ufffd]/.test(text)) return undefined;
  return { map: text.slice(0, space), key: text.slice(space + 1) };
}

/** The answer as bytes to send. Line breaks in it become spaces; too long an answer is TEMP. */
export function writeReply(reply: SocketmapReply): Buffer {
  const text = replyText(reply).replace(/[\x00-\x1f\x7f]+/g, ' ');
  return writeNetstring(Buffer.byteLength(text) > longestReply ? 'TEMP the answer is too long' : text);
}

function replyText(reply: SocketmapReply): string {
  if ('ok' in reply) return `OK ${reply.ok}`;
  if ('temp' in reply) return `TEMP ${reply.temp}`;
  if ('timeout' in reply) return `TIMEOUT ${reply.timeout}`;
  if ('perm' in reply) return `PERM ${reply.perm}`;
  return 'NOTFOUND ';
}
