/** How the API answers each refusal: RFC 9457 problem documents with our code, and the field at fault where one is. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { Problem, type ProblemCode, problems } from '#core/problem.ts';
import { HttpRefusal } from '#kit/http/server.ts';
import type { Log } from '#kit/log/log.ts';
import '#kit/spelling/misfits.ts';

/** HTTP status of each refusal. */
export const apiStatus: Record<ProblemCode, number> = {
  'username-taken': 409,
  'username-rule': 422,
  'username-reserved': 422,
  'name-missing': 422,
  'text-too-long': 422,
  'text-not-allowed': 422,
  'address-malformed': 422,
  'address-several': 422,
  'address-taken': 409,
  'address-ours': 422,
  'address-last': 409,
  'address-primary': 409,
  'address-unverified': 409,
  'address-unknown': 404,
  'person-unknown': 404,
  'attribute-unknown': 422,
  'attribute-required': 422,
  'attribute-type': 422,
  'attribute-locked': 403,
  'standing-refused': 409,
  'account-unverified': 403,
  'account-locked': 403,
  'account-suspended': 403,
  'account-closed': 403,
  'sign-in-failed': 401,
  'too-many-attempts': 429,
  busy: 503,
  'session-ended': 401,
  'elevation-required': 401,
  'second-factor-needed': 403,
  'factor-wrong': 422,
  'too-many-codes': 429,
  'proof-needed': 403,
  'passkey-refused': 422,
  'passkey-known': 409,
  'passkey-most': 409,
  'factor-last': 409,
  'factor-off': 422,
  'second-operator-needed': 403,
  'application-unknown': 404,
  'application-disabled': 403,
  'application-forbidden': 403,
  'consent-refused': 403,
  'request-expired': 410,
  'upstream-unknown': 404,
  'upstream-unreachable': 503,
  'upstream-answer': 403,
  'upstream-declined': 403,
  'upstream-stray': 403,
  'upstream-foreign': 403,
  'upstream-weak': 403,
  'upstream-not-fresh': 403,
  'upstream-taken': 409,
  'relay-list-unknown': 404,
  'relay-list-used': 409,
  'relay-senders-missing': 422,
  'relay-request-unknown': 404,
  'link-used': 410,
  'link-expired': 410,
  'link-wrong': 400,
  'code-wrong': 400,
  'code-expired': 410,
  'password-short': 422,
  'password-long': 422,
  'password-common': 422,
  'password-contains-name': 422,
  'password-wrong': 403,
  'group-unknown': 404,
  'group-taken': 409,
  'alias-taken': 409,
  'alias-malformed': 422,
  'redirect-uri-refused': 422,
  'secret-weak': 422,
  'operator-forbidden': 403,
  'operator-last': 409,
  'setup-closed': 404,
  'token-refused': 401,
  'signature-refused': 403,
  'input-malformed': 400,
  'input-unknown-key': 400,
  'input-too-large': 413,
  'form-stale': 403,
  'host-refused': 421,
  'https-required': 421,
  'not-found': 404,
  conflict: 409,
  'rate-limited': 429,
  'attachment-refused': 422,
  'not-ready': 503,
  unexpected: 500,
};

/** What was wrong with one field of a request: a code where the core knows one, and words either way. */
export interface FieldProblem {
  code: ProblemCode;
  text: string;
}

/** RFC 9457 §3. `reference` is what an operator finds the request by in the log. */
export interface ProblemDocument {
  type: string;
  title: string;
  status: number;
  /** What a body that could not be read at all was missing. */
  detail?: string;
  code: ProblemCode;
  reference: string;
  fields?: Record<string, FieldProblem>;
  /** Where a browser signs in (again); `?to=` names the path of ours to come back to. */
  signIn?: string;
}

/** Refusals that a browser answers with a sign-in. */
const signInAgain: readonly ProblemCode[] = ['session-ended', 'elevation-required'];
const signInPath = '/admin/sign-in';

/** How old a sign-in may be for what needs a recent one. */
export const elevationSeconds = 600;

/** A precondition of the request that does not hold any more (If-Match, RFC 9110 §13.1.1). */
export class PreconditionFailed extends Problem {
  constructor() {
    super('conflict', { detail: 'If-Match names another version' });
  }
}

/** A thing that is not there, where the code alone would be answered as something else. */
export class NothingHere extends Problem {
  constructor(code: ProblemCode) {
    super(code);
  }
}

/** What a request says is of the right form and still cannot be meant; each place with a sentence of its own. */
export class FieldsRefused extends Problem {
  readonly findings: readonly { path: string; text: string }[];
  constructor(findings: readonly { path: string; text: string }[]) {
    super('input-malformed', { detail: findings.map(({ path, text }) => `${path}: ${text}`).join('; ') });
    this.findings = findings;
  }
}

interface Found {
  code: ProblemCode;
  status: number;
  fields?: Record<string, FieldProblem>;
  retryAfter?: number;
  /** For the log. */
  detail?: string;
  /** The same, where it is about the form of the request alone and helps whoever sent it. */
  told?: string;
}

