/**
 * "Why did it fail?": the paths of logins that were refused, by the reference people quote.
 * Owns `sign_in_traces`, `sign_in_watches`. Records refusal.read, sign-in.watched. Refuses references it does not know.
 * Holds no secret (trace-scrub.ts), is kept for two weeks, and goes with the person.
 */
import { erasedIn, record } from '#core/events/events.ts';
import type { LogReader } from '#core/events/reader.ts';
import { Problem } from '#core/problem.ts';
import { newId } from '#kit/crypto/ids.ts';
import type { Tx } from '#kit/db/tx.ts';
import { deletePendingOf } from './pending.store.ts';
import * as store from './trace.store.ts';
import type { TraceStep } from './trace.ts';

export type { Refusal, Watch } from './trace.store.ts';

/** How long paths are kept. */
export const refusalDays = 14;
export const deleteOldRefusals = store.deleteOldTraces;
export const listRefusals = store.listTraces;
export const openWatches = store.openWatches;

/** A whole path; that somebody looked at it is noted. Refuses with `not-found`. */
export async function readRefusal(
  tx: Tx,
  reference: string,
): Promise<store.Refusal & { steps: TraceStep[] }> {
  const found = await store.traceByReference(tx, reference.trim().slice(0, 100));
  if (!found) throw new Problem('not-found');
  const { person, application } = found;
  await record(tx, 'refusal.read', { person, application, data: { reference: found.reference } });
  return found;
}

/** Keeps also the logins that succeed, of one person or at one app, for so many minutes. */
export async function watchSignIns(
  tx: Tx,
  what: { person?: string; application?: string; minutes: number },
): Promise<store.Watch> {
  const { person, application, minutes } = what;
  const watch = { id: newId(), person, application, endsAt: new Date(tx.now().getTime() + minutes * 60_000) };
  await store.insertWatch(tx, watch);
  await record(tx, 'sign-in.watched', { person, application, data: { minutes } });
  return watch;
}

/** Who is erased leaves no path behind, nor a sign-in that waits and would be noted when its time is over. */
export const refusalErasureReader: LogReader = {
  reader: 'refusal-erasure',
  from: 'beginning',
  acts: ['person.left'],
  async handle(tx, events) {
    const erased = erasedIn(events);
    if (erased.length === 0) return;
    await store.deleteTracesOf(tx, erased);
    await deletePendingOf(tx, erased);
  },
};
