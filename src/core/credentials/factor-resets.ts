/**
 * The way back for whoever lost every further proof and the recovery codes: one operator asks, another agrees, the person
 * is told and may object, and only then everything is taken away.
 * Owns `factor_resets`. Records factor-reset.*. Refuses the same operator twice (AU-16).
 */
import { record } from '#core/events/events.ts';
import { Problem } from '#core/problem.ts';
import { newId } from '#kit/crypto/ids.ts';
import type { Tx } from '#kit/db/tx.ts';
import * as store from './factor-resets.store.ts';
import { factorsOf } from './factors.ts';

export interface FactorReset {
  id: string;
  person: string;
  reason: string;
  askedBy: string;
  askedAt: Date;
  approvedBy?: string;
  approvedAt?: Date;
  /** When it happens; set once it is approved. */
  dueAt?: Date;
}

/** One as it stands now, open or over. */
export interface PastReset extends FactorReset {
  doneAt?: Date;
  cancelledAt?: Date;
  /** The operator who called it off, or the person; nobody where the house did. */
  cancelledBy?: string;
}

/** The latest of them, open ones first. */
export const listResets = store.listResets;

/** The one that is open for a person. */
export const openReset = store.openReset;

/** Asks for it in the name of an operator. Refuses with `conflict` while another one is open. */
export async function askReset(
  tx: Tx,
  given: { person: string; reason: string; operator: string },
): Promise<FactorReset> {
  const reset = { ...given, id: newId() };
  if (!(await store.insertReset(tx, reset))) throw new Problem('conflict', { detail: 'one is open already' });
  await record(tx, 'factor-reset.asked', { person: given.person, data: { reset: reset.id } });
  return {
    id: reset.id,
    person: given.person,
    reason: given.reason,
    askedBy: given.operator,
    askedAt: tx.now(),
  };
}

/**
 * A second operator agrees: it happens after the waiting time. Refuses with second-operator-needed for the one who asked,
 * with operator-forbidden for whom it is about, and with not-found when none is open.
 */
export async function approveReset(
  tx: Tx,
  given: { person: string; operator: string; waitHours: number },
): Promise<FactorReset> {
  const reset = await store.openReset(tx, given.person, true);
  if (!reset) throw new Problem('not-found');
  if (reset.askedBy === given.operator) throw new Problem('second-operator-needed');
  if (given.person === given.operator) throw new Problem('operator-forbidden');
  if (reset.approvedAt) return reset;
  const dueAt = new Date(tx.now().getTime() + given.waitHours * 3_600_000);
  await store.approve(tx, reset.id, given.operator, dueAt);
  await record(tx, 'factor-reset.approved', { person: given.person, data: { reset: reset.id } });
  return { ...reset, approvedBy: given.operator, approvedAt: tx.now(), dueAt };
}

/**
 * Calls it off. False when none is open.
 * @param by the operator, or the person; nobody where the house does so
 */
export async function cancelReset(tx: Tx, person: string, by?: string): Promise<boolean> {
  const reset = await store.openReset(tx, person, true);
  if (!reset) return false;
  await store.cancel(tx, reset.id, by);
  const told = reset.approvedAt !== undefined;
  await record(tx, 'factor-reset.cancelled', { person, data: { reset: reset.id, told } });
  return true;
}

/** Those whose waiting time is over, held until the transaction ends; up to 100. */
export const dueResets = store.dueResets;

/** Takes every further proof of a person away. An open reset is done by it. */
export async function dropFactors(tx: Tx, person: string, by: 'two-operators' | 'machine'): Promise<void> {
  const { passkeys, totp } = await factorsOf(tx, person);
  await store.deleteFactors(tx, person);
  await store.done(tx, person);
  await record(tx, 'factor-reset.done', { person, data: { by, passkeys, totp } });
}
