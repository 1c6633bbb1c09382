/**
 * The kinds of values settings have. A kind reads what a file (typed by YAML) or the environment (always text) gives,
 * and says in words what it expects, so that every refusal is one sentence of the same form.
 */
import path from 'node:path';
import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { readAllowList } from '#kit/net/destinations.ts';
import { readSmartHost } from '#kit/smtp/smart-hosts.ts';

/** A value that must not reach a log or a page by accident: printing or serialising it shows "[secret]". */
export interface Secret {
  reveal(): string;
}

export interface Kind<T> {
  /** Completes the sentence "X must be …". */
  expects: string;
  schema: z.ZodType<T>;
  /** Paths are made absolute: against the settings file's folder when they stand there, else the working directory. */
  isPath?: true;
}

export function makeSecret(text: string): Secret {
  const hidden = () => '[secret]';
  const shown = { toString: hidden, toJSON: hidden, [Symbol.for('nodejs.util.inspect.custom')]: hidden };
  return Object.freeze({ reveal: () => text, ...shown });
}

export function wholeNumber(least: number, most: number): Kind<number> {
  const fromText = z
    .string()
    .regex(/^\d{1,12}$/)
    .transform(Number);
  const schema = z.union([z.number(), fromText]).pipe(z.number().int().min(least).max(most));
  return { expects: `a whole number from ${least} to ${most}`, schema };
}

/** A port to listen on; 0 lets the system choose. */
export const port: Kind<number> = { ...wholeNumber(0, 65535), expects: 'a port number from 0 to 65535' };

export const filePath: Kind<string> = {
  expects: 'the path of a file or folder',
  schema: z.string().min(1).max(4096),
  isPath: true,
};

export function oneOf<const Value extends string>(...values: readonly Value[]): Kind<Value> {
  return { expects: `one of ${values.join(', ')}`, schema: z.enum(values) };
}

/** A list in YAML, or text with commas or blanks between the items. Every item once, in the order given. */
export function listOf<T>(item: Kind<T>, words: string, least = 0): Kind<readonly T[]> {
  const split = z.string().transform((text) => text.split(/[\s,]+/).filter(Boolean));
  const schema = z
    .union([split, z.array(z.unknown())])
    .pipe(z.array(item.schema).min(least).max(500))
    .transform((items) => Object.freeze([...new Set(items)]));
  return { expects: words, schema, isPath: item.isPath };
}

const hostLabel = /^(?!-)[a-z0-9-]{1,63}(?<!-)$/;

/** A host name in lower case as it stands in DNS (international names in their xn-- form). */
export const hostName: Kind<string> = {
  expects: 'a host name such as id.example.org',
  schema: z
    .string()
    .max(253)
    .transform((text) => text.toLowerCase())
    .refine((text) => text.split('.').every((label) => hostLabel.test(label)) && !ipaddr.isValid(text)),
};

/** The domain part of mail addresses: at least two labels. */
export const mailDomain: Kind<string> = {
  expects: 'a mail domain such as example.org',
  schema: hostName.schema.refine((text) => text.includes('.')),
};

/** What to bind to: an IP address, or localhost. */
export const bindHost: Kind<string> = {
  expects: 'an IP address to listen on such as 127.0.0.1 or 0.0.0.0, or localhost',
  schema: z.string().refine((text) => text === 'localhost' || (ipaddr.isValid(text) && /[.:]/.test(text))),
};

/** A network in CIDR notation or a single address; the whole internet is refused. */
export const network: Kind<string> = {
  expects: 'a network such as 10.0.0.0/8, or one address',
  schema: z.string().refine(isNetwork),
};

function isNetwork(text: string): boolean {
  if (!/[.:]/.test(text)) return false;
  if (!text.includes('/')) return ipaddr.isValid(text);
  return ipaddr.isValidCIDR(text) && ipaddr.parseCIDR(text)[1] > 0;
}

/** What the guarded outbound connection may reach although it is private: a network, a host, or host:port. */
export const outboundTarget: Kind<string> = {
  expects: 'a network, a host name or host:port',
  schema: z.string().refine((text) => {
    if (text.includes('/') && !isNetwork(text)) return false;
    try {
      readAllowList([text]);
      return true;
    } catch {
      return false;
    }
  }),
};

