/** `/admin/apps`: every app one may see. There are few: all of them are loaded and filtered here. */
import { call } from '#consoles/admin/web/client.ts';
import { usePages } from '#consoles/admin/web/load.ts';
import { Badge } from '#consoles/admin/web/parts/badge.tsx';
import { LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { FilterField } from '#consoles/admin/web/parts/fields.tsx';
import { Empty, Page } from '#consoles/admin/web/parts/page.tsx';
import { PagedTable } from '#consoles/admin/web/parts/table.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { words } from '#consoles/admin/web/words.ts';
import { addWords } from '#consoles/admin/web/words-apps.ts';
import { type AppSettings, settingsOf } from './app-settings.ts';
import { useFilters } from './filters.ts';

const say = words.appsPage;

export function AppsPage() {
  const [{ search }, filter] = useFilters('search');
  const all = usePages('apps', () => call('GET /applications'));
  const wanted = search.toLowerCase();
  const fits = (one: { id: string; settings: Record<string, unknown> }) =>
    one.id.includes(wanted) || settingsOf(one).title.toLowerCase().includes(wanted);
  const { can } = useSession();
  const add = { label: addWords.add, href: '/admin/apps/add' };
  const mayAdd = can('applications.manage');
  return (
    <Page title={words.apps} actions={mayAdd && <LinkButton id="add-app" {...add} kind="primary" compact />}>
      <search class="filters">
        <FilterField label={say.filter} value={search} onFilter={(value) => filter('search', value)} />
      </search>
      <PagedTable
        caption={words.apps}
        pages={{ ...all, items: all.items?.filter(fits) }}
        keyOf={(one) => one.id}
        empty={
          search ? (
            <Empty title={say.nothing} />
          ) : (
            <Empty title={say.none} text={say.noneText} action={mayAdd ? add : undefined} />
          )
        }
        columns={[
          {
            title: say.title,
            cell: (one) => (
              <a class="row-link" href={`/admin/apps/${one.id}`}>
                <span dir="auto">{settingsOf(one).title}</span>
                <small>{one.id}</small>
              </a>
            ),
          },
          {
            title: say.state,
            cell: (one) => (
              <span class="row">
                {settingsOf(one).enabled ? (
                  <Badge tone="success" label={say.on} />
                ) : (
                  <Badge tone="neutral" label={say.off} />
                )}
                {settingsOf(one).privateHttp && <Badge tone="warning" label={say.plainHttp} />}
              </span>
            ),
          },
          { title: say.protocol, cell: (one) => protocolsOf(settingsOf(one)), wide: true },
          {
            title: say.entry,
            cell: (one) => settingsOf(one).access.groups?.join(', ') ?? say.everyone,
            breaks: true,
          },
          { title: say.consent, cell: (one) => say.consents[settingsOf(one).consent], wide: true },
        ]}
      />
    </Page>
  );
}

function protocolsOf({ oidc, saml }: AppSettings): string {
  return [oidc && 'OpenID Connect', saml && 'SAML'].filter(Boolean).join(', ');
}
