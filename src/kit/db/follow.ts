/** Keeps what is in memory as fresh as the database, whichever node changes it. */
import { oneAtATime } from '#kit/clock/regularly.ts';
import type { Database } from './database.ts';

/** How late a change is seen at most where nobody heard of it. */
const pollMs = 5000;

export interface Follower {
  /** Reads or changes it after whatever reading is under way, so that what was read earlier never comes in later. */
  inTurn<T>(work: () => Promise<T>): Promise<T>;
  /**
   * Reads again whenever the channel says so, and every five seconds; the first reading is over when this returns. Several
   * may watch at once.
   * @returns stops watching, and waits for a reading that is under way
   */
  watch(): Promise<() => Promise<void>>;
}

/** @param given.failed told when it could not be read; what was read before stays */
export function createFollower(given: {
  database: Pick<Database, 'listen'>;
  channel: string;
  read(): Promise<void>;
  failed(error: unknown): void;
}): Follower {
  const { database, channel, read, failed } = given;
  const { inTurn, idle } = oneAtATime();
  const look = () => inTurn(read).catch(failed);
  return {
    inTurn,
    async watch() {
      const unlisten = await database.listen(channel, () => void look());
      const timer = setInterval(() => void look(), pollMs);
      timer.unref();
      await look();
      return async () => {
        clearInterval(timer);
        await unlisten();
        await idle();
      };
    },
  };
}
