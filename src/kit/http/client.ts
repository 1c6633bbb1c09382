/** Who is at the other end, and what is told to somebody whose request could not even be read. */
import type { IncomingMessage } from 'node:http';
import { isIP, type Socket } from 'node:net';
import type { ConnectionError, FastifyRequest } from 'fastify';
import type { Log } from '#kit/log/log.ts';
import { plainHeaders } from './headers.ts';
import { HttpRefusal } from './refusal.ts';

/**
 * The client's address as one plain IP. Trusted proxies may write it with a port or as IPv6-mapped IPv4; what is no
 * address at all ("unknown", or whatever a client wrote that a proxy passed on) is never shown, stored or counted by:
 * then it is the peer's own.
 * @param told what the server made of the peer and the forwarded addresses
 */
export function clientAddress(told: string, raw: IncomingMessage): string {
  const peer = raw.socket.remoteAddress ?? '';
  return plainAddress(told) ?? plainAddress(peer) ?? peer;
}

function plainAddress(text: string): string | undefined {
  const bare =
    /^"?\[([0-9a-f:.]{2,45})\](?::\d{1,5})?"?$/i.exec(text)?.[1] ??
    /^"?(\d{1,3}(?:\.\d{1,3}){3}):\d{1,5}"?$/.exec(text)?.[1] ??
    text;
  const mapped = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i.exec(bare)?.[1] ?? bare;
  return isIP(mapped) === 0 ? undefined : mapped;
}

const forwarded = [
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-forwarded-port',
  'x-forwarded-prefix',
];

/**
 * Takes out what others say about us: our origin comes from the settings alone, and no library further in may build a
 * link, a cookie or a redirect on a header.
 */
export function forgetForwarded(raw: IncomingMessage): void {
  for (const name of forwarded) delete raw.headers[name];
}

const complainMs = 60_000;

/**
 * For a server whose address is https: refuses what came to it in plain text. That it did not is known from our own
 * certificate or from a trusted proxy's X-Forwarded-Proto; without either nobody knows who read along (RFC 9110
 * §15.5.20). Whoever set up the proxy reads why in the log, once a minute.
 * @returns to be asked before `forgetForwarded`; what it returns throws when the request should not go on
 */
export function httpsCheck(log: Log): (request: FastifyRequest) => () => void {
  let complainedAt = Number.NEGATIVE_INFINITY;
  return (request) => {
    if (request.protocol === 'https') return () => undefined;
    const said = request.headers['x-forwarded-proto'] !== undefined;
    return () => {
      if (performance.now() - complainedAt > complainMs) {
        complainedAt = performance.now();
        log.warn(
          { code: 'https-required', peer: request.raw.socket.remoteAddress, said },
          'refused what did not come over https: the proxy in front must be named in trustedProxies and set X-Forwarded-Proto to https',
        );
      }
      throw new HttpRefusal(421, 'https-required', 'neither our certificate nor a trusted proxy says https');
    };
  };
}

const unread: Record<string, [string, string]> = {
  HPE_HEADER_OVERFLOW: [
    '431 Request Header Fields Too Large',
    'The headers of this request are longer than 16 KB.',
  ],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'The request did not arrive whole in its time.'],
};

/** Answers bytes that are no request, headers without end, and requests that never end; then hangs up. */
export function answerUnreadable(secure: boolean) {
  const headers = Object.entries(plainHeaders(secure)).map(([name, value]) => `${name}: ${value}\r\n`);
  return (error: ConnectionError, socket: Socket): void => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const [status, text] = unread[error.code] ?? [
      '400 Bad Request',
      'This is not a request that can be read.',
    ];
    const policy = "content-security-policy: default-src 'none'; frame-ancestors 'none'\r\n";
    const body = `${text}\n`;
    socket.end(
      `HTTP/1.1 ${status}\r\n${headers.join('')}${policy}content-type: text/plain; charset=utf-8\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
      () => socket.destroy(),
    );
  };
}
