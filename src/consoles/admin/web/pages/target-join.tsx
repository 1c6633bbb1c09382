/** `/admin/targets/:id/join`: before an app goes live, who would not be recognised there, and why. */
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { useLoad } from '#consoles/admin/web/load.ts';
import { Button } from '#consoles/admin/web/parts/button.tsx';
import { FilterField } from '#consoles/admin/web/parts/fields.tsx';
import { Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Section, Skeleton } from '#consoles/admin/web/parts/page.tsx';
import { type Column, Table } from '#consoles/admin/web/parts/table.tsx';
import { count } from '#consoles/admin/web/parts/time.tsx';
import { words } from '#consoles/admin/web/words.ts';
import { joinWords } from '#consoles/admin/web/words-target-people.ts';
import { targetWords } from '#consoles/admin/web/words-targets.ts';
import { useFilters } from './filters.ts';

const say = joinWords;
type Finding = Answer<'POST /targets/:id/join-check'>['findings'][number];
/** More would be no list to read; the filter finds the others. */
const mostShown = 200;

export function TargetJoin({ id }: { id: string }) {
  const { data, error, slow, reload } = useLoad(`join ${id}`, () =>
    call('POST /targets/:id/join-check', { params: { id }, body: {} }),
  );
  if (error) return <Refused error={error} retry={reload} />;
  if (!data)
    return slow ? (
      <Section title={say.checking}>
        <Skeleton rows={5} />
      </Section>
    ) : null;
  return (
    <>
      <Section
        title={say.title}
        action={<Button id="check-again" label={say.again} kind="quiet" compact onClick={reload} />}
      >
        <p class="muted small measure">{say.text}</p>
        <dl class="figures">
          <div>
            <dt>{say.checked}</dt>
            <dd>{count(data.checked)}</dd>
          </div>
          <div>
            <dt>{say.meet}</dt>
            <dd>{count(data.meet)}</dd>
          </div>
          <div>
            <dt>{say.wont}</dt>
            <dd>{count(data.findings.length)}</dd>
          </div>
          <div>
            <dt>{say.joinBy}</dt>
            <dd class="worded">{say.keys[data.joinBy]}</dd>
          </div>
        </dl>
      </Section>
      {data.findings.length === 0 &&
        (data.checked > 0 ? (
          <Empty title={say.all} text={say.allText} />
        ) : (
          <Empty
            title={say.nobody}
            text={say.nobodyText}
            action={{ label: targetWords.settings, href: `/admin/targets/${id}/settings` }}
          />
        ))}
      {data.findings.length > 0 && <Findings id={id} findings={data.findings} />}
    </>
  );
}

function Findings({ id, findings }: { id: string; findings: readonly Finding[] }) {
  const [{ search }, filter] = useFilters('search');
  const wanted = search.toLowerCase();
  const fitting = findings.filter((one) => one.username.toLowerCase().includes(wanted));
  return (
    <>
      <search class="filters">
        <FilterField label={say.filter} value={search} onFilter={(value) => filter('search', value)} />
      </search>
      {fitting.length === 0 ? (
        <Empty title={say.nothing} />
      ) : (
        <div class="stack-s">
          <Table
            caption={say.wont}
            rows={fitting.slice(0, mostShown)}
            keyOf={(one) => one.person}
            columns={columns(id)}
          />
          <p class="pager" role="status">
            {fitting.length > mostShown
              ? words.shown(count(mostShown))
              : words.all(fitting.length, count(fitting.length))}
          </p>
        </div>
      )}
    </>
  );
}

const columns = (id: string): Column<Finding>[] => [
  {
    title: say.who,
    cell: (one) => <a href={`/admin/targets/${id}/people/person:${one.person}`}>{one.username}</a>,
  },
  { title: say.record, cell: (one) => one.record ?? <None />, breaks: true },
  { title: say.login, cell: (one) => one.login ?? <None />, breaks: true, roomy: true },
  { title: say.why, cell: (one) => one.why, breaks: true },
  {
    title: say.relink,
    does: true,
    cell: (one) => (
      <a
        class="button plain compact"
        href={`/admin/targets/${id}/people/person:${one.person}/relink`}
        aria-label={say.relinkOf(one.username)}
      >
        {say.relink}
      </a>
    ),
  },
];

const None = () => <span class="muted">{words.nothing}</span>;
