/** Read-only lists: groups, apps, operators, events. */

import { type Application, listApplications } from '#core/applications/applications.ts';
import { catalogue, type EventType } from '#core/events/catalogue.ts';
import { type LoggedEvent, listEvents } from '#core/events/events.ts';
import { listGroups } from '#core/groups/groups.ts';
import { listOperators } from '#core/operators/operators.ts';
import { findPeople } from '#core/people/people.ts';
import type { App } from '#kit/http/server.ts';
import { html } from '#kit/page/html.ts';
import { badge, emptyState, linkButton, table, time } from '#kit/page/parts.ts';
import type { PageNeeds } from '#signon/visit.ts';
import { type Desk, desk, showDesk } from './operator.ts';

const pageSize = 100;

/** GET /admin/groups, /admin/apps, /admin/operators, /admin/events. */
export function listRoutes(app: App, needs: PageNeeds): void {
  app.get('/admin/groups', { config: { door: 'page' } }, async (request, reply) => {
    const here = await desk(needs, request, reply, 'groups.read');
    if (!here) return reply;
    const groups = await needs.database.read(here.context, (tx) => listGroups(tx, { limit: 500 }));
    const { tell } = here;
    const body = table({
      caption: tell('groups'),
      rows: groups,
      empty: emptyState({ title: tell('none'), text: tell('noneText') }),
      columns: [
        { title: tell('name'), cell: (one) => one.name },
        { title: tell('title'), cell: (one) => one.title },
        { title: tell('members'), cell: (one) => one.members.toLocaleString(here.locale), number: true },
      ],
    });
    return showDesk(here, reply, { section: 'groups', body });
  });

  app.get('/admin/apps', { config: { door: 'page' } }, async (request, reply) => {
    const here = await desk(needs, request, reply, 'applications.read');
    if (!here) return reply;
    const applications = await needs.database.read(here.context, listApplications);
    return showDesk(here, reply, { section: 'applications', body: appTable(here, applications) });
  });

  app.get('/admin/operators', { config: { door: 'page' } }, async (request, reply) => {
    const here = await desk(needs, request, reply, 'operators.read');
    if (!here) return reply;
    const rows = await needs.database.read(here.context, async (tx) => {
      const operators = await listOperators(tx);
      const people = new Map(
        (
          await findPeople(
            tx,
            operators.map((one) => one.person),
          )
        ).map((one) => [one.id, one]),
      );
      return operators.map((one) => ({ ...one, name: people.get(one.person)?.username ?? one.person }));
    });
    const { tell, locale, now } = here;
    const body = table({
      caption: tell('operators'),
      rows,
      empty: emptyState({ title: tell('none') }),
      columns: [
        { title: tell('username'), cell: (one) => one.name },
        {
          title: tell('role'),
          cell: (one) => (one.application ? `${one.role} · ${one.application}` : one.role),
        },
        { title: tell('granted'), cell: (one) => time({ at: one.grantedAt, now, locale }) },
      ],
    });
    return showDesk(here, reply, { section: 'operators', body });
  });
  eventRoutes(app, needs);
}

function appTable(here: Desk, applications: readonly Application[]) {
  const { tell } = here;
  return table({
    caption: tell('applications'),
    rows: applications,
    empty: emptyState({ title: tell('none'), text: tell('noneText') }),
    columns: [
      { title: tell('title'), cell: (one) => one.settings.title },
      { title: tell('id'), cell: (one) => html`<code>${one.id}</code>` },
      {
        title: tell('state'),
        cell: (one) =>
          one.settings.enabled
            ? badge({ tone: 'success', label: tell('enabled') })
            : badge({ tone: 'neutral', label: tell('disabled') }),
      },
      { title: tell('protocol'), cell: (one) => (one.settings.oidc ? 'OpenID Connect' : '') },
      { title: tell('who'), cell: (one) => one.settings.access.groups?.join(', ') ?? tell('everyone') },
      { title: tell('consent'), cell: (one) => one.settings.consent },
      {
        title: tell('warning'),
        cell: (one) =>
          one.settings.privateHttp ? badge({ tone: 'warning', label: tell('httpWarning') }) : '',
      },
    ],
  });
}

function eventRoutes(app: App, needs: PageNeeds): void {
  app.get('/admin/events', { config: { door: 'page' } }, async (request, reply) => {
    const here = await desk(needs, request, reply, 'events.read');
    if (!here) return reply;
    const query = request.query as Record<string, string | undefined>;
    const before = /^\d{1,15}$/.test(query.before ?? '') ? Number(query.before) : undefined;
    const { events, names } = await needs.database.read(here.context, async (tx) => {
      const found = await listEvents(tx, { before, limit: pageSize });
      const ids = [
        ...new Set(found.flatMap((one) => [one.person, one.actor.id]).filter((id) => id !== undefined)),
      ];
      const people = await findPeople(tx, ids);
      return { events: found, names: new Map(people.map((one) => [one.id, one.username])) };
    });
    const { tell, locale, now } = here;
    const who = (one: LoggedEvent) =>
      one.actor.id
        ? (names.get(one.actor.id) ?? one.actor.name ?? one.actor.id)
        : (one.actor.name ?? one.actor.kind);
    const list = table({
      caption: tell('events'),
      rows: events,
      empty: emptyState({ title: tell('none') }),
      columns: [
        { title: tell('when'), cell: (one) => time({ at: one.at, now, locale }) },
        {
          title: tell('what'),
          cell: (one) =>
            html`<code title="${catalogue[one.type as EventType]?.text ?? ''}">${one.type}</code>`,
        },
        {
          title: tell('about'),
          cell: (one) =>
            [one.person && (names.get(one.person) ?? one.person), one.application]
              .filter(Boolean)
              .join(' · '),
        },
        { title: tell('by'), cell: who },
        { title: tell('cause'), cell: (one) => one.cause },
        { title: tell('facts'), cell: (one) => html`<code>${JSON.stringify(one.data)}</code>` },
      ],
    });
    const last = events.at(-1);
    const body = html`${list}${events.length === pageSize && last ? linkButton({ label: tell('next'), url: `/admin/events?before=${last.id}`, style: 'quiet' }) : ''}`;
    return showDesk(here, reply, { section: 'events', body });
  });
}
