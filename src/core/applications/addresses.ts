/**
 * Which addresses of an app may be kept. http is for loopback, and per app for private networks; script and data
 * addresses never pass in any spelling (FE-03). Native apps may register a private scheme with a dot (RFC 8252 §7.1).
 */
import ipaddr from 'ipaddr.js';
import { z } from 'zod';

const hidden = /[\u0000-\u0020\u007f-\u00a0\u200b-\u200f\u2028-\u202f\u2060\ufeff\\]/;

function parse(text: string): URL | undefined {
  if (hidden.test(text) || text.includes('#') || text.includes('*')) return undefined;
  // `https:x.org` and `https:///x.org` are read as another address than they look.
  if (/^https?:/i.test(text) && !/^https?:\/\/[^/]/i.test(text)) return undefined;
  try {
    const url = new URL(text);
    return url.username === '' && url.password === '' ? url : undefined;
  } catch {
    return undefined;
  }
}

/** Loopback by name or number (RFC 8252 §7.3, RFC 6761). */
export function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  return (
    host === 'localhost' || host.endsWith('.localhost') || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
  );
}

function isPrivate(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '');
  if (ipaddr.isValid(host))
    return ['private', 'uniqueLocal', 'carrierGradeNat'].includes(ipaddr.process(host).range());
  return !host.includes('.') || /\.(internal|lan|local|home\.arpa)$/i.test(host);
}

/** An address browsers are sent back to. */
export function isReturnUri(text: string, allow: { privateHttp: boolean } = { privateHttp: true }): boolean {
  const url = parse(text);
  if (!url) return false;
  if (url.protocol === 'https:') return url.hostname !== '';
  if (url.protocol === 'http:')
    return isLoopback(url.hostname) || (allow.privateHttp && isPrivate(url.hostname));
  return /^[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+:$/.test(url.protocol) && /^[^:]+:\/[^/]/.test(text);
}

/** An address our server calls or people open. */
export function isServerUri(text: string): boolean {
  const url = parse(text);
  return url !== undefined && (url.protocol === 'https:' || url.protocol === 'http:') && url.hostname !== '';
}

/** The same as settings take it. */
export const serverUri = z.string().max(500).refine(isServerUri, 'must be an https (or http) address');
