/** The keys of now, in memory: read again when they change, and made where somebody first needs them. */
import type { Clock } from '#kit/clock/clock.ts';
import { type Database, system } from '#kit/db/database.ts';
import { createFollower } from '#kit/db/follow.ts';
import type { Log } from '#kit/log/log.ts';
import { type KeyNeeds, type KeyRing, readKeys, rotateKeys } from './saml-keys.ts';

export interface EngineNeeds extends KeyNeeds {
  database: Database;
  clock: Clock;
  log: Log;
}

export interface Engine {
  /** What signs now. The first call on the first node makes it, which takes a second. */
  keys(): Promise<KeyRing>;
  /** Follows changes of keys until stopped. */
  watch(): Promise<() => Promise<void>>;
}

/** Nothing is read or made before someone asks: a house without SAML has no SAML keys. */
export function startEngine(needs: EngineNeeds): Engine {
  const { database, secrets, clock, log } = needs;
  let ring: KeyRing | undefined;
  async function look(): Promise<void> {
    const fresh = await readKeys(database, secrets);
    if (fresh?.fingerprint !== ring?.fingerprint) ring = fresh;
  }
  async function make(): Promise<KeyRing> {
    if (ring) return ring;
    await look();
    if (!ring) {
      await database.transact(system(), (tx) => rotateKeys(tx, needs, clock.now()));
      await look();
    }
    if (!ring) throw new Error('there is no key that signs for SAML');
    return ring;
  }
  const { inTurn, watch } = createFollower({
    database,
    channel: 'saml_keys',
    read: look,
    failed: (error) => log.warn({ err: error, code: 'keys-unread' }, 'the SAML keys could not be read'),
  });
  return { keys: async () => ring ?? inTurn(make), watch };
}
