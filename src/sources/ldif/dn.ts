/** Distinguished names (RFC 4514): taken apart far enough to compare them and to read names out of them. */

export interface Rdn {
  /** Attribute name in lower case. Of a multi-valued RDN the first. */
  attribute: string;
  value: string;
}

/** The RDNs from leaf to root, values unescaped; undefined when it is no DN. "" is the empty DN, []. */
export function parseDn(text: string): Rdn[] | undefined {
  if (text.trim() === '') return [];
  const rdns: Rdn[] = [];
  for (const part of splitUnescaped(text, ',')) {
    const first = splitUnescaped(part, '+')[0]!;
    const equals = first.indexOf('=');
    const attribute = first.slice(0, Math.max(equals, 0)).trim().toLowerCase();
    if (!/^(?:[a-z][a-z0-9-]*|[0-9]+(?:\.[0-9]+)*)$/.test(attribute)) return undefined;
    const value = unescapeValue(first.slice(equals + 1));
    if (value === undefined) return undefined;
    rdns.push({ attribute, value });
  }
  return rdns;
}

/** One spelling for comparison: attribute names and values in lower case, runs of spaces as one. */
export function normaliseDn(rdns: readonly Rdn[]): string {
  return rdns
    .map(({ attribute, value }) => {
      const folded = value.normalize('NFKC').toLowerCase().replace(/\s+/g, ' ').trim();
      return `${attribute}=${folded.replace(/[\\,+=]/g, '\\$&')}`;
    })
    .join(',');
}

/** Splits at a separator that is neither escaped by a backslash nor within quotes (RFC 2253 allowed those). */
function splitUnescaped(text: string, separator: string): string[] {
  const parts: string[] = [];
  let start = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\') i += 1;
    else if (text[i] === '"') quoted = !quoted;
    else if (!quoted && text[i] === separator) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}

/** Undoes the escapes of one value. Hex pairs are UTF-8 bytes. `#…` (raw BER) is not a name we can read. */
function unescapeValue(raw: string): string | undefined {
  let text = raw.replace(/^ +/, '');
  // Spaces at the end are trimmed, an escaped one is part of the value.
  while (text.endsWith(' ') && !/\\ $/.test(text)) text = text.slice(0, -1);
  if (text.length >= 2 && text.startsWith('"') && text.endsWith('"')) text = text.slice(1, -1);
  if (text.startsWith('#')) return undefined;
  const bytes: Buffer[] = [];
  for (let i = 0; i < text.length; i++) {
    if (text[i] !== '\\') {
      const point = String.fromCodePoint(text.codePointAt(i)!);
      bytes.push(Buffer.from(point, 'utf8'));
      i += point.length - 1;
      continue;
    }
    const pair = text.slice(i + 1, i + 3);
    if (/^[0-9a-fA-F]{2}$/.test(pair)) {
      bytes.push(Buffer.from(pair, 'hex'));
      i += 2;
    } else if (i + 1 < text.length) {
      bytes.push(Buffer.from(text[i + 1]!, 'utf8'));
      i += 1;
    } else return undefined;
  }
  return decodeUtf8(Buffer.concat(bytes));
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Text of UTF-8 bytes, undefined when they are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}
