/** The log, as operators may read it. */
import { z } from 'zod';
import { catalogue } from '#core/events/catalogue.ts';
import { type EventType, type LoggedEvent, listEvents } from '#core/events/events.ts';
import { findGroups } from '#core/groups/groups.ts';
import { findPeople } from '#core/people/people.ts';
import type { Tx } from '#kit/db/tx.ts';
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
  text: z.string().describe('What happened, in a sentence.'),
  data: z.record(z.string(), z.unknown()),
});

/** A page of events, with what the ids in it are called now. */
export const eventPage = pageOf(eventShape).extend({
  names: z.record(z.string(), z.string()).describe('Names of the people and groups spoken of, by id.'),
});

/** Events as the API tells them. Ids of things that are gone have no name any more. */
export async function showEvents(tx: Tx, events: readonly LoggedEvent[]) {
  const people = events.flatMap(({ person, actor }) => [person, actor.id].filter((id) => id !== undefined));
  const groups = events.flatMap(({ data }) => ('group' in data ? [String(data.group)] : []));
  const found = await findPeople(tx, [...new Set(people)]);
  const names = [
    ...found.map(({ id, username }) => [id, username]),
    ...(await findGroups(tx, [...new Set(groups)])).map(({ id, name }) => [id, name]),
  ];
  const items = events.map(({ requestId, data, ...event }) => ({
    ...event,
    text: catalogue[event.type as EventType]?.text ?? event.type,
    reference: requestId,
    data: data as Record<string, unknown>,
  }));
  return { items, names: Object.fromEntries(names) as Record<string, string> };
}

const types = Object.keys(catalogue) as [EventType, ...EventType[]];

export function eventRoutes({ scope, cursors, read }: Api): void {
  scope.get(
    '/events',
    {
      config: { door: 'api', permission: 'events.read' },
      schema: {
        tags: ['Events'],
        summary: 'What happened, latest first',
        querystring: z.strictObject({
          person: z.uuid().optional(),
          application: z.string().max(60).optional(),
          type: z.enum(types).optional(),
          ...pageQuery,
        }),
        response: { 200: eventPage },
      },
    },
    async (request) => {
      const { limit, cursor, ...filter } = request.query;
      const list = `events ${JSON.stringify(filter)}`;
      const before = cursors.read(list, cursor);
      return read(request, async (tx) => {
        const found = await listEvents(tx, {
          ...filter,
          before: before === undefined ? undefined : Number(before),
          limit: limit + 1,
        });
        const page = cursors.page(list, found, limit, (last) => String(last.id));
        return { ...page, ...(await showEvents(tx, page.items)) };
      });
    },
  );
}
