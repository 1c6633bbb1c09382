/**
 * The library inside our server: it works on the raw request, and what it answers goes out through the server like
 * everything else, with the same headers, log and pages.
 */
import { IncomingMessage, ServerResponse } from 'node:http';
import { Duplex } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { Problem } from '#core/problem.ts';
import type { DatabaseBusy } from '#kit/db/busy.ts';
import type { TxContext } from '#kit/db/tx.ts';
import type { App } from '#kit/http/server.ts';
import type { Log } from '#kit/log/log.ts';
import { isTurnedAway, tellApp, turnedAway } from './turned-away.ts';

export interface Exchange {
  request: FastifyRequest;
  reply: FastifyReply;
  /** Set where a page of ours is the answer. */
  page?: () => FastifyReply | Promise<FastifyReply>;
  ctx?: KoaContextWithOIDC;
  failure?: unknown;
  /** Where what is turned away is written down. */
  log?: Log;
  /** Why there was no room for it, where the library knows only of a fault. */
  turned?: Problem | DatabaseBusy;
}

const exchanges = new WeakMap<IncomingMessage, Exchange>();

/** The request and reply of our server that the library is answering. */
export function exchangeOf(ctx: { req: IncomingMessage }): Exchange {
  const exchange = exchanges.get(ctx.req);
  if (!exchange) throw new Error('this request did not come through our server');
  return exchange;
}

/** What is asked of the provider from inside: a form that is posted, or what a bearer may read. */
export interface AskedInside {
  method: 'GET' | 'POST';
  url: string;
  form?: Record<string, string>;
  bearer?: string;
}

/** No connection is behind what is asked from inside. */
const nobody = new Duplex({ read() {}, write() {} }) as unknown as IncomingMessage['socket'];

/**
 * Asks the provider as an app would, without leaving the process and without our server in between.
 * @param from the request on whose behalf
 * @returns what was answered, an error of the protocol too
 */
export async function askInside(
  provider: Provider,
  from: Pick<Exchange, 'request' | 'reply'>,
  { method, url, form, bearer }: AskedInside,
): Promise<Record<string, unknown>> {
  const body = form && new URLSearchParams(form).toString();
  const asked = new IncomingMessage(nobody);
  asked.method = method;
  asked.url = url;
  asked.headers = {
    ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
    ...(body !== undefined && {
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': String(Buffer.byteLength(body)),
    }),
  };
  if (body !== undefined) asked.push(body);
  asked.push(null);
  const exchange: Exchange = { request: from.request, reply: from.reply };
  exchanges.set(asked, exchange);
  await listenerOf(provider)(asked, new ServerResponse(asked));
  if (exchange.failure) throw exchange.failure;
  return (exchange.ctx?.body ?? {}) as Record<string, unknown>;
}

/** Who does it why, for transactions on behalf of a request. */
export function contextOf(ctx: { req: IncomingMessage }, person?: string): TxContext {
  const { requestId } = exchangeOf(ctx).request;
  return {
    actor: person ? { kind: 'person', id: person } : { kind: 'anonymous' },
    cause: 'request',
    requestId,
  };
}

/** Makes the provider hand back its answers instead of writing them. Called before any other middleware is added. */
export function captureAnswers(provider: Provider): void {
  provider.use(async (ctx, next) => {
    const exchange = exchangeOf(ctx);
    exchange.ctx = ctx as unknown as KoaContextWithOIDC;
    ctx.respond = false;
    try {
      await next();
    } catch (error) {
      exchange.failure = error;
    }
  });
}

/** Answers plain requests before the library sees them; undefined where the request is the library's. */
export type Shortcut = (
  provider: Provider,
  request: FastifyRequest,
  body: Buffer,
) => Promise<Record<string, unknown> | undefined>;

/** A path the library answers. */
export interface LibraryRoute {
  method: string;
  url: string;
  /** What the library knows it as, where that is another path. */
  path?: string;
  /** People come here, who are shown pages. */
  people?: boolean;
  /** Is asked before the library. */
  shortcut?: Shortcut;
}

