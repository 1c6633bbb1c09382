import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { assignAliases } from '#core/aliases/aliases.ts';
import { addGroup, addMembers } from '#core/groups/groups.ts';
import { activate } from '#core/lifecycle/activate.ts';
import { leave } from '#core/lifecycle/leave.ts';
import { changeNames } from '#core/people/people.ts';
import { deadJobs, enqueue, replayDead } from '#kit/queue/queue.ts';
import { eventually } from '#test/eventually.ts';
import { type ProvisioningStage, stageFor } from '#test/provisioning.ts';
import { Retry, Stop } from './connector.ts';
import { subjectJob } from './intake.ts';
import { preview, pushNow } from './provisioning.ts';
import { liftQuarantine, removeTarget, rewrapTargets, setMode } from './targets.ts';

const only = (s: ProvisioningStage) => {
  assert.equal(s.model.accounts.size, 1);
  return [...s.model.accounts.values()][0]!;
};

test('someone who joins has an account there within moments; a change of name follows; the timeline tells it', async (t) => {
  const s = await stageFor(t);
  const running = await s.start();
  const ada = await s.person('ada');
  const account = await eventually(() => s.model.byUserName('ada')[0]);
  assert.deepEqual(account.attributes, {
    userName: 'ada',
    email: 'ada@example.org',
    displayName: 'ada Test',
  });
  await running.settle();
  const link = await s.link(ada);
  assert.deepEqual([link?.state, link?.remoteId, link?.problem], ['linked', account.id, undefined]);
  assert.ok(link?.settledAt && link.equalAt && !link.attemptedAt);
  assert.equal(account.externalId, link.externalId);
  await s.during((tx) => changeNames(tx, ada, { displayName: 'Countess' }));
  await running.settle();
  assert.equal(only(s).attributes.displayName, 'Countess');
  await s.during((tx) => pushNow(tx, s.app, `person:${ada}`));
  await running.settle();
  const kinds = (await s.timeline(`person:${ada}`)).map(({ kind }) => kind).reverse();
  assert.deepEqual(kinds, ['queued', 'settled', 'queued', 'settled', 'seen-equal']);
  assert.deepEqual(
    s.model.done.map((step) => step.do),
    ['create', 'update'],
  );
  const events = await s.database.query<{ type: string }>(
    `select type from events where type like 'account.%' order by id`,
  );
  assert.deepEqual(
    events.map(({ type }) => type),
    ['account.provisioned', 'account.provisioned'],
  );
});

test('after commit the change starts at the target within two seconds when it is idle', async (t) => {
  const s = await stageFor(t);
  await s.start();
  const delays: number[] = [];
  for (let round = 0; round < 15; round += 1) {
    await s.person(`p${round}`);
    const began = performance.now();
    await eventually(() => s.model.byUserName(`p${round}`)[0]);
    delays.push(performance.now() - began);
    await sleep(150);
  }
  assert.ok(Math.max(...delays) < 2000, `took up to ${Math.round(Math.max(...delays))} ms`);
});

test('what is there already is adopted; what belongs to someone else is disputed; never a second account', async (t) => {
  const s = await stageFor(t);
  s.model.accounts.set('old', {
    id: 'old',
    active: true,
    attributes: { userName: 'x', email: 'ADA@example.org' },
  });
  const running = await s.start();
  const ada = await s.person('ada');
  await running.settle();
  assert.equal(only(s).id, 'old');
  assert.equal((await s.link(ada))?.remoteId, 'old');
  assert.equal(only(s).attributes.userName, 'ada');
  // Somebody whose name leads to Ada's account.
  const eve = await s.person('eve');
  await running.settle();
  await s.database.query(`delete from target_links where person = $1`, [eve]);
  s.model.accounts.delete((await eventually(() => s.model.byUserName('eve')[0])).id);
  await s.during((tx) => assignAliases(tx, [{ application: s.app, person: eve, alias: 'old-ada' }], 'test'));
  s.model.accounts.get('old')!.attributes = { ...only(s).attributes, userName: 'old-ada' };
  await running.settle();
  const link = await s.link(eve);
  assert.deepEqual([link?.state, link?.remoteId], ['disputed', undefined]);
  assert.match(link?.problem ?? '', /linked to another person/);
  assert.equal(s.model.accounts.size, 1);
  assert.equal((await s.plan(`person:${eve}`))?.verdict, 'disputed');
});

