/** Netstrings, `length:bytes,`: how socketmap frames what is asked and answered. */

export class NetstringRefused extends Error {
  override name = 'NetstringRefused';
}

/** One netstring around a text in UTF-8, or around bytes as they are. */
export function writeNetstring(content: string | Buffer): Buffer {
  const bytes = typeof content === 'string' ? Buffer.from(content, 'utf8') : content;
  return Buffer.concat([Buffer.from(`${bytes.length}:`), bytes, Buffer.from(',')]);
}

export interface NetstringReader {
  /** Takes what came and returns what is whole by now. Throws NetstringRefused, after which no more may be pushed. */
  push(chunk: Buffer): Buffer[];
  /** Whether a netstring has begun and not ended. */
  readonly isPending: boolean;
}

/** Reads netstrings off a connection, however they are cut. More than `maxBytes` in one is refused before it is read. */
export function createNetstringReader(options: { maxBytes: number }): NetstringReader {
  const digits = String(options.maxBytes).length;
  let rest: Buffer = Buffer.alloc(0);

  /** The length, and where the bytes begin; undefined while more has to come. */
  const readLength = (): { length: number; start: number } | undefined => {
    const colon = rest.indexOf(':');
    const text = rest.toString('latin1', 0, colon === -1 ? Math.min(rest.length, digits + 1) : colon);
    if (!/^(?:|0|[1-9][0-9]*)$/.test(text) || text.length > digits || (colon === 0 && rest.length > 0))
      throw new NetstringRefused('A netstring begins with its length.');
    if (colon === -1) return undefined;
    const length = Number(text);
    if (length > options.maxBytes)
      throw new NetstringRefused(`More than ${options.maxBytes} bytes are not read.`);
    return { length, start: colon + 1 };
  };

  return {
    get isPending() {
      return rest.length > 0;
    },
    push(chunk) {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const whole: Buffer[] = [];
      while (rest.length > 0) {
        const found = readLength();
        if (!found || rest.length <= found.start + found.length) break;
        const end = found.start + found.length;
        if (rest[end] !== 0x2c) throw new NetstringRefused('A netstring ends with a comma.');
        whole.push(Buffer.from(rest.subarray(found.start, end)));
        rest = rest.subarray(end + 1);
      }
      return whole;
    },
  };
}
