/** SC-07 at a real target over two real workers: too many deactivations at once stop and wait for a person. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brakeState, releaseBrake } from '#provisioning/brake.ts';
import { eventually, faultStage, seed, settleLedger } from './stage.ts';

test('SC-07 of 51 people locked at once 50 are switched off; the last waits until a person has looked; refused stays on', async (t) => {
  t.diagnostic(`seed ${seed}`);
  const stage = await faultStage(t, { wiki: { settings: { brake: { count: 50, share: 1 } } } });
  const target = stage.target();
  await Promise.all([stage.worker(), stage.worker()]);
  const people = Array.from({ length: 60 }, (_, at) => `person${at + 1}`);
  for (const person of people) await stage.driver.join(person);
  await eventually(() => target.state.users().length === people.length);
  await stage.calm();
  const offs = () => target.state.users().filter(({ body }) => body.active === false).length;
  await Promise.all(people.slice(0, 51).map((person) => stage.driver.lock(person)));
  await eventually(() => offs() === 50);
  await stage.calm();
  const state = await stage.during((tx) => brakeState(tx, 'wiki'));
  assert.deepEqual([offs(), state.held.length, state.removals.length], [50, 1, 50]);
  assert.match(state.engaged?.why ?? '', /More than 50 accounts/);

  // Everything else goes on, also for those who are held; one more goes to the others.
  await stage.driver.rename('person60');
  await stage.driver.lock('person59');
  await stage.calm();
  assert.deepEqual([offs(), (await stage.during((tx) => brakeState(tx, 'wiki'))).held.length], [50, 2]);
  const held = (await stage.during((tx) => brakeState(tx, 'wiki'))).held.map(({ subject }) => subject);
  const refused = `person:${stage.driver.idOf('person59')}`;
  assert.ok(held.includes(refused));
  const decided = await stage.during((tx) =>
    releaseBrake(tx, 'wiki', { approve: held.filter((one) => one !== refused), refuse: 'rest' }),
  );
  assert.deepEqual(decided, { approved: 1, refused: 1, left: 0 });
  await eventually(() => offs() === 51);
  await stage.calm();
  assert.equal(target.state.users().find(({ body }) => body.userName === 'person59')?.body.active, true);
  assert.equal((await stage.during((tx) => brakeState(tx, 'wiki'))).engaged, undefined);
  // The one that was refused comes back, so that the ledger can be held against what is there.
  await stage.driver.unlock('person59');
  await stage.calm();
  await settleLedger(t, stage);
});
