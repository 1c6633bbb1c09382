/**
 * What a target holds for a person, asked of the target itself: their account, and where accounts stand behind records
 * (Atlassian) every record that stands for it. And making a lost link whole again.
 */
import { record } from '#core/events/events.ts';
import { requirePerson } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { enqueue, hasten } from '#kit/queue/queue.ts';
import { askBrake } from './brake.ts';
import type { Connection, RecordHelp, RecordLink, RemoteAccount } from './connector.ts';
import { keepSeats } from './groups.store.ts';
import { subjectJob } from './intake.ts';
import { forgetRemote, type Link, linksOf } from './links.store.ts';
import type { Plan } from './plan.ts';
import { fenced, type Push, type Work } from './push.ts';
import { lostAccount, type Situation } from './situation.ts';
import { writeDeleted, writeRemoved } from './strangers.store.ts';
import { laneOf, openTarget, type ProvisioningNeeds, requireTarget, type Target } from './targets.ts';
import { note } from './timeline.ts';

/** Whose records are meant: the account behind them by its id there, or an address. */
export type Meant = { accountId: string; email?: undefined } | { email: string; accountId?: undefined };

export interface HeldThere {
  /** The account they are linked to, as it is there now; undefined when there is none. */
  account?: RemoteAccount;
  /** Every record that stands for the account behind; undefined at targets where a record is the account. */
  records?: RecordLink[];
  /** That the account behind the record is not the one it was. */
  lost?: string;
}

/** The account behind the record a person is linked to, else the address it stands on; undefined when nothing is known. */
export function meantBy(link: Link | undefined): Meant | undefined {
  if (link?.accountId !== undefined) return { accountId: link.accountId };
  const email = link?.remote?.email;
  return typeof email === 'string' && email !== '' ? { email } : undefined;
}

/** The records that stand for an account, in every directory of the target. */
export function readRecords(help: RecordHelp, meant: Meant): Promise<RecordLink[]> {
  return meant.email === undefined ? help.linksOf(meant.accountId) : help.linksForEmail(meant.email);
}

/**
 * What is there now for one person; nothing is changed. Refuses with `person-unknown`.
 * @throws Retry, Stop of connector.ts; `impossible` where records cannot be asked for (no organisation key)
 */
export async function heldThere(
  needs: ProvisioningNeeds,
  target: Target,
  person: string,
): Promise<HeldThere> {
  const link = await linkOf(needs, target, person);
  const connection = await openTarget(needs, target, { subject: `person:${person}` });
  const account = link?.remoteId === undefined ? undefined : await connection.read(link.remoteId);
  const meant = meantBy(link);
  const records =
    connection.records && meant ? await readRecords(connection.records, meant) : connection.records && [];
  const lost = account && lostAccount(link, account);
  return { ...(account && { account }), ...(records && { records }), ...(lost && { lost }) };
}

async function linkOf({ database }: ProvisioningNeeds, target: Target, person: string) {
  return database.read(system(), async (tx) => {
    const link = (await linksOf(tx, target.application, [person])).get(person);
    if (!link) await requirePerson(tx, person);
    return link;
  });
}

/**
 * Cuts one record of a person from the account behind it, or deletes every record of that account; the account itself
 * stays as it is. Refuses with `not-found` where the record is none of theirs, `conflict` where nothing is known of theirs.
 * @throws Retry, Stop of connector.ts
 */
export async function partRecords(
  needs: ProvisioningNeeds,
  target: Target,
  person: string,
  what: { record: string } | 'all',
): Promise<void> {
  const link = await linkOf(needs, target, person);
  const { records: help } = await openTarget(needs, target, { subject: `person:${person}` });
  const meant = meantBy(link);
  if (!help || !meant)
    throw new Problem('conflict', { detail: 'no account behind a record is known of this person there' });
  if (what === 'all') {
    if (meant.accountId === undefined)
      throw new Problem('conflict', {
        detail: 'records are deleted by the id of the account, which is not known',
      });
    await help.deleteRecords(meant.accountId);
    return;
  }
  const found = (await readRecords(help, meant)).find(({ scimUserId }) => scimUserId === what.record);
  if (!found?.directoryId || !found.scimUserId) throw new Problem('not-found');
  await help.unlink(found.directoryId, found.scimUserId);
}

