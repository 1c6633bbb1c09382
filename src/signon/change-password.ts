/** Changing a password while signed in: the current one is asked, every other session ends. */

import {
  confirmPassword,
  forgetDevices,
  forgiveAttempts,
  giveBackAttempt,
  noteFailedAttempt,
  passwordOf,
  reserveAttempt,
  setPassword,
  verifyPassword,
} from '#core/credentials/credentials.ts';
import { passwordProblem } from '#core/credentials/password-rule.ts';
import { withdrawVerifications } from '#core/people/verifications.ts';
import { Problem } from '#core/problem.ts';
import { endSessions } from '#core/sessions/sessions.ts';
import { HashingBusy } from '#kit/crypto/passwords.ts';
import { asBusy, type SignedOn } from './gate.ts';
import type { PageNeeds, Visit } from './visit.ts';

/**
 * Checks the current password (counted like a sign-in), then sets the new one, ends all other sessions, forgets known
 * devices and kills mailed links, in one transaction. Refuses with password-wrong, too-many-attempts or a rule's code.
 */
export async function changePassword(
  needs: PageNeeds,
  here: Visit,
  signedOn: SignedOn,
  given: { current: string; next: string },
): Promise<void> {
  const { person, session } = signedOn;
  const ownWords = [person.username, person.givenName, person.familyName, here.community.name];
  const weak = passwordProblem(given.next, ownWords);
  if (weak) throw new Problem(weak, { fields: { password: weak } });
  const subject = { kind: 'person' as const, person: person.id };
  const { stored, verdict } = await needs.database.transact(here.context, async (tx) => ({
    verdict: await reserveAttempt(tx, subject),
    stored: await passwordOf(tx, person.id),
  }));
  if (!verdict.allowed) throw new Problem('too-many-attempts', { retryAfter: verdict.retryAfterSeconds });
  const { right, hash } = await hashBoth(needs, stored, given).catch(async (error) => {
    if (error instanceof HashingBusy)
      await needs.database.transact(here.context, (tx) => giveBackAttempt(tx, subject));
    return asBusy(error);
  });
  const wrong = new Problem('password-wrong', { fields: { current: 'password-wrong' } });
  if (!right || !stored) {
    await needs.database.transact(here.context, (tx) => noteFailedAttempt(tx, subject, verdict));
    throw wrong;
  }
  await needs.database.transact(here.context, async (tx) => {
    if (!(await confirmPassword(tx, stored))) throw wrong;
    await forgiveAttempts(tx, subject);
    await setPassword(tx, person.id, hash, 'change');
    await endSessions(tx, person.id, 'password-changed', session.id);
    await forgetDevices(tx, person.id);
    await withdrawVerifications(tx, person.id);
  });
}

async function hashBoth(
  needs: PageNeeds,
  stored: Awaited<ReturnType<typeof passwordOf>>,
  given: { current: string; next: string },
): Promise<{ right: boolean; hash: string }> {
  const right = await verifyPassword(needs.hasher, stored, given.current, needs.log);
  return { right, hash: right ? await needs.hasher.hash(given.next) : '' };
}
