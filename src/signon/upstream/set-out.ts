/** The way to an upstream: from the sign-in page, by the domain of an address, or to link an account there. */
import type { FastifyReply } from 'fastify';
import { Problem } from '#core/problem.ts';
import type { Tx } from '#kit/db/tx.ts';
import { networkKey } from '#kit/limits/limits.ts';
import { openRequest } from '#signon/dispatch.ts';
import { readStay, type Stay } from '#signon/stay.ts';
import type { Caller, Visit } from '#signon/visit.ts';
import { askThere } from './ask-there.ts';
import { UpstreamFailure } from './failure.ts';
import { beginJourney, type Errand } from './journeys.ts';
import { failurePage, leavePage } from './show.ts';
import { type Opened, wayThere } from './speak.ts';
import type { UpstreamNeeds } from './upstream.ts';
import { credentialsOf, openUpstream, type Upstream } from './upstreams.ts';

/** Ways to an upstream from one network in ten minutes. */
const networkStarts = { points: 120, windowSeconds: 600 };

/** Runs a step; what fails at the upstream is a page that says which. */
export async function orFailure(
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
    opened: await opening(tx, needs, upstream),
  }));
  const anew = way.errand.kind === 'sign-in' && way.errand.provedAfter !== undefined;
  return askThere(here.request, upstream, () =>
    wayThere(needs, opened, { ...journey, hint: way.hint, locale: way.locale, anew }),
  );
}

/** An upstream with what it takes to speak to it. */
export async function opening(tx: Tx, needs: UpstreamNeeds, upstream: Upstream): Promise<Opened> {
  return {
    upstream,
    credentials: await credentialsOf(tx, needs.secrets, upstream.id),
    redirectUri: callbackUrl(needs, upstream.id),
  };
}

/** How someone sets out to sign in. */
export interface SetOut {
  requestId?: string;
  /** The address they typed, where it is for the upstream's ears. */
  hint?: string;
  persistent: boolean;
  stay?: Stay;
}

/** What the sign-in page said of how long to stay signed in, for every way in that begins there. */
export function readChoices(here: Caller): Pick<SetOut, 'persistent' | 'stay'> {
  const { form } = here.request;
  const shared = form.text('shared') === 'on';
  return {
    persistent: form.text('remember') === 'on',
    stay: readStay(shared, form.text('stay')),
  };
}

/** Leads to an upstream, and on with the sign-on that is open afterwards. A form is answered with a page that leads on. */
export async function setOutToSignIn(
  needs: UpstreamNeeds,
  here: Visit,
  reply: FastifyReply,
  id: string,
  way: SetOut,
): Promise<FastifyReply> {
  const { requestId, persistent, stay } = way;
  return orFailure(needs, here, reply, requestId, async () => {
    const { upstream, open } = await needs.database.read(here.context, async (tx) => ({
      upstream: await openUpstream(tx, id),
      open: await openRequest(tx, needs.secrets, here.browser, requestId),
    }));
    const provedAfter = here.signedOn && open?.provedAfter;
    const url = await setOut(needs, here, upstream, {
      errand: { kind: 'sign-in', requestId, persistent, stay, provedAfter },
      hint: way.hint?.slice(0, 320) ?? open?.loginHint,
      locale: open?.uiLocales,
    });
    return here.request.method === 'GET'
      ? reply.redirect(url.href, 303)
      : leavePage(here, reply, url.href, upstream.settings.title);
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
