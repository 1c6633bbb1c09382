/**
 * Signs what leaves, with the keys of its domain that are in use: DKIM for messages that are from us, an ARC set for
 * those that are passed on. Where a domain has no key yet, nothing is signed.
 */
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Database } from '#kit/db/database.ts';
import type { Log } from '#kit/log/log.ts';
import type { Threads } from '#kit/threads/threads.ts';
import type { AuthenticationResult } from './authenticate.ts';
import { signingKeys } from './keys.ts';
import type { SigningKey } from './sign.ts';

export interface Sealer {
  /** The next ARC set to stand before the message; empty where there is no key, or the chain may not go on. */
  arc(input: { raw: Buffer; domain: string; authentication: AuthenticationResult }): Promise<Buffer>;
  /** DKIM-Signature fields to stand before the message, one a key; empty where there is none. */
  dkim(input: { raw: Buffer; domain: string }): Promise<Buffer>;
  /** Whether mail of this domain is signed now. */
  signs(domain: string): Promise<boolean>;
}

/** How late a key that was activated or withdrawn is seen. */
const keptMs = 2_000;

export function createSealer(needs: {
  database: Pick<Database, 'query'>;
  secrets: Secrets;
  log: Log;
  threads: Threads;
}): Sealer {
  const { database, secrets, threads } = needs;
  let kept: { until: number; keys: Promise<Map<string, SigningKey[]>> } | undefined;

  function keysOf(domain: string): Promise<SigningKey[]> {
    if (!kept || kept.until <= performance.now()) {
      const keys = signingKeys(database, secrets);
      kept = { until: performance.now() + keptMs, keys };
      // A reading that failed is not kept.
      keys.catch(() => {
        kept = undefined;
      });
    }
    return kept.keys.then((keys) => keys.get(domain) ?? []);
  }

  // Whoever checks a signature goes by the time of day, whatever a test says the time is.
  const now = () => Math.floor(Date.now() / 1000);

  return {
    async arc({ raw, domain, authentication }) {
      const [key] = await keysOf(domain);
      // A chain that cannot be checked now is left as it is: sealed as failed, it would have failed for good.
      if (!key || authentication.arc.temporary) return Buffer.alloc(0);
      const { header: results, arc } = authentication;
      const fields = await threads.run<string>('sealArc', {
        raw,
        key,
        results,
        chain: arc.result,
        now: now(),
      });
      return Buffer.from(fields, 'latin1');
    },
    async dkim({ raw, domain }) {
      const keys = await keysOf(domain);
      if (keys.length === 0) return Buffer.alloc(0);
      return Buffer.from(await threads.run<string>('signDkim', { raw, keys, now: now() }), 'latin1');
    },
    signs: async (domain) => (await keysOf(domain)).length > 0,
  };
}
