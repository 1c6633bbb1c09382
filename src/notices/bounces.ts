/**
 * What comes back about a letter after it was taken: reports that arrive at its own address (RFC 3464), and what a mail
 * service tells by webhook. Either may come twice, late, in any order, or about a letter that is gone.
 */
import type { Secrets } from '#kit/crypto/secrets.ts';
import { type Database, system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { Log } from '#kit/log/log.ts';
import { readDsn } from '#wire/smtp/dsn.ts';
import { readBounceAddress } from './envelope.ts';
import type { DeliveryReport } from './notices.ts';
import * as store from './store.ts';
import { forgetBounces, noteHardBounce } from './suppressions.ts';

/** The enhanced status code in what a mail server said, or undefined (RFC 3463). */
export function statusIn(text: string | undefined): string | undefined {
  return /(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])/.exec(text ?? '')?.[1];
}

/** There is no such mailbox, and there will be none: not policy, not a full mailbox, not a fault on the way. */
const mailboxGone = new Set(['5.1.1', '5.1.2', '5.1.3', '5.1.6', '5.1.10', '5.2.1']);

/** Whether a refusal says that the mailbox is not there. */
export function isHardBounce(status: string | undefined): boolean {
  return status !== undefined && mailboxGone.has(status);
}

/** Keeps what was told about a letter, and what it means for the address. False when it says nothing new. */
export async function takeReport(tx: Tx, notice: string, report: DeliveryReport): Promise<boolean> {
  const about = await store.noteReport(tx, notice, report);
  if (!about) return false;
  if (report.state === 'bounced' && isHardBounce(report.status))
    await noteHardBounce(tx, { ...about, status: report.status, text: report.text });
  if (report.state === 'delivered') await forgetBounces(tx, about);
  return true;
}

export interface BounceNeeds {
  database: Database;
  secrets: Secrets;
  log: Log;
}

/** What a relay hands on that is about our own mail. */
export interface OwnBounces {
  /** The letter whose own address this is; undefined for every other local part. */
  recognise(local: string): string | undefined;
  /** Reads a report and keeps what it says. What is no report (an answer of an absent person) says nothing. */
  take(notice: string, raw: Buffer): Promise<void>;
}

const states = { failed: 'bounced', delayed: 'deferred', delivered: 'delivered' } as const;

/** The reading of reports for whoever listens for mail. */
export function ownBounces({ database, secrets, log }: BounceNeeds): OwnBounces {
  return {
    recognise: (local) => readBounceAddress(secrets, local),
    async take(notice, raw) {
      const report = await readDsn(raw);
      // A letter goes to one address, so its report is about one; of several the worst counts.
      const told = report?.recipients.map(({ action, status, diagnostic }) => ({
        state: Object.hasOwn(states, action) ? states[action as keyof typeof states] : undefined,
        status: statusIn(diagnostic) ?? statusIn(status),
        text: diagnostic || status,
      }));
      const worst =
        told?.find((one) => one.state === 'bounced') ??
        told?.find((one) => one.state === 'deferred') ??
        told?.find((one) => one.state === 'delivered');
      if (!worst?.state) return log.info({ notice }, 'mail came back that is no report of delivery');
      const { state, status, text } = worst;
      const isNew = await database.transact(system(), (tx) =>
        takeReport(tx, notice, { state, status, text, at: tx.now() }),
      );
      log.info({ notice, state, status, isNew }, 'a report about a mail came back');
    },
  };
}
