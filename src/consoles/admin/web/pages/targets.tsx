/** `/admin/targets`: the systems that accounts are pushed to, and whether each is well. */
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { usePages } from '#consoles/admin/web/load.ts';
import { Badge } from '#consoles/admin/web/parts/badge.tsx';
import { LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { Empty, Page } from '#consoles/admin/web/parts/page.tsx';
import { PagedTable } from '#consoles/admin/web/parts/table.tsx';
import { count, Time } from '#consoles/admin/web/parts/time.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { words } from '#consoles/admin/web/words.ts';
import { targetWords } from '#consoles/admin/web/words-targets.ts';

const say = targetWords;
type Target = Answer<'GET /targets'>['items'][number];

/** How it goes: what stops everything comes first. */
export function Health({
  target,
}: {
  target: Pick<Target, 'mode' | 'quarantine' | 'queue' | 'decisions' | 'findings'>;
}) {
  if (target.mode === 'off') return <Badge tone="neutral" label={say.modes.off} />;
  if (target.quarantine) return <Badge tone="danger" label={say.quarantined} />;
  if (target.decisions.braked) return <Badge tone="danger" label={say.braked} />;
  if (target.queue.dead > 0) return <Badge tone="warning" label={say.givenUp(count(target.queue.dead))} />;
  if (target.findings.length > 0)
    return <Badge tone="warning" label={say.toLookAt(count(target.findings.length))} />;
  if (target.queue.ready + target.queue.leased > 0) return <Badge tone="info" label={say.working} />;
  if (target.decisions.proposed > 0 && target.mode !== 'observe')
    return <Badge tone="info" label={say.toDecide(count(target.decisions.proposed))} />;
  return <Badge tone="success" label={say.quiet} />;
}

export function TargetsPage() {
  const mayAdd = useSession().canSomewhere('targets.write');
  const pages = usePages('targets', () => call('GET /targets'));
  return (
    <Page
      title={words.targets}
      actions={
        mayAdd && (
          <LinkButton id="add-target" label={say.add} href="/admin/targets/add" kind="primary" compact />
        )
      }
    >
      <PagedTable
        caption={words.targets}
        pages={pages}
        keyOf={(one) => one.application}
        empty={
          <Empty
            title={say.none}
            text={say.noneText}
            action={mayAdd ? { label: say.add, href: '/admin/targets/add' } : undefined}
          />
        }
        columns={[
          {
            title: say.target,
            cell: (one) => (
              <a class="row-link" href={`/admin/targets/${one.application}`}>
                <span dir="auto">{one.title}</span>
                <small>{one.application}</small>
              </a>
            ),
          },
          { title: say.state, cell: (one) => <Health target={one} /> },
          { title: say.mode, cell: (one) => say.modes[one.mode] },
          { title: say.connector, cell: (one) => one.connector, wide: true },
          { title: say.waiting, cell: (one) => count(one.queue.ready), number: true, roomy: true },
          {
            title: say.listed,
            cell: (one) =>
              one.listedAt ? <Time at={one.listedAt} /> : <span class="muted">{words.never}</span>,
            wide: true,
          },
        ]}
      />
    </Page>
  );
}
