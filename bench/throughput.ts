/** How much of what a target allows is used while people wait: a quick target and one as narrow as Slack, both refusing what exceeds. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Rate } from '#simulators/scim/rate.ts';
import type { ScimSimulator } from '#simulators/scim/scim.ts';
import { type Bench, type Measured, rounded } from './measure.ts';
import { startPushing } from './targets.ts';

const goal = 0.95;
const quick = { rate: { perMinute: 1800, burst: 20 }, seconds: 20 };
const narrow = { rate: { perMinute: 180, burst: 20 }, seconds: 55 };

/** Requests of the first so many seconds, against what the bucket gives in that time. */
function used(target: ScimSimulator, after: number, rate: Rate, seconds: number) {
  const moments = target.ledger.entries({ after }).map(({ at }) => Date.parse(at));
  const until = moments[0]! + seconds * 1000;
  const requests = moments.filter((at) => at < until).length;
  const allowed = rate.burst + (rate.perMinute / 60) * seconds;
  return {
    requests,
    allowed,
    // The burst is given once, at the beginning; what counts over hours is the rate.
    perMinute: ((requests - rate.burst) / seconds) * 60,
    ratio: requests / allowed,
    waits: (moments.at(-1) ?? 0) >= until - 1000,
  };
}

async function run(): Promise<Measured> {
  const pushing = await startPushing([quick.rate, narrow.rate]);
  try {
    // The first look at the whole target is over and its bucket full again.
    await sleep((narrow.rate.burst / narrow.rate.perMinute) * 60_000);
    const before = pushing.targets.map(({ ledger }) => ledger.entries().at(-1)?.seq ?? 0);
    const everyone = Array.from({ length: 400 }, (_, at) => `person${at}`);
    await pushing.join(everyone);
    await sleep((narrow.seconds + 2) * 1000);
    const [first, second] = [quick, narrow].map(({ rate, seconds }, at) =>
      used(pushing.targets[at]!, before[at]!, rate, seconds),
    );
    const limited = pushing.targets.map(({ ledger }) => ledger.counters().limited);
    const ratio = Math.min(first!.ratio, second!.ratio);
    return {
      figures: {
        [`limit ${quick.rate.perMinute}/min, burst ${quick.rate.burst}: requests in ${quick.seconds} s`]: `${first!.requests} of ${first!.allowed}`,
        'a minute, after the burst': rounded(first!.perMinute, 0),
        [`limit ${narrow.rate.perMinute}/min, burst ${narrow.rate.burst}: requests in ${narrow.seconds} s`]: `${second!.requests} of ${second!.allowed}`,
        'a minute, after the burst ': rounded(second!.perMinute, 0),
        'refused with 429': limited.reduce((sum, one) => sum + one, 0),
      },
      ratio: rounded(ratio, 3),
      goalMet: ratio >= goal && limited.every((one) => one === 0) && first!.waits && second!.waits,
    };
  } finally {
    await pushing.stop();
  }
}

export const bench: Bench = {
  name: 'throughput',
  text: 'Requests at targets with a limit that is enforced, against what the limit allows',
  goal: `at least ${goal} of what is allowed, and none refused`,
  run,
};
