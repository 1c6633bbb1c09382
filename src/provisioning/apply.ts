/**
 * One step of a plan, sent. Before it a transaction says that it may have happened (or asks the brake), after it another
 * keeps what the target answered; a worker that dies or loses its lease in between leaves what the next one needs.
 */
import { fixSubject } from '#core/aliases/aliases.ts';
import { requireApplication } from '#core/applications/applications.ts';
import { record } from '#core/events/events.ts';
import { Problem } from '#core/problem.ts';
import type { Tx } from '#kit/db/tx.ts';
import { LeaseLost } from '#kit/queue/queue.ts';
import { askBrake } from './brake.ts';
import { type RemoteAccount, type Step, Stop } from './connector.ts';
import { forgetMember } from './groups.store.ts';
import * as links from './links.store.ts';
import { fenced, type Work } from './push.ts';
import { capabilitiesOf, type Situation } from './situation.ts';
import { writeDeleted, writeRemoved } from './strangers.store.ts';

/** Sends a step and keeps the answer. `account` is what is there afterwards, undefined when nothing is. */
export async function applyStep(
  work: Work,
  situation: Situation,
  step: Step,
  before: RemoteAccount | undefined,
  approved: boolean,
): Promise<'held' | { account: RemoteAccount | undefined }> {
  if ((await prepareStep(work, situation, step, approved)) === 'held') return 'held';
  if (work.lease?.signal.aborted) throw new LeaseLost('The lease was lost before anything was sent.');
  const account = await send(work, situation, step, before);
  await keepAnswer(work, situation, step, account);
  return { account };
}

async function prepareStep(
  work: Work,
  situation: Situation,
  step: Step,
  approved: boolean,
): Promise<'go' | 'held'> {
  const { target, subject } = work;
  return fenced(work, async (tx) => {
    if (step.do === 'deactivate' || step.do === 'delete')
      return askBrake(tx, target, { subject, kind: step.do, approved });
    if (step.do === 'create' || step.do === 'invite') {
      await claimSubject(tx, work, situation);
      await links.markAttempt(tx, target.application, situation.person, step.desired.externalId);
    }
    return 'go';
  });
}

/** From now on this application knows the person by this subject, also when they sign in. */
async function claimSubject(tx: Tx, { target }: Work, { person, profile }: Situation): Promise<void> {
  if (!profile || profile.subjectFixed) return;
  try {
    await fixSubject(tx, await requireApplication(tx, target.application), person, profile.subject);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    throw new Stop(
      'refused',
      `The external id cannot be this person's: ${error.facts.detail ?? error.message}.`,
    );
  }
}

/** The remote write itself; what the target does not tell is taken from what was sent. */
async function send(
  { connection, connector }: Work,
  situation: Situation,
  step: Step,
  before: RemoteAccount | undefined,
): Promise<RemoteAccount | undefined> {
  if (step.do === 'create' || step.do === 'invite') {
    const told = await connection.apply(step);
    if (told) return told;
    const { externalId, active, attributes } = step.desired;
    if (!capabilitiesOf(connector, connection).find)
      return { id: externalId, externalId, active, attributes };
    const seen = await connection.find(step.desired);
    return (
      seen.find(({ by }) => by === 'externalId')?.account ??
      (step.do === 'invite' ? undefined : seen[0]?.account)
    );
  }
  try {
    const told = await connection.apply(step);
    if (step.do === 'delete') return undefined;
    if (told) return told;
    return assumed(step, before);
  } catch (error) {
    // Taking away what is not there is done already.
    if (error instanceof Stop && error.code === 'gone' && situation.standing !== 'active') return undefined;
    throw error;
  }
}

function assumed(
  step: Extract<Step, { do: 'update' | 'deactivate' }>,
  before: RemoteAccount | undefined,
): RemoteAccount {
  const { desired } = step;
  if (step.do === 'deactivate')
    return { id: step.id, externalId: desired.externalId, attributes: {}, ...before, active: false };
  const sent = Object.entries(desired.attributes).filter(([name]) => step.fields.includes(name));
  return {
    id: step.id,
    externalId: desired.externalId,
    ...before,
    active: step.fields.includes('active') ? desired.active : (before?.active ?? true),
    attributes: { ...before?.attributes, ...Object.fromEntries(sent) },
  };
}

async function keepAnswer(
  work: Work,
  situation: Situation,
  step: Step,
  account: RemoteAccount | undefined,
): Promise<void> {
  const { application } = work.target;
  const { person, externalId } = situation;
  await fenced(work, async (tx) => {
    if (account && !(await links.writeLink(tx, { application, person, externalId, account })))
      throw new Stop('clash', 'The account there is linked to another person here.');
    if (!account && step.do !== 'invite' && step.do !== 'create') {
      await links.forgetRemote(tx, application, person, 'deleted');
      await forgetMember(tx, application, person);
    }
    const event = { person, application };
    const remote = account?.id ?? ('id' in step ? step.id : '');
    if (step.do === 'deactivate') await record(tx, 'account.deactivated', { ...event, data: { remote } });
    if (step.do !== 'delete') return;
    await record(tx, 'account.deleted', { ...event, data: { remote } });
    await writeRemoved(tx, application, remote, 'gone');
    const erased = situation.profile?.state === 'erased';
    if (capabilitiesOf(work.connector, work.connection).list)
      await writeDeleted(tx, application, remote, { person, erased });
  });
}
