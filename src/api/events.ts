/** The log, as operators may read it. */
import { z } from 'zod';
import { catalogue } from '#core/events/catalogue.ts';
import { type EventType, type LoggedEvent, listEvents } from '#core/events/events.ts';
import type { Api } from './api.ts';
import { pageOf, pageQuery } from './paging.ts';
import { moment } from './shapes.ts';

export const eventShape = z.object({
  id: z.number().int(),
  at: moment,
  type: z.string(),
  person: z.string().optional(),
  application: z.string().optional(),
  actor: z.object({ kind: z.string(), id: z.string().optional(), name: z.string().optional() }),
  cause: z.string(),
  reference: z.string(),
  data: z.record(z.string(), z.unknown()),
});

export function showEvent({ requestId, data, ...event }: LoggedEvent) {
  return { ...event, reference: requestId, data: data as Record<string, unknown> };
}

const types = Object.keys(catalogue) as [EventType, ...EventType[]];

export function eventRoutes({ scope, cursors, read }: Api): void {
  scope.get(
    '/events',
    {
      config: { door: 'bearer', permission: 'events.read' },
      schema: {
        tags: ['Events'],
        summary: 'What happened, latest first',
        querystring: z.strictObject({
          person: z.uuid().optional(),
          application: z.string().max(60).optional(),
          type: z.enum(types).optional(),
          ...pageQuery,
        }),
        response: { 200: pageOf(eventShape) },
      },
    },
    async (request) => {
      const { limit, cursor, ...filter } = request.query;
      const list = `events ${JSON.stringify(filter)}`;
      const before = cursors.read(list, cursor);
      const found = await read(request, (tx) =>
        listEvents(tx, {
          ...filter,
          before: before === undefined ? undefined : Number(before),
          limit: limit + 1,
        }),
      );
      const page = cursors.page(list, found, limit, (last) => String(last.id));
      return { ...page, items: page.items.map(showEvent) };
    },
  );
}
