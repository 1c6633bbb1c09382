import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createCrowd } from './crowd.ts';
import { HttpRefusal } from './refusal.ts';

const isBusy = (error: unknown) =>
  error instanceof HttpRefusal && error.status === 503 && error.code === 'busy' && error.retryAfter! >= 1;

test('F-18 who finds no place waits for one in turn, and is asked to come again where none becomes free in time', async () => {
  const crowd = createCrowd({ places: 2, patienceMs: 80 });
  const [first, second] = [await crowd.enter(), await crowd.enter()];
  const order: string[] = [];
  const come = async (name: string) => {
    const place = await crowd.enter();
    order.push(name);
    return place;
  };
  const third = come('third');
  const fourth = come('fourth');
  first.leave();
  // Leaving twice makes no second place.
  first.leave();
  const placeOfThird = await third;
  assert.deepEqual(order, ['third']);
  await assert.rejects(fourth, isBusy);
  placeOfThird.leave();
  second.leave();
  const again = await Promise.all([crowd.enter(), crowd.enter()]);
  await assert.rejects(crowd.enter(), isBusy);
  for (const place of again) place.leave();
});

test('who takes long holds up nobody, until too many are inside', async () => {
  const crowd = createCrowd({ places: 1, patienceMs: 200, longMs: 30, most: 3 });
  const first = await crowd.enter();
  const began = performance.now();
  const second = await crowd.enter();
  assert.ok(performance.now() - began < 200);
  const third = await crowd.enter();
  await assert.rejects(crowd.enter(), isBusy);
  for (const one of [first, second, third]) one.leave();
  // The place there was is there again, and no other.
  const only = await crowd.enter();
  await sleep(0);
  const late = createCrowd({ places: 1, patienceMs: 20, longMs: 5000 });
  const held = await late.enter();
  await assert.rejects(late.enter(), isBusy);
  held.leave();
  only.leave();
});

test('who waits for somebody elsewhere has no place meanwhile, comes back to one, and is never turned away', async () => {
  const crowd = createCrowd({ places: 1, patienceMs: 40, longMs: 60_000 });
  const answers = Promise.withResolvers<string>();
  const first = await crowd.enter();
  const away = first.away(() => answers.promise);
  const second = await crowd.enter();
  await assert.rejects(crowd.enter(), isBusy, 'the place is the second one’s now');
  answers.resolve('told');
  assert.equal(await away, 'told', 'whoever is back goes on, though no place became free');
  first.leave();
  await assert.rejects(crowd.enter(), isBusy, 'and has none to give on');
  second.leave();
  const third = await crowd.enter();
  assert.equal(await third.away(async () => 'at once'), 'at once');
  await assert.rejects(crowd.enter(), isBusy, 'back in its place, which is taken again');
  await assert.rejects(
    third.away(async () => {
      throw new Error('it failed there');
    }),
    /it failed there/,
  );
  await assert.rejects(crowd.enter(), isBusy);
  third.leave();
  const left = await crowd.enter();
  const gone = Promise.withResolvers<void>();
  const hungUp = left.away(() => gone.promise);
  left.leave();
  gone.resolve();
  await hungUp;
  const only = await crowd.enter();
  await assert.rejects(crowd.enter(), isBusy, 'who hung up meanwhile took no place');
  only.leave();
});
