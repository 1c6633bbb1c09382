/** `/admin/targets/:id/plan`: what would be done there for everyone, how far that has come, and what is decided. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { type Act, useAct } from '#consoles/admin/web/act.ts';
import { type Answer, call, fetchFile } from '#consoles/admin/web/client.ts';
import { useLive, useLoad } from '#consoles/admin/web/load.ts';
import { Button, LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Section, Skeleton } from '#consoles/admin/web/parts/page.tsx';
import { Progress } from '#consoles/admin/web/parts/progress.tsx';
import { usePhone } from '#consoles/admin/web/parts/room.ts';
import { type Column, Table } from '#consoles/admin/web/parts/table.tsx';
import { count, Time } from '#consoles/admin/web/parts/time.tsx';
import { allVerdicts, VerdictBadge } from '#consoles/admin/web/parts/verdict.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { words } from '#consoles/admin/web/words.ts';
import { planWords } from '#consoles/admin/web/words-plan.ts';
import { addWords } from '#consoles/admin/web/words-target-setup.ts';
import { useFilters } from './filters.ts';
import { Guide } from './target-add-guide.tsx';
import { type Connector, useConnectors } from './target-connectors.ts';
import { PlanEntries } from './target-plan-entries.tsx';

const say = planWords;
type Target = Answer<'GET /targets/:id'>;
export type PlanState = Answer<'GET /targets/:id/plan'>;
type Summary = NonNullable<NonNullable<PlanState['run']>['plan']>;

export const usePlan = (id: string) =>
  useLoad(`plan ${id}`, () => call('GET /targets/:id/plan', { params: { id } }));

/** Looked at again this often, in seconds, while something runs and while nothing does. */
const busySeconds = 1;
const quietSeconds = 10;

export function TargetPlan({ target }: { target: Target }) {
  const id = target.application;
  const { can } = useSession();
  const { query } = useLocation();
  const { data, error, slow, reload } = usePlan(id);
  const { connector } = useConnectors(target.connector);
  const work = useWork(id, data, reload);
  if (error) return <Refused error={error} retry={reload} />;
  if (!data) return slow ? <Skeleton rows={8} /> : null;
  const mayWork = can('targets.write', id);
  const plan = data.run?.plan;
  const hasEntries = data.proposals.length > 0;
  return (
    <>
      {query.guide && <Guide current={4} text={addWords.planned} />}
      <ModeNotice target={target} />
      {work.reading.refusal && <Refused error={work.reading.refusal} />}
      {work.planning.refusal && <Refused error={work.planning.refusal} />}
      {mayWork && target.mode !== 'off' && (
        <WorkButtons id={id} state={data} work={work} lists={connector?.capabilities.list !== false} />
      )}
      <HowFar state={data} isAsked={work.isAsked} />
      {plan && (
        <Section title={say.totals} action={<span class="muted small">{say.totalsHint}</span>}>
          <Totals id={id} plan={plan} />
          <Takes state={data} plan={plan} target={target} connector={connector} />
        </Section>
      )}
      {plan || hasEntries ? (
        <PlanEntries target={target} state={data} />
      ) : (
        !work.isReading && !work.isPlanning && <Empty title={say.none} text={say.noneText} />
      )}
      {plan && plan.groups.length > 0 && <PlanGroups id={id} plan={plan} />}
    </>
  );
}

const clockLeewayMs = 5000;
/** A sweep that was asked for and does not begin waits behind others; the page stops waiting, the house does not. */
const patienceMs = 60_000;

interface Work {
  reading: Act;
  planning: Act;
  isReading: boolean;
  isPlanning: boolean;
  /** Reading was asked for here and has not begun. */
  isAsked: boolean;
}

