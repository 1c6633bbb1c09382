/** Whom a plan is about: one line each, with the reason and the fields; some are chosen and decided about. */
import { useState } from 'preact/hooks';
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { keepDraft } from '#consoles/admin/web/draft.ts';
import { usePages } from '#consoles/admin/web/load.ts';
import { Badge } from '#consoles/admin/web/parts/badge.tsx';
import { Button } from '#consoles/admin/web/parts/button.tsx';
import { Diff } from '#consoles/admin/web/parts/diff.tsx';
import { FilterSelect } from '#consoles/admin/web/parts/fields.tsx';
import type { Tone } from '#consoles/admin/web/parts/icons.tsx';
import { Empty, Section } from '#consoles/admin/web/parts/page.tsx';
import { usePhone } from '#consoles/admin/web/parts/room.ts';
import { type Column, PagedTable } from '#consoles/admin/web/parts/table.tsx';
import { count } from '#consoles/admin/web/parts/time.tsx';
import {
  allVerdicts,
  decidable,
  differences,
  type Verdict,
  VerdictBadge,
} from '#consoles/admin/web/parts/verdict.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { planWords } from '#consoles/admin/web/words-plan.ts';
import { useFilters } from './filters.ts';
import { DecisionLinks, type PlanState } from './target-plan.tsx';
import { Subject } from './target-queue.tsx';

const say = planWords;
type Answered = Answer<'GET /targets/:id/plan/entries'>;
export type Entry = Answered['items'][number] & { name?: string };
type Target = Answer<'GET /targets/:id'>;

const stateTones: Record<Entry['state'], Tone> = {
  proposed: 'info',
  approved: 'success',
  held: 'warning',
  refused: 'neutral',
};

/** What was chosen in the table, for the page that asks once more. */
export const choiceOf = (id: string) => `plan ${id}`;

export const mayDecide = (entry: { state: string; verdict: Verdict }) =>
  entry.state === 'proposed' && decidable.includes(entry.verdict);

export async function loadEntries(
  id: string,
  query: { state?: Entry['state']; verdict?: Verdict; limit?: number; cursor?: string },
): Promise<{ items: Entry[]; next?: string }> {
  const { items, names, next } = await call('GET /targets/:id/plan/entries', { params: { id }, query });
  return { items: items.map((one) => ({ ...one, name: names[one.subject] })), ...(next && { next }) };
}

export function PlanEntries({ target, state }: { target: Target; state: PlanState }) {
  const id = target.application;
  const { can } = useSession();
  const [filters, filter] = useFilters('verdict', 'state');
  const verdict = allVerdicts.find((one) => one === filters.verdict);
  const wanted = (Object.keys(say.states) as Entry['state'][]).find((one) => one === filters.state);
  // A plan made anew has other entries.
  const made = state.run?.plan?.madeAt ?? '';
  const counts = state.proposals.map((one) => `${one.state} ${one.verdict} ${one.count}`).join();
  const pages = usePages(`entries ${id} ${verdict} ${wanted} ${made} ${counts}`, (page) =>
    loadEntries(id, { verdict, state: wanted, ...page }),
  );
  const { chosen, choose, clear } = useChoice(id);
  const sends = target.mode === 'plan' || target.mode === 'automatic';
  const choosing = sends && can('targets.write', id);
  const waiting = state.proposals
    .filter((one) => mayDecide(one) && (!verdict || one.verdict === verdict))
    .reduce((sum, one) => sum + one.count, 0);
  return (
    <Section
      title={say.peopleTitle}
      action={<Filters verdict={filters.verdict} state={filters.state} filter={filter} />}
    >
      {choosing && (chosen.size > 0 || waiting > 0) && (
        <DecideBar id={id} verdict={verdict} waiting={waiting} chosen={chosen.size} clear={clear} />
      )}
      <PagedTable
        caption={say.peopleTitle}
        pages={pages}
        keyOf={(one) => one.subject}
        empty={<Empty title={say.noEntries} text={say.noEntriesText} />}
        columns={columns(
          id,
          usePhone(),
          choosing ? { chosen, choose, shown: pages.items?.filter(mayDecide) ?? [] } : undefined,
        )}
      />
    </Section>
  );
}

/** What is chosen, kept for the page that asks once more. */
function useChoice(id: string) {
  const [chosen, setChosen] = useState<ReadonlyMap<string, Entry>>(new Map());
  const choose = (entries: readonly Entry[], on: boolean) => {
    const next = new Map(chosen);
    for (const entry of entries) {
      if (on) next.set(entry.subject, entry);
      else next.delete(entry.subject);
    }
    setChosen(next);
    const kept = [...next.values()].map(({ subject, digest, verdict, name, why }) => ({
      subject,
      digest,
      verdict,
      name,
      why,
    }));
    keepDraft(choiceOf(id), kept);
  };
  const clear = () => {
    setChosen(new Map());
    keepDraft(choiceOf(id), undefined);
  };
  return { chosen, choose, clear };
}

