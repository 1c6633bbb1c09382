import assert from 'node:assert/strict';
import { test } from 'node:test';
import { together } from './together.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('callers of one moment go together, later ones gather while a batch is under way, each gets its own answer', async () => {
  const batches: number[][] = [];
  const double = together(async (items: readonly number[]) => {
    batches.push([...items]);
    await turn();
    await turn();
    return items.map((item) => item * 2);
  });
  const first = [1, 2, 3].map(double);
  await turn();
  const later: Promise<number>[] = [];
  for (let item = 4; item < 40; item++) {
    later.push(double(item));
    if (item % 9 === 0) await turn();
  }
  assert.deepEqual(
    await Promise.all([...first, ...later]),
    Array.from({ length: 39 }, (_, i) => (i + 1) * 2),
  );
  assert.deepEqual(batches[0], [1, 2, 3]);
  assert.ok(batches.length < 12, `${batches.length} batches`);
  assert.equal(batches.flat().length, 39, 'nothing is done twice');
});

test('one that fails fails alone, and no batch is larger than allowed', async () => {
  const sizes: number[] = [];
  const odd = together(async (items: readonly number[]) => {
    sizes.push(items.length);
    if (items.includes(5)) throw new Error('five');
    return items;
  }, 4);
  const answers = await Promise.allSettled([1, 2, 3, 4, 5, 6, 7].map(odd));
  assert.deepEqual(
    answers.map((one) => one.status),
    ['fulfilled', 'fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
  );
  assert.ok(Math.max(...sizes) <= 4);
});
