/** Read-only lists: groups, apps, operators. */

import { type Application, listApplications } from '#core/applications/applications.ts';
import { listGroups } from '#core/groups/groups.ts';
import { listOperators } from '#core/operators/operators.ts';
import { may } from '#core/operators/permissions.ts';
import { findPeople } from '#core/people/people.ts';
import type { App } from '#kit/http/server.ts';
import { html } from '#kit/page/html.ts';
import { badge, emptyState, table, time } from '#kit/page/parts.ts';
import type { PageNeeds } from '#signon/visit.ts';
import { type Desk, desk, showDesk } from './operator.ts';

/** GET /admin/groups, /admin/apps, /admin/operators. */
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
    const all = await needs.database.read(here.context, listApplications);
    const applications = all.filter(
      (one) => may(here.grants, 'applications.read') || may(here.grants, 'applications.read', one.id),
    );
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
          cell: (one) => html`${badge({ tone: 'neutral', label: one.role })} ${one.application}`,
        },
        { title: tell('granted'), cell: (one) => time({ at: one.grantedAt, now, locale }) },
      ],
    });
    return showDesk(here, reply, { section: 'operators', body });
  });
}

function appTable(here: Desk, applications: readonly Application[]) {
  const { tell } = here;
  return table({
    caption: tell('applications'),
    rows: applications,
    empty: emptyState({ title: tell('none'), text: tell('noneText') }),
    columns: [
      {
        title: tell('title'),
        cell: (one) =>
          html`${one.settings.title}${one.settings.privateHttp ? html`<p class="warned">${badge({ tone: 'warning', label: tell('warning') })} ${tell('httpWarning')}</p>` : ''}`,
      },
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
    ],
  });
}
