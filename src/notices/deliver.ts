/**
 * Sends one letter: written, handed to the mail server, and its answer kept. Nothing but ids waits in the queue. What the
 * mail server does not take yet is tried again for three days; whatever has ended by then is not sent any more.
 */
import { forgetFormerAddress } from '#core/people/people.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import { type Database, system } from '#kit/db/database.ts';
import type { Log } from '#kit/log/log.ts';
import type { Job } from '#kit/queue/queue.ts';
import { backoffSeconds, type Lease, Retry } from '#kit/queue/worker.ts';
import { type Mail, type Mailer, MailFailed, MailRefused } from '#kit/smtp/smtp.ts';
import { isHardBounce, statusIn } from './bounces.ts';
import { type ComposeNeeds, compose } from './compose.ts';
import { bounceAddress } from './envelope.ts';
import type { Notice } from './notices.ts';
import * as store from './store.ts';
import { noteHardBounce, suppressionOf } from './suppressions.ts';

export interface DeliverNeeds extends ComposeNeeds {
  database: Database;
  secrets: Secrets;
  mailer: Mailer;
  log: Log;
  /** Pauses between attempts, in seconds. */
  backoff: { first: number; most: number };
  /** A letter that was not taken for so long has failed. */
  keepHours: number;
  /** Domain whose mail comes to us, so that what bounces is told by the address it comes back to. */
  bounceDomain?: string;
  /** Whether the smart host tells by webhook what became of a letter: then each carries its id as it wants it. */
  hasWebhook?: boolean;
}

/** What a job of the lane `mail` says: which notice, and the verification or address it is about. */
export interface MailJob {
  notice: string;
  about?: string;
}

/**
 * Sends the letter of one job. The same message id goes out with every attempt, so a letter that was taken just before
 * we lost our memory of it is one letter to whoever compares, and it is counted that this may have happened. Throws
 * Retry while the mail server may still take it.
 */
export async function deliver(needs: DeliverNeeds, job: Job<MailJob>, lease: Lease): Promise<void> {
  const { database } = needs;
  const { notice: id, about } = job.payload;
  const prepared = await database.transact(system(), async (tx) => {
    const notice = await store.findNotice(tx, id);
    if (!notice || !waitsHere(notice)) return undefined;
    const composed = await compose(tx, needs, notice, about);
    if ('drop' in composed) return { notice, composed };
    const refused = await suppressionOf(tx, notice);
    if (refused) return { notice, composed: { drop: refused } };
    await lease.confirm(tx);
    await store.beginAttempt(tx, id);
    const isLast = tx.now().getTime() - notice.createdAt.getTime() > needs.keepHours * 3_600_000;
    return { notice, composed, isLast };
  });
  // Deleted with its person, or settled by an attempt or a report whose job outlived it.
  if (!prepared) return;
  const { notice, composed, isLast } = prepared;
  if ('drop' in composed) return settle(needs, notice, lease, { state: 'dropped', answer: composed.drop });
  const { messageId } = composed.mail;
  try {
    const { response } = await needs.mailer.send(addressed(needs, notice, composed.mail));
    return await settle(needs, notice, lease, { state: 'accepted', answer: response, messageId });
  } catch (error) {
    if (!(error instanceof MailRefused || error instanceof MailFailed)) throw error;
    const answer = error instanceof MailFailed ? error.response : error.message;
    const status = statusIn(answer);
    if (error instanceof MailRefused || error.permanent || isLast)
      return settle(needs, notice, lease, { state: 'failed', answer, status, messageId });
    const seconds = backoffSeconds(job.attempts, needs.backoff);
    await database.transact(system(), async (tx) => {
      await lease.confirm(tx);
      const nextAttemptAt = new Date(tx.now().getTime() + seconds * 1000);
      const isUnsure = error instanceof MailFailed && error.stage === 'after-data';
      await store.noteOutcome(tx, id, {
        state: 'deferred',
        answer,
        status,
        messageId,
        nextAttemptAt,
        isUnsure,
      });
    });
    throw new Retry(seconds, 'The mail server did not take the message yet.');
  }
}

/**
 * A letter with which what sends letters has ended again and again: it is not tried any more, operators see why, and may
 * send it again.
 * @param deaths how often it ended
 */
export async function giveUp(
  needs: DeliverNeeds,
  job: Job<MailJob>,
  lease: Lease,
  deaths: number,
): Promise<void> {
  const notice = await needs.database.read(system(), (tx) => store.findNotice(tx, job.payload.notice));
  if (!notice || !waitsHere(notice)) return;
  const answer = `Given up: the process that sends mail ended ${deaths} times in a row with this letter in hand.`;
  await settle(needs, notice, lease, { state: 'failed', answer });
}

function waitsHere({ state, acceptedAt }: Notice): boolean {
  return state === 'queued' || (state === 'deferred' && !acceptedAt);
}

/**
 * The letter on its way: where refusals come back to, and, for a mail service that tells by webhook what became of it, its
 * id in the form that service returns (Mailchimp Transactional), with no link of ours led through a counter of theirs.
 */
function addressed(needs: DeliverNeeds, { id }: Notice, mail: Mail): Mail {
  const envelopeFrom = needs.bounceDomain && bounceAddress(needs.secrets, id, needs.bounceDomain);
  const told = { 'X-MC-Metadata': JSON.stringify({ notice: id }), 'X-MC-Track': 'none' };
  const headers = { ...mail.headers, ...(needs.hasWebhook && told) };
  return { ...mail, headers, ...(envelopeFrom && { envelopeFrom }) };
}

async function settle(
  needs: DeliverNeeds,
  notice: Notice,
  lease: Lease,
  outcome: store.Outcome,
): Promise<void> {
  await needs.database.transact(system(), async (tx) => {
    const noted = await store.noteOutcome(tx, notice.id, outcome);
    if (noted && outcome.state === 'failed' && isHardBounce(outcome.status))
      await noteHardBounce(tx, { ...notice, status: outcome.status, text: outcome.answer });
    if (notice.kind === 'address-removed') await forgetFormerAddress(tx, notice.address);
    await lease.finish(tx);
  });
  const { id, kind } = notice;
  if (outcome.state === 'failed') needs.log.warn({ notice: id, kind }, 'a mail could not be delivered');
  else needs.log.info({ notice: id, kind, state: outcome.state }, 'a mail was settled');
}
