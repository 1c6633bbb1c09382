/** Parts of mailauth that come without types of their own. */
declare module 'mailauth/lib/tools.js' {
  export interface HeaderRow {
    /** Name in small letters. */
    key: string;
    /** Name as written. */
    casedKey: string;
    /** The whole field with its folds, without the last line break. */
    line: Buffer;
  }
  export function parseHeaders(block: Buffer): { parsed: HeaderRow[]; original: Buffer };
  /** RFC 6376 §3.4.2. */
  export function formatRelaxedLine(line: Buffer | string, suffix?: string): Buffer;
  /** One result of an Authentication-Results header (RFC 8601 §2.2), quoted where it has to be. */
  export function formatAuthHeaderRow(
    method: string,
    status: {
      result: string;
      comment?: string;
      policy?: Record<string, string | undefined>;
      smtp?: Record<string, string | undefined>;
      header?: Record<string, string | undefined>;
    },
    options?: { strict?: boolean },
  ): string;
  export function formatAuthservId(name: string, strict?: boolean): string;
  /** The first of the domains that shares its organisational domain with the other, by the Public Suffix List. */
  export function getAlignment(
    domain: string,
    others: string[],
    strict?: boolean,
  ): { domain: string } | false;
}

declare module 'mailauth/lib/dkim/body/index.js' {
  export function dkimBody(
    canonicalization: 'relaxed' | 'simple',
    hash: 'sha256',
    mostBytes: false,
  ): { update(bytes: Uint8Array): void; digest(encoding: 'base64'): string };
}