function Filters(props: {
  verdict: string;
  state: string;
  filter(name: 'verdict' | 'state', value: string): void;
}) {
  const { verdict, state, filter } = props;
  return (
    <search class="row">
      <FilterSelect
        label={say.verdict}
        value={verdict}
        onFilter={(value) => filter('verdict', value)}
        options={[
          { value: '', label: say.anyVerdict },
          ...allVerdicts
            .filter((one) => one !== 'unchanged')
            .map((one) => ({ value: one, label: say.verdicts[one] })),
        ]}
      />
      <FilterSelect
        label={say.state}
        value={state}
        onFilter={(value) => filter('state', value)}
        options={[
          { value: '', label: say.anyState },
          ...Object.entries(say.states).map(([value, label]) => ({ value, label })),
        ]}
      />
    </search>
  );
}

/** What was chosen is decided about, or else all that waits and fits the filter. */
function DecideBar(props: {
  id: string;
  verdict: Verdict | undefined;
  waiting: number;
  chosen: number;
  clear(): void;
}) {
  const { id, verdict, waiting, chosen, clear } = props;
  return (
    <div class="actions deciding">
      {chosen > 0 ? (
        <>
          <span role="status">{say.chosen(count(chosen))}</span>
          <DecisionLinks
            id={id}
            query="?chosen=yes"
            approve={say.approveChosen(count(chosen))}
            refuse={say.refuseChosen(count(chosen))}
          />
          <Button label={say.clear} kind="plain" compact onClick={clear} />
        </>
      ) : (
        <DecisionLinks
          id={id}
          query={verdict ? `?verdict=${verdict}` : ''}
          approve={say.approveAll(count(waiting))}
          refuse={say.refuseAll(count(waiting))}
        />
      )}
    </div>
  );
}

interface Choosing {
  chosen: ReadonlyMap<string, Entry>;
  choose(entries: readonly Entry[], on: boolean): void;
  /** Those of this page that can be chosen. */
  shown: readonly Entry[];
}

/** On a phone one column holds it all: the sentence is what people came for, and beside the name it would be cut. */
function columns(id: string, phone: boolean, choosing?: Choosing): Column<Entry>[] {
  const shown: Column<Entry>[] = [
    {
      title: say.who,
      cell: (one) => (
        <div class="who-planned">
          <Who id={id} entry={one} />
          {phone && (
            <>
              <VerdictBadge verdict={one.verdict} />
              <div>
                <Why entry={one} />
              </div>
            </>
          )}
        </div>
      ),
      breaks: true,
    },
  ];
  if (!phone)
    shown.push(
      { title: say.verdict, cell: (one) => <VerdictBadge verdict={one.verdict} /> },
      { title: say.why, cell: (one) => <Why entry={one} />, breaks: true },
      {
        title: say.state,
        cell: (one) => <Badge tone={stateTones[one.state]} label={say.states[one.state]} />,
        wide: true,
      },
    );
  if (!choosing) return shown;
  return [
    {
      title: say.choose,
      does: true,
      head: choosing.shown.length > 0 && (
        <input
          type="checkbox"
          class="tick"
          id="choose-all"
          aria-label={say.chooseAll}
          checked={choosing.shown.every(({ subject }) => choosing.chosen.has(subject))}
          onChange={(event) => choosing.choose(choosing.shown, event.currentTarget.checked)}
        />
      ),
      cell: (one) =>
        mayDecide(one) && (
          <input
            type="checkbox"
            class="tick"
            aria-label={say.chooseOne(one.name ?? one.subject)}
            checked={choosing.chosen.has(one.subject)}
            onChange={(event) => choosing.choose([one], event.currentTarget.checked)}
          />
        ),
    },
    ...shown,
  ];
}

function Who({ id, entry }: { id: string; entry: Entry }) {
  if (entry.subject.startsWith('stranger:')) {
    const remote = entry.subject.slice('stranger:'.length);
    return <a href={`/admin/targets/${id}/stranger/${encodeURIComponent(remote)}`}>{remote}</a>;
  }
  return (
    <Subject target={id} subject={entry.subject} names={entry.name ? { [entry.subject]: entry.name } : {}} />
  );
}

/** The sentence, and below it the fields for whoever wants to know. */
function Why({ entry }: { entry: Entry }) {
  const differ = differences(entry);
  // Of someone new, and of a group, nothing was.
  const unknown = differ.every(({ was }) => was === undefined);
  return (
    <>
      {entry.why}
      {differ.length > 0 && (
        <details class="fields-of">
          <summary>{say.fieldCount(differ.length)}</summary>
          <Diff caption={say.fields} differences={differ} unknown={unknown} />
        </details>
      )}
    </>
  );
}
