/**
 * One group at one target: current → desired → plan → apply, like a person. Members follow their people: whoever has no
 * account there yet joins when theirs settles. A new name at a target that cannot rename is a new group, everybody
 * moved, the old one deleted; each step leaves what the next attempt needs.
 */
import { createHash } from 'node:crypto';
import { requireApplication } from '#core/applications/applications.ts';
import { record } from '#core/events/events.ts';
import { findGroups, groupKey, membersOf } from '#core/groups/groups.ts';
import type { Tx } from '#kit/db/tx.ts';
import { LeaseLost } from '#kit/queue/queue.ts';
import type { Lease } from '#kit/queue/worker.ts';
import { askBrake } from './brake.ts';
import { type GroupStep, type RemoteGroup, Retry, Stop } from './connector.ts';
import { isFresh, tooSoon } from './freshness.ts';
import { type GroupPlan, planGroup } from './group-plan.ts';
import * as store from './groups.store.ts';
import { keep } from './keep.ts';
import { isApproved, permissionFor } from './permission.ts';
import { digestOf } from './plan.ts';
import * as plans from './plans.store.ts';
import { contextOf, fenced, type Push, type Work } from './push.ts';
import { takeSeats } from './seats.ts';
import { capabilitiesOf } from './situation.ts';
import { connectorOf, openTarget, type ProvisioningNeeds, type Target } from './targets.ts';
import { note } from './timeline.ts';

export interface GroupOutcome {
  plan: GroupPlan;
  did: 'sent' | 'nothing' | 'proposed' | 'left' | 'held' | 'looked';
}

interface GroupSituation {
  group: string;
  standing: 'wanted' | 'deselected' | 'removed';
  name: string;
  externalId: string;
  link?: store.GroupLink;
  /** Set where the link still points to the group of the old name: it is to be retired first. */
  retires: boolean;
  members: string[];
  /** Members that have no account there yet. */
  waiting: number;
}

const mostPasses = 4;

/**
 * Brings one group at a target to what it should be.
 * @throws Retry, Stop of connector.ts; LeaseLost when the job has gone to another worker
 */
export async function provisionGroup(
  needs: ProvisioningNeeds,
  target: Target,
  group: string,
  push: Push,
  lease: Lease | undefined,
  options: { dryRun?: boolean } = {},
): Promise<GroupOutcome> {
  const subject = `group:${group}`;
  const about = { subject, jobId: push.id, attempt: push.attempt, signal: lease?.signal };
  const connection = await openTarget(needs, target, about);
  const work: Work = {
    needs,
    target,
    connector: connectorOf(needs, target),
    connection,
    subject,
    push,
    lease,
  };
  for (let pass = 1; ; pass += 1) {
    const situation = await situationOf(work, group);
    const seated = options.dryRun ? [] : await takeSeats(work, situation);
    const plan = await planOf(work, situation, seated);
    if (options.dryRun) return { plan, did: 'looked' };
    try {
      return await carryOut(work, situation, plan);
    } catch (error) {
      if (!(error instanceof Stop) || pass >= mostPasses) throw error;
      if (error.code === 'gone')
        await fenced(work, (tx) => store.forgetGroupRemote(tx, target.application, group));
      else if (error.code !== 'clash') throw error;
      else if (pass > 1 && isFresh(work, situation.link?.attemptedAt)) throw tooSoon();
      else if (pass > 1) return refuse(work, situation, error.message);
    }
  }
}

async function situationOf({ needs, target, connector, connection, push }: Work, group: string) {
  return needs.database.read(contextOf(push), async (tx): Promise<GroupSituation> => {
    const { application } = target;
    const [here] = await findGroups(tx, [group]);
    const known = await store.findGroupLink(tx, application, group);
    const { renameGroup } = capabilitiesOf(connector, connection);
    if (!here) {
      const name = known?.name ?? '';
      const base = { group, name, externalId: group, link: known, retires: false, members: [], waiting: 0 };
      return { ...base, standing: 'removed' };
    }
    const standing = isWanted(target, here.name) ? 'wanted' : 'deselected';
    const name = await nameThere(tx, application, here.name);
    // A group that cannot be renamed is another one under each name, or finding it would find the old one.
    const externalId = renameGroup ? group : `${group}.${shortHash(name)}`;
    const retires =
      standing === 'wanted' &&
      !renameGroup &&
      known?.remoteId !== undefined &&
      known.created &&
      known.name !== name;
    const link = retires && known ? retired(known) : known;
    const members =
      standing === 'wanted' ? await memberAccounts(tx, application, group) : { accounts: [], waiting: 0 };
    return {
      group,
      standing,
      name,
      externalId,
      link,
      retires,
      members: members.accounts,
      waiting: members.waiting,
    };
  });
}

