/**
 * The brake: too many deactivations and deletions at one target within its window, whatever caused them, and it stops
 * there until a person has looked (SC-07). What exceeds is held in `target_plans`; everything else goes on.
 * Owns `target_removals`, `target_brakes`. Records brake.engaged, brake.released.
 */
import { record } from '#core/events/events.ts';
import { Problem } from '#core/problem.ts';
import { newId } from '#kit/crypto/ids.ts';
import type { Tx } from '#kit/db/tx.ts';
import { enqueueAll } from '#kit/queue/queue.ts';
import * as store from './brake.store.ts';
import { laneOf, listTargets, requireTarget, type Target } from './targets.ts';
import { note, noteAll, type Subject } from './timeline.ts';

export type Removal = 'deactivate' | 'delete';

/**
 * Asked in a transaction of its own right before an account is taken away. `held`: nothing may be sent; the caller
 * keeps the plan as held. A removal that is tried again, or was approved by a person, is not counted again.
 */
export async function askBrake(
  tx: Tx,
  target: Target,
  removal: { subject: Subject; kind: Removal; approved?: boolean },
): Promise<'go' | 'held'> {
  const { application } = target;
  const { brake } = target.settings;
  await store.lockWindow(tx, application);
  if (removal.approved) {
    await store.insertRemoval(tx, { application, ...removal, approved: true });
    return 'go';
  }
  const window = await store.windowOf(tx, {
    application,
    subject: removal.subject,
    minutes: brake.windowMinutes,
  });
  if (window.already) return 'go';
  if (window.open) return 'held';
  const count = window.count + 1;
  const why = tooMany(count, window.accounts, brake);
  if (!why) {
    await store.insertRemoval(tx, { application, ...removal, approved: false });
    return 'go';
  }
  await store.insertBrake(tx, { id: newId(), application, why });
  await record(tx, 'brake.engaged', { application, data: { count, accounts: window.accounts } });
  return 'held';
}

/** Why this many are too many, in one sentence; undefined when they are not. */
export function tooMany(
  count: number,
  accounts: number,
  brake: Target['settings']['brake'],
): string | undefined {
  const within = `within ${brake.windowMinutes} minutes`;
  if (count > brake.count) return `More than ${brake.count} accounts would have been taken away ${within}.`;
  const share = Math.round(brake.share * 1000) / 10;
  if (count >= brake.least && count > brake.share * accounts)
    return `More than ${share} % of ${accounts} accounts would have been taken away ${within}.`;
  return undefined;
}

export interface BrakeState {
  /** Present while engaged. */
  engaged?: { id: string; since: Date; why: string };
  /** What waits for a decision. */
  held: store.HeldPlan[];
  /** What went through within the window, newest first. */
  removals: store.RecentRemoval[];
  limits: { count: number; share: number; windowMinutes: number; accounts: number };
}

/** What an administrator sees of the brake of a target. */
export async function brakeState(tx: Tx, application: string): Promise<BrakeState> {
  const target = await requireTarget(tx, application);
  const { count, share, windowMinutes } = target.settings.brake;
  const engaged = await store.openBrake(tx, application);
  return {
    engaged,
    held: await store.heldPlans(tx, application),
    removals: await store.removalsWithin(tx, application, windowMinutes),
    limits: { count, share, windowMinutes, accounts: await store.accountsOf(tx, application) },
  };
}

export interface BrakeDecision {
  /** Held subjects that may go, or all of them. */
  approve?: readonly Subject[] | 'all';
  /** Held subjects that stay as they are, or all that are not approved. */
  refuse?: readonly Subject[] | 'rest';
}

/**
 * A person decides about what is held. Approved ones go at once, exactly as planned; refused ones are left alone until
 * what we want of them changes. When nothing is held any more the brake is off. Refuses with `conflict` when it is off.
 */
export async function releaseBrake(
  tx: Tx,
  application: string,
  decision: BrakeDecision,
): Promise<{ approved: number; refused: number; left: number }> {
  const target = await requireTarget(tx, application);
  await store.lockWindow(tx, application);
  const held = await store.heldPlans(tx, application);
  const engaged = await store.openBrake(tx, application);
  if (!engaged && held.length === 0) throw new Problem('conflict', { detail: 'the brake is not engaged' });
  const wanted = decision.approve ?? [];
  const approved = held.filter(({ subject }) => wanted === 'all' || wanted.includes(subject));
  const rest = held.filter((one) => !approved.includes(one));
  const unwanted = decision.refuse ?? [];
  const refused = rest.filter(({ subject }) => unwanted === 'rest' || unwanted.includes(subject));
  const by = tx.actor.name ?? tx.actor.kind;
  await store.decide(tx, application, approved, 'approved', by);
  await store.decide(tx, application, refused, 'refused', by);
  await enqueueAll(
    tx,
    approved.map(({ subject, digest }) => ({
      lane: laneOf(target.application),
      key: subject,
      payload: { cause: 'brake', actor: by, approved: digest },
      dedupe: `${laneOf(application)}:${subject}`,
    })),
  );
  await noteAll(tx, [
    ...approved.map(({ subject }) => ({
      application,
      subject,
      kind: 'approved' as const,
      text: `${by} let it go.`,
    })),
    ...refused.map(({ subject }) => ({
      application,
      subject,
      kind: 'rejected' as const,
      text: `${by} said no.`,
    })),
  ]);
  const left = held.length - approved.length - refused.length;
  if (left === 0 && engaged) {
    const outcome = refused.length === 0 ? 'approved' : approved.length === 0 ? 'refused' : 'trimmed';
    await store.closeBrake(tx, engaged.id, by, outcome);
    await record(tx, 'brake.released', {
      application,
      data: { approved: approved.length, refused: refused.length },
    });
  }
  return { approved: approved.length, refused: refused.length, left };
}

/**
 * Brakes that hold nothing any more and whose window is over go off by themselves: what was held was decided, or is not
 * wanted any longer. Returns the applications they were engaged for.
 */
export async function releaseIdleBrakes(tx: Tx): Promise<string[]> {
  const released: string[] = [];
  for (const { application, settings } of await listTargets(tx)) {
    if (!(await store.openBrake(tx, application))) continue;
    // From here on nothing is held at this target before we are done.
    await store.lockWindow(tx, application);
    const idle = await store.idleBrake(tx, application, settings.brake.windowMinutes);
    if (!idle) continue;
    await store.closeBrake(tx, idle, tx.actor.name ?? tx.actor.kind, 'over');
    await record(tx, 'brake.released', { application, data: { approved: 0, refused: 0 } });
    const text = 'The brake is off again: nothing is held any more, and its window is over.';
    await note(tx, { application, subject: 'target', kind: 'settled', text });
    released.push(application);
  }
  return released;
}

/** Forgets removals that no window can reach any more. */
export const sweepRemovals = store.deleteOldRemovals;
