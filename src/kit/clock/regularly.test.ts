import assert from 'node:assert/strict';
import { test } from 'node:test';
import { oneAtATime, regularly } from './regularly.ts';

test('regular work begins when its time comes, never twice at once, and a failure is told and ends nothing', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const told: unknown[] = [];
  let inside = 0;
  let most = 0;
  let times = 0;
  const work = regularly({ everyMs: 1000, failed: (error) => told.push(error) }, async () => {
    inside += 1;
    most = Math.max(most, inside);
    times += 1;
    const now = times;
    await new Promise((resolve) => setImmediate(resolve));
    inside -= 1;
    if (now === 2) throw new Error('once');
  });
  await work.settle();
  assert.equal(times, 0, 'the first time is not now');
  t.mock.timers.tick(3000);
  await work.run();
  assert.deepEqual([times, most, told.map(String)], [4, 1, ['Error: once']]);
  t.mock.timers.tick(1000);
  await work.stop();
  assert.deepEqual([times, inside], [5, 0], 'what was begun is over when it has stopped');
  t.mock.timers.tick(10_000);
  await work.settle();
  assert.equal(times, 5);
});

test('work in a line keeps its order, whatever each of it takes and whether or not it fails', async () => {
  const line = oneAtATime();
  const done: number[] = [];
  const slow = line.inTurn(async () => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    done.push(1);
    throw new Error('slow and wrong');
  });
  const quick = line.inTurn(async () => {
    done.push(2);
    return 'two';
  });
  await assert.rejects(slow, /slow and wrong/);
  assert.equal(await quick, 'two');
  await line.idle();
  assert.deepEqual(done, [1, 2]);
});
