/** Who is calling, and whether the route is theirs: every route names the right it needs, and without one none opens. */
import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify';
import { type Grant, may, type Permission } from '#core/operators/permissions.ts';
import { grantsOfToken, tokenByValue } from '#core/operators/tokens.ts';
import { Problem } from '#core/problem.ts';
import type { Database } from '#kit/db/database.ts';
import type { TxContext } from '#kit/db/tx.ts';
import { NothingHere } from './errors.ts';

export interface Caller {
  id: string;
  name: string;
  grants: Grant[];
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The right a caller needs; `any` for whoever has a token. */
    permission?: Permission | 'any';
    /**
     * For rights that may hold for one app only: the path parameter that names the app, or `each` where the handler
     * shows a caller no more than their own.
     */
    app?: string;
  }
  interface FastifyRequest {
    caller: Caller;
  }
}

export interface ApiRoute {
  method: string;
  url: string;
  permission: Permission | 'any' | 'nobody in particular';
  app?: string;
}

/** Puts the check in front of every route of this scope, and notes each route for sweeps. */
export function guard(scope: FastifyInstance, database: Database, routes: ApiRoute[]): void {
  scope.decorateRequest('caller', null as unknown as Caller);
  scope.addHook('onRoute', (route) => noteRoute(route, routes));
  scope.addHook('onRequest', async (request) => {
    const { door, permission, app } = request.routeOptions.config;
    if (door === 'public') return;
    // An address that is not there is no secret; everything else needs a token first.
    if (request.is404) return;
    request.caller = await authenticate(database, request);
    if (permission === 'any') return;
    if (!permission) throw new Problem('operator-forbidden');
    authorise(request, permission, app);
  });
}

function noteRoute(route: RouteOptions, routes: ApiRoute[]): void {
  const { door, permission, app } = route.config ?? {};
  if (door !== 'public' && !permission)
    throw new Error(`${String(route.method)} ${route.url} names no right`);
  for (const method of [route.method].flat())
    routes.push({ method, url: route.url, permission: permission ?? 'nobody in particular', app });
}

const bearer = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i;

async function authenticate(database: Database, request: FastifyRequest): Promise<Caller> {
  const value = bearer.exec(request.headers.authorization ?? '')?.[1];
  const anonymous: TxContext = {
    actor: { kind: 'anonymous' },
    cause: 'request',
    requestId: request.requestId,
  };
  const token = value && (await database.transact(anonymous, (tx) => tokenByValue(tx, value)));
  if (!token) throw new Problem('token-refused');
  return { id: token.id, name: token.name, grants: grantsOfToken(token) };
}

function authorise(request: FastifyRequest, permission: Permission, app: string | undefined): void {
  const { grants } = request.caller;
  if (app === 'each') {
    if (!appsOf(grants, permission).any) throw new Problem('operator-forbidden');
    return;
  }
  const named = app && (request.params as Record<string, string>)[app];
  if (may(grants, permission, named)) return;
  // Whoever has the right for another app learns nothing of this one, not even that it is there.
  const elsewhere = app !== undefined && appsOf(grants, permission).any;
  throw elsewhere ? new NothingHere('application-unknown') : new Problem('operator-forbidden');
}

/** For which apps a right holds: all of them, or these. */
export function appsOf(
  grants: readonly Grant[],
  permission: Permission,
): { all: boolean; ids: Set<string>; any: boolean } {
  const all = may(grants, permission);
  const ids = new Set(
    grants.flatMap(({ application }) =>
      application !== undefined && may(grants, permission, application) ? [application] : [],
    ),
  );
  return { all, ids, any: all || ids.size > 0 };
}

/** What a transaction of this request is recorded as. */
export function contextOf(request: FastifyRequest): TxContext {
  const { id, name } = request.caller;
  return {
    actor: { kind: 'operator', id, name: `token: ${name}` },
    cause: 'admin',
    requestId: request.requestId,
  };
}
