import { AuthorizationResponseError, ClientError, ResponseBodyError } from 'openid-client';
import { randomToken } from '#kit/crypto/ids.ts';
import type { Log } from '#kit/log/log.ts';
import { NetRefused } from '#kit/net/net.ts';
import type { Html } from '#kit/page/html.ts';
import { LogoutTokenRefused } from './logout-token.ts';
import { homePage, type Note, notes, signOutPage, troublePage } from './pages.ts';
import { type Product, productStyle } from './products.ts';
import { IssuerUnreachable, type RelyingParty } from './relying-party.ts';
import type { AppSession, AppSessions } from './sessions.ts';

export interface AppRequest {
  method: string;
  url: URL;
  host: string;
  origin: string | undefined;
  form: URLSearchParams;
  cookies: Map<string, string>;
  nonce: string;
}

export interface Answer {
  status: number;
  headers: Record<string, string | string[]>;
  body: string;
}

export interface RouteContext {
  product: Product;
  communityName: string;
  issuer: URL;
  origin: string;
  port: number;
  sessions: AppSessions;
  party: RelyingParty;
  log: Log;
}

type Handler = (request: AppRequest, session: AppSession | undefined) => Answer | Promise<Answer>;

// What a link to /login may ask of the provider, for people who look at how it answers.
const passedOn = ['prompt', 'max_age', 'acr_values', 'ui_locales', 'login_hint'];

/** Everything the app answers to. */
export function createRoutes(context: RouteContext): (request: AppRequest) => Promise<Answer> {
  const { product, origin, sessions, party, log } = context;
  const sessionCookie = `${product}-session-${context.port}`;
  const browserCookie = `${product}-browser-${context.port}`;
  const view = { product, communityName: context.communityName };

  const page = (status: number, body: Html): Answer => ({
    status,
    headers: pageHeaders(context),
    body: body.toString(),
  });
  const trouble = (status: number, title: string, text: string) =>
    page(status, troublePage({ ...view, title, text }));
  const home = (note: Note) => redirect(`/?note=${note}`);

  async function begin(request: AppRequest, target: string, extra: Record<string, string>): Promise<Answer> {
    const { url, ...parts } = await party.begin(extra);
    const browser = request.cookies.get(browserCookie) ?? randomToken(16);
    sessions.begin(browser, { ...parts, target });
    return redirect(url.href, [cookie(browserCookie, browser)]);
  }

  async function callback(request: AppRequest, before: AppSession | undefined): Promise<Answer> {
    const pending = sessions.finish(
      request.cookies.get(browserCookie),
      request.url.searchParams.get('state'),
    );
    if (!pending) {
      return trouble(
        400,
        'This sign-in was not begun here',
        'It took too long, was finished before, or began in another browser. Start again from here.',
      );
    }
    try {
      const session = sessions.add(await party.finish(request.url, pending));
      if (before) sessions.end(before.id);
      return redirect(pending.target, [cookie(sessionCookie, session.id)]);
    } catch (error) {
      if (!(error instanceof AuthorizationResponseError)) throw error;
      const said = error.error_description
        ? ` ${context.communityName} says: ${error.error_description}`
        : '';
      const title =
        error.error === 'access_denied' ? 'You came back without signing in' : 'Signing in did not work';
      return trouble(403, title, `You are not signed in here (${error.error}).${said}`);
    }
  }

  async function refresh(session: AppSession | undefined): Promise<Answer> {
    if (!session) return home('ended');
    if (!session.refreshToken) return home('no-refresh');
    try {
      Object.assign(session, await party.refresh(session), { refreshes: session.refreshes + 1 });
      return home('refreshed');
    } catch (error) {
      if (!(error instanceof ResponseBodyError)) throw error;
      sessions.end(session.id);
      return redirect('/?note=refused', [dropCookie(sessionCookie)]);
    }
  }

  async function signOut(session: AppSession | undefined): Promise<Answer> {
    const cleared = [dropCookie(sessionCookie)];
    if (!session) return redirect('/', cleared);
    sessions.end(session.id);
    const onward = await party.signOut(session, randomToken(16));
    return redirect(onward?.href ?? '/signed-out', cleared);
  }

  async function backchannel(request: AppRequest): Promise<Answer> {
    try {
      const ended = sessions.endAll(await party.checkLogoutToken(request.form.get('logout_token') ?? ''));
      log.info({ app: product, ended }, 'a logout token was accepted');
      return { status: 200, headers: { 'cache-control': 'no-store' }, body: '' };
    } catch (error) {
      if (!(error instanceof LogoutTokenRefused)) throw error;
      log.info({ app: product, reason: error.message }, 'a logout token was refused');
      return json(400, { error: 'invalid_request', error_description: error.message });
    }
  }

  function initiate(request: AppRequest): Answer | Promise<Answer> {
    const asked = request.method === 'POST' ? request.form : request.url.searchParams;
    if (!party.isOurIssuer(asked.get('iss'))) {
      return trouble(
        400,
        'This link is not from our community',
        'It names another sign-in service. Start again from here.',
      );
    }
    const target = localPath(asked.get('target_link_uri'), origin);
    if (target === undefined) {
      return trouble(
        400,
        'This link leads somewhere else',
        'It asks to be taken to another site after signing in. Start again from here.',
      );
    }
    const hint = asked.get('login_hint');
    return begin(request, target, hint ? { login_hint: hint } : {});
  }

  const routes: Record<string, Handler> = {
    'GET /': ({ url }, session) => page(200, homePage({ ...view, session, note: readNote(url) })),
    'GET /login': (request) => {
      const asked = request.url.searchParams;
      const extra = passedOn.flatMap((name) => (asked.has(name) ? [[name, asked.get(name)!]] : []));
      return begin(request, localPath(asked.get('target'), origin) ?? '/', Object.fromEntries(extra));
    },
    'GET /callback': callback,
    'POST /refresh': (_request, session) => refresh(session),
    'GET /logout': (_request, session) =>
      session ? page(200, signOutPage({ ...view, session })) : redirect('/'),
    'POST /logout': (_request, session) => signOut(session),
    'GET /signed-out': () => home('signed-out'),
    'POST /backchannel-logout': backchannel,
    'GET /initiate': initiate,
    'POST /initiate': initiate,
    'GET /session.json': (_request, session) => json(200, describe(session)),
    [`GET ${productStyle[product].url}`]: () => ({
      status: 200,
      headers: { 'content-type': 'text/css; charset=utf-8', 'cache-control': 'max-age=31536000, immutable' },
      body: productStyle[product].content.toString(),
    }),
  };

  return async (request) => {
    // One name, or the cookies of a sign-in would be left under another.
    if (`http://${request.host}` !== origin)
      return redirect(`${origin}${request.url.pathname}${request.url.search}`);
    const own = request.method === 'POST' && /^\/(refresh|logout)$/.test(request.url.pathname);
    if (own && request.origin !== undefined && request.origin !== origin) {
      return trouble(
        403,
        'This came from another site',
        'Only pages of this app may do that. Nothing was changed.',
      );
    }
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    const handler = routes[`${method} ${request.url.pathname}`];
    if (!handler) return trouble(404, 'There is no such page', 'The address leads nowhere in this app.');
    try {
      return await handler(request, sessions.find(request.cookies.get(sessionCookie)));
    } catch (error) {
      return explain(error);
    }
  };

  function explain(error: unknown): Answer {
    const community = context.communityName;
    if (error instanceof IssuerUnreachable || error instanceof NetRefused) {
      log.warn({ app: product, err: error }, 'the sign-in service cannot be reached');
      return trouble(
        503,
        `${community} does not answer`,
        'Its sign-in service may be starting or down. Try again in a moment.',
      );
    }
    if (error instanceof ClientError || error instanceof ResponseBodyError) {
      log.warn({ app: product, err: error }, 'a sign-in failed a check');
      return trouble(
        502,
        'The answer did not pass our checks',
        `What ${community} sent could not be trusted (${error.code}). You are not signed in here.`,
      );
    }
    throw error;
  }
}

