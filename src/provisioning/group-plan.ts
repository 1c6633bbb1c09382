/** What would be done about one group at a target. Pure. Ids of groups that are yet to be made are ''. */
import type { Capabilities, GroupStep, RemoteGroup } from './connector.ts';
import type { GroupLink } from './groups.store.ts';
import type { Verdict } from './plan.ts';

export interface GroupPlan {
  verdict: Verdict;
  why: string;
  steps: GroupStep[];
  /** Steps that wait for the end: what is deleted when everybody has moved. */
  letGo?: boolean;
}

export interface GroupPlanInput {
  /** `removed`: not here any more. `deselected`: is here, and is not for this target. */
  standing: 'wanted' | 'deselected' | 'removed';
  /** What it should be called there, and the external id it gets there. */
  name: string;
  externalId: string;
  link?: GroupLink;
  /** The group there: the linked one, or one found by its name. */
  remote?: RemoteGroup;
  /** Why what was found cannot be this group. */
  dispute?: string;
  /** Accounts that should be in. */
  members: readonly string[];
  /** Accounts that are in and that we may take out. */
  removable: readonly string[];
  /** Accounts that are in. */
  current: readonly string[];
  capabilities: Pick<Capabilities, 'renameGroup' | 'membersBatch'>;
}

/** What to do about one group. */
export function planGroup(input: GroupPlanInput): GroupPlan {
  if (input.standing !== 'wanted') return planRemoval(input);
  const { remote, link, name, capabilities } = input;
  if (input.dispute) return { verdict: 'disputed', why: input.dispute, steps: [] };
  const steps: GroupStep[] = [];
  if (!remote) steps.push({ do: 'create-group', name, externalId: input.externalId });
  else if (remote.name !== name) {
    if (!capabilities.renameGroup)
      return {
        verdict: 'impossible',
        why: `The group is called ${remote.name} there, was not made from here, and cannot be renamed.`,
        steps: [],
      };
    steps.push({ do: 'rename-group', id: remote.id, name });
  }
  const id = remote?.id ?? '';
  const current = new Set(remote ? input.current : []);
  const wanted = new Set(input.members);
  const joins = input.members.filter((one) => !current.has(one));
  const leaves = remote ? input.removable.filter((one) => !wanted.has(one)) : [];
  const batch = capabilities.membersBatch;
  steps.push(...batches(joins, batch).map((members) => ({ do: 'add-members' as const, id, members })));
  steps.push(...batches(leaves, batch).map((members) => ({ do: 'remove-members' as const, id, members })));
  const former = (link?.formerIds ?? []).filter((one) => one !== remote?.id);
  steps.push(...former.map((one) => ({ do: 'delete-group' as const, id: one })));
  return { ...verdictOf(input, steps, { joins: joins.length, leaves: leaves.length }), steps };
}

function verdictOf(
  { remote, link }: GroupPlanInput,
  steps: readonly GroupStep[],
  { joins, leaves }: { joins: number; leaves: number },
): { verdict: Verdict; why: string } {
  const moves = `${joins} join, ${leaves} leave.`;
  if (!remote && (link?.formerIds.length ?? 0) > 0) {
    const why = `It has a new name, and groups cannot be renamed there: a new one is made, ${joins} move, the old one goes.`;
    return { verdict: 'create', why };
  }
  if (!remote) return { verdict: 'create', why: `There is no such group there yet; ${moves}` };
  if (link?.remoteId !== remote.id)
    return { verdict: 'link', why: `A group of this name is there already; ${moves}` };
  if (steps.length === 0) return { verdict: 'unchanged', why: 'The group there is as it should be.' };
  const renamed = steps.some((step) => step.do === 'rename-group') ? 'It has a new name; ' : '';
  return { verdict: 'update', why: `${renamed}${moves}` };
}

/** What we made goes, what was there before stays without those we put in; a group that is only not chosen stays. */
function planRemoval({ standing, link, remote, removable, capabilities }: GroupPlanInput): GroupPlan {
  if (!link) return { verdict: 'unchanged', why: 'This group is not for this app.', steps: [] };
  if (standing === 'deselected')
    return {
      verdict: 'unchanged',
      why: 'This group is not for this app any more. What is there stays as it is.',
      steps: [],
      letGo: true,
    };
  const why = 'The group was removed here.';
  const former = link.formerIds.map((id) => ({ do: 'delete-group' as const, id }));
  if (!remote)
    return { verdict: former.length > 0 ? 'delete' : 'unchanged', why, steps: former, letGo: true };
  if (link.created)
    return { verdict: 'delete', why, steps: [...former, { do: 'delete-group', id: remote.id }], letGo: true };
  const leaves = batches(removable, capabilities.membersBatch);
  const steps = leaves.map((members) => ({ do: 'remove-members' as const, id: remote.id, members }));
  return {
    verdict: 'update',
    why: `${why} The one there was there before and stays, without those we put in.`,
    steps: [...former, ...steps],
    letGo: true,
  };
}

function batches(all: readonly string[], size: number): string[][] {
  const count = Math.ceil(all.length / Math.max(1, size));
  return Array.from({ length: count }, (_, index) => all.slice(index * size, (index + 1) * size));
}
