/**
 * Everyone at once: the plan for each person at a target, from the last listing, by the very functions that push. What
 * differs is kept to be approved, or put to work where the target's mode and the person's standing there allow it.
 * Five hundred people at a time: how many there are costs time, not memory.
 */
import { usernameKey } from '#core/people/names.ts';
import { findPeople, listPeople } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { enqueueAll } from '#kit/queue/queue.ts';
import { predictClashes } from './clashes.ts';
import { type Estimate, estimator } from './estimate.ts';
import { type GroupVerdict, groupVerdicts } from './group-verdicts.ts';
import { subjectJob } from './intake.ts';
import { type ListingState, listingOf } from './listing.ts';
import { isApproved, permissionFor } from './permission.ts';
import { digestOf, type FieldChange, type Verdict, verdicts } from './plan.ts';
import { deletePlans, holdPlans, type NewPlan, type PlanRow, writePlans } from './plans.store.ts';
import { isWorthKeeping, toPlan } from './propose.ts';
import * as store from './reconcile.store.ts';
import { capabilitiesOf, type PersonPlan, planPeople } from './situation.ts';
import { countStrangers } from './strangers.store.ts';
import { connectorOf, openBlind, type ProvisioningNeeds, type Target } from './targets.ts';
import { noteAll } from './timeline.ts';

/** What would be done about one person, in words. */
export interface PersonVerdict {
  person: string;
  /** User name at the app; undefined for someone who is not known here any more. */
  username?: string;
  verdict: Verdict;
  /** One sentence for an administrator. */
  why: string;
  fields: FieldChange[];
  steps: string[];
  /** When something is to be done that is not due yet. */
  next?: Date;
  /** `sends`: goes by itself, or was approved. `waits`: for a person. `left`: a person said no. `none`: nothing to do. */
  outlook: 'sends' | 'waits' | 'left' | 'none';
}

export interface TargetPlan extends Estimate {
  application: string;
  mode: Target['mode'];
  madeAt: Date;
  /** The plan speaks of this moment; undefined at targets that cannot be listed. */
  listedAt?: Date;
  /** How the last listing went: its time is not part of `seconds`. */
  listing?: ListingState;
  /** People with a verdict: in scope, or with a link. */
  people: number;
  /** Everybody else known here. */
  outside: number;
  totals: Record<Verdict, number>;
  /** How many were put to work. */
  sent: number;
  groups: GroupVerdict[];
  strangers: { undecided: number; decided: number };
  tookMs: number;
}

export interface PlanOptions {
  /** Keep what is to be approved in `target_plans`; default true. */
  keep?: boolean;
  /** Put to work what may go by itself; default false. */
  send?: boolean;
  signal?: AbortSignal;
  onPeople?: (people: PersonVerdict[]) => void | Promise<void>;
}

const peopleAtOnce = 500;

/**
 * Plans for everyone from the last listing. Refuses with `conflict` a target that can be listed and never was.
 */
export async function planTarget(
  needs: ProvisioningNeeds,
  target: Target,
  options: PlanOptions = {},
): Promise<TargetPlan> {
  const { application } = target;
  const began = performance.now();
  const madeAt = needs.clock.now();
  const estimate = estimator(needs, target);
  const totals = Object.fromEntries(verdicts.map((verdict) => [verdict, 0])) as Record<Verdict, number>;
  const counts = { people: 0, outside: 0, sent: 0 };
  for await (const batch of planBatches(needs, target, options)) {
    counts.people += batch.planned.length;
    counts.outside += batch.outside;
    counts.sent += batch.sent;
    for (const { planned } of batch.planned) {
      totals[planned.plan.verdict] += 1;
      estimate.add(planned);
    }
    await options.onPeople?.(batch.planned.map(({ planned, outlook }) => toVerdict(planned, outlook)));
  }
  return needs.database.read(system(), async (tx) => ({
    application,
    mode: target.mode,
    madeAt,
    ...(target.listedAt === undefined ? {} : { listedAt: target.listedAt }),
    listing: await listingOf(tx, application),
    ...counts,
    totals,
    ...estimate.result(),
    groups: await groupVerdicts(tx, needs, target),
    strangers: await countStrangers(tx, application),
    tookMs: Math.round(performance.now() - began),
  }));
}

