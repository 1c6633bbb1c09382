/** Who a page about further proofs speaks with: a sign-in that waits in this browser, or someone signed in who is asked for more. */
import type { FastifyReply } from 'fastify';
import { type Factors, factorsOf } from '#core/credentials/factors.ts';
import { findPerson, holdPerson, type Person } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import { elevate, type Session } from '#core/sessions/sessions.ts';
import type { Tx, TxContext } from '#kit/db/tx.ts';
import { nextStep, openRequest, pathOf, type SignOnRequest } from './dispatch.ts';
import type { SignedOn } from './gate.ts';
import { completePending, type Further, type Pending, pendingSignIn } from './proof.ts';
import type { PageNeeds, Visit } from './visit.ts';
import { arrive } from './way-in.ts';

export interface Asked {
  person: Person;
  enrolled: Factors;
  /** The sign-in that waits; otherwise `signedOn` is asked for more within the session. */
  pending?: Pending;
  signedOn?: SignedOn;
  open?: SignOnRequest;
  requestId?: string;
}

/** The cookie of a sign-in that waits. */
export function pendingCookie(needs: PageNeeds, here: Visit) {
  return { token: needs.cookies.read(here.request, 'pending'), browser: here.browser };
}

/** Who is asked for more on the way to this request; undefined when nobody is. */
export function whoIsAsked(
  needs: PageNeeds,
  here: Visit,
  requestId: string | undefined,
): Promise<Asked | undefined> {
  return needs.database.read(here.context, async (tx) => {
    const open = await openRequest(tx, needs.secrets, here.browser, requestId);
    const pending = await pendingSignIn(tx, pendingCookie(needs, here));
    const way = { open, requestId };
    if (pending) {
      const person = await findPerson(tx, pending.person);
      return person && { person, pending, enrolled: await factorsOf(tx, person.id), ...way };
    }
    const { signedOn } = here;
    if (!signedOn || 'go' in nextStep(open, signedOn)) return undefined;
    const { person } = signedOn;
    return { person, signedOn, enrolled: await factorsOf(tx, person.id), ...way };
  });
}

/** What a challenge for this sign-in or session is named. */
export function ceremonyOf(here: Visit, what: string, to: { pending?: Pending; signedOn?: SignedOn }) {
  const id = to.pending?.id ?? to.signedOn?.session.id ?? '';
  return { browser: here.browser, purpose: `${what}:${id}` };
}

/**
 * Adds a proof to what was proved so far, sets the cookies, and returns the path that leads on. `prove` runs in the transaction that counts it. Refuses with what
 * `prove` says, and with request-expired when the sign-in waits no more.
 */
export async function addProof(
  needs: PageNeeds,
  here: Visit,
  reply: FastifyReply,
  asked: Asked,
  prove: (tx: Tx) => Promise<Further>,
): Promise<string> {
  const context: TxContext = {
    ...here.context,
    actor: { kind: 'person', id: asked.person.id, name: asked.person.username },
  };
  if (asked.pending) {
    const place = { deviceToken: here.deviceToken, device: here.device, ip: here.ip, context };
    const { id } = asked.pending;
    const outcome = await completePending(needs, pendingCookie(needs, here), place, async (tx, pending) =>
      pending.id === id ? prove(tx) : { refused: 'request-expired' },
    );
    return arrive(needs, here, reply, outcome, asked);
  }
  if (!asked.signedOn) throw new Problem('session-ended');
  const session = await addToSession(needs, reply, { ...asked.signedOn, context }, prove);
  return pathOf(nextStep(asked.open, { session }), asked.requestId);
}

/** The same for someone who is signed in: the session is worth more from now on, and its cookie changes. */
export async function addToSession(
  needs: PageNeeds,
  reply: FastifyReply,
  here: SignedOn & { context: TxContext },
  prove: (tx: Tx) => Promise<Further>,
): Promise<Session> {
  const outcome = await needs.database.transact(here.context, async (tx) => {
    const person = await holdPerson(tx, here.person.id);
    if (person?.state !== 'active') return { refused: 'session-ended' as const };
    const proved = await prove(tx);
    if ('refused' in proved) return proved;
    return (await elevate(tx, here.session, proved)) ?? { refused: 'session-ended' as const };
  });
  if ('refused' in outcome) throw new Problem(outcome.refused);
  const { session, token } = outcome;
  const seconds = Math.floor((session.expiresAt.getTime() - needs.clock.now().getTime()) / 1000);
  needs.cookies.set(reply, 'session', token, { maxAge: session.persistent ? seconds : undefined });
  return session;
}
