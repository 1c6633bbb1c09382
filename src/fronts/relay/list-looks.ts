/** Looking at published lists: each as often as its settings say, by one node at a time. */
import { Problem } from '#core/problem.ts';
import { regularly } from '#kit/clock/regularly.ts';
import { type Database, system } from '#kit/db/database.ts';
import type { TxContext } from '#kit/db/tx.ts';
import type { Log } from '#kit/log/log.ts';
import { type Net, NetRefused } from '#kit/net/net.ts';
import * as store from './lists.store.ts';
import { type Found, type Look, sourceOf, staleMs, takeLook } from './lists.ts';
import { ListRefused, largestDocument, readPublishedList } from './published-list.ts';
import type { AllowlistSettings } from './settings.ts';
import { relayChannel, relayHouse } from './settings-kept.ts';

export interface LookNeeds {
  database: Database;
  net: Pick<Net, 'fetch'>;
  log: Log;
}

const tickMs = 20_000;
const fetchMs = 20_000;
const longestEtag = 500;
/** A look that came to nothing is made again after this, or sooner where the list is looked at more often. */
const retryMs = 5 * 60_000;

/**
 * Looks at one list now, whenever it was looked at last.
 * @throws Problem relay-list-unknown, also for one that is kept by hand
 */
export async function lookNow(needs: LookNeeds, name: string, context: TxContext = system()): Promise<Look> {
  const look = await lookAt(needs, { name, always: true, context });
  if (!look) throw new Problem('relay-list-unknown');
  return look;
}

/** One look, where it is due and no other node makes it; undefined otherwise. */
async function lookAt(
  { database, net, log }: LookNeeds,
  { name, always, context }: { name: string; always: boolean; context: TxContext },
): Promise<Look | undefined> {
  const begun = await database.transact(context, async (tx) => {
    const settings = (await relayHouse(tx)).allowlists[name];
    if (settings?.url === undefined) return undefined;
    if (always) await store.addRows(tx, [name]);
    const now = tx.now();
    const every = settings.everyMinutes * 60_000;
    const ago = (ms: number) => new Date(now.getTime() - ms);
    const source = sourceOf(settings);
    const times = { now, due: ago(every), retry: ago(Math.min(every, retryMs)) };
    const claimed = await store.claimLook(tx, { name, source, always, ...times });
    return claimed && { claimed, source, settings };
  });
  if (!begun) return undefined;
  const { claimed, source, settings } = begun;
  const found = await fetchList(net, settings, claimed.etag);
  const look = await database.transact(context, (tx) => takeLook(tx, { claimed, source, found }));
  tell(log, claimed, look);
  return look;
}

async function fetchList(
  net: LookNeeds['net'],
  settings: AllowlistSettings,
  etag: string | undefined,
): Promise<Found> {
  try {
    const { status, headers, bytes } = await net.fetch(settings.url!, {
      headers: {
        accept: 'application/json, text/plain;q=0.9, */*;q=0.1',
        ...(etag === undefined ? {} : { 'if-none-match': etag }),
      },
      timeoutMs: fetchMs,
      maxBytes: largestDocument,
    });
    if (status === 304 && etag !== undefined) return { same: true };
    if (status !== 200) return { problem: `It answered with status ${status}.` };
    const given = headers.get('etag') ?? undefined;
    return {
      networks: readPublishedList(bytes.toString('utf8'), settings),
      etag: given && given.length <= longestEtag ? given : undefined,
    };
  } catch (error) {
    if (error instanceof NetRefused || error instanceof ListRefused) return { problem: error.message };
    throw error;
  }
}

function tell(log: Log, list: store.ListRow, { outcome, added, removed, problem }: Look): void {
  const facts = { list: list.name, added: added.length, removed: removed.length };
  if (outcome === 'taken') log.info({ code: 'relay-list-changed', ...facts }, 'a list of senders changed');
  if (outcome === 'held' && (added.length > 0 || removed.length > 0))
    log.warn({ code: 'relay-list-held', ...facts }, 'a list of senders shrinks too far and waits for a yes');
  if (outcome !== 'refused') return;
  log.info({ code: 'relay-list-refused', list: list.name, problem }, 'a list of senders could not be read');
}

export interface ListLooks {
  /** Looks at whatever is due. */
  run(): Promise<void>;
  settle(): Promise<void>;
  stop(): Promise<void>;
}

/** Looks at every list when it is due, from now on. Any number of nodes may do so. */
export async function startListLooks(needs: LookNeeds): Promise<ListLooks> {
  const { database, log } = needs;
  const warned = new Map<string, number>();
  const failed = (error: unknown) =>
    log.error({ err: error, code: 'relay-lists-failed' }, 'lists of senders could not be looked at');
  const round = async () => {
    const names = await database.transact(system(), async (tx) => {
      const { allowlists } = await relayHouse(tx);
      const published = Object.keys(allowlists).filter((name) => allowlists[name]?.url !== undefined);
      await store.addRows(tx, published);
      await store.dropOtherRows(tx, published);
      return published;
    });
    for (const name of names) await lookAt(needs, { name, always: false, context: system() }).catch(failed);
    await warnOfOld(needs, warned);
  };
  const regular = regularly({ everyMs: tickMs, failed }, round);
  const unlisten = await database.listen(relayChannel, () => void regular.run());
  void regular.run();
  return {
    run: () => regular.run(),
    settle: () => regular.settle(),
    async stop() {
      await unlisten();
      await regular.stop();
    },
  };
}

/** Once a day and node for each list that could not be read for a day. */
async function warnOfOld({ database, log }: LookNeeds, warned: Map<string, number>): Promise<void> {
  const { lists, now } = await database.read(system(), async (tx) => ({
    lists: await store.allLists(tx),
    now: tx.now().getTime(),
  }));
  for (const { name, fetchedAt, changedAt, problem } of lists) {
    const good = (fetchedAt ?? changedAt)?.getTime();
    if (problem === undefined || good === undefined || now - good <= staleMs) continue;
    const days = Math.floor((now - good) / staleMs);
    if (warned.get(name) === days) continue;
    warned.set(name, days);
    log.warn(
      { code: 'relay-list-stale', list: name, days, problem },
      'a list of senders could not be read for a day; the last good one stays in force',
    );
  }
}
