/** Nothing is sent: what would be done is kept, for a person to decide, in the transaction that ends the job. */
import { digestOf } from './plan.ts';
import { findPlan, type NewPlan, writePlans } from './plans.store.ts';
import { fenced, type Work } from './push.ts';
import { note } from './timeline.ts';

/**
 * Keeps a plan of one subject.
 * @param how `left`: a person said no to exactly this, and that stays
 */
export async function keep(
  work: Work,
  plan: Pick<NewPlan, 'verdict' | 'why' | 'steps' | 'fields'>,
  how: 'proposed' | 'left' | 'held',
): Promise<void> {
  const { target, subject, push, lease } = work;
  const { application } = target;
  const digest = digestOf(plan.steps);
  await fenced(work, async (tx) => {
    const before = await findPlan(tx, application, subject);
    if (how !== 'left') {
      await writePlans(tx, application, [{ ...plan, subject, digest, state: how }]);
      if (!before?.digest.equals(digest) || (how === 'held' && before.state !== 'held')) {
        const text = how === 'held' ? `Held by the brake: ${plan.why}` : `Waits to be approved: ${plan.why}`;
        await note(tx, { application, subject, kind: how, text, cause: push.cause, actor: push.actor });
      }
    }
    await lease?.finish(tx);
  });
}
