/**
 * The way back for whoever gets no mail: one operator asks for a link, a second one agrees and is shown it once (AU-16).
 */
import { z } from 'zod';
import { approveLink, askLink, cancelLink, listLinks } from '#core/credentials/recovery-links.ts';
import { standingProblem } from '#core/lifecycle/lifecycle.ts';
import { requirePerson } from '#core/people/people.ts';
import { linkToken } from '#core/people/verifications.ts';
import { Problem } from '#core/problem.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { Caller } from './access.ts';
import type { Api } from './api.ts';
import { requireRightsOver, someone, who, withNames } from './on-behalf.ts';
import { pageOf } from './paging.ts';
import { moment } from './shapes.ts';

const tags = ['People'];
const params = z.strictObject({ id: z.string() });

const listed = z.object({
  person: who,
  state: z
    .enum(['asked', 'made', 'used', 'over', 'cancelled'])
    .describe('`over`: an hour has passed, or a newer one was made.'),
  reason: z.string(),
  askedBy: who,
  askedAt: moment,
  approvedBy: who.optional(),
  approvedAt: moment.optional(),
  expiresAt: moment.optional(),
  cancelledBy: who.optional(),
  cancelledAt: moment.optional(),
});

const mostListed = 200;

export function recoveryLinkRoutes(api: Api): void {
  listRoute(api);
  ofOnePerson(api);
}

function listRoute({ scope, read }: Api): void {
  scope.get(
    '/recovery-links',
    {
      config: { door: 'api', permission: 'people.read' },
      schema: {
        tags,
        summary:
          'Links for people whom no mail reaches: those that wait first, then the latest; never the links',
        response: { 200: pageOf(listed) },
      },
    },
    async (request) =>
      read(request, async (tx) => ({ items: await withNames(tx, await listLinks(tx, mostListed)) })),
  );
}

function ofOnePerson({ scope, change, needs }: Api): void {
  scope.post(
    '/people/:id/recovery-link',
    {
      config: { door: 'api', permission: 'people.write', elevation: true },
      schema: {
        tags,
        summary: 'Ask for a link that sets a new password without mail; another operator decides',
        params,
        body: z.strictObject({ reason: z.string().trim().min(1).max(500) }),
        response: { 200: z.object({ asked: z.boolean() }) },
      },
    },
    async (request) =>
      change(request, async (tx) => {
        const person = await openPerson(tx, request.caller, request.params.id);
        await askLink(tx, { person, reason: request.body.reason, operator: someone(request.caller) });
        return { asked: true };
      }),
  );
  scope.post(
    '/people/:id/recovery-link/approve',
    {
      config: { door: 'api', permission: 'people.write', elevation: true },
      schema: {
        tags,
        summary:
          'Agree to what another operator asked for; the answer holds the link, which is never shown again',
        params,
        body: z.strictObject({}),
        response: { 200: z.object({ url: z.string(), expiresAt: moment }) },
      },
    },
    async (request) =>
      change(request, async (tx) => {
        const person = await openPerson(tx, request.caller, request.params.id);
        const made = await approveLink(tx, { person, operator: someone(request.caller) });
        const url = new URL('/recover/new', needs.publicUrl);
        url.searchParams.set('token', linkToken(needs.secrets, made));
        return { url: url.href, expiresAt: made.expiresAt };
      }),
  );
  scope.delete(
    '/people/:id/recovery-link',
    {
      config: { door: 'api', permission: 'people.write' },
      schema: {
        tags,
        summary: 'Call it off; a link that was handed over works no more',
        params,
        response: { 200: z.object({ cancelled: z.boolean() }) },
      },
    },
    async (request) =>
      change(request, async (tx) => {
        const { id } = await requirePerson(tx, request.params.id);
        return { cancelled: await cancelLink(tx, id, someone(request.caller)) };
      }),
  );
}

/** Whoever may not come in needs no way in. */
async function openPerson(tx: Tx, caller: Caller, given: string): Promise<string> {
  const { id, state } = await requireRightsOver(tx, caller, given);
  const closed = standingProblem(state);
  if (closed && closed !== 'account-unverified') throw new Problem(closed);
  return id;
}
