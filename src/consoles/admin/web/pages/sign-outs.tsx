/** How signing out went at each app: on a person's page by their sessions, on an app's by the people who had been there. */
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { useLoad } from '#consoles/admin/web/load.ts';
import { Badge } from '#consoles/admin/web/parts/badge.tsx';
import { Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Section, Skeleton } from '#consoles/admin/web/parts/page.tsx';
import { Table } from '#consoles/admin/web/parts/table.tsx';
import { Time } from '#consoles/admin/web/parts/time.tsx';
import { signOutWords } from '#consoles/admin/web/words-sign-outs.ts';

const say = signOutWords;
type OfApp = Answer<'GET /applications/:id/sign-outs'>['items'][number];
type Outcome = Pick<OfApp, 'state' | 'because' | 'answer' | 'attempts' | 'settledAt'>;

const tones = { ended: 'success', asked: 'info', unreachable: 'warning' } as const;

function How({ outcome }: { outcome: Outcome }) {
  const { state, because, answer, attempts, settledAt } = outcome;
  return (
    <>
      <Badge tone={tones[state]} label={say.states[state]} />
      <span class="small muted">
        {because && ` ${say.becauses[because]}`}
        {attempts !== undefined && attempts > 0 && ` ${say.times(attempts)}`}
        {answer && (
          <>
            {' '}
            <code>{answer}</code>
          </>
        )}
        {settledAt && (
          <>
            {' '}
            <Time at={settledAt} />
          </>
        )}
      </span>
    </>
  );
}

const reasonOf = (reason: string) => say.reasons[reason] ?? reason;

export function PersonSignOuts({ id }: { id: string }) {
  const { data, error, slow } = useLoad(`sign-outs ${id}`, () =>
    call('GET /people/:id/sign-outs', { params: { id } }),
  );
  return (
    <Section title={say.title}>
      {error && <Refused error={error} />}
      {slow && <Skeleton rows={4} />}
      {data?.items.length === 0 && <p class="muted small">{say.noneOfPerson}</p>}
      {data && data.items.length > 0 && (
        <Table
          caption={say.ofPerson}
          rows={data.items}
          keyOf={(one) => one.session}
          columns={[
            { title: say.when, cell: (one) => <Time at={one.at} /> },
            { title: say.why, cell: (one) => reasonOf(one.reason), roomy: true },
            {
              title: say.apps,
              breaks: true,
              cell: (one) =>
                one.apps.length === 0 ? (
                  <span class="muted">{say.noApps}</span>
                ) : (
                  <ul class="outcomes">
                    {one.apps.map((app) => (
                      <li key={app.application}>
                        <a href={`/admin/apps/${app.application}`}>{app.title}</a> <How outcome={app} />
                      </li>
                    ))}
                  </ul>
                ),
            },
          ]}
        />
      )}
    </Section>
  );
}

const most = 12;

export function AppSignOuts({ id }: { id: string }) {
  const { data, error } = useLoad(`app sign-outs ${id}`, () =>
    call('GET /applications/:id/sign-outs', { params: { id } }),
  );
  const rows = data?.items.slice(0, most) ?? [];
  const named = rows.some((one) => one.person !== undefined);
  return (
    <Section title={say.title}>
      {error && <Refused error={error} />}
      {data && rows.length === 0 && <p class="muted small">{say.noneOfApp}</p>}
      {rows.length > 0 && (
        <Table
          caption={say.title}
          rows={rows}
          keyOf={(one) => one.session}
          columns={[
            ...(named
              ? [
                  {
                    title: say.who,
                    cell: ({ person }: OfApp) =>
                      person && <a href={`/admin/people/${person.id}/sign-ins`}>{person.displayName}</a>,
                  },
                ]
              : []),
            { title: say.when, cell: (one) => <Time at={one.at} /> },
            { title: say.why, cell: (one) => reasonOf(one.reason), roomy: true },
            { title: say.outcome, cell: (one) => <How outcome={one} />, breaks: true },
          ]}
        />
      )}
    </Section>
  );
}
