/** The last step of every way in: cookies are set, and a session that was open in this browser ends. */
import type { FastifyReply } from 'fastify';
import { deviceSeconds } from '#core/credentials/credentials.ts';
import { endSession } from '#core/sessions/sessions.ts';
import { nextStep, pathOf, type SignOnRequest } from './dispatch.ts';
import { pendingSeconds, type SignedInNow, type SignInOutcome } from './proof.ts';
import type { Caller, PageNeeds } from './visit.ts';

/** What a place (`Place`) says of a browser beside what every door knows. */
export function browserOf(needs: PageNeeds, here: Caller, open: SignOnRequest | undefined) {
  return {
    browser: here.browser,
    rememberedToken: needs.cookies.read(here.request, 'remembered'),
    fresh: open?.provedAfter !== undefined || open?.neededAal !== undefined,
  };
}

/** What a sign-in is on the way to; without one the account page is. */
export interface Way {
  open?: SignOnRequest;
  /** Id of that request, for the address of what is asked next. */
  requestId?: string;
}

/**
 * After whatever was proved (`finishSignIn`): sets the cookies and leads to what is asked next, or on. A session that was
 * open here stays as it is until the new one is.
 */
export async function goOn(
  needs: PageNeeds,
  here: Caller,
  reply: FastifyReply,
  outcome: SignInOutcome,
  way: Way,
): Promise<FastifyReply> {
  return reply.redirect(await arrive(needs, here, reply, outcome, way), 303);
}

/** The same for pages that say something first: sets the cookies and returns the path. */
export async function arrive(
  needs: PageNeeds,
  here: Caller,
  reply: FastifyReply,
  outcome: SignInOutcome,
  way: Way,
): Promise<string> {
  if ('pending' in outcome) needs.cookies.set(reply, 'pending', outcome.pending, { maxAge: pendingSeconds });
  else await setSignedIn(needs, here, reply, outcome);
  return pathOf(nextStep(way.open, outcome), way.requestId);
}

/** Sets the cookies of a fresh session. A session of before, whoever's it was, ends: one browser, one person (SE-05). */
export async function setSignedIn(
  needs: PageNeeds,
  here: Caller,
  reply: FastifyReply,
  signedIn: SignedInNow,
): Promise<void> {
  const before = here.signedOn?.session;
  if (before) {
    const reason = before.person === signedIn.person.id ? 'signed-in-again' : 'another-person';
    await needs.database.transact(here.context, (tx) => endSession(tx, before.id, reason));
  }
  const seconds = Math.floor((signedIn.session.expiresAt.getTime() - needs.clock.now().getTime()) / 1000);
  needs.cookies.set(reply, 'session', signedIn.token, {
    maxAge: signedIn.session.persistent ? seconds : undefined,
  });
  needs.cookies.clear(reply, 'pending');
  // It signs nobody in, it only keeps others from locking the person out.
  if (signedIn.deviceToken)
    needs.cookies.set(reply, 'device', signedIn.deviceToken, { maxAge: deviceSeconds });
}
