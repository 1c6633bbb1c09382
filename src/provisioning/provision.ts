/**
 * One person at one target: current → desired → plan → apply. The same for an event, a sweep, a retry, a button and a
 * dry run, so that a preview cannot differ from the push. Level-triggered and idempotent: a lost or doubled job does no
 * harm, and one that was cut off anywhere is simply run again.
 */
import { requireApplication } from '#core/applications/applications.ts';
import type { Lease } from '#kit/queue/worker.ts';
import { applyStep } from './apply.ts';
import type { Candidate, Desired, RemoteAccount } from './connector.ts';
import { Stop } from './connector.ts';
import { eventual, isFresh, tooSoon } from './freshness.ts';
import { forgetMember } from './groups.store.ts';
import { keep } from './keep.ts';
import * as links from './links.store.ts';
import { desiredFor, isMappingProblem } from './mapping.ts';
import { isApproved, permissionFor } from './permission.ts';
import type { Plan } from './plan.ts';
import * as plans from './plans.store.ts';
import { contextOf, fenced, type Push, type Work } from './push.ts';
import { isLinkingAgain, partLost, partsFirst } from './records.ts';
import { settle } from './settle.ts';
import {
  capabilitiesOf,
  planFor,
  rememberedAccount,
  type Situation,
  situationsOf,
  type View,
  wantedOf,
} from './situation.ts';
import { connectorOf, openTarget, type ProvisioningNeeds, type Target } from './targets.ts';
import { note } from './timeline.ts';

/** What became of it. */
export interface Outcome {
  plan: Plan;
  did: 'sent' | 'nothing' | 'proposed' | 'left' | 'held' | 'looked';
}

const mostPasses = 4;

/**
 * Brings one person's account at a target to what it should be.
 * @param lease of the job; without one nothing is fenced, which is right for a dry run only
 * @throws Retry, Stop of connector.ts; LeaseLost when the job has gone to another worker
 */
export async function provision(
  needs: ProvisioningNeeds,
  target: Target,
  person: string,
  push: Push,
  lease: Lease | undefined,
  options: { dryRun?: boolean } = {},
): Promise<Outcome> {
  const subject = `person:${person}`;
  const about = { subject, jobId: push.id, attempt: push.attempt, signal: lease?.signal };
  const connection = await openTarget(needs, target, about);
  const connector = connectorOf(needs, target);
  const work: Work = { needs, target, connector, connection, subject, push, lease };
  let clashed = false;
  for (let pass = 1; ; pass += 1) {
    const situation = await situationOf(work, person);
    let creates = false;
    try {
      const view = await look(work, situation, clashed);
      if (!options.dryRun && view.remote && partsFirst(push, situation, view.remote)) {
        await partLost(work, situation, view.remote);
        continue;
      }
      const plan = planFor(target, connector, connection, situation, view, needs.clock.now());
      if (options.dryRun) return { plan, did: 'looked' };
      creates = plan.steps[0]?.do === 'create' || plan.steps[0]?.do === 'invite';
      if (view.gone) await forgetGone(work, situation);
      return await carryOut(work, situation, view, plan);
    } catch (error) {
      if (options.dryRun || !(error instanceof Stop) || pass >= mostPasses) throw error;
      // Somebody was faster, or what we held is gone: look again, and the plan is another one.
      if (error.code === 'clash' && creates && !clashed) clashed = true;
      else if (error.code === 'clash' && situation.standing === 'active')
        return refuse(work, situation, error.message);
      else if (error.code !== 'gone') throw error;
    }
  }
}

async function situationOf({ needs, target, push }: Work, person: string): Promise<Situation> {
  return needs.database.read(contextOf(push), async (tx) => {
    const application = await requireApplication(tx, target.application);
    return (await situationsOf(tx, needs, target, application, [person]))[0] as Situation;
  });
}

/** What is there now. Asks only what the plan needs to know. */
async function look(work: Work, situation: Situation, clashed: boolean): Promise<View> {
  const { connection, connector } = work;
  const { link } = situation;
  const { find } = capabilitiesOf(connector, connection);
  if (link?.remoteId !== undefined) {
    // What cannot be asked is as we left it.
    const remote = find ? await connection.read(link.remoteId) : rememberedAccount(link);
    if (remote) return { remote };
    if (isFresh(work, link.updatedAt)) throw tooSoon();
  }
  const gone = link?.remoteId !== undefined;
  const attempted = link?.attemptedAt;
  if (!find || (situation.standing !== 'active' && !attempted)) return { gone };
  const wanted = situation.desired ?? describe(work, situation);
  const told = situation.problem !== undefined ? [] : await connection.find(wanted);
  const candidates = told.length > 0 ? told : await listedBefore(work, situation);
  if (situation.standing !== 'active') {
    // Nothing is taken over for someone who should have nothing; only what we may have made ourselves is ours.
    const ours = candidates.find(({ by }) => by === 'externalId');
    if (!ours && isFresh(work, attempted)) throw tooSoon();
    return ours ? { remote: ours.account } : { gone };
  }
  if (candidates.length === 0 && eventual(work) && isFresh(work, attempted)) throw tooSoon();
  if (candidates.length === 0 && clashed) throw unseenClash(work, situation);
  return { gone, candidates, ...(await holders(work, candidates)) };
}

