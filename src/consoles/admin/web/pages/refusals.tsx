/** `/admin/refusals`: the latest refused sign-ins, by reference, person or app. */

import { useState } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { call } from '#consoles/admin/web/client.ts';
import { useLoad, usePages } from '#consoles/admin/web/load.ts';
import { Button, LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { FilterSelect, TextField } from '#consoles/admin/web/parts/fields.tsx';
import { Notice } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Page } from '#consoles/admin/web/parts/page.tsx';
import { PagedTable } from '#consoles/admin/web/parts/table.tsx';
import { Time } from '#consoles/admin/web/parts/time.tsx';
import { refusalWords as say } from '#consoles/admin/web/words-refusals.ts';
import { settingsOf } from './app-settings.ts';
import { useFilters } from './filters.ts';

export function RefusalsPage() {
  const [{ person, app }, filter] = useFilters('person', 'app');
  const of = { person: person || undefined, application: app || undefined };
  const pages = usePages(`refusals ${person} ${app}`, (page) =>
    call('GET /refusals', { query: { ...of, ...page } }),
  );
  const apps = useLoad('applications', () => call('GET /applications'));
  return (
    <Page title={say.title} lede={say.lede}>
      <Search />
      <search class="filters">
        <FilterSelect
          label={say.app}
          value={app}
          options={[
            { value: '', label: say.anyApp },
            ...(apps.data?.items ?? []).map((one) => ({ value: one.id, label: settingsOf(one).title })),
          ]}
          onFilter={(value) => filter('app', value)}
        />
      </search>
      {person !== '' && <Only person={person} />}
      <PagedTable
        caption={say.title}
        pages={pages}
        keyOf={(one) => one.reference}
        empty={<Empty title={say.none} text={say.noneText} />}
        columns={[
          {
            title: say.what,
            cell: (one) => (
              <a class="row-link" href={`/admin/refusals/${one.reference}`}>
                <code>{one.code}</code>
                <small>{one.reference}</small>
              </a>
            ),
            breaks: true,
          },
          {
            title: say.person,
            cell: (one) => one.person?.username ?? <span class="muted">{say.nobody}</span>,
            breaks: true,
          },
          {
            title: say.app,
            cell: (one) => one.application?.title ?? <span class="muted">{say.noApp}</span>,
            breaks: true,
            roomy: true,
          },
          { title: say.when, cell: (one) => <Time at={one.at} /> },
          { title: say.where, cell: (one) => one.device, breaks: true, wide: true },
        ]}
      />
    </Page>
  );
}

/** The reference a person read out leads to its page. */
function Search() {
  const { route } = useLocation();
  const [typed, setTyped] = useState('');
  const go = () => {
    const reference = typed.trim();
    if (reference !== '') route(`/admin/refusals/${encodeURIComponent(reference)}`);
  };
  return (
    <form
      class="row"
      onSubmit={(event) => {
        event.preventDefault();
        go();
      }}
    >
      <TextField
        name="reference"
        label={say.reference}
        placeholder={say.reference}
        bare
        value={typed}
        onInput={setTyped}
        maxLength={100}
        literal
        required
      />
      <Button label={say.look} kind="primary" />
    </form>
  );
}

function Only({ person: id }: { person: string }) {
  const { data } = useLoad(`person ${id}`, () => call('GET /people/:id', { params: { id } }));
  return (
    <Notice tone="info">
      <div class="row spread">
        <p>
          {say.of} <a href={`/admin/people/${id}`}>{data?.displayName ?? id}</a>
        </p>
        <LinkButton label={say.everyone} href="/admin/refusals" compact />
      </div>
    </Notice>
  );
}
