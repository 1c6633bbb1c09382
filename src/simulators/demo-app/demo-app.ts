/**
 * Owns: two small apps of a community, Tracker and Commons, that let people in through the community's sign-in and show
 * what they were told about them. Genuine relying parties of any OpenID provider. Records: sessions, in memory.
 * Refuses: sign-ins this browser did not begin, logout tokens that fail one check, and any address but loopback.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { randomToken } from '#kit/crypto/ids.ts';
import type { Log } from '#kit/log/log.ts';
import type { Product } from './products.ts';
import { createRelyingParty } from './relying-party.ts';
import { type Answer, type AppRequest, createRoutes } from './routes.ts';
import { createAppSessions } from './sessions.ts';

export interface DemoAppOptions {
  product: Product;
  /** The community whose sign-in it uses, as people call it. */
  communityName: string;
  issuer: URL;
  clientId: string;
  clientSecret: string;
  log: Log;
  /** Loopback only; default 127.0.0.1. */
  host?: string;
  /** Default: any free port. */
  port?: number;
  /** Default `openid profile email groups offline_access`. */
  scope?: string;
}

export interface DemoApp {
  readonly url: URL;
  readonly addresses: DemoAppAddresses;
  /** How many browsers are signed in. */
  sessionCount(): number;
  stop(): Promise<void>;
}

/** What the app has to be registered with at its provider. */
export interface DemoAppAddresses {
  redirectUri: string;
  postLogoutRedirectUri: string;
  backchannelLogoutUri: string;
  initiateLoginUri: string;
}

const largestBody = 64 * 1024;

/** The addresses of an app that listens at `origin` (`http://127.0.0.1:8081`). */
export function demoAppAddresses(origin: string): DemoAppAddresses {
  const at = (path: string) => new URL(path, origin).href;
  return {
    redirectUri: at('/callback'),
    postLogoutRedirectUri: at('/signed-out'),
    backchannelLogoutUri: at('/backchannel-logout'),
    initiateLoginUri: at('/initiate'),
  };
}

/**
 * Starts the app; its provider may start later. Throws RangeError for a host that is not loopback or an issuer over http
 * elsewhere, the system's error when the port is taken.
 */
export async function startDemoApp(options: DemoAppOptions): Promise<DemoApp> {
  const host = options.host ?? '127.0.0.1';
  if (!/^127(\.\d{1,3}){3}$|^::1$/.test(host)) throw new RangeError('The demo apps listen on loopback only.');
  const server = createServer();
  server.listen(options.port ?? 0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const origin = `http://${host === '::1' ? '[::1]' : host}:${port}`;
  const addresses = demoAppAddresses(origin);
  const sessions = createAppSessions();
  const party = createPartyOrClose();
  const route = createRoutes({ ...options, origin, port, sessions, party });

  server.on('request', (request, response) => {
    answer(request).then(
      ({ status, headers, body }) =>
        response.writeHead(status, headers).end(request.method === 'HEAD' ? undefined : body),
      (error: unknown) => {
        options.log.error({ err: error }, 'a demo app failed');
        response.writeHead(500, { 'content-type': 'text/plain' }).end('The app failed. Its log says why.');
      },
    );
  });

  async function answer(request: IncomingMessage): Promise<Answer> {
    return route(await readRequest(request, origin));
  }
  function createPartyOrClose() {
    try {
      const scope = options.scope ?? 'openid profile email groups offline_access';
      return createRelyingParty({ ...options, ...addresses, scope });
    } catch (error) {
      server.close();
      throw error;
    }
  }

  return {
    url: new URL(origin),
    addresses,
    sessionCount: sessions.count,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await party.close();
    },
  };
}

async function readRequest(request: IncomingMessage, origin: string): Promise<AppRequest> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size <= largestBody) chunks.push(chunk as Buffer);
  }
  const form = new URLSearchParams(size > largestBody ? '' : Buffer.concat(chunks).toString('utf8'));
  const cookies = new Map<string, string>();
  for (const pair of (request.headers.cookie ?? '').split(/;\s*/)) {
    const at = pair.indexOf('=');
    if (at > 0 && !cookies.has(pair.slice(0, at))) cookies.set(pair.slice(0, at), pair.slice(at + 1));
  }
  return {
    method: request.method ?? 'GET',
    url: URL.parse(request.url ?? '/', origin) ?? new URL(origin),
    host: request.headers.host ?? '',
    origin: request.headers.origin,
    form,
    cookies,
    nonce: randomToken(16),
  };
}
