/** Whether what is planned may be sent now. Pure. */
import type { GroupStep, Step } from './connector.ts';
import { digestOf } from './plan.ts';
import type { PlanRow } from './plans.store.ts';
import type { Push } from './push.ts';
import type { Target } from './targets.ts';

/** What was brought here by many at once pushes nothing by itself. */
export const silentCauses: ReadonlySet<string> = new Set(['import', 'sync', 'merge', 'demo']);

/** Regular work, which leaves alone what waits for a person. */
const regular: ReadonlySet<string> = new Set(['schedule', 'sweep', 'members']);
/** A person pressed a button about this very subject. */
const deliberate: ReadonlySet<string> = new Set(['button', 'admin']);

/** `send`; `propose`: keep it for a person to approve; `leave`: a person said no to exactly this. */
export type Permission = 'send' | 'propose' | 'leave';

export function permissionFor(
  target: Pick<Target, 'mode'>,
  push: Pick<Push, 'cause' | 'approved'>,
  row: Pick<PlanRow, 'state' | 'digest' | 'steps'> | undefined,
  steps: readonly (Step | GroupStep)[],
): Permission {
  if (target.mode === 'off') return 'leave';
  if (target.mode === 'observe') return 'propose';
  if (isApproved(push, row, steps)) return 'send';
  const same = row?.digest.equals(digestOf(steps)) ?? false;
  if (same && row?.state === 'refused' && !(target.mode === 'automatic' && deliberate.has(push.cause)))
    return 'leave';
  if (target.mode === 'plan' || silentCauses.has(push.cause)) return 'propose';
  if (row?.state === 'proposed' && regular.has(push.cause)) return 'propose';
  return 'send';
}

/**
 * Whether a person approved exactly these steps, or these are what is left of steps that were approved and begun.
 */
export function isApproved(
  push: Pick<Push, 'approved'>,
  row: Pick<PlanRow, 'state' | 'digest' | 'steps'> | undefined,
  steps: readonly (Step | GroupStep)[],
): boolean {
  const digest = digestOf(steps);
  if (push.approved === digest.toString('hex')) return true;
  if (row?.state !== 'approved') return false;
  const rests = Array.from({ length: row.steps.length + 1 }, (_, index) => row.steps.slice(index));
  return rests.some((rest) => digestOf(rest).equals(digest));
}
