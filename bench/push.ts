/** How soon a change starts at a target: from its commit to the first byte of the first request about it, nothing else waiting. */
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bench, type Measured, median, quantile, rounded } from './measure.ts';
import { startPushing } from './targets.ts';

const rounds = 100;
const goalMs = 2000;

async function run(): Promise<Measured> {
  const pushing = await startPushing([{ perMinute: 60_000, burst: 1000 }]);
  const target = pushing.targets[0]!;
  const starts: number[] = [];
  const ends: number[] = [];
  try {
    for (let round = 0; round < rounds; round += 1) {
      const after = target.ledger.entries().at(-1)?.seq ?? 0;
      const committed = await pushing.join([`person${round}`]);
      const seen = () => target.ledger.entries({ after });
      while (!seen().some(({ change }) => change?.what === 'create')) await sleep(5);
      const all = seen();
      starts.push(Date.parse(all[0]!.at) - committed);
      ends.push(Date.parse(all.find(({ change }) => change)!.at) - committed);
      // Longer than the last answer takes to be kept, and never in step with anybody's clock.
      await sleep(150 + randomInt(250));
    }
  } finally {
    await pushing.stop();
  }
  const p99 = quantile(starts, 0.99);
  return {
    figures: {
      'changes, one at a time': rounds,
      'commit to first byte, p50 (ms)': rounded(median(starts), 0),
      'commit to first byte, p99 (ms)': rounded(p99, 0),
      'slowest (ms)': rounded(Math.max(...starts), 0),
      'commit to the request that creates, p50 (ms)': rounded(median(ends), 0),
      'commit to the request that creates, p99 (ms)': rounded(quantile(ends, 0.99), 0),
    },
    goalMet: p99 <= goalMs,
  };
}

export const bench: Bench = {
  name: 'push',
  text: 'From commit to the first byte of the first request at an idle target',
  goal: `p99 at most ${goalMs} ms`,
  run,
};
