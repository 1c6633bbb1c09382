/** `/admin/targets/:id`: what it is, and every view of it below one set of tabs. */
import { useMemo } from 'preact/hooks';
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { useLive, useLoad } from '#consoles/admin/web/load.ts';
import { LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { Chart } from '#consoles/admin/web/parts/chart.tsx';
import { Facts } from '#consoles/admin/web/parts/facts.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Page, Section, Skeleton, Tabs } from '#consoles/admin/web/parts/page.tsx';
import { count, minuteOf, Time } from '#consoles/admin/web/parts/time.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { words } from '#consoles/admin/web/words.ts';
import { targetWords } from '#consoles/admin/web/words-targets.ts';
import { TargetBrake } from './target-brake.tsx';
import { TargetJoin } from './target-join.tsx';
import { TargetMapping } from './target-mapping.tsx';
import { TargetPlan } from './target-plan.tsx';
import { TargetQueue } from './target-queue.tsx';
import { TargetSettings } from './target-settings.tsx';
import { TargetStrangers } from './target-strangers.tsx';
import { TargetSubject } from './target-subject.tsx';
import { Health } from './targets.tsx';

const say = targetWords;
type Target = Answer<'GET /targets/:id'>;

/** Looked at again this often while the page is open. */
const liveSeconds = 3;
/** Views that try something out or change it: not for whoever may only look. */
const workViews: readonly string[] = ['join', 'mapping', 'settings'];

export function TargetPage({ id, view, subject }: { id: string; view?: string; subject?: string }) {
  const { can } = useSession();
  const {
    data: target,
    error,
    slow,
    reload,
  } = useLoad(`target ${id}`, () => call('GET /targets/:id', { params: { id } }));
  useLive(reload, liveSeconds);
  const up = { href: '/admin/targets', label: words.targets };
  if (!target)
    return (
      <Page title={words.targets} up={up}>
        {error && <Refused error={error} retry={reload} />}
        {slow && <Skeleton rows={8} />}
      </Page>
    );
  const base = `/admin/targets/${id}`;
  const mayWork = can('targets.write', id);
  const tabs = [
    { href: base, label: say.overview },
    { href: `${base}/plan`, label: say.plan },
    { href: `${base}/queue`, label: say.queue },
    { href: `${base}/brake`, label: say.brake },
    { href: `${base}/strangers`, label: say.strangers },
    ...(mayWork
      ? [
          { href: `${base}/join`, label: say.join },
          { href: `${base}/mapping`, label: say.mapping },
          { href: `${base}/settings`, label: say.settings },
        ]
      : []),
  ];
  return (
    <Page title={target.title} up={up} badge={<Health target={target} />} lede={target.connector}>
      {target.quarantine && (
        <Notice tone="danger" title={say.quarantinedTitle}>
          <p>
            {target.quarantine.why} <Time at={target.quarantine.since} />
          </p>
          {can('targets.write', id) && (
            <p class="actions">
              <LinkButton id="release" label={say.release} href={`${base}/release`} compact />
            </p>
          )}
        </Notice>
      )}
      <Findings target={target} mapping={mayWork && view !== 'mapping' ? `${base}/mapping` : undefined} />
      <Tabs label={say.views} items={tabs} current={view ? `${base}/${view}` : base} />
      {view === 'queue' && <TargetQueue id={id} />}
      {view === 'brake' && <TargetBrake id={id} />}
      {view === 'plan' && <TargetPlan target={target} />}
      {view === 'strangers' && <TargetStrangers id={id} />}
      {mayWork && view === 'join' && <TargetJoin id={id} />}
      {mayWork && view === 'mapping' && <TargetMapping target={target} />}
      {mayWork && view === 'settings' && <TargetSettings target={target} />}
      {!mayWork && view && workViews.includes(view) && <Empty title={say.onlyLook} text={say.onlyLookText} />}
      {view === 'people' && subject && <TargetSubject id={id} subject={subject} />}
      {view === undefined && <Overview target={target} />}
    </Page>
  );
}

/** What is set and will hardly do what was meant, and where that is changed. */
function Findings({ target, mapping }: { target: Target; mapping: string | undefined }) {
  if (target.findings.length === 0) return null;
  return (
    <Notice tone="warning" title={say.toLookAtTitle}>
      {target.findings.map((text) => (
        <p key={text}>{text}</p>
      ))}
      {mapping && (
        <p>
          <a href={mapping}>{say.toMapping}</a>
        </p>
      )}
    </Notice>
  );
}

function Overview({ target }: { target: Target }) {
  const rates = useLoad(`rates ${target.application}`, () =>
    call('GET /targets/:id/rates', { params: { id: target.application }, query: { minutes: 60 } }),
  );
  useLive(rates.reload, 30);
  const points = useMemo(
    () => (rates.data?.items ?? []).map(({ at, well }) => ({ at: new Date(at), value: well })),
    [rates.data],
  );
  const errors = useMemo(
    () =>
      (rates.data?.items ?? []).map(({ at, refused, failed }) => ({
        at: new Date(at),
        value: refused + failed,
      })),
    [rates.data],
  );
  const refused = errors.reduce((sum, one) => sum + one.value, 0);
  const { queue } = target;
  return (
    <div class="two">
      <Section title={say.what}>
        <Facts
          facts={[
            { name: say.app, value: <a href={`/admin/apps/${target.application}`}>{target.title}</a> },
            { name: say.connector, value: target.connector },
            { name: say.mode, value: say.modes[target.mode] },
            {
              name: say.credentials,
              value: target.hasCredentials ? say.credentialsSet : say.credentialsNone,
            },
            { name: say.listed, value: target.listedAt ? <Time at={target.listedAt} /> : words.never },
            { name: say.changed, value: <Time at={target.updatedAt} /> },
          ]}
        />
      </Section>
      <Section title={say.now}>
        <Facts
          facts={[
            { name: say.waiting, value: count(queue.ready) },
            { name: say.running, value: count(queue.leased) },
            { name: say.dead, value: count(queue.dead) },
            { name: say.oldest, value: queue.oldest && <Time at={queue.oldest} /> },
            { name: say.next, value: queue.next && <Time at={queue.next} /> },
            { name: say.refusedHour, value: count(refused) },
          ]}
        />
      </Section>
      {points.some(({ value }) => value > 0) && (
        <Section title={say.rate}>
          <Chart label={say.rateLabel} points={points} moment={minuteOf} />
        </Section>
      )}
      {refused > 0 && (
        <Section title={say.errorRate}>
          <Chart label={say.rateLabel} points={errors} moment={minuteOf} tone="--red" />
        </Section>
      )}
    </div>
  );
}