/** The same person by person, as they are planned; nothing is kept or sent. */
export async function* streamPlan(
  needs: ProvisioningNeeds,
  target: Target,
  options: Pick<PlanOptions, 'signal'> = {},
): AsyncGenerator<PersonVerdict> {
  for await (const { planned } of planBatches(needs, target, { ...options, keep: false }))
    for (const one of planned) yield toVerdict(one.planned, one.outlook);
}

function toVerdict({ situation, plan }: PersonPlan, outlook: PersonVerdict['outlook']): PersonVerdict {
  const { person, profile } = situation;
  const { verdict, why, fields, steps, next } = plan;
  return {
    person,
    ...(profile && { username: profile.username }),
    verdict,
    why,
    fields,
    steps: steps.map((step) => step.do),
    ...(next && { next }),
    outlook,
  };
}

interface Judged {
  planned: PersonPlan;
  outlook: PersonVerdict['outlook'];
}

interface Batch {
  planned: Judged[];
  outside: number;
  sent: number;
}

async function* planBatches(
  needs: ProvisioningNeeds,
  target: Target,
  options: PlanOptions,
): AsyncGenerator<Batch> {
  requireListed(needs, target);
  for await (const people of everyone(needs, target)) {
    options.signal?.throwIfAborted();
    yield await planBatch(needs, target, people, options);
  }
}

function requireListed(needs: ProvisioningNeeds, target: Target): void {
  const { list } = capabilitiesOf(connectorOf(needs, target), openBlind(needs, target));
  if (list && !target.listedAt) throw new Problem('conflict', { detail: 'this target was never listed' });
}

/** Origin of each person of a batch; nobody for those who are not known here any more. */
type People = ReadonlyMap<string, string | undefined>;

async function* everyone({ database }: ProvisioningNeeds, { application }: Target): AsyncGenerator<People> {
  for (let after: string | undefined; ; ) {
    const page = await database.look(system(), (tx) => listPeople(tx, { after, limit: peopleAtOnce }));
    if (page.length > 0) yield new Map(page.map(({ id, origin }) => [id, origin]));
    const last = page.at(-1);
    if (!last || page.length < peopleAtOnce) break;
    after = usernameKey(last.username);
  }
  for (let after: string | undefined; ; ) {
    const page = { after, limit: peopleAtOnce };
    const linked = await database.look(system(), (tx) => store.linkedPeople(tx, application, page));
    const known = await database.look(system(), (tx) => findPeople(tx, linked));
    const here = new Set(known.map(({ id }) => id));
    const gone = linked.filter((person) => !here.has(person));
    if (gone.length > 0) yield new Map(gone.map((person) => [person, undefined]));
    if (linked.length < peopleAtOnce) return;
    after = linked.at(-1);
  }
}

async function planBatch(
  needs: ProvisioningNeeds,
  target: Target,
  people: People,
  options: PlanOptions,
): Promise<Batch> {
  const { application } = target;
  const ids = [...people.keys()];
  const keeps = options.keep !== false && target.mode !== 'off';
  const work = async (tx: Tx): Promise<Batch> => {
    if (keeps) await store.holdLinks(tx, application, ids);
    const all = await planPeople(tx, needs, target, ids);
    if (keeps) await holdPlans(tx, application, all.map(subjectOf));
    const rows = await store.plansOf(tx, application, all.map(subjectOf));
    const foreseen = await predictClashes(tx, needs, target, all.filter(concerns));
    const mine = foreseen.map((one) => refusedBefore(one, rows.get(subjectOf(one))));
    const planned = mine.map((one): Judged => {
      const silent = isSilent(one, people.get(one.situation.person));
      return { planned: one, outlook: outlookOf(target, one, rows.get(subjectOf(one)), silent) };
    });
    if (keeps) await keepPlans(tx, target, planned, rows);
    const sent = keeps && options.send ? await send(tx, target, planned) : 0;
    return { planned, outside: all.length - mine.length, sent };
  };
  return keeps ? needs.database.transact(system(), work) : needs.database.read(system(), work);
}

/** What the target refused (409) for an account that no listing shows stays refused; its steps can be tried again. */
function refusedBefore(one: PersonPlan, row: store.KnownPlan | undefined): PersonPlan {
  if (one.plan.verdict !== 'create' || row?.verdict !== 'refused') return one;
  return { ...one, plan: { ...one.plan, verdict: 'refused', why: row.why } };
}

