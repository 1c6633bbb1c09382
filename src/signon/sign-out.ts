/**
 * Sign out and switch account: one click. The cookie dies before anything else, then the session, then every app that
 * took part is told; what came of it stands on a page of its own (signed-out.ts).
 */

import {
  endSession,
  endSessions,
  listSessions,
  participantsOf,
  type Session,
} from '#core/sessions/sessions.ts';
import { hashToken, randomToken } from '#kit/crypto/ids.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { App } from '#kit/http/server.ts';
import { hiddenField } from '#kit/page/fields.ts';
import { html } from '#kit/page/html.ts';
import { button, form, linkButton } from '#kit/page/parts.ts';
import type { Front, SignOutOutcome } from './front.ts';
import { signOutWords } from './sign-out.words.ts';
import { signedOutRoutes } from './signed-out.ts';
import * as store from './store.ts';
import { type PageNeeds, show, type Visit, visit } from './visit.ts';

export interface SignOutInput {
  /** Why, as `session.ended` records it. */
  reason?: string;
  /** All sessions of the person, not this browser's alone. */
  everywhere?: boolean;
  /** Where the browser goes afterwards instead of the page that tells what was ended: a path of ours. */
  then?: string;
  /** The same at an app: a return address registered for it. */
  returnTo?: string;
}

/** How long the page that tells what was ended can be read. */
const pageSeconds = 600;

/**
 * Ends the visitor's session, tells every app that took part, and returns the address on our origin (or the app's) to
 * send the browser to. Whoever calls this has taken the session cookie away before.
 */
export async function signOut(
  needs: Pick<PageNeeds, 'database'>,
  fronts: readonly Front[],
  here: Pick<Visit, 'signedOn' | 'browser' | 'context'>,
  input: SignOutInput = {},
): Promise<string> {
  const { signedOn } = here;
  if (!signedOn) return input.returnTo ?? input.then ?? '/signed-out';
  return needs.database.transact(here.context, async (tx) => {
    const mine = input.everywhere ? await listSessions(tx, signedOn.person.id) : [signedOn.session];
    const outcomes: SignOutOutcome[] = [];
    for (const session of mine) outcomes.push(...(await endAt(tx, fronts, session)));
    const reason = input.reason ?? 'signed-out';
    if (input.everywhere) await endSessions(tx, signedOn.person.id, reason);
    else await endSession(tx, signedOn.session.id, reason);
    const token = randomToken();
    await store.insertSignOut(tx, {
      tokenHash: hashToken(token),
      sessions: mine.map((one) => one.id),
      outcomes,
      returnTo: input.returnTo,
      lifetimeSeconds: pageSeconds,
    });
    const page = input.then ?? `/signed-out/${token}`;
    const chain = await chainOf(tx, fronts, {
      session: signedOn.session.id,
      browser: here.browser,
      returnTo: input.returnTo ? `${page}/back` : page,
    });
    return chain ?? input.returnTo ?? page;
  });
}

/** What each front can say of the apps of a session that is about to end, in the transaction that ends it. */
export async function endAt(tx: Tx, fronts: readonly Front[], session: Session): Promise<SignOutOutcome[]> {
  const outcomes: SignOutOutcome[] = [];
  for (const front of fronts) outcomes.push(...((await front.endSession?.(tx, session)) ?? []));
  // Opened by its address alone: the app has a session of its own that nobody here knows of.
  const spoken = new Set(outcomes.map((one) => one.application));
  for (const { application, front } of await participantsOf(tx, session.id))
    if (front === 'link' && !spoken.has(application))
      outcomes.push({ application, state: 'unreachable', because: 'no-way' });
  return outcomes;
}

/** The way through apps that only this browser can sign out of; where several fronts have one, one after the other. */
export async function chainOf(
  tx: Tx,
  fronts: readonly Front[],
  chain: { session: string; browser: string; returnTo: string },
): Promise<string | undefined> {
  let first: string | undefined;
  for (const front of fronts) {
    const next = await front.continueSignOut?.(tx, { ...chain, returnTo: first ?? chain.returnTo });
    if (next) first = next.pathname + next.search;
  }
  return first;
}

/** GET and POST /sign-out, POST /switch-account, and the pages afterwards. */
export function signOutRoutes(app: App, needs: PageNeeds, fronts: readonly Front[]): void {
  app.get('/sign-out', { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const say = signOutWords(here.locale);
    if (!here.signedOn) return reply.redirect('/sign-in', 303);
    const body = html`${form({
      url: '/sign-out',
      token: here.formToken,
      body: button({ label: say('signOut'), id: 'confirm-sign-out', full: true }),
    })}${linkButton({ label: say('stay'), url: '/account', style: 'quiet', full: true })}`;
    return show(here, reply, {
      title: say('title'),
      lede: say('lede', { community: here.community.name }),
      body,
    });
  });

  app.post('/sign-out', { config: { door: 'form' } }, async (request, reply) => {
    // First of all: whatever happens now, this browser is nobody's any more.
    needs.cookies.clear(reply, 'session');
    const here = await visit(needs, request);
    return reply.redirect(await signOut(needs, fronts, here), 303);
  });

  app.post('/switch-account', { config: { door: 'form' } }, async (request, reply) => {
    needs.cookies.clear(reply, 'session');
    const here = await visit(needs, request);
    const requestId = request.form.text('request');
    const then = requestId ? `/sign-in?request=${encodeURIComponent(requestId)}` : '/sign-in';
    return reply.redirect(await signOut(needs, fronts, here, { reason: 'switched-account', then }), 303);
  });

  signedOutRoutes(app, needs, fronts);
}

/** The form button that other pages show to switch the account and go on with a request. */
export function switchAccountForm(here: Visit, label: string, requestId?: string) {
  return form({
    url: '/switch-account',
    token: here.formToken,
    body: html`${requestId ? hiddenField('request', requestId) : ''}${button({ label, style: 'quiet', full: true })}`,
  });
}
