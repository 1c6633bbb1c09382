/** Groups of a source: planned once for preview and import alike, entered after everybody is in. */
import { addMembers, changeGroup, ensureGroups, findGroup, groupKey } from '#core/groups/groups.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { LegacyGroup } from '#sources/source.ts';
import { type Candidate, tidyLine } from './candidate.ts';
import type { Tally } from './tally.ts';

export interface PlannedGroup {
  name: string;
  description: string;
  /** Keys of records that this run brings (or would bring). */
  members: string[];
}

/**
 * Who enters which group. Only people whom this run brings: whoever was here before may have been taken out of a
 * group since, and is left as they are.
 */
export function planGroups(
  groups: readonly LegacyGroup[],
  candidates: readonly Candidate[],
  joined: ReadonlySet<string>,
  tally: Tally,
): PlannedGroup[] {
  const planned = new Map<string, PlannedGroup & { keys: Set<string> }>();
  const open = (given: string, line?: number, description = '') => {
    const { text: name } = tidyLine(given, 255);
    if (groupKey(name) === '') {
      tally.find('group-name', { line, who: given.slice(0, 120), text: 'The name is empty.' });
      return undefined;
    }
    const group = planned.get(groupKey(name)) ?? { name, description: '', members: [], keys: new Set() };
    group.description ||= tidyLine(description, 1000).text;
    planned.set(groupKey(name), group);
    return group;
  };
  for (const { name, description, line, members } of groups) {
    const group = open(name, line, description);
    for (const key of members) group?.keys.add(key);
  }
  const byKey = new Map(candidates.toReversed().map((one) => [one.key, one]));
  for (const candidate of byKey.values())
    for (const name of candidate.groups) open(name, candidate.line)?.keys.add(candidate.key);
  return [...planned.values()].map(({ name, description, keys }) => ({
    name,
    description,
    members: [...keys].filter((key) => isToEnter(key, name, byKey, joined, tally)),
  }));
}

function isToEnter(
  key: string,
  group: string,
  byKey: ReadonlyMap<string, Candidate>,
  joined: ReadonlySet<string>,
  tally: Tally,
): boolean {
  if (!byKey.has(key))
    tally.find('member-unknown', { who: key.slice(0, 200), text: `Named as member of ${group}.` });
  return joined.has(key);
}

/** How many of these groups are not here yet. */
export async function countNewGroups(tx: Tx, planned: readonly PlannedGroup[]): Promise<number> {
  let fresh = 0;
  for (const { name } of planned) if (!(await findGroup(tx, name))) fresh += 1;
  return fresh;
}

/** Enters some people into one group, made if needed. Returns what changed. */
export async function enterGroup(
  tx: Tx,
  { name, description }: PlannedGroup,
  people: readonly string[],
  source: string,
): Promise<{ made: boolean; entered: number }> {
  const made = !(await findGroup(tx, name));
  const id = (await ensureGroups(tx, [name], source)).get(name)!;
  if (made && description !== '') await changeGroup(tx, id, { description });
  return { made, entered: people.length === 0 ? 0 : await addMembers(tx, id, people) };
}
