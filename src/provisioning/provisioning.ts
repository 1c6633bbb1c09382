/**
 * Accounts at applications that keep their own: people and groups pushed to targets.
 * Owns `targets` and every `target_*` table. Records target.*, account.*, group.provisioned, brake.*, plan.*.
 * Refuses to push what an import, a sync or a merge brought before a person approved it, to double or take over an
 * account that may be somebody else's, to remove what is not ours, and to take away many accounts at once unasked.
 *
 * The walk: `intake` (events → jobs) → `work` (a worker a target) → `handle` → `provision` or `provisionGroup`:
 * `situation` (what is wanted) → look at the target → `plan` → `permission` → `apply` step by step → `settle`.
 * Connectors know `connector.ts` alone.
 */
import { Problem } from '#core/problem.ts';
import { isId } from '#kit/crypto/ids.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { enqueue, hasten } from '#kit/queue/queue.ts';
import type { GroupPlan } from './group-plan.ts';
import { provisionGroup } from './groups.ts';
import { subjectJob } from './intake.ts';
import { type Link, linksOf, linksOfPerson } from './links.store.ts';
import type { Plan } from './plan.ts';
import { provision } from './provision.ts';
import { findTarget, laneOf, type ProvisioningNeeds, prepareTarget, requireTarget } from './targets.ts';
import { type PlainState, personTimeline, plainState } from './timeline.ts';

export type { Connector } from './connector.ts';
export { type RunningProvisioning, startProvisioning } from './work.ts';

function parseSubject(subject: string): { kind: 'person' | 'group'; id: string } {
  const [kind, id = ''] = subject.split(':', 2);
  if ((kind !== 'person' && kind !== 'group') || !isId(id))
    throw new Problem('input-malformed', { detail: 'a subject is person:<id> or group:<id>' });
  return { kind, id };
}

/**
 * What a push would do right now, asked of the target itself: the same code as the push, and nothing is written there or
 * here. Throws what a push would throw (`Retry`, `Stop`).
 * @param subject `person:<id>` or `group:<id>`
 */
export async function preview(
  needs: ProvisioningNeeds,
  application: string,
  subject: string,
): Promise<Plan | GroupPlan> {
  const { kind, id } = parseSubject(subject);
  const known = await needs.database.read(system(), (tx) => requireTarget(tx, application));
  const target = known.state === undefined ? await prepareTarget(needs, known) : known;
  const push = { id: 0, attempt: 1, cause: 'button' };
  const run = kind === 'person' ? provision : provisionGroup;
  return (await run(needs, target, id, push, undefined, { dryRun: true })).plan;
}

/** Puts one subject to work by a person's wish. In mode `plan` it is planned anew; nothing unapproved is sent. */
export async function pushNow(tx: Tx, application: string, subject: string): Promise<void> {
  parseSubject(subject);
  await requireTarget(tx, application);
  const actor = tx.actor.name ?? tx.actor.kind;
  await enqueue(tx, subjectJob(application, subject, { cause: 'button', actor }));
  await hasten(tx, { lane: laneOf(application), keys: [subject] });
}

export interface AccountThere {
  application: string;
  link?: Link;
  /** The last thing that happened, in plain words. */
  plain?: PlainState;
}

/** The accounts of one person at all targets: "was my user pushed?" at one look. */
export async function accountsOf(tx: Tx, person: string): Promise<AccountThere[]> {
  const links = new Map((await linksOfPerson(tx, person)).map((link) => [link.application, link]));
  const last = new Map<string, PlainState>();
  const entries = await personTimeline(tx, person);
  // What an app answered says nothing of where someone stands; what was made of it does.
  const telling = entries.filter(({ kind }) => kind !== 'answered' && kind !== 'unanswered');
  for (const entry of [...telling, ...entries])
    if (!last.has(entry.application)) last.set(entry.application, plainState(entry));
  const applications = [...new Set([...links.keys(), ...last.keys()])].sort();
  return applications.map((application) => ({
    application,
    link: links.get(application),
    plain: last.get(application),
  }));
}

/** How one person's account at one app stands; undefined where the app is given no accounts from here. */
export async function accountAt(tx: Tx, application: string, person: string) {
  const target = await findTarget(tx, application);
  if (!target) return undefined;
  const link = (await linksOf(tx, application, [person])).get(person);
  return { mode: target.mode, link: link?.state, active: link?.remoteActive, problem: link?.problem };
}
