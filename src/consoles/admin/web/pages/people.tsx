/** `/admin/people`: everyone, by user name, found while one types. */
import { call } from '#consoles/admin/web/client.ts';
import { usePages } from '#consoles/admin/web/load.ts';
import { type PersonState, StateBadge } from '#consoles/admin/web/parts/badge.tsx';
import { FilterField, FilterSelect } from '#consoles/admin/web/parts/fields.tsx';
import { Empty, Page } from '#consoles/admin/web/parts/page.tsx';
import { PagedTable } from '#consoles/admin/web/parts/table.tsx';
import { Time } from '#consoles/admin/web/parts/time.tsx';
import { words } from '#consoles/admin/web/words.ts';
import { useFilters } from './filters.ts';

const say = words.peoplePage;
const states = Object.keys(words.states) as PersonState[];

export function PeoplePage() {
  const [{ search, state }, filter] = useFilters('search', 'state');
  const wanted = states.find((one) => one === state);
  const pages = usePages(`people ${search} ${wanted ?? ''}`, (page) =>
    call('GET /people', { query: { search, state: wanted, ...page } }),
  );
  const options = [
    { value: '', label: words.anyState },
    ...states.map((one) => ({ value: one, label: words.states[one] })),
  ];
  const filtered = search !== '' || wanted !== undefined;
  return (
    <Page title={words.people}>
      <search class="filters">
        <FilterField label={say.filter} value={search} onFilter={(value) => filter('search', value)} />
        <FilterSelect
          label={say.state}
          value={wanted ?? ''}
          options={options}
          onFilter={(value) => filter('state', value)}
        />
      </search>
      <PagedTable
        caption={words.people}
        pages={pages}
        keyOf={(one) => one.id}
        empty={
          filtered ? (
            <Empty title={say.nobody} text={say.nobodyText} />
          ) : (
            <Empty title={say.none} text={say.noneText} />
          )
        }
        columns={[
          {
            title: say.person,
            cell: (one) => (
              <a class="row-link" href={`/admin/people/${one.id}`}>
                <span dir="auto">{one.displayName}</span>
                <small>{one.username}</small>
              </a>
            ),
          },
          { title: say.address, cell: (one) => one.address, breaks: true, roomy: true },
          { title: say.state, cell: (one) => <StateBadge state={one.state} /> },
          {
            title: say.lastSignIn,
            cell: (one) =>
              one.lastSignInAt ? <Time at={one.lastSignInAt} /> : <span class="muted">{words.never}</span>,
          },
          { title: say.joined, cell: (one) => <Time at={one.createdAt} />, wide: true },
        ]}
      />
    </Page>
  );
}
