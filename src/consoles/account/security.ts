/** Changing the password, and ending sessions. */
import type { FastifyReply } from 'fastify';
import { factorsOf, hasFactor } from '#core/credentials/factors.ts';
import { Problem } from '#core/problem.ts';
import { endSession, endSessions, listSessions } from '#core/sessions/sessions.ts';
import type { App } from '#kit/http/server.ts';
import { passwordField, usernameHint } from '#kit/page/fields.ts';
import { html } from '#kit/page/html.ts';
import { button, form, linkButton, notice } from '#kit/page/parts.ts';
import { proved } from '#signon/again.ts';
import { changePassword } from '#signon/change-password.ts';
import { pageStatus, problemWords } from '#signon/errors.ts';
import type { Front } from '#signon/front.ts';
import { signOut } from '#signon/sign-out.ts';
import { type PageNeeds, show } from '#signon/visit.ts';
import { type Home, home } from './guest.ts';

/** The routes of /account/password and /account/sessions. */
export function securityRoutes(app: App, needs: PageNeeds, fronts: readonly Front[]): void {
  app.get('/account/password', { config: { door: 'page' } }, async (request, reply) => {
    const here = await home(needs, request, reply);
    if (!here || !(await enough(needs, here, reply))) return reply;
    return passwordPage(here, reply);
  });

  app.post('/account/password', { config: { door: 'form' } }, async (request, reply) => {
    const here = await home(needs, request, reply);
    if (!here || !(await enough(needs, here, reply))) return reply;
    const given = { current: request.form.text('current'), next: request.form.text('password') };
    try {
      await changePassword(needs, here, here.signedOn, given);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return passwordPage(here, reply, error);
    }
    return reply.redirect('/account?said=password', 303);
  });

  app.post('/account/sessions/:id/end', { config: { door: 'form' } }, async (request, reply) => {
    const here = await home(needs, request, reply);
    if (!here) return reply;
    const id = String((request.params as Record<string, unknown>).id ?? '');
    await needs.database.transact(here.context, async (tx) => {
      const mine = (await listSessions(tx, here.signedOn.person.id)).some((one) => one.id === id);
      if (mine) await endSession(tx, id, 'ended-by-person');
    });
    return reply.redirect('/account?said=session', 303);
  });

  app.post('/account/sessions/end-others', { config: { door: 'form' } }, async (request, reply) => {
    const here = await home(needs, request, reply);
    if (!here) return reply;
    const { person, session } = here.signedOn;
    await needs.database.transact(here.context, (tx) =>
      endSessions(tx, person.id, 'ended-by-person', session.id),
    );
    return reply.redirect('/account?said=session', 303);
  });

  app.post('/account/sessions/end-all', { config: { door: 'form' } }, async (request, reply) => {
    const here = await home(needs, request, reply);
    if (!here) return reply;
    needs.cookies.clear(reply, 'session');
    const next = await signOut(needs, fronts, here, { reason: 'ended-by-person', everywhere: true });
    return reply.redirect(next, 303);
  });
}

/** The current password is asked on the page itself; whoever has a second factor proves it first. */
async function enough(needs: PageNeeds, here: Home, reply: FastifyReply): Promise<boolean> {
  const { person } = here.signedOn;
  const factors = await needs.database.read(here.context, (tx) => factorsOf(tx, person.id));
  return !hasFactor(factors) || proved(needs, here, reply);
}

function passwordPage(here: Home, reply: FastifyReply, problem?: Problem): FastifyReply {
  const { tell, locale } = here;
  const texts = problemWords(locale);
  const fields = problem?.facts.fields ?? {};
  const error = (name: string) => fields[name] && texts(fields[name]);
  const body = html`
    ${problem && Object.keys(fields).length === 0 ? notice({ tone: 'danger', text: texts(problem.code) }) : ''}
    ${form({
      url: '/account/password',
      token: here.formToken,
      body: html`
        ${usernameHint(here.signedOn.person.username)}
        ${passwordField({ name: 'current', label: tell('currentPassword'), locale, autocomplete: 'current-password', error: error('current') })}
        ${passwordField({ name: 'password', label: tell('newPassword'), locale, autocomplete: 'new-password', minlength: 8, help: tell('passwordHelp'), error: error('password') })}
        ${button({ label: tell('changePassword'), id: 'change-password', full: true })}
        ${linkButton({ label: tell('cancel'), url: '/account', style: 'quiet', full: true })}`,
    })}`;
  return show(here, reply, {
    title: tell('changePassword'),
    lede: tell('changePasswordLede'),
    body,
    status: problem ? pageStatus[problem.code] : 200,
  });
}
