/** Tokens programs call with. Nobody makes one that may do more than themselves. */
import { z } from 'zod';
import { mayGrant, roles } from '#core/operators/permissions.ts';
import { createToken, listTokens, revokeToken, rolesFromScopes } from '#core/operators/tokens.ts';
import { Problem } from '#core/problem.ts';
import type { Api } from './api.ts';
import { NothingHere } from './errors.ts';
import { pageOf } from './paging.ts';
import { line, moment } from './shapes.ts';

const shape = z.object({
  id: z.string(),
  name: z.string(),
  roles: z.array(z.enum(roles)),
  application: z.string().optional(),
  createdAt: moment,
  createdBy: z.object({ kind: z.string(), id: z.string().optional(), name: z.string().optional() }),
  maker: z.string().optional().describe('The person it stands and falls with; none when made on the host.'),
  makerName: z.string().optional(),
  rests: z
    .enum(['maker-inactive', 'maker-role'])
    .optional()
    .describe('Why it does nothing for now: its maker lost their standing, or holds less than the token.'),
  expiresAt: moment.optional(),
  lastUsedAt: moment.optional(),
  revokedAt: moment.optional(),
});

const tags = ['Tokens'];

export function tokenRoutes({ scope, read, change }: Api): void {
  scope.get(
    '/tokens',
    {
      config: { door: 'api', permission: 'tokens.read' },
      schema: {
        tags,
        summary: 'All tokens, newest first; never their values',
        response: { 200: pageOf(shape) },
      },
    },
    async (request) => ({ items: await read(request, listTokens) }),
  );
  scope.post(
    '/tokens',
    {
      config: { door: 'api', permission: 'tokens.write', elevation: true },
      schema: {
        tags,
        summary: 'Make a token; its value is shown this once',
        body: z.strictObject({
          name: line,
          scopes: z.array(z.string().max(40)).min(1).max(10).describe('Role names, or `admin` for owner.'),
          application: z.string().max(60).optional().describe('The app of an `app-owner`.'),
          expiresAt: moment.optional(),
        }),
        response: { 201: z.object({ id: z.string(), token: z.string() }) },
      },
    },
    async (request, reply) => {
      const { scopes, application } = request.body;
      const { grants } = request.caller;
      if (!rolesFromScopes(scopes).every((role) => mayGrant(grants, { role, application })))
        throw new Problem('operator-forbidden');
      const made = await change(request, (tx) => createToken(tx, request.body));
      return reply.code(201).send(made);
    },
  );
  scope.delete(
    '/tokens/:id',
    {
      config: { door: 'api', permission: 'tokens.write' },
      schema: {
        tags,
        summary: 'Withdraw a token for good',
        params: z.strictObject({ id: z.string() }),
        response: { 204: z.undefined() },
      },
    },
    async (request, reply) => {
      await change(request, (tx) => revokeToken(tx, request.params.id)).catch((error: unknown) => {
        // To whoever calls, `token-refused` is about the token they call with.
        const unknown = error instanceof Problem && error.code === 'token-refused';
        throw unknown ? new NothingHere('token-refused') : error;
      });
      return reply.code(204).send();
    },
  );
}
