/** The provider for the keys of now: made again when keys change, while requests in hand end on the one before. */
import type { Provider } from 'oidc-provider';
import { system } from '#kit/db/database.ts';
import { createFollower } from '#kit/db/follow.ts';
import { type KeyRing, readKeys, rotateKeys } from './keys.ts';
import { createProvider, type ProviderNeeds } from './provider.ts';

export interface Engine {
  provider(): Provider;
  keys(): KeyRing;
  /** Follows changes of keys until stopped. */
  watch(): Promise<() => Promise<void>>;
}

/** Makes the first keys where there are none, and a provider for them. */
export async function startEngine(needs: ProviderNeeds): Promise<Engine> {
  const { database, secrets, clock, log } = needs;
  let keys = await readKeys(database, secrets);
  if (keys.active.size < 2) {
    await database.transact(system(), (tx) => rotateKeys(tx, secrets, clock.now()));
    keys = await readKeys(database, secrets);
  }
  let provider = createProvider(needs, keys);
  const { watch } = createFollower({
    database,
    channel: 'oidc_keys',
    async read() {
      const fresh = await readKeys(database, secrets);
      if (fresh.fingerprint === keys.fingerprint) return;
      provider = createProvider(needs, fresh);
      keys = fresh;
    },
    failed: (error) => log.warn({ err: error, code: 'keys-unread' }, 'the signing keys could not be read'),
  });
  return { provider: () => provider, keys: () => keys, watch };
}