test('a clash the search cannot see is refused and nothing is doubled', async (t) => {
  const s = await stageFor(t);
  s.model.before = (asked) => {
    if (asked.op === 'apply' && asked.step.do === 'create') throw new Stop('clash', 'taken');
  };
  const running = await s.start();
  const ada = await s.person('ada');
  await running.settle();
  s.clock.advance(60_000);
  await s.during((tx) => pushNow(tx, s.app, `person:${ada}`));
  await eventually(async () => (await s.link(ada))?.problem);
  assert.equal((await s.plan(`person:${ada}`))?.verdict, 'refused');
  assert.equal(s.model.accounts.size, 0);
});

test('F-15 the target commits and resets the connection: tried again, equal at the end, one account', async (t) => {
  const s = await stageFor(t);
  let resets = 2;
  s.model.after = (asked) => {
    if (asked.op === 'apply' && resets-- > 0)
      throw new Retry('The connection was reset.', { afterSeconds: 0 });
  };
  const running = await s.start();
  const ada = await s.person('ada');
  await eventually(async () => (await s.link(ada))?.equalAt);
  await s.during((tx) => changeNames(tx, ada, { displayName: 'Later' }));
  await eventually(async () => only(s).attributes.displayName === 'Later');
  await running.settle();
  await eventually(async () => (await s.link(ada))?.remote?.displayName === 'Later');
  assert.equal(s.model.accounts.size, 1);
  assert.equal(s.model.done.filter((step) => step.do === 'create').length, 1);
});

test('F-16 poison: set aside with its reason; others flow; later changes of that person too; replayed once, done once', async (t) => {
  const s = await stageFor(t);
  let cured = false;
  s.model.before = (asked) => {
    if (asked.op !== 'apply' || cured) return;
    const step = asked.step;
    if ('desired' in step && step.desired.attributes.userName === 'poison')
      throw new Stop('refused', 'The title is not allowed (400).');
  };
  const running = await s.start();
  const poison = await s.person('poison');
  await s.person('ada');
  await running.settle();
  await eventually(() => s.model.byUserName('ada')[0]);
  const [dead] = await deadJobs(s.database, { lane: `target:${s.app}` });
  assert.match(dead!.reason, /title is not allowed/);
  assert.match((await s.link(poison))?.problem ?? '', /title is not allowed/);
  cured = true;
  await s.during((tx) => replayDead(tx, { ids: [dead!.id] }));
  await eventually(() => s.model.byUserName('poison')[0]);
  await running.settle();
  assert.equal(s.model.done.filter((step) => step.do === 'create').length, 2);
  await eventually(async () => (await s.link(poison))?.problem === undefined);
  assert.deepEqual(await deadJobs(s.database), []);
  // A later change flows although an earlier job of the person is dead.
  cured = false;
  await s.during((tx) => changeNames(tx, poison, { displayName: 'One' }));
  await eventually(async () => (await deadJobs(s.database))[0]);
  cured = true;
  await s.during((tx) => changeNames(tx, poison, { displayName: 'Two' }));
  await eventually(() => s.model.byUserName('poison')[0]?.attributes.displayName === 'Two');
});

test('F-16 a 500 for one person alone ends in the dead letters; an outage for all never does', async (t) => {
  const s = await stageFor(t, { attempts: 3 });
  let outage = true;
  s.model.before = (asked) => {
    if (asked.op !== 'apply' || !('desired' in asked.step)) return;
    if (outage || asked.step.desired.attributes.userName === 'poison')
      throw new Retry('The target failed (500).', { afterSeconds: 0 });
  };
  await s.start();
  await s.person('poison');
  const ada = await s.person('ada');
  await eventually(() => s.model.asked.filter(({ op }) => op === 'apply').length > 12);
  assert.deepEqual(await deadJobs(s.database), [], 'nobody is given up while nobody is served');
  outage = false;
  await eventually(async () => (await s.link(ada))?.settledAt);
  const dead = await eventually(async () => (await deadJobs(s.database))[0]);
  assert.match(dead.reason, /500/);
});

test('F-17 three renames and a lock race over two workers: the last name and switched off', async (t) => {
  const s = await stageFor(t, { brake: { count: 1000, share: 1 } });
  await s.start();
  const second = await s.start();
  s.model.before = () => sleep(randomInt(15));
  for (let round = 0; round < 5; round += 1) {
    const name = `racer${round}`;
    const person = await s.person(name);
    await eventually(() => s.model.byUserName(name)[0]);
    for (const displayName of ['One', 'Two', 'Three']) {
      await s.during((tx) => changeNames(tx, person, { displayName }));
      await sleep(randomInt(60));
    }
    await s.during((tx) => leave(tx, person, 'locked'));
    await eventually(() => s.model.byUserName(name)[0]?.active === false);
    await second.settle();
    const [account] = s.model.byUserName(name);
    assert.equal(account?.active, false);
    const names = s.model.done.flatMap((step) =>
      'desired' in step && step.desired.attributes.userName === name
        ? [step.desired.attributes.displayName]
        : [],
    );
    const order = ['One', 'Two', 'Three'];
    const places = names.map((one) => order.indexOf(String(one)));
    assert.deepEqual(places, places.toSorted(), 'no name goes back');
    await s.during((tx) => activate(tx, person, 'back'));
    await eventually(() => s.model.byUserName(name)[0]?.active === true);
    assert.equal(s.model.byUserName(name)[0]?.attributes.displayName, 'Three');
  }
});

