/**
 * Readers of the log: each has its own cursor and is woken by NOTIFY and by a poll. The handler runs in the
 * transaction that moves the cursor, so what it writes and where it stands commit together; effects that leave
 * the house are queued there, never done there.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '#kit/db/database.ts';
import type { Tx, TxContext } from '#kit/db/tx.ts';
import type { Log } from '#kit/log/log.ts';
import type { EventType, LoggedEvent } from './events.ts';
import {
  cursorAtBeginning,
  cursorAtEnd,
  eventsAfter,
  isBehind,
  lastEventId,
  lockCursor,
  moveCursor,
} from './store.ts';

export interface LogReader {
  /** Name of the cursor; changing it starts a new cursor. */
  reader: string;
  /**
   * Where a cursor starts that no migration made. Those of the product's readers are made by migrations, so that what is
   * recorded before the first worker comes is not skipped; a reader added later has its own say in its migration.
   */
  from: 'end' | 'beginning';
  /**
   * What it acts on; every type when left out. It is woken for these at once, and passes whatever else there is with its
   * next poll: most of what is recorded concerns few readers.
   */
  acts?: readonly EventType[];
  handle(tx: Tx, events: LoggedEvent[]): Promise<void>;
}

export interface RunningReader {
  /**
   * Reads everything there is right now; resolves when the cursor has passed it, also where an older transaction that
   * is still open holds it back for a moment (ten seconds at most).
   */
  catchUp(): Promise<void>;
  stop(): Promise<void>;
}

const batch = 500;
/** Under load a look at the log takes what came within this time together, instead of one event a look. */
const gatherMs = 200;

function systemContext(name: string): TxContext {
  return { actor: { kind: 'system', name }, cause: 'schedule', requestId: '-' };
}

/** Reads one batch; resolves to how many events were read (0 also when another node holds the cursor). */
export async function readOnce(database: Database, reader: LogReader): Promise<number> {
  return database.transact(systemContext(reader.reader), async (tx) => {
    let cursor = await lockCursor(tx, reader.reader);
    if (!cursor) {
      await (reader.from === 'end' ? cursorAtEnd : cursorAtBeginning)(tx, reader.reader);
      // A transaction sees activity once: the end was found with it, and what came since is for the next look.
      if (reader.from === 'end') return 0;
      cursor = await lockCursor(tx, reader.reader);
    }
    if (!cursor) return 0;
    const events = await eventsAfter(tx, cursor, batch);
    const last = events.at(-1);
    if (!last) return 0;
    await reader.handle(tx, events);
    await moveCursor(tx, reader.reader, last.xid, last.id);
    return events.length;
  });
}

/** Starts reading until stopped. A failing handler keeps its cursor where it was and is tried again. */
export function startReader(options: {
  database: Database;
  reader: LogReader;
  log: Log;
  pollMs?: number;
}): RunningReader {
  const { database, reader, log } = options;
  const acts = reader.acts && new Set<string>(reader.acts);
  let stopped = false;
  let running: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let gathering: NodeJS.Timeout | undefined;
  let ended = Number.NEGATIVE_INFINITY;
  let failures = 0;

  async function drain(): Promise<void> {
    while (!stopped && (await readOnce(database, reader)) === batch);
  }
  /** One look after the present one is over; whoever asks before it begins shares it. */
  function run(): Promise<void> {
    next ??= running.then(async () => {
      next = undefined;
      try {
        await drain();
        failures = 0;
      } catch (error) {
        failures += 1;
        if (!stopped)
          log.error(
            { err: error, reader: reader.reader, code: 'reader-failed' },
            'a reader of the log failed',
          );
      } finally {
        ended = performance.now();
      }
    });
    running = next;
    return next;
  }
  /** At once when nothing happened for a while, else a moment later with all that came until then. */
  function hear(types: string): void {
    if (stopped || gathering || next || !concerns(types)) return;
    const wait = Math.max(0, ended + gatherMs - performance.now());
    gathering = setTimeout(() => {
      gathering = undefined;
      void run();
    }, wait);
    gathering.unref();
  }
  /** Without a word (a connection that was lost, another version) anything may have happened. */
  function concerns(types: string): boolean {
    return types === '' || !acts || types.split(' ').some((type) => acts.has(type));
  }
  function schedule(): void {
    if (stopped) return;
    const wait = Math.min((options.pollMs ?? 1000) * 2 ** Math.min(failures, 5), 30_000);
    timer = setTimeout(() => void run().then(schedule), wait);
    timer.unref();
  }
  const listening = database.listen('events', hear).catch(() => undefined);
  void run().then(schedule);

  return {
    async catchUp() {
      const context = systemContext(reader.reader);
      const last = await database.read(context, lastEventId);
      await run();
      for (let tries = 0; tries < 1000 && !stopped && failures === 0; tries++) {
        if (!(await database.read(context, (tx) => isBehind(tx, reader.reader, last)))) return;
        await sleep(10);
        await run();
      }
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      clearTimeout(gathering);
      const unlisten = await listening;
      if (unlisten) await unlisten();
      await running;
    },
  };
}
