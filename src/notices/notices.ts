/**
 * Mail to people, from the log.
 * Owns `notices`: one row a letter, what became of it and what the mail server answered; never its text.
 * Records nothing. Refuses to mail what an import, a sync, a merge, a declaration or the demo brought about, letters
 * whose link has ended, and any address that is not on the account. What is told to whom stands in `intake.ts`.
 */
import { erasedIn, type LoggedEvent } from '#core/events/events.ts';
import { type LogReader, readOnce, startReader } from '#core/events/reader.ts';
import { listAddresses } from '#core/people/people.ts';
import { newId } from '#kit/crypto/ids.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Database } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { Log } from '#kit/log/log.ts';
import { dropJobs, enqueueAll } from '#kit/queue/queue.ts';
import { startWorker } from '#kit/queue/worker.ts';
import type { Mailer } from '#kit/smtp/smtp.ts';
import { deliver, type MailJob } from './deliver.ts';
import { draftsOf, type NoticeKind, toldTypes } from './intake.ts';
import * as store from './store.ts';

export interface Notice {
  id: string;
  kind: NoticeKind;
  person: string;
  /** Id of the address it goes to. */
  address: string;
  state: 'queued' | 'sent' | 'failed' | 'dropped';
  messageId?: string;
  /** What the mail server said, or why it was not sent. */
  answer?: string;
  attempts: number;
  /** When it happened what the letter tells. */
  createdAt: Date;
  settledAt?: Date;
}

/** Lane of the queue that letters wait in, in order for each person. */
const lane = 'mail';

/** The reader that turns events into letters waiting to be sent; letters and cursor commit together. */
export function noticesReader(): LogReader {
  return {
    reader: 'notices',
    from: 'beginning',
    acts: [...toldTypes, 'person.left'],
    async handle(tx, events) {
      await forgetErased(tx, events);
      const drafts = (await draftsOf(tx, events)).map((draft) => ({ ...draft, id: newId() }));
      if (drafts.length === 0) return;
      await store.insertNotices(tx, drafts);
      await enqueueAll(
        tx,
        drafts.map(({ id, about, person }) => ({
          lane,
          key: person,
          payload: { notice: id, about } satisfies MailJob,
        })),
      );
    },
  };
}

/** Nothing stays of letters to people who are erased, nor of the work to send them. */
async function forgetErased(tx: Tx, events: readonly LoggedEvent[]): Promise<void> {
  for (const person of erasedIn(events)) {
    await store.deleteNoticesOf(tx, person);
    await dropJobs(tx, { lane, key: person });
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
  /** Attempts before a letter counts as failed; default 20, about eight hours. */
  maxAttempts?: number;
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
  const maxAttempts = options.maxAttempts ?? 20;
  const mailDomain = options.mailDomain ?? options.publicUrl.hostname;
  const sending = startWorker<MailJob>({
    database,
    lane,
    log,
    handle: (job, lease) => deliver({ ...options, mailDomain, maxAttempts }, job, lease),
    concurrency: 4,
    maxAttempts,
    backoff: options.backoff ?? { first: 15, most: 1800 },
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
