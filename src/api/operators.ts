/** Operators: who runs this installation. Nobody gives or takes a role that may do more than their own. */
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { appoint, dismiss, listOperators } from '#core/operators/operators.ts';
import { mayGrant, roles } from '#core/operators/permissions.ts';
import { findPeople, requirePerson } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import type { Api } from './api.ts';
import { pageOf } from './paging.ts';
import { moment } from './shapes.ts';

const shape = z.object({
  person: z.string(),
  username: z.string(),
  displayName: z.string(),
  role: z.enum(roles),
  application: z.string().optional(),
  grantedAt: moment,
  grantedBy: z.object({ kind: z.string(), id: z.string().optional(), name: z.string().optional() }),
});

const tags = ['Operators'];
const role = z.strictObject({
  role: z.enum(roles),
  application: z.string().max(60).optional().describe('The app of an `app-owner`.'),
});
const params = z.strictObject({ person: z.string() });

function checkMayGrant(request: FastifyRequest, wanted: z.infer<typeof role>): void {
  if (!mayGrant(request.caller.grants, wanted)) throw new Problem('operator-forbidden');
}

export function operatorRoutes({ scope, read, change }: Api): void {
  scope.get(
    '/operators',
    {
      config: { door: 'api', permission: 'operators.read' },
      schema: { tags, summary: 'Everyone with a role, owners first', response: { 200: pageOf(shape) } },
    },
    async (request) =>
      read(request, async (tx) => {
        const operators = await listOperators(tx);
        const ids = [...new Set(operators.map((one) => one.person))];
        const people = new Map((await findPeople(tx, ids)).map((one) => [one.id, one]));
        const items = operators.map((one) => ({
          ...one,
          username: people.get(one.person)?.username ?? '',
          displayName: people.get(one.person)?.displayName ?? '',
        }));
        return { items };
      }),
  );
  scope.post(
    '/operators/:person/roles',
    {
      config: { door: 'api', permission: 'operators.write', elevation: true },
      schema: {
        tags,
        summary: 'Give a person a role; one they hold already is no change',
        params,
        body: role,
        response: { 200: z.object({ given: z.boolean() }) },
      },
    },
    async (request) => {
      checkMayGrant(request, request.body);
      return change(request, async (tx) => {
        const { id } = await requirePerson(tx, request.params.person);
        return { given: await appoint(tx, { person: id, ...request.body }) };
      });
    },
  );
  scope.post(
    '/operators/:person/roles/withdraw',
    {
      config: { door: 'api', permission: 'operators.write', elevation: true },
      schema: {
        tags,
        summary: 'Take a role away; the last owner stays',
        params,
        body: role,
        response: { 200: z.object({ taken: z.boolean() }) },
      },
    },
    async (request) => {
      checkMayGrant(request, request.body);
      return change(request, async (tx) => {
        const { id } = await requirePerson(tx, request.params.person);
        return { taken: await dismiss(tx, { person: id, ...request.body }) };
      });
    },
  );
}
