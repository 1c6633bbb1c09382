/** `/admin/groups`: all groups by name. */
import { call } from '#consoles/admin/web/client.ts';
import { usePages } from '#consoles/admin/web/load.ts';
import { LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { FilterField } from '#consoles/admin/web/parts/fields.tsx';
import { Empty, Page } from '#consoles/admin/web/parts/page.tsx';
import { PagedTable } from '#consoles/admin/web/parts/table.tsx';
import { count } from '#consoles/admin/web/parts/time.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { words } from '#consoles/admin/web/words.ts';
import { useFilters } from './filters.ts';

const say = words.groupsPage;

export function GroupsPage() {
  const { can } = useSession();
  const [{ search }, filter] = useFilters('search');
  const pages = usePages(`groups ${search}`, (page) => call('GET /groups', { query: { search, ...page } }));
  const mayAdd = can('groups.write');
  return (
    <Page
      title={words.groups}
      actions={
        mayAdd && (
          <LinkButton id="add-group" label={say.add} href="/admin/groups/add" kind="primary" compact />
        )
      }
    >
      <search class="filters">
        <FilterField label={say.filter} value={search} onFilter={(value) => filter('search', value)} />
      </search>
      <PagedTable
        caption={words.groups}
        pages={pages}
        keyOf={(one) => one.id}
        empty={
          search ? (
            <Empty title={say.nothing} />
          ) : (
            <Empty
              title={say.none}
              text={say.noneText}
              action={mayAdd ? { label: say.add, href: '/admin/groups/add' } : undefined}
            />
          )
        }
        columns={[
          {
            title: say.name,
            cell: (one) => (
              <a class="row-link" href={`/admin/groups/${one.id}`}>
                <span dir="auto">{one.name}</span>
              </a>
            ),
          },
          { title: say.title, cell: (one) => <span dir="auto">{one.title}</span> },
          { title: say.members, cell: (one) => count(one.members ?? 0), number: true },
          { title: say.description, cell: (one) => one.description, breaks: true, wide: true },
        ]}
      />
    </Page>
  );
}
