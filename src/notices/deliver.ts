/** Sends one letter: written, handed to the mail server, and its answer kept. Nothing but ids waits in the queue. */
import { forgetFormerAddress } from '#core/people/people.ts';
import { type Database, system } from '#kit/db/database.ts';
import type { Log } from '#kit/log/log.ts';
import type { Job } from '#kit/queue/queue.ts';
import { type Lease, Retry } from '#kit/queue/worker.ts';
import { type Mailer, MailFailed, MailRefused } from '#kit/smtp/smtp.ts';
import { type ComposeNeeds, compose } from './compose.ts';
import type { Notice } from './notices.ts';
import * as store from './store.ts';

export interface DeliverNeeds extends ComposeNeeds {
  database: Database;
  mailer: Mailer;
  log: Log;
  /** After so many attempts a letter has failed. */
  maxAttempts: number;
}

/** What a job of the lane `mail` says: which notice, and the verification or address it is about. */
export interface MailJob {
  notice: string;
  about?: string;
}

interface Outcome {
  state: 'sent' | 'failed' | 'dropped';
  answer: string;
  messageId?: string;
}

/**
 * Sends the letter of one job. The same message id goes out with every attempt, so a letter that was taken just before
 * we lost our memory of it is one letter to whoever compares. Throws Retry while the mail server may still take it.
 */
export async function deliver(needs: DeliverNeeds, job: Job<MailJob>, lease: Lease): Promise<void> {
  const { database } = needs;
  const { notice: id, about } = job.payload;
  const prepared = await database.read(system(), async (tx) => {
    const notice = await store.findNotice(tx, id);
    if (notice?.state !== 'queued') return undefined;
    return { notice, composed: await compose(tx, needs, notice, about) };
  });
  // Deleted with its person, or settled by an attempt whose job outlived it.
  if (!prepared) return;
  const { notice, composed } = prepared;
  if ('drop' in composed) return settle(needs, notice, lease, { state: 'dropped', answer: composed.drop });
  const { messageId } = composed.mail;
  try {
    const { response } = await needs.mailer.send(composed.mail);
    return await settle(needs, notice, lease, { state: 'sent', answer: response, messageId });
  } catch (error) {
    if (error instanceof MailRefused || (error instanceof MailFailed && error.permanent))
      return settle(needs, notice, lease, { state: 'failed', answer: answerOf(error), messageId });
    if (!(error instanceof MailFailed)) throw error;
    if (job.attempts >= needs.maxAttempts)
      return settle(needs, notice, lease, { state: 'failed', answer: answerOf(error), messageId });
    const outcome = { state: 'queued', answer: answerOf(error), messageId, tried: true } as const;
    await database.transact(system(), async (tx) => {
      await lease.confirm(tx);
      await store.noteOutcome(tx, id, outcome);
    });
    throw new Retry(undefined, 'The mail server did not take the message yet.');
  }
}

function answerOf(error: MailFailed | MailRefused): string {
  return error instanceof MailFailed ? error.response : error.message;
}

async function settle(needs: DeliverNeeds, notice: Notice, lease: Lease, outcome: Outcome): Promise<void> {
  await needs.database.transact(system(), async (tx) => {
    await store.noteOutcome(tx, notice.id, { ...outcome, tried: outcome.state !== 'dropped' });
    if (notice.kind === 'address-removed') await forgetFormerAddress(tx, notice.address);
    await lease.finish(tx);
  });
  const { id, kind } = notice;
  if (outcome.state === 'failed') needs.log.warn({ notice: id, kind }, 'a mail could not be delivered');
  else needs.log.info({ notice: id, kind, state: outcome.state }, 'a mail was settled');
}