/** Whether the target's settings choose this group. */
export function isWanted({ settings }: Pick<Target, 'settings'>, name: string): boolean {
  if (settings.groups === 'none') return false;
  return settings.groups === 'all' || settings.groups.some((one) => groupKey(one) === groupKey(name));
}

async function nameThere(tx: Tx, application: string, name: string): Promise<string> {
  const { settings } = await requireApplication(tx, application);
  const given = Object.entries(settings.groupNames).find(([from]) => groupKey(from) === groupKey(name));
  return given?.[1] ?? name;
}

const shortHash = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 8);

/** How the link reads once the rename has begun. */
function retired(link: store.GroupLink): store.GroupLink {
  return { ...link, remoteId: undefined, formerIds: [...link.formerIds, link.remoteId as string] };
}

async function memberAccounts(
  tx: Tx,
  application: string,
  group: string,
): Promise<{ accounts: string[]; waiting: number }> {
  const accounts: string[] = [];
  let waiting = 0;
  let after: string | undefined;
  for (;;) {
    const page = await membersOf(tx, group, { after, limit: 1000 });
    const found = await store.accountsOfPeople(
      tx,
      application,
      page.map(({ person }) => person),
    );
    accounts.push(...found.values());
    waiting += page.length - found.size;
    if (page.length < 1000) return { accounts, waiting };
    after = page.at(-1)?.person;
  }
}

/** Looks at the target and says what is to be done. */
async function planOf(work: Work, situation: GroupSituation, seated: readonly string[]): Promise<GroupPlan> {
  const { connection, connector, target, needs, push } = work;
  const { link, standing, group } = situation;
  const remote = await findThere(work, situation);
  const capabilities = capabilitiesOf(connector, connection);
  if (!remote) return planGroup({ ...situation, removable: [], current: [], capabilities });
  return needs.database.read(contextOf(push), async (tx) => {
    const { application } = target;
    const put = await store.putMembers(tx, application, group, remote.id);
    const current = [...new Set([...(remote.members ?? put), ...seated])];
    const ours = await store.peopleOfAccounts(tx, application, current);
    const putThere = new Set(put);
    // Those who are nobody of ours were put in by somebody there, and stay.
    const mayLeave = (one: string) => putThere.has(one) || (standing === 'wanted' && ours.has(one));
    const removable = current.filter(mayLeave);
    const holder = await store.groupHolder(tx, application, remote.id);
    const dispute =
      link?.remoteId === undefined && holder !== undefined && holder !== group
        ? 'The group of this name there is another group of ours.'
        : undefined;
    return planGroup({ ...situation, remote, dispute, removable, current, capabilities });
  });
}

async function findThere(
  { connection, connector }: Work,
  situation: GroupSituation,
): Promise<RemoteGroup | undefined> {
  const { link, standing, name, externalId } = situation;
  const { find } = capabilitiesOf(connector, connection);
  if (link?.remoteId !== undefined) {
    if (!find) return { id: link.remoteId, name: link.name };
    const linked = await connection.readGroup(link.remoteId);
    if (linked) return linked;
  }
  if (standing !== 'wanted' || !find) return undefined;
  const found = await connection.findGroup(name, externalId);
  return found && link?.formerIds.includes(found.id) ? undefined : found;
}

async function carryOut(work: Work, situation: GroupSituation, plan: GroupPlan): Promise<GroupOutcome> {
  const { needs, target, subject, push } = work;
  const { application } = target;
  const row = await needs.database.look(contextOf(push), (tx) => plans.findPlan(tx, application, subject));
  if (plan.steps.length > 0 || plan.verdict === 'link') {
    const permission = permissionFor(target, push, row, plan.steps);
    if (permission !== 'send') {
      const did = permission === 'propose' ? 'proposed' : 'left';
      await keep(work, plan, did);
      return { plan, did };
    }
  }
  const approved = isApproved(push, row, plan.steps);
  if (situation.retires) await fenced(work, (tx) => store.retireGroup(tx, application, situation.group));
  let id = idOf(plan) ?? situation.link?.remoteId ?? '';
  if (plan.verdict === 'link') id = await linkFound(work, situation);
  for (const step of plan.steps) {
    const done = await applyGroupStep(work, situation, withId(step, id), approved);
    if (done === 'held') {
      await keep(work, plan, 'held');
      return { plan, did: 'held' };
    }
    id = done.id ?? id;
  }
  await settle(work, situation, plan);
  return { plan, did: plan.steps.length > 0 ? 'sent' : 'nothing' };
}

const idOf = (plan: GroupPlan) =>
  plan.steps.flatMap((step) =>
    'id' in step && step.do !== 'delete-group' && step.id !== '' ? [step.id] : [],
  )[0];

function withId(step: GroupStep, id: string): GroupStep {
  return 'id' in step && step.id === '' ? { ...step, id } : step;
}

