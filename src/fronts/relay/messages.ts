/**
 * The log of mail: what became of each message, never its text. A row is swept after the days the settings say; counts
 * by day stay longer. What is refused before it was sent is noted up to a bound a network and hour, and counted all.
 */
import type { Database } from '#kit/db/database.ts';
import * as store from './messages.store.ts';
import type { RelayReason } from './reasons.ts';
import type { MessageClass, RelayMode } from './settings.ts';

export const recipientClasses = ['alias', 'bounce', 'reply', 'postmaster', 'none'] as const;
export type RecipientClass = (typeof recipientClasses)[number];

export const verdicts = ['relayed', 'refused', 'deferred', 'absorbed', 'dropped'] as const;
export type Verdict = (typeof verdicts)[number];

export interface NewMessage {
  id: string;
  at: Date;
  /** Whose mailbox it was. */
  person?: string;
  application?: string;
  recipientClass: RecipientClass;
  verdict: Verdict;
  reason: RelayReason;
  via: 'relay' | 'postfix';
  /** Envelope sender; '' is the null sender. */
  sender?: string;
  headerFrom?: string;
  /** As it was written; of an answer, who gets it. */
  recipient?: string;
  client?: string;
  /** With angle brackets. */
  messageId?: string;
  messageClass?: MessageClass;
  bytes?: number;
  mode?: RelayMode;
  smartHost?: string;
  /** What the smart host said; for operators alone: it may hold the real address. */
  answer?: string;
  tookMs?: number;
}

export interface NotedMessage extends NewMessage {
  bouncedAt?: Date;
  bounceStatus?: string;
}

export interface MessageFilter {
  person?: string;
  application?: string;
  verdict?: Verdict;
  reason?: RelayReason;
  recipientClass?: RecipientClass;
  since?: Date;
  /** Part of the envelope sender, the From address or the recipient. */
  text?: string;
}

/** Newest first; `before` is the id of the last one seen. */
export interface MessagePage {
  before?: string;
  limit: number;
}

export interface DayCount {
  /** YYYY-MM-DD, UTC. */
  day: string;
  /** '' where no app is known to have sent it. */
  application: string;
  verdict: Verdict;
  reason: RelayReason;
  messages: number;
  bytes: number;
}

/** Notes one message, and counts it. Of many at once, `createNotes` makes fewer statements. */
export async function noteMessage(database: Pick<Database, 'query'>, entry: NewMessage): Promise<void> {
  await store.insertMessages(database, [entry], [entry]);
}

/** Of everyone, for operators. */
export const listMessages = store.listMessages;

export const findMessage = store.messageById;

/** Of one person's mailboxes, for themselves. */
export const messagesOf = store.messagesOf;

/** Volumes by day, newest first. */
export const countsOf = store.countsOf;

/** What is left today: of a person and an app, and of the app as a whole. */
export const usedToday = store.usedToday;

/**
 * Keeps that a report came back about a message, to the return address that was made for it. Returns how many rows it is
 * true of: none where nobody knows it.
 */
export const noteBounce = store.markBounced;

/** For the regular clean-up. */
export const deleteOldMessages = store.deleteMessages;
export const deleteOldCounts = store.deleteCounts;
export const deleteOldBudgets = store.deleteBudgets;
