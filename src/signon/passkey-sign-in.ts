/**
 * Signing in with a passkey alone (`/sign-in/passkey`), and what browsers need to ask for one. The question says nothing
 * about who exists: it is the same for everyone (AU-07).
 */
import type { FastifyReply } from 'fastify';
import { creationOptions, provePasskey, requestOptions } from '#core/credentials/passkeys.ts';
import { findPerson } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import type { App } from '#kit/http/server.ts';
import { networkKey } from '#kit/limits/limits.ts';
import { ceremonyOf, pendingCookie } from './asked.ts';
import { openRequest } from './dispatch.ts';
import { waitUntil } from './gate.ts';
import { finishSignIn, pendingSignIn } from './proof.ts';
import { readStay } from './stay.ts';
import { type FactorNeeds, type Visit, visit } from './visit.ts';
import { browserOf, goOn } from './way-in.ts';

/** Answers to a question for anyone, from one network in ten minutes. */
const networkAnswers = { points: 100, windowSeconds: 600 };

const signInPurpose = 'sign-in';

/** POST /sign-in/passkey, and GET /sign-in/passkey/options for every page that asks for one. */
export function passkeyRoutes(
  app: App,
  needs: FactorNeeds,
  refused: (
    here: Visit,
    reply: FastifyReply,
    requestId: string | undefined,
    problem: Problem,
  ) => Promise<FastifyReply>,
): void {
  app.get('/sign-in/passkey/options', { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const query = request.query as Record<string, string | undefined>;
    reply.header('cache-control', 'no-store');
    return reply.send(await optionsFor(needs, here, query.for ?? ''));
  });

  app.post('/sign-in/passkey', { config: { door: 'form' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const requestId = request.form.text('request') || undefined;
    const began = performance.now();
    try {
      const network = await needs.limits.take(`passkey:${networkKey(here.ip)}`, networkAnswers);
      if (!network.allowed) throw new Problem('rate-limited', { retryAfter: network.retryAfterSeconds });
      return await signInWith(needs, here, reply, { answer: request.form.text('answer'), requestId });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      await waitUntil(began + needs.floorMs);
      return refused(here, reply, requestId, error);
    }
  });
}

async function signInWith(
  needs: FactorNeeds,
  here: Visit,
  reply: FastifyReply,
  given: { answer: string; requestId: string | undefined },
): Promise<FastifyReply> {
  const { requestId } = given;
  const ceremony = { browser: here.browser, purpose: signInPurpose };
  const { proved, open } = await needs.database.transact(here.context, async (tx) => ({
    proved: await provePasskey(tx, needs, { ceremony, answer: given.answer }),
    open: await openRequest(tx, needs.secrets, here.browser, requestId),
  }));
  if (!proved) throw new Problem('passkey-refused');
  const { form } = here.request;
  const place = {
    door: 'page',
    application: open?.application,
    deviceToken: here.deviceToken,
    device: here.device,
    ip: here.ip,
    persistent: form.text('remember') === 'on',
    stay: readStay(form.text('shared') === 'on', form.text('stay')),
    ...browserOf(needs, here, open),
  };
  const context = { ...here.context, actor: { kind: 'person' as const, id: proved.person } };
  // A user who was verified gave two factors in one.
  const aal = proved.userVerified ? 2 : 1;
  const outcome = await finishSignIn(needs, { person: proved.person, amr: proved.amr, aal, place, context });
  return goOn(needs, here, reply, outcome, { open, requestId });
}

/** What the browser is asked, by what the page is for: anyone, or whoever waits or is signed in here. */
async function optionsFor(needs: FactorNeeds, here: Visit, purpose: string) {
  const { database } = needs;
  if (purpose === signInPurpose)
    return database.read(here.context, (tx) => requestOptions(tx, needs, { browser: here.browser, purpose }));
  if (!['second', 'again', 'enrol', 'account'].includes(purpose)) throw new Problem('input-malformed');
  return database.transact(here.context, async (tx) => {
    const within = purpose === 'second' || purpose === 'enrol';
    const pending = within ? await pendingSignIn(tx, pendingCookie(needs, here)) : undefined;
    const signedOn = pending ? undefined : here.signedOn;
    const person = await findPerson(tx, pending?.person ?? signedOn?.person.id ?? '');
    if (!person) throw new Problem('request-expired');
    const whose = { pending, signedOn };
    if (purpose === 'second' || purpose === 'again')
      return requestOptions(tx, needs, ceremonyOf(here, purpose, whose), person.id);
    return creationOptions(tx, needs, person, ceremonyOf(here, 'create', whose), here.community.name);
  });
}