test('leavers: spam is switched off at once; deleted when the days are over; who comes back is switched on', async (t) => {
  const s = await stageFor(t, { leaver: { rule: 'delete', deleteAfterDays: 30 } });
  const running = await s.start();
  const ada = await s.person('ada');
  const bob = await s.person('bob');
  await running.settle();
  await s.during((tx) => leave(tx, ada, 'spam'));
  await s.during((tx) => leave(tx, bob, 'left'));
  await running.settle();
  assert.deepEqual(
    [...s.model.accounts.values()].map(({ active }) => active),
    [false, false],
  );
  const later = await s.database.query(`select run_at from queue_jobs where key like 'later:%'`);
  assert.equal(later.length, 2, 'the deletion is scheduled');
  await s.during((tx) => activate(tx, ada, 'a mistake'));
  await running.settle();
  assert.equal(s.model.byUserName('ada')[0]?.active, true);
  s.clock.advance(31 * 86_400_000);
  await s.database.query(`update queue_jobs set run_at = now() where key like 'later:%'`);
  await running.settle();
  await running.settle();
  assert.equal(s.model.byUserName('bob').length, 0);
  assert.equal(s.model.byUserName('ada').length, 1);
  assert.equal((await s.link(bob))?.state, 'deleted');
  await s.during((tx) => activate(tx, bob, 'returned'));
  await running.settle();
  assert.equal(s.model.byUserName('bob')[0]?.active, true);
  assert.deepEqual(
    s.model.done.map((step) => step.do),
    ['create', 'create', 'deactivate', 'deactivate', 'update', 'delete', 'create'],
  );
});

test('the erased are switched off there, and nothing of them is kept but ids', async (t) => {
  const s = await stageFor(t);
  const running = await s.start();
  const ada = await s.person('ada');
  await running.settle();
  await s.during((tx) => leave(tx, ada, 'erased'));
  await running.settle();
  assert.equal(only(s).active, false);
  const link = await s.link(ada);
  assert.deepEqual([link?.state, link?.remote, link?.remoteActive], ['linked', undefined, false]);
  const kept = await s.database.query(
    `select 1 from target_entries where subject = $1 and (request is not null or text like '%ada%')`,
    [`person:${ada}`],
  );
  assert.deepEqual(kept, []);
});

test('scope: the unverified and those outside the groups are nowhere; joining a group brings them', async (t) => {
  const s = await stageFor(t, { scope: { groups: ['Crew'] } });
  const running = await s.start();
  const group = await s.during((tx) => addGroup(tx, { name: 'crew', origin: 'test' }));
  const ada = await s.person('ada');
  await s.person('new', 'request', 'unverified');
  await running.settle();
  assert.equal(s.model.accounts.size, 0);
  assert.equal(s.model.asked.length, 0, 'nothing is even asked about people who have nothing there');
  await s.during((tx) => addMembers(tx, group.id, [ada]));
  await running.settle();
  assert.equal(only(s).attributes.userName, 'ada');
});

test('what an import, a sync, a merge or the demo brings is only planned, also at an automatic target', async (t) => {
  const s = await stageFor(t);
  const running = await s.start();
  for (const cause of ['import', 'sync', 'merge', 'demo'] as const) await s.person(`by-${cause}`, cause);
  const people = await Promise.all(Array.from({ length: 30 }, (_, n) => s.person(`many${n}`, 'import')));
  await running.settle();
  assert.equal(s.model.asked.length, 0);
  const rows = await s.database.query<{ state: string; verdict: string }>(
    'select state, verdict from target_plans',
  );
  assert.equal(rows.length, 34);
  assert.ok(rows.every(({ state, verdict }) => state === 'proposed' && verdict === 'create'));
  // Approved with the digest of exactly these steps.
  const plan = await s.plan(`person:${people[0]}`);
  await s.during((tx) =>
    enqueue(
      tx,
      subjectJob(s.app, `person:${people[0]}`, { cause: 'approval', approved: plan!.digest.toString('hex') }),
    ),
  );
  await running.settle();
  assert.equal(only(s).attributes.userName, 'many0');
  assert.equal(await s.plan(`person:${people[0]}`), undefined);
  // Regular work leaves alone what waits for a person.
  await s.during((tx) => enqueue(tx, subjectJob(s.app, `person:${people[1]}`, { cause: 'schedule' })));
  await running.settle();
  assert.equal(s.model.accounts.size, 1);
});

