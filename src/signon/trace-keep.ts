/**
 * Listens at the doors of sign-on and of the fronts: what came in and what went out becomes the first and last step of
 * each request's trace, and what was refused is written down once it was answered. Nothing is written for logins that
 * succeed, unless an operator watches. Bounded a day, for everybody and for each network.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { shortenNetwork } from '#core/sessions/sessions.ts';
import type { Database } from '#kit/db/database.ts';
import { system } from '#kit/db/database.ts';
import type { App } from '#kit/http/server.ts';
import { networkKey } from '#kit/limits/limits.ts';
import { describeDevice } from './device.ts';
import { openWatches, type Watch } from './refusals.ts';
import { insertTrace } from './trace.store.ts';
import {
  closeTrace,
  isTraced,
  isUneventful,
  joinLogin,
  type Login,
  openTrace,
  trace,
  traceRefused,
} from './trace.ts';
import { type Facts, plainAddress, scrubText } from './trace-scrub.ts';
import type { PageNeeds } from './visit.ts';
import { whoWasHere } from './visit.ts';

type Needs = Pick<PageNeeds, 'database' | 'limits' | 'clock' | 'log'>;

const doors =
  /^\/(?:sign-in|oidc|saml|upstream|recover|verify|go|device)(?:\/(?!jwks|metadata|\.well-known)|$|\?)/;

/** What apps may be told every minute, and what says nothing of a login: no refusal worth keeping. */
const ordinary = new Set([
  'login_required',
  'interaction_required',
  'consent_required',
  'account_selection_required',
  'authorization_pending',
  'slow_down',
  'not-found',
  'host-refused',
  'https-required',
  'rate-limited',
  'busy',
  'not-ready',
]);

const daily = { all: 5000, network: 300 };

/** Keeps the paths of logins that end in a refusal. */
export function keepTraces(app: App, needs: Needs): void {
  const writing = new Set<Promise<void>>();
  const watched = watchList(needs.database);
  app.addHook('preHandler', (request, _reply, done) => {
    if (doors.test(request.url)) open(needs, request);
    done();
  });
  app.addHook('onSend', (request, reply, payload, done) => {
    if (isTraced(request.requestId)) end(request, reply, payload);
    done(null, payload);
  });
  app.addHook('onResponse', (request, _reply, done) => {
    done();
    const closed = closeTrace(request.requestId);
    if (!closed) return;
    const work = write(needs, request, closed, watched)
      .catch((error) => needs.log.warn({ err: error, code: 'trace-lost' }, 'a trace could not be kept'))
      .finally(() => writing.delete(work));
    writing.add(work);
  });
  app.addHook('onClose', async () => {
    await Promise.all(writing);
  });
}

/** Parameters that say what was asked; no other is repeated. */
const told = [
  'client_id',
  'response_type',
  'response_mode',
  'scope',
  'prompt',
  'max_age',
  'acr_values',
  'ui_locales',
  'grant_type',
  'error',
  'error_description',
];

function open({ clock }: Needs, request: FastifyRequest): void {
  openTrace(
    request.requestId,
    () => clock.now(),
    () => firstStep(request),
  );
  const { url, routeOptions } = request;
  const form = request.form as FastifyRequest['form'] | undefined;
  const named = form?.text('request');
  // What leads from one request to the next must be known at once.
  if (url !== routeOptions.url) {
    const state = (request.query as Record<string, unknown> | undefined)?.state;
    // Only ids of our own making join requests: what an app calls its state may be the same for everybody.
    const ours = url.startsWith('/upstream/') && typeof state === 'string';
    joinLogin(request.requestId, idsIn(url, ours ? state : undefined));
  }
  if (named) joinLogin(request.requestId, [named]);
}

function firstStep(request: FastifyRequest): { step: string; facts: Facts } {
  const query = (request.query ?? {}) as Record<string, unknown>;
  const facts: Facts = {};
  for (const name of told) if (typeof query[name] === 'string') facts[name] = query[name];
  if (typeof query.redirect_uri === 'string') facts.redirect_uri = plainAddress(query.redirect_uri);
  return {
    step: `${request.method} ${request.routeOptions.url ?? '-'}`,
    facts: {
      ...facts,
      with: Object.keys(query).filter((name) => facts[name] === undefined),
      ...(typeof query.client_id === 'string' && { application: query.client_id.slice(0, 80) }),
    },
  };
}

