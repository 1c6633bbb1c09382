/** What was proposed is approved or refused: shown once more, with the number to type, after a recent sign-in. */
import { useLocation } from 'preact-iso';
import { call } from '#consoles/admin/web/client.ts';
import { keepDraft, keptDraft } from '#consoles/admin/web/draft.ts';
import { useLoad } from '#consoles/admin/web/load.ts';
import { ConfirmPage } from '#consoles/admin/web/parts/confirm.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Page, Skeleton } from '#consoles/admin/web/parts/page.tsx';
import { count } from '#consoles/admin/web/parts/time.tsx';
import { allVerdicts, removing, type Verdict, VerdictBadge } from '#consoles/admin/web/parts/verdict.tsx';
import { planWords } from '#consoles/admin/web/words-plan.ts';
import { choiceOf, type Entry, loadEntries, mayDecide } from './target-plan-entries.tsx';

const say = planWords;
/** So many are sent by name; beyond that by verdict. */
const mostNamed = 2000;
const pageLength = 200;
const shownAtOnce = 12;

type Chosen = Pick<Entry, 'subject' | 'digest' | 'verdict' | 'name' | 'why'>;

interface Meant {
  counts: Partial<Record<Verdict, number>>;
  total: number;
  /** All of them, where they are few enough to be named. */
  named?: Chosen[];
}

/** What the address means: what was chosen in the table, one verdict, or everything that waits. */
async function whatIsMeant(id: string, verdict: Verdict | undefined, chosen: boolean): Promise<Meant> {
  if (chosen) return ofNamed(keptDraft<Chosen[]>(choiceOf(id)) ?? []);
  const { proposals } = await call('GET /targets/:id/plan', { params: { id } });
  const waiting = proposals.filter((one) => mayDecide(one) && (!verdict || one.verdict === verdict));
  const total = waiting.reduce((sum, one) => sum + one.count, 0);
  if (total > mostNamed)
    return { total, counts: Object.fromEntries(waiting.map((one) => [one.verdict, one.count])) };
  const named: Chosen[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await loadEntries(id, { state: 'proposed', verdict, limit: pageLength, cursor });
    named.push(...page.items.filter(mayDecide));
    if (!page.next) return ofNamed(named);
    cursor = page.next;
  }
}

function ofNamed(named: Chosen[]): Meant {
  const counts: Partial<Record<Verdict, number>> = {};
  for (const { verdict } of named) counts[verdict] = (counts[verdict] ?? 0) + 1;
  return { counts, total: named.length, named };
}

/** /admin/targets/:id/plan/approve and /refuse */
export const PlanApproval = ({ id }: { id: string }) => <Decision id={id} act="approve" />;
export const PlanRefusal = ({ id }: { id: string }) => <Decision id={id} act="refuse" />;

function Decision({ id, act }: { id: string; act: 'approve' | 'refuse' }) {
  const { query, route } = useLocation();
  const verdict = allVerdicts.find((one) => one === query.verdict);
  const chosen = query.chosen === 'yes';
  const { data, error, slow } = useLoad(`decide ${id} ${verdict} ${chosen}`, () =>
    whatIsMeant(id, verdict, chosen),
  );
  const up = { href: `/admin/targets/${id}/plan${verdict ? `?verdict=${verdict}` : ''}`, label: say.plan };
  if (!data || data.total === 0)
    return (
      <Page title={say.plan} up={up}>
        {error && <Refused error={error} />}
        {slow && <Skeleton rows={4} />}
        {data && (
          <Empty
            title={say.nothingChosen}
            text={say.nothingChosenText}
            action={{ label: say.backToPlan, href: up.href }}
          />
        )}
      </Page>
    );
  const approves = act === 'approve';
  const many = count(data.total);
  const lost = removing.reduce((sum, one) => sum + (data.counts[one] ?? 0), 0);
  return (
    <ConfirmPage
      title={approves ? say.approveTitle(many) : say.refuseTitle(many)}
      up={up}
      act={approves ? say.approveChosen(many) : say.refuseChosen(many)}
      danger={approves && lost > 0}
      elevated
      expect={{ label: say.typeCount(String(data.total)), text: String(data.total) }}
      onConfirm={async () => {
        const body = selection(data, verdict);
        if (approves) await call('POST /targets/:id/plan/approve', { params: { id }, body });
        else await call('POST /targets/:id/plan/refuse', { params: { id }, body });
        keepDraft(choiceOf(id), undefined);
        route(`/admin/targets/${id}/plan`);
      }}
    >
      <p>{approves ? say.approveText : say.refuseText}</p>
      {approves && lost > 0 && <Notice tone="warning">{say.removes(count(lost))}</Notice>}
      <ul class="totals">
        {allVerdicts
          .filter((one) => data.counts[one])
          .map((one) => (
            <li key={one} class="total">
              <strong>{count(data.counts[one] ?? 0)}</strong>
              <VerdictBadge verdict={one} />
            </li>
          ))}
      </ul>
      <p class="muted small">{data.named ? say.exactly : say.byVerdict}</p>
      {data.named && <Named named={data.named} />}
    </ConfirmPage>
  );
}

/** Those that were seen, with what was seen of each: whatever has changed since is left out by the house. */
function selection({ named }: Meant, verdict: Verdict | undefined) {
  if (named)
    return {
      subjects: named.map(({ subject }) => subject),
      digests: Object.fromEntries(named.map(({ subject, digest }) => [subject, digest])),
    };
  return verdict ? { verdicts: [verdict] } : { all: true as const };
}

function Named({ named }: { named: readonly Chosen[] }) {
  const shown = named.slice(0, shownAtOnce);
  return (
    <ul class="lines">
      {shown.map((one) => (
        <li key={one.subject}>
          <span class="what">{one.name ?? one.subject.replace(/^\w+:/, '')}</span>
          <VerdictBadge verdict={one.verdict} />
          <span class="more">{one.why}</span>
        </li>
      ))}
      {named.length > shown.length && (
        <li class="muted">{say.andMore(count(named.length - shown.length))}</li>
      )}
    </ul>
  );
}
