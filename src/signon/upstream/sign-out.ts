/**
 * Signing out where one came from: after signing out here the map says that the upstream's own session is open still, and
 * leads there (OIDC RP-Initiated Logout 1.0, SAML Single Logout) where its settings want it.
 */

import { Problem } from '#core/problem.ts';
import type { Session } from '#core/sessions/sessions.ts';
import { type UpstreamProof, upstreamOf } from '#core/sessions/upstreams.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { App } from '#kit/http/server.ts';
import type { Front, SignOutOutcome } from '#signon/front.ts';
import { type Visit, visit } from '#signon/visit.ts';
import { askThere } from './ask-there.ts';
import { UpstreamFailure } from './failure.ts';
import { endSessionUrl } from './oidc.ts';
import { followProviders, type PublishedNeeds, toSaml } from './saml-published.ts';
import { logoutRequestUrl } from './saml-sign-out.ts';
import { failurePage } from './show.ts';
import type { UpstreamNeeds } from './upstream.ts';
import { findUpstream, openUpstream, type Upstream } from './upstreams.ts';

const purpose = 'upstream sign-out';
const minutes = 15;

/** What sign-out asks of upstreams, in the shape it asks fronts; and following what SAML providers publish. */
export function upstreamSignOut(needs: PublishedNeeds & { secrets: Secrets }): Front {
  return {
    name: 'upstream',
    register: () => undefined,
    endSession: (tx, session) => outcomesOf(tx, needs.secrets, session),
    start: async () => followProviders(needs),
  };
}

async function outcomesOf(tx: Tx, secrets: Secrets, session: Session): Promise<SignOutOutcome[]> {
  const came = await upstreamOf(tx, secrets, session.id);
  const upstream = came && (await findUpstream(tx, came.id));
  if (!upstream || !endsThere(upstream)) return [];
  const { id, settings } = upstream;
  const text = JSON.stringify({ session: session.id, until: tx.now().getTime() + minutes * 60_000 });
  const hint = secrets.seal(purpose, text, id).toString('base64url');
  const url = `/upstream/${id}/sign-out?hint=${hint}`;
  return [{ application: settings.title, state: 'unreachable', because: 'no-way', url }];
}

/** Whether its settings want people who signed out here to sign out there as well. */
function endsThere({ settings }: Upstream): boolean {
  return settings.enabled && (settings.oidc ?? settings.saml)?.logout === true;
}

/** GET /upstream/<id>/sign-out: on to the page of the upstream that ends its session. */
export function upstreamSignOutRoutes(app: App, needs: UpstreamNeeds): void {
  app.get('/upstream/:upstream/sign-out', { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const id = String((request.params as Record<string, unknown>).upstream ?? '');
    const session = openHint(needs.secrets, id, (request.query as Record<string, unknown>).hint, here.now);
    const { upstream, came } = await needs.database.read(here.context, async (tx) => {
      const proof = await upstreamOf(tx, needs.secrets, session);
      if (proof?.id !== id) throw new Problem('request-expired');
      return { upstream: await openUpstream(tx, id), came: proof };
    });
    if (!endsThere(upstream)) throw new Problem('not-found');
    try {
      const url = await askThere(request, upstream, () => wayOut(needs, upstream, here, came));
      if (!url) throw new UpstreamFailure('upstream-answer', upstream, { detail: 'no place to sign out' });
      return reply.redirect(url.href, 303);
    } catch (error) {
      if (!(error instanceof UpstreamFailure)) throw error;
      return failurePage(needs, here, reply, error);
    }
  });
}

async function wayOut(
  needs: UpstreamNeeds,
  upstream: Upstream,
  here: Visit,
  came: UpstreamProof,
): Promise<URL | undefined> {
  const { settings } = upstream;
  const saml = toSaml(upstream);
  if (saml) return logoutRequestUrl(needs, saml, here, came);
  if (!settings.oidc) return undefined;
  const returnTo = new URL('/signed-out', needs.publicUrl).href;
  const of = { ...upstream, settings: { ...settings, oidc: settings.oidc } };
  return endSessionUrl(needs, of, { idToken: came.idToken, returnTo });
}

function openHint(secrets: Secrets, id: string, hint: unknown, now: Date): string {
  try {
    const bytes = Buffer.from(typeof hint === 'string' ? hint.slice(0, 2000) : '', 'base64url');
    const { session, until } = JSON.parse(secrets.open(purpose, bytes, id).toString());
    if (until > now.getTime()) return session;
  } catch {
    // Cut off, made up, or sealed under a key that is no more.
  }
  throw new Problem('request-expired');
}
