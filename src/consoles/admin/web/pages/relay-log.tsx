/** `/admin/relay/log`: what was decided about each message; and one of them, with why. */
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { useLoad, usePages } from '#consoles/admin/web/load.ts';
import { Facts } from '#consoles/admin/web/parts/facts.tsx';
import { FilterField, FilterSelect } from '#consoles/admin/web/parts/fields.tsx';
import { Icon } from '#consoles/admin/web/parts/icons.tsx';
import { Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Page, Section } from '#consoles/admin/web/parts/page.tsx';
import { type Column, PagedTable } from '#consoles/admin/web/parts/table.tsx';
import { count, Time } from '#consoles/admin/web/parts/time.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { words } from '#consoles/admin/web/words.ts';
import { relayWords as say } from '#consoles/admin/web/words-relay.ts';
import { useFilters } from './filters.ts';
import { RelayTabs, relayHome, type Verdict, VerdictBadge, whoWrote } from './relay-views.tsx';

export type Message = Answer<'GET /relay/messages'>['items'][number];
type Asked = NonNullable<Parameters<typeof call<'GET /relay/messages'>>[1]>['query'];

const verdicts = Object.keys(say.verdicts) as Verdict[];

type Apps = Answer<'GET /relay/apps'>['items'];

/** Owners of single apps read of their own. */
export function RelayLogPage() {
  const { can } = useSession();
  const [{ app }] = useFilters('app');
  const { data, error } = useLoad('relay apps', () => call('GET /relay/apps'));
  const apps = data?.items ?? [];
  const chosen = app || apps[0]?.application;
  return (
    <Page title={say.log} up={relayHome}>
      <RelayTabs current="/admin/relay/log" />
      {error && <Refused error={error} />}
      {can('relay.read') ? <WholeLog apps={apps} /> : chosen && <AppLog apps={apps} chosen={chosen} />}
    </Page>
  );
}

function WholeLog({ apps }: { apps: Apps }) {
  const { can } = useSession();
  const [{ verdict, app, reason, sender }, filter] = useFilters('verdict', 'app', 'reason', 'sender');
  const asked = {
    verdict: verdict || undefined,
    application: app || undefined,
    reason: reason || undefined,
    sender: sender || undefined,
  } as Asked;
  const pages = usePages(`relay log ${verdict} ${app} ${reason} ${sender}`, (page) =>
    call('GET /relay/messages', { query: { ...asked, ...page } }),
  );
  const isFiltered = [verdict, app, reason, sender].some((one) => one !== '');
  return (
    <>
      <search class="filters">
        {can('people.read') && (
          <FilterField label={say.search} value={sender} onFilter={(value) => filter('sender', value)} />
        )}
        <VerdictFilter value={verdict} onFilter={(value) => filter('verdict', value)} />
        <FilterSelect
          label={say.app}
          value={app}
          options={[
            { value: '', label: say.anyApp },
            ...apps.map((one) => ({ value: one.application, label: one.title })),
          ]}
          onFilter={(value) => filter('app', value)}
        />
        <OneReason reason={reason} onFilter={(value) => filter('reason', value)} />
      </search>
      <PagedTable
        caption={say.log}
        pages={pages}
        cards
        keyOf={(one) => one.id}
        empty={<Nothing isFiltered={isFiltered} />}
        columns={[
          messageColumn(true),
          verdictColumn,
          { title: say.why, cell: (one) => one.because, breaks: true, wide: true },
          {
            title: say.app,
            cell: (one) => one.application ?? <span class="muted">{say.none}</span>,
            roomy: true,
          },
          { title: say.to, cell: (one) => one.recipient ?? '', breaks: true, wide: true },
        ]}
      />
    </>
  );
}

/** Of one app: each message says why in its row, as its own page is for whoever may read them all. */
function AppLog({ apps, chosen }: { apps: Apps; chosen: string }) {
  const [{ verdict, reason }, filter] = useFilters('verdict', 'app', 'reason');
  const asked = { verdict: verdict || undefined, reason: reason || undefined } as Pick<
    NonNullable<Asked>,
    'verdict' | 'reason'
  >;
  const pages = usePages(`relay log of ${chosen} ${verdict} ${reason}`, (page) =>
    call('GET /applications/:id/relay/messages', { params: { id: chosen }, query: { ...asked, ...page } }),
  );
  return (
    <>
      <search class="filters">
        <VerdictFilter value={verdict} onFilter={(value) => filter('verdict', value)} />
        <FilterSelect
          label={say.app}
          value={chosen}
          options={apps.map((one) => ({ value: one.application, label: one.title }))}
          onFilter={(value) => filter('app', value)}
        />
        <OneReason reason={reason} onFilter={(value) => filter('reason', value)} />
      </search>
      <PagedTable
        caption={say.log}
        pages={pages}
        cards
        keyOf={(one) => one.id}
        empty={<Nothing isFiltered={verdict !== '' || reason !== ''} />}
        columns={[messageColumn(false), verdictColumn]}
      />
    </>
  );
}

