/** Too many wait for a connection: told apart from faults, so that whoever asked can be told to come again. */
import type pg from 'pg';

/** Nothing was done; trying again in a few seconds makes sense. */
export class DatabaseBusy extends Error {
  override name = 'DatabaseBusy';
}

/** More than this many do not wait: the last of them would be answered too late to be of use to anyone. */
const mostWaiting = 1000;

/** Refuses at once where the queue for a connection is full. */
export function refuseWhenCrowded(pool: pg.Pool): void {
  if (pool.waitingCount >= mostWaiting) throw new DatabaseBusy('too many wait for a database connection');
}

/** The driver's own words for having waited in vain; it has no code for it. */
const waitedInVain = 'timeout exceeded when trying to connect';

/** `pool.connect().catch(asDatabaseBusy)`; every other error stays what it is. */
export function asDatabaseBusy(error: unknown): never {
  if (error instanceof Error && error.message === waitedInVain)
    throw new DatabaseBusy('no database connection became free in time', { cause: error });
  throw error;
}
