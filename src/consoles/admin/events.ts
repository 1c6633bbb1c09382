/** `/admin/events`: what happened, newest first, in words and with the facts kept of it. */

import { catalogue, type EventType } from '#core/events/catalogue.ts';
import { type LoggedEvent, listEvents } from '#core/events/events.ts';
import { findPeople } from '#core/people/people.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { App } from '#kit/http/server.ts';
import { type Html, html, join } from '#kit/page/html.ts';
import { emptyState, linkButton, table, time } from '#kit/page/parts.ts';
import type { PageNeeds } from '#signon/visit.ts';
import { desk, showDesk } from './operator.ts';

const pageSize = 100;

/** An event with the names of those it speaks of. */
export interface NamedEvent extends LoggedEvent {
  /** Whom and which app it is about. */
  about: string;
  by: string;
}

/** The newest events, or those before an id. */
export async function readEvents(tx: Tx, filter: { before?: number; limit: number }): Promise<NamedEvent[]> {
  const found = await listEvents(tx, filter);
  const ids = found.flatMap((one) => [one.person, one.actor.id]).filter((id) => id !== undefined);
  const people = await findPeople(tx, [...new Set(ids)]);
  const names = new Map(people.map((one) => [one.id, one.username]));
  return found.map((one) => ({
    ...one,
    about: [one.person && (names.get(one.person) ?? one.person), one.application].filter(Boolean).join(' · '),
    by: (one.actor.id && names.get(one.actor.id)) ?? one.actor.name ?? one.actor.id ?? one.actor.kind,
  }));
}

/** What happened, as the catalogue says it. */
export function textOf(event: LoggedEvent): string {
  return catalogue[event.type as EventType]?.text ?? event.type;
}

/** GET /admin/events. */
export function eventRoutes(app: App, needs: PageNeeds): void {
  app.get('/admin/events', { config: { door: 'page' } }, async (request, reply) => {
    const here = await desk(needs, request, reply, 'events.read');
    if (!here) return reply;
    const query = request.query as Record<string, string | undefined>;
    const before = /^\d{1,15}$/.test(query.before ?? '') ? Number(query.before) : undefined;
    const events = await needs.database.read(here.context, (tx) =>
      readEvents(tx, { before, limit: pageSize }),
    );
    const { tell, locale, now } = here;
    const list = table({
      caption: tell('events'),
      rows: events,
      empty: emptyState({ title: tell('none') }),
      columns: [
        { title: tell('when'), cell: (one) => time({ at: one.at, now, locale }) },
        {
          title: tell('what'),
          cell: (one) => html`${textOf(one)}<br><code class="muted">${one.type}</code>`,
        },
        { title: tell('about'), cell: (one) => one.about, breaks: true },
        { title: tell('by'), cell: (one) => html`${one.by}<br><span class="muted">${one.cause}</span>` },
        { title: tell('facts'), cell: (one) => factsOf(one.data), breaks: true },
      ],
    });
    const last = events.at(-1);
    const more =
      events.length === pageSize && last
        ? linkButton({
            label: tell('next'),
            url: `/admin/events?before=${last.id}`,
            style: 'quiet',
            compact: true,
          })
        : '';
    return showDesk(here, reply, { section: 'events', body: html`<div class="stack">${list}${more}</div>` });
  });
}

function factsOf(data: object): Html {
  const facts = Object.entries(data).map(([name, value]) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return html`<span class="fact">${name} <code>${text}</code></span>`;
  });
  return join(facts, html` `);
}