/** Who it says it is from, and when; leading to its own page for whoever may read that, else saying why at once. */
export function messageColumn(leads: boolean): Column<Message> {
  const said = (one: Message) => (
    <>
      <span dir="auto">{whoWrote(one)}</span>
      <small>
        <Time at={one.at} />
      </small>
    </>
  );
  return {
    title: say.message,
    cell: (one) =>
      leads ? (
        <a class="row-link" href={`/admin/relay/log/${one.id}`}>
          {said(one)}
        </a>
      ) : (
        <span class="row-link">
          {said(one)}
          <small>{one.because}</small>
        </span>
      ),
    breaks: true,
  };
}

export const verdictColumn: Column<Message> = {
  title: say.verdict,
  cell: (one) => <VerdictBadge verdict={one.verdict} />,
};

function VerdictFilter({ value, onFilter }: { value: string; onFilter(value: string): void }) {
  const options = [
    { value: '', label: say.anyVerdict },
    ...verdicts.map((one) => ({ value: one, label: say.verdicts[one] })),
  ];
  return <FilterSelect label={say.verdict} value={value} options={options} onFilter={onFilter} />;
}

/** What a link of the overview filtered by is said, and taken away again. */
function OneReason({ reason, onFilter }: { reason: string; onFilter(value: string): void }) {
  if (reason === '') return null;
  return (
    <span class="chip">
      {say.onlyReason(reason)}
      <button type="button" aria-label={words.takeOutOf(reason)} onClick={() => onFilter('')}>
        <Icon shape="gone" size={12} />
      </button>
    </span>
  );
}

function Nothing({ isFiltered }: { isFiltered: boolean }) {
  return isFiltered ? <Empty title={say.noFit} /> : <Empty title={say.noLog} text={say.noLogText} />;
}

/** /admin/relay/log/:id */
export function RelayMessagePage({ id }: { id: string }) {
  const { data, error } = useLoad(`relay message ${id}`, () =>
    call('GET /relay/messages/:id', { params: { id } }),
  );
  const up = { href: '/admin/relay/log', label: say.log };
  if (error)
    return (
      <Page title={say.message} up={up}>
        <Refused error={error} />
      </Page>
    );
  if (!data) return null;
  return (
    <Page title={whoWrote(data)} up={up} badge={<VerdictBadge verdict={data.verdict} />} lede={data.because}>
      <Section title={say.decided}>
        <Facts facts={decidedFacts(data)} />
      </Section>
      <Section title={say.message}>
        <Facts facts={messageFacts(data)} />
      </Section>
    </Page>
  );
}

function decidedFacts(one: Message) {
  const { person, application, mode, smartHost, answer, tookMs, bouncedAt, bounceStatus, messageClass } = one;
  return [
    { name: say.verdict, value: <VerdictBadge verdict={one.verdict} /> },
    { name: say.why, value: one.because },
    { name: say.code, value: <code>{one.reason}</code> },
    { name: say.recipientClass, value: say.recipientClasses[one.recipientClass] },
    { name: say.person, value: person && <a href={`/admin/people/${person.id}`}>{person.displayName}</a> },
    { name: say.app, value: application && <a href={`/admin/relay/apps/${application}`}>{application}</a> },
    { name: say.kind, value: messageClass && say.classes[messageClass] },
    { name: say.mode, value: mode && say.modes[mode] },
    { name: say.smartHost, value: smartHost },
    { name: say.answer, value: answer && <code>{answer}</code> },
    { name: say.took, value: tookMs === undefined ? undefined : say.ms(count(tookMs)) },
    {
      name: say.bounced,
      value: bouncedAt && (
        <>
          <Time at={bouncedAt} /> {bounceStatus}
        </>
      ),
    },
  ];
}

function messageFacts(one: Message) {
  return [
    { name: say.arrived, value: <Time at={one.at} /> },
    { name: say.from, value: one.headerFrom },
    { name: say.sender, term: 'MAIL FROM', value: one.sender === '' ? say.nullSender : one.sender },
    {
      name: say.to,
      // An answer was written to a way of answering, which names nobody.
      term: one.recipientClass === 'reply' ? undefined : 'RCPT TO',
      value: one.recipient,
    },
    { name: say.client, value: one.client },
    { name: say.via, value: say.vias[one.via] },
    { name: say.size, value: one.bytes === undefined ? undefined : say.bytes(count(one.bytes)) },
    { name: say.id, value: one.messageId },
  ];
}
