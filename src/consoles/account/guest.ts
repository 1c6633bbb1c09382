/** Every account page begins here: someone signed in, or the way to sign in and back. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { findApplication } from '#core/applications/applications.ts';
import { Problem } from '#core/problem.ts';
import { pathBack, sealSignOn } from '#signon/dispatch.ts';
import type { SignedOn } from '#signon/gate.ts';
import { type PageNeeds, type Visit, visit } from '#signon/visit.ts';
import { words } from './words.ts';

export interface Home extends Visit {
  signedOn: SignedOn;
  tell: ReturnType<typeof words>;
}

/**
 * The visit of someone signed in. Others are sent to sign in (and the reply is already on its way: undefined), where
 * they read which app they are on the way to.
 */
export async function home(
  needs: PageNeeds,
  request: FastifyRequest,
  reply: FastifyReply,
  wayTo?: string,
): Promise<Home | undefined> {
  const here = await visit(needs, request);
  if (here.signedOn) return { ...here, signedOn: here.signedOn, tell: words(here.locale) };
  if (request.method !== 'GET') throw new Problem('session-ended');
  const application =
    wayTo && (await needs.database.read(here.context, (tx) => findApplication(tx, wayTo)))?.id;
  const url = sealSignOn(needs.secrets, here, {
    front: 'account',
    returnTo: pathBack(request.url),
    ...(application && { application }),
  });
  reply.redirect(url, 303);
  return undefined;
}
