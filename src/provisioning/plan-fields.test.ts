import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changeNames } from '#core/people/people.ts';
import { stageFor } from '#test/provisioning.ts';
import { proposals } from './approval.ts';
import { listTarget } from './listing.ts';
import { shownFields } from './plan-fields.ts';
import { planTarget } from './reconcile.ts';
import { setMode } from './targets.ts';

test('what a kept plan shows is bounded, and the value under the name of a secret is not among it', () => {
  const long = 'ä'.repeat(300);
  const [text, list, secret, none, half] = shownFields([
    { name: 'title', was: long, will: 'x' },
    { name: 'groups', was: Array.from({ length: 50 }, (_, n) => `g${n}`), will: [] },
    { name: 'initialPassword', was: 'one', will: null },
    { name: 'active', was: '', will: true },
    { name: 'nickName', was: 'a\0b', will: '\ud800' },
  ]);
  assert.deepEqual([String(text?.was).length, text?.will], [200, 'x']);
  assert.deepEqual((list?.was as string[] | undefined)?.slice(19), ['g19', '… 30 more']);
  assert.deepEqual(secret, { name: 'initialPassword', was: '[removed]', will: null });
  assert.deepEqual(none, { name: 'active', was: null, will: true });
  assert.deepEqual(half, { name: 'nickName', was: 'a\ufffdb', will: '\ufffd' });
  assert.equal(shownFields(Array.from({ length: 99 }, () => ({ name: 'n', was: 1, will: 2 }))).length, 40);
});

test('a plan that waits says of each field what was and what will be, by a change and by a sweep', async (t) => {
  const s = await stageFor(t);
  const running = await s.start();
  const ada = await s.person('ada');
  await running.settle();
  await s.during((tx) => setMode(tx, s.app, 'plan'));
  await s.during((tx) => changeNames(tx, ada, { displayName: 'Ada Byron' }));
  const shown = async () =>
    (await s.during((tx) => proposals(tx, s.app))).map(({ verdict, fields }) => [verdict, fields]);
  const expected = [['update', [{ name: 'displayName', was: 'ada Test', will: 'Ada Byron' }]]];
  await running.settle();
  assert.deepEqual(await shown(), expected);
  await s.database.query('delete from target_plans');
  s.clock.advance(60_000);
  await listTarget(s.needs, await s.target());
  await planTarget(s.needs, await s.target());
  assert.deepEqual(await shown(), expected);
});
