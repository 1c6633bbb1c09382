/** The one answer to everything that went wrong on a page: a sentence, a way on, a reference to quote. */
import type { FastifyRequest } from 'fastify';
import { type Community, communitySettings } from '#core/community/community.ts';
import { Problem, type ProblemCode } from '#core/problem.ts';
import { HttpRefusal } from '#kit/http/server.ts';
import type { Log } from '#kit/log/log.ts';
import { type Html, html } from '#kit/page/html.ts';
import { personPage } from '#kit/page/layout.ts';
import { linkButton } from '#kit/page/parts.ts';
import { chooseLocale } from '#kit/page/words.ts';
import { pageStatus, problemWords } from './errors.ts';
import { referenceLines } from './reference.ts';
import { traceRefused } from './trace.ts';
import { accountSlotOf, lookOf } from './visit.ts';
import { words } from './words.ts';

export interface RenderedError {
  status: number;
  html: Html;
  headers: Record<string, string>;
}

/** What happened, as a code and status of ours. Faults of our own are `unexpected`. */
export function codeOf(error: unknown): { code: ProblemCode; status: number } {
  if (error instanceof Problem) return { code: error.code, status: pageStatus[error.code] };
  if (error instanceof HttpRefusal) return { code: error.code, status: error.status };
  return { code: 'unexpected', status: 500 };
}

/** Writes the line an operator can search for: the code and the reference the person was shown. */
export function logRefusal(log: Log, error: unknown, request: FastifyRequest): void {
  const { code, status } = codeOf(error);
  traceRefused(request, code, { detail: error instanceof Problem ? error.facts.detail : undefined });
  const line = { code, status, reference: request.requestId, route: request.routeOptions?.url ?? '-' };
  if (status >= 500 && code === 'unexpected') log.error({ ...line, err: error }, 'a fault of ours');
  else {
    const detail =
      error instanceof Problem ? error.facts.detail : error instanceof Error ? error.message : undefined;
    log.info({ ...line, detail }, 'refused');
  }
}

/** What kind of refusal it is, for the heading; the sentence below says which. */
function titleOf(code: ProblemCode, status: number) {
  if (code === 'unexpected') return 'problemOurs';
  if (status === 404) return 'problemMissing';
  if (status === 410) return 'problemOver';
  return status === 403 && code !== 'form-stale' ? 'problemRefused' : 'problemTitle';
}

/**
 * The page for a refusal or a fault. Text of the request is never shown as ours (FE-06).
 * @param publicUrl where whoever came by another address is sent
 */
export function errorPage(
  error: unknown,
  request: FastifyRequest,
  settings: Community | undefined,
  publicUrl: URL,
): RenderedError {
  const { code, status } = codeOf(error);
  const locale = chooseLocale(request.headers['accept-language']);
  const say = words(locale);
  const home = code === 'host-refused' || code === 'https-required' ? publicUrl.href : '/';
  const community = settings ?? communitySettings.parse({});
  const document = personPage({
    look: lookOf(community),
    title: say(titleOf(code, status)),
    lede: html`<span id="problem">${problemWords(locale)(code)}</span>`,
    nonce: request.nonce || 'none',
    locale,
    account: accountSlotOf(request),
    body: html`${linkButton({ label: say('goHome'), url: home, style: 'quiet', full: true })}
      ${referenceLines(say, community, request.requestId)}`,
  });
  const retryAfter = error instanceof Problem ? error.facts.retryAfter : undefined;
  return { status, html: document, headers: retryAfter ? { 'retry-after': String(retryAfter) } : {} };
}