function describe(session: AppSession | undefined): Record<string, unknown> {
  if (!session) return { signedIn: false };
  const { sub, sid, idTokenClaims, userinfo, refreshes, refreshToken, accessTokenExpiresAt } = session;
  return {
    signedIn: true,
    sub,
    sid,
    idTokenClaims,
    userinfo,
    refreshes,
    hasRefreshToken: refreshToken !== undefined,
    accessTokenExpiresAt,
  };
}

// Same origin only: resolved as a browser would, so that //host, /\host and https:host do not slip through.
function localPath(target: string | null, origin: string): string | undefined {
  if (target === null || target === '') return '/';
  const url = URL.parse(target, origin);
  return url?.origin === origin ? `${url.pathname}${url.search}`.replace(/^\/{2,}/, '/') : undefined;
}

function readNote(url: URL): Note | undefined {
  const note = url.searchParams.get('note') ?? '';
  return Object.hasOwn(notes, note) ? (note as Note) : undefined;
}

// Signing out posts a form that is answered by a redirect to the issuer; browsers hold that against form-action.
function pageHeaders({ issuer }: RouteContext): Record<string, string> {
  return {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'referrer-policy': 'same-origin',
    'x-content-type-options': 'nosniff',
    'content-security-policy': `default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self' ${issuer.origin}; frame-ancestors 'none'; base-uri 'none'`,
  };
}

function redirect(location: string, cookies: string[] = []): Answer {
  const headers = {
    location,
    'cache-control': 'no-store',
    ...(cookies.length > 0 ? { 'set-cookie': cookies } : {}),
  };
  return { status: 303, headers, body: '' };
}

function json(status: number, value: unknown): Answer {
  const headers = { 'content-type': 'application/json', 'cache-control': 'no-store' };
  return { status, headers, body: JSON.stringify(value) };
}

const cookie = (name: string, value: string) => `${name}=${value}; Path=/; HttpOnly; SameSite=Lax`;
const dropCookie = (name: string) => `${name}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0`;