const subjectOf = ({ situation }: PersonPlan) => `person:${situation.person}`;

/** Whether there is anything to say: in scope, or an account of theirs is or was known. */
const concerns = ({ situation }: PersonPlan) => situation.standing !== 'out' || situation.link !== undefined;

/** Ways in that are a person's own doing, or an operator's about this person or group. */
export const singleOrigins: ReadonlySet<string> = new Set(['sign-up', 'apply', 'admin', 'setup']);

/** Brought here with many others and never let into this target: nothing is done about them by itself. */
function isSilent({ situation }: PersonPlan, origin: string | undefined): boolean {
  const { link } = situation;
  if (link?.remoteId !== undefined || link?.settledAt !== undefined) return false;
  return origin !== undefined && !singleOrigins.has(origin);
}

/** What a person would have to be asked about is stuck; there is nothing to send. */
const hasWork = ({ plan }: PersonPlan) => plan.steps.length > 0 || plan.verdict === 'link';

function outlookOf(
  target: Target,
  planned: PersonPlan,
  row: store.KnownPlan | undefined,
  silent: boolean,
): PersonVerdict['outlook'] {
  const { plan } = planned;
  if (plan.verdict === 'unchanged') return 'none';
  if (!hasWork(planned)) return 'waits';
  if (row?.state === 'held' && row.digest.equals(digestOf(plan.steps))) return 'waits';
  const permission = permissionFor(target, { cause: silent ? 'import' : 'sweep' }, row, plan.steps);
  return permission === 'send' ? 'sends' : permission === 'leave' ? 'left' : 'waits';
}

/** Decisions stay where the steps are the same; what is no longer so is forgotten; what goes by itself is not proposed. */
async function keepPlans(
  tx: Tx,
  target: Target,
  planned: readonly Judged[],
  rows: ReadonlyMap<string, store.KnownPlan>,
): Promise<void> {
  const { application } = target;
  const writes = planned.filter(({ planned: one, outlook }) => {
    if (!isWorthKeeping(one) || outlook === 'sends') return false;
    return !isBegun(rows.get(subjectOf(one)), one);
  });
  const kept = writes.map(({ planned: one }): NewPlan => toPlan(one));
  await writePlans(tx, application, kept);
  const open = planned.filter(({ outlook }) => outlook !== 'none').map(({ planned: one }) => subjectOf(one));
  const stays = new Set(open);
  const over = [...rows.keys()].filter((subject) => !stays.has(subject));
  await deletePlans(tx, application, over);
  const fresh = kept.filter(({ subject, digest }) => !rows.get(subject)?.digest.equals(digest));
  await noteAll(
    tx,
    fresh.map(({ subject, why }) => ({
      application,
      subject,
      kind: 'proposed' as const,
      text: `Waits to be approved: ${why}`,
      cause: 'sweep',
    })),
  );
  if (target.listedAt === undefined) return;
  const equal = planned.filter(
    ({ planned: { plan, situation } }) =>
      plan.verdict === 'unchanged' &&
      situation.standing === 'active' &&
      situation.link?.remoteId !== undefined,
  );
  await store.markEqual(
    tx,
    application,
    equal.map(({ planned: { situation } }) => situation.person),
    target.listedAt,
  );
}

/** What was approved and is being carried out: a part of it may be done already. */
function isBegun(
  row: Pick<PlanRow, 'state' | 'digest' | 'steps'> | undefined,
  { plan }: PersonPlan,
): boolean {
  return row?.state === 'approved' && plan.steps.length > 0 && isApproved({}, row, plan.steps);
}

async function send(tx: Tx, target: Target, planned: readonly Judged[]): Promise<number> {
  const { application } = target;
  // In the order of decisions, which put the same jobs to work.
  const going = planned
    .filter(({ outlook }) => outlook === 'sends')
    .toSorted(({ planned: one }, { planned: two }) => (subjectOf(one) < subjectOf(two) ? -1 : 1));
  const jobs = going.map(({ planned: one }) => subjectJob(application, subjectOf(one), { cause: 'sweep' }));
  const sent = await enqueueAll(tx, jobs);
  await noteAll(
    tx,
    going.map(({ planned: one }) => ({
      application,
      subject: subjectOf(one),
      kind: 'queued' as const,
      text: `A sweep found a difference: ${one.plan.why}`,
      cause: 'sweep',
    })),
  );
  return sent;
}
