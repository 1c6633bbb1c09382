import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHerd } from './herd.ts';

function moving() {
  const time = { now: 0 };
  return { time, herd: createHerd(() => time.now) };
}

const bounds = (values: readonly number[]) => [Math.min(...values), Math.max(...values)];

test('F-19 a few who are turned away come back within seconds, not all at the same moment', () => {
  const { herd } = moving();
  const told = Array.from({ length: 12 }, () => herd.turnAway());
  assert.ok(
    told.every((seconds) => seconds >= 1 && seconds <= 3),
    told.join(),
  );
  assert.ok(new Set(told).size > 1, 'all at the same moment');
});

test('F-19 a herd comes back over as long as it takes to serve it, half a minute at most', () => {
  const { herd, time } = moving();
  // A hundred a second are served; a thousand more than that come at once.
  for (let at = 0; at < 2000; at += 1) {
    time.now += 10;
    herd.served();
  }
  const told = Array.from({ length: 1000 }, () => herd.turnAway());
  const [soonest, latest] = bounds(told);
  assert.ok(
    soonest === 1 && latest! >= 8 && latest! <= 12,
    `${soonest} to ${latest} s for a thousand at a hundred a second`,
  );
  const many = Array.from({ length: 20_000 }, () => herd.turnAway());
  assert.deepEqual(bounds(many.slice(-5000)), [1, 30]);
});

test('who was turned away long ago counts no more', () => {
  const { herd, time } = moving();
  for (let at = 0; at < 5000; at += 1) herd.turnAway();
  time.now += 120_000;
  assert.ok(Array.from({ length: 12 }, () => herd.turnAway()).every((seconds) => seconds <= 3));
});
