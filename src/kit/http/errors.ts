/** How refusals and faults are answered: faults of reading a request become refusals, the owner words them. */
import { randomBytes, randomInt } from 'node:crypto';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { DatabaseBusy } from '#kit/db/busy.ts';
import { clientAddress } from './client.ts';
import { pageHeaders, plainHeaders } from './headers.ts';
import { HttpRefusal } from './refusal.ts';
import type { ServerOptions } from './server.ts';

type Wording = Pick<ServerOptions, 'renderError' | 'recognise'>;

const byFastifyCode: Record<string, [number, HttpRefusal['code']]> = {
  FST_ERR_BAD_URL: [404, 'not-found'],
  FST_ERR_CTP_BODY_TOO_LARGE: [413, 'input-too-large'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [415, 'input-malformed'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [400, 'input-malformed'],
  FST_ERR_CTP_EMPTY_JSON_BODY: [400, 'input-malformed'],
  FST_ERR_CTP_INVALID_JSON_BODY: [400, 'input-malformed'],
};

/** Has every error of a route answered in the owner's words, and every path that is not there. */
export function answerErrors(app: FastifyInstance, options: Wording): void {
  const answer = (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
    const refusal = asRefusal(error);
    const rendered = render(options, refusal, request);
    if (refusal instanceof HttpRefusal && refusal.retryAfter) reply.header('retry-after', refusal.retryAfter);
    for (const [name, value] of Object.entries(rendered.headers ?? {})) reply.header(name, value);
    if (rendered.html) return reply.page(rendered.html, { status: rendered.status });
    return reply.code(rendered.status).send(rendered.json ?? {});
  };
  app.setErrorHandler((error, request, reply) => answer(error, request, reply));
  app.setNotFoundHandler(async (request, reply) => {
    // Where it cannot be read who asks, the page says no less for it.
    await options.recognise?.(request).catch(() => undefined);
    return answer(new HttpRefusal(404, 'not-found', 'no such route'), request, reply);
  });
}

/** Answers a path the router cannot decode. No hook of ours has run or will run, so headers are set here (FE-02). */
export function answerBadUrl(options: Wording, secure: boolean) {
  return (error: FastifyError, request: FastifyRequest, reply: FastifyReply): void => {
    const requestId = randomBytes(9).toString('base64url');
    const nonce = randomBytes(16).toString('base64');
    Object.assign(request, {
      requestId,
      nonce,
      browser: '',
      cookies: new Map(),
      network: clientAddress(request.ip, request.raw),
    });
    const rendered = render(options, asRefusal(error), request);
    const headers = { ...plainHeaders(secure), ...pageHeaders(nonce), ...rendered.headers };
    void reply.code(rendered.status).headers({ ...headers, 'x-request-id': requestId });
    if (rendered.html) void reply.type('text/html; charset=utf-8').send(String(rendered.html));
    else void reply.send(rendered.json ?? {});
  };
}

/** The owner's words; where even those fail, a sentence that says nothing of the inside. */
function render(
  options: Wording,
  error: unknown,
  request: FastifyRequest,
): ReturnType<Wording['renderError']> {
  try {
    return options.renderError(error, request);
  } catch {
    return { status: 500, json: { error: 'unexpected', reference: request.requestId } };
  }
}

/** After how many seconds to come again where the database had no room; not all at the same moment. */
export function whenBusy(): number {
  return 2 + randomInt(4);
}

/** Faults of reading the request become refusals; everything else stays what it is. */
function asRefusal(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  if (error instanceof DatabaseBusy) return new HttpRefusal(503, 'busy', error.message, whenBusy());
  const known = byFastifyCode[(error as FastifyError).code ?? ''];
  if (known) return new HttpRefusal(known[0], known[1], error.message);
  const status = (error as FastifyError).statusCode;
  if (
    error instanceof SyntaxError ||
    (status !== undefined && status >= 400 && status < 500 && (error as FastifyError).code)
  ) {
    return new HttpRefusal(status ?? 400, 'input-malformed', error.message);
  }
  return error;
}
