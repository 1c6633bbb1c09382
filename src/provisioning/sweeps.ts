/**
 * Regular looks at whole targets: list, plan, and put to work or propose what differs. One job a target in a lane of
 * their own, several side by side, each ending rather than waiting long: a bad target delays no other.
 */
import { regularly } from '#kit/clock/regularly.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { enqueue, enqueueAll, type Job, type NewJob } from '#kit/queue/queue.ts';
import { type Lease, Retry as RetryJob, startWorker } from '#kit/queue/worker.ts';
import { releaseIdleBrakes } from './brake.ts';
import { Retry, Stop } from './connector.ts';
import { wantedGroups } from './group-verdicts.ts';
import { groupLinks } from './groups.store.ts';
import { subjectJob } from './intake.ts';
import * as listings from './listing.store.ts';
import { ListingOvertaken, type ListingState, listTarget } from './listing.ts';
import { planTarget, singleOrigins } from './reconcile.ts';
import { capabilitiesOf } from './situation.ts';
import { type SweepJob, sweepJob, sweepLane } from './sweep-job.ts';
import {
  connectorOf,
  findTarget,
  listTargets,
  openBlind,
  type ProvisioningNeeds,
  quarantine,
  requireTarget,
  type Target,
} from './targets.ts';
import { note } from './timeline.ts';

export interface RunningSweeps {
  /** Starts what is due and waits for it; what waits for another attempt stays. */
  settle(): Promise<void>;
  stop(): Promise<void>;
}

/** Far more than bad targets are likely at a time: each holds its place no longer than it is answered. */
const sideBySide = 16;
const lookEveryMs = 60_000;
/** A sweep that failed is not left for a whole day. */
const againAfterMs = 3_600_000;

/** Asks for a sweep now. Does nothing when one waits already. Refuses with `not-found`. */
export async function requestSweep(tx: Tx, application: string): Promise<void> {
  await requireTarget(tx, application);
  const by = tx.actor.name ?? tx.actor.kind;
  await enqueue(tx, sweepJob(application, { cause: 'button', actor: by }));
  const text = `${by} asked for the whole app to be looked at.`;
  await note(tx, { application, subject: 'target', kind: 'queued', text, actor: by });
}

/** Starts sweeping: on schedule, and when asked. */
export function startSweeps(needs: ProvisioningNeeds): RunningSweeps {
  const { database, log } = needs;
  const worker = startWorker<SweepJob>({
    database,
    log,
    lane: sweepLane,
    concurrency: sideBySide,
    maxAttempts: 5,
    backoff: { first: 30, most: 3600 },
    handle: (job, lease) => sweep(needs, job, lease),
  });
  const failed = (error: unknown) =>
    log.error({ err: error, code: 'sweeps-unread' }, 'which targets are to be swept could not be read');
  const looking = regularly({ everyMs: lookEveryMs, failed }, () => enqueueDue(needs));
  void looking.run();
  return {
    async settle() {
      await looking.run();
      await worker.idle();
    },
    async stop() {
      await looking.stop();
      await worker.stop({ drainSeconds: 2 });
    },
  };
}

async function enqueueDue(needs: ProvisioningNeeds): Promise<void> {
  await needs.database.transact(system(), (tx) => releaseIdleBrakes(tx));
  await needs.database.transact(system(), async (tx) => {
    for (const target of await listTargets(tx)) {
      if (target.mode === 'off' || target.quarantine || !needs.connectors.has(target.connector)) continue;
      const last = await listings.listingOf(tx, target.application);
      if (isDue(target, last, needs.clock.now()))
        await enqueue(tx, sweepJob(target.application, { cause: 'schedule' }));
    }
  });
}

/** Whether it is time to look again; pure. */
export function isDue(target: Pick<Target, 'settings'>, last: ListingState | undefined, now: Date): boolean {
  if (!last) return true;
  const usual = target.settings.sweepHours * 3_600_000;
  const ended = last.state === 'complete' || last.state === 'none';
  const pause = ended ? usual : Math.min(usual, againAfterMs);
  return now.getTime() - Date.parse(last.startedAt) >= pause;
}

/** One sweep of one target. */
async function sweep(needs: ProvisioningNeeds, job: Job<SweepJob>, lease: Lease): Promise<void> {
  const application = job.key;
  const target = await needs.database.look(system(), (tx) => findTarget(tx, application));
  if (!target || target.mode === 'off' || target.quarantine || !needs.connectors.has(target.connector))
    return;
  try {
    // Whoever asked for it just now wants it anew; a job that is made again, or is due, goes on.
    const resume = job.deaths > 0 || job.attempts > 1 || job.payload.cause === 'schedule';
    const listed = await look(needs, target, lease, resume);
    if (listed) await act(needs, listed, lease);
  } catch (error) {
    if (error instanceof ListingOvertaken) throw new RetryJob(60, error.message, { free: true });
    if (error instanceof Retry)
      throw new RetryJob(error.afterSeconds, error.message, { free: error.kind === 'rate' });
    if (!(error instanceof Stop)) throw error;
    if (error.holdsTarget)
      await needs.database.transact(system(), (tx) => quarantine(tx, application, error.message));
    // Kept with the target and in its timeline by the listing; the next one is due within the hour.
    const facts = { err: error, code: 'sweep-refused', application };
    needs.log.warn(facts, 'a target did not let itself be looked at');
  }
}

/** The target as it is after a complete listing; undefined where it was not complete. */
async function look(
  needs: ProvisioningNeeds,
  target: Target,
  lease: Lease,
  resume: boolean,
): Promise<Target | undefined> {
  const { list } = capabilitiesOf(connectorOf(needs, target), openBlind(needs, target));
  if (list) {
    const listing = await listTarget(needs, target, { signal: lease.signal, resume });
    return listing.complete ? listing.target : undefined;
  }
  const startedAt = needs.clock.now().toISOString();
  await needs.database.transact(system(), (tx) =>
    listings.writeListing(tx, target.application, { state: 'none', run: '', startedAt, seen: 0 }),
  );
  return target;
}

async function act(needs: ProvisioningNeeds, target: Target, lease: Lease): Promise<void> {
  const { application } = target;
  const plan = await planTarget(needs, target, { send: true, signal: lease.signal });
  await needs.database.transact(system(), async (tx) => {
    await lease.confirm(tx);
    await enqueueAll(tx, await groupJobs(tx, target));
    const differ = plan.people - plan.totals.unchanged;
    const text = `Looked at everybody: ${plan.totals.unchanged} as they should be, ${differ} not, ${plan.sent} put to work.`;
    await note(tx, { application, subject: 'target', kind: 'settled', text, cause: 'sweep' });
    await lease.finish(tx);
  });
}

/** Groups are compared when they are pushed. One that was brought here with many others is proposed the first time. */
async function groupJobs(tx: Tx, target: Target): Promise<NewJob[]> {
  const links = await groupLinks(tx, target.application);
  const settled = new Set(links.flatMap(({ group, settledAt }) => (settledAt ? [group] : [])));
  return (await wantedGroups(tx, target)).map(({ id, origin }) => {
    const cause = settled.has(id) || singleOrigins.has(origin) ? 'sweep' : 'import';
    return subjectJob(target.application, `group:${id}`, { cause });
  });
}
