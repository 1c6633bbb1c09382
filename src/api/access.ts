/**
 * Who is calling, and whether the route is theirs: every route names the right it needs, and without one none opens.
 * A caller is a program with a token, or an operator whose browser is signed in. What needs a recent sign-in says so
 * (`elevation`); see docs/decisions/0009-session-and-elevation.md.
 */
import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify';
import { holdRoles, rolesOf } from '#core/operators/operators.ts';
import { type Grant, may, type Permission } from '#core/operators/permissions.ts';
import { grantsOfToken, holdToken, tokenByValue } from '#core/operators/tokens.ts';
import { holdPerson } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import type { Database } from '#kit/db/database.ts';
import type { Tx, TxContext } from '#kit/db/tx.ts';
import type { CookieJar } from '#kit/http/server.ts';
import { strongestProofAt } from '#signon/factor-policy.ts';
import { noteUse, signedOn } from '#signon/gate.ts';
import { elevationSeconds, NothingHere } from './errors.ts';

export interface Caller {
  kind: 'token' | 'person';
  /** Of the token, or of the person. */
  id: string;
  name: string;
  grants: Grant[];
  /**
   * Until when this counts as a recent sign-in; undefined for tokens, which were made in one. Long over for whoever has a
   * second factor that this session has not seen.
   */
  elevatedUntil?: Date;
  /** Whether it does now. */
  elevated: boolean;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The right a caller needs; `any` for whoever has a token. */
    permission?: Permission | 'any';
    /** Needs a sign-in no older than ten minutes: approving, deleting, and whatever shows or changes a secret. */
    elevation?: boolean;
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
  elevation: boolean;
}

interface Desk {
  database: Database;
  cookies: CookieJar;
}

/** Puts the check in front of every route of this scope, and notes each route for sweeps. */
export function guard(scope: FastifyInstance, desk: Desk, routes: ApiRoute[]): void {
  scope.decorateRequest('caller', null as unknown as Caller);
  scope.addHook('onRoute', (route) => noteRoute(route, routes));
  scope.addHook('onRequest', async (request) => {
    const { door, permission, app, elevation } = request.routeOptions.config;
    if (door === 'public') return;
    // An address that is not there is no secret; everything else needs a token first.
    if (request.is404) return;
    request.caller = await authenticate(desk, request);
    if (!permission) throw new Problem('operator-forbidden');
    if (permission !== 'any') authorise(request, permission, app);
    if (elevation) requireElevation(request);
  });
}

function noteRoute(route: RouteOptions, routes: ApiRoute[]): void {
  const { door, permission, app, elevation = false } = route.config ?? {};
  if (door !== 'public' && !permission)
    throw new Error(`${String(route.method)} ${route.url} names no right`);
  for (const method of [route.method].flat())
    routes.push({
      method,
      url: route.url,
      permission: permission ?? 'nobody in particular',
      app,
      elevation,
    });
}

const bearer = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i;

/** By token where one is shown, else by the session of a browser; the server let cookies in for scripts of ours alone. */
async function authenticate({ database, cookies }: Desk, request: FastifyRequest): Promise<Caller> {
  const { authorization } = request.headers;
  const cookie = authorization === undefined ? cookies.read(request, 'session') : undefined;
  const anonymous: TxContext = {
    actor: { kind: 'anonymous' },
    cause: 'request',
    requestId: request.requestId,
  };
  if (cookie) return database.transact(anonymous, (tx) => callerBySession(tx, cookie));
  const value = bearer.exec(authorization ?? '')?.[1];
  const token = value && (await database.transact(anonymous, (tx) => tokenByValue(tx, value)));
  if (!token) throw new Problem('token-refused');
  return { kind: 'token', id: token.id, name: token.name, grants: grantsOfToken(token), elevated: true };
}

async function callerBySession(tx: Tx, cookie: string): Promise<Caller> {
  const here = await signedOn(tx, cookie);
  if (!here) throw new Problem('session-ended');
  await noteUse(tx, here.session);
  const { id, username } = here.person;
  const grants = await rolesOf(tx, id);
  if (grants.length === 0) throw new Problem('operator-forbidden');
  const provedAt = await strongestProofAt(tx, here.session);
  const elevatedUntil = provedAt
    ? new Date(provedAt.getTime() + elevationSeconds * 1000)
    : here.session.createdAt;
  return {
    kind: 'person',
    id,
    name: username,
    grants,
    elevatedUntil,
    elevated: provedAt !== undefined && elevatedUntil >= tx.now(),
  };
}

/** Refuses callers whose sign-in is too long ago, for handlers where only some requests need a recent one. */
export function requireElevation(request: FastifyRequest): void {
  if (!request.caller.elevated) throw new Problem('elevation-required');
}

/**
 * To be asked first in the transaction that changes something: what let the caller in still holds, and keeps holding
 * until the transaction ends.
 */
export async function holdCaller(tx: Tx, caller: Caller): Promise<void> {
  if (caller.kind === 'token') return holdToken(tx, caller.id);
  const person = await holdPerson(tx, caller.id);
  if (person?.state !== 'active') throw new Problem('session-ended');
  const held = await holdRoles(tx, caller.id);
  const kept = (grant: Grant) =>
    held.some((one) => one.role === grant.role && one.application === grant.application);
  if (!caller.grants.every(kept)) throw new Problem('operator-forbidden');
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
  const { kind, id, name } = request.caller;
  return {
    actor: { kind: 'operator', id, name: kind === 'token' ? `token: ${name}` : name },
    cause: 'admin',
    requestId: request.requestId,
  };
}

/** The person who asks; undefined where a token does. */
export const operatorOf = (caller: Caller): string | undefined =>
  caller.kind === 'person' ? caller.id : undefined;
