/**
 * Owns: every connection this program opens towards an address someone told it. Records: nothing.
 * Refuses: private, loopback, link-local, translated and reserved addresses, odd ports, plain http, unless the
 * configured list or the caller's own permission for private networks names them. A name is resolved once and the
 * connection is pinned to what was judged. Whether a host was denied, closed or silent looks the same from outside.
 */
import { randomInt } from 'node:crypto';
import { lookup as systemLookup } from 'node:dns/promises';
import { createRequire } from 'node:module';
import { connect as connectTcp, isIP, type LookupFunction, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import type { Agent } from 'undici';
import type { Log } from '#kit/log/log.ts';
import { type Address, readAllowList } from './destinations.ts';

const require = createRequire(import.meta.url);
/** Loaded by the first request: a house without targets and other ways in asks nobody anything. */
const undici = () => require('undici') as typeof import('undici');

/** Why nothing came back. `unreachable` covers denied, unknown, closed, silent and untrusted hosts alike. */
export type NetRefusal = 'not-allowed' | 'unreachable' | 'redirects' | 'too-large' | 'too-slow';

const sentences: Record<NetRefusal, string> = {
  'not-allowed':
    'This address cannot be used here: it must be an https address on a usual port, without a password in it.',
  unreachable: 'The address could not be reached.',
  redirects: 'The address leads on too often, or to a place that may not be followed.',
  'too-large': 'The answer is larger than is accepted.',
  'too-slow': 'The answer took too long.',
};

/** Nothing was fetched or connected. The message says no more than the other side may know; the log has the rest. */
export class NetRefused extends Error {
  override name = 'NetRefused';
  readonly code: NetRefusal;
  constructor(code: NetRefusal) {
    super(sentences[code]);
    this.code = code;
  }
}

export interface FetchInit {
  method?: string;
  headers?: Record<string, string> | Headers;
  body?: string | Uint8Array;
  /** For everything together, redirects included; default 5000. */
  timeoutMs?: number;
  /** Of the body; default 1 MB. */
  maxBytes?: number;
  /** How many redirects a GET or HEAD may follow, at most and by default 3. Others get the redirect as the answer. */
  redirects?: number;
  /** This destination was permitted to be in a private network (loopback, RFC 1918, ULA), over http too. */
  allowPrivate?: boolean;
  signal?: AbortSignal;
}

export interface Fetched {
  status: number;
  headers: Headers;
  bytes: Buffer;
  text(): string;
  /** Where the answer came from, after redirects. */
  url: string;
}

export interface ConnectInput {
  host: string;
  port: number;
  tls?: boolean;
  /** Name the certificate must carry; default the host. */
  servername?: string;
  timeoutMs?: number;
  allowPrivate?: boolean;
}

export interface Net {
  /** One request. Throws NetRefused. */
  fetch(url: string | URL, init?: FetchInit): Promise<Fetched>;
  /** One TCP or TLS connection, ready to use. Throws NetRefused. */
  connect(input: ConnectInput): Promise<Socket>;
  /** Loads now what the first request would load: for whoever has a moment to keep and may not be late by that. */
  load(): void;
  close(): Promise<void>;
}

export type Resolve = (host: string) => Promise<Address[]>;

export interface NetOptions {
  /** Networks, addresses and host names (with or without a port) that may be reached although private. */
  allow: readonly string[];
  log: Log;
  /** Further ports on the public internet beside 80 and 443 (and 389, 636 for connect). */
  ports?: readonly number[];
  /** How names become addresses; default the system's way. */
  resolve?: Resolve;
  /** Time to a connection, and the time every failure to get one takes; default 2000. */
  connectMs?: number;
}

interface Pinned {
  host: string;
  port: number;
  addresses: Address[];
}

const webPorts = [80, 443];
const directoryPorts = [389, 636];
const mostRedirects = 3;
const mostAgents = 100;
// Spoken by the connection itself; a caller's value could only mislead.
const connectionHeaders = [
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'upgrade',
  'expect',
  'te',
];

/** Makes the one guarded way out. Throws RangeError for a wrong entry in `allow`. */
export function createNet(options: NetOptions): Net {
  const { log } = options;
  const destinations = readAllowList(options.allow);
  const fetchPorts = new Set([...webPorts, ...(options.ports ?? [])]);
  const connectPorts = new Set([...fetchPorts, ...directoryPorts]);
  const resolve = options.resolve ?? resolveBySystem;
  const connectMs = options.connectMs ?? 2000;
  const agents = new Map<string, Agent>();

  async function find(host: string, port: number, timeoutMs: number): Promise<Pinned> {
    const family = isIP(host);
    if (family !== 0) return { host, port, addresses: [{ address: host, family: family as 4 | 6 }] };
    const addresses = await within(resolve(host), timeoutMs);
    return { host, port, addresses };
  }

  // Connections are kept per origin and set of judged addresses: a changed answer of the resolver gets new ones.
  function agentFor(origin: string, pinned: Pinned): Agent {
    const key = `${origin} ${pinned.addresses.map((at) => at.address).sort()}`;
    let agent = agents.get(key);
    agents.delete(key);
    agent ??= new (undici().Agent)({
      connect: { lookup: lookupPinned(pinned), timeout: connectMs },
      connections: 16,
      keepAliveTimeout: 10_000,
    });
    agents.set(key, agent);
    const [oldest] = agents.keys();
    if (agents.size > mostAgents && oldest !== undefined) {
      void agents.get(oldest)?.close();
      agents.delete(oldest);
    }
    return agent;
  }

  async function one(url: URL, init: FetchInit, method: string, deadline: number): Promise<Fetched> {
    const began = performance.now();
    const left = () => Math.max(1, Math.ceil(deadline - performance.now()));
    let connected = false;
    try {
      const host = hostOf(url);
      const pinned = await find(host, portOf(url), Math.min(connectMs, left()));
      const verdict = destinations.judge(pinned, { allowPrivate: init.allowPrivate, ports: fetchPorts });
      if (url.protocol === 'http:' && !verdict.trusted) throw new NetRefused('not-allowed');
      if (!verdict.reachable) throw new Error('this destination is not allowed');
      const over = AbortSignal.timeout(left());
      const answer = await undici().request(url, {
        method: method as 'GET',
        headers: headersFor(init.headers),
        body: method === 'GET' || method === 'HEAD' ? null : (init.body ?? null),
        dispatcher: agentFor(url.origin, pinned),
        signal: init.signal ? AbortSignal.any([over, init.signal]) : over,
      });
      connected = true;
      const bytes = await readBody(
        answer.body,
        Number(answer.headers['content-length'] ?? 0),
        init.maxBytes ?? 1_000_000,
      );
      return {
        status: answer.statusCode,
        headers: toHeaders(answer.headers),
        bytes,
        text: () => bytes.toString('utf8'),
        url: url.href,
      };
    } catch (error) {
      throw await refusal(error, {
        connected,
        began,
        where: url.host,
        slow: performance.now() >= deadline - 1,
      });
    }
  }

  async function refusal(
    error: unknown,
    state: { connected: boolean; began: number; where: string; slow: boolean },
  ): Promise<NetRefused> {
    if (error instanceof NetRefused) return error;
    log.info({ destination: state.where, err: error }, 'an outbound connection was refused or failed');
    if (state.connected && state.slow) return new NetRefused('too-slow');
    // Denied, closed and silent take the same time; a little chance hides the rest.
    const spent = performance.now() - state.began;
    await sleep(Math.max(0, connectMs - spent) + randomInt(Math.ceil(connectMs * 0.05) + 1));
    return new NetRefused('unreachable');
  }

  return {
    async fetch(input, init = {}) {
      const deadline = performance.now() + (init.timeoutMs ?? 5000);
      let url = readUrl(input);
      let method = (init.method ?? 'GET').toUpperCase();
      let current = init;
      const most = Math.min(init.redirects ?? mostRedirects, mostRedirects);
      for (let hop = 0; ; hop += 1) {
        const fetched = await one(url, current, method, deadline);
        const location = fetched.headers.get('location');
        const follows =
          most > 0 && isRedirect(fetched.status) && location !== null && /^(GET|HEAD)$/.test(method);
        if (!follows) return fetched;
        if (hop >= most) throw new NetRefused('redirects');
        const next = nextUrl(location, url);
        if (next.origin !== url.origin)
          current = { ...current, headers: withoutCredentials(current.headers) };
        url = next;
        method = method === 'HEAD' ? 'HEAD' : 'GET';
      }
    },

    async connect(input) {
      const began = performance.now();
      const timeoutMs = Math.min(input.timeoutMs ?? connectMs, 30_000);
      const host = input.host.toLowerCase().replace(/^\[|\]$/g, '');
      let socket: Socket | undefined;
      try {
        const pinned = await find(host, input.port, timeoutMs);
        const { reachable } = destinations.judge(pinned, {
          allowPrivate: input.allowPrivate,
          ports: connectPorts,
        });
        if (!reachable) throw new Error('this destination is not allowed');
        const place = { host, port: input.port, lookup: lookupPinned(pinned) };
        const servername = input.servername ?? (isIP(host) ? undefined : host);
        socket = input.tls ? connectTls({ ...place, servername }) : connectTcp(place);
        await ready(socket, input.tls ? 'secureConnect' : 'connect', timeoutMs);
        return socket;
      } catch (error) {
        socket?.destroy();
        throw await refusal(error, { connected: false, began, where: `${host}:${input.port}`, slow: false });
      }
    },

    load: () => void undici(),
    async close() {
      await Promise.all([...agents.values()].map((agent) => agent.destroy()));
      agents.clear();
    },
  };
}

/** The guarded fetch in the shape of the web's own, for libraries that take one. Redirects are not followed. */
export function webFetch(
  net: Net,
  defaults: Pick<FetchInit, 'allowPrivate' | 'timeoutMs' | 'maxBytes'> = {},
): typeof fetch {
  return async (input, init = {}) => {
    const asked = new Request(input, init);
    const body = asked.body ? new Uint8Array(await asked.arrayBuffer()) : undefined;
    const { method, headers, signal } = asked;
    const fetched = await net.fetch(asked.url, { ...defaults, method, headers, body, signal, redirects: 0 });
    const empty = [101, 103, 204, 205, 304].includes(fetched.status);
    return new Response(empty ? null : new Uint8Array(fetched.bytes), {
      status: fetched.status,
      headers: fetched.headers,
    });
  };
}

const resolveBySystem: Resolve = async (host) => (await systemLookup(host, { all: true })) as Address[];

function readUrl(input: string | URL): URL {
  const text = String(input);
  const url = URL.parse(text);
  // The parser drops tabs and turns backslashes over; what is read must be what was written.
  if (
    !url ||
    /[\s\\\x00-\x1f]/.test(text) ||
    !/^https?:$/.test(url.protocol) ||
    url.username !== '' ||
    url.password !== ''
  ) {
    throw new NetRefused('not-allowed');
  }
  // The URL standard reads 2130706433, 0x7f.1 and 0177.1 as IPv4 addresses; nobody honest writes them.
  const isIPv4 = isIP(url.hostname) === 4;
  if (isIPv4 && !new RegExp(`^https?://${url.hostname.replaceAll('.', '\\.')}(?=[:/?#]|$)`, 'i').test(text)) {
    throw new NetRefused('not-allowed');
  }
  return url;
}

function nextUrl(location: string, from: URL): URL {
  const resolved = URL.parse(location, from);
  const absolute = /^[a-z][a-z0-9+.-]*:|^\/\//i.test(location);
  if (!resolved) throw new NetRefused('redirects');
  const next = readUrl(absolute && !location.startsWith('//') ? location : resolved);
  if (from.protocol === 'https:' && next.protocol === 'http:') throw new NetRefused('redirects');
  return next;
}

const hostOf = (url: URL) => url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
const portOf = (url: URL) => Number(url.port || (url.protocol === 'https:' ? 443 : 80));
const isRedirect = (status: number) => [301, 302, 303, 307, 308].includes(status);

function lookupPinned(pinned: Pinned): LookupFunction {
  return (_host, options, done) => {
    if (options.all) done(null, pinned.addresses);
    else done(null, pinned.addresses[0]!.address, pinned.addresses[0]!.family);
  };
}

function headersFor(given: FetchInit['headers']): Record<string, string> {
  const headers = new Headers(given);
  for (const name of connectionHeaders) headers.delete(name);
  if (!headers.has('user-agent')) headers.set('user-agent', 'Gatehouse');
  return Object.fromEntries(headers);
}

function withoutCredentials(given: FetchInit['headers']): Headers {
  const headers = new Headers(given);
  for (const name of ['authorization', 'cookie', 'proxy-authorization']) headers.delete(name);
  return headers;
}

function toHeaders(given: Record<string, string | string[] | undefined>): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(given)) {
    for (const item of [value ?? []].flat()) headers.append(name, item);
  }
  return headers;
}

async function readBody(
  body: AsyncIterable<Buffer> & { destroy(): unknown },
  announced: number,
  maxBytes: number,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = announced;
  if (size <= maxBytes) {
    size = 0;
    for await (const chunk of body) {
      size += chunk.length;
      if (size > maxBytes) break;
      chunks.push(chunk);
    }
  }
  if (size <= maxBytes) return Buffer.concat(chunks);
  (body as unknown as NodeJS.EventEmitter).on('error', () => undefined);
  body.destroy();
  throw new NetRefused('too-large');
}

async function within<T>(work: Promise<T>, ms: number): Promise<T> {
  const over = new AbortController();
  const late = sleep(ms, undefined, { signal: over.signal }).then(() => {
    throw new Error('the name took too long to resolve');
  });
  late.catch(() => undefined);
  return Promise.race([work, late]).finally(() => over.abort());
}

async function ready(socket: Socket, event: string, ms: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error('no connection in time')), ms);
  socket.once(event, () => resolve()).once('error', reject);
  await promise.finally(() => clearTimeout(timer));
  socket.off('error', reject);
}
