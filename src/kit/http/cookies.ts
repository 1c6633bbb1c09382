/**
 * Cookies. Over https names begin with `__Host-` (RFC 6265bis: Secure, whole host, path /); over http on this machine
 * they end in the port, so that two instances do not sign each other out.
 */
import { randomBytes } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';

export interface CookieOptions {
  /** Seconds; left out = until the browser closes. */
  maxAge?: number;
  sameSite?: 'Lax' | 'Strict' | 'None';
}

export interface CookieJar {
  /** The full name of one of our cookies. */
  name(short: string): string;
  read(request: FastifyRequest, short: string): string | undefined;
  set(reply: FastifyReply, short: string, value: string, options?: CookieOptions): void;
  clear(reply: FastifyReply, short: string): void;
  /** Random id of this browser; made at the first page. */
  browser(request: FastifyRequest): string;
}

const value = /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*$/;

/** Reads a Cookie header strictly (RFC 6265 §4.2.1). A name that comes twice is nobody's: both are dropped. */
export function parseCookies(header: string | undefined): Map<string, string> {
  const found = new Map<string, string>();
  const twice = new Set<string>();
  for (const part of (header ?? '').split(';')) {
    const cut = part.indexOf('=');
    const name = part.slice(0, cut).trim();
    const text = part.slice(cut + 1).trim();
    if (cut < 1 || name === '' || !value.test(text)) continue;
    if (found.has(name)) twice.add(name);
    found.set(name, text);
  }
  for (const name of twice) found.delete(name);
  return found;
}

/** The cookies of one server. */
export function createCookies(site: { secure: boolean; port: number }): CookieJar {
  const name = (short: string) =>
    site.secure ? `__Host-gatehouse-${short}` : `gatehouse-${short}-${site.port}`;
  const write = (reply: FastifyReply, short: string, text: string, options: CookieOptions) => {
    const parts = [`${name(short)}=${text}`, 'Path=/', 'HttpOnly', `SameSite=${options.sameSite ?? 'Lax'}`];
    if (site.secure) parts.push('Secure');
    if (options.maxAge !== undefined) parts.push(`Max-Age=${Math.floor(options.maxAge)}`);
    reply.header('set-cookie', parts.join('; '));
  };
  return {
    name,
    read: (request, short) => request.cookies.get(name(short)),
    set: (reply, short, text, options = {}) => write(reply, short, text, options),
    clear: (reply, short) => write(reply, short, '', { maxAge: 0 }),
    browser: (request) => request.browser,
  };
}

/** A fresh browser id: 128 random bits. */
export function newBrowser(): string {
  return randomBytes(16).toString('base64url');
}
