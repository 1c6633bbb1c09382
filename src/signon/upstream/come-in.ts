/** The last step of every upstream: who was proved, and how, goes to the one place where every way in ends. */
import type { FastifyReply } from 'fastify';
import { Problem } from '#core/problem.ts';
import type { UpstreamProof } from '#core/sessions/upstreams.ts';
import { openRequest } from '#signon/dispatch.ts';
import { finishSignIn } from '#signon/proof.ts';
import { beginWaiting } from '#signon/verify.ts';
import type { PageNeeds, Visit } from '#signon/visit.ts';
import { browserOf, goOn } from '#signon/way-in.ts';
import type { SignInErrand } from './arrive.ts';
import { aalOf, type Told } from './identity.ts';
import { subjectKey } from './links.ts';
import type { Upstream } from './upstreams.ts';

/** What an upstream proved: what it told of the how, and no more. */
export interface ProvedThere {
  amr: string[];
  aal: 1 | 2;
  upstream: UpstreamProof;
}

export function proofOf(
  upstream: Upstream,
  told: Pick<Told, 'tenant' | 'subject' | 'amr' | 'acr' | 'sessionIndex' | 'name' | 'idToken'>,
): ProvedThere {
  const { sessionIndex, name, idToken } = told;
  return {
    amr: told.amr ?? [],
    aal: aalOf(upstream.settings, told),
    upstream: { id: upstream.id, subject: subjectKey(told), sessionIndex, name, idToken },
  };
}

/** Opens the session or asks on. Whoever has no confirmed address yet is led to confirm it. */
export async function comeIn(
  needs: PageNeeds,
  here: Visit,
  reply: FastifyReply,
  input: { person: string; proof: ProvedThere; errand: SignInErrand },
): Promise<FastifyReply> {
  const { requestId, persistent, stay } = input.errand;
  const open = await needs.database.read(here.context, (tx) =>
    openRequest(tx, needs.secrets, here.browser, requestId),
  );
  const place = {
    door: 'page',
    application: open?.application,
    deviceToken: here.deviceToken,
    device: here.device,
    ip: here.ip,
    persistent,
    stay,
    ...browserOf(needs, here, open),
  };
  const context = { ...here.context, actor: { kind: 'person' as const, id: input.person } };
  try {
    const outcome = await finishSignIn(needs, { person: input.person, ...input.proof, place, context });
    return await goOn(needs, here, reply, outcome, { open, requestId });
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'account-unverified') throw error;
    await beginWaiting(needs, here, reply, input.person, requestId, input.proof);
    return reply.redirect('/verify/code', 303);
  }
}
