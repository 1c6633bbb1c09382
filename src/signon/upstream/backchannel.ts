/**
 * An OpenID provider tells that somebody signed out there (OIDC Back-Channel Logout 1.0): `POST /upstream/<id>/backchannel`.
 * A logout token counts once, is signed by a key the provider publishes, and ends the sessions it vouched for.
 */
import { createRemoteJWKSet, customFetch, errors, type JWTPayload, jwtVerify } from 'jose';
import { Problem } from '#core/problem.ts';
import { endSession } from '#core/sessions/sessions.ts';
import { sessionsFromUpstream } from '#core/sessions/upstreams.ts';
import type { TxContext } from '#kit/db/tx.ts';
import type { App } from '#kit/http/server.ts';
import { type Net, webFetch } from '#kit/net/net.ts';
import { UpstreamFailure } from './failure.ts';
import { hearOnce } from './journeys.ts';
import { subjectKey } from './links.ts';
import { configurationOf, type OidcUpstream, toTold } from './oidc.ts';
import type { UpstreamNeeds } from './upstream.ts';
import { openUpstream } from './upstreams.ts';

const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];
const logoutEvent = 'http://schemas.openid.net/event/backchannel-logout';

/** A logout token of more than this many seconds ago is none of today. */
const oldest = 600;

export function backchannelRoutes(app: App, needs: UpstreamNeeds): void {
  app.post('/upstream/:upstream/backchannel', { config: { door: 'protocol' } }, async (request, reply) => {
    const id = String((request.params as Record<string, unknown>).upstream ?? '');
    const context: TxContext = {
      actor: { kind: 'system' },
      cause: 'request',
      requestId: request.requestId,
    };
    reply.header('cache-control', 'no-store');
    try {
      await heard(needs, context, id, request.form.text('logout_token'));
      return reply.code(200).send();
    } catch (error) {
      const known = error instanceof errors.JOSEError || error instanceof Problem;
      if (!known) throw error;
      const detail = error instanceof Problem ? (error.facts.detail ?? error.code) : error.code;
      const reference = request.requestId;
      needs.log.info(
        { code: 'logout-token-refused', upstream: id, reference, detail },
        'a logout token was refused',
      );
      const code = error instanceof Problem && error.code === 'upstream-unreachable' ? 503 : 400;
      return reply.code(code).send({ error: 'invalid_request' });
    }
  });
}

async function heard(needs: UpstreamNeeds, context: TxContext, id: string, token: string): Promise<void> {
  const upstream = await needs.database.read(context, (tx) => openUpstream(tx, id));
  const { oidc } = upstream.settings;
  if (!oidc) throw new Problem('upstream-unknown');
  const of: OidcUpstream = { ...upstream, settings: { ...upstream.settings, oidc } };
  const claims = await verify(needs, of, token);
  const told = claims.sub === undefined ? undefined : toTold(of, claims);
  const who = {
    upstream: id,
    subject: told && subjectKey(told),
    sessionIndex: typeof claims.sid === 'string' ? claims.sid : undefined,
  };
  await needs.database.transact(context, async (tx) => {
    await openUpstream(tx, id);
    const until = new Date((claims.iat! + oldest + 120) * 1000);
    if (!(await hearOnce(tx, id, `logout ${claims.jti}`, until)))
      throw new UpstreamFailure('upstream-stray', upstream, { detail: 'heard before' });
    for (const session of await sessionsFromUpstream(tx, who))
      await endSession(tx, session, 'signed-out-upstream');
  });
}

/** Back-Channel Logout §2.6: signature, iss, aud, iat, jti, the event, sub or sid, and no nonce. */
async function verify(
  needs: UpstreamNeeds,
  upstream: OidcUpstream,
  token: string,
): Promise<JWTPayload & Record<string, unknown>> {
  const { issuer, jwks_uri: keys } = (await configurationOf(needs, upstream)).serverMetadata();
  if (!keys) throw new UpstreamFailure('upstream-answer', upstream, { detail: 'no keys are published' });
  const { payload } = await jwtVerify(token, keySet(needs.net, upstream, keys), {
    issuer,
    audience: upstream.settings.oidc.clientId,
    algorithms,
    clockTolerance: 60,
    maxTokenAge: oldest,
    requiredClaims: ['iat', 'jti', 'events'],
  });
  const { events, nonce, sub, sid, jti } = payload as Record<string, unknown>;
  const isLogout = typeof events === 'object' && events !== null && Object.hasOwn(events, logoutEvent);
  const names = (sub !== undefined && typeof sub === 'string') || typeof sid === 'string';
  if (!isLogout || nonce !== undefined || !names || typeof jti !== 'string')
    throw new UpstreamFailure('upstream-answer', upstream, { detail: 'not a logout token' });
  return payload;
}

const sets = new WeakMap<Net, Map<string, ReturnType<typeof createRemoteJWKSet>>>();

/** Kept for each upstream, so that an unknown `kid` asks for keys once a minute at most (F-28). */
function keySet(net: Net, upstream: OidcUpstream, keys: string): ReturnType<typeof createRemoteJWKSet> {
  const all = sets.get(net) ?? new Map();
  sets.set(net, all);
  const key = `${upstream.id} ${upstream.version} ${keys}`;
  const known = all.get(key);
  if (known) return known;
  const fetcher = webFetch(net, { allowPrivate: upstream.settings.privateNetwork, timeoutMs: 5000 });
  const made = createRemoteJWKSet(new URL(keys), { cooldownDuration: 60_000, [customFetch]: fetcher });
  all.set(key, made);
  return made;
}
