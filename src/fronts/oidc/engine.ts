/** The provider for the keys of now: made again when keys change, while requests in hand end on the one before. */
import type { Provider } from 'oidc-provider';
import { system } from '#kit/db/database.ts';
import { type KeyRing, readKeys, rotateKeys } from './keys.ts';
import { createProvider, type ProviderNeeds } from './provider.ts';

const pollMs = 5000;

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
  let turn: Promise<void> = Promise.resolve();

  async function look(): Promise<void> {
    const fresh = await readKeys(database, secrets);
    if (fresh.fingerprint === keys.fingerprint) return;
    provider = createProvider(needs, fresh);
    keys = fresh;
  }
  function reload(): Promise<void> {
    turn = turn.then(look).catch((error) => {
      log.warn({ err: error, code: 'keys-unread' }, 'the signing keys could not be read');
    });
    return turn;
  }
  return {
    provider: () => provider,
    keys: () => keys,
    async watch() {
      const unlisten = await database.listen('oidc_keys', () => void reload());
      const timer = setInterval(() => void reload(), pollMs);
      timer.unref();
      await reload();
      return async () => {
        clearInterval(timer);
        await unlisten();
        await turn;
      };
    },
  };
}
