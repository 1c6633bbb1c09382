/**
 * Signing out where one came from: after signing out here the map says that the upstream's own session is open still, and
 * leads there (OIDC RP-Initiated Logout 1.0) where its settings want it.
 */

import { Problem } from '#core/problem.ts';
import type { Session } from '#core/sessions/sessions.ts';
import { upstreamOf } from '#core/sessions/upstreams.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { App } from '#kit/http/server.ts';
import type { Front, SignOutOutcome } from '#signon/front.ts';
import { visit } from '#signon/visit.ts';
import { askThere } from './ask-there.ts';
import { UpstreamFailure } from './failure.ts';
import { endSessionUrl } from './oidc.ts';
import { failurePage } from './show.ts';
import type { UpstreamNeeds } from './upstream.ts';
import { findUpstream, openUpstream } from './upstreams.ts';

const purpose = 'upstream sign-out';
const minutes = 15;

/** What sign-out asks of upstreams, in the shape it asks fronts. */
export function upstreamSignOut(needs: { secrets: Secrets }): Front {
  return {
    name: 'upstream',
    register: () => undefined,
    endSession: (tx, session) => outcomesOf(tx, needs.secrets, session),
  };
}

async function outcomesOf(tx: Tx, secrets: Secrets, session: Session): Promise<SignOutOutcome[]> {
  const came = await upstreamOf(tx, secrets, session.id);
  const upstream = came && (await findUpstream(tx, came.id));
  if (!upstream?.settings.oidc?.logout || !upstream.settings.enabled) return [];
  const { id, settings } = upstream;
  const text = JSON.stringify({ session: session.id, until: tx.now().getTime() + minutes * 60_000 });
  const hint = secrets.seal(purpose, text, id).toString('base64url');
  const url = `/upstream/${id}/sign-out?hint=${hint}`;
  return [{ application: settings.title, state: 'unreachable', because: 'no-way', url }];
}

/** GET /upstream/<id>/sign-out: on to the page of the upstream that ends its session. */
export function upstreamSignOutRoutes(app: App, needs: UpstreamNeeds): void {
  app.get('/upstream/:upstream/sign-out', { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const id = String((request.params as Record<string, unknown>).upstream ?? '');
    const session = openHint(needs.secrets, id, (request.query as Record<string, unknown>).hint, here.now);
    const { upstream, idToken } = await needs.database.read(here.context, async (tx) => {
      const came = await upstreamOf(tx, needs.secrets, session);
      if (came?.id !== id) throw new Problem('request-expired');
      return { upstream: await openUpstream(tx, id), idToken: came.idToken };
    });
    const { settings } = upstream;
    if (!settings.oidc?.logout) throw new Problem('not-found');
    try {
      const of = { ...upstream, settings: { ...settings, oidc: settings.oidc } };
      const returnTo = new URL('/signed-out', needs.publicUrl).href;
      const url = await askThere(request, upstream, () => endSessionUrl(needs, of, { idToken, returnTo }));
      if (!url) throw new UpstreamFailure('upstream-answer', upstream, { detail: 'no end_session_endpoint' });
      return reply.redirect(url.href, 303);
    } catch (error) {
      if (!(error instanceof UpstreamFailure)) throw error;
      return failurePage(needs, here, reply, error);
    }
  });
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
