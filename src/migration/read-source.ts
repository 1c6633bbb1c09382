/** Reads a source to its end before anything is decided: who comes first, and that nothing is missing. */
import { type LegacyGroup, type Source, SourceIncomplete } from '#sources/source.ts';
import { type Candidate, readCandidate } from './candidate.ts';
import type { ImportProgress } from './import.ts';
import type { Tally } from './tally.ts';

export interface ReadSource {
  candidates: Candidate[];
  groups: LegacyGroup[];
}

/** What is held in memory takes about a kilobyte a person. */
const mostPeople = 1_000_000;
const progressEvery = 500;

/** Throws SourceIncomplete for a short read and for a source that holds nothing at all, and whatever the source throws. */
export async function readAll(
  source: Source,
  tally: Tally,
  onProgress?: (progress: ImportProgress) => void,
): Promise<ReadSource> {
  const read: ReadSource = { candidates: [], groups: [] };
  let isEmpty = true;
  for await (const item of source.readSource()) {
    isEmpty = false;
    if (item.kind === 'error') tally.unreadable(item.error);
    else if (item.kind === 'skipped') tally.skipped(item.skipped);
    else if (item.kind === 'group') read.groups.push(item.group);
    else {
      if (read.candidates.length === mostPeople)
        throw new SourceIncomplete(
          'source-too-large',
          `There are more than ${mostPeople} people in it. Import it in parts.`,
        );
      read.candidates.push(readCandidate(item.person));
      if (read.candidates.length % progressEvery === 0)
        onProgress?.({ phase: 'reading', done: read.candidates.length });
    }
  }
  // Most likely the wrong file, or an export that failed: "0 people" would look like success.
  if (isEmpty) throw new SourceIncomplete('source-empty', `There is nothing in ${source.label}.`);
  return read;
}
