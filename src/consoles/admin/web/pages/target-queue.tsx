/** What waits for a target, runs and was given up. */
import { useLocation } from 'preact-iso';
import { useAct } from '#consoles/admin/web/act.ts';
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { useLive, useLoad } from '#consoles/admin/web/load.ts';
import { Badge } from '#consoles/admin/web/parts/badge.tsx';
import { Button } from '#consoles/admin/web/parts/button.tsx';
import { ConfirmPage } from '#consoles/admin/web/parts/confirm.tsx';
import type { Tone } from '#consoles/admin/web/parts/icons.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Section, Skeleton } from '#consoles/admin/web/parts/page.tsx';
import { Table } from '#consoles/admin/web/parts/table.tsx';
import { Time } from '#consoles/admin/web/parts/time.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { targetWords } from '#consoles/admin/web/words-targets.ts';

const say = targetWords;
type Queue = Answer<'GET /targets/:id/queue'>;
const tones: Record<'ready' | 'leased' | 'dead', Tone> = { ready: 'neutral', leased: 'info', dead: 'danger' };

/** A person, group or stranger at a target, by name where there is one, as a link to what happened there. */
export function Subject(props: { target: string; subject: string; names: Record<string, string> }) {
  const { target, subject, names } = props;
  return (
    <a href={`/admin/targets/${target}/people/${encodeURIComponent(subject)}`}>
      {names[subject] ?? subject.replace(/^(?:person|group|stranger):/, '')}
    </a>
  );
}

export function TargetQueue({ id }: { id: string }) {
  const { can } = useSession();
  const { data, error, slow, reload } = useLoad(`queue ${id}`, () =>
    call('GET /targets/:id/queue', { params: { id }, query: { limit: 100 } }),
  );
  useLive(reload, 2);
  const again = useAct(async () => {
    await call('POST /targets/:id/replay-dead', { params: { id }, body: {} });
    reload();
  });
  if (error) return <Refused error={error} retry={reload} />;
  if (!data) return slow ? <Skeleton rows={8} /> : null;
  const { pace, items, names } = data;
  return (
    <>
      {again.refusal && <Refused error={again.refusal} />}
      {pace.openUntil && (
        <Notice tone="warning">
          {say.silent} <Time at={pace.openUntil} />
        </Notice>
      )}
      {pace.heldUntil && (
        <Notice tone="info">
          {say.held} <Time at={pace.heldUntil} />
        </Notice>
      )}
      <Section
        title={say.queue}
        action={
          data.dead > 0 &&
          can('targets.write', id) && (
            <Button
              id="replay-dead"
              label={say.replayDead}
              kind="quiet"
              compact
              busy={again.busy}
              onClick={again.act}
            />
          )
        }
      >
        {items.length === 0 ? (
          <Empty title={say.nothingWaits} />
        ) : (
          <Jobs target={id} items={items} names={names} />
        )}
      </Section>
    </>
  );
}

function Jobs({ target, items, names }: Pick<Queue, 'items' | 'names'> & { target: string }) {
  return (
    <Table
      caption={say.queue}
      rows={items}
      keyOf={(one) => String(one.id)}
      columns={[
        {
          title: say.subject,
          cell: (one) => <Subject target={target} subject={one.subject} names={names} />,
        },
        {
          title: say.state,
          cell: (one) => <Badge tone={tones[one.state]} label={say.jobs[one.state]} />,
        },
        { title: say.since, cell: (one) => <Time at={one.createdAt} /> },
        { title: say.attempts, cell: (one) => one.attempts, number: true, roomy: true },
        { title: say.next, cell: (one) => <Time at={one.runAt} />, wide: true },
        { title: say.reason, cell: (one) => one.reason, breaks: true, wide: true },
      ]}
    />
  );
}

/** /admin/targets/:id/release */
export function TargetRelease({ id }: { id: string }) {
  const { route } = useLocation();
  const up = { href: `/admin/targets/${id}`, label: id };
  return (
    <ConfirmPage
      title={say.releaseTitle(id)}
      up={up}
      act={say.release}
      onConfirm={async () => {
        await call('POST /targets/:id/release', { params: { id }, body: {} });
        route(up.href);
      }}
    >
      <p>{say.releaseText}</p>
    </ConfirmPage>
  );
}