test('modes: off does nothing, observe and plan send nothing, an approval of other steps neither', async (t) => {
  const s = await stageFor(t, { mode: 'off' });
  const running = await s.start();
  const ada = await s.person('ada');
  await running.settle();
  assert.equal((await s.database.query('select 1 from queue_jobs')).length, 0);
  for (const mode of ['observe', 'plan'] as const) {
    await s.during((tx) => setMode(tx, s.app, mode));
    await s.during((tx) => pushNow(tx, s.app, `person:${ada}`));
    await running.settle();
    assert.equal((await s.plan(`person:${ada}`))?.state, 'proposed');
  }
  const before = await s.plan(`person:${ada}`);
  await s.database.query(`update target_plans set state = 'approved'`);
  await s.during((tx) => changeNames(tx, ada, { displayName: 'Someone else' }));
  await running.settle();
  assert.equal(s.model.done.length, 0);
  const after = await s.plan(`person:${ada}`);
  assert.equal(after?.state, 'proposed', 'what was approved is not what would be done now');
  assert.ok(!after.digest.equals(before!.digest));
  await s.database.query(`update target_plans set state = 'approved'`);
  await s.during((tx) => pushNow(tx, s.app, `person:${ada}`));
  await running.settle();
  assert.equal(only(s).attributes.displayName, 'Someone else');
});

test('a dry run says what the push does, and does nothing', async (t) => {
  const s = await stageFor(t);
  const ada = await s.person('ada');
  const dry = await preview(s.needs, s.app, `person:${ada}`);
  assert.equal(s.model.done.length, 0);
  assert.equal(await s.link(ada), undefined);
  const running = await s.start();
  await running.settle();
  await s.during((tx) => pushNow(tx, s.app, `person:${ada}`));
  await running.settle();
  assert.deepEqual(s.model.done, dry.steps);
});

test('an account that vanished there is made again; one whose person has left is forgotten', async (t) => {
  const s = await stageFor(t);
  const running = await s.start();
  const [ada, bob] = [await s.person('ada'), await s.person('bob')];
  await running.settle();
  s.model.accounts.clear();
  s.clock.advance(60_000);
  await s.during((tx) => changeNames(tx, ada, { displayName: 'Back' }));
  await s.during((tx) => leave(tx, bob, 'left'));
  await running.settle();
  assert.equal(only(s).attributes.displayName, 'Back');
  assert.deepEqual([(await s.link(bob))?.state, (await s.link(bob))?.remoteId], ['deleted', undefined]);
  assert.equal((await s.link(ada))?.remoteId, only(s).id);
});

test('the account behind the record is kept, and its loss is shown', async (t) => {
  const s = await stageFor(t);
  const running = await s.start();
  const ada = await s.person('ada');
  await running.settle();
  only(s).accountId = 'aaid-1';
  await s.during((tx) => pushNow(tx, s.app, `person:${ada}`));
  await running.settle();
  assert.equal((await s.link(ada))?.accountId, 'aaid-1');
  delete only(s).accountId;
  await s.during((tx) => pushNow(tx, s.app, `person:${ada}`));
  await running.settle();
  assert.match((await s.link(ada))?.problem ?? '', /aaid-1/);
});

test('credentials that are refused hold the target; new ones let it go on; they stand nowhere in clear', async (t) => {
  const s = await stageFor(t);
  let allowed = false;
  s.model.before = () => {
    if (!allowed) throw new Stop('credentials', 'The target refuses our credentials (401).');
  };
  const running = await s.start();
  await s.save({}, { token: 'canary-of-the-token' });
  await s.person('ada');
  await eventually(async () => (await s.target()).quarantine);
  allowed = true;
  await s.during((tx) => liftQuarantine(tx, s.app));
  await s.database.query(`update queue_jobs set run_at = now()`);
  await eventually(() => s.model.byUserName('ada')[0]);
  await running.settle();
  const everything = JSON.stringify([
    await s.database.query('select * from events'),
    await s.database.query('select * from target_entries'),
    await s.database.query('select * from targets'),
    s.lines,
  ]);
  assert.ok(!everything.includes('canary-of-the-token'));
  assert.equal(await s.during((tx) => rewrapTargets(tx, s.needs.secrets)), 0);
  await s.during((tx) => removeTarget(tx, s.app));
  assert.equal((await s.database.query(`select 1 from queue_jobs`)).length, 0);
});
