/**
 * The one HTTP server. Owns how requests get in: one Host, one spelling of a path, bounded bodies, a door for every
 * route, headers on every answer. Knows nothing of identity. Refuses what two readers could read differently.
 *
 *   const app = createServer({ … }); app.get('/x', { config: { door: 'page' } }, handler); await app.listen({ host, port })
 *
 * Doors: `page` (GET only, cookies readable), `form` (a posted form of one of our pages: our Origin and the form token
 * of this browser), `api` (a token in the Authorization header, or cookies: then whatever changes something must come
 * from a script of ours), `bearer` (no cookies by construction), `protocol` (another protocol's own rules: no form
 * token), `public` (no cookies, nothing to protect). A route without a door stops the start.
 *
 * request: requestId, network (client address), nonce, cookies, browser, form · reply: page(html, { status, formAction })
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type RouteOptions,
} from 'fastify';
import type { Log } from '#kit/log/log.ts';
import { type Asset, pageAssets } from '#kit/page/assets.ts';
import { type Html, html } from '#kit/page/html.ts';
import { bodyLimit, readBodies } from './bodies.ts';
import { answerUnreadable, clientAddress, forgetForwarded, httpsCheck } from './client.ts';
import { type CookieJar, createCookies, newBrowser, parseCookies } from './cookies.ts';
import { boundCrowd, type CrowdOptions } from './crowd.ts';
import { answerBadUrl, answerErrors } from './errors.ts';
import { FormBody } from './form.ts';
import { type PagePolicy, pageHeaders, plainHeaders } from './headers.ts';
import { checkScript, isOwnOrigin } from './own-origin.ts';
import { HttpRefusal } from './refusal.ts';
import { checkHost, checkTarget } from './target.ts';

export type { CookieJar } from './cookies.ts';
export { FormBody } from './form.ts';
export { HttpRefusal } from './refusal.ts';

export type Door = 'page' | 'form' | 'api' | 'bearer' | 'protocol' | 'public';

declare module 'fastify' {
  interface FastifyContextConfig {
    door?: Door;
    /** Fields of a form that may come more than once. */
    lists?: readonly string[];
    /** Answers under any Host of this machine (health checks). */
    anyHost?: boolean;
  }
  interface FastifyRequest {
    /** Made by us for every request; people quote it as the reference. */
    requestId: string;
    /** The client's address; a proxy's word counts only from trusted proxies. */
    network: string;
    nonce: string;
    cookies: ReadonlyMap<string, string>;
    browser: string;
    form: FormBody;
  }
  interface FastifyReply {
    page(document: Html, options?: PageOptions): FastifyReply;
  }
}

/** `builds`: the page is built by a script of ours, and nothing in it may turn text into markup. */
export interface PageOptions extends PagePolicy {
  status?: number;
}

export type App = FastifyInstance & {
  cookieJar: CookieJar;
  routes: RouteSummary[];
  draining: boolean;
  drain(seconds: number): Promise<void>;
};

export interface RouteSummary {
  method: string;
  url: string;
  door: Door;
}

export interface ServerOptions {
  log: Log;
  publicUrl: URL;
  issuer: URL;
  extraHosts?: readonly string[];
  /** Networks whose X-Forwarded-For counts. */
  trustedProxies?: readonly string[];
  tls?: { cert: Buffer; key: Buffer };
  /** Keyed hashes for form tokens, the current one first: a page may be older than a change of the key. */
  macs(purpose: string, ...parts: string[]): [Buffer, ...Buffer[]];
  /** How a refusal or fault is answered, in the owner's words. */
  renderError(
    error: unknown,
    request: FastifyRequest,
  ): { status: number; html?: Html; json?: unknown; headers?: Record<string, string> };
  /** Reads who asks for a path that is not there, so that the page that says so can offer them the way out. */
  recognise?(request: FastifyRequest): Promise<unknown>;
  assets?: readonly Asset[];
  /** How long a request may take to arrive whole; 30,000 when left out. */
  requestTimeoutMs?: number;
  /** How many requests through the doors `page` and `form` are answered at once. */
  crowd?: CrowdOptions;
}

const referenceBytes = 9;
let references = Buffer.alloc(0);

/** What a request is called in the log and to whoever asks about it; random bytes are fetched a few hundred at a time. */
function newReference(): string {
  if (references.length < referenceBytes) references = randomBytes(referenceBytes * 256);
  const reference = references.toString('base64url', 0, referenceBytes);
  references = references.subarray(referenceBytes);
  return reference;
}

/** What forms of a browser may carry; the first is what pages of now say. */
const formTokens = new WeakMap<FastifyInstance, (browser: string) => string[]>();

