/** F-17 and F-18: changes that race over two workers, and a herd after an outage. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeRun, eventually, faultStage, settleLedger, wholeOf } from './stage.ts';

test('F-17 three renames and a lock race over two workers: the last name and switched off, never back', async (t) => {
  const whole = wholeOf('F-17');
  describeRun(t, 'F-17', '25 people', '400 people');
  const stage = await faultStage(t, { wiki: {} });
  const target = stage.target();
  await Promise.all([stage.worker(), stage.worker()]);
  // Answers that take now shorter, now longer, so that requests overtake each other if anything lets them.
  target.faults.set([
    { kind: 'slow', ms: 40, probability: 0.3 },
    { kind: 'slow', method: 'PATCH', ms: 120, probability: 0.2 },
  ]);
  const people = Array.from({ length: whole ? 400 : 25 }, (_, at) => `racer${at + 1}`);
  for (const person of people) await stage.driver.join(person);
  await eventually(() => target.state.users().length === people.length, { withinMs: 240_000, everyMs: 50 });
  const race = async (person: string) => {
    for (let round = 0; round < 3; round += 1) {
      await stage.driver.rename(person);
      if (stage.chance() < 0.5) await pause(stage.chance() * 80);
    }
    await stage.driver.lock(person);
    // Some come back: then the very last state is on.
    if (stage.chance() < 0.2) await stage.driver.unlock(person);
  };
  for (let from = 0; from < people.length; from += 5)
    await Promise.all(people.slice(from, from + 5).map(race));
  await stage.calm(whole ? 300_000 : 60_000);
  const users = target.state.users();
  const off = users.filter(({ body }) => body.active === false).length;
  t.diagnostic(`${off} of ${users.length} switched off, ${target.ledger.counters().changes} changes there`);
  assert.ok(off > people.length / 2);
  await settleLedger(t, stage);
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
