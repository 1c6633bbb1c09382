/**
 * The server under both simulators: who may come in, the limits, the faults, the ledger, the control address and the
 * page. What is asked for is the API's own matter.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '#kit/clock/clock.ts';
import { randomToken } from '#kit/crypto/ids.ts';
import type { Log } from '#kit/log/log.ts';
import { pageAssets } from '#kit/page/assets.ts';
import type { Html } from '#kit/page/html.ts';
import type { Handled } from './endpoints.ts';
import { type Answer, type Exchange, largestBody } from './exchange.ts';
import { type ActiveFault, type Faults, retryAfterHeader } from './faults.ts';
import type { Ledger, LedgerEntry, StateAfter, Subject } from './ledger.ts';
import type { Ticket } from './rate.ts';
import { Refusal } from './refusal.ts';
import type { Change } from './resources.ts';

/** What a simulator answers under its own addresses. */
export interface Api {
  /** The refusal when the bearer is not the right one for this path. */
  authenticate(exchange: Exchange): Answer | undefined;
  /** Whom a request is about. Never throws. */
  subject(exchange: Exchange): Subject;
  handle(exchange: Exchange): Handled;
  /** A refusal in the words of the addressed part. */
  refuse(refusal: Refusal, exchange: Exchange): Answer;
  /** What a resource is after a change, for the ledger. */
  stateAfter(change: Change): StateAfter | undefined;
  forget(change: Change): void;
  /** Something was changed. */
  changed(): void;
}

export interface ListenerOptions {
  host?: string;
  port?: number;
  log: Log;
  clock: Clock;
  api: Api;
  ledger: Ledger;
  note: (
    entry: Omit<LedgerEntry, 'seq' | 'at' | 'earlyMs' | 'tookMs'> & { arrived: Date; done: Date },
  ) => void;
  faults: Faults;
  rate: (method: string) => Ticket | undefined;
  /** How X-RateLimit-Reset is written. */
  reset: 'seconds' | 'iso';
  latencyMs: () => number;
  /** Answers below /simulator/. */
  control: (exchange: Exchange) => Answer;
  /** The page at /. */
  page: (frame: { nonce: string; now: Date; hold: boolean }) => Html;
}

const refreshSeconds = 3;
const always = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

