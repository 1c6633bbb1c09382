/** Refusals that can be foreseen: a name or an address that belongs to another account there, as the listing saw it. */
import type { Tx } from '#kit/db/tx.ts';
import { nameHolders } from './reconcile.store.ts';
import type { PersonPlan } from './situation.ts';
import { connectorOf, factsOf, type ProvisioningNeeds, type Target } from './targets.ts';

const words = { userName: 'user name', email: 'address' } as const;

/** The same plans; those the target would refuse have no steps and say why. */
export async function predictClashes(
  tx: Tx,
  needs: Pick<ProvisioningNeeds, 'connectors'>,
  target: Target,
  planned: readonly PersonPlan[],
): Promise<PersonPlan[]> {
  const facts = factsOf(target, connectorOf(needs, target));
  // Where nobody says that two accounts may share an address, they may not.
  const wanted = planned.flatMap((one) => wantedOf(one, facts.uniqueAddress !== false));
  const holders = await nameHolders(tx, target.application, wanted);
  if (holders.length === 0) return [...planned];
  const first = new Map(holders.toReversed().map((holder) => [holder.person, holder]));
  return planned.map((one) => {
    const held = first.get(one.situation.person);
    if (!held) return one;
    const whose = held.holder === undefined ? "nobody's here" : "another person's";
    const why = `The ${words[held.by]} belongs to another account there (${held.remoteId}), which is ${whose}.`;
    return { ...one, plan: { verdict: 'refused', why, steps: [], fields: one.plan.fields } };
  });
}

/** The names a plan would give to an account, where it would be new to them. */
function wantedOf(
  { situation, plan }: PersonPlan,
  uniqueAddress: boolean,
): { person: string; own: string; userName?: string; email?: string }[] {
  // Whoever is switched off is, whatever they are called.
  if (situation.standing !== 'active') return [];
  return plan.steps.flatMap((step) => {
    if (step.do !== 'create' && step.do !== 'update' && step.do !== 'invite') return [];
    const sends = (name: string) => step.do !== 'update' || step.fields.includes(name);
    const text = (name: string) => {
      const value = step.desired.attributes[name];
      return typeof value === 'string' && value !== '' && sends(name) ? value : undefined;
    };
    const userName = text('userName');
    const email = uniqueAddress ? text('email') : undefined;
    if (userName === undefined && email === undefined) return [];
    const own = step.do === 'update' ? step.id : '';
    return [{ person: situation.person, own, ...(userName && { userName }), ...(email && { email }) }];
  });
}