const formType = 'application/x-www-form-urlencoded';
/** Bytes of a form that are read before the library is asked; longer ones are no plain requests. */
const shortForm = 4096;
const bodies = new WeakMap<IncomingMessage, Buffer>();

/** Lets the provider answer these paths. The body is left for it to read. */
export function mountProvider(
  app: App,
  log: Log,
  current: () => Provider,
  routes: readonly LibraryRoute[],
): void {
  const shortcuts = new Map(
    routes.flatMap(({ method, url, shortcut }) => (shortcut ? [[`${method} ${url}`, shortcut]] : [])),
  );
  void app.register(async (inner) => {
    inner.removeAllContentTypeParsers();
    inner.addContentTypeParser('*', ({ raw }, _payload, done) => {
      const plain = shortcuts.has(`${raw.method} ${raw.url}`) && raw.headers['content-type'] === formType;
      if (plain && Number(raw.headers['content-length']) <= shortForm) readForm(raw, done);
      else done(null, undefined);
    });
    for (const { method, url, path, people, shortcut } of routes) {
      inner.route({
        method,
        url,
        exposeHeadRoute: false,
        config: { door: 'protocol' },
        handler: async (request, reply) => {
          if (path) request.raw.url = path;
          const body = shortcut && bodies.get(request.raw);
          const exchange: Exchange = { request, reply, log };
          const plain = body && (await plainly(exchange, shortcut(current(), request, body)));
          return plain ? plain() : answer(current(), exchange, people ?? false);
        },
      });
    }
  });
}

/** Reads a short form, and lets the library read it again. */
function readForm(raw: IncomingMessage, done: (error: Error | null) => void): void {
  const chunks: Buffer[] = [];
  raw.on('data', (chunk: Buffer) => chunks.push(chunk));
  raw.once('error', done);
  raw.once('end', () => {
    const body = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
    bodies.set(raw, body);
    Object.defineProperties(raw, {
      readable: { value: true },
      iterator: {
        value: async function* again() {
          yield body;
        },
      },
    });
    done(null);
  });
}

/**
 * How to answer with a token as the library would (RFC 6749 §5.1); undefined where there is none on the short way. Not the
 * reply itself: whoever waits for a reply gets nothing, once it was sent, and would ask the library all the same.
 */
async function plainly(
  exchange: Exchange,
  short: ReturnType<Shortcut>,
): Promise<(() => FastifyReply) | undefined> {
  try {
    const body = await short;
    const { reply } = exchange;
    return (
      body &&
      (() =>
        reply.header('vary', 'Origin').type('application/json; charset=utf-8').send(JSON.stringify(body)))
    );
  } catch (error) {
    if (isTurnedAway(error)) return () => tellApp(exchange, error);
    throw error;
  }
}

const listeners = new WeakMap<Provider, ReturnType<Provider['callback']>>();

function listenerOf(provider: Provider): ReturnType<Provider['callback']> {
  const listener = listeners.get(provider) ?? provider.callback();
  listeners.set(provider, listener);
  return listener;
}

async function answer(provider: Provider, exchange: Exchange, people: boolean): Promise<FastifyReply> {
  const { request, reply } = exchange;
  exchanges.set(request.raw, exchange);
  await listenerOf(provider)(request.raw, reply.raw);
  const headers = Object.entries(reply.raw.getHeaders());
  for (const [name] of headers) reply.raw.removeHeader(name);
  const { ctx } = exchange;
  const turned = turnedAway(exchange);
  if (turned && !people) return tellApp(exchange, turned);
  if (turned ?? exchange.failure) throw turned ?? exchange.failure;
  if (!ctx) throw new Error('the provider gave no answer');
  for (const [name, value] of headers) {
    if (value === undefined || (exchange.page && /^content-(type|length)$/.test(name))) continue;
    reply.header(name, value);
  }
  if (exchange.page) return exchange.page();
  const body: unknown = ctx.status >= 300 && ctx.status < 400 ? '' : (ctx.body ?? '');
  if (body === '') reply.removeHeader('content-type');
  reply.removeHeader('content-length');
  return reply.code(ctx.status).send(typeof body === 'object' ? JSON.stringify(body) : body);
}