function understand(error: unknown): Found {
  if (error instanceof PreconditionFailed) return { code: 'conflict', status: 412 };
  if (error instanceof FieldsRefused) {
    const named = error.findings.map(({ path, text }) => [path, { code: error.code, text }]);
    return { code: error.code, status: 400, fields: Object.fromEntries(named), detail: error.facts.detail };
  }
  if (error instanceof Problem) {
    const { fields, retryAfter, detail } = error.facts;
    const named =
      fields &&
      Object.fromEntries(
        Object.entries(fields).map(([name, code]) => [name, { code, text: problems[code] }]),
      );
    const status = error instanceof NothingHere ? 404 : apiStatus[error.code];
    return { code: error.code, status, fields: named, retryAfter, detail };
  }
  if (error instanceof HttpRefusal) {
    const { code, status, detail } = error;
    return { code, status, detail, told: code === 'input-malformed' ? asSentence(detail) : undefined };
  }
  if (hasZodFastifySchemaValidationErrors(error)) return misfits(error.validation as unknown as Misfit[]);
  const {
    statusCode = 500,
    message,
    code,
  } = error as { statusCode?: number; message?: string; code?: string };
  if (statusCode === 413) return { code: 'input-too-large', status: 413 };
  if (statusCode >= 400 && statusCode < 500)
    return { code: 'input-malformed', status: statusCode, detail: message, told: unread[code ?? ''] };
  return { code: 'unexpected', status: 500 };
}

/** Bodies the server could not take, in our words. */
const unread: Record<string, string> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'Bodies are read as JSON, with the content type application/json.',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'The body is not as long as its Content-Length says.',
};

interface Misfit {
  keyword: string;
  instancePath: string;
  message?: string;
  params?: { keys?: string[] };
}

/** Every field that does not fit, by its path; keys nobody knows are named one by one. */
function misfits(validation: readonly Misfit[]): Found {
  const fields: Record<string, FieldProblem> = {};
  for (const { keyword, instancePath, message, params } of validation) {
    const path = instancePath.replace(/^\//, '').replaceAll('/', '.');
    if (keyword === 'unrecognized_keys') {
      for (const key of params?.keys ?? [])
        fields[path ? `${path}.${key}` : key] = {
          code: 'input-unknown-key',
          text: 'There is no such field.',
        };
    } else fields[path] = { code: 'input-malformed', text: asSentence(message) };
  }
  const unknown = Object.values(fields).some((field) => field.code === 'input-unknown-key');
  return { code: unknown ? 'input-unknown-key' : 'input-malformed', status: 400, fields };
}

/** "must be text" → "Must be text." */
function asSentence(said: string = problems['input-malformed']): string {
  return said.charAt(0).toUpperCase() + said.slice(1) + (/[.?!…]$/.test(said) ? '' : '.');
}

/** RFC 6750 §3, and RFC 9470 §3 where the sign-in was too long ago. */
function challenge(code: ProblemCode): string {
  const realm = 'Bearer realm="Gatehouse"';
  return code === 'elevation-required'
    ? `${realm}, error="insufficient_user_authentication", max_age=${elevationSeconds}`
    : realm;
}

/** Writes the answer to whatever went wrong, and the line an operator can search for. */
export function answerProblem(
  log: Log,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): unknown {
  const { code, status, fields, retryAfter, detail, told } = understand(error);
  const reference = request.requestId || '-';
  const line = { code, status, reference, route: request.routeOptions?.url ?? '-' };
  if (code === 'unexpected') log.error({ ...line, err: error }, 'a fault of ours');
  else log.info({ ...line, detail }, 'refused');
  if (status === 401) reply.header('www-authenticate', challenge(code));
  if (retryAfter) reply.header('retry-after', String(retryAfter));
  const document: ProblemDocument = {
    type: 'about:blank',
    title: problems[code],
    status,
    detail: told,
    code,
    reference,
    fields,
    signIn: signInAgain.includes(code) ? signInPath : undefined,
  };
  // Past the route's own serializer: no response schema describes it.
  return reply
    .code(status)
    .type('application/problem+json; charset=utf-8')
    .serializer(JSON.stringify)
    .send(document);
}

/** The response object of every refusal (OpenAPI 3.1), with the closed list of codes. */
export function describeProblems(): object {
  const field = {
    type: 'object',
    required: ['code', 'text'],
    properties: { code: { type: 'string' }, text: { type: 'string' } },
  };
  const schema = {
    type: 'object',
    required: ['type', 'title', 'status', 'code', 'reference'],
    properties: {
      type: { type: 'string' },
      title: { type: 'string', description: 'What happened, in a sentence.' },
      status: { type: 'integer' },
      detail: { type: 'string' },
      code: { type: 'string', enum: Object.keys(problems) },
      reference: { type: 'string', description: 'The request, as the log names it.' },
      fields: { type: 'object', additionalProperties: field, description: 'The fields at fault.' },
      signIn: { type: 'string', description: 'Where a browser signs in again; `?to=` names the way back.' },
    },
  };
  return {
    description: 'Refused: 401 without a good token, 403 beyond its roles, and whatever `code` names.',
    content: { 'application/problem+json': { schema } },
  };
}
