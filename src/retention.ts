/** What is kept for a while only goes, in batches that hold nothing up. Part of main: it spans folders that know nothing of each other. */
import { deleteOldSignIns } from '#core/sessions/sessions.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { deleteOldImportRows, importRowDays } from '#migration/forget.ts';
import type { House } from './house.ts';

/** As many as one statement deletes at most. */
const batch = 5000;
/** Batches of one round, so that a first clean-up after years shares the database with everyone else. */
const mostBatches = 40;

/** Lets go of sign-ins and of what finished imports noted, where they are older than they may become. */
export async function sweepHistory(house: Pick<House, 'database' | 'clock' | 'config'>): Promise<void> {
  await sweep(house, house.config.signInHistoryDays, deleteOldSignIns);
  await sweep(house, importRowDays, deleteOldImportRows);
}

async function sweep(
  { database, clock }: Pick<House, 'database' | 'clock'>,
  days: number,
  remove: (tx: Tx, before: Date) => Promise<number>,
): Promise<void> {
  const before = new Date(clock.now().getTime() - days * 86_400_000);
  for (let round = 0; round < mostBatches; round += 1)
    if ((await database.transact(system('schedule'), (tx) => remove(tx, before))) < batch) return;
}
