/** Signing in by user name or any confirmed address, both fields on one page. */
import type { FastifyReply } from 'fastify';
import { findApplication } from '#core/applications/applications.ts';
import { findByIdentifier } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import type { App } from '#kit/http/server.ts';
import { passkeyScript } from '#kit/page/assets.ts';
import { checkbox, field, hiddenField, passwordField, selectField } from '#kit/page/fields.ts';
import { type Html, html } from '#kit/page/html.ts';
import { button, form, notice } from '#kit/page/parts.ts';
import {
  addressHint,
  arrivalPath,
  directoryDown,
  directoryLine,
  openUpstreams,
  startPath,
  upstreamButtons,
  upstreamOfAddress,
  upstreamOfRequest,
} from '#signon/upstream/choices.ts';
import { Arriving } from '#signon/upstream/delegated.ts';
import { readChoices, setOutToSignIn } from '#signon/upstream/set-out.ts';
import type { UpstreamNeeds } from '#signon/upstream/upstream.ts';
import { provesByMail } from './again-otherwise.ts';
import { nextStep, openRequest, pathOf, type SignOnRequest } from './dispatch.ts';
import { pageStatus, problemWords } from './errors.ts';
import { passkeyForm } from './factor-parts.ts';
import { factorWords } from './factor-words.ts';
import { passwordSignIn } from './gate.ts';
import { passkeyRoutes } from './passkey-sign-in.ts';
import { signOutWords } from './sign-out.words.ts';
import { traceRefused } from './trace.ts';
import { beginWaiting } from './verify.ts';
import {
  type Caller,
  caller,
  inLocale,
  type PageNeeds,
  quietLine,
  show,
  type Visit,
  visit,
  visitOf,
} from './visit.ts';
import { browserOf, goOn } from './way-in.ts';

const formId = 'sign-in-form';

interface SignInPage {
  request?: SignOnRequest;
  requestId?: string;
  identifier?: string;
  problem?: Problem;
  said?: string;
  remember?: boolean;
  shared?: boolean;
  stay?: string;
}

/** GET /sign-in and POST /sign-in. */
export function signInRoutes(app: App, needs: UpstreamNeeds): void {
  passkeyRoutes(app, needs, async (here, reply, requestId, problem) => {
    const open = await findRequest(needs, here, requestId);
    return signInPage(needs, inLocale(here, open?.uiLocales), reply, { request: open, requestId, problem });
  });
  app.get('/sign-in', { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const query = request.query as Record<string, string | undefined>;
    const open = await findRequest(needs, here, query.request);
    const step = nextStep(open, here.signedOn);
    if (!('ask' in step) || step.ask !== 'sign-in') return reply.redirect(pathOf(step, query.request), 303);
    if (open?.provedAfter && here.signedOn && query.ways !== 'all') {
      // Nothing on this page is theirs to prove it with; a code by mail is.
      const { person } = here.signedOn;
      const byMail = await needs.database.read(here.context, (tx) => provesByMail(tx, person.id));
      if (byMail) return reply.redirect(againPath(query.request), 303);
    }
    if (!here.signedOn && query.ways !== 'all') {
      const hinted = await needs.database.read(here.context, (tx) => upstreamOfRequest(tx, open));
      if (hinted) return reply.redirect(startPath(hinted.id, { requestId: query.request }), 303);
    }
    const said = query.said === 'password' ? here.say('passwordChanged') : undefined;
    return signInPage(needs, inLocale(here, open?.uiLocales), reply, {
      request: open,
      requestId: query.request,
      said: query.said === 'confirmed' ? here.say('addressConfirmed') : said,
      identifier: open?.loginHint,
    });
  });

  app.post('/sign-in', { config: { door: 'form' } }, async (request, reply) => {
    const here = await caller(needs, request);
    const identifier = request.form.text('username');
    const requestId = request.form.text('request') || undefined;
    const remember = request.form.text('remember') === 'on';
    const shared = request.form.text('shared') === 'on';
    const stay = request.form.text('stay');
    const password = request.form.text('password');
    const open = await findRequest(needs, here, requestId);
    if (password === '') {
      const upstream = upstreamOfAddress(await needs.database.look(here.context, openUpstreams), identifier);
      const way = { requestId, hint: identifier, ...readChoices(here) };
      if (upstream) return setOutToSignIn(needs, await visitOf(needs, here), reply, upstream.id, way);
    }
    try {
      const outcome = await passwordSignIn(needs, {
        identifier,
        password,
        requestId,
        door: 'page',
        application: open?.application,
        deviceToken: here.deviceToken,
        device: here.device,
        ip: here.ip,
        ...readChoices(here),
        ...browserOf(needs, here, open),
        away: (work) => request.away(work),
        context: here.context,
      });
      return await goOn(needs, here, reply, outcome, { open, requestId });
    } catch (error) {
      if (error instanceof Arriving) return reply.redirect(arrivalPath(error.arrival), 303);
      if (!(error instanceof Problem)) throw error;
      traceRefused(request, error.code);
      if (error.code === 'account-unverified')
        return resumeVerification(needs, here, reply, identifier, requestId);
      const seen = await visitOf(needs, here);
      return signInPage(needs, inLocale(seen, open?.uiLocales), reply, {
        request: open,
        requestId,
        identifier,
        problem: error,
        remember,
        shared,
        stay,
      });
    }
  });
}

