/**
 * When those who were turned away at a full door are asked to come back: one after another, over as long as it takes to
 * serve them all, so that they do not meet again in front of it. Counted by each process for its own doors.
 */
import { randomInt } from 'node:crypto';

/** What happened this long ago counts a third of what happens now. */
const memorySeconds = 10;
/** Where nothing is known yet, five a second can be served. */
const leastServed = 5 * memorySeconds;
const shortestSeconds = 3;
const longestSeconds = 30;

export interface Herd {
  /** Someone was served. */
  served(): void;
  /** Someone is turned away. Returns after how many whole seconds they may come back, at random within what is needed. */
  turnAway(): number;
}

/** @param now milliseconds of a clock that never goes back */
export function createHerd(now: () => number = () => performance.now()): Herd {
  let at = now();
  let served = 0;
  let turnedAway = 0;
  const fade = () => {
    const passed = now() - at;
    const left = Math.exp(-passed / (memorySeconds * 1000));
    at += passed;
    served *= left;
    turnedAway *= left;
  };
  return {
    served() {
      fade();
      served += 1;
    },
    turnAway() {
      fade();
      turnedAway += 1;
      const needed = (memorySeconds * turnedAway) / Math.max(served, leastServed);
      return 1 + randomInt(Math.ceil(Math.min(longestSeconds, Math.max(shortestSeconds, needed))));
    },
  };
}
