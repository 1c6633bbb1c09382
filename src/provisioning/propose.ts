/** Many people at once, planned and kept to be approved: what imports, syncs and merges bring. Nothing is asked or sent. */

import type { Lease } from '#kit/queue/worker.ts';
import { digestOf } from './plan.ts';
import { deletePlans, holdPlans, type NewPlan, writePlans } from './plans.store.ts';
import { contextOf, type Push } from './push.ts';
import { type PersonPlan, planPeople } from './situation.ts';
import type { ProvisioningNeeds, Target } from './targets.ts';
import { noteAll } from './timeline.ts';

/** Plans for these people take the place of earlier ones. */
export async function proposeMany(
  needs: ProvisioningNeeds,
  target: Target,
  people: readonly string[],
  push: Push,
  lease: Lease,
): Promise<void> {
  const { application } = target;
  const context = contextOf(push);
  const planned = await needs.database.read(context, (tx) => planPeople(tx, needs, target, people));
  const kept = planned.filter(isWorthKeeping).map(toPlan);
  const subjects = new Set(kept.map(({ subject }) => subject));
  const settled = planned.map(subjectOf).filter((subject) => !subjects.has(subject));
  await needs.database.transact(context, async (tx) => {
    await lease.confirm(tx);
    await holdPlans(tx, application, planned.map(subjectOf));
    await writePlans(tx, application, kept);
    await deletePlans(tx, application, settled);
    await noteAll(
      tx,
      kept.map(({ subject, why }) => ({
        application,
        subject,
        kind: 'proposed' as const,
        text: `Waits to be approved: ${why}`,
        cause: push.cause,
        actor: push.actor,
      })),
    );
    await lease.finish(tx);
  });
}

const subjectOf = ({ situation }: PersonPlan) => `person:${situation.person}`;

/** Whether a plan says anything a person has to know or decide. */
export const isWorthKeeping = ({ plan }: PersonPlan): boolean => plan.verdict !== 'unchanged';

/** The row of a plan about a person. */
export function toPlan(planned: PersonPlan): NewPlan {
  const { verdict, why, steps, fields } = planned.plan;
  return { subject: subjectOf(planned), verdict, why, steps, fields, digest: digestOf(steps) };
}
