/**
 * The one log.
 * Owns `events` and `event_cursors`. Records past-tense facts in the transaction that made them true.
 * Refuses facts that are not in the catalogue. Readers live in `reader.ts`.
 */
import type { Tx } from '#kit/db/tx.ts';

export type { EventData, EventType } from './catalogue.ts';

import { catalogue, type EventData, type EventType, erasedText } from './catalogue.ts';
import * as store from './store.ts';

/** Newest first: of one person, of one app, of one type, before an id. */
export const listEvents = store.listEvents;

const personalFields = Object.entries(catalogue).flatMap(([type, { personal }]) =>
  personal.length > 0 ? [{ type, fields: personal }] : [],
);

/** What events say of these people beyond their ids is replaced by a word; that it happened stays. */
export async function forgetPersonalData(tx: Tx, people: readonly string[]): Promise<void> {
  if (people.length > 0) await store.redactData(tx, people, personalFields, erasedText);
}

/** Who is erased according to these events: for readers, which let go of what they keep of them. */
export function erasedIn(events: readonly LoggedEvent[]): string[] {
  return events.flatMap((event) => {
    const left = event.type === 'person.left' ? (event as LoggedEvent<'person.left'>) : undefined;
    return left?.person && left.data.state === 'erased' ? [left.person] : [];
  });
}

/** Takes the names away from what these people, or these tokens of theirs, did. Looks through the whole log. */
export const forgetActors = store.redactActors;

/** For `restore` alone: every reader starts behind what was restored. */
export const cursorsToEnd = store.cursorsToEnd;

export interface NewEvent<T extends EventType = EventType> {
  type: T;
  person?: string;
  application?: string;
  data: EventData<T>;
}

/** One recorded fact as readers see it. `xid` and `id` together are its place in commit order. */
export interface LoggedEvent<T extends EventType = EventType> extends NewEvent<T> {
  id: number;
  xid: string;
  at: Date;
  actor: { kind: string; id?: string; name?: string };
  cause: string;
  requestId: string;
}

/** Records one fact. Throws when the data does not fit the catalogue (a fault of ours, never of a person). */
export async function record<T extends EventType>(
  tx: Tx,
  type: T,
  event: { person?: string; application?: string; data: EventData<T> },
): Promise<void> {
  await recordAll(tx, [{ type, ...event } as NewEvent]);
}

/** The statement that records facts, with none: where doing nothing must cost what doing something costs (AU-07). */
export async function recordNothing(tx: Tx): Promise<void> {
  await store.insertEvents(tx, []);
}

/** Records many facts with one statement, in the order given. */
export async function recordAll(tx: Tx, events: readonly NewEvent[]): Promise<void> {
  if (events.length === 0) return;
  for (const event of events) catalogue[event.type].data.parse(event.data);
  await store.insertEvents(tx, events);
}
