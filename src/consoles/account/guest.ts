/** Every account page begins here: someone signed in, or the way to sign in and back. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '#core/problem.ts';
import { requestSignOn } from '#signon/dispatch.ts';
import type { SignedOn } from '#signon/gate.ts';
import { type PageNeeds, type Visit, visit } from '#signon/visit.ts';
import { words } from './words.ts';

export interface Home extends Visit {
  signedOn: SignedOn;
  tell: ReturnType<typeof words>;
}

/** The visit of someone signed in. Others are sent to sign in (and the reply is already on its way: undefined). */
export async function home(
  needs: PageNeeds,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Home | undefined> {
  const here = await visit(needs, request);
  if (here.signedOn) return { ...here, signedOn: here.signedOn, tell: words(here.locale) };
  if (request.method !== 'GET') throw new Problem('session-ended');
  const returnTo = request.url;
  const url = await needs.database.transact(here.context, (tx) =>
    requestSignOn(tx, here.browser, { front: 'account', returnTo }),
  );
  reply.redirect(url, 303);
  return undefined;
}