/** Why a push is there that makes a lost link whole again. */
const linkAgainCause = 'link-again';

/**
 * A person asks for a lost link to be made whole: the record that lost its account is forgotten there and made anew, in
 * one go and without a further yes. Where nothing is lost by then, nothing is done. Refuses with `not-found`,
 * `person-unknown`, and `conflict` where the mode sends nothing or no account behind the record was ever known.
 */
export async function linkAgain(tx: Tx, application: string, person: string): Promise<void> {
  const target = await requireTarget(tx, application);
  await requirePerson(tx, person);
  if (target.mode === 'off' || target.mode === 'observe')
    throw new Problem('conflict', { detail: `mode ${target.mode} sends nothing` });
  const link = (await linksOf(tx, application, [person])).get(person);
  if (link?.accountId === undefined)
    throw new Problem('conflict', {
      detail: 'no account behind a record was ever known of this person there',
    });
  const actor = tx.actor.name ?? tx.actor.kind;
  const subject = `person:${person}`;
  // Not folded into a push that waits already: that one would not do this.
  const job = { ...subjectJob(application, subject, { cause: linkAgainCause, actor }), dedupe: undefined };
  await enqueue(tx, job);
  await hasten(tx, { lane: laneOf(application), keys: [subject] });
  const text = `${actor} asked for the account behind the record to be linked again.`;
  await note(tx, { application, subject, kind: 'queued', text, cause: linkAgainCause, actor });
}

/** Whether this push is to part the record there from this person before anything else. */
export function partsFirst(
  push: Push,
  { link, standing }: Situation,
  remote: RemoteAccount | undefined,
): boolean {
  const lost = remote && lostAccount(link, remote) !== undefined;
  return push.cause === linkAgainCause && standing === 'active' && lost === true;
}

/** Whether what is planned is what was asked for with that push, and may go without a further yes. */
export const isLinkingAgain = ({ push, target }: Work, { verdict }: Plan): boolean =>
  push.cause === linkAgainCause && target.mode !== 'observe' && (verdict === 'create' || verdict === 'link');

/** The record that lost its account is forgotten there, then here; an account that got it instead keeps what it has. */
export async function partLost(work: Work, { person }: Situation, remote: RemoteAccount): Promise<void> {
  const { connection, target, subject, push } = work;
  const { application } = target;
  // A person asked for it: told to the brake, and not held.
  await fenced(work, (tx) => askBrake(tx, target, { subject, kind: 'delete', approved: true }));
  await forgetRecord(connection, remote);
  await fenced(work, async (tx) => {
    await forgetRemote(tx, application, person, 'unlinked');
    await keepSeats(tx, application, person);
    await record(tx, 'account.deleted', { person, application, data: { remote: remote.id } });
    await writeRemoved(tx, application, remote.id, 'gone');
    await writeDeleted(tx, application, remote.id, { person });
    const text = `The record ${remote.id} had lost its account and is forgotten there; one is made anew.`;
    await note(tx, { application, subject, kind: 'queued', text, cause: push.cause, actor: push.actor });
  });
}

async function forgetRecord({ records }: Connection, { id, accountId }: RemoteAccount): Promise<void> {
  if (!records) return;
  const held = accountId === undefined ? [] : await records.linksOf(accountId);
  const other = held.find(({ scimUserId }) => scimUserId === id);
  // Deleting a record that stands for an account would switch that one off.
  if (other?.directoryId) await records.unlink(other.directoryId, id);
  await records.forget(id);
}
