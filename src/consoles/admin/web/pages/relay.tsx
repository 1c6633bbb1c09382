/** `/admin/relay`: mail of apps in figures, whether it is passed on at all, and what each app may write. */

import { useMemo } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { useAct } from '#consoles/admin/web/act.ts';
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { forgetAll, useLoad } from '#consoles/admin/web/load.ts';
import { Badge } from '#consoles/admin/web/parts/badge.tsx';
import { Button, LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { Chart } from '#consoles/admin/web/parts/chart.tsx';
import { ConfirmPage } from '#consoles/admin/web/parts/confirm.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Page, Section } from '#consoles/admin/web/parts/page.tsx';
import { type Column, Table } from '#consoles/admin/web/parts/table.tsx';
import { count } from '#consoles/admin/web/parts/time.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { relayWords as say } from '#consoles/admin/web/words-relay.ts';
import { HouseSettings } from './relay-house.tsx';
import { RelayTabs, relayHome, useBegun, VerdictBadge } from './relay-views.tsx';

type Counts = Answer<'GET /relay/counts'>;
type App = Answer<'GET /relay/apps'>['items'][number];

/** Owners of single apps see these. */
export function RelayPage() {
  const { can } = useSession();
  return can('relay.read') ? <Whole /> : <OwnApps />;
}

function OwnApps() {
  const { data, error } = useLoad('relay apps', () => call('GET /relay/apps'));
  return (
    <Page title={say.title} lede={say.lede}>
      <RelayTabs current="/admin/relay" />
      {error && <Refused error={error} />}
      {data && <Apps apps={data.items} />}
    </Page>
  );
}

function Whole() {
  const { can } = useSession();
  const house = useLoad('relay', () => call('GET /relay'));
  const counts = useLoad('relay counts', () => call('GET /relay/counts', { query: { days: 30 } }));
  const apps = useLoad('relay apps', () => call('GET /relay/apps'));
  const forms = useBegun(house.data?.version);
  const start = useAct(async () => {
    await call('POST /relay/off', { body: { off: false } });
    forgetAll();
    house.reload();
  });
  const isOff = house.data?.off;
  const error = house.error ?? counts.error ?? apps.error;
  return (
    <Page
      title={say.title}
      badge={house.data && <Badge tone={isOff ? 'danger' : 'success'} label={isOff ? say.off : say.on} />}
      lede={say.lede}
      actions={
        house.data &&
        can('relay.write') &&
        (isOff ? (
          <Button id="start-mail" label={say.start} busy={start.busy} onClick={start.act} compact />
        ) : (
          <LinkButton id="stop-mail" label={say.stop} href="/admin/relay/stop" compact />
        ))
      }
    >
      <RelayTabs current="/admin/relay" />
      {isOff && <Notice tone="danger">{say.offNow}</Notice>}
      {start.refusal && <Refused error={start.refusal} />}
      {error && <Refused error={error} />}
      {counts.data && <Volumes title={say.volumes} counts={counts.data} />}
      {apps.data && counts.data && <Apps apps={apps.data.items} today={counts.data.today} />}
      {counts.data && <Refusals counts={counts.data} />}
      {house.data && can('relay.write') && (
        <HouseSettings
          key={forms.begun}
          house={house.data}
          onKept={(version) => {
            forms.keep(version);
            house.reload();
            counts.reload();
          }}
        />
      )}
    </Page>
  );
}

/** Mail of apps alone: what people answer to them takes nothing of a budget. */
const isOfApp = ({ verdict, reason }: Counts['items'][number]) =>
  verdict === 'relayed' && reason !== 'answered';

/** One bar a day, days without mail among them; of a single app also what is left of its budget. */
export function Volumes(props: { title: string; counts: Counts; application?: string }) {
  const { title, counts, application } = props;
  const points = useMemo(() => {
    const byDay = new Map<string, number>();
    for (const one of counts.items)
      if (isOfApp(one)) byDay.set(one.day, (byDay.get(one.day) ?? 0) + one.messages);
    const today = Date.parse(new Date().toISOString().slice(0, 10));
    return Array.from({ length: 30 }, (_, back) => {
      const at = new Date(today - (29 - back) * 86_400_000);
      return { at, value: byDay.get(at.toISOString().slice(0, 10)) ?? 0 };
    });
  }, [counts]);
  const isEmpty = points.every(({ value }) => value === 0);
  const today = counts.today.find((one) => one.application === application);
  return (
    <Section title={title}>
      {today && (
        <p class="small">{say.usedToday(count(today.used), count(today.perApp), count(today.perPerson))}</p>
      )}
      {isEmpty ? <p class="muted small">{say.noVolumes}</p> : <Chart label={say.messages} points={points} />}
    </Section>
  );
}

/** @param today what is used of budgets; of single apps that stands on their own pages */
function Apps({ apps, today }: { apps: readonly App[]; today?: Counts['today'] }) {
  if (apps.length === 0) return <Empty title={say.noApps} />;
  return (
    <Section title={say.apps}>
      <Table
        caption={say.apps}
        rows={apps}
        keyOf={(one) => one.application}
        columns={[
          {
            title: say.app,
            cell: (one) => (
              <a class="row-link" href={`/admin/relay/apps/${one.application}`}>
                <span dir="auto">{one.title}</span>
                <small>{one.application}</small>
              </a>
            ),
          },
          { title: say.state, cell: (one) => <AppState app={one} /> },
          { title: say.mode, cell: (one) => one.settings && say.modes[one.settings.mode], wide: true },
          ...(today ? [usedOf(today)] : []),
        ]}
      />
    </Section>
  );
}

const usedOf = (today: Counts['today']): Column<App> => ({
  title: say.today,
  number: true,
  cell: (one) => {
    const used = today.find(({ application }) => application === one.application);
    return used ? say.budget(count(used.used), count(used.perApp)) : '';
  },
});

export function AppState({ app }: { app: App }) {
  if (app.settings?.off) return <Badge tone="danger" label={say.appOff} />;
  if (app.mayWrite) return <Badge tone="success" label={say.mayWrite} />;
  return <Badge tone="neutral" label={say.mayNotWrite} />;
}

/** By reason, the most frequent first. */
export function Refusals({ counts, application }: { counts: Counts; application?: string }) {
  const byReason = new Map<
    string,
    Pick<Counts['items'][number], 'verdict' | 'reason' | 'because' | 'messages'>
  >();
  for (const { verdict, reason, because, messages } of counts.items) {
    if (verdict === 'relayed') continue;
    const key = `${verdict} ${reason}`;
    const before = byReason.get(key)?.messages ?? 0;
    byReason.set(key, { verdict, reason, because, messages: before + messages });
  }
  const rows = [...byReason.values()].sort((one, other) => other.messages - one.messages);
  return (
    <Section title={say.refusals}>
      {rows.length === 0 ? (
        <p class="muted small">{say.noRefusals}</p>
      ) : (
        <Table
          caption={say.refusals}
          rows={rows}
          keyOf={(one) => `${one.verdict} ${one.reason}`}
          columns={[
            { title: say.verdict, cell: (one) => <VerdictBadge verdict={one.verdict} /> },
            {
              title: say.reason,
              cell: (one) => (
                <a
                  href={`/admin/relay/log?verdict=${one.verdict}${application ? `&app=${application}` : ''}&reason=${one.reason}`}
                  class="row-link"
                >
                  {one.because}
                  <small>
                    <code>{one.reason}</code>
                  </small>
                </a>
              ),
              breaks: true,
            },
            { title: say.messages, cell: (one) => count(one.messages), number: true },
          ]}
        />
      )}
    </Section>
  );
}

/** /admin/relay/stop */
export function RelayStop() {
  const { route } = useLocation();
  return (
    <ConfirmPage
      title={say.stopTitle}
      up={relayHome}
      act={say.stop}
      danger
      onConfirm={async () => {
        await call('POST /relay/off', { body: { off: true } });
        route(relayHome.href);
      }}
    >
      <p>{say.stopText}</p>
    </ConfirmPage>
  );
}
