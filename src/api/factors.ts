/**
 * What proves a person beside the password, and the way back for whoever lost all of it: one operator asks, a second one
 * agrees, the person is told and may object (AU-16). Both are people who signed in: a token stands for nobody.
 */
import { z } from 'zod';
import { community } from '#core/community/community.ts';
import { approveReset, askReset, cancelReset, openReset } from '#core/credentials/factor-resets.ts';
import { passkeysOf } from '#core/credentials/passkeys.ts';
import { recoveryCodesOf } from '#core/credentials/recovery-codes.ts';
import { totpOf } from '#core/credentials/totp.ts';
import { requirePerson } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import { finishDueResets } from '#signon/factor-reset.ts';
import type { Caller } from './access.ts';
import type { Api } from './api.ts';
import { moment } from './shapes.ts';

const tags = ['People'];
const params = z.strictObject({ id: z.string() });

const reset = z.object({
  reason: z.string(),
  askedBy: z.string(),
  askedAt: moment,
  approvedBy: z.string().optional(),
  approvedAt: moment.optional(),
  dueAt: moment.optional().describe('When it happens, unless it is called off.'),
});

const factors = z.object({
  passkeys: z.array(z.object({ name: z.string(), createdAt: moment, lastUsedAt: moment.optional() })),
  app: z.object({ addedAt: moment, lastUsedAt: moment.optional() }).optional(),
  recoveryCodes: z.number().int().describe('How many are left.'),
  reset: reset.optional(),
});

export function factorRoutes({ scope, read, change }: Api): void {
  scope.get(
    '/people/:id/factors',
    {
      config: { door: 'api', permission: 'people.read' },
      schema: {
        tags,
        summary: 'What proves the person beside the password',
        params,
        response: { 200: factors },
      },
    },
    async (request) =>
      read(request, async (tx) => {
        const { id } = await requirePerson(tx, request.params.id);
        return {
          passkeys: await passkeysOf(tx, id),
          app: await totpOf(tx, id),
          recoveryCodes: (await recoveryCodesOf(tx, id))?.left ?? 0,
          reset: await openReset(tx, id),
        };
      }),
  );
  scope.post(
    '/people/:id/factor-reset',
    {
      config: { door: 'api', permission: 'people.write', elevation: true },
      schema: {
        tags,
        summary: 'Ask for all further proofs of a person to be taken away; another operator decides',
        params,
        body: z.strictObject({ reason: z.string().trim().min(1).max(500) }),
        response: { 200: reset },
      },
    },
    async (request) =>
      change(request, async (tx) => {
        const { id } = await requirePerson(tx, request.params.id);
        return askReset(tx, { person: id, reason: request.body.reason, operator: someone(request.caller) });
      }),
  );
  scope.post(
    '/people/:id/factor-reset/approve',
    {
      config: { door: 'api', permission: 'people.write', elevation: true },
      schema: {
        tags,
        summary: 'Agree to what another operator asked for; it happens after the waiting time',
        params,
        body: z.strictObject({}),
        response: { 200: reset },
      },
    },
    async (request) =>
      change(request, async (tx) => {
        const { id } = await requirePerson(tx, request.params.id);
        const { resetWaitHours: waitHours } = (await community(tx)).factors;
        const approved = await approveReset(tx, { person: id, operator: someone(request.caller), waitHours });
        if (waitHours === 0) await finishDueResets(tx);
        return approved;
      }),
  );
  scope.delete(
    '/people/:id/factor-reset',
    {
      config: { door: 'api', permission: 'people.write' },
      schema: {
        tags,
        summary: 'Call it off',
        params,
        response: { 200: z.object({ cancelled: z.boolean() }) },
      },
    },
    async (request) =>
      change(request, async (tx) => {
        const { id } = await requirePerson(tx, request.params.id);
        return { cancelled: await cancelReset(tx, id, request.caller.id) };
      }),
  );
}

function someone(caller: Caller): string {
  if (caller.kind !== 'person') throw new Problem('operator-forbidden');
  return caller.id;
}
