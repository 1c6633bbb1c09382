/** The relay's threads: checking and signing would otherwise hold up every page and every other message. */
import type { Log } from '#kit/log/log.ts';
import { createThreads, type Threads } from '#kit/threads/threads.ts';

/** One for the authenticator and the sealer together; nothing starts before the first message. */
export function createRelayThreads(log: Log): Threads {
  return createThreads({
    module: new URL('./work.ts', import.meta.url),
    log,
    perThread: 32,
    timeoutMs: 45_000,
  });
}