/** Reading the target and then planning everyone from it, begun here and followed while it goes on. */
function useWork(id: string, data: PlanState | undefined, reload: () => void): Work {
  const [asked, setAsked] = useState<number>();
  const planning = useAct(async () => {
    await call('POST /targets/:id/plan', { params: { id }, body: {} });
    reload();
  });
  const reading = useAct(async () => {
    await call('POST /targets/:id/sweep', { params: { id }, body: {} });
    setAsked(Date.now());
    reload();
  });
  const isReading = data?.listing?.state === 'running' || asked !== undefined;
  const isPlanning = data?.run?.state === 'running';
  useLive(reload, isReading || isPlanning ? busySeconds : quietSeconds);
  // When what was asked for has been read, everyone is planned from it.
  const { listing } = data ?? {};
  useEffect(() => {
    if (asked === undefined || !listing || listing.state === 'running') return;
    // A second of leeway: clocks of servers and browsers are not one.
    if (Date.parse(listing.startedAt) < asked - clockLeewayMs && Date.now() < asked + patienceMs) return;
    setAsked(undefined);
    if (listing.state === 'complete') planning.act();
  }, [asked, listing]);
  return { reading, planning, isReading, isPlanning, isAsked: asked !== undefined };
}

function WorkButtons(props: { id: string; state: PlanState; work: Work; lists: boolean }) {
  const { id, state, work, lists } = props;
  const plan = state.run?.plan;
  return (
    <div class="actions">
      {lists && (
        <Button
          id="read-and-plan"
          label={say.readAndPlan}
          kind={plan || state.proposals.length > 0 ? 'quiet' : 'primary'}
          compact
          busy={work.reading.busy || work.isReading}
          onClick={work.reading.act}
        />
      )}
      {(state.listedAt !== undefined || !lists) && (
        <Button
          id="plan-again"
          label={lists ? say.planAgain : say.plan}
          kind="quiet"
          compact
          busy={work.planning.busy || work.isPlanning}
          onClick={work.planning.act}
        />
      )}
      {plan && <Export id={id} />}
    </div>
  );
}

function ModeNotice({ target }: { target: Target }) {
  if (target.mode !== 'off' && target.mode !== 'observe') return null;
  return (
    <Notice tone="info">
      <p>
        {target.mode === 'off' ? say.isOff : say.observes}{' '}
        <a href={`/admin/targets/${target.application}/settings`}>{say.changeMode}</a>
      </p>
    </Notice>
  );
}

/** Reading and planning, each with its own bar while it goes on. */
function HowFar({ state, isAsked }: { state: PlanState; isAsked: boolean }) {
  const { listing, run } = state;
  const people = useRef<number | undefined>(undefined);
  if (run?.plan) people.current = run.plan.people;
  // As many as last time, as far as one can know before they have been counted.
  const expected = run && people.current && run.done <= people.current ? people.current : undefined;
  const isReading = listing?.state === 'running';
  if (isReading || isAsked || run?.state === 'running')
    return (
      <section class="card tight" aria-live="polite">
        {isReading || isAsked ? (
          <Progress
            label={say.reading}
            done={isReading ? listing.seen : 0}
            total={isReading ? listing.total : undefined}
            said={isReading ? (listing.total ? undefined : say.seen(count(listing.seen))) : say.starts}
          />
        ) : (
          listing && <Progress label={say.reading} done={listing.seen} total={listing.seen} />
        )}
        {run?.state === 'running' && (
          <Progress
            label={say.planning}
            done={run.done}
            total={expected}
            said={expected ? undefined : say.looked(count(run.done))}
          />
        )}
      </section>
    );
  return (
    <>
      {listing?.state === 'short' && (
        <Notice tone="warning">
          {say.readShort} {listing.why}
        </Notice>
      )}
      {listing?.state === 'failed' && (
        <Notice tone="danger">
          {say.readFailed} {listing.why}
        </Notice>
      )}
      {run?.state === 'failed' && (
        <Notice tone="danger">
          {say.planFailed} {run.why}
        </Notice>
      )}
    </>
  );
}

/** How many of each verdict; each leads to those alone. */
function Totals({ id, plan }: { id: string; plan: Summary }) {
  const [{ verdict: wanted }] = useFilters('verdict');
  const there = allVerdicts.filter((verdict) => (plan.totals[verdict] ?? 0) > 0);
  return (
    <ul class="totals">
      {there.map((verdict) => (
        <li key={verdict}>
          {verdict === 'unchanged' ? (
            <span class="total">
              <strong>{count(plan.totals[verdict] ?? 0)}</strong>
              <VerdictBadge verdict={verdict} />
            </span>
          ) : (
            <a
              class="total"
              href={`/admin/targets/${id}/plan${verdict === wanted ? '' : `?verdict=${verdict}`}`}
              aria-current={verdict === wanted ? 'true' : undefined}
            >
              <strong>{count(plan.totals[verdict] ?? 0)}</strong>
              <VerdictBadge verdict={verdict} />
            </a>
          )}
        </li>
      ))}
    </ul>
  );
}

