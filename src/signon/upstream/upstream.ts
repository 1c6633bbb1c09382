/**
 * Signing in through others: OpenID Connect and SAML providers, GitHub, directories. A session here is opened by `signon/proof.ts`
 * alone; an upstream is one proof, no stronger than it says and the settings believe.
 * Owns `upstreams`, `upstream_links`, `upstream_requests`, `upstream_arrivals`, `upstream_heard`,
 * `upstream_metadata`.
 * Records upstream.added, upstream.changed, upstream.removed, upstream.linked, upstream.unlinked.
 * Refuses answers nobody asked for in this browser, an upstream that is switched off on every path, and accounts by the
 * address alone: the key is what the upstream calls the person for good.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '#core/problem.ts';
import type { App } from '#kit/http/server.ts';
import type { Net } from '#kit/net/net.ts';
import type { Front } from '#signon/front.ts';
import type { Engine } from '#signon/saml-keys/engine.ts';
import { trace } from '#signon/trace.ts';
import { type PageNeeds, type Visit, visit } from '#signon/visit.ts';
import { arrivalRoutes } from './arrival-pages.ts';
import { arrive, checkProof } from './arrive.ts';
import { askThere } from './ask-there.ts';
import { backchannelRoutes } from './backchannel.ts';
import { arrivalPath, upstreamOfAddress } from './choices.ts';
import { comeIn, proofOf } from './come-in.ts';
import { UpstreamFailure } from './failure.ts';
import type { Told } from './identity.ts';
import { type Errand, endJourney, type Returned } from './journeys.ts';
import { link } from './links.ts';
import { samlRoutes } from './saml.ts';
import { samlSignOutRoutes } from './saml-sign-out.ts';
import { opening, orFailure, readChoices, setOutToSignIn } from './set-out.ts';
import { failurePage } from './show.ts';
import { upstreamSignOutRoutes } from './sign-out.ts';
import { readBack } from './speak.ts';
import { openUpstream, type Upstream } from './upstreams.ts';

export interface UpstreamNeeds extends PageNeeds {
  net: Net;
  /** The keys of the house for SAML. */
  engine: Engine;
  /** Who is told when a provider ends sessions here. */
  fronts: readonly Front[];
  /** Where people reach us: the only place upstreams send them back to. */
  publicUrl: URL;
}

/** The routes below /upstream. */
export function registerUpstreams(app: App, needs: UpstreamNeeds): void {
  arrivalRoutes(app, needs);
  backchannelRoutes(app, needs);
  upstreamSignOutRoutes(app, needs);
  samlSignOutRoutes(app, needs);
  samlRoutes(app, needs, async (request, reply, failure, requestId) =>
    failurePage(needs, await visit(needs, request), reply, failure, requestId),
  );

  app.get('/upstream/:upstream/start', { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const { request: requestId, hint } = request.query as Record<string, unknown>;
    return setOutToSignIn(needs, here, reply, idOf(request), {
      requestId: typeof requestId === 'string' ? requestId : undefined,
      hint: typeof hint === 'string' ? hint : undefined,
      persistent: false,
    });
  });

  // A button of the sign-in page: what was chosen there holds for this way in too.
  app.post('/upstream/:upstream/start', { config: { door: 'form' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const id = idOf(request);
    const typed = request.form.text('username');
    const theirs = await needs.database.read(here.context, async (tx) =>
      upstreamOfAddress([await openUpstream(tx, id)], typed),
    );
    return setOutToSignIn(needs, here, reply, id, {
      requestId: request.form.text('request') || undefined,
      hint: theirs && typed,
      ...readChoices(here),
    });
  });

  app.get('/upstream/:upstream/callback', { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const id = idOf(request);
    const { state } = request.query as Record<string, unknown>;
    const { opened, journey } = await needs.database.transact(here.context, async (tx) => ({
      opened: await opening(tx, needs, await openUpstream(tx, id)),
      journey: await endJourney(tx, needs.secrets, { browser: here.browser, upstream: id, handle: state }),
    }));
    const requestId = journey.errand.kind === 'sign-in' ? journey.errand.requestId : undefined;
    return orFailure(needs, here, reply, requestId, async () => {
      const answer = new URL(request.url, needs.publicUrl);
      const told = await askThere(request, opened.upstream, () => readBack(needs, opened, journey, answer));
      trace(request, 'the upstream answered', { upstream: id, claims: Object.keys(told.claims) });
      return cameBack(needs, here, reply, opened.upstream, journey, told);
    });
  });
}

function idOf(request: FastifyRequest): string {
  return String((request.params as Record<string, unknown>).upstream ?? '');
}

/** What was told is believed from here on: it is somebody here, arrives, or is linked to whoever set out to do that. */
async function cameBack(
  needs: UpstreamNeeds,
  here: Visit,
  reply: FastifyReply,
  upstream: Upstream,
  { errand }: Returned,
  told: Told,
): Promise<FastifyReply> {
  if (errand.kind === 'link') {
    await linkHere(needs, here, upstream, errand, told);
    return reply.redirect('/account?said=linked', 303);
  }
  if (errand.kind !== 'sign-in') throw new Problem('upstream-stray');
  checkProof(upstream, told, errand.provedAfter);
  const found = await needs.database.transact(here.context, (tx) =>
    arrive(tx, needs, upstream.id, told, { browser: here.browser, locale: here.locale, errand }),
  );
  if ('arrival' in found) return reply.redirect(arrivalPath(found.arrival), 303);
  return comeIn(needs, here, reply, { person: found.person, proof: proofOf(upstream, told), errand });
}

/** The one who is signed in adds a link: the very session that set out must be here still (AC-04). */
async function linkHere(
  needs: UpstreamNeeds,
  here: Visit,
  upstream: Upstream,
  errand: Extract<Errand, { kind: 'link' }>,
  told: Told,
): Promise<void> {
  const { signedOn } = here;
  if (signedOn?.session.id !== errand.session || signedOn.person.id !== errand.person)
    throw new Problem('session-ended');
  const key = { upstream: upstream.id, tenant: told.tenant, subject: told.subject };
  await needs.database.transact(here.context, async (tx) => {
    await openUpstream(tx, upstream.id);
    try {
      await link(tx, key, errand.person, { by: 'account-page', label: told.label });
    } catch (error) {
      if (error instanceof Problem && error.code === 'upstream-taken')
        throw new UpstreamFailure('upstream-taken', upstream);
      throw error;
    }
  });
}
