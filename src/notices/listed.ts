/** Our own mail as operators see it: what was written to whom, what became of it, and what was said. */
import { record } from '#core/events/events.ts';
import { findPeople, listAddresses } from '#core/people/people.ts';
import { findVerifications } from '#core/people/verifications.ts';
import { Problem } from '#core/problem.ts';
import { isId } from '#kit/crypto/ids.ts';
import type { Tx } from '#kit/db/tx.ts';
import { enqueue } from '#kit/queue/queue.ts';
import { endOf, linkKinds } from './compose.ts';
import { jobOf, type Notice, type NoticeState } from './notices.ts';
import * as store from './store.ts';

export interface ListedMail extends Notice {
  /** The address itself while it is on the account. */
  to?: string;
  username?: string;
  displayName?: string;
  /** It was refused, and what it carries still opens something: sent again it would say what is true. */
  canSendAgain: boolean;
}

/** Newest first. */
export async function listMail(tx: Tx, filter: store.NoticeFilter): Promise<ListedMail[]> {
  const found = await store.listNotices(tx, filter);
  const ids = [...new Set(found.map((one) => one.person))];
  const refused = found.filter(({ state }) => state === 'failed' || state === 'bounced');
  const carried = refused.flatMap(({ kind, about }) => (linkKinds.has(kind) && about ? about : []));
  const [people, addresses, proofs] = await Promise.all([
    findPeople(tx, ids),
    listAddresses(tx, ids),
    findVerifications(tx, carried),
  ]);
  const opens = new Set(proofs.filter((one) => !endOf(one, tx.now())).map((one) => one.id));
  const resendable = new Set(
    refused.filter(({ kind, about }) => !linkKinds.has(kind) || (about && opens.has(about))),
  );
  const byId = new Map(people.map((one) => [one.id, one]));
  const texts = new Map(addresses.map((one) => [one.id, one.address]));
  return found.map((one) => {
    const { username, displayName } = byId.get(one.person) ?? {};
    const canSendAgain = resendable.has(one);
    return { ...one, to: texts.get(one.address), username, displayName, canSendAgain };
  });
}

/** How many there are in each state since then. */
export async function countMail(tx: Tx, since: Date): Promise<{ state: NoticeState; count: number }[]> {
  return store.countNotices(tx, since);
}

/** Has a letter sent again that was refused. Refuses with not-found any other. Whatever has ended by then is dropped. */
export async function sendMailAgain(tx: Tx, id: string): Promise<void> {
  const notice = isId(id) ? await store.sendAgain(tx, id) : undefined;
  if (!notice) throw new Problem('not-found');
  await enqueue(tx, jobOf(notice));
  await record(tx, 'mail.sent-again', { person: notice.person, data: { notice: id } });
}

/** How many days it is kept what became of a letter. */
export const noticeDays = 180;

/** For the regular clean-up. */
export const deleteOldNotices = store.deleteOldNotices;
