/** Whether a request comes from a page of ours: what Origin and Sec-Fetch-Site say, and what only our scripts send. */
import type { FastifyRequest } from 'fastify';
import { HttpRefusal } from './refusal.ts';

/** The header a script of ours sends with every request: no form can, and a script of another origin may not. */
export const scriptHeader = 'x-gatehouse-console';

/**
 * Origin must be the scheme and host asked: whoever can answer for http://us must not post to https://us. Under
 * `Referrer-Policy: no-referrer` browsers send `Origin: null` with their own forms (Fetch §3.1); then Sec-Fetch-Site,
 * which no page can set, must say same-origin.
 */
export function isOwnOrigin(request: FastifyRequest, ours: ReadonlySet<string>, secure: boolean): boolean {
  const { origin, host = '' } = request.headers;
  const site = request.headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin') return false;
  if (origin === undefined || origin === 'null') return site === 'same-origin';
  if (!URL.canParse(origin)) return false;
  const from = new URL(origin);
  const sameScheme = from.protocol === (secure ? 'https:' : 'http:');
  return sameScheme && ours.has(from.host) && from.host === host.toLowerCase();
}

/**
 * Cookies count only for scripts of ours. Whatever changes something needs our Origin and the header; reading is
 * refused to pages of others, which could not see the answer anyway.
 */
export function checkScript(request: FastifyRequest, ours: ReadonlySet<string>, secure: boolean): void {
  const site = request.headers['sec-fetch-site'];
  if (request.method === 'GET' || request.method === 'HEAD') {
    if (site === undefined || site === 'same-origin' || site === 'none') return;
    throw new HttpRefusal(403, 'form-stale', 'a page of another site asked');
  }
  if (!isOwnOrigin(request, ours, secure))
    throw new HttpRefusal(403, 'form-stale', 'the request came from another site');
  if (request.headers[scriptHeader] === undefined)
    throw new HttpRefusal(403, 'form-stale', `the header ${scriptHeader} is missing`);
}
