/** What waits for a target, runs and was given up; and what happened to one subject there, request and answer. */
import { useState } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { type Answer, call, Refusal } from '#consoles/admin/web/client.ts';
import { useLive, useLoad, usePages } from '#consoles/admin/web/load.ts';
import { Badge } from '#consoles/admin/web/parts/badge.tsx';
import { Button } from '#consoles/admin/web/parts/button.tsx';
import { ConfirmPage } from '#consoles/admin/web/parts/confirm.tsx';
import type { Tone } from '#consoles/admin/web/parts/icons.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Section, Skeleton } from '#consoles/admin/web/parts/page.tsx';
import { Table } from '#consoles/admin/web/parts/table.tsx';
import { Time } from '#consoles/admin/web/parts/time.tsx';
import { Timeline } from '#consoles/admin/web/parts/timeline.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { words } from '#consoles/admin/web/words.ts';
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

/** Calls something once, with its state for a button and a notice. */
function useAct(work: () => Promise<void>): { busy: boolean; refusal?: Refusal; act(): void } {
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<Refusal>();
  const act = () => {
    setBusy(true);
    setRefusal(undefined);
    work()
      .catch((error: unknown) => {
        if (error instanceof Refusal) setRefusal(error);
        else throw error;
      })
      .finally(() => setBusy(false));
  };
  return { busy, refusal, act };
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

const entryTones: readonly (readonly [RegExp, Tone])[] = [
  [/^(?:settled|equal|linked)/, 'success'],
  [/^(?:unanswered|refused|dead|stopped|held)/, 'warning'],
  [/^(?:sent|answered|queued)/, 'info'],
];

/** What happened to one person or group at a target. */
export function TargetTimeline({ id, subject }: { id: string; subject: string }) {
  const { can } = useSession();
  const pages = usePages(`target timeline ${id} ${subject}`, (page) =>
    call('GET /targets/:id/timeline', { params: { id }, query: { subject, ...page } }),
  );
  useLive(pages.reload, 3);
  const again = useAct(async () => {
    await call('POST /targets/:id/replay', { params: { id }, body: { subject } });
    pages.reload();
  });
  const { items, error, slow, hasMore, busy, more } = pages;
  const [kind, thing] = subject.split(':');
  const person = kind === 'person' ? thing : undefined;
  const known = useLoad(person && can('people.read') ? `person ${person}` : undefined, () =>
    call('GET /people/:id', { params: { id: person ?? '' } }),
  );
  const moments = (items ?? []).map((one) => ({
    key: one.id,
    at: one.at,
    what: one.text,
    tone: entryTones.find(([shape]) => shape.test(one.kind))?.[1] ?? ('neutral' as const),
    more: <Exchange request={one.request} response={one.response} tookMs={one.tookMs} />,
  }));
  return (
    <Section
      title={say.timelineOf(known.data?.displayName ?? thing ?? subject)}
      action={
        <div class="actions">
          {person && <a href={`/admin/people/${person}`}>{words.personPage.profile}</a>}
          {can('targets.write', id) && (
            <Button
              id="replay"
              label={say.replay}
              kind="quiet"
              compact
              busy={again.busy}
              onClick={again.act}
            />
          )}
        </div>
      }
    >
      {again.refusal && <Refused error={again.refusal} />}
      {error && <Refused error={error} />}
      {slow && <Skeleton rows={6} />}
      {items?.length === 0 && <Empty title={say.nothingHappened} />}
      <Timeline moments={moments} />
      {hasMore && <Button label={words.more} kind="quiet" compact busy={busy} onClick={more} />}
    </Section>
  );
}

/** Request and answer as they were, without secrets, for whoever needs to know. */
function Exchange(props: { request: unknown; response: unknown; tookMs?: number }) {
  const { request, response, tookMs } = props;
  if (request === undefined && response === undefined) return null;
  const shown = (value: unknown) => <pre class="raw">{JSON.stringify(value, undefined, 2)}</pre>;
  return (
    <details>
      <summary>
        {say.exchange}
        {tookMs !== undefined && ` · ${Math.round(tookMs)} ms`}
      </summary>
      {request !== undefined && shown(request)}
      {response !== undefined && shown(response)}
    </details>
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
