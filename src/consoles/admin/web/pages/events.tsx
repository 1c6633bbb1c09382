/** `/admin/events`: the log, newest first, by person, app or kind. */
import { useState } from 'preact/hooks';
import { call } from '#consoles/admin/web/client.ts';
import { eventTypes } from '#consoles/admin/web/golden/operations.ts';
import { useLoad, usePages } from '#consoles/admin/web/load.ts';
import { LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { FilterField, FilterSelect } from '#consoles/admin/web/parts/fields.tsx';
import { Notice } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Page } from '#consoles/admin/web/parts/page.tsx';
import { PagedTable } from '#consoles/admin/web/parts/table.tsx';
import { Time } from '#consoles/admin/web/parts/time.tsx';
import { About, Actor, EventFacts, saysShortly, withNames } from '#consoles/admin/web/parts/timeline.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { words } from '#consoles/admin/web/words.ts';
import { settingsOf } from './app-settings.ts';
import { useFilters } from './filters.ts';
import { findByUsername } from './usernames.ts';

const say = words.eventsPage;

export function EventsPage() {
  const { can } = useSession();
  const [{ person, app, type }, filter] = useFilters('person', 'app', 'type');
  const kind = eventTypes.find((one) => one === type);
  const pages = usePages(`events ${person} ${app} ${kind ?? ''}`, async (page) =>
    withNames(await call('GET /events', { query: { person, application: app, type: kind, ...page } })),
  );
  const apps = useLoad('applications', () => call('GET /applications'));
  const filtered = person !== '' || app !== '' || kind !== undefined;
  return (
    <Page title={words.events}>
      <search class="filters">
        {can('people.read') && <PersonFilter person={person} onFilter={(id) => filter('person', id)} />}
        <FilterSelect
          label={say.app}
          value={app}
          options={[
            { value: '', label: say.anyApp },
            ...(apps.data?.items ?? []).map((one) => ({ value: one.id, label: settingsOf(one).title })),
          ]}
          onFilter={(value) => filter('app', value)}
        />
        <FilterSelect
          label={say.type}
          value={kind ?? ''}
          options={[
            { value: '', label: say.anyType },
            ...eventTypes.map((one) => ({ value: one, label: one })),
          ]}
          onFilter={(value) => filter('type', value)}
        />
      </search>
      {person !== '' && <Only person={person} />}
      <PagedTable
        caption={words.events}
        pages={pages}
        keyOf={(one) => String(one.id)}
        empty={filtered ? <Empty title={say.nothing} text={say.nothingText} /> : <Empty title={say.none} />}
        columns={[
          { title: words.when, cell: (one) => <Time at={one.at} /> },
          {
            title: words.what,
            cell: (one) => (
              <>
                {saysShortly(one)}
                <br />
                <code class="muted">{one.type}</code>
              </>
            ),
          },
          { title: words.about, cell: (one) => <About event={one} />, breaks: true },
          { title: words.who, cell: (one) => <Actor event={one} />, breaks: true, wide: true },
          { title: words.facts, cell: (one) => <EventFacts event={one} />, breaks: true, wide: true },
        ]}
      />
    </Page>
  );
}

/** By user name; the address holds the id, as a name may be taken by someone else one day. */
function PersonFilter({ person, onFilter }: { person: string; onFilter(id: string): void }) {
  const [typed, setTyped] = useState('');
  return (
    <FilterField
      key={person === '' ? 'open' : person}
      label={say.person}
      value={typed}
      onFilter={(name) => {
        setTyped(name);
        if (name === '') onFilter('');
        else
          findByUsername(name)
            .then((found) => {
              if (found) onFilter(found.id);
            })
            // What could not be asked filters nothing; the list says why.
            .catch(() => undefined);
      }}
    />
  );
}

function Only({ person: id }: { person: string }) {
  const { data } = useLoad(`person ${id}`, () => call('GET /people/:id', { params: { id } }));
  return (
    <Notice tone="info">
      <div class="row spread">
        <p>
          {say.of('')}
          <a href={`/admin/people/${id}`}>{data?.displayName ?? id}</a>
        </p>
        <LinkButton label={say.clear} href="/admin/events" compact />
      </div>
    </Notice>
  );
}
