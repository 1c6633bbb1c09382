import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFollower } from './follow.ts';

function stage() {
  const heard = new Set<() => void>();
  const facts = { there: 1, seen: 0, reads: 0, fails: false, told: 0 };
  const follower = createFollower({
    database: {
      async listen(channel, tell) {
        assert.equal(channel, 'facts');
        const one = () => tell('');
        heard.add(one);
        return async () => void heard.delete(one);
      },
    },
    channel: 'facts',
    async read() {
      const found = facts.there;
      facts.reads += 1;
      await new Promise((resolve) => setImmediate(resolve));
      if (facts.fails) throw new Error('away');
      facts.seen = found;
    },
    failed: () => {
      facts.told += 1;
    },
  });
  const tell = () => {
    for (const one of heard) one();
  };
  return { heard, facts, follower, tell };
}

test('what is followed is read at first, when the channel says so, and every few seconds; what fails leaves what was', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const { heard, facts, follower, tell } = stage();
  const stop = await follower.watch();
  assert.equal(facts.seen, 1);
  facts.there = 2;
  tell();
  await follower.inTurn(async () => undefined);
  assert.equal(facts.seen, 2);
  facts.there = 3;
  t.mock.timers.tick(5000);
  await follower.inTurn(async () => undefined);
  assert.equal(facts.seen, 3, 'nobody said so');
  facts.fails = true;
  facts.there = 4;
  tell();
  await follower.inTurn(async () => undefined);
  assert.deepEqual([facts.seen, facts.told], [3, 1]);
  await stop();
  assert.equal(heard.size, 0);
  const { reads } = facts;
  t.mock.timers.tick(60_000);
  await follower.inTurn(async () => undefined);
  assert.equal(facts.reads, reads);
});

test('of two who watch one may stop, and readings never overtake each other', async () => {
  const { heard, facts, follower, tell } = stage();
  const stops = [await follower.watch(), await follower.watch()];
  await stops[0]!();
  assert.equal(heard.size, 1);
  for (facts.there = 10; facts.there < 20; facts.there += 1) tell();
  await follower.inTurn(async () => assert.equal(facts.seen, 20));
  await stops[1]!();
});
