/** `/admin/mail`: our own mail and what became of it, dead letters, and addresses that refuse it. */
import { useState } from 'preact/hooks';
import { useAct } from '#consoles/admin/web/act.ts';
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { forgetAll, useLoad, usePages } from '#consoles/admin/web/load.ts';
import { Badge } from '#consoles/admin/web/parts/badge.tsx';
import { Button, LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { FilterSelect } from '#consoles/admin/web/parts/fields.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Page } from '#consoles/admin/web/parts/page.tsx';
import { type Column, PagedTable } from '#consoles/admin/web/parts/table.tsx';
import { Time } from '#consoles/admin/web/parts/time.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { words } from '#consoles/admin/web/words.ts';
import { mailToolWords } from '#consoles/admin/web/words-mail-tools.ts';
import { mailWords as say } from '#consoles/admin/web/words-own-mail.ts';
import { useFilters } from './filters.ts';

type Mail = Answer<'GET /mail'>['items'][number];
type State = Mail['state'];
type Spared = Answer<'GET /mail/suppressions'>['items'][number];

const tones = {
  queued: 'info',
  accepted: 'success',
  deferred: 'warning',
  delivered: 'success',
  bounced: 'danger',
  failed: 'danger',
  dropped: 'neutral',
} as const satisfies Record<State, string>;
const states = Object.keys(say.states) as State[];
const here = { href: '/admin/mail', label: say.title };

function Fate({ mail }: { mail: Mail }) {
  const { state, acceptedAt, nextAttemptAt, reportedAt, settledAt, createdAt, resent } = mail;
  const label = state === 'deferred' && acceptedAt ? say.later : say.states[state];
  return (
    <span class="outcomes">
      <Badge tone={tones[state]} label={label} />
      <small class="muted">
        {nextAttemptAt && `${say.next} `}
        <Time at={nextAttemptAt ?? reportedAt ?? settledAt ?? createdAt} />
        {resent > 0 && ` · ${say.twice(resent)}`}
      </small>
    </span>
  );
}

const columns: Column<Mail>[] = [
  {
    title: say.what,
    cell: (one) => (
      <span class="row-link">
        {(mailToolWords.kinds as Record<string, string>)[one.kind] ?? one.kind}
        <small>{one.to ?? say.gone}</small>
      </span>
    ),
    breaks: true,
  },
  {
    title: say.person,
    cell: (one) => <a href={`/admin/people/${one.person}`}>{one.username ?? one.person}</a>,
    breaks: true,
    roomy: true,
  },
  { title: say.state, cell: (one) => <Fate mail={one} /> },
  {
    title: say.answer,
    cell: (one) => {
      const said = one.report ?? one.answer;
      return said ? <code dir="auto">{said}</code> : <span class="muted">{words.none}</span>;
    },
    breaks: true,
    wide: true,
  },
];

export function MailPage() {
  const { can } = useSession();
  const [{ state, person }, filter] = useFilters('state', 'person');
  const of = { state: (state || undefined) as State | undefined, person: person || undefined };
  const pages = usePages(`mail ${state} ${person}`, (page) =>
    call('GET /mail', { query: { ...of, ...page } }),
  );
  const counts = useLoad('mail counts', () => call('GET /mail/counts'));
  const [isSent, setSent] = useState(false);
  const again: Column<Mail> = {
    title: words.doing,
    does: true,
    cell: (one) =>
      one.canSendAgain ? (
        <SendAgain
          mail={one}
          onSent={() => {
            setSent(true);
            forgetAll();
            pages.reload();
          }}
        />
      ) : (
        (one.state === 'failed' || one.state === 'bounced') && <small class="muted">{say.over}</small>
      ),
  };
  const many = new Map((counts.data?.counts ?? []).map((one) => [one.state, one.count]));
  return (
    <Page
      title={say.title}
      lede={say.lede}
      actions={
        <>
          {can('community.read') && (
            <LinkButton id="letters" label={mailToolWords.letters} href="/admin/mail/letters" compact />
          )}
          {can('system.read') && (
            <LinkButton id="health" label={mailToolWords.healthAndTest} href="/admin/relay/health" compact />
          )}
          <LinkButton id="spared" label={say.spared} href="/admin/mail/spared" compact />
        </>
      }
    >
      {isSent && (
        <Notice tone="success" live>
          {say.sent}
        </Notice>
      )}
      <search class="filters">
        <FilterSelect
          label={say.state}
          value={state}
          options={[
            { value: '', label: say.anyState },
            ...states.map((one) => ({
              value: one,
              label: many.has(one) ? `${say.states[one]} (${many.get(one)})` : say.states[one],
            })),
          ]}
          onFilter={(value) => filter('state', value)}
        />
        <p class="muted small">{say.week}</p>
      </search>
      {person !== '' && <Only person={person} />}
      <PagedTable
        caption={say.title}
        cards
        pages={pages}
        keyOf={(one) => one.id}
        empty={<Empty title={say.none} text={say.noneText} />}
        columns={can('people.help') ? [...columns, again] : columns}
      />
    </Page>
  );
}

function SendAgain({ mail, onSent }: { mail: Mail; onSent(): void }) {
  const { busy, refusal, act } = useAct(async () => {
    await call('POST /mail/:id/send-again', { params: { id: mail.id }, body: {} });
    onSent();
  });
  return (
    <>
      {refusal && <Refused error={refusal} />}
      <Button label={say.sendAgain} kind="quiet" compact busy={busy} onClick={act} />
    </>
  );
}

function Only({ person: id }: { person: string }) {
  const { data } = useLoad(`person ${id}`, () => call('GET /people/:id', { params: { id } }));
  return (
    <Notice tone="info">
      <div class="row spread">
        <p>
          {say.ofPerson} <a href={`/admin/people/${id}`}>{data?.displayName ?? id}</a>
        </p>
        <LinkButton label={say.everyone} href={here.href} compact />
      </div>
    </Notice>
  );
}

/** /admin/mail/spared */
export function SparedPage() {
  const { can } = useSession();
  const pages = usePages('spared addresses', () => call('GET /mail/suppressions'));
  const lift: Column<Spared> = {
    title: words.doing,
    does: true,
    cell: (one) => (
      <Lift
        spared={one}
        onDone={() => {
          forgetAll();
          pages.reload();
        }}
      />
    ),
  };
  const shown: Column<Spared>[] = [
    {
      title: say.address,
      cell: (one) => <a href={`/admin/mail?person=${one.person}`}>{one.to}</a>,
      breaks: true,
    },
    { title: say.refusals, cell: (one) => one.bounces, number: true },
    { title: say.since, cell: (one) => <Time at={one.suppressedAt} />, roomy: true },
    {
      title: say.said,
      cell: (one) => <code dir="auto">{one.report ?? one.status ?? ''}</code>,
      breaks: true,
      wide: true,
    },
  ];
  return (
    <Page title={say.spared} lede={say.sparedLede} up={here}>
      <PagedTable
        caption={say.spared}
        cards
        pages={pages}
        keyOf={(one) => one.address}
        empty={<Empty title={say.noneSpared} text={say.noneSparedText} />}
        columns={can('people.help') ? [...shown, lift] : shown}
      />
    </Page>
  );
}

function Lift({ spared, onDone }: { spared: Spared; onDone(): void }) {
  const { busy, refusal, act } = useAct(async () => {
    await call('DELETE /mail/suppressions/:address', { params: { address: spared.address } });
    onDone();
  });
  return (
    <>
      {refusal && <Refused error={refusal} />}
      <Button label={say.lift} kind="quiet" compact busy={busy} onClick={act} />
    </>
  );
}
