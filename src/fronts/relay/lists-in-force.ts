/** The lists as every arrival asks them: in memory, the same on every node within a moment of a change. */
import { type Database, system } from '#kit/db/database.ts';
import { createFollower } from '#kit/db/follow.ts';
import type { Log } from '#kit/log/log.ts';
import * as store from './lists.store.ts';
import { type NetworkSet, networkSet } from './networks.ts';
import { relayChannel, relayHouse } from './settings-kept.ts';

export interface ListsInForce {
  /** Whether the address is in a list. False for a list that is not there. */
  contains(list: string, address: string): boolean;
}

export interface ListsFollower {
  /** @throws Error as long as they were never read: then nobody knows who may write, and mail has to wait. */
  listsNow(): ListsInForce;
  /** Reads them, and again whenever they change; @returns stops */
  watch(): Promise<() => Promise<void>>;
  /** Reads them now. */
  refresh(): Promise<void>;
}

/** The lists in memory, as fresh as the database on every node. */
export function followLists({ database, log }: { database: Database; log: Log }): ListsFollower {
  let now: ListsInForce | undefined;
  let from = '';
  const read = async () => {
    const given = await database.read(system(), networksInForce);
    // Making the sets anew is work; most readings find what is known.
    const text = JSON.stringify(given);
    if (now && text === from) return;
    now = inForce(given);
    from = text;
  };
  const failed = (error: unknown) =>
    log.warn({ err: error, code: 'relay-lists-unread' }, 'the lists of senders could not be read');
  const { watch, inTurn } = createFollower({ database, channel: store.listsChannel, read, failed });
  return {
    listsNow() {
      if (!now) throw new Error('The lists of senders are not read yet.');
      return now;
    },
    async watch() {
      const stop = await watch();
      const unlisten = await database.listen(relayChannel, () => void inTurn(read).catch(failed));
      return async () => {
        await unlisten();
        await stop();
      };
    },
    refresh: () => inTurn(read),
  };
}

async function networksInForce(tx: Parameters<typeof store.allLists>[0]): Promise<Record<string, string[]>> {
  const { allowlists } = await relayHouse(tx);
  const rows = new Map((await store.allLists(tx)).map((row) => [row.name, row.networks]));
  return Object.fromEntries(
    Object.entries(allowlists).map(([name, { url, networks = [] }]) => [
      name,
      [...networks, ...((url !== undefined && rows.get(name)) || [])],
    ]),
  );
}

/** The lists as sets. */
export function inForce(given: Readonly<Record<string, readonly string[]>>): ListsInForce {
  const sets = new Map<string, NetworkSet>(
    Object.entries(given).map(([name, networks]) => [name, networkSet(networks)]),
  );
  return { contains: (list, address) => sets.get(list)?.contains(address) ?? false };
}