/** Time for reading and for writing stand apart: one is over, the other is to come. */
function Takes(props: { state: PlanState; plan: Summary; target: Target; connector: Connector | undefined }) {
  const { state, plan, target, connector } = props;
  const { listing } = state;
  const limits = target.settings.limits as { perMinute?: number } | undefined;
  const perMinute = limits?.perMinute ?? (connector?.limits.perMinute as number | undefined);
  const took = listing?.tookMs;
  const { people, outside, calls } = plan;
  const shown: { name: string; value: ComponentChildren; more: ComponentChildren }[] = [
    {
      name: say.writingTakes,
      value: calls === 0 ? say.nothingToWrite : say.seconds(plan.seconds),
      more: calls > 0 && say.changesIn(count(plan.writes), count(calls), perMinute && count(perMinute)),
    },
    {
      name: say.readTook,
      value: took === undefined ? words.never : say.seconds(took / 1000),
      more:
        listing && plan.listedAt ? (
          <>
            {say.accounts(count(listing.seen))}, <Time at={plan.listedAt} />
          </>
        ) : (
          say.noList
        ),
    },
    {
      name: say.planTook,
      value: say.seconds(plan.tookMs / 1000),
      more: (
        <>
          {say.peopleIn(count(people), count(outside))}, <Time at={plan.madeAt} />
        </>
      ),
    },
  ];
  return (
    <dl class="takes">
      {shown.map(({ name, value, more }) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <strong>{value}</strong>
            <span class="muted small">{more}</span>
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** On a phone one column holds it all: beside the name the sentence would be cut. */
function PlanGroups({ id, plan }: { id: string; plan: Summary }) {
  const phone = usePhone();
  const link = (one: Summary['groups'][number]) => (
    <a href={`/admin/targets/${id}/people/group:${one.group}`}>{one.name}</a>
  );
  const together: Column<Summary['groups'][number]>[] = [
    {
      title: say.group,
      cell: (one) => (
        <div class="who-planned">
          {link(one)}
          <VerdictBadge verdict={one.verdict} />
          <div>{one.why}</div>
        </div>
      ),
      breaks: true,
    },
  ];
  const apart: Column<Summary['groups'][number]>[] = [
    { title: say.group, cell: link, breaks: true },
    { title: say.nameThere, cell: (one) => one.nameThere, wide: true },
    { title: say.verdict, cell: (one) => <VerdictBadge verdict={one.verdict} /> },
    { title: say.why, cell: (one) => one.why, breaks: true },
  ];
  return (
    <Section title={say.groupsTitle}>
      <Table
        caption={say.groupsTitle}
        rows={plan.groups}
        keyOf={(one) => one.group}
        columns={phone ? together : apart}
      />
    </Section>
  );
}

/** The whole plan as a file, one line of JSON a person. */
function Export({ id }: { id: string }) {
  const { busy, refusal, act } = useAct(async () => {
    const file = URL.createObjectURL(await fetchFile(`/targets/${encodeURIComponent(id)}/plan/export`));
    const link = document.createElement('a');
    link.href = file;
    link.download = `plan-${id}.ndjson`;
    link.click();
    URL.revokeObjectURL(file);
  });
  return (
    <>
      <Button id="export" label={say.export} kind="quiet" compact busy={busy} onClick={act} />
      {refusal && <Refused error={refusal} />}
    </>
  );
}

/** The way to a decision, for a page's buttons. */
export function DecisionLinks(props: { id: string; query: string; approve: string; refuse: string }) {
  const { id, query, approve, refuse } = props;
  return (
    <>
      <LinkButton
        id="approve"
        label={approve}
        href={`/admin/targets/${id}/plan/approve${query}`}
        kind="primary"
        compact
      />
      <LinkButton id="refuse" label={refuse} href={`/admin/targets/${id}/plan/refuse${query}`} compact />
    </>
  );
}
