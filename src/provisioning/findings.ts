/** What is set at a target and will hardly do what was meant: for whoever looks at it, nothing is held because of it. */
import { requireApplication } from '#core/applications/applications.ts';
import { findGroup, groupKey, renamedGroups } from '#core/groups/groups.ts';
import type { Tx } from '#kit/db/tx.ts';
import { mentions } from '#kit/expressions/mentions.ts';
import { mappingVariables } from './mapping.ts';
import type { Target } from './targets.ts';

/**
 * One sentence for each. A mapping names groups by text, which no renaming of a group can follow: the expression would
 * go on comparing with a name nobody has.
 */
export async function findingsAt(
  tx: Tx,
  target: Pick<Target, 'application' | 'settings'>,
): Promise<string[]> {
  const named = Object.entries(target.settings.mapping).flatMap(([attribute, source]) =>
    mentions(source, mappingVariables, 'groups').map((name) => ({ attribute, name })),
  );
  if (named.length === 0) return [];
  const { settings } = await requireApplication(tx, target.application);
  const renamed = await renamedGroups(
    tx,
    named.map(({ name }) => name),
  );
  const findings: string[] = [];
  for (const { attribute, name } of named) {
    const wrong = await whatIsWrong(tx, settings.groupNames, renamed, name);
    if (wrong) findings.push(`The mapping of ${attribute} names the group "${name}", which ${wrong}.`);
  }
  return findings;
}

async function whatIsWrong(
  tx: Tx,
  groupNames: Readonly<Record<string, string>>,
  renamed: ReadonlyMap<string, string>,
  name: string,
): Promise<string | undefined> {
  const key = groupKey(name);
  for (const [from, to] of Object.entries(groupNames))
    if (to === name && (await groupOf(tx, groupKey(from)))) return undefined;
  const group = await groupOf(tx, key);
  if (group === undefined) {
    const now = renamed.get(key);
    return now === undefined ? 'does not exist' : `is called "${now}" now`;
  }
  const there = Object.entries(groupNames).find(([from]) => groupKey(from) === key)?.[1];
  // Expressions compare letter by letter.
  const shown = there ?? group;
  return shown === name ? undefined : `is called "${shown}" at this app`;
}

/** What the group of this key is called; an id is no name. */
async function groupOf(tx: Tx, key: string): Promise<string | undefined> {
  const group = await findGroup(tx, key);
  return group && groupKey(group.name) === key ? group.name : undefined;
}
