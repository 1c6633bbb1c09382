/** One job of a target's lane: which function does it, and what its failures mean for the job, the target and people. */
import { record } from '#core/events/events.ts';
import { system } from '#kit/db/database.ts';
import { enqueueAll, type Job, LeaseLost } from '#kit/queue/queue.ts';
import { type Lease, Retry as RetryJob, Stop as StopJob } from '#kit/queue/worker.ts';
import { Retry, Stop } from './connector.ts';
import { settleGroup } from './groups.store.ts';
import { provisionGroup } from './groups.ts';
import { type LaneJob, subjectJob } from './intake.ts';
import { linksOf, settledLately, writeSettled } from './links.store.ts';
import { proposeMany } from './propose.ts';
import { provision } from './provision.ts';
import type { Push } from './push.ts';
import { findTarget, type ProvisioningNeeds, prepareTarget, quarantine, type Target } from './targets.ts';
import { note } from './timeline.ts';

export type LaneHandler = (
  needs: ProvisioningNeeds,
  target: Target,
  job: Job<LaneJob>,
  lease: Lease,
) => Promise<void>;
/** By what stands before the colon of a job's key. */
export type LaneHandlers = Readonly<Record<string, LaneHandler>>;

const builtIn: LaneHandlers = {
  async person(needs, target, job, lease) {
    await provision(needs, target, idOf(job), pushOf(job), lease);
  },
  async group(needs, target, job, lease) {
    await provisionGroup(needs, target, idOf(job), pushOf(job), lease);
  },
  batch: (needs, target, job, lease) =>
    proposeMany(needs, target, job.payload.people ?? [], pushOf(job), lease),
  /** What was not due yet is looked at anew, in the order of its subject. */
  async later({ database }, { application }, job, lease) {
    await database.transact(system(), async (tx) => {
      await enqueueAll(tx, [subjectJob(application, idOf(job), job.payload)]);
      await lease.finish(tx);
    });
  },
};

const idOf = ({ key }: Pick<Job, 'key'>) => key.slice(key.indexOf(':') + 1);

function pushOf(job: Job<LaneJob>): Push {
  const { cause, actor, approved } = job.payload;
  return { id: job.id, attempt: job.attempts, cause, actor, approved };
}

/** What the connector learned is asked for anew after so long. */
const preparedForMs = 3_600_000;
const prepared = new WeakMap<object, Map<string, number>>();

/** Does one job. Throws what the queue understands. */
export async function handleJob(
  needs: ProvisioningNeeds,
  handlers: LaneHandlers,
  application: string,
  job: Job<LaneJob>,
  lease: Lease,
): Promise<void> {
  const target = await needs.database.look(system(), (tx) => findTarget(tx, application));
  if (!target || target.mode === 'off') return;
  if (target.quarantine) throw new RetryJob(60, `Held: ${target.quarantine.why}`, { free: true });
  const kind = job.key.split(':', 1)[0] ?? '';
  const all = { ...handlers, ...builtIn };
  const handler = Object.hasOwn(all, kind) ? all[kind] : undefined;
  if (!handler) throw new StopJob(`Nobody knows what ${job.key} means.`);
  try {
    await handler(needs, await ready(needs, target), job, lease);
  } catch (error) {
    await fail(needs, target, job, lease, error);
  }
}

async function ready(needs: ProvisioningNeeds, target: Target): Promise<Target> {
  const known = prepared.get(needs.database) ?? new Map<string, number>();
  prepared.set(needs.database, known);
  const mark = `${target.application}/${target.version}`;
  const age = performance.now() - (known.get(mark) ?? Number.NEGATIVE_INFINITY);
  if (target.state !== undefined && age < preparedForMs) return target;
  // Said before it is done: others who come meanwhile work with what is known.
  if (target.state !== undefined) known.set(mark, performance.now());
  try {
    const fresh = await prepareTarget(needs, target);
    known.set(mark, performance.now());
    return fresh;
  } catch (error) {
    if (target.state === undefined || !(error instanceof Retry)) throw error;
    needs.log.info({ application: target.application, err: error }, 'a target could not be prepared anew');
    return target;
  }
}

