/** The second step of a sign-in: a code, a passkey or a recovery code (`/sign-in/second`). Codes need no script. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { hasFactor } from '#core/credentials/factors.ts';
import { rememberForFactor } from '#core/credentials/remembered.ts';
import { Problem } from '#core/problem.ts';
import type { App } from '#kit/http/server.ts';
import { passkeyScript } from '#kit/page/assets.ts';
import { checkbox, hiddenField } from '#kit/page/fields.ts';
import { type Html, html } from '#kit/page/html.ts';
import { button, form, notice } from '#kit/page/parts.ts';
import { type Asked, addProof, ceremonyOf, whoIsAsked } from './asked.ts';
import { pathOf } from './dispatch.ts';
import { pageStatus, problemWords } from './errors.ts';
import { passkeyForm, proofField } from './factor-parts.ts';
import { mayRemember } from './factor-policy.ts';
import { proveCode, proveOwnPasskey } from './factor-proof.ts';
import { factorWords } from './factor-words.ts';
import type { Further } from './proof.ts';
import { traceRefused } from './trace.ts';
import { type FactorNeeds, inLocale, quietLine, show, type Visit, visit } from './visit.ts';

const url = '/sign-in/second';

/** The routes of `/sign-in/second`. */
export function secondFactorRoutes(app: App, needs: FactorNeeds): void {
  app.get(url, { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const query = request.query as Record<string, string | undefined>;
    const asked = await whoIsAsked(needs, here, query.request);
    if (!asked) return reply.redirect(pathOf({ ask: 'sign-in' }, query.request), 303);
    if (!hasFactor(asked.enrolled)) return reply.redirect(pathOf({ ask: 'enrol' }, query.request), 303);
    return page(needs, here, reply, { asked, by: query.by });
  });

  app.post(url, { config: { door: 'form' } }, (request, reply) =>
    second(needs, request, reply, (asked) => {
      const typed = request.form.text('code');
      return async (tx) => proveCode(tx, needs.secrets, asked.person.id, typed);
    }),
  );

  app.post(`${url}/passkey`, { config: { door: 'form' } }, (request, reply) =>
    second(needs, request, reply, (asked, here) => {
      const answer = request.form.text('answer');
      const ceremony = ceremonyOf(here, 'second', asked);
      return (tx) => proveOwnPasskey(tx, needs, { person: asked.person.id, ceremony, answer });
    }),
  );
}

type Prove = Parameters<typeof addProof>[4];

async function second(
  needs: FactorNeeds,
  request: FastifyRequest,
  reply: FastifyReply,
  proving: (asked: Asked, here: Visit) => Prove,
): Promise<FastifyReply> {
  const here = await visit(needs, request);
  const requestId = request.form.text('request') || undefined;
  const asked = await whoIsAsked(needs, here, requestId);
  if (!asked) return reply.redirect(pathOf({ ask: 'sign-in' }, requestId), 303);
  const prove = proving(asked, here);
  const remember = request.form.text('remember') === 'on';
  const days =
    remember && (await rememberable(needs, here, asked)) ? here.community.factors.rememberDeviceDays : 0;
  let remembered: string | undefined;
  try {
    const next = await addProof(needs, here, reply, asked, async (tx): Promise<Further> => {
      const proved = await prove(tx);
      if (!('refused' in proved) && days > 0)
        remembered = await rememberForFactor(tx, { person: asked.person.id, label: here.device, days });
      return proved;
    });
    if (remembered) needs.cookies.set(reply, 'remembered', remembered, { maxAge: days * 86_400 });
    return reply.redirect(next, 303);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.code === 'request-expired') return reply.redirect(pathOf({ ask: 'sign-in' }, requestId), 303);
    return page(needs, here, reply, { asked, by: request.form.text('by'), problem: error, remember });
  }
}

