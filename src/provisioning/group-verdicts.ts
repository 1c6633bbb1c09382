/** What the last listing says about the groups a target gets: by name and id; members are compared when one is pushed. */
import { requireApplication } from '#core/applications/applications.ts';
import { type Group, groupKey, listGroups } from '#core/groups/groups.ts';
import type { Tx } from '#kit/db/tx.ts';
import { type GroupLink, groupLinks } from './groups.store.ts';
import { isWanted } from './groups.ts';
import { type ListedGroup, listedGroups } from './listing.ts';
import type { Verdict } from './plan.ts';
import { capabilitiesOf } from './situation.ts';
import { connectorOf, openBlind, type ProvisioningNeeds, type Target } from './targets.ts';

export interface GroupVerdict {
  group: string;
  /** Here, and what it is called there. */
  name: string;
  nameThere: string;
  verdict: Extract<Verdict, 'create' | 'link' | 'update' | 'unchanged' | 'disputed'>;
  why: string;
}

const groupsAtOnce = 500;

/** A verdict for each group this target gets. */
export async function groupVerdicts(
  tx: Tx,
  needs: Pick<ProvisioningNeeds, 'connectors'>,
  target: Target,
): Promise<GroupVerdict[]> {
  if (target.settings.groups === 'none') return [];
  const { settings } = await requireApplication(tx, target.application);
  const names = new Map(Object.entries(settings.groupNames).map(([from, to]) => [groupKey(from), to]));
  const { renameGroup } = capabilitiesOf(connectorOf(needs, target), openBlind(needs, target));
  const links = await groupLinks(tx, target.application);
  const listed = await listedGroups(tx, target.application);
  const known: Known = {
    byGroup: new Map(links.map((link) => [link.group, link])),
    byRemote: new Map(links.flatMap((link) => (link.remoteId ? [[link.remoteId, link.group]] : []))),
    listed,
    renameGroup,
    ...(target.listedAt && { listedAt: target.listedAt }),
  };
  const all = await wantedGroups(tx, target);
  return all.map((group) => judge(known, group, names.get(groupKey(group.name)) ?? group.name));
}

/** The groups this target gets, in order of name. */
export async function wantedGroups(tx: Tx, target: Target): Promise<Group[]> {
  const all: Group[] = [];
  for (let after: string | undefined; ; ) {
    const page = await listGroups(tx, { after, limit: groupsAtOnce });
    all.push(...page.filter(({ name }) => isWanted(target, name)));
    if (page.length < groupsAtOnce) return all;
    after = page.at(-1)?.name;
  }
}

interface Known {
  byGroup: ReadonlyMap<string, GroupLink>;
  byRemote: ReadonlyMap<string, string>;
  listed: readonly ListedGroup[];
  renameGroup: boolean;
  listedAt?: Date;
}

function judge(known: Known, group: Group, nameThere: string): GroupVerdict {
  const say = (verdict: GroupVerdict['verdict'], why: string): GroupVerdict => ({
    group: group.id,
    name: group.name,
    nameThere,
    verdict,
    why,
  });
  const link = known.byGroup.get(group.id);
  const linked =
    newerThanListing(known, link) ??
    (link?.remoteId && known.listed.find(({ remoteId }) => remoteId === link.remoteId));
  if (linked && linked.name === nameThere) return say('unchanged', 'The group is there.');
  if (linked && known.renameGroup) return say('update', `It is called ${linked.name} there.`);
  if (linked)
    return say('create', `It is called ${linked.name} there and cannot be renamed: a new one is made.`);
  const same = known.listed.filter(({ nameKey }) => nameKey === groupKey(nameThere));
  const [first] = same;
  if (!first) return say('create', 'There is no such group there yet.');
  if (same.length > 1) return say('disputed', 'There is more than one group of this name.');
  const holder = known.byRemote.get(first.remoteId);
  if (holder !== undefined && holder !== group.id)
    return say('disputed', 'The group of this name there belongs to another group here.');
  return say('link', 'A group of this name is there already; its members are compared when it is pushed.');
}

/** The group as a push saw it after the listing did. */
function newerThanListing({ listedAt }: Known, link: GroupLink | undefined): GroupLink | undefined {
  if (link?.remoteId === undefined || !link.settledAt) return undefined;
  return listedAt === undefined || link.settledAt >= listedAt ? link : undefined;
}