/** Makes the server; nothing listens yet. */
export function createServer(options: ServerOptions): App {
  const secure = options.publicUrl.protocol === 'https:';
  const cookieJar = createCookies({ secure, port: portOf(options.publicUrl) });
  const requestTimeout = options.requestTimeoutMs ?? 30_000;
  const bounds = {
    maxHeaderSize: 16_384,
    // Node swaps the two when headers may take longer than the request, which its own minute for headers does.
    headersTimeout: Math.min(15_000, requestTimeout / 2),
    requestTimeout,
    // How often it looks for late requests; its own half a minute would double the time they have.
    connectionsCheckingInterval: Math.min(5000, requestTimeout / 4),
  };
  const app = fastify({
    logger: false,
    bodyLimit,
    requestTimeout,
    connectionTimeout: 60_000,
    keepAliveTimeout: 65_000,
    trustProxy: options.trustedProxies?.length ? [...options.trustedProxies] : false,
    return503OnClosing: true,
    forceCloseConnections: 'idle',
    frameworkErrors: answerBadUrl(options, secure),
    clientErrorHandler: answerUnreadable(secure),
    ...(options.tls ? { https: { ...options.tls, ...bounds } } : { http: bounds }),
  } as Parameters<typeof fastify>[0]) as unknown as App;
  app.cookieJar = cookieJar;
  app.routes = [];
  app.draining = false;
  app.drain = (seconds) => drain(app, seconds);
  formTokens.set(app, (browser) =>
    options.macs('form', browser).map((mac) => mac.toString('base64url').slice(0, 32)),
  );
  const ours = new Set(
    [options.publicUrl.host, options.issuer.host, ...(options.extraHosts ?? [])].map((host) =>
      host.toLowerCase(),
    ),
  );
  decorate(app);
  app.addHook('onRoute', (route) => noteRoute(app, route));
  const checkHttps = secure ? httpsCheck(options.log) : undefined;
  // Hooks that wait for nothing call back: what is thrown in one is answered like any refusal.
  const ground = { ours, checkHttps, secure };
  app.addHook('onRequest', (request, reply, done) => after(() => receive(app, request, reply, ground), done));
  boundCrowd(app, options.crowd);
  app.addHook('preHandler', (request, _reply, done) =>
    after(() => checkDoor(app, request, ours, secure), done),
  );
  const always = Object.entries(plainHeaders(secure));
  app.addHook('onSend', (request, reply, payload, done) => {
    for (const [name, value] of always) {
      if (!reply.hasHeader(name)) reply.header(name, value);
    }
    if (!reply.hasHeader('content-security-policy'))
      reply.header('content-security-policy', "default-src 'none'; frame-ancestors 'none'");
    // A connection that stayed open would hold up the end; the client asks the next node instead.
    if (app.draining) reply.header('connection', 'close');
    if (!reply.hasHeader('x-request-id')) reply.header('x-request-id', request.requestId ?? '-');
    done(null, payload);
  });
  logRequests(app, options.log);
  readBodies(app);
  answerErrors(app, options);
  serveAssets(app, [...pageAssets, ...(options.assets ?? [])]);
  return app;
}

function portOf(url: URL): number {
  return Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
}

function decorate(app: App): void {
  app.decorateRequest('requestId', '');
  app.decorateRequest('network', '');
  const nonces = new WeakMap<FastifyRequest, string>();
  // Made where a page asks for it: most answers to apps have none.
  app.decorateRequest('nonce', {
    getter(this: FastifyRequest): string {
      const nonce = nonces.get(this) ?? randomBytes(16).toString('base64');
      nonces.set(this, nonce);
      return nonce;
    },
  });
  app.decorateRequest('browser', '');
  app.decorateRequest('cookies', null as unknown as ReadonlyMap<string, string>);
  app.decorateRequest('form', null as unknown as FormBody);
  app.decorateReply('page', function page(this: FastifyReply, document, pageOptions = {}) {
    for (const [name, value] of Object.entries(pageHeaders(this.request.nonce, pageOptions)))
      this.header(name, value);
    return this.code(pageOptions.status ?? this.statusCode)
      .type('text/html; charset=utf-8')
      .send(String(document));
  });
}

const changing = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

/** Every route says who may knock; a page never changes anything. */
function noteRoute(app: App, route: RouteOptions): void {
  const door = route.config?.door;
  const methods = Array.isArray(route.method) ? route.method : [route.method];
  for (const method of methods) {
    if (!door) throw new Error(`${method} ${route.url} has no door`);
    if (changing.has(method) && (door === 'page' || door === 'public')) {
      throw new Error(`${method} ${route.url} changes something through the door "${door}"`);
    }
    app.routes.push({ method, url: route.url, door });
  }
}

interface Ground {
  ours: ReadonlySet<string>;
  checkHttps?: ReturnType<typeof httpsCheck>;
  secure: boolean;
}