/** Only at a sign-in, on a browser of one's own, and where no role or app forbids it. */
async function rememberable(needs: FactorNeeds, here: Visit, asked: Asked): Promise<boolean> {
  const { pending } = asked;
  if (!pending || pending.shared) return false;
  const rules = here.community.factors;
  return needs.database.read(here.context, (tx) =>
    mayRemember(tx, asked.person.id, rules, pending.application),
  );
}

async function page(
  needs: FactorNeeds,
  visitor: Visit,
  reply: FastifyReply,
  given: { asked: Asked; by?: string; problem?: Problem; remember?: boolean },
): Promise<FastifyReply> {
  const { asked, problem } = given;
  const here = inLocale(visitor, asked.open?.uiLocales);
  if (problem) traceRefused(here.request, problem.code, { person: asked.person.id });
  const say = factorWords(here.locale);
  const by = given.by === 'recovery' || !asked.enrolled.totp ? 'recovery' : 'app';
  const typed = asked.enrolled.totp || given.by === 'recovery';
  const remember = (await rememberable(needs, here, asked)) ? rememberBox(here, given.remember) : undefined;
  const error = problem && problemWords(here.locale)(problem.code);
  const refusedKey = problem?.code === 'passkey-refused';
  const body = html`
    ${error && (refusedKey || !typed) ? notice({ tone: 'danger', text: error, id: 'problem' }) : ''}
    ${asked.enrolled.passkeys > 0 ? passkeyForm(here, { kind: 'get', ask: 'second', url: `${url}/passkey`, label: say('usePasskey'), style: typed ? 'quiet' : 'primary', fields: { request: asked.requestId }, copy: ['remember'] }) : ''}
    ${asked.enrolled.passkeys > 0 && !typed ? html`<noscript><p>${say('passkeyNeedsScript')}</p></noscript>${remember}` : ''}
    ${
      typed
        ? form({
            url,
            token: here.formToken,
            body: html`
              ${asked.requestId ? hiddenField('request', asked.requestId) : ''}${hiddenField('by', by)}
              ${proofField(here, { by, error: refusedKey ? undefined : error })}
              ${remember}
              ${button({ label: say('goOn'), id: 'second', full: true })}`,
          })
        : ''
    }
    <div class="aside-actions">${otherWay(asked, by, typed, say)}
    ${asked.pending ? quietLine('', { url: pathOf({ ask: 'sign-in' }, asked.requestId), title: say('someoneElse') }) : quietLine('', { url: asked.open?.declineTo ?? '/account', title: say('cancel') })}</div>`;
  if (problem?.facts.retryAfter) reply.header('retry-after', String(problem.facts.retryAfter));
  return show(here, reply, {
    title: say('secondTitle'),
    lede: say.html('secondLede', { username: html`<strong>${asked.person.username}</strong>` }),
    body,
    formAction: asked.open?.returnOrigins,
    status: problem ? pageStatus[problem.code] : 200,
    scripts: asked.enrolled.passkeys > 0 ? [passkeyScript.url] : [],
  });
}

function rememberBox(here: Visit, checked: boolean | undefined): Html {
  const say = factorWords(here.locale);
  const days = here.community.factors.rememberDeviceDays;
  return checkbox({
    name: 'remember',
    label: say('rememberBrowser', { days }),
    help: say('rememberHelp'),
    checked,
  });
}

function otherWay(
  asked: Asked,
  by: 'app' | 'recovery',
  typed: boolean,
  say: ReturnType<typeof factorWords>,
): Html | undefined {
  const query = (more: string) => {
    const named = asked.requestId ? `request=${encodeURIComponent(asked.requestId)}` : '';
    const all = [named, more].filter(Boolean).join('&');
    return all ? `${url}?${all}` : url;
  };
  if (typed && by === 'recovery')
    return asked.enrolled.totp ? quietLine('', { url: query(''), title: say('useApp') }) : undefined;
  return quietLine(say('lostIt'), { url: query('by=recovery'), title: say('useRecoveryCode') });
}
