/** Waiting for what other parts do in their own time. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

/** Looks again and again until there is something. */
export async function eventually<T>(
  look: () => T | undefined | false | Promise<T | undefined | false>,
  { withinMs = 10_000, everyMs = 25, what = 'it' } = {},
): Promise<T> {
  const until = performance.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    assert.ok(performance.now() < until, `${what} did not come within ${Math.round(withinMs / 1000)} s`);
    await sleep(everyMs);
  }
}

/**
 * The shortest of up to three goes at what must not take longer than this; over at the first that keeps it. What is slow
 * by itself is slow each time, what the machine held up is not.
 * @param go resolves to the milliseconds it took
 */
export async function atBest(limitMs: number, go: () => Promise<number>): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let tries = 0; tries < 3 && best >= limitMs; tries += 1) best = Math.min(best, await go());
  return best;
}

/** The same for processes that are started, killed and taken over: three times as patient. */
export const inTheEnd: typeof eventually = (look, options) =>
  eventually(look, { withinMs: 30_000, ...options });