/** The ids in an address that lead from one request of a login to the next. */
function idsIn(address: string, state?: string): string[] {
  const found = [...address.matchAll(/(?:interaction|auth|sso|arrivals)\/([A-Za-z0-9_-]{16,64})/g)];
  const request = /[?&]request=([^&]{1,2000})/.exec(address)?.[1];
  return [
    ...found.flatMap(([, id]) => id ?? []),
    ...(request ? [request] : []),
    ...(state ? [`s ${state}`] : []),
  ];
}

function end(request: FastifyRequest, reply: FastifyReply, payload: unknown): void {
  const { requestId, url, routeOptions } = request;
  const location = reply.getHeader('location');
  const { person } = whoWasHere(request) ?? {};
  const plain = reply.statusCode < 400 && location === undefined && person === undefined;
  if (plain && url === routeOptions.url && isUneventful(requestId)) return;
  const facts: Facts = { status: reply.statusCode, person };
  let error: string | undefined;
  if (typeof location === 'string') {
    const to = location.startsWith('/') ? undefined : new URL(location, 'http://localhost');
    const state = to && request.url.startsWith('/upstream/') ? to.searchParams.get('state') : undefined;
    joinLogin(requestId, idsIn(location, state ?? undefined));
    facts.to = to ? plainAddress(location) : location.split('?', 1)[0];
    error = to?.searchParams.get('error') ?? undefined;
    facts.error_description = to?.searchParams.get('error_description') ?? undefined;
  } else if (reply.statusCode >= 400 && typeof payload === 'string' && payload.startsWith('{')) {
    const answer = readJson(payload);
    error = typeof answer.error === 'string' ? answer.error : undefined;
    if (typeof answer.error_description === 'string') facts.error_description = answer.error_description;
  }
  trace(requestId, 'answered', { ...facts, error });
  const refused = error ?? (reply.statusCode >= 400 ? `status-${reply.statusCode}` : undefined);
  if (refused) traceRefused(requestId, scrubText(refused).slice(0, 60));
}

function readJson(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}

async function write(
  needs: Needs,
  request: FastifyRequest,
  { login, refused }: { login: Login; refused?: string },
  watched: (login: Login) => Promise<boolean>,
): Promise<void> {
  const keep = refused !== undefined && !ordinary.has(refused);
  if (!keep && !(await watched(login))) return;
  if (!(await mayKeep(needs, request.network))) return;
  const { device, network } = placeOfRequest(request);
  await needs.database.transact(system('request'), (tx) =>
    insertTrace(tx, {
      reference: request.requestId,
      person: login.person,
      application: login.application,
      code: refused ?? 'watched',
      door: request.routeOptions.url ?? '-',
      device,
      network,
      steps: bounded(login.steps),
      at: tx.now(),
    }),
  );
}

function placeOfRequest(request: FastifyRequest) {
  return {
    device: describeDevice(request.headers['user-agent']),
    network: shortenNetwork(request.network),
  };
}

/** A trace is no place to fill the disk with. */
const mostBytes = 16_000;

function bounded(steps: Login['steps']): Login['steps'] {
  const kept = [...steps];
  while (JSON.stringify(kept).length > mostBytes && kept.length > 2) kept.splice(1, 1);
  return kept;
}

async function mayKeep({ limits }: Needs, network: string): Promise<boolean> {
  const day = 86_400;
  const of = { points: daily.network, windowSeconds: day };
  if (!(await limits.take(`traces:${networkKey(network)}`, of)).allowed) return false;
  return (await limits.take('traces', { points: daily.all, windowSeconds: day })).allowed;
}

const freshMs = 5000;

/** Whether somebody watches this login. The list is read at most every five seconds. */
function watchList(database: Database): (login: Login) => Promise<boolean> {
  let list: Watch[] = [];
  let readAt = Number.NEGATIVE_INFINITY;
  return async ({ person, application }) => {
    if (person === undefined && application === undefined) return false;
    if (performance.now() - readAt > freshMs) {
      readAt = performance.now();
      list = await database.read(system(), openWatches);
    }
    return list.some((one) =>
      one.person === undefined ? one.application === application : one.person === person,
    );
  };
}
