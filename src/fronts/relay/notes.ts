/**
 * Writes the log of mail: whatever waits goes with one statement, one statement at a time. Under load many share one, and
 * nobody waits for another's row to be free.
 */
import type { Clock } from '#kit/clock/clock.ts';
import { newId } from '#kit/crypto/ids.ts';
import type { Database } from '#kit/db/database.ts';
import { networkKey } from '#kit/limits/limits.ts';
import type { Log } from '#kit/log/log.ts';
import type { Figures } from './figures.ts';
import { insertMessages } from './messages.store.ts';
import type { NewMessage } from './messages.ts';

export interface Notes {
  /** Notes and counts one message; ends when it is kept, or could not be (the log has it then). Never rejects. */
  note(entry: Omit<NewMessage, 'id' | 'at'> & { id?: string }): Promise<void>;
  /** Ends when everything is kept. */
  settle(): Promise<void>;
}

interface Waiting {
  entry: NewMessage;
  /** False where only the count is kept. */
  alone: boolean;
  done(): void;
}

const mostInOne = 200;
/** With the database away, the oldest are let go. */
const mostWaiting = 20_000;
/** Rows for mail that was refused before it was sent, of one network in an hour; all of it is counted. */
const mostOfNetwork = 100;
const mostNetworks = 10_000;
const hourMs = 3_600_000;

export function createNotes(needs: {
  database: Pick<Database, 'query'>;
  clock: Clock;
  log: Log;
  figures: Figures;
}): Notes {
  const { database, clock, log } = needs;
  let waiting: Waiting[] = [];
  let writing: Promise<void> | undefined;
  const rows = boundedRows();

  async function write(): Promise<void> {
    // What is asked for in this turn of the program goes together.
    await new Promise((resolve) => setImmediate(resolve));
    while (waiting.length > 0) {
      const batch = waiting.splice(0, mostInOne);
      await keep(batch);
      for (const one of batch) one.done();
    }
    writing = undefined;
  }

  async function keep(batch: readonly Waiting[]): Promise<void> {
    const kept = batch.filter((one) => one.alone).map((one) => one.entry);
    const counted = batch.map((one) => one.entry);
    try {
      await insertMessages(database, kept, counted);
    } catch (error) {
      if (batch.length > 1 && isOfOneRow(error)) for (const one of batch) await keep([one]);
      else
        log.error(
          { err: error, code: 'relay-log-failed', messages: batch.length },
          'what became of mail could not be noted',
        );
    }
  }

  return {
    note(given) {
      const entry: NewMessage = { id: newId(), at: clock.now(), ...given };
      needs.figures.noted(entry);
      // Refused before it was sent: anyone can cause that, as often as they like.
      const alone = entry.tookMs !== undefined || rows.mayKeep(entry);
      return new Promise((resolve) => {
        waiting.push({ entry, alone, done: resolve });
        if (waiting.length > mostWaiting) {
          const gone = waiting.slice(0, waiting.length - mostWaiting);
          waiting = waiting.slice(-mostWaiting);
          for (const one of gone) one.done();
        }
        writing ??= write();
      });
    },
    async settle() {
      while (writing) await writing;
    },
  };
}

/** A person or app that is gone by now, or a value that no column takes: the others of the batch are kept without it. */
function isOfOneRow(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && /^2[23]/.test(code);
}

/** Whoever tries addresses one after the other fills no table. */
function boundedRows() {
  let hour = 0;
  const seen = new Map<string, number>();
  return {
    mayKeep({ at, client = '' }: NewMessage): boolean {
      const now = Math.floor(at.getTime() / hourMs);
      if (now !== hour) seen.clear();
      hour = now;
      const network = networkKey(client);
      const count = seen.get(network) ?? 0;
      if (count >= mostOfNetwork || (count === 0 && seen.size >= mostNetworks)) return false;
      seen.set(network, count + 1);
      return true;
    },
  };
}
