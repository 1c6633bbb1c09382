/** Sign out and switch account: one click, and a page that says what it ended. */

import { findApplication } from '#core/applications/applications.ts';
import { endSession } from '#core/sessions/sessions.ts';
import type { App } from '#kit/http/server.ts';
import { hiddenField } from '#kit/page/fields.ts';
import { html } from '#kit/page/html.ts';
import { button, form, lines, linkButton } from '#kit/page/parts.ts';
import type { Front, SignOutOutcome } from './front.ts';
import { type PageNeeds, show, type Visit, visit } from './visit.ts';

/** Ends the visitor's session at every front and clears the cookie's session. Returns how it went at each app. */
export async function signOut(
  needs: PageNeeds,
  fronts: readonly Front[],
  here: Visit,
  reason = 'signed-out',
): Promise<(SignOutOutcome & { title: string })[]> {
  const session = here.signedOn?.session;
  if (!session) return [];
  return needs.database.transact(here.context, async (tx) => {
    const outcomes: SignOutOutcome[] = [];
    for (const front of fronts) outcomes.push(...((await front.endSession?.(tx, session)) ?? []));
    await endSession(tx, session.id, reason);
    const named = outcomes.map(async (outcome) => {
      const application = await findApplication(tx, outcome.application);
      return { ...outcome, title: application?.settings.title ?? outcome.application };
    });
    return Promise.all(named);
  });
}

/** GET and POST /sign-out, POST /switch-account. */
export function signOutRoutes(app: App, needs: PageNeeds, fronts: readonly Front[]): void {
  app.get('/sign-out', { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const { say, community } = here;
    if (!here.signedOn) return reply.redirect('/sign-in', 303);
    const body = html`${form({
      url: '/sign-out',
      token: here.formToken,
      body: button({ label: say('signOut'), id: 'confirm-sign-out', full: true }),
    })}${linkButton({ label: say('stay'), url: '/account', style: 'quiet', full: true })}`;
    return show(here, reply, {
      title: say('signOutTitle'),
      lede: say('signOutLede', { community: community.name }),
      body,
    });
  });

  app.post('/sign-out', { config: { door: 'form' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const outcomes = await signOut(needs, fronts, here);
    needs.cookies.clear(reply, 'session');
    const { say, community } = here;
    const told = outcomes.map((one) => {
      const key = { ended: 'appEnded', asked: 'appAsked', unreachable: 'appUnreachable' } as const;
      return { what: say(key[one.state], { application: one.title }) };
    });
    return show({ ...here, signedOn: undefined }, reply, {
      title: say('signedOutTitle'),
      lede: say('signedOutLede', { community: community.name }),
      body: html`${told.length > 0 ? lines({ items: told, label: say('signedOutTitle'), id: 'sign-out-map' }) : ''}
        ${linkButton({ label: say('signInAgain'), url: '/sign-in', full: true })}`,
    });
  });

  app.post('/switch-account', { config: { door: 'form' } }, async (request, reply) => {
    const here = await visit(needs, request);
    await signOut(needs, fronts, here, 'switched-account');
    needs.cookies.clear(reply, 'session');
    const requestId = request.form.text('request');
    return reply.redirect(requestId ? `/sign-in?request=${encodeURIComponent(requestId)}` : '/sign-in', 303);
  });
}

/** The form button that other pages show to switch the account and go on with a request. */
export function switchAccountForm(here: Visit, label: string, requestId?: string) {
  return form({
    url: '/switch-account',
    token: here.formToken,
    body: html`${requestId ? hiddenField('request', requestId) : ''}${button({ label, style: 'quiet', full: true })}`,
  });
}
