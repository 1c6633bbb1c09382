/** Shapes several routes share: moments, versions, and how a request says which version it means. */
import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Problem } from '#core/problem.ts';
import type { TransactOptions } from '#kit/db/database.ts';
import { PreconditionFailed } from './errors.ts';

/** A moment: an ISO 8601 text on the wire, a Date in here. */
export const moment = z.codec(z.iso.datetime(), z.date(), {
  decode: (text) => new Date(text),
  encode: (date) => date.toISOString(),
});

export const version = z.number().int().describe('Grows with every change; also the ETag.');

/** The version of what nobody counts the changes of: it stands for exactly what is there. */
export const stamp = z
  .string()
  .max(100)
  .describe('Another one whenever something is changed; also the ETag.');

/** The stamp of settings as they were read; undefined for none. */
export function stampOf(settings: object | undefined): string {
  const text = JSON.stringify(settings ?? null);
  return createHash('sha256').update(text).digest('base64url').slice(0, 22);
}

/** A text an operator gives: one line, bounded; the core cleans and checks it. */
export const line = z.string().max(250);

/** Whatever is answered with a version carries it as its ETag too (RFC 9110 §8.8.3), so that no route can forget to. */
export function tellVersions(scope: FastifyInstance): void {
  scope.addHook('preSerialization', (_request, reply, payload, done) => {
    const { version } = (payload ?? {}) as { version?: unknown };
    if (typeof version === 'number' || typeof version === 'string') reply.header('etag', `"${version}"`);
    done(null, payload);
  });
}

/**
 * Refuses when the caller has seen another version: 412 for If-Match (RFC 9110 §13.1.1), 409 for `version` in the
 * body. To be asked in the transaction that changes, which must be one of `repeatable read`.
 * @param current undefined where nothing is there yet
 * @param given null: the caller has seen that nothing is there
 */
export function requireVersion(
  request: FastifyRequest,
  current: number | string | undefined,
  given?: number | string | null,
): void {
  const match = request.headers['if-match'];
  if (match !== undefined) {
    const versions = match.split(',').map((one) => one.trim());
    const isMet = versions.includes('*') || versions.includes(`"${current}"`);
    if (current === undefined || !isMet) throw new PreconditionFailed();
  }
  if (given !== undefined && given !== (current ?? null))
    throw new Problem('conflict', { fields: { version: 'conflict' } });
}

/** Isolation under which two callers who saw the same version cannot both change it. */
export const versioned: TransactOptions = { isolation: 'repeatable read' };
