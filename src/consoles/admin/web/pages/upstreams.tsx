/** `/admin/upstreams`: everyone who signs people in for us. There are few: all of them are loaded. */
import { call } from '#consoles/admin/web/client.ts';
import { usePages } from '#consoles/admin/web/load.ts';
import { Badge } from '#consoles/admin/web/parts/badge.tsx';
import { LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { Empty, Page } from '#consoles/admin/web/parts/page.tsx';
import { PagedTable } from '#consoles/admin/web/parts/table.tsx';
import { count } from '#consoles/admin/web/parts/time.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { upstreamWords } from '#consoles/admin/web/words-upstreams.ts';
import { kindOf, type Settings, settingsOf } from './upstream-settings.ts';

const say = upstreamWords;

export function UpstreamState({ enabled }: { enabled: boolean }) {
  return enabled ? <Badge tone="success" label={say.on} /> : <Badge tone="neutral" label={say.off} />;
}

/** How people find it. */
export function wayOf(settings: Settings): string {
  const { button, domains } = settings;
  if (kindOf(settings) === 'ldap') return say.byPassword;
  const ways = [button && say.byButton, domains.length > 0 && say.byDomains(domains.join(', '))];
  return ways.filter(Boolean).join(', ') || say.byApp;
}

export function UpstreamsPage() {
  const { can } = useSession();
  const pages = usePages('upstreams', () => call('GET /upstreams'));
  const add = { label: say.add, href: '/admin/upstreams/add' };
  const mayAdd = can('upstreams.write');
  return (
    <Page
      title={say.title}
      lede={say.lede}
      actions={mayAdd && <LinkButton id="add-upstream" {...add} kind="primary" compact />}
    >
      <PagedTable
        caption={say.title}
        pages={pages}
        keyOf={(one) => one.id}
        empty={<Empty title={say.none} text={say.noneText} action={mayAdd ? add : undefined} />}
        columns={[
          {
            title: say.name,
            cell: (one) => (
              <a class="row-link" href={`/admin/upstreams/${one.id}`}>
                <span dir="auto">{settingsOf(one).title}</span>
                <small>{one.id}</small>
              </a>
            ),
          },
          { title: say.state, cell: (one) => <UpstreamState enabled={settingsOf(one).enabled} /> },
          { title: say.kind, cell: (one) => say.kinds[one.kind] ?? one.kind, roomy: true },
          { title: say.way, cell: (one) => wayOf(settingsOf(one)), breaks: true, wide: true },
          { title: say.people, cell: (one) => count(one.people), number: true },
        ]}
      />
    </Page>
  );
}
