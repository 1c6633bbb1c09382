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
    const leave = await crowd.enter();
    order.push(name);
    return leave;
  };
  const third = come('third');
  const fourth = come('fourth');
  first();
  // Leaving twice makes no second place.
  first();
  const leaveThird = await third;
  assert.deepEqual(order, ['third']);
  await assert.rejects(fourth, isBusy);
  leaveThird();
  second();
  const again = await Promise.all([crowd.enter(), crowd.enter()]);
  await assert.rejects(crowd.enter(), isBusy);
  for (const leave of again) leave();
});

test('who takes long holds up nobody, until too many are inside', async () => {
  const crowd = createCrowd({ places: 1, patienceMs: 200, longMs: 30, most: 3 });
  const leave = await crowd.enter();
  const began = performance.now();
  const second = await crowd.enter();
  assert.ok(performance.now() - began < 200);
  const third = await crowd.enter();
  await assert.rejects(crowd.enter(), isBusy);
  for (const one of [leave, second, third]) one();
  // The place there was is there again, and no other.
  const only = await crowd.enter();
  await sleep(0);
  const late = createCrowd({ places: 1, patienceMs: 20, longMs: 5000 });
  const held = await late.enter();
  await assert.rejects(late.enter(), isBusy);
  held();
  only();
});
