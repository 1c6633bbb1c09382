/** Looks after the keys of mail while the house runs: every domain has one, and what is published signs. */
import { aliasDomains } from '#core/community/alias-domains.ts';
import { regularly } from '#kit/clock/regularly.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import { type Database, system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { Log } from '#kit/log/log.ts';
import { createDns } from './dns.ts';
import { type KeyLook, makeFirstKeys, takeUpPublishedKeys } from './keys.ts';

const everyMs = 600_000;
/** Soon enough for whoever sets it up, and after the rush of a start. */
const firstMs = 120_000;

export interface KeyCareNeeds {
  database: Database;
  secrets: Secrets;
  log: Log;
  dnsServers: readonly string[];
  /** Sender of our own mail, `Name <address>` or an address. */
  mailFrom: string;
}

/** What stands behind the @ of a sender. */
export function domainOfSender(mailFrom: string): string | undefined {
  return /@([^\s<>@]+?)\.?>?\s*$/.exec(mailFrom)?.[1]?.toLowerCase();
}

/** Domains that mail is signed for: those of alias mailboxes, and that of our own mail. */
export async function signingDomains(tx: Tx, mailFrom: string): Promise<string[]> {
  const own = domainOfSender(mailFrom);
  return [...new Set([...(await aliasDomains(tx)), ...(own ? [own] : [])])];
}

/** Keys whose records are published sign from now on; DNS that does not answer changes none. */
export async function lookForKeys({
  database,
  log,
  dnsServers,
}: Omit<KeyCareNeeds, 'secrets' | 'mailFrom'>): Promise<KeyLook> {
  const dns = createDns({ servers: dnsServers });
  try {
    const look = await takeUpPublishedKeys({ database, dns });
    const { changed, unanswered } = look;
    if (changed > 0) log.info({ changed, code: 'mail-keys' }, 'keys of mail were taken up, or let go');
    if (unanswered.length > 0)
      log.info(
        { keys: unanswered.length, code: 'dns-unanswered' },
        'records of keys could not be looked for',
      );
    return look;
  } finally {
    dns.close();
  }
}

/** Once more, now: first keys where alias mailboxes are, and whatever is published. */
export async function careForKeys(needs: KeyCareNeeds): Promise<void> {
  const { database, secrets, mailFrom } = needs;
  await database.transact(system(), async (tx) => {
    // A house that passes no mail on signs nothing unless an operator makes a key for it.
    if ((await aliasDomains(tx)).length > 0)
      await makeFirstKeys(tx, secrets, await signingDomains(tx, mailFrom));
  });
  await lookForKeys(needs);
}

export function startKeyCare(needs: KeyCareNeeds): { stop(): Promise<void>; settle(): Promise<void> } {
  const failed = (error: unknown) =>
    needs.log.error({ err: error, code: 'mail-keys-failed' }, 'the keys of mail could not be looked after');
  const care = regularly({ everyMs, failed }, () => careForKeys(needs));
  const first = setTimeout(() => void care.run(), firstMs);
  first.unref();
  return {
    settle: () => care.settle(),
    async stop() {
      clearTimeout(first);
      await care.stop();
    },
  };
}
