/** The end of a push: what is known now is kept, told and passed on, in the transaction that ends the job. */
import { record } from '#core/events/events.ts';
import { groupKey, groupsOf } from '#core/groups/groups.ts';
import type { Tx } from '#kit/db/tx.ts';
import { enqueue, enqueueAll } from '#kit/queue/queue.ts';
import type { RemoteAccount } from './connector.ts';
import { dropOtherSeats, forgetMember } from './groups.store.ts';
import * as links from './links.store.ts';
import { digestOf, type Plan } from './plan.ts';
import * as plans from './plans.store.ts';
import { fenced, type Work } from './push.ts';
import { lostAccount, planFor, type Situation } from './situation.ts';
import { laneOf, type Target } from './targets.ts';
import { type EntryKind, forgetSubject, note } from './timeline.ts';

const changes = {
  create: 'created',
  invite: 'invited',
  link: 'linked',
  update: 'updated',
  reactivate: 'reactivated',
} as const;

/** Several people of a group are settled one after the other; the group waits so long for those behind. */
const gatherMs = 2000;

/** Keeps the end of a push and ends the job with it. `account` is what is there now. */
export async function settle(
  work: Work,
  situation: Situation,
  plan: Plan,
  account: RemoteAccount | undefined,
): Promise<void> {
  await fenced(work, async (tx) => {
    const { target, subject, push } = work;
    const { application } = target;
    const { person, externalId, link } = situation;
    const linked = await keepLink(tx, work, situation, account);
    const problem = linked ? problemOf(work, situation, plan, account) : alreadyLinked;
    const equal = linked && isEqual(work, situation, plan, account);
    const ok = linked && !isStuck(plan);
    const disputed = !linked || plan.verdict === 'disputed';
    await links.writeSettled(tx, { application, person, externalId, ok, equal, disputed, problem });
    if (situation.profile?.state === 'erased' && ok) {
      await links.blankErased(tx, application, person);
      await forgetSubject(tx, subject);
    }
    if (isStuck(plan)) await plans.writePlans(tx, application, [{ ...plan, subject, digest: digestOf([]) }]);
    else await plans.deletePlans(tx, application, [subject]);
    await tell(tx, work, situation, plan, account, { problem, equal });
    if (account && account.id !== link?.remoteId) await passOnToGroups(tx, target, person);
    if (plan.next) await again(tx, target, subject, plan.next.getTime() - work.needs.clock.now().getTime());
    const { cause, actor } = push;
    const kind = problem === undefined ? kindOf(situation, plan, account) : 'problem';
    const text = problem ?? settledText(plan);
    await note(tx, { application, subject, kind, text, cause, actor, attempt: push.attempt });
    await work.lease?.finish(tx);
  });
}

function kindOf({ standing }: Situation, plan: Plan, account: RemoteAccount | undefined): EntryKind {
  if (!account) return standing === 'active' ? 'queued' : 'forgotten';
  return plan.steps.length > 0 ? 'settled' : 'seen-equal';
}

const alreadyLinked = 'The account there is linked to another person here.';

/** Verdicts that only a person can help with. */
function isStuck({ verdict }: Plan): boolean {
  return (
    verdict === 'disputed' || verdict === 'refused' || verdict === 'needs-alias' || verdict === 'impossible'
  );
}

/** What was seen there is remembered. False when the account is somebody else's. */
async function keepLink(
  tx: Tx,
  { target }: Work,
  { person, externalId, link, standing }: Situation,
  account: RemoteAccount | undefined,
): Promise<boolean> {
  const { application } = target;
  if (account) return links.writeLink(tx, { application, person, externalId, account });
  if (!link || standing === 'active') return true;
  // Out of scope, and nothing of theirs is there.
  if (link.remoteId !== undefined || link.attemptedAt) {
    await links.forgetRemote(tx, application, person, 'deleted');
    await forgetMember(tx, application, person);
  }
  return true;
}

/** What an administrator should know although everything was done. */
function problemOf(
  work: Work,
  situation: Situation,
  plan: Plan,
  account: RemoteAccount | undefined,
): string | undefined {
  if (isStuck(plan)) return plan.why;
  if (plan.verdict === 'invite' && !account) return undefined;
  const lost = account && lostAccount(situation.link, account);
  if (lost) return lost;
  if (!account || plan.steps.length === 0) return undefined;
  const after = planFor(
    work.target,
    work.connector,
    work.connection,
    situation,
    { remote: account },
    work.needs.clock.now(),
  );
  if (after.verdict === 'impossible') return after.why;
  if (after.steps.length === 0) return undefined;
  return `The target took the change and shows something else: ${after.fields.map(({ name }) => name).join(', ')}.`;
}

function isEqual(work: Work, situation: Situation, plan: Plan, account: RemoteAccount | undefined): boolean {
  if (isStuck(plan)) return false;
  if (!account) return situation.standing !== 'active';
  const view = { remote: account };
  const now = work.needs.clock.now();
  return planFor(work.target, work.connector, work.connection, situation, view, now).verdict === 'unchanged';
}

async function tell(
  tx: Tx,
  { target }: Work,
  { person, link }: Situation,
  plan: Plan,
  account: RemoteAccount | undefined,
  end: { problem?: string; equal: boolean },
): Promise<void> {
  const event = { person, application: target.application };
  if (isStuck(plan)) {
    if (link?.problem !== end.problem)
      await record(tx, 'account.refused', { ...event, data: { verdict: plan.verdict } });
    return;
  }
  const change = Object.hasOwn(changes, plan.verdict)
    ? changes[plan.verdict as keyof typeof changes]
    : undefined;
  if (change)
    await record(tx, 'account.provisioned', { ...event, data: { change, remote: account?.id ?? '' } });
}

function settledText(plan: Plan): string {
  if (plan.steps.length === 0) return plan.why;
  return `Done (${plan.verdict}): ${plan.why}`;
}

/** The groups of someone who has an account now can take them in. */
async function passOnToGroups(tx: Tx, target: Target, person: string): Promise<void> {
  const { groups } = target.settings;
  if (groups === 'none') return;
  const wanted = groups === 'all' ? undefined : new Set(groups.map(groupKey));
  const mine = (await groupsOf(tx, [person])).get(person) ?? [];
  await dropOtherSeats(
    tx,
    target.application,
    person,
    mine.map(({ id }) => id),
  );
  const lane = laneOf(target.application);
  const runAt = new Date(Date.now() + gatherMs);
  await enqueueAll(
    tx,
    mine
      .filter(({ name }) => !wanted || wanted.has(groupKey(name)))
      .map(({ id }) => ({
        lane,
        key: `group:${id}`,
        payload: { cause: 'members' },
        dedupe: `${lane}:group:${id}`,
        runAt,
      })),
  );
}

/** Under a mark of its own: what is due later must not hold back what is due now. */
async function again(tx: Tx, target: Target, subject: string, afterMs: number): Promise<void> {
  const lane = laneOf(target.application);
  const runAt = new Date(Date.now() + Math.max(afterMs, 60_000));
  await enqueue(tx, {
    lane,
    key: `later:${subject}`,
    payload: { cause: 'schedule' },
    runAt,
    dedupe: `${lane}:later:${subject}`,
  });
}