/** Accounts the target cannot be asked for and the last listing saw (Atlassian: by address), as far as they still are so. */
async function listedBefore({ needs, target, connection, push }: Work, situation: Situation) {
  if (situation.standing !== 'active' || situation.problem !== undefined || !target.listedAt) return [];
  const wanted = wantedOf(situation);
  const listed = await needs.database.look(contextOf(push), async (tx) =>
    links.listedCandidates(tx, target.application, [wanted]),
  );
  const found: Candidate[] = [];
  for (const { account, by } of listed.get(situation.person) ?? []) {
    const now = await connection.read(account.id);
    const is = by === 'externalId' ? now?.externalId : now?.attributes[by];
    if (now && typeof is === 'string' && is.toLowerCase() === wanted[by]?.toLowerCase())
      found.push({ account: now, by });
  }
  return found;
}

/** The target says "taken" and shows nothing: what we made may become visible, what others have there never does. */
function unseenClash(work: Work, situation: Situation): Error {
  if (isFresh(work, situation.link?.attemptedAt)) return tooSoon();
  return new Stop(
    'clash',
    'Another account there has this name or address, and it cannot be seen from here.',
  );
}

function describe({ target, connector }: Work, situation: Situation): Desired {
  const bare = { externalId: situation.externalId, active: false, attributes: {} };
  if (!situation.profile) return bare;
  const { externalId } = situation;
  const desired = desiredFor(target, connector, situation.profile, { externalId, active: false });
  return isMappingProblem(desired) ? bare : desired;
}

function holders(work: Work, candidates: readonly Candidate[]): Promise<View> {
  const { application } = work.target;
  const carried = candidates.flatMap(({ account }) =>
    account.externalId === undefined ? [] : [account.externalId],
  );
  return work.needs.database.read(contextOf(work.push), async (tx) => ({
    heldBy: await links.holdersOf(
      tx,
      application,
      candidates.map(({ account }) => account.id),
    ),
    issued: await links.issuedExternalIds(tx, application, carried),
  }));
}

/** A linked account that is not there any more: its id is worth nothing. */
function forgetGone(work: Work, { person, link }: Situation): Promise<void> {
  return fenced(work, async (tx) => {
    const { application } = work.target;
    await links.forgetRemote(tx, application, person, 'unlinked');
    await forgetMember(tx, application, person);
    const text = `The account ${link?.remoteId} is not there any more.`;
    await note(tx, { application, subject: work.subject, kind: 'problem', text });
  });
}

/** Sends the steps, or keeps them for a person. */
async function carryOut(work: Work, situation: Situation, view: View, plan: Plan): Promise<Outcome> {
  const { needs, target, subject, push } = work;
  const row = await needs.database.look(contextOf(push), (tx) =>
    plans.findPlan(tx, target.application, subject),
  );
  if (plan.steps.length > 0 || plan.verdict === 'link') {
    const permission = isLinkingAgain(work, plan) ? 'send' : permissionFor(target, push, row, plan.steps);
    if (permission !== 'send') return kept(work, plan, permission === 'propose' ? 'proposed' : 'left');
  }
  const approved = isApproved(push, row, plan.steps);
  let account = view.remote ?? (plan.verdict === 'link' ? linkedAccount(view, plan) : undefined);
  for (const step of plan.steps) {
    const done = await applyStep(work, situation, step, account, approved);
    if (done === 'held') return kept(work, plan, 'held');
    account = done.account;
  }
  await settle(work, situation, plan, account);
  return { plan, did: plan.steps.length > 0 ? 'sent' : 'nothing' };
}

/** The account that is found to be this person's; the plan names it where something differs. */
function linkedAccount(view: View, plan: Plan): RemoteAccount | undefined {
  const step = plan.steps[0];
  const all = (view.candidates ?? []).map(({ account }) => account);
  return step?.do === 'update' ? all.find(({ id }) => id === step.id) : all[0];
}

async function kept(work: Work, plan: Plan, did: 'proposed' | 'left' | 'held'): Promise<Outcome> {
  await keep(work, plan, did);
  return { plan, did };
}

/** A name or address there belongs to another account: for a person to sort out. */
async function refuse(work: Work, situation: Situation, why: string): Promise<Outcome> {
  const plan: Plan = { verdict: 'refused', why, steps: [], fields: [] };
  await settle(work, situation, plan, undefined);
  return { plan, did: 'nothing' };
}
