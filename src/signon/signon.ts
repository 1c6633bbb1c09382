/**
 * Sign-on: how a person gets in and out. Owns `signon_requests`, `pending_sign_ins` and the pages for people who are not in yet.
 * Records nothing itself: every fact comes from the core functions it calls. Refuses in plain words, and never says
 * whether an address is known. `gate.ts` is the door every front calls, `dispatch.ts` decides what is asked next.
 */

import { forgetOld } from '#core/credentials/credentials.ts';
import { dropUnconfirmed } from '#core/lifecycle/drop.ts';
import { endOverdueSessions } from '#core/sessions/sessions.ts';
import type { App } from '#kit/http/server.ts';
import { forgetJourneys } from '#signon/upstream/journeys.ts';
import type { UpstreamNeeds } from '#signon/upstream/upstream.ts';
import { againRoutes } from './again.ts';
import { enrolRoutes } from './enrol.ts';
import { finishDueResets } from './factor-reset.ts';
import type { Front } from './front.ts';
import type { HumanNeeds } from './human-check.ts';
import { dropPending } from './proof.ts';
import { recoverRoutes } from './recover.ts';
import { secondFactorRoutes } from './second-factor.ts';
import { signInRoutes } from './sign-in.ts';
import { signOutRoutes } from './sign-out.ts';
import { signUpRoutes } from './sign-up.ts';
import { deleteOldPuzzles, deleteOldRequests, deleteOldSignOuts } from './store.ts';
import { keepTraces } from './trace-keep.ts';
import { verifyRoutes } from './verify.ts';
import { type PageNeeds, visit } from './visit.ts';

/** Registers every sign-on page. */
export function registerSignOn(app: App, needs: UpstreamNeeds & HumanNeeds, fronts: readonly Front[]): void {
  keepTraces(app, needs);
  app.get('/', { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(needs, request);
    return reply.redirect(here.signedOn ? '/account' : '/sign-in', 303);
  });
  signInRoutes(app, needs);
  secondFactorRoutes(app, needs);
  enrolRoutes(app, needs);
  againRoutes(app, needs);
  signUpRoutes(app, needs);
  verifyRoutes(app, needs);
  recoverRoutes(app, needs);
  signOutRoutes(app, needs, fronts);
}

/** Sign-ups nobody confirmed disappear after two days; so does, in its time, what was asked, counted or remembered. */
export async function cleanUpSignOn(needs: Pick<PageNeeds, 'database' | 'limits'>): Promise<void> {
  const context = { actor: { kind: 'system' as const }, cause: 'schedule' as const, requestId: '-' };
  while ((await needs.database.transact(context, dropUnconfirmed)) === 1000);
  while ((await needs.database.transact(context, deleteOldRequests)) === 10_000);
  while ((await needs.database.transact(context, deleteOldSignOuts)) === 10_000);
  while ((await needs.database.transact(context, deleteOldPuzzles)) === 10_000);
  while ((await needs.database.transact(context, finishDueResets)) === 100);
  while ((await needs.database.transact(context, dropPending)) === 1000);
  while ((await needs.database.transact(context, forgetJourneys)) === 10_000);
  while ((await needs.database.transact(context, forgetOld)) === 10_000);
  while ((await needs.database.transact(context, endOverdueSessions)) === 1000);
  await needs.limits.sweep();
}
