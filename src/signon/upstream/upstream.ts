/**
 * Signing in through others: OpenID Connect providers, GitHub, directories. A session here is opened by `signon/proof.ts`
 * alone; an upstream is one proof, no stronger than it says and the settings believe.
 * Owns `upstreams`, `upstream_links`, `upstream_requests`, `upstream_arrivals`, `upstream_heard`.
 * Records upstream.added, upstream.changed, upstream.removed, upstream.linked, upstream.unlinked.
 * Refuses answers nobody asked for in this browser, an upstream that is switched off on every path, and accounts by the
 * address alone: the key is what the upstream calls the person for good.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '#core/problem.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { App } from '#kit/http/server.ts';
import { networkKey } from '#kit/limits/limits.ts';
import type { Net } from '#kit/net/net.ts';
import { openRequest } from '#signon/dispatch.ts';
import { trace } from '#signon/trace.ts';
import { type PageNeeds, type Visit, visit } from '#signon/visit.ts';
import { arrivalRoutes } from './arrival-pages.ts';
import { arrive, checkProof } from './arrive.ts';
import { backchannelRoutes } from './backchannel.ts';
import { arrivalPath } from './choices.ts';
import { comeIn, proofOf } from './come-in.ts';
import { UpstreamFailure } from './failure.ts';
import type { Told } from './identity.ts';
import { beginJourney, type Errand, endJourney, type Returned } from './journeys.ts';
import { link } from './links.ts';
import { failurePage, leavePage } from './show.ts';
import { upstreamSignOutRoutes } from './sign-out.ts';
import { type Opened, readBack, wayThere } from './speak.ts';
import { credentialsOf, openUpstream, type Upstream } from './upstreams.ts';

export interface UpstreamNeeds extends PageNeeds {
  net: Net;
  /** Where people reach us: the only place upstreams send them back to. */
  publicUrl: URL;
}

/** Ways to an upstream from one network in ten minutes. */
const networkStarts = { points: 120, windowSeconds: 600 };

/** The routes below /upstream. */
export function registerUpstreams(app: App, needs: UpstreamNeeds): void {
  arrivalRoutes(app, needs);
  backchannelRoutes(app, needs);
  upstreamSignOutRoutes(app, needs);

  app.get('/upstream/:upstream/start', { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const { request: requestId, hint } = request.query as Record<string, unknown>;
    const id = typeof requestId === 'string' ? requestId : undefined;
    return orFailure(needs, here, reply, id, async () => {
      const { upstream, open } = await needs.database.read(here.context, async (tx) => ({
        upstream: await openUpstream(tx, idOf(request)),
        open: await openRequest(tx, needs.secrets, here.browser, id),
      }));
      const provedAfter = here.signedOn && open?.provedAfter;
      const url = await setOut(needs, here, upstream, {
        errand: { kind: 'sign-in', requestId: id, persistent: false, provedAfter },
        hint: typeof hint === 'string' ? hint.slice(0, 320) : open?.loginHint,
        locale: open?.uiLocales,
      });
      return reply.redirect(url.href, 303);
    });
  });

  app.get('/upstream/:upstream/callback', { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const id = idOf(request);
    const { state } = request.query as Record<string, unknown>;
    const { opened, journey } = await needs.database.transact(here.context, async (tx) => ({
      opened: await open(tx, needs, await openUpstream(tx, id)),
      journey: await endJourney(tx, needs.secrets, { browser: here.browser, upstream: id, handle: state }),
    }));
    const requestId = journey.errand.kind === 'sign-in' ? journey.errand.requestId : undefined;
    return orFailure(needs, here, reply, requestId, async () => {
      const answer = new URL(request.url, needs.publicUrl);
      const told = await readBack(needs, opened, journey, answer);
      trace(request, 'the upstream answered', { upstream: id, claims: Object.keys(told.claims) });
      return cameBack(needs, here, reply, opened.upstream, journey, told);
    });
  });
}

function idOf(request: FastifyRequest): string {
  return String((request.params as Record<string, unknown>).upstream ?? '');
}

/** Runs a step; what fails at the upstream is a page that says which. */
async function orFailure(
  needs: UpstreamNeeds,
  here: Visit,
  reply: FastifyReply,
  requestId: string | undefined,
  step: () => Promise<FastifyReply>,
): Promise<FastifyReply> {
  try {
    return await step();
  } catch (error) {
    if (!(error instanceof UpstreamFailure)) throw error;
    return failurePage(needs, here, reply, error, requestId);
  }
}

export function callbackUrl(needs: Pick<UpstreamNeeds, 'publicUrl'>, id: string): string {
  return new URL(`/upstream/${id}/callback`, needs.publicUrl).href;
}

/** Opens a journey and says where the browser goes. Refuses with `rate-limited`, or as the upstream's kind does. */
async function setOut(
  needs: UpstreamNeeds,
  here: Visit,
  upstream: Upstream,
  way: { errand: Errand; hint?: string; locale?: string },
): Promise<URL> {
  const limit = await needs.limits.take(`upstream:${networkKey(here.ip)}`, networkStarts);
  if (!limit.allowed) throw new Problem('rate-limited', { retryAfter: limit.retryAfterSeconds });
  if (upstream.settings.ldap) throw new Problem('upstream-unknown');
  const { journey, opened } = await needs.database.transact(here.context, async (tx) => ({
    journey: await beginJourney(tx, needs.secrets, {
      browser: here.browser,
      upstream: upstream.id,
      errand: way.errand,
    }),
    opened: await open(tx, needs, upstream),
  }));
  const anew = way.errand.kind === 'sign-in' && way.errand.provedAfter !== undefined;
  return wayThere(needs, opened, { ...journey, hint: way.hint, locale: way.locale, anew });
}

async function open(tx: Tx, needs: UpstreamNeeds, upstream: Upstream): Promise<Opened> {
  return {
    upstream,
    credentials: await credentialsOf(tx, needs.secrets, upstream.id),
    redirectUri: callbackUrl(needs, upstream.id),
  };
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

/** For the account page: whoever is signed in sets out to link an upstream. The caller has asked for a fresh sign-in. */
export async function setOutToLink(
  needs: UpstreamNeeds,
  here: Visit & { signedOn: NonNullable<Visit['signedOn']> },
  reply: FastifyReply,
  id: string,
): Promise<FastifyReply> {
  return orFailure(needs, here, reply, undefined, async () => {
    const upstream = await needs.database.read(here.context, (tx) => openUpstream(tx, id));
    const { person, session } = here.signedOn;
    const url = await setOut(needs, here, upstream, {
      errand: { kind: 'link', person: person.id, session: session.id },
    });
    return leavePage(here, reply, url.href, upstream.settings.title);
  });
}
