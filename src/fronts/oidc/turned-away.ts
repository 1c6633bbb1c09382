/**
 * Whoever asks when there is no room, or too often, is told when to come again. The library knows such refusals only as
 * faults of ours; what was really meant is noted here and said in its place: to people on a page, to apps as
 * `temporarily_unavailable` with status 503 (RFC 9110 §15.6.4, RFC 7009 §2.2.1).
 */
import type { FastifyReply } from 'fastify';
import { Problem } from '#core/problem.ts';
import { DatabaseBusy } from '#kit/db/busy.ts';
import { whenBusy } from '#kit/http/errors.ts';
import { trace, traceRefused } from '#signon/trace.ts';
import type { Exchange } from './exchange.ts';

/** A refusal of the moment, which no app has caused by what it asked. */
export function isTurnedAway(error: unknown): error is Problem | DatabaseBusy {
  if (error instanceof DatabaseBusy) return true;
  return error instanceof Problem && (error.code === 'busy' || error.code === 'rate-limited');
}

/** The refusal of this request, wherever it came up: inside the library, or around it. */
export function turnedAway({ turned, failure }: Exchange): Problem | DatabaseBusy | undefined {
  return turned ?? (isTurnedAway(failure) ? failure : undefined);
}

/** Tells an app. The line in the log and the trace are found by the reference in the header. */
export function tellApp({ request, reply, ctx, log }: Exchange, error: Problem | DatabaseBusy): FastifyReply {
  const { status, retryAfter } = refusalOf(error);
  const application = ctx?.oidc?.client?.clientId;
  const code = error instanceof Problem ? error.code : 'busy';
  log?.info({ code, status, reference: request.requestId, application, detail: error.message }, 'refused');
  trace(request, 'the app was turned away', { error: code, application });
  traceRefused(request, code);
  const description =
    status === 503 ? 'there is no room at this moment; try again after a while' : 'asked too often';
  return reply
    .code(status)
    .header('retry-after', String(retryAfter))
    .header('cache-control', 'no-store')
    .type('application/json; charset=utf-8')
    .send(JSON.stringify({ error: 'temporarily_unavailable', error_description: description }));
}

function refusalOf(error: Problem | DatabaseBusy): { status: number; retryAfter: number } {
  if (error instanceof DatabaseBusy) return { status: 503, retryAfter: whenBusy() };
  const status = error.code === 'rate-limited' ? 429 : 503;
  return { status, retryAfter: error.facts.retryAfter ?? whenBusy() };
}
