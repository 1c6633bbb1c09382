/**
 * Mail to people, from the log.
 * Owns `notices`: one row a letter, what became of it and what mail servers said; never its text. Owns
 * `mail_suppressions`: addresses that refuse our mail for good. Records mail.suppressed and mail.suppression-lifted.
 * Refuses to mail what an import, a sync, a merge, a declaration or the demo brought about, letters
 * whose link has ended, and any address that is not on the account. What is told to whom stands in `intake.ts`.
 */
import { erasedIn, type LoggedEvent } from '#core/events/events.ts';
import { type LogReader, readOnce, startReader } from '#core/events/reader.ts';
import { listAddresses } from '#core/people/people.ts';
import { newId } from '#kit/crypto/ids.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Database } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { App } from '#kit/http/server.ts';
import type { Log } from '#kit/log/log.ts';
import { dropJobs, enqueueAll, hasten } from '#kit/queue/queue.ts';
import { startWorker } from '#kit/queue/worker.ts';
import type { Mailer } from '#kit/smtp/smtp.ts';
import type { PageNeeds } from '#signon/visit.ts';
import { type DeliverNeeds, deliver, giveUp, type MailJob } from './deliver.ts';
import { type HookNeeds, hookRoutes } from './hooks.ts';
import { type Draft, draftsOf, type NoticeKind, toldTypes } from './intake.ts';
import { noMailRoutes } from './no-mail.ts';
import * as store from './store.ts';
import { awaited, forgetSuppressions, liftProved } from './suppressions.ts';

/**
 * queued → accepted (the mail server took it) → delivered | bounced, where we are told. `deferred`: not taken yet, with us
 * (then there is a next attempt) or further on; `failed`: refused when it was handed over; `dropped`: not sent at all.
 */
export const noticeStates = [
  'queued',
  'accepted',
  'deferred',
  'delivered',
  'bounced',
  'failed',
  'dropped',
] as const;
export type NoticeState = (typeof noticeStates)[number];

/** What is told about a letter after it was handed over, by a report (RFC 3464) or a webhook. */
export interface DeliveryReport {
  state: 'accepted' | 'delivered' | 'deferred' | 'bounced' | 'failed';
  /** Enhanced status code, like 5.1.1. */
  status?: string;
  /** In the words of whoever refused it. */
  text?: string;
  at: Date;
}

export interface Notice {
  id: string;
  kind: NoticeKind;
  person: string;
  /** Id of the address it goes to. */
  address: string;
  state: NoticeState;
  /** The verification it carries, or the address or upstream it speaks of. */
  about?: string;
  messageId?: string;
  /** What the mail server said when it was handed over, or why it was not sent. */
  answer?: string;
  attempts: number;
  /** Attempts whose end nobody saw: it may have arrived that often more. */
  resent: number;
  /** An attempt was begun then, and its end is not known. */
  handedAt?: Date;
  /** When the mail server took it. */
  acceptedAt?: Date;
  /** While it waits with us. */
  nextAttemptAt?: Date;
  /** Enhanced status code (RFC 3463) of the last refusal. */
  status?: string;
  /** What came back after it was taken. */
  report?: string;
  reportedAt?: Date;
  /** When it happened what the letter tells. */
  createdAt: Date;
  settledAt?: Date;
}

/** Far more than fit into the hours a letter is kept: its own age ends it, and it is said why. */
const mostAttempts = 10_000;

/** Lane of the queue that letters wait in, in order for each person. */
const lane = 'mail';

/** The reader that turns events into letters waiting to be sent; letters and cursor commit together. */
export function noticesReader(): LogReader {
  return {
    reader: 'notices',
    from: 'beginning',
    acts: [...toldTypes, 'person.left', 'address.verified', 'password.set'],
    async handle(tx, events) {
      await forgetErased(tx, events);
      await noteProofs(tx, events);
      const drafts = (await draftsOf(tx, events)).map((draft) => ({ ...draft, id: newId() }));
      if (drafts.length === 0) return;
      await store.insertNotices(tx, drafts);
      await enqueueAll(
        tx,
        drafts.map((draft) => jobOf(draft)),
      );
      // One that waits for its next attempt is looked at again: where this letter replaces it, it ends and holds nothing up.
      const waitedFor = drafts.filter(({ kind }) => awaited.has(kind)).map(({ address }) => address);
      if (waitedFor.length > 0) await hasten(tx, { lane, keys: waitedFor });
    },
  };
}

