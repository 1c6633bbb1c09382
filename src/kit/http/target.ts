/**
 * One spelling for one path: a request line, Host header or query that could mean one thing to us and another to a
 * proxy or a later decision is refused, never repaired.
 */
import type { IncomingMessage } from 'node:http';
import { HttpRefusal } from './refusal.ts';

// Escapes of characters that need none (RFC 3986 §2.3), of separators and of NUL: a second spelling of another path.
const needlessEscape = /%(?:00|2[def]|3[0-9]|[46][1-9a-f]|[57][0-9a]|40|5[cf]|7e)/i;
const oddPath = /\/\/|\/\.{1,2}(?:\/|$)|[;\\]|%(?![0-9a-f]{2})/i;
const pollution = /(?:^|[.[\]])(?:__proto__|constructor|prototype)(?:$|[.[\]])/;

/** Refuses request lines that are not plain origin-form paths of ours. */
export function checkTarget(raw: IncomingMessage): void {
  const target = raw.url ?? '';
  if (!target.startsWith('/')) throw new HttpRefusal(400, 'input-malformed', 'the target is not a path');
  if (target.length > 8192) throw new HttpRefusal(414, 'input-too-large', 'the target is too long');
  const cut = target.indexOf('?');
  const path = cut < 0 ? target : target.slice(0, cut);
  if (oddPath.test(path) || needlessEscape.test(path)) throw new HttpRefusal(404, 'not-found', 'odd path');
  if (cut < 0) return;
  const query = new URLSearchParams(target.slice(cut + 1));
  checkNames(query.keys());
  checkTexts(query.values());
}

/** Refuses texts that no database or next reader could keep: with NUL, or with half a character. */
export function checkTexts(texts: Iterable<string>): void {
  for (const text of texts) {
    if (text.includes('\0') || !text.isWellFormed())
      throw new HttpRefusal(400, 'input-malformed', 'a text holds NUL or half a character');
  }
}

/** Refuses names that reach for the prototype of an object, and too many of them. */
export function checkNames(names: Iterable<string>): void {
  let count = 0;
  for (const name of names) {
    count += 1;
    if (count > 1000) throw new HttpRefusal(400, 'input-malformed', 'more than 1000 parameters');
    if (pollution.test(name))
      throw new HttpRefusal(
        400,
        'input-malformed',
        `nothing here is called ${JSON.stringify(name.slice(0, 40))}`,
      );
  }
}

/** Exactly one Host header, and one of ours; `ours` left out: whichever it is. */
export function checkHost(raw: IncomingMessage, ours?: ReadonlySet<string>): void {
  let host: string | undefined;
  for (let index = 0; index < raw.rawHeaders.length; index += 2) {
    if (raw.rawHeaders[index]?.toLowerCase() !== 'host') continue;
    if (host !== undefined) throw new HttpRefusal(400, 'input-malformed', 'more than one Host header');
    host = raw.rawHeaders[index + 1];
  }
  if (host === undefined) throw new HttpRefusal(400, 'input-malformed', 'no Host header');
  if (ours && !ours.has(host.toLowerCase()))
    throw new HttpRefusal(421, 'host-refused', 'the host is not ours');
}

/** JSON no deeper than 32 and with no more than 1000 keys (FE-12). */
export function checkShape(value: unknown): void {
  let keys = 0;
  const walk = (node: unknown, depth: number): void => {
    if (typeof node === 'string') checkTexts([node]);
    if (typeof node !== 'object' || node === null) return;
    if (depth > 32) throw new HttpRefusal(400, 'input-malformed', 'nested deeper than 32');
    const names = Object.keys(node);
    keys += names.length;
    if (keys > 1000) throw new HttpRefusal(400, 'input-malformed', 'more than 1000 keys');
    if (!Array.isArray(node)) {
      checkNames(names);
      checkTexts(names);
    }
    for (const name of names) walk((node as Record<string, unknown>)[name], depth + 1);
  };
  walk(value, 1);
}
