/** `/admin/operators`: who runs this installation. */
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { usePages } from '#consoles/admin/web/load.ts';
import { Badge } from '#consoles/admin/web/parts/badge.tsx';
import { LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { Empty, Page } from '#consoles/admin/web/parts/page.tsx';
import { PagedTable } from '#consoles/admin/web/parts/table.tsx';
import { Time } from '#consoles/admin/web/parts/time.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { words } from '#consoles/admin/web/words.ts';

const say = words.operatorsPage;
type Operator = Answer<'GET /operators'>['items'][number];

export function OperatorsPage() {
  const { can } = useSession();
  const pages = usePages('operators', () => call('GET /operators'));
  const mayGive = can('operators.write');
  const takePath = (one: Operator) =>
    `/admin/operators/${one.person}/take/${one.role}${one.application ? `/${one.application}` : ''}`;
  return (
    <Page
      title={words.operators}
      actions={
        mayGive && (
          <LinkButton id="give-role" label={say.give} href="/admin/operators/give" kind="primary" compact />
        )
      }
    >
      <PagedTable
        caption={words.operators}
        pages={pages}
        keyOf={(one) => `${one.person} ${one.role} ${one.application ?? ''}`}
        empty={<Empty title={say.none} />}
        columns={[
          {
            title: say.person,
            cell: (one) => (
              <a href={`/admin/people/${one.person}`}>
                <span dir="auto">{one.displayName}</span> <small class="muted">{one.username}</small>
              </a>
            ),
          },
          {
            title: say.role,
            cell: (one) => (
              <span class="row">
                <Badge tone="neutral" label={words.roleNames[one.role]} />
                {one.application && <a href={`/admin/apps/${one.application}`}>{one.application}</a>}
              </span>
            ),
          },
          { title: say.given, cell: (one) => <Time at={one.grantedAt} /> },
          ...(mayGive
            ? [
                {
                  title: words.doing,
                  does: true,
                  cell: (one: Operator) => <LinkButton label={say.take} href={takePath(one)} compact />,
                },
              ]
            : []),
        ]}
      />
    </Page>
  );
}
