/**
 * The program's log: one JSON object a line, so that no value can forge a line.
 *
 * Owns: the logger, what is redacted, how errors are written. Records: nothing about people beyond ids.
 * Refuses: secrets: fields named like one are replaced, and of a database error only its code, message and
 * object names are written, because its `detail` quotes the row.
 */
import { type DestinationStream, type Logger, pino } from 'pino';

export type Log = Logger;

export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';

/** Names whose values never reach a log line, at any depth and in any case. */
const secretNames = new Set(
  [
    'password',
    'newPassword',
    'passwordHash',
    'token',
    'accessToken',
    'access_token',
    'refresh_token',
    'id_token',
    'logout_token',
    'assertion',
    'SAMLResponse',
    'code_verifier',
    'secret',
    'client_secret',
    'clientSecret',
    'masterKey',
    'cookie',
    'cookies',
    'authorization',
    'set-cookie',
    'proxy-authorization',
  ].map((name) => name.toLowerCase()),
);

/**
 * Where `code` is something a person or an app sent. Elsewhere it is the code of a refusal, a system or SQLSTATE code,
 * and no secret.
 */
const sentBy = new Set(['body', 'query', 'form', 'data']);

const censored = '[redacted]';
const deepest = 8;

/**
 * The same value without secrets; what holds none is returned as it is. The library's own redaction walks every path
 * of its list for every line, which cost a fifth of a busy server's time.
 */
function withoutSecrets<T extends object>(value: T, parent = '', depth = 1): T {
  if (holdsItsOwnForm(value)) return value;
  let copy: Record<string, unknown> | undefined;
  for (const [key, member] of Object.entries(value)) {
    const clean = cleanMember(key, member, parent, depth);
    if (clean === member) continue;
    copy ??= (Array.isArray(value) ? [...value] : { ...value }) as unknown as Record<string, unknown>;
    copy[key] = clean;
  }
  return (copy as T | undefined) ?? value;
}

function cleanMember(key: string, member: unknown, parent: string, depth: number): unknown {
  const isSecret = secretNames.has(key.toLowerCase()) || (key === 'code' && sentBy.has(parent));
  if (isSecret) return member === undefined ? member : censored;
  if (typeof member !== 'object' || member === null) return member;
  return depth < deepest ? withoutSecrets(member, key, depth + 1) : censored;
}

/** Errors are described below; dates, addresses, buffers and the like write themselves. */
function holdsItsOwnForm(value: object): boolean {
  return value instanceof Error || ArrayBuffer.isView(value) || 'toJSON' in value;
}

/** What an error may say in the log: where it came from, not the data it was about. */
export function describeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: String(error) };
  const { code, constraint, table, reference } = error as Error & Record<string, unknown>;
  const described: Record<string, unknown> = {
    type: error.constructor.name,
    message: error.message,
    stack: error.stack,
  };
  for (const [name, value] of Object.entries({ code, constraint, table, reference })) {
    if (typeof value === 'string' || typeof value === 'number') described[name] = value;
  }
  if (error.cause !== undefined) described.cause = describeError(error.cause);
  return described;
}

/**
 * Makes the program's logger.
 * @param options.level lowest level written
 * @param options.destination where lines go; standard output when left out
 */
export function createLog(options: { level: LogLevel; destination?: DestinationStream }): Log {
  const log = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        log: (line) => withoutSecrets(line),
      },
      serializers: { err: describeError, error: describeError },
    },
    options.destination ?? pino.destination({ fd: 1, sync: true }),
  );
  // Formatters do not see what a child is bound to.
  const { child } = log;
  log.child = function childWithoutSecrets(this: Log, bound, more) {
    return child.call(this, withoutSecrets(bound), more);
  } as Log['child'];
  return log;
}
