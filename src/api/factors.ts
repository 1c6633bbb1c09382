/**
 * What proves a person beside the password, and the way back for whoever lost all of it: one operator asks, a second one
 * agrees, the person is told and may object (AU-16).
 */
import { z } from 'zod';
import { community } from '#core/community/community.ts';
import {
  approveReset,
  askReset,
  cancelReset,
  listResets,
  openReset,
} from '#core/credentials/factor-resets.ts';
import { passkeysOf } from '#core/credentials/passkeys.ts';
import { recoveryCodesOf } from '#core/credentials/recovery-codes.ts';
import { totpOf } from '#core/credentials/totp.ts';
import { requirePerson } from '#core/people/people.ts';
import { finishDueResets } from '#signon/factor-reset.ts';
import type { Api } from './api.ts';
import { requireRightsOver, someone, who, withNames } from './on-behalf.ts';
import { pageOf } from './paging.ts';
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

const listed = z.object({
  person: who,
  state: z.enum(['asked', 'approved', 'done', 'cancelled']),
  reason: z.string(),
  askedBy: who,
  askedAt: moment,
  approvedBy: who.optional(),
  approvedAt: moment.optional(),
  dueAt: moment.optional(),
  doneAt: moment.optional(),
  cancelledBy: who.optional(),
  cancelledAt: moment.optional(),
});

const mostListed = 200;

/** Every reset there was, open ones first, with the names of those who took part. */
function listRoute({ scope, read }: Api): void {
  scope.get(
    '/factor-resets',
    {
      config: { door: 'api', permission: 'people.read' },
      schema: {
        tags,
        summary: 'Resets of further proofs: those that are open first, then the latest',
        response: { 200: pageOf(listed) },
      },
    },
    async (request) =>
      read(request, async (tx) => {
        const found = (await listResets(tx, mostListed)).map((one) => ({ ...one, state: stateOf(one) }));
        return { items: await withNames(tx, found) };
      }),
  );
}

function stateOf(one: { doneAt?: Date; cancelledAt?: Date; approvedAt?: Date }) {
  if (one.doneAt) return 'done' as const;
  if (one.cancelledAt) return 'cancelled' as const;
  return one.approvedAt ? ('approved' as const) : ('asked' as const);
}

export function factorRoutes(api: Api): void {
  listRoute(api);
  ofOnePerson(api);
}

function ofOnePerson({ scope, read, change }: Api): void {
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
        const { id } = await requireRightsOver(tx, request.caller, request.params.id);
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
        const { id } = await requireRightsOver(tx, request.caller, request.params.id);
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
