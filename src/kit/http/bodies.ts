/** Bodies, forms and JSON: read once, and looked over before any route sees them. What cannot be read is said in a sentence. */
import type { FastifyInstance } from 'fastify';
import { FormBody } from './form.ts';
import { HttpRefusal } from './refusal.ts';
import { checkShape } from './target.ts';

/** Most bytes of a body. */
export const bodyLimit = 1024 * 1024;

type Done = (error: Error | null, body?: unknown) => void;

/** Has this server read forms into `request.form` and JSON into `request.body`. */
export function readBodies(app: FastifyInstance): void {
  const bounded = { parseAs: 'string', bodyLimit } as const;
  app.addContentTypeParser('application/x-www-form-urlencoded', bounded, (request, body, done) => {
    const lists = request.routeOptions.config.lists;
    attempt(() => {
      request.form = new FormBody(String(body), lists);
    }, done as Done);
  });
  // Fastify reads plain text by itself: nothing here takes any, and a body sent as such is said to be of the wrong type.
  app.removeContentTypeParser('text/plain');
  app.addContentTypeParser('application/json', bounded, (request, body, done) => {
    // Many clients name a type with every request, and what is taken away needs no body (RFC 9110 §9.3.5).
    const isNone = String(body) === '' && request.method === 'DELETE';
    attempt(() => (isNone ? undefined : readJson(String(body))), done as Done);
  });
  app.addHook('preValidation', (request, _reply, done) => {
    const { body } = request;
    attempt(
      () => {
        if (body !== undefined && body !== null) checkShape(body);
      },
      (error) => done(error ?? undefined),
    );
  });
}

function attempt(read: () => unknown, done: Done): void {
  let found: unknown;
  try {
    found = read();
  } catch (error) {
    done(error as Error);
    return;
  }
  done(null, found);
}

/** Names that reach for prototypes become keys like any other here, and `checkShape` refuses them by name. */
function readJson(text: string): unknown {
  if (text === '') throw new HttpRefusal(400, 'input-malformed', 'the body is empty, and should be JSON');
  try {
    return JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
  } catch {
    throw new HttpRefusal(400, 'input-malformed', 'the body is not JSON');
  }
}
