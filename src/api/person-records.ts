/** What belongs to one person: addresses, sessions, sign-ins, names at apps, what happened. */
import { z } from 'zod';
import { aliasesOf } from '#core/aliases/aliases.ts';
import { listEvents } from '#core/events/events.ts';
import { listAddresses, requirePerson } from '#core/people/people.ts';
import { endSessions, listSessions, listSignIns } from '#core/sessions/sessions.ts';
import type { Api } from './api.ts';
import { eventPage, showEvents } from './events.ts';
import { pageOf, pageQuery } from './paging.ts';
import { moment } from './shapes.ts';

const tags = ['People'];
const params = z.strictObject({ id: z.string() });

const address = z.object({
  id: z.string(),
  address: z.string(),
  primary: z.boolean(),
  verifiedAt: moment.optional(),
  createdAt: moment,
});

const session = z.object({
  id: z.string(),
  authTime: moment,
  amr: z.array(z.string()),
  aal: z.number(),
  device: z.string(),
  network: z.string(),
  persistent: z.boolean(),
  createdAt: moment,
  lastSeenAt: moment,
  expiresAt: moment,
});

const signIn = z.object({
  at: moment,
  door: z.string(),
  outcome: z.string(),
  application: z.string().nullish(),
  device: z.string(),
  network: z.string(),
  requestId: z.string(),
});

export function personRecordRoutes(api: Api): void {
  addressAndAliasRoutes(api);
  sessionRoutes(api);
  pastRoutes(api);
}

function addressAndAliasRoutes({ scope, read }: Api): void {
  scope.get(
    '/people/:id/addresses',
    {
      config: { door: 'api', permission: 'people.read' },
      schema: { tags, summary: 'Addresses, the main one first', params, response: { 200: pageOf(address) } },
    },
    async (request) =>
      read(request, async (tx) => {
        const { id } = await requirePerson(tx, request.params.id);
        return { items: await listAddresses(tx, [id]) };
      }),
  );
  scope.get(
    '/people/:id/aliases',
    {
      config: { door: 'api', permission: 'aliases.read' },
      schema: {
        tags,
        summary: 'Names the person was given at apps',
        params,
        response: { 200: pageOf(z.object({ application: z.string(), alias: z.string() })) },
      },
    },
    async (request) =>
      read(request, async (tx) => {
        const { id } = await requirePerson(tx, request.params.id);
        const aliases = await aliasesOf(tx, id);
        return { items: [...aliases].map(([application, alias]) => ({ application, alias })) };
      }),
  );
}

function sessionRoutes({ scope, read, change }: Api): void {
  scope.get(
    '/people/:id/sessions',
    {
      config: { door: 'api', permission: 'people.read' },
      schema: {
        tags,
        summary: 'Sessions that last, latest first',
        params,
        response: { 200: pageOf(session) },
      },
    },
    async (request) =>
      read(request, async (tx) => {
        const { id } = await requirePerson(tx, request.params.id);
        return { items: await listSessions(tx, id) };
      }),
  );
  scope.delete(
    '/people/:id/sessions',
    {
      config: { door: 'api', permission: 'people.help' },
      schema: {
        tags,
        summary: 'End all sessions; every app that took part is told',
        params,
        response: { 200: z.object({ ended: z.number().int() }) },
      },
    },
    async (request) =>
      change(request, async (tx) => {
        const { id } = await requirePerson(tx, request.params.id);
        return { ended: await endSessions(tx, id, 'admin') };
      }),
  );
}

function pastRoutes({ scope, cursors, read }: Api): void {
  scope.get(
    '/people/:id/sign-ins',
    {
      config: { door: 'api', permission: 'people.read' },
      schema: {
        tags,
        summary: 'Attempts to sign in, latest first',
        params,
        querystring: z.strictObject({ limit: pageQuery.limit }),
        response: { 200: pageOf(signIn) },
      },
    },
    async (request) =>
      read(request, async (tx) => {
        const { id } = await requirePerson(tx, request.params.id);
        return { items: await listSignIns(tx, id, request.query.limit) };
      }),
  );
  scope.get(
    '/people/:id/events',
    {
      config: { door: 'api', permission: 'events.read' },
      schema: {
        tags,
        summary: 'What happened to and by this account, latest first',
        params,
        querystring: z.strictObject(pageQuery),
        response: { 200: eventPage },
      },
    },
    async (request) =>
      read(request, async (tx) => {
        const { limit, cursor } = request.query;
        const { id } = await requirePerson(tx, request.params.id);
        const list = `events of ${id}`;
        const before = cursors.read(list, cursor);
        const found = await listEvents(tx, {
          person: id,
          before: before === undefined ? undefined : Number(before),
          limit: limit + 1,
        });
        const page = cursors.page(list, found, limit, (last) => String(last.id));
        return { ...page, ...(await showEvents(tx, page.items)) };
      }),
  );
}
