/** Overview, and the list of people. */

import { may } from '#core/operators/permissions.ts';
import { usernameKey } from '#core/people/names.ts';
import {
  countPeople,
  listAddresses,
  listPeople,
  type PersonState,
  personStates,
} from '#core/people/people.ts';
import { lastSignIns } from '#core/sessions/sessions.ts';
import type { App } from '#kit/http/server.ts';
import { field } from '#kit/page/fields.ts';
import { html } from '#kit/page/html.ts';
import type { Tone } from '#kit/page/icons.ts';
import {
  badge,
  button,
  emptyState,
  figures,
  linkButton,
  section,
  table,
  time,
  timeline,
} from '#kit/page/parts.ts';
import type { PageNeeds } from '#signon/visit.ts';
import { readEvents, textOf } from './events.ts';
import { desk, showDesk } from './operator.ts';

const pageSize = 50;
const tones: Record<PersonState, Tone> = {
  active: 'success',
  unverified: 'info',
  locked: 'warning',
  suspended: 'warning',
  spam: 'danger',
  left: 'neutral',
  erased: 'neutral',
  merged: 'neutral',
};

/** GET /admin and GET /admin/people. */
export function peopleRoutes(app: App, needs: PageNeeds): void {
  app.get('/admin', { config: { door: 'page' } }, async (request, reply) => {
    const here = await desk(needs, request, reply, 'people.read');
    if (!here) return reply;
    const { tell, locale, now } = here;
    const { counts, latest } = await needs.database.read(here.context, async (tx) => ({
      counts: await countPeople(tx),
      latest: may(here.grants, 'events.read') ? await readEvents(tx, { limit: 10 }) : undefined,
    }));
    const states = personStates.filter((state) => state === 'active' || (counts[state] ?? 0) > 0);
    const list = states.map((state) => ({
      label: state,
      value: (counts[state] ?? 0).toLocaleString(locale),
    }));
    const entries = (latest ?? []).map((one) => ({
      at: one.at,
      what: textOf(one),
      more: [one.about, tell('byWhom', { who: one.by })].filter(Boolean).join(' · '),
    }));
    const body = html`<div class="stack">
      ${section({ title: tell('peopleCount'), body: figures(list), action: linkButton({ label: tell('people'), url: '/admin/people', style: 'quiet', compact: true }) })}
      ${latest ? section({ title: tell('latest'), body: timeline({ entries, locale, now }), action: linkButton({ label: tell('events'), url: '/admin/events', style: 'quiet', compact: true }) }) : ''}</div>`;
    return showDesk(here, reply, { section: 'overview', body });
  });

  app.get('/admin/people', { config: { door: 'page' } }, async (request, reply) => {
    const here = await desk(needs, request, reply, 'people.read');
    if (!here) return reply;
    const query = request.query as Record<string, string | undefined>;
    const search = String(query.search ?? '')
      .slice(0, 200)
      .trim();
    const after = query.after ? usernameKey(String(query.after)) : undefined;
    const { people, addresses, seen } = await needs.database.read(here.context, async (tx) => {
      const found = await listPeople(tx, { search: search || undefined, after, limit: pageSize });
      const ids = found.map((one) => one.id);
      return { people: found, addresses: await listAddresses(tx, ids), seen: await lastSignIns(tx, ids) };
    });
    const { tell, locale, now } = here;
    const main = new Map(addresses.filter((one) => one.primary).map((one) => [one.person, one.address]));
    const list = table({
      caption: tell('people'),
      rows: people,
      empty: emptyState({
        title: tell(search ? 'nothingFound' : 'none'),
        text: search ? undefined : tell('noneText'),
      }),
      columns: [
        { title: tell('username'), cell: (one) => one.username },
        { title: tell('name'), cell: (one) => one.displayName },
        { title: tell('address'), cell: (one) => main.get(one.id) ?? '', breaks: true },
        { title: tell('state'), cell: (one) => badge({ tone: tones[one.state], label: one.state }) },
        { title: tell('since'), cell: (one) => time({ at: one.createdAt, now, locale }) },
        {
          title: tell('lastSeen'),
          cell: (one) => {
            const at = seen.get(one.id)?.get('');
            return at ? time({ at, now, locale }) : tell('never');
          },
        },
      ],
    });
    const last = people.at(-1);
    const next = new URLSearchParams({ ...(search && { search }), after: last?.username ?? '' });
    const body = html`<div class="stack">
      <form method="get" action="/admin/people" class="fields" role="search">
        ${field({ name: 'search', type: 'search', label: tell('search'), locale, value: search, required: false, unmarked: true, maxlength: 200, beside: button({ label: tell('find'), style: 'quiet' }) })}</form>
      ${list}
      ${people.length === pageSize ? linkButton({ label: tell('next'), url: `/admin/people?${next}`, style: 'quiet', compact: true }) : ''}</div>`;
    return showDesk(here, reply, { section: 'people', body });
  });
}