/**
 * Letters of one person keep their order, for one may speak of what the other forgets. Those somebody waits for do not
 * wait behind others: an address that takes no mail today must not hold up the code to another one.
 */
export function jobOf({ id, about, person, address, kind }: Omit<Draft, 'event' | 'at'> & { id: string }) {
  const key = awaited.has(kind) ? address : person;
  return { lane, key, payload: { notice: id, about } satisfies MailJob };
}

/** An address that was proved, by whichever link or code that was mailed there, takes mail again. */
async function noteProofs(tx: Tx, events: readonly LoggedEvent[]): Promise<void> {
  const proving = events.filter(({ type }) => type === 'address.verified' || type === 'password.set');
  for (const person of new Set(proving.map((event) => event.person)))
    if (person) await liftProved(tx, person);
}

/** Nothing stays of letters to people who are erased, nor of the work to send them. */
async function forgetErased(tx: Tx, events: readonly LoggedEvent[]): Promise<void> {
  for (const person of erasedIn(events)) {
    for (const key of [person, ...(await store.deleteNoticesOf(tx, person))])
      await dropJobs(tx, { lane, key });
    await forgetSuppressions(tx, person);
  }
}

export interface NoticesOptions {
  database: Database;
  secrets: Secrets;
  mailer: Mailer;
  /** The configured public address; links in mails have no other origin. */
  publicUrl: URL;
  /** Right side of message ids; the host of the public address when left out. */
  mailDomain?: string;
  log: Log;
  /** Pause before the second attempt and the longest pause, in seconds; default 15 and 1800. */
  backoff?: { first: number; most: number };
  /** Hours after which a letter that was never taken has failed; default 72. */
  keepHours?: number;
  /** Domain whose mail comes to our relay: refusals of our own mail come back there. */
  bounceDomain?: string;
  /** Whether the smart host tells by webhook what became of a letter. */
  hasWebhook?: boolean;
}

/** The pages of whoever waits for a mail, and what mail services call. */
export function registerNotices(app: App, needs: PageNeeds & HookNeeds): void {
  noMailRoutes(app, needs);
  hookRoutes(app, needs);
}

export interface RunningNotices {
  /** Reads every event there is and sends what is due; letters that wait for another attempt stay queued. */
  settle(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts reading and sending. When it resolves, every event recorded from then on is seen. */
export async function startNotices(options: NoticesOptions): Promise<RunningNotices> {
  const { database, log } = options;
  const reader = noticesReader();
  await readOnce(database, reader);
  const reading = startReader({ database, reader, log });
  const keepHours = options.keepHours ?? 72;
  const backoff = options.backoff ?? { first: 15, most: 1800 };
  const mailDomain = options.mailDomain ?? options.publicUrl.hostname;
  const needs: DeliverNeeds = { ...options, mailDomain, keepHours, backoff };
  const sending = startWorker<MailJob>({
    database,
    lane,
    log,
    handle: (job, lease) => deliver(needs, job, lease),
    giveUp: (job, lease, deaths) => giveUp(needs, job, lease, deaths),
    concurrency: 4,
    maxAttempts: mostAttempts,
    backoff,
  });
  return {
    async settle() {
      await reading.catchUp();
      await sending.idle();
    },
    async stop() {
      await reading.stop();
      await sending.stop();
    },
  };
}

export interface ListedNotice extends Notice {
  /** The address itself while it is on the account. */
  to?: string;
}

/** What was mailed to a person, newest first, for consoles. */
export async function noticesFor(tx: Tx, person: string, limit = 50): Promise<ListedNotice[]> {
  const notices = await store.noticesOf(tx, person, limit);
  const addresses = new Map((await listAddresses(tx, [person])).map((one) => [one.id, one.address]));
  return notices.map((notice) => ({ ...notice, to: addresses.get(notice.address) }));
}
