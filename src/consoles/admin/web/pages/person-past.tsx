/** What was: sessions, sign-ins, and the timeline of a person. */
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { useLoad, usePages } from '#consoles/admin/web/load.ts';
import { Badge } from '#consoles/admin/web/parts/badge.tsx';
import { Button, LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Section, Skeleton } from '#consoles/admin/web/parts/page.tsx';
import { Table } from '#consoles/admin/web/parts/table.tsx';
import { Time } from '#consoles/admin/web/parts/time.tsx';
import { Events, withNames } from '#consoles/admin/web/parts/timeline.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { words } from '#consoles/admin/web/words.ts';
import { PersonProofs } from './factor-resets.tsx';
import type { Person } from './person.tsx';
import { PersonMail } from './recovery-links.tsx';
import { PersonSignOuts } from './sign-outs.tsx';

const say = words.personPage;

export function PersonSignIns({ person: { id } }: { person: Person }) {
  const { can } = useSession();
  const sessions = useLoad(`sessions ${id}`, () => call('GET /people/:id/sessions', { params: { id } }));
  const attempts = useLoad(`sign-ins ${id}`, () =>
    call('GET /people/:id/sign-ins', { params: { id }, query: { limit: 100 } }),
  );
  const open = sessions.data?.items ?? [];
  return (
    <>
      <Section
        title={say.sessions}
        action={
          can('people.help') &&
          open.length > 0 && (
            <LinkButton id="end-all" label={say.endAll} href={`/admin/people/${id}/sessions/end`} compact />
          )
        }
      >
        {sessions.error && <Refused error={sessions.error} />}
        {sessions.slow && <Skeleton rows={3} />}
        {sessions.data && open.length === 0 && <p class="muted small">{say.noSessions}</p>}
        {open.length > 0 && (
          <Table
            caption={say.sessions}
            rows={open}
            keyOf={(one) => one.id}
            columns={[
              { title: say.device, cell: (one) => one.device },
              { title: say.network, cell: (one) => <code>{one.network}</code> },
              {
                title: say.how,
                cell: (one) => one.amr.map((method) => words.methods[method] ?? method).join(', '),
                wide: true,
              },
              { title: say.signedIn, cell: (one) => <Time at={one.authTime} /> },
              { title: say.seen, cell: (one) => <Time at={one.lastSeenAt} /> },
            ]}
          />
        )}
      </Section>
      <Section title={say.attempts}>
        {attempts.error && <Refused error={attempts.error} />}
        {attempts.slow && <Skeleton rows={6} />}
        {attempts.data?.items.length === 0 && <p class="muted small">{say.noAttempts}</p>}
        {attempts.data && attempts.data.items.length > 0 && <Attempts items={attempts.data.items} />}
      </Section>
      <PersonSignOuts id={id} />
      <PersonProofs id={id} />
      <PersonMail id={id} />
    </>
  );
}

function Attempts({ items }: { items: Answer<'GET /people/:id/sign-ins'>['items'] }) {
  return (
    <Table
      caption={say.attempts}
      rows={items}
      keyOf={(one) => `${one.at} ${one.requestId}`}
      columns={[
        { title: words.when, cell: (one) => <Time at={one.at} /> },
        {
          title: say.outcome,
          cell: (one) => (
            <Badge
              tone={one.outcome === 'ok' ? 'success' : 'warning'}
              label={words.outcomes[one.outcome] ?? one.outcome}
            />
          ),
        },
        { title: say.app, cell: (one) => one.application ?? words.doors[one.door] ?? one.door },
        { title: say.device, cell: (one) => one.device },
        { title: say.network, cell: (one) => <code>{one.network}</code>, wide: true },
      ]}
    />
  );
}

export function PersonTimeline({ id }: { id: string }) {
  const pages = usePages(`timeline ${id}`, async (page) =>
    withNames(await call('GET /people/:id/events', { params: { id }, query: page })),
  );
  const { items, error, slow, hasMore, busy, more, reload } = pages;
  return (
    <Section title={say.timeline}>
      {error && <Refused error={error} retry={reload} />}
      {slow && <Skeleton rows={8} />}
      {items?.length === 0 && <p class="muted small">{say.noEvents}</p>}
      {items && items.length > 0 && <Events events={items} />}
      {hasMore && (
        <div class="actions">
          <Button label={words.more} kind="quiet" compact busy={busy} onClick={more} />
        </div>
      )}
    </Section>
  );
}
