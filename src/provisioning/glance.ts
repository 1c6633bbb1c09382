/** How a target is doing, at one look. */
import type { Tx } from '#kit/db/tx.ts';
import { lookAt } from '#kit/queue/look.ts';
import { decisionsAt } from './approval.ts';
import { findingsAt } from './findings.ts';
import { laneOf, type Target } from './targets.ts';

/** What waits, runs and was given up; what a person is to decide; what is set and will hardly do what was meant. */
export async function glance(tx: Tx, target: Target) {
  return {
    queue: await lookAt(tx, laneOf(target.application)),
    decisions: await decisionsAt(tx, target.application),
    findings: await findingsAt(tx, target),
  };
}
