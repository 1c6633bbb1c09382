/**
 * Accounts at a target that belong to nobody here. They are shown, and stay as they are until a person says what to do:
 * give one to somebody, leave it, or take it away. Taking away is proposed, approved and braked like everything else.
 */
import { record } from '#core/events/events.ts';
import { Problem } from '#core/problem.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { Lease } from '#kit/queue/worker.ts';
import { askBrake } from './brake.ts';
import { type Capabilities, type RemoteAccount, type Step, Stop } from './connector.ts';
import type { LaneHandlers } from './handle.ts';
import { keep } from './keep.ts';
import { holdersOf } from './links.store.ts';
import { isApproved } from './permission.ts';
import { digestOf, type Plan } from './plan.ts';
import { deletePlans, findPlan, writePlans } from './plans.store.ts';
import { fenced, type Push, type Work } from './push.ts';
import { relink } from './relink.ts';
import { capabilitiesOf } from './situation.ts';
import * as store from './strangers.store.ts';
import {
  connectorOf,
  openBlind,
  openTarget,
  type ProvisioningNeeds,
  requireTarget,
  type Target,
} from './targets.ts';
import { note } from './timeline.ts';

export { countStrangers, type Stranger, type StrangerFilter, strangers } from './strangers.store.ts';

export type StrangerDecision = { adopt: string } | 'ignore' | 'remove' | 'undecided';

/**
 * A person decides about an account of nobody. `remove` makes a proposal, which is approved like any other. Refuses with
 * `not-found` what the last listing did not see, `conflict` what is linked, `person-unknown`.
 */
export async function decideStranger(
  tx: Tx,
  needs: Pick<ProvisioningNeeds, 'secrets' | 'connectors'>,
  application: string,
  remoteId: string,
  decision: StrangerDecision,
): Promise<void> {
  const target = await requireTarget(tx, application);
  const account = await store.lockListed(tx, application, remoteId);
  if (!account) throw new Problem('not-found');
  if (account.holder !== undefined)
    throw new Problem('conflict', { detail: 'this account is linked to a person' });
  const subject = `stranger:${remoteId}`;
  const by = tx.actor.name ?? tx.actor.kind;
  await deletePlans(tx, application, [subject]);
  if (typeof decision === 'object') {
    await relink(tx, needs, application, decision.adopt, remoteId);
    return;
  }
  await store.writeDecision(tx, application, remoteId, decision === 'undecided' ? undefined : decision);
  const texts = {
    ignore: `${by} said to leave this account as it is.`,
    undecided: `${by} took back what was decided about this account.`,
    remove: `${by} asked for this account to be taken away.`,
  };
  await note(tx, { application, subject, kind: 'proposed', text: texts[decision], actor: by });
  if (decision !== 'remove') return;
  const connector = connectorOf(needs, target);
  const plan = planRemoval(target, capabilitiesOf(connector, openBlind(needs, target)), toRemote(account));
  await writePlans(tx, application, [{ ...plan, subject, digest: digestOf(plan.steps) }]);
}

function toRemote({ remoteId, externalId, active, attributes }: store.Stranger): RemoteAccount {
  return { id: remoteId, active, attributes, ...(externalId !== undefined && { externalId }) };
}

/** Deleted where leavers are deleted at once there, else switched off. */
function planRemoval(target: Target, capabilities: Capabilities, account: RemoteAccount): Plan {
  const { leaver } = target.settings;
  const desired = { externalId: account.externalId ?? '', active: false, attributes: account.attributes };
  const steps: Step[] = account.active ? [{ do: 'deactivate', id: account.id, desired }] : [];
  const fields = account.active ? [{ name: 'active', was: true, will: false }] : [];
  if (leaver.rule === 'delete' && capabilities.delete && (leaver.deleteAfterDays ?? 0) === 0) {
    steps.push({ do: 'delete', id: account.id });
    return { verdict: 'delete', why: 'This account is nobody’s here, and is deleted.', steps, fields };
  }
  if (steps.length === 0)
    return { verdict: 'unchanged', why: 'This account is switched off already.', steps, fields };
  return { verdict: 'deactivate', why: 'This account is nobody’s here, and is switched off.', steps, fields };
}

