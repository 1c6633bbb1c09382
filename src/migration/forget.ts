/** What imports noted about records is let go of: with the person it is about, and in time. */
import { erasedIn } from '#core/events/events.ts';
import type { LogReader } from '#core/events/reader.ts';
import * as store from './store.ts';

/** Reader of the log that takes the lines about erased people out of the runs. */
export const importErasureReader: LogReader = {
  reader: 'import-erasure',
  from: 'beginning',
  acts: ['person.left'],
  async handle(tx, events) {
    const erased = erasedIn(events);
    if (erased.length > 0) await store.deleteRowsOf(tx, erased);
  },
};

/** How long the lines of a finished run stay; its counts stay for good. */
export const importRowDays = 90;

/** Deletes up to 5,000 lines of runs that ended before this; a run that may go on keeps its own. Returns how many. */
export const deleteOldImportRows = store.deleteOldRows;
