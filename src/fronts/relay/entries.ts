/** What the log of mail says of one message that has come in full. */
import { isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Admission, notedAs, type Refused } from './judge.ts';
import type { NewMessage } from './messages.ts';
import type { Notes } from './notes.ts';
import type { RelayReason } from './reasons.ts';
import type { Arrival } from './recipients.ts';
import { isLater, type Refusal } from './refusals.ts';

/** A message that has come in full. */
export interface Received {
  id: string;
  arrival: Arrival;
  admission: Admission;
  raw: Buffer;
  /** When its first byte came, by the machine's clock (milliseconds since 1970). */
  began: number;
}

/** What the sender is told. */
export type Reply = { code: 250; text: string } | Refusal;

/** Longer ones are cut in the log. */
const longestAddress = 320;
/** How long the sender waits for what became of a message to be noted once it is out. */
const mostNoteMs = 5_000;

/** What is known of a message while it is decided about, and the row that says what became of it. */
export interface Entries {
  /** Adds to what is known of the message. */
  add(facts: Partial<NewMessage>): void;
  refused(refusal: Refusal): Promise<Refusal>;
  done(verdict: 'relayed' | 'absorbed' | 'dropped', reason: RelayReason): Promise<Reply>;
}

export function entriesOf(
  { notes }: { notes: Pick<Notes, 'note'> },
  { id, arrival, admission, raw, began }: Received,
): Entries {
  let known: Partial<NewMessage> = {};
  const note = (verdict: NewMessage['verdict'], reason: RelayReason) =>
    notes.note({
      ...saidOf(arrival),
      recipientClass: admission.recipient.class,
      bytes: raw.length,
      tookMs: Date.now() - began,
      ...known,
      id,
      verdict,
      reason,
    });
  return {
    add(facts) {
      known = { ...known, ...facts };
    },
    async refused(refusal) {
      // Whoever is refused does not wait for the log.
      void note(isLater(refusal) ? 'deferred' : 'refused', refusal.reason);
      return refusal;
    },
    async done(verdict, reason) {
      // The message is out: the log may take its time, the sender does not wait for it for long.
      await Promise.race([note(verdict, reason), sleep(mostNoteMs, undefined, { ref: false })]);
      return { code: 250, text: `2.0.0 Taken as ${id}.` };
    },
  };
}

/** Notes a refusal by what is known when a recipient is named. Nobody waits for it. */
export function noteUnadmitted(
  notes: Pick<Notes, 'note'>,
  arrival: Arrival,
  { refusal, ...meant }: Refused,
  more: Partial<NewMessage> = {},
): void {
  void notes.note({
    ...saidOf(arrival),
    bytes: arrival.bytes,
    ...notedAs(meant),
    verdict: isLater(refusal) ? 'deferred' : 'refused',
    reason: refusal.reason,
    ...more,
  });
}

function saidOf({ sender, recipient, client, via }: Arrival) {
  return {
    via,
    sender: sender.slice(0, longestAddress),
    recipient: recipient.slice(0, longestAddress),
    // Postfix does not know the address of a client that was gone before it looked.
    client: isIP(client) === 0 ? undefined : client,
  };
}