/** scheme://host[:port] and nothing more; a lone slash at the end is taken off. */
export const origin: Kind<string> = {
  expects: 'an origin such as https://id.example.org, without path, query or user name',
  schema: z.string().transform((text, context) => {
    const url = webUrl(text);
    if (url && url.pathname === '/' && !/[?#]/.test(text)) return url.origin;
    context.addIssue({ code: 'custom', message: 'not an origin' });
    return z.NEVER;
  }),
};

/**
 * An issuer identifier (OpenID Connect Discovery 1.0 section 3, RFC 8414 section 2): compared byte for byte by every
 * app, so only the one normal form is taken.
 */
export const issuer: Kind<string> = {
  expects:
    'an issuer such as https://id.example.org: small letters in the host, no default port, no query, no fragment, no slash at the end',
  schema: z.string().refine((text) => {
    const url = webUrl(text);
    return url !== undefined && !/[?#]/.test(text) && url.href.replace(/\/$/, '') === text;
  }),
};

function webUrl(text: string): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url && /^https?:$/.test(url.protocol) && !url.username && !url.password ? url : undefined;
}

/** One mail address, with or without a name before it. */
export const mailAddress: Kind<string> = {
  expects: 'one mail address such as noreply@example.org or Example <noreply@example.org>',
  schema: z
    .string()
    .max(300)
    .regex(/^(?:[^<>@\r\n,;]{1,100}<[^\s<>@,;]{1,64}@[a-z0-9.-]+>|[^\s<>@,;]{1,64}@[a-z0-9.-]+)$/i),
};

function secretUrl(expects: string, protocols: RegExp): Kind<Secret> {
  const fits = (text: string) => URL.canParse(text) && protocols.test(new URL(text).protocol);
  return { expects, schema: z.string().refine(fits).transform(makeSecret) };
}

export const databaseUrl = secretUrl(
  'a PostgreSQL address such as postgres://gatehouse@db.example.org/gatehouse',
  /^postgres(ql)?:$/,
);

/** One mail server, or several with commas between: the next is asked when one cannot take a message. */
export const mailUrl: Kind<Secret> = {
  expects:
    'the address of a mail server such as smtps://user:password@mail.example.org, or several with commas between (@ : / ? # % and commas in a user or password are percent-encoded)',
  schema: z
    .string()
    .refine((text) => text === 'memory:' || text.split(',').every(isMailServer))
    .transform(makeSecret),
};

function isMailServer(text: string): boolean {
  try {
    return readSmartHost(text.trim()) !== undefined;
  } catch {
    return false;
  }
}

/** A name server by its address, with or without a port. */
export const nameServer: Kind<string> = {
  expects: 'a name server such as 192.0.2.53:53',
  schema: z.string().refine((text) => {
    const [, six, four, port] = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+))(?::(\d{1,5}))?$/i.exec(text) ?? [];
    return ipaddr.isValid(six ?? four ?? text) && Number(port ?? 53) > 0 && Number(port ?? 53) < 65_536;
  }),
};

/** Whatever another service gave us as our secret there. */
export const serviceSecret: Kind<Secret> = {
  expects: 'the secret as the service shows it',
  schema: z
    .string()
    .regex(/^[\x21-\x7e]{8,500}$/)
    .transform(makeSecret),
};

/** An address we call. */
export const serviceUrl: Kind<string> = {
  expects: 'an address such as https://www.recaptcha.net/recaptcha/api/siteverify',
  schema: z
    .string()
    .refine((text) => webUrl(text) !== undefined)
    .transform((text) => new URL(text).href),
};

export const masterKey: Kind<Secret> = {
  expects: '32 bytes written in base64 (44 characters)',
  schema: z
    .string()
    .regex(/^[A-Za-z0-9+/_-]{43}=?$/)
    .transform(makeSecret),
};

/** Reads one value. Returns the sentence's end when it does not fit. The value itself is repeated only when not secret. */
export function readValue<T>(kind: Kind<T>, raw: unknown, base: string): { value: T } | { expects: string } {
  const parsed = kind.schema.safeParse(typeof raw === 'string' ? raw.trim() : raw);
  if (!parsed.success) return { expects: kind.expects };
  return { value: kind.isPath ? (absolute(parsed.data, base) as T) : parsed.data };
}

function absolute(value: unknown, base: string): unknown {
  return Array.isArray(value)
    ? Object.freeze(value.map((item) => path.resolve(base, String(item))))
    : path.resolve(base, String(value));
}
