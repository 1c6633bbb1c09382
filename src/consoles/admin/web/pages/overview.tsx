/** `/admin`: how the community is doing, and what needs a look. */
import type { ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { useLoad } from '#consoles/admin/web/load.ts';
import type { PersonState } from '#consoles/admin/web/parts/badge.tsx';
import { LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { Chart } from '#consoles/admin/web/parts/chart.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Page, Section, Skeleton } from '#consoles/admin/web/parts/page.tsx';
import { Table } from '#consoles/admin/web/parts/table.tsx';
import { count } from '#consoles/admin/web/parts/time.tsx';
import { Events, withNames } from '#consoles/admin/web/parts/timeline.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { words } from '#consoles/admin/web/words.ts';

const say = words.overviewPage;
type Overview = Answer<'GET /overview'>;

export function OverviewPage() {
  const { can } = useSession();
  const { data, error, slow, reload } = useLoad('overview', () => call('GET /overview'));
  const events = useLoad(can('events.read') ? 'overview events' : undefined, async () =>
    withNames(await call('GET /events', { query: { limit: 12 } })),
  );
  return (
    <Page title={words.overview}>
      {error && <Refused error={error} retry={reload} />}
      {slow && <Skeleton rows={6} />}
      {data && <Attention concerns={data.concerns} />}
      {data && <Standing overview={data} />}
      {data && <Growth overview={data} />}
      {data?.work && data.work.length > 0 && <Work work={data.work} />}
      {events.data && (
        <Section
          title={say.latest}
          action={<LinkButton label={say.allEvents} href="/admin/events" compact />}
        >
          <Events events={events.data.items} about />
        </Section>
      )}
    </Page>
  );
}

function Attention({ concerns }: { concerns: Overview['concerns'] }) {
  if (concerns.length === 0) return <Notice tone="success">{say.calm}</Notice>;
  return (
    <Section title={say.attention}>
      <ul class="stack-s">
        {concerns.map((one) => (
          <li key={`${one.code} ${one.application ?? one.lane ?? ''}`}>
            <Notice tone={tones[one.code] ?? 'warning'}>{told(one)}</Notice>
          </li>
        ))}
      </ul>
    </Section>
  );
}

const tones: Partial<Record<Overview['concerns'][number]['code'], 'danger' | 'info'>> = {
  'work-dead': 'danger',
  'target-held': 'danger',
  'target-braked': 'danger',
  'target-waits': 'info',
  'relay-requests': 'info',
};

const targetPages = { 'target-held': '', 'target-braked': '/brake', 'target-waits': '/plan' } as const;

function told({
  code,
  application = '',
  upstream = '',
  lane = '',
  list = '',
  count: many = 0,
  at,
}: Overview['concerns'][number]): ComponentChildren {
  if (code === 'operators-one-factor') return <p>{words.concerns[code](count(many))}</p>;
  if (code === 'owner-single')
    return (
      <p>
        {words.concerns[code]} <a href="/admin/operators/give">{words.operatorsPage.give}</a>
      </p>
    );
  if (code === 'app-plain-http')
    return <a href={`/admin/apps/${application}`}>{words.concerns[code](application)}</a>;
  if (code === 'saml-certificate') return <p>{words.concerns[code](application, day(at))}</p>;
  if (code === 'saml-app-certificate' || code === 'saml-app-metadata')
    return <a href={`/admin/apps/${application}`}>{words.concerns[code](application, day(at))}</a>;
  if (code === 'saml-upstream-certificate' || code === 'saml-upstream-metadata')
    return <a href={`/admin/upstreams/${upstream}`}>{words.concerns[code](upstream, day(at))}</a>;
  if (code === 'target-held' || code === 'target-braked' || code === 'target-waits')
    return (
      <a href={`/admin/targets/${application}${targetPages[code]}`}>
        {words.concerns[code](application, count(many))}
      </a>
    );
  if (code === 'relay-off') return <a href="/admin/relay">{words.concerns[code]}</a>;
  if (code === 'relay-list-stale')
    return <a href={`/admin/relay/lists/${list}`}>{words.concerns[code](list, day(at))}</a>;
  if (code === 'relay-list-held')
    return <a href={`/admin/relay/lists/${list}`}>{words.concerns[code](list, count(many))}</a>;
  if (code === 'relay-budget')
    return <a href={`/admin/relay/apps/${application}`}>{words.concerns[code](application, count(many))}</a>;
  if (code === 'relay-requests')
    return <a href="/admin/relay/requests">{words.concerns[code](list, count(many))}</a>;
  return <p>{words.concerns[code](lane, count(many))}</p>;
}

/** A day, as far as one is known. */
function day(at: string | undefined): string {
  return at ? at.slice(0, 10) : '?';
}

/** Those who belong come first. */
const order = (state: PersonState) => (state === 'active' ? 0 : 1);

function Standing({ overview }: { overview: Overview }) {
  const states = Object.entries(overview.people) as [PersonState, number][];
  const [active, ...others] = [...states].sort(([one], [other]) => order(one) - order(other));
  const shown = [active, ...others.filter(([, many]) => many > 0)].filter((one) => one !== undefined);
  return (
    <Section title={say.standing} action={<LinkButton label={say.all} href="/admin/people" compact />}>
      <dl class="figures">
        {shown.map(([state, many]) => (
          <div key={state}>
            <dt>{words.states[state]}</dt>
            <dd>
              <a href={`/admin/people?state=${state}`}>{count(many)}</a>
            </dd>
          </div>
        ))}
        <div>
          <dt>{say.appsOn}</dt>
          <dd>
            <a href="/admin/apps">{count(overview.applications.enabled)}</a>
          </dd>
        </div>
      </dl>
    </Section>
  );
}

function Growth({ overview: { joined } }: { overview: Overview }) {
  const points = useMemo(
    () => joined.map(({ day, count: value }) => ({ at: new Date(day), value })),
    [joined],
  );
  return (
    <Section title={say.growthTitle}>
      {points.every(({ value }) => value === 0) ? (
        <p class="muted small">{say.growthNone}</p>
      ) : (
        <Chart label={say.growth} points={points} />
      )}
    </Section>
  );
}

function Work({ work }: { work: NonNullable<Overview['work']> }) {
  return (
    <Section title={say.work}>
      <Table
        caption={say.work}
        rows={work}
        keyOf={(one) => one.lane}
        columns={[
          { title: say.lane, cell: (one) => one.lane },
          { title: say.ready, cell: (one) => count(one.ready), number: true },
          { title: say.leased, cell: (one) => count(one.leased), number: true },
          { title: say.dead, cell: (one) => count(one.dead), number: true },
          { title: say.oldest, cell: (one) => say.seconds(one.oldestSeconds), number: true },
        ]}
      />
    </Section>
  );
}