/** A group of this name that was there already is this one from now on. */
async function linkFound(work: Work, situation: GroupSituation): Promise<string> {
  const { connection, target } = work;
  const { group, name, externalId, link } = situation;
  const found = await connection.findGroup(name, externalId);
  if (!found) throw new Stop('gone', 'The group that was there is not there any more.');
  // What we tried to make and find under our own external id is ours.
  const created = link?.attemptedAt !== undefined && found.externalId === externalId;
  await fenced(work, (tx) =>
    store.writeGroupLink(tx, { application: target.application, group, name, remoteId: found.id, created }),
  );
  return found.id;
}

async function applyGroupStep(
  work: Work,
  situation: GroupSituation,
  step: GroupStep,
  approved: boolean,
): Promise<'held' | { id?: string }> {
  const { target, lease, subject } = work;
  const { group, name } = situation;
  const { application } = target;
  const held = await fenced(work, async (tx) => {
    if (step.do === 'create-group') await store.markGroupAttempt(tx, application, group, name);
    if (step.do !== 'delete-group') return 'go';
    return askBrake(tx, target, { subject, kind: 'delete', approved });
  });
  if (held === 'held') return 'held';
  if (lease?.signal.aborted) throw new LeaseLost('The lease was lost before anything was sent.');
  const answer = await sendGroupStep(work, situation, step);
  const remoteId = step.do === 'create-group' ? (answer?.id ?? '') : step.id;
  const at = { application, group, remoteGroup: remoteId };
  await fenced(work, async (tx) => {
    if (step.do === 'create-group')
      await store.writeGroupLink(tx, { application, group, name, remoteId, created: true });
    if (step.do === 'rename-group')
      await store.writeGroupLink(tx, {
        application,
        group,
        name,
        remoteId,
        created: situation.link?.created ?? false,
      });
    if (step.do === 'add-members') await store.addPutMembers(tx, at, step.members);
    if (step.do === 'remove-members') await store.removePutMembers(tx, at, step.members);
    if (step.do === 'delete-group') await store.dropFormer(tx, application, group, step.id);
  });
  return step.do === 'create-group' ? { id: remoteId } : {};
}

async function sendGroupStep(
  work: Work,
  situation: GroupSituation,
  step: GroupStep,
): Promise<RemoteGroup | undefined> {
  const { connection, connector } = work;
  if (step.do === 'create-group') {
    const told = await connection.applyGroup(step);
    if (told) return told;
    const { find } = capabilitiesOf(connector, connection);
    if (!find) return { id: step.externalId, name: step.name };
    const seen = await connection.findGroup(situation.name, situation.externalId);
    if (!seen) throw new Retry('The new group cannot be seen there yet.', { kind: 'later', afterSeconds: 5 });
    return seen;
  }
  try {
    return await connection.applyGroup(step);
  } catch (error) {
    // What should go is gone; members of a group that is gone are out of it.
    const leaves =
      step.do === 'delete-group' || (step.do === 'remove-members' && situation.standing === 'removed');
    if (error instanceof Stop && error.code === 'gone' && leaves) return undefined;
    throw error;
  }
}

async function settle(work: Work, situation: GroupSituation, plan: GroupPlan): Promise<void> {
  const { target, subject, push, lease } = work;
  const { application } = target;
  const { group, name, waiting } = situation;
  const stuck = plan.verdict === 'disputed' || plan.verdict === 'impossible' || plan.verdict === 'refused';
  await fenced(work, async (tx) => {
    const problem = stuck ? plan.why : undefined;
    if (plan.letGo) await store.deleteGroupLink(tx, application, group);
    else await store.settleGroup(tx, application, { group, name, ok: !stuck, problem });
    if (stuck) await plans.writePlans(tx, application, [{ ...plan, subject, digest: digestOf([]) }]);
    else await plans.deletePlans(tx, application, [subject]);
    const change = changeOf(plan);
    if (change) await record(tx, 'group.provisioned', { application, data: { group, change } });
    const also = waiting > 0 ? ` ${waiting} without an account there join when they have one.` : '';
    const kind = stuck
      ? 'problem'
      : plan.letGo
        ? 'forgotten'
        : plan.steps.length > 0
          ? 'settled'
          : 'seen-equal';
    const { cause, actor, attempt } = push;
    await note(tx, { application, subject, kind, text: plan.why + also, cause, actor, attempt });
    await lease?.finish(tx);
  });
}

function changeOf({ verdict, steps }: GroupPlan) {
  if (verdict === 'create') return 'created' as const;
  if (verdict === 'link') return 'linked' as const;
  if (verdict === 'delete') return 'deleted' as const;
  if (steps.some((step) => step.do === 'rename-group')) return 'renamed' as const;
  return steps.length > 0 ? ('members' as const) : undefined;
}

async function refuse(work: Work, situation: GroupSituation, why: string): Promise<GroupOutcome> {
  const plan: GroupPlan = { verdict: 'refused', why, steps: [] };
  await settle(work, situation, plan);
  return { plan, did: 'nothing' };
}