function againPath(requestId: string | undefined): string {
  return `/sign-in/again?request=${encodeURIComponent(requestId ?? '')}`;
}

async function findRequest(needs: PageNeeds, here: Caller, id: string | undefined) {
  return id
    ? needs.database.read(here.context, (tx) => openRequest(tx, needs.secrets, here.browser, id))
    : undefined;
}

/** The password was right but the address is not confirmed yet: a new mail goes out and the code page opens. */
async function resumeVerification(
  needs: PageNeeds,
  here: Caller,
  reply: FastifyReply,
  identifier: string,
  requestId: string | undefined,
): Promise<FastifyReply> {
  const person = await needs.database.read(here.context, (tx) => findByIdentifier(tx, identifier));
  if (!person) throw new Problem('account-unverified');
  await beginWaiting(needs, here, reply, person.id, requestId);
  return reply.redirect('/verify/code', 303);
}

async function signInPage(
  needs: PageNeeds,
  here: Visit,
  reply: FastifyReply,
  page: SignInPage,
): Promise<FastifyReply> {
  if (page.problem) traceRefused(here.request, page.problem.code);
  const { say, locale } = here;
  const application = page.request?.application
    ? await needs.database.read(here.context, (tx) => findApplication(tx, page.request?.application ?? ''))
    : undefined;
  const upstreams = await needs.database.look(here.context, openUpstreams);
  const byAddress = upstreamOfAddress(upstreams, page.identifier ?? '');
  const toUpstream = { locale, form: formId };
  const hint = byAddress && addressHint(byAddress, toUpstream);
  const body = html`
    ${page.said ? notice({ tone: 'success', text: page.said }) : ''}
    ${page.request?.provedAfter && here.signedOn ? notice({ tone: 'info', text: say('proveAgain') }) : ''}
    ${page.problem ? notice({ tone: 'danger', text: directoryDown(page.problem, locale) ?? problemWords(locale)(page.problem.code), id: 'problem' }) : ''}
    ${hint?.said ?? ''}
    ${form({
      id: formId,
      url: '/sign-in',
      token: here.formToken,
      body: html`
        ${page.requestId ? hiddenField('request', page.requestId) : ''}
        ${field({
          name: 'username',
          label: say('username'),
          locale,
          value: page.identifier ?? '',
          autocomplete: 'username webauthn',
          literal: true,
          autofocus: !page.identifier,
          maxlength: 320,
        })}
        ${passwordField({
          name: 'password',
          label: say('password'),
          locale,
          autocomplete: 'current-password',
          autofocus: Boolean(page.identifier),
          // Who comes through an upstream may type an address alone.
          required: !upstreams.some(({ settings }) => settings.domains.length > 0),
          unmarked: true,
          aside: html`<a href="/recover">${say('forgotten')}</a>`,
        })}
        ${lastingFields(here, page)}
        ${button({ label: say('signIn'), id: 'sign-in', full: true })}${hint?.button ?? ''}`,
    })}
    ${passkeyForm(here, { kind: 'sign-in', ask: 'sign-in', url: '/sign-in/passkey', label: factorWords(locale)('withPasskey'), fields: { request: page.requestId }, copy: ['remember', 'shared', 'stay'] })}
    ${directoryLine(upstreams, locale)}
    ${upstreamButtons(upstreams, { ...toUpstream, anew: here.signedOn && page.request?.provedAfter !== undefined })}
    ${here.community.signUp.open ? quietLine(say('noAccount'), { url: signUpUrl(page.requestId), title: say('createAccount') }) : ''}`;
  if (page.problem?.facts.retryAfter) reply.header('retry-after', String(page.problem.facts.retryAfter));
  return show({ ...here, onTheWay: page.requestId }, reply, {
    formAction: page.request?.returnOrigins,
    title: say('signIn'),
    lede:
      application &&
      say.html('signInTo', { application: html`<strong>${application.settings.title}</strong>` }),
    body,
    status: page.problem ? pageStatus[page.problem.code] : 200,
    scripts: [passkeyScript.url],
  });
}

/** How long to stay signed in, and whether others use this computer too. */
function lastingFields(here: Visit, page: SignInPage): Html {
  const { say, locale } = here;
  const tell = signOutWords(locale);
  const { choices, rememberDays: days, sharedMinutes } = here.community.sessions;
  const labels = { hour: 'stayHour', day: 'stayDay', week: 'stayWeek', month: 'stayMonth' } as const;
  const stay =
    choices.length > 0 &&
    selectField({
      name: 'stay',
      label: tell('stayFor'),
      locale,
      value: choices.find((one) => one === page.stay) ?? choices[0],
      options: choices.map((one) => ({ value: one, label: tell(labels[one]) })),
    });
  const remember =
    choices.length === 0 &&
    days > 0 &&
    checkbox({ name: 'remember', label: say('remember', { days }), checked: page.remember });
  const shared =
    sharedMinutes > 0 &&
    checkbox({
      name: 'shared',
      label: tell('shared'),
      help: tell('sharedHelp', { minutes: sharedMinutes }),
      checked: page.shared,
    });
  return html`${stay || remember || ''}${shared || ''}`;
}

function signUpUrl(requestId: string | undefined): string {
  return requestId ? `/sign-up?request=${encodeURIComponent(requestId)}` : '/sign-up';
}
