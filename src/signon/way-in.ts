/** The last step of every way in: cookies are set, and a session that was open in this browser ends. */
import type { FastifyReply } from 'fastify';
import { deviceSeconds } from '#core/credentials/credentials.ts';
import { endSession } from '#core/sessions/sessions.ts';
import type { SignedInNow } from './gate.ts';
import type { PageNeeds, Visit } from './visit.ts';

/** Sets the cookies of a fresh session. A session of before, whoever's it was, ends: one browser, one person (SE-05). */
export async function setSignedIn(
  needs: PageNeeds,
  here: Visit,
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
  // It signs nobody in, it only keeps others from locking the person out.
  needs.cookies.set(reply, 'device', signedIn.deviceToken, { maxAge: deviceSeconds });
}