/** Runs a step of a request and goes on, or ends it with what the step threw. */
function after(step: () => void, done: (error?: Error) => void): void {
  try {
    step();
  } catch (error) {
    done(error as Error);
    return;
  }
  done();
}

/** What every request goes through before its route is looked at closely. */
function receive(
  app: App,
  request: FastifyRequest,
  reply: FastifyReply,
  { ours, checkHttps, secure }: Ground,
): void {
  request.requestId = newReference();
  request.network = clientAddress(request.ip, request.raw);
  const refusePlain = checkHttps?.(request);
  forgetForwarded(request.raw);
  const { door, anyHost } = request.routeOptions.config;
  // Whoever brings a token is who the token says, not whoever happens to be signed in.
  const byToken = door === 'api' && request.headers.authorization !== undefined;
  if (door === 'bearer' || door === 'public' || byToken) delete request.raw.headers.cookie;
  request.cookies = parseCookies(request.headers.cookie);
  request.browser = app.cookieJar.read(request, 'browser') ?? '';
  request.form = new FormBody('');
  checkTarget(request.raw);
  checkHost(request.raw, anyHost ? undefined : ours);
  // Public is what holds nothing to protect: health checks, and the looks of the page that says this.
  if (door !== 'public') refusePlain?.();
  if (door === 'api' && app.cookieJar.read(request, 'session')) checkScript(request, ours, secure);
  if (request.headers['content-encoding'] && request.headers['content-encoding'] !== 'identity') {
    throw new HttpRefusal(415, 'input-malformed', 'compressed bodies are not read');
  }
  if (door === 'page' && !/^[A-Za-z0-9_-]{22}$/.test(request.browser)) {
    request.browser = newBrowser();
    app.cookieJar.set(reply, 'browser', request.browser, { maxAge: 400 * 86_400 });
  }
}

/** A form counts when it comes from a page of ours in this very browser. */
function checkDoor(app: App, request: FastifyRequest, ours: ReadonlySet<string>, secure: boolean): void {
  if (request.routeOptions.config.door !== 'form') return;
  if (!isOwnOrigin(request, ours, secure))
    throw new HttpRefusal(403, 'form-stale', 'the form came from another site');
  const given = Buffer.from(request.form.text('form_token'));
  const right = (formTokens.get(app)?.(request.browser) ?? []).map((token) => Buffer.from(token));
  const same = right.some((token) => given.length === token.length && timingSafeEqual(given, token));
  if (request.browser === '' || !same)
    throw new HttpRefusal(403, 'form-stale', 'the form token does not belong to this browser');
}

/** The hidden field that every form of ours carries. */
export function formField(request: FastifyRequest): Html {
  const token = formTokens.get(request.server) ?? parentToken(request.server);
  return html`<input type="hidden" name="form_token" value="${token?.(request.browser)[0] ?? ''}">`;
}

/** Routes of an encapsulated plugin see a child of the server; its form tokens are the server's. */
function parentToken(instance: FastifyInstance): ((browser: string) => string[]) | undefined {
  let one: unknown = Object.getPrototypeOf(instance);
  while (one) {
    const found = formTokens.get(one as FastifyInstance);
    if (found) return found;
    one = Object.getPrototypeOf(one);
  }
  return undefined;
}

function logRequests(app: App, log: Log): void {
  app.addHook('onResponse', (request, reply, done) => {
    log.info(
      {
        method: request.method,
        route: request.routeOptions.url ?? '-',
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime),
        reference: request.requestId,
      },
      'request',
    );
    done();
  });
}

function serveAssets(app: App, assets: readonly Asset[]): void {
  for (const asset of assets) {
    app.get(asset.url, { config: { door: 'public', anyHost: true } }, async (request, reply) => {
      const accepts = String(request.headers['accept-encoding'] ?? '');
      const [encoding, content] = /\bbr\b/.test(accepts)
        ? (['br', asset.brotli] as const)
        : /\bgzip\b/.test(accepts)
          ? (['gzip', asset.gzip] as const)
          : ([undefined, asset.content] as const);
      if (encoding) reply.header('content-encoding', encoding);
      return reply
        .type(asset.type)
        .header('cache-control', 'public, max-age=31536000, immutable')
        .header('vary', 'accept-encoding')
        .send(content);
    });
  }
}

/** Stops taking connections, lets requests in hand end for so many seconds, then cuts. */
async function drain(app: App, seconds: number): Promise<void> {
  app.draining = true;
  const cut = setTimeout(() => app.server.closeAllConnections(), seconds * 1000);
  cut.unref();
  await app.close();
  clearTimeout(cut);
}

/** Every route with its door, for sweeps. */
export function routeList(app: App): readonly RouteSummary[] {
  return app.routes;
}