/** What a failure means. Always throws. */
async function fail(
  needs: ProvisioningNeeds,
  target: Target,
  job: Job<LaneJob>,
  lease: Lease,
  error: unknown,
): Promise<never> {
  if (error instanceof LeaseLost || lease.signal.aborted) return lost(needs, target, job, lease, error);
  if (error instanceof Retry) return retry(needs, target, job, error);
  if (error instanceof Stop && error.holdsTarget) {
    await needs.database.transact(system(), (tx) => quarantine(tx, target.application, error.message));
    throw new RetryJob(5, error.message, { free: true });
  }
  const reason = error instanceof Error ? error.message : String(error);
  if (error instanceof Stop) {
    await setAside(needs, target, job, lease, reason);
    throw new StopJob(reason);
  }
  needs.log.error({ err: error, code: 'push-failed', application: target.application }, 'a push failed');
  if (job.attempts >= target.settings.attempts)
    await setAside(needs, target, job, lease, 'It failed here again and again; the log has more.');
  throw error;
}

/**
 * The job went to another worker while this one was asleep. What this one sent late may have come after what the other
 * one sent, so the subject is looked at once more.
 */
async function lost(
  { database }: ProvisioningNeeds,
  { application }: Target,
  job: Job<LaneJob>,
  lease: Lease,
  error: unknown,
): Promise<never> {
  const gone = error instanceof LeaseLost ? error : lease.signal.reason;
  if (gone instanceof LeaseLost && /^(person|group):/.test(job.key)) {
    const { approved, ...payload } = job.payload;
    await database.transact(system(), (tx) =>
      enqueueAll(tx, [subjectJob(application, job.key, { ...payload, cause: 'schedule' })]),
    );
  }
  throw gone instanceof LeaseLost ? gone : error;
}

/** Longer than this nothing is tried again by itself. */
const mostAgeMs = 3 * 86_400_000;
const lateMinutes = 5;

async function retry(
  { database }: ProvisioningNeeds,
  target: Target,
  job: Job<LaneJob>,
  error: Retry,
): Promise<never> {
  const { application, settings } = target;
  const reason = error.message;
  // While the target answers nobody, it is not this job's fault.
  const alive = await database.look(system(), (tx) => settledLately(tx, application, lateMinutes));
  const free = error.kind !== 'outage' || !alive;
  const tooOld = Date.now() - job.createdAt.getTime() > mostAgeMs;
  const ends = tooOld || (!free && job.attempts >= settings.attempts);
  if (subjectOf(job))
    await note(database, {
      application,
      subject: job.key,
      kind: ends ? 'dead' : 'retry',
      text: ends ? `Given up: ${reason}` : reason,
      attempt: job.attempts,
      cause: job.payload.cause,
      actor: job.payload.actor,
    });
  if (ends) throw new StopJob(reason);
  throw new RetryJob(error.afterSeconds, reason, { free });
}

const subjectOf = (job: Job) => (/^(person|group):/.test(job.key) ? job.key : undefined);

/** Trying again does not help: said at the subject, before the queue sets the job aside. */
async function setAside(
  { database }: ProvisioningNeeds,
  { application }: Target,
  job: Job<LaneJob>,
  lease: Lease,
  reason: string,
): Promise<void> {
  const [kind, id] = [job.key.split(':', 1)[0], idOf(job)];
  if (!subjectOf(job)) return;
  await database.transact(system(), async (tx) => {
    await lease.confirm(tx);
    const end = { application, ok: false, equal: false, problem: reason };
    if (kind === 'person') {
      const externalId = (await linksOf(tx, application, [id])).get(id)?.externalId ?? '';
      await writeSettled(tx, { ...end, person: id, externalId });
      await record(tx, 'account.refused', { person: id, application, data: { verdict: 'refused' } });
    } else await settleGroup(tx, application, { group: id, name: '', ok: false, problem: reason });
    const { cause, actor } = job.payload;
    const entry = { application, subject: job.key, attempt: job.attempts, cause, actor };
    await note(tx, { ...entry, kind: 'dead', text: `Set aside: ${reason}` });
  });
}
