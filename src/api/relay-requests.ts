/** What people decide about their mail and ask for: pausing it, and letting somebody write who was refused. */
import { z } from 'zod';
import { requireApplication } from '#core/applications/applications.ts';
import { may } from '#core/operators/permissions.ts';
import { findPeople, requirePerson } from '#core/people/people.ts';
import {
  choicesOf,
  decideRequest,
  listRequests,
  requestStates,
  type SenderRequest,
  saveChoice,
} from '#fronts/relay/choices.ts';
import { allowRequest, requireOpenRequest } from '#fronts/relay/sender-allowed.ts';
import type { Tx } from '#kit/db/tx.ts';
import { type Caller, operatorOf } from './access.ts';
import type { Api } from './api.ts';
import { pageOf, pageQuery } from './paging.ts';
import { moment } from './shapes.ts';

const tags = ['Mail'];
const requestParams = z.strictObject({ id: z.uuid() });
const who = z.object({ id: z.string(), displayName: z.string(), username: z.string() });

const choice = z.object({
  application: z.string().optional().describe('Missing: for every app.'),
  paused: z.boolean(),
  digests: z.boolean(),
  reveal: z.boolean().describe('Answers to this app may show the address of the person.'),
});

const shape = z.object({
  id: z.string(),
  person: who.optional().describe('For whoever may see people.'),
  sender: z.string().describe('The domain that was refused.'),
  application: z.string().optional(),
  note: z.string().optional().describe('For whoever may see people.'),
  state: z.enum(requestStates),
  askedAt: moment,
  decidedAt: moment.optional(),
  decidedBy: who.optional(),
  answer: z.string().optional(),
});

const answer = z.string().max(500).optional().describe('What the person reads.');

async function show(
  tx: Tx,
  caller: Caller,
  requests: readonly SenderRequest[],
): Promise<z.output<typeof shape>[]> {
  const isOpen = may(caller.grants, 'people.read');
  const ids = [...new Set(requests.flatMap(({ person, decidedBy }) => [person, decidedBy ?? []].flat()))];
  const named = isOpen && ids.length > 0 ? await findPeople(tx, ids) : [];
  const people = new Map(
    named.map(({ id, displayName, username }) => [id, { id, displayName, username }] as const),
  );
  return requests.map(({ person, decidedBy, note, ...rest }) => ({
    ...rest,
    person: people.get(person),
    decidedBy: people.get(decidedBy ?? ''),
    note: isOpen ? note : undefined,
  }));
}

export function relayRequestRoutes(api: Api): void {
  personRoutes(api);
  listRoute(api);
  decideRoutes(api);
}

function personRoutes({ scope, read, change }: Api): void {
  const params = z.strictObject({ id: z.string() });
  scope.get(
    '/people/:id/relay',
    {
      config: { door: 'api', permission: 'people.read' },
      schema: {
        tags,
        summary: 'What a person decided about mail to their alias mailbox',
        params,
        response: { 200: pageOf(choice) },
      },
    },
    async (request) =>
      read(request, async (tx) => {
        const { id } = await requirePerson(tx, request.params.id);
        return { items: await choicesOf(tx, id) };
      }),
  );
  scope.post(
    '/people/:id/relay/pause',
    {
      config: { door: 'api', permission: 'people.help' },
      schema: {
        tags,
        summary: 'Pause mail to a person, of one app or of all, or let it go on',
        params,
        body: z.strictObject({ paused: z.boolean(), application: z.string().max(100).optional() }),
        response: { 200: pageOf(choice) },
      },
    },
    async (request) =>
      change(request, async (tx) => {
        const { id } = await requirePerson(tx, request.params.id);
        const { paused, application } = request.body;
        if (application !== undefined) await requireApplication(tx, application);
        await saveChoice(tx, { person: id, application, change: { paused } });
        return { items: await choicesOf(tx, id) };
      }),
  );
}

function listRoute({ scope, read, cursors }: Api): void {
  scope.get(
    '/relay/requests',
    {
      config: { door: 'api', permission: 'relay.read' },
      schema: {
        tags,
        summary: 'Senders that people ask to be let in, latest first',
        querystring: z.strictObject({ ...pageQuery, state: z.enum(requestStates).optional() }),
        response: { 200: pageOf(shape) },
      },
    },
    async (request) =>
      read(request, async (tx) => {
        const { limit, cursor, state } = request.query;
        const place = `relay requests ${state ?? 'all'}`;
        const before = cursors.read(place, cursor);
        const found = await listRequests(tx, { state, before, limit: limit + 1 });
        const page = cursors.page(place, found, limit, (last) => last.id);
        return { ...page, items: await show(tx, request.caller, page.items) };
      }),
  );
}

function decideRoutes({ scope, change }: Api): void {
  scope.post(
    '/relay/requests/:id/allow',
    {
      config: { door: 'api', permission: 'relay.write', elevation: true },
      schema: {
        tags,
        summary: 'Let the sender write as an app: its domain is added to those of the app',
        description: 'Where that would let in nothing more, `why` says so, and the request stays open.',
        params: requestParams,
        body: z.strictObject({
          application: z.string().max(100).optional().describe('Left out: the one the request names.'),
          answer,
        }),
        response: {
          200: z.object({ request: shape, added: z.boolean(), why: z.string().optional() }),
        },
      },
    },
    async (request) =>
      change(
        request,
        async (tx) => {
          const { request: decided, why } = await allowRequest(tx, {
            ...request.params,
            ...request.body,
            by: operatorOf(request.caller),
          });
          const [shown] = await show(tx, request.caller, [decided]);
          return { request: shown!, added: why === undefined, why };
        },
        { isolation: 'repeatable read' },
      ),
  );
  scope.post(
    '/relay/requests/:id/refuse',
    {
      config: { door: 'api', permission: 'relay.write' },
      schema: {
        tags,
        summary: 'Answer a request with no; the person reads the answer',
        params: requestParams,
        body: z.strictObject({ answer }),
        response: { 200: shape },
      },
    },
    async (request) =>
      change(request, async (tx) => {
        const { id } = await requireOpenRequest(tx, request.params.id);
        const by = operatorOf(request.caller);
        const decided = await decideRequest(tx, { id, state: 'refused', answer: request.body.answer, by });
        return (await show(tx, request.caller, [decided]))[0]!;
      }),
  );
}
