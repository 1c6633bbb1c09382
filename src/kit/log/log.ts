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

/** Names whose values never reach a log line, at any of the first four levels of nesting. */
const secretNames = [
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
  'code',
  'code_verifier',
  'secret',
  'client_secret',
  'clientSecret',
  'masterKey',
  'cookie',
  'cookies',
  'authorization',
  '"set-cookie"',
  '"proxy-authorization"',
];

function redactedPaths(): string[] {
  const paths: string[] = [];
  for (const name of secretNames) {
    const member = name.startsWith('"') ? `[${name}]` : name;
    const step = name.startsWith('"') ? member : `.${name}`;
    // A refusal's own `code` stands at the top of its line and is no secret.
    if (name !== 'code') paths.push(member);
    // The same holds for `err.code`: the place of a system or SQLSTATE code. Everything else is nested data.
    if (name === 'code') {
      paths.push('body.code', 'query.code', 'form.code', 'req.body.code', 'req.query.code', 'data.code');
      continue;
    }
    paths.push(`*${step}`, `*.*${step}`, `*.*.*${step}`);
  }
  return paths;
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
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: redactedPaths(), censor: '[redacted]' },
      serializers: { err: describeError, error: describeError },
    },
    options.destination ?? pino.destination({ fd: 1, sync: true }),
  );
}