/** Starts listening. Throws RangeError for a host that is not loopback, the system's error when the port is taken. */
export async function startListener(
  options: ListenerOptions,
): Promise<{ origin: string; stop(): Promise<void> }> {
  const host = options.host ?? '127.0.0.1';
  if (!/^127(\.\d{1,3}){3}$|^::1$/.test(host))
    throw new RangeError(
      'The simulators listen on loopback only: their control address asks for no password.',
    );
  const stopping = new AbortController();
  const server = createServer((request, response) => {
    serve(options, { request, response, at: server.address() as AddressInfo, signal: stopping.signal }).catch(
      (error: unknown) => {
        if (stopping.signal.aborted || request.destroyed) return;
        options.log.error({ err: error }, 'a simulator failed');
        if (!response.headersSent)
          send(response, request.method, plain(500, 'The simulator failed. Its log says why.'));
      },
    );
  });
  server.listen(options.port ?? 0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://${host === '::1' ? '[::1]' : host}:${port}`,
    async stop() {
      stopping.abort();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface Connection {
  request: IncomingMessage;
  response: ServerResponse;
  at: AddressInfo;
  signal: AbortSignal;
}

async function serve(options: ListenerOptions, connection: Connection): Promise<void> {
  const { request, response, at } = connection;
  const hosts = ['127.0.0.1', 'localhost', '[::1]', at.address].map((name) => `${name}:${at.port}`);
  const answer = (given: Answer) => send(response, request.method, given);
  // A foreign name that was made to point here is a foreign site reading along.
  if (!hosts.includes(request.headers.host ?? '')) return answer(plain(421, 'This is not our name.'));
  const arrived = options.clock.now();
  const exchange = await readExchange(request);
  if (!exchange) return answer(plain(400, 'The request cannot be read, or is larger than 8 MiB.'));
  const [first] = exchange.segments;
  if (first === undefined || first === 'assets') return answer(pageAnswer(options, exchange));
  if (first !== 'simulator') return serveApi(options, connection, exchange, arrived);
  const { origin } = request.headers;
  if (origin !== undefined && !hosts.some((name) => origin === `http://${name}`))
    return answer(plain(403, 'Only this machine may do this, and no other page.'));
  return answer(options.control(exchange));
}

async function serveApi(
  options: ListenerOptions,
  connection: Connection,
  exchange: Exchange,
  arrived: Date,
): Promise<void> {
  const { api, clock, note } = options;
  const { request, response, signal } = connection;
  const subject = api.subject(exchange);
  const query = exchange.query.toString();
  const key = exchange.header('idempotency-key');
  const base = {
    method: exchange.method,
    path: exchange.path,
    ...(query ? { query } : {}),
    ...(key ? { key } : {}),
    subject,
    arrived,
  };
  const finish = (given: Answer | undefined, more: Partial<LedgerEntry> = {}) => {
    const retryAfter = given?.headers['retry-after'];
    const told = retryAfter === undefined ? {} : { retryAfter };
    note({ ...base, status: given?.status ?? null, ...told, ...more, done: clock.now() });
    if (given) send(response, exchange.method, given);
  };

  const locked = api.authenticate(exchange);
  if (locked) return finish(locked);
  const ticket = options.rate(exchange.method);
  const limits = ticket ? limitHeaders(ticket, options.reset) : {};
  if (ticket && !ticket.allowed) {
    const refused = api.refuse(new Refusal(429, 'Too many requests.'), exchange);
    return finish(withHeaders(refused, limits), { limited: true });
  }
  const { fault, slowMs } = options.faults.strike({ ...exchange, userName: subject.userName });
  const wait = options.latencyMs() + slowMs;
  if (wait > 0) await sleep(wait, undefined, { signal });
  const struck = fault ? { fault: fault.kind } : slowMs > 0 ? { fault: 'slow' } : {};
  const early = fault && beforehand(options, fault, exchange);
  if (early) {
    if (early.answer) return finish(withHeaders(early.answer, limits), struck);
    finish(undefined, struck);
    if (fault.kind === 'drop') request.socket.resetAndDestroy();
    return;
  }
  const { answer, change } = run(api, exchange);
  if (change) api.changed();
  const state = change && api.stateAfter(change);
  const noted = { ...struck, ...(change ? { change: { ...change, ...(state ? { state } : {}) } } : {}) };
  if (fault?.kind === 'forget' && change?.what === 'create') forgetLater(api, change, fault.ms ?? 0, signal);
  if (fault?.kind === 'reset' || fault?.kind === 'hang') {
    finish(undefined, noted);
    if (fault.kind === 'reset') request.socket.resetAndDestroy();
    return;
  }
  if (fault?.kind === 'error') return finish(withHeaders(failure(api, fault, exchange), limits), noted);
  finish(withHeaders(answer, limits), noted);
}

/** What a fault does before anything is done; undefined where it comes afterwards. */
function beforehand(
  { api, clock }: ListenerOptions,
  fault: ActiveFault,
  exchange: Exchange,
): { answer?: Answer } | undefined {
  switch (fault.kind) {
    case 'rate': {
      const header = retryAfterHeader(fault, clock.now());
      const refused = api.refuse(new Refusal(429, 'Too many requests.'), exchange);
      return { answer: withHeaders(refused, header === undefined ? {} : { 'retry-after': header }) };
    }
    case 'drop':
      return {};
    case 'hang':
      return fault.commit ? undefined : {};
    case 'error':
      return fault.commit ? undefined : { answer: failure(api, fault, exchange) };
    case 'refuse':
      return {
        answer: api.refuse(
          new Refusal(fault.status ?? 400, 'This is refused on purpose.', 'invalidValue'),
          exchange,
        ),
      };
    default:
      return undefined;
  }
}

function failure(api: Api, fault: ActiveFault, exchange: Exchange): Answer {
  return api.refuse(new Refusal(fault.status ?? 503, 'The target fails on purpose.'), exchange);
}

function run(api: Api, exchange: Exchange): Handled {
  try {
    return api.handle(exchange);
  } catch (error) {
    if (error instanceof Refusal) return { answer: api.refuse(error, exchange) };
    throw error;
  }
}

function forgetLater(api: Api, change: Change, ms: number, signal: AbortSignal): void {
  const forget = () => {
    if (signal.aborted) return;
    api.forget(change);
    api.changed();
  };
  if (ms <= 0) forget();
  else setTimeout(forget, ms).unref();
}

function limitHeaders(ticket: Ticket, reset: 'seconds' | 'iso'): Record<string, string> {
  const at =
    reset === 'iso' ? ticket.resetAt.toISOString() : String(Math.ceil(ticket.resetAt.getTime() / 1000));
  return {
    'x-ratelimit-limit': String(ticket.limit),
    'x-ratelimit-remaining': String(ticket.remaining),
    'x-ratelimit-reset': at,
    ...(ticket.allowed ? {} : { 'retry-after': String(ticket.retryAfterSeconds) }),
  };
}

const withHeaders = (answer: Answer, headers: Record<string, string>): Answer => ({
  ...answer,
  headers: { ...answer.headers, ...headers },
});

async function readExchange(request: IncomingMessage): Promise<Exchange | undefined> {
  const url = URL.parse(request.url ?? '/', 'http://simulator');
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size <= largestBody) chunks.push(chunk as Buffer);
  }
  const segments = url?.pathname.split('/').filter(Boolean).map(decode);
  if (!url || size > largestBody || !segments || segments.includes(undefined)) return undefined;
  return {
    method: request.method ?? 'GET',
    path: url.pathname,
    segments: segments as string[],
    query: url.searchParams,
    body: Buffer.concat(chunks).toString('utf8'),
    header: (name) => [request.headers[name]].flat()[0],
  };
}

function decode(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

function pageAnswer(options: ListenerOptions, exchange: Exchange): Answer {
  const asset = pageAssets.find(({ url }) => url === exchange.path);
  if (asset)
    return {
      status: 200,
      headers: { 'content-type': asset.type, 'cache-control': 'max-age=31536000, immutable' },
      body: asset.content,
    };
  if (exchange.segments.length > 0) return plain(404, 'There is nothing here.');
  if (exchange.method !== 'GET' && exchange.method !== 'HEAD')
    return plain(405, 'This page can only be read.');
  const nonce = randomToken(16);
  const hold = exchange.query.has('hold');
  const body = options.page({ nonce, now: options.clock.now(), hold }).toString();
  const rules =
    `default-src 'none'; style-src 'self' 'nonce-${nonce}'; script-src 'self'; img-src 'self' data:; ` +
    `frame-ancestors 'none'; base-uri 'none'; form-action 'none'`;
  // The header does what a meta element would, and the page's frame needs to know nothing of it.
  const refresh: Record<string, string> = hold ? {} : { refresh: String(refreshSeconds) };
  const headers = {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': rules,
    ...refresh,
  };
  return { status: 200, headers, body };
}

function plain(status: number, body: string): Answer {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body };
}

function send(response: ServerResponse, method: string | undefined, answer: Answer): void {
  response.writeHead(answer.status, { ...always, ...answer.headers });
  response.end(method === 'HEAD' ? undefined : answer.body);
}
