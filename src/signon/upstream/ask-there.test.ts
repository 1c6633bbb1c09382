import assert from 'node:assert/strict';
import { test } from 'node:test';
import { askThere } from './ask-there.ts';
import { UpstreamFailure } from './failure.ts';
import { upstreamSettings } from './settings.ts';

test('so many wait for one provider and no more; another one’s people are not held up, and every place comes back', async () => {
  let away = 0;
  const request = {
    async away<T>(work: () => Promise<T>): Promise<T> {
      away += 1;
      return work();
    },
  };
  const settings = upstreamSettings.parse({ title: 'Corp', oidc: { preset: 'google', clientId: 'x' } });
  const [one, other] = [
    { id: 'one', settings },
    { id: 'other', settings },
  ];
  const gate = Promise.withResolvers<string>();
  const waiting = Array.from({ length: 64 }, () => askThere(request, one, () => gate.promise));
  const beyond = (error: unknown) =>
    error instanceof UpstreamFailure && error.code === 'upstream-unreachable';
  await assert.rejects(
    askThere(request, one, async () => 'never'),
    beyond,
  );
  assert.equal(await askThere(request, other, async () => 'at once'), 'at once');
  assert.equal(away, 65, 'whoever is refused gives no place away');
  gate.resolve('told');
  assert.deepEqual(new Set(await Promise.all(waiting)), new Set(['told']));
  await assert.rejects(
    askThere(request, one, () => Promise.reject(new Error('it broke'))),
    /it broke/,
  );
  const again = Array.from({ length: 64 }, () => askThere(request, one, async () => 'again'));
  assert.equal((await Promise.all(again)).length, 64);
});
