/** Pages of signing in through others: what went wrong there, and the one between us and them. */
import type { FastifyReply } from 'fastify';
import { html } from '#kit/page/html.ts';
import { linkButton, notice } from '#kit/page/parts.ts';
import { pageStatus, problemWords } from '#signon/errors.ts';
import { signOutWords } from '#signon/sign-out.words.ts';
import { traceRefused } from '#signon/trace.ts';
import { type PageNeeds, show, type Visit } from '#signon/visit.ts';
import type { UpstreamFailure } from './failure.ts';
import { words } from './words.ts';

/** Where someone chooses how to sign in, with every way shown. */
export function allWays(requestId: string | undefined): string {
  return `/sign-in?ways=all${requestId ? `&request=${encodeURIComponent(requestId)}` : ''}`;
}

/** Says which upstream failed, why, with a code and a reference to quote; every other way stays open. */
export function failurePage(
  needs: Pick<PageNeeds, 'log'>,
  here: Visit,
  reply: FastifyReply,
  failure: UpstreamFailure,
  requestId?: string,
): FastifyReply {
  const { code, title, upstream } = failure;
  const reference = here.request.requestId;
  traceRefused(here.request, code, { upstream, detail: failure.facts.detail });
  needs.log.info(
    { code, upstream, reference, detail: failure.facts.detail },
    'signing in through an upstream failed',
  );
  const tell = words(here.locale);
  const again = `/upstream/${upstream}/start${requestId ? `?request=${encodeURIComponent(requestId)}` : ''}`;
  return show(here, reply, {
    title: tell('failedTitle', { upstream: title }),
    body: html`${notice({ tone: 'danger', text: problemWords(here.locale)(code), id: 'problem' })}
      ${here.signedOn ? '' : linkButton({ label: tell('tryAgain', { upstream: title }), url: again, style: 'quiet', full: true })}
      ${linkButton({ label: tell('otherWays'), url: here.signedOn ? '/account' : allWays(requestId), full: true })}
      <div class="aside-actions"><p id="code">${tell('failedCode', { code })}</p>
      <p id="reference">${here.say('reference', { reference })}</p></div>`,
    status: pageStatus[code],
  });
}

/**
 * Leads a browser elsewhere after it posted a form: by a page, because browsers hold redirects after a form to what the
 * form's own page allowed.
 */
export function leavePage(here: Visit, reply: FastifyReply, url: string, title: string): FastifyReply {
  const tell = words(here.locale);
  reply.header('refresh', `0; url=${url}`);
  return show(here, reply, {
    title: tell('leavingTitle', { upstream: title }),
    lede: tell('leaving', { upstream: title }),
    body: linkButton({ label: tell('leave', { upstream: title }), url, full: true, id: 'leave' }),
  });
}

/** After signing out here the provider was asked as well, and did not say that it has: the truth, and what to do. */
export function stillSignedInPage(
  needs: Pick<PageNeeds, 'log'>,
  here: Visit,
  reply: FastifyReply,
  failure: UpstreamFailure,
): FastifyReply {
  return signOutPage(needs, here, reply, failure, 'stillIn');
}

/** The provider asked to end a session here and was not believed: the session is still there. */
export function signOutRefusedPage(
  needs: Pick<PageNeeds, 'log'>,
  here: Visit,
  reply: FastifyReply,
  failure: UpstreamFailure,
): FastifyReply {
  return signOutPage(needs, here, reply, failure, 'outRefused');
}

function signOutPage(
  { log }: Pick<PageNeeds, 'log'>,
  here: Visit,
  reply: FastifyReply,
  { code, title, upstream, facts }: UpstreamFailure,
  what: 'stillIn' | 'outRefused',
): FastifyReply {
  const reference = here.request.requestId;
  traceRefused(here.request, code, { upstream, detail: facts.detail });
  log.info({ code, upstream, reference, detail: facts.detail }, 'signing out with an upstream failed');
  const tell = words(here.locale);
  const say = signOutWords(here.locale);
  const isIn = here.signedOn !== undefined;
  const [heading, lede] =
    what === 'outRefused'
      ? (['outRefusedTitle', 'outRefused'] as const)
      : (['stillInTitle', isIn ? 'stillInHere' : 'stillIn'] as const);
  const next = isIn
    ? linkButton({ label: say('signOut'), url: '/sign-out', full: true })
    : linkButton({ label: say('signInAgain'), url: '/sign-in', style: 'quiet', full: true });
  return show(here, reply, {
    title: tell(heading, { upstream: title }),
    lede: tell(lede, { upstream: title }),
    body: html`${next}
      <div class="aside-actions"><p id="code">${tell('failedCode', { code })}</p>
      <p id="reference">${here.say('reference', { reference })}</p></div>`,
    status: pageStatus[code],
  });
}
