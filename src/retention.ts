/** What is kept for a while only goes, in batches that hold nothing up. Part of main: it spans folders that know nothing of each other. */
import { deleteOldSignIns } from '#core/sessions/sessions.ts';
import { sweepCounterparts } from '#fronts/relay/counterparts.ts';
import { deleteOldListChanges } from '#fronts/relay/lists.ts';
import { deleteOldBudgets, deleteOldCounts, deleteOldMessages } from '#fronts/relay/messages.ts';
import { relayHouse } from '#fronts/relay/settings-kept.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { deleteOldImportRows, importRowDays } from '#migration/forget.ts';
import { deleteOldNotices, noticeDays } from '#notices/listed.ts';
import { sweepRemovals } from '#provisioning/brake.ts';
import { sweepTimeline } from '#provisioning/timeline.ts';
import { deleteOldRefusals, refusalDays } from '#signon/refusals.ts';
import type { House } from './house.ts';

/** As many as one statement deletes at most. */
const batch = 5000;
/** Batches of one round, so that a first clean-up after years shares the database with everyone else. */
const mostBatches = 40;

/** How long a timeline tells of pushes; the last entries of everyone stay, so that the answer is never "nobody knows". */
const timelineDays = 90;
const timelineKeeps = 20;

/** Volumes of mail by day, and changes of lists of senders; single messages go sooner, as the community says. */
const mailCountDays = 400;
/** What was passed on in a day is asked for on that day. */
const budgetDays = 7;

/** Lets go of sign-ins, of what finished imports noted and of old pushes, where they are older than they may become. */
export async function sweepHistory(house: Pick<House, 'database' | 'clock' | 'config'>): Promise<void> {
  await sweep(house, house.config.signInHistoryDays, deleteOldSignIns);
  await sweep(house, importRowDays, deleteOldImportRows);
  await sweep(house, refusalDays, deleteOldRefusals);
  await sweep(house, noticeDays, deleteOldNotices);
  await inBatches(house, (tx) => sweepTimeline(tx, { days: timelineDays, keep: timelineKeeps, most: batch }));
  await inBatches(house, (tx) => sweepRemovals(tx, batch));
  await sweepMail(house);
}

/** Single messages after the days the community says, counts and ways of answering later. */
async function sweepMail(house: Pick<House, 'database' | 'clock'>): Promise<void> {
  const { logDays, replyDays } = await house.database.read(system(), relayHouse);
  await sweep(house, logDays, deleteOldMessages);
  await sweep(house, mailCountDays, deleteOldCounts);
  await sweep(house, mailCountDays, deleteOldListChanges);
  await sweep(house, budgetDays, deleteOldBudgets);
  await sweepCounterparts(house.database, replyDays);
}

async function sweep(
  house: Pick<House, 'database' | 'clock'>,
  days: number,
  remove: (tx: Tx, before: Date) => Promise<number>,
): Promise<void> {
  const before = new Date(house.clock.now().getTime() - days * 86_400_000);
  await inBatches(house, (tx) => remove(tx, before));
}

async function inBatches(
  { database }: Pick<House, 'database'>,
  remove: (tx: Tx) => Promise<number>,
): Promise<void> {
  for (let round = 0; round < mostBatches; round += 1)
    if ((await database.transact(system('schedule'), remove)) < batch) return;
}
