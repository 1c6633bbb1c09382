/** `/admin/people/:id/entry`: can this person open an app, check by check, and the first thing to change. */
import { useAct } from '#consoles/admin/web/act.ts';
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { useLoad } from '#consoles/admin/web/load.ts';
import { Badge } from '#consoles/admin/web/parts/badge.tsx';
import { Button, LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { FilterSelect } from '#consoles/admin/web/parts/fields.tsx';
import type { Tone } from '#consoles/admin/web/parts/icons.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Section, Skeleton } from '#consoles/admin/web/parts/page.tsx';
import { Table } from '#consoles/admin/web/parts/table.tsx';
import { Time } from '#consoles/admin/web/parts/time.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { refusalWords, entryWords as say } from '#consoles/admin/web/words-refusals.ts';
import { settingsOf } from './app-settings.ts';
import { useFilters } from './filters.ts';

type Explanation = Answer<'GET /explain'>;
type Check = Explanation['checks'][number];

const tones: Record<Check['answer'], Tone> = {
  yes: 'success',
  asks: 'info',
  doubt: 'warning',
  no: 'danger',
  note: 'neutral',
};

export function PersonEntry({ id }: { id: string }) {
  const [{ app }, filter] = useFilters('app');
  const apps = useLoad('applications', () => call('GET /applications'));
  const { data, error, slow } = useLoad(app ? `explain ${id} ${app}` : undefined, () =>
    call('GET /explain', { query: { person: id, application: app } }),
  );
  return (
    <>
      <Section title={say.title}>
        <search class="filters">
          <FilterSelect
            label={say.app}
            value={app}
            options={[
              { value: '', label: say.choose },
              ...(apps.data?.items ?? []).map((one) => ({ value: one.id, label: settingsOf(one).title })),
            ]}
            onFilter={(value) => filter('app', value)}
          />
        </search>
        {app === '' && <p class="muted small">{say.chooseText}</p>}
        {error && <Refused error={error} />}
        {slow && <Skeleton rows={8} />}
        {data && app !== '' && <Explained explanation={data} />}
      </Section>
      <Refusals id={id} />
    </>
  );
}

function Explained({ explanation }: { explanation: Explanation }) {
  const { opens, summary, first, checks } = explanation;
  return (
    <>
      <Notice tone={tones[opens]} title={summary} live>
        {first && (
          <p>
            {first.evidence} {first.step && <strong>{first.step}</strong>}
          </p>
        )}
      </Notice>
      <Table
        caption={say.title}
        rows={checks}
        keyOf={(one) => `${one.check} ${one.evidence}`}
        columns={[
          {
            title: say.check,
            cell: (one) => (
              <>
                {say.checks[one.check]}
                <br />
                <span class="muted">
                  {one.evidence} {one.step && <strong>{one.step}</strong>}
                </span>
              </>
            ),
            breaks: true,
          },
          {
            title: say.answer,
            cell: (one) => <Badge tone={tones[one.answer]} label={say.answers[one.answer]} />,
          },
        ]}
      />
    </>
  );
}

function Refusals({ id }: { id: string }) {
  const { data, error, slow } = useLoad(`refusals of ${id}`, () =>
    call('GET /refusals', { query: { person: id, limit: 10 } }),
  );
  const items = data?.items ?? [];
  return (
    <Section
      title={say.refusals}
      action={
        items.length > 0 && (
          <LinkButton label={say.allRefusals} href={`/admin/refusals?person=${id}`} compact />
        )
      }
    >
      <Watching id={id} />
      {error && <Refused error={error} />}
      {slow && <Skeleton rows={3} />}
      {data && items.length === 0 && <Empty title={refusalWords.none} />}
      {items.length > 0 && (
        <ul class="lines">
          {items.map((one) => (
            <li key={one.reference}>
              <a href={`/admin/refusals/${one.reference}`}>
                <code>{one.code}</code>
              </a>{' '}
              {one.application?.title ?? ''} <Time at={one.at} />
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}

const minutes = 15;

/** For faults that begin after a sign-in that went well: its path is kept too, for some minutes. */
function Watching({ id }: { id: string }) {
  const { can } = useSession();
  const { data, reload } = useLoad('sign-in watches', () => call('GET /sign-in-watches'));
  const watch = useAct(async () => {
    await call('POST /sign-in-watches', { body: { person: id, minutes } });
    reload();
  });
  const watched = data?.items.findLast((one) => one.person === id);
  if (watched)
    return (
      <p class="small" role="status">
        {say.watched} <Time at={watched.endsAt} />
      </p>
    );
  if (!can('people.help')) return null;
  return (
    <p class="small">
      {say.watchText}{' '}
      <Button
        label={say.watch(minutes)}
        id="watch"
        kind="quiet"
        compact
        busy={watch.busy}
        onClick={watch.act}
      />
      {watch.refusal && <Refused error={watch.refusal} />}
    </p>
  );
}
