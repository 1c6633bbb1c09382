/**
 * The way back for whoever gets no mail: one operator asks for a link, another one agrees and is shown it once, and they
 * hand it over. It sets a new password as a mailed one does, within an hour and once, and proves no address.
 * Owns `recovery_links`. Records recovery-link.*. Refuses the same operator twice, and the person themselves (AU-16).
 */
import { record } from '#core/events/events.ts';
import {
  findVerification,
  handRecovery,
  type Verification,
  withdrawVerifications,
} from '#core/people/verifications.ts';
import { Problem } from '#core/problem.ts';
import { newId } from '#kit/crypto/ids.ts';
import type { Tx } from '#kit/db/tx.ts';
import * as store from './recovery-links.store.ts';

export interface RecoveryLink {
  id: string;
  person: string;
  /** How the operator knows that it is them. */
  reason: string;
  askedBy: string;
  askedAt: Date;
  approvedBy?: string;
  approvedAt?: Date;
  /** What the link is derived from. */
  verification?: string;
  expiresAt?: Date;
  cancelledAt?: Date;
  /** The operator who called it off; nobody where the house did. */
  cancelledBy?: string;
}

export type LinkState = 'asked' | 'made' | 'used' | 'over' | 'cancelled';

/** Asks for one in the name of an operator. Refuses with `conflict` while another one waits. */
export async function askLink(
  tx: Tx,
  given: { person: string; reason: string; operator: string },
): Promise<void> {
  const link = { ...given, id: newId() };
  if (given.person === given.operator) throw new Problem('operator-forbidden');
  if (!(await store.insertLink(tx, link))) throw new Problem('conflict', { detail: 'one is open already' });
  await record(tx, 'recovery-link.asked', { person: given.person, data: { link: link.id } });
}

/**
 * A second operator agrees: what the link is derived from, for whoever shows it once. Refuses with
 * second-operator-needed for the one who asked, with operator-forbidden for whom it is about, and with not-found when none
 * waits.
 */
export async function approveLink(
  tx: Tx,
  given: { person: string; operator: string },
): Promise<Pick<Verification, 'id' | 'purpose' | 'expiresAt'>> {
  const link = await store.latestLink(tx, given.person);
  if (!link || link.approvedAt) throw new Problem('not-found');
  if (link.askedBy === given.operator) throw new Problem('second-operator-needed');
  if (given.person === given.operator) throw new Problem('operator-forbidden');
  const made = await handRecovery(tx, given.person);
  const { id: verification, expiresAt } = made;
  await store.approve(tx, { id: link.id, operator: given.operator, verification, expiresAt });
  await record(tx, 'recovery-link.approved', { person: given.person, data: { link: link.id } });
  return made;
}

/**
 * Calls off what waits, or a link that was made and is not used. False when there is none.
 * @param by the operator; nobody where the house does so
 */
export async function cancelLink(tx: Tx, person: string, by?: string): Promise<boolean> {
  const link = await store.latestLink(tx, person);
  if (!link || !['asked', 'made'].includes(await stateOf(tx, link))) return false;
  await withdrawVerifications(tx, person, ['handed']);
  await store.cancel(tx, link.id, by);
  await record(tx, 'recovery-link.cancelled', { person, data: { link: link.id } });
  return true;
}

async function stateOf(tx: Tx, link: RecoveryLink): Promise<LinkState> {
  if (link.cancelledAt) return 'cancelled';
  if (!link.verification) return 'asked';
  const verification = await findVerification(tx, link.verification);
  if (verification?.usedAt) return 'used';
  const isOpen = verification && !verification.withdrawnAt && verification.expiresAt > tx.now();
  return isOpen ? 'made' : 'over';
}

/** The latest of them, those that wait first, each as it stands now. */
export async function listLinks(tx: Tx, limit: number): Promise<(RecoveryLink & { state: LinkState })[]> {
  const found = await store.listLinks(tx, limit);
  return Promise.all(found.map(async (link) => ({ ...link, state: await stateOf(tx, link) })));
}
