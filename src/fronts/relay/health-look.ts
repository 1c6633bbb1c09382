/** Puts together what a look at mail needs, from settings, keys and the community; kept for a moment, as looks take long. */
import { readFile } from 'node:fs/promises';
import { aliasDomains } from '#core/community/alias-domains.ts';
import type { Database } from '#kit/db/database.ts';
import type { TxContext } from '#kit/db/tx.ts';
import type { Log } from '#kit/log/log.ts';
import { createSmartHosts, listOfUrls, readSmartHost } from '#kit/smtp/smart-hosts.ts';
import { createDns } from './dns.ts';
import { lookAtHealth, type MailHealth } from './health.ts';
import { createSightings } from './health-checks.ts';
import { listRelayKeys } from './keys.ts';
import { recordsOf } from './records.ts';

/** The settings that say where mail comes from and goes to. */
export interface MailSettings {
  readonly mailDomain: string;
  readonly mailFrom: string;
  readonly smtpUrl?: { reveal(): string };
  readonly mailUrl?: { reveal(): string };
  readonly smtpName: string;
  readonly smtpTlsCert?: string;
  readonly tlsCert?: string;
  readonly dnsServers: readonly string[];
}

export interface HealthLook {
  /** What was found in the last half minute, or anew. */
  look(context: TxContext, fresh?: boolean): Promise<MailHealth>;
}

const keptMs = 30_000;

/** One look at a time; whoever asks while one is under way gets the same. */
export function createHealthLook(needs: {
  database: Database;
  log: Log;
  settings: MailSettings;
}): HealthLook {
  let last: { at: number; health: Promise<MailHealth>; done: boolean } | undefined;
  const sighted = createSightings();
  const looking = async (context: TxContext): Promise<MailHealth> => {
    const health = await lookNow(needs, context);
    const { at, domains, listener, smartHosts } = health;
    return {
      at,
      domains: domains.map((one) => ({ ...one, checks: sighted(one.checks, at) })),
      listener: sighted(listener, at),
      smartHosts,
    };
  };
  return {
    look(context, fresh = false) {
      const now = performance.now();
      const isGood = last && now - last.at < keptMs && !(fresh && last.done);
      if (last && isGood) return last.health;
      const one = { at: now, health: looking(context), done: false };
      last = one;
      one.health.then(
        () => {
          one.done = true;
        },
        () => {
          if (last === one) last = undefined;
        },
      );
      return one.health;
    },
  };
}

async function lookNow(
  { database, log, settings }: { database: Database; log: Log; settings: MailSettings },
  context: TxContext,
): Promise<MailHealth> {
  const { aliases, keys, now } = await database.read(context, async (tx) => ({
    aliases: await aliasDomains(tx),
    keys: await listRelayKeys(tx),
    now: tx.now(),
  }));
  const urls = [
    ...new Set(
      [settings.smtpUrl, settings.mailUrl].flatMap((one) =>
        one ? listOfUrls(one.reveal()).filter((url) => /^smtps?:/.test(url)) : [],
      ),
    ),
  ];
  const dns = createDns({ servers: settings.dnsServers });
  const hosts = urls.length > 0 ? createSmartHosts({ urls, log, name: settings.smtpName }) : undefined;
  try {
    return await lookAtHealth({
      records: recordsOf(dns),
      smtpName: settings.smtpName,
      hosts: [...new Set(urls.map((url) => readSmartHost(url).host))],
      keys,
      domains: usesOf(aliases, ownDomain(settings)),
      certificate: await certificateOf(settings),
      probe: hosts && (() => hosts.probe()),
      now,
    });
  } finally {
    dns.close();
    await hosts?.close();
  }
}

/** What stands behind the @ of the sender of our own mail. */
function ownDomain({ mailFrom, mailDomain }: MailSettings): string {
  return /@([^\s<>@]+)>?\s*$/.exec(mailFrom)?.[1]?.toLowerCase() ?? mailDomain;
}

function usesOf(aliases: readonly string[], own: string): { domain: string; uses: ('alias' | 'own')[] }[] {
  return [...new Set([...aliases, own])].map((domain) => ({
    domain,
    uses: [
      ...(aliases.includes(domain) ? (['alias'] as const) : []),
      ...(domain === own ? (['own'] as const) : []),
    ],
  }));
}

/** An unreadable file is a certificate that cannot be read, not none. */
async function certificateOf({ smtpTlsCert, tlsCert }: MailSettings): Promise<string | undefined> {
  const file = smtpTlsCert ?? tlsCert;
  if (file === undefined) return undefined;
  return readFile(file, 'utf8').catch(() => '');
}