/** What the lanes of targets do about strangers, for `startProvisioning`. */
export const strangerHandlers: LaneHandlers = {
  async stranger(needs, target, job, lease) {
    const { cause, actor, approved } = job.payload;
    const push: Push = { id: job.id, attempt: job.attempts, cause, actor, approved };
    await removeStranger(needs, target, job.key.slice('stranger:'.length), push, lease);
  },
};

/**
 * Takes an account of nobody away, when that is still what was approved.
 * @throws Retry, Stop of connector.ts; LeaseLost
 */
export async function removeStranger(
  needs: ProvisioningNeeds,
  target: Target,
  remoteId: string,
  push: Push,
  lease: Lease,
): Promise<'removed' | 'nothing' | 'proposed'> {
  const subject = `stranger:${remoteId}`;
  const about = { subject, jobId: push.id, attempt: push.attempt, signal: lease.signal };
  const connection = await openTarget(needs, target, about);
  const connector = connectorOf(needs, target);
  const work: Work = { needs, target, connector, connection, subject, push, lease };
  const known = await needs.database.read(system(), async (tx) => ({
    holder: (await holdersOf(tx, target.application, [remoteId])).get(remoteId),
    row: await findPlan(tx, target.application, subject),
  }));
  if (known.holder !== undefined) return end(work, 'It belongs to a person here by now, and stays.');
  if (!known.row) return end(work, 'Nobody wants it taken away any more.');
  const account = await connection.read(remoteId);
  if (!account) return end(work, 'It is gone already.', 'gone');
  const plan = planRemoval(target, capabilitiesOf(connector, connection), account);
  if (plan.steps.length === 0) return end(work, plan.why, 'inactive');
  if (target.mode === 'observe' || !isApproved(push, known.row, plan.steps)) {
    await keep(work, plan, 'proposed');
    return 'proposed';
  }
  for (const step of plan.steps) await applyRemoval(work, remoteId, step);
  const gone = plan.steps.some((step) => step.do === 'delete');
  await end(work, `Done (${plan.verdict}): ${plan.why}`, gone ? 'gone' : 'inactive');
  return 'removed';
}

/** Counted by the brake, and only while it is nobody's. */
async function applyRemoval(work: Work, remoteId: string, step: Step): Promise<void> {
  const { application } = work.target;
  const { subject } = work;
  const kind = step.do === 'delete' ? 'delete' : 'deactivate';
  await fenced(work, async (tx) => {
    const account = await store.lockListed(tx, application, remoteId);
    if (account?.holder !== undefined) throw new Stop('refused', 'It belongs to a person here by now.');
    await askBrake(tx, work.target, { subject, kind, approved: true });
  });
  await work.connection.apply(step).catch((error: unknown) => {
    // Taking away what is not there is done already.
    if (!(error instanceof Stop && error.code === 'gone')) throw error;
  });
  await fenced(work, async (tx) => {
    const type = kind === 'delete' ? 'account.deleted' : 'account.deactivated';
    await record(tx, type, { application, data: { remote: remoteId } });
    if (kind === 'delete') await store.writeDeleted(tx, application, remoteId);
  });
}

async function end(work: Work, text: string, state?: 'inactive' | 'gone'): Promise<'nothing'> {
  const { target, subject, push, lease } = work;
  const { application } = target;
  await fenced(work, async (tx) => {
    await deletePlans(tx, application, [subject]);
    if (state) await store.writeRemoved(tx, application, subject.slice('stranger:'.length), state);
    const { cause, actor } = push;
    await note(tx, { application, subject, kind: 'settled', text, cause, actor, attempt: push.attempt });
    await lease?.finish(tx);
  });
  return 'nothing';
}
