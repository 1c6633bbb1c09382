import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { applicationSettings, saveApplication } from '#core/applications/applications.ts';
import { readOnce } from '#core/events/reader.ts';
import { addGroup } from '#core/groups/groups.ts';
import { join } from '#core/lifecycle/join.ts';
import { modelTarget } from '#test/model-target.ts';
import { type ProvisioningStage, provisioningStage } from '#test/provisioning.ts';
import { brakeState } from './brake.ts';
import { type Connector, Retry, Stop } from './connector.ts';
import { provisioningReader } from './intake.ts';
import { sweepLane } from './sweep-job.ts';
import { isDue, type RunningSweeps, requestSweep, startSweeps } from './sweeps.ts';
import { findTarget, saveTarget } from './targets.ts';

async function stage(
  t: TestContext,
  settings: Record<string, unknown> = {},
): Promise<{ s: ProvisioningStage; sweeps: RunningSweeps }> {
  const s = await provisioningStage(settings);
  t.after(() => s.close());
  const sweeps = startSweeps(s.needs);
  t.after(() => sweeps.stop());
  // The first one is due at once; what a test does comes after it.
  await sweeps.settle();
  s.clock.advance(24 * 3_600_000);
  return { s, sweeps };
}

const signUp = (s: ProvisioningStage, username: string, origin = 'sign-up') =>
  s.during(
    (tx) =>
      join(tx, {
        username,
        givenName: username,
        familyName: 'Test',
        state: 'active',
        origin,
        addresses: [{ address: `${username}@example.org`, primary: true, verified: true }],
      }),
    origin === 'sign-up' ? 'request' : 'import',
  );
const jobs = (s: ProvisioningStage, lane: string) =>
  s.database.query<{ key: string; payload: { cause: string } }>(
    'select key, payload from queue_jobs where lane = $1 order by key',
    [lane],
  );
const listings = (s: ProvisioningStage) =>
  s.model.asked.filter((asked) => asked.op === 'list' && asked.page === 0).length;

test('when a target is to be looked at again', () => {
  const target = { settings: { sweepHours: 24 } as never };
  const at = (hours: number) => new Date(Date.UTC(2026, 0, 1, hours));
  const last = { run: 'x', seen: 0, startedAt: at(0).toISOString() };
  assert.equal(isDue(target, undefined, at(0)), true);
  assert.equal(isDue(target, { ...last, state: 'complete' }, at(23)), false);
  assert.equal(isDue(target, { ...last, state: 'complete' }, at(24)), true);
  assert.equal(isDue(target, { ...last, state: 'failed' }, at(1)), true);
  assert.equal(isDue(target, { ...last, state: 'short' }, new Date(at(0).getTime() + 3_500_000)), false);
});

test('on schedule and when asked: in automatic mode what differs goes to work, groups too', async (t) => {
  const { s, sweeps } = await stage(t, { groups: 'all' });
  const ada = await signUp(s, 'ada');
  await signUp(s, 'imported', 'old-directory');
  const group = await s.during((tx) => addGroup(tx, { name: 'Editors', origin: 'admin' }));
  const old = await s.during((tx) => addGroup(tx, { name: 'Old', origin: 'old-directory' }), 'import');
  await sweeps.settle();
  assert.deepEqual(
    (await jobs(s, 'target:wiki')).map(({ key, payload }) => [key, payload.cause]),
    [
      [`group:${group.id}`, 'sweep'],
      [`group:${old.id}`, 'import'],
      [`person:${ada}`, 'sweep'],
    ],
  );
  const running = await s.start();
  await running.settle();
  assert.deepEqual(
    [...s.model.accounts.values()].map(({ attributes }) => attributes.userName),
    ['ada'],
  );
  assert.deepEqual(
    [...s.model.groups.values()].map(({ name }) => name),
    ['Editors'],
  );
  assert.equal((await s.plan(`group:${old.id}`))?.state, 'proposed');
  const before = listings(s);
  await sweeps.settle();
  assert.equal(listings(s), before, 'not before its hours are over');
  s.clock.advance(24 * 3_600_000);
  s.model.accounts.clear();
  s.model.groups.clear();
  await sweeps.settle();
  assert.ok(listings(s) > before);
  await Promise.all(Array.from({ length: 10 }, () => s.during((tx) => requestSweep(tx, s.app))));
  assert.ok((await jobs(s, 'target-sweeps')).length <= 2, 'asked ten times, waits once');
  await sweeps.settle();
  const texts = (await s.timeline('target')).map(({ text }) => text);
  assert.ok(texts.some((text) => /^Looked at everybody: /.test(text)));
});

test('in the other modes a sweep proposes and sends nothing', async (t) => {
  for (const mode of ['plan', 'observe'] as const) {
    const { s, sweeps } = await stage(t, { mode });
    const ada = await signUp(s, 'ada');
    await sweeps.settle();
    const running = await s.start();
    await running.settle();
    assert.equal((await s.plan(`person:${ada}`))?.state, 'proposed', mode);
    assert.equal(s.model.accounts.size, 0);
  }
  const { s, sweeps } = await stage(t, { mode: 'off' });
  await signUp(s, 'ada');
  await sweeps.settle();
  assert.deepEqual(s.model.asked, []);
});

test('LD-04 a sweep whose listing is short or fails puts nobody to work', async (t) => {
  const { s, sweeps } = await stage(t);
  await signUp(s, 'ada');
  s.model.told = 5;
  await sweeps.settle();
  assert.deepEqual(await jobs(s, 'target:wiki'), []);
  s.clock.advance(3_600_000);
  s.model.before = () => {
    throw new Stop('refused', 'Not today.');
  };
  await sweeps.settle();
  assert.deepEqual(await jobs(s, 'target:wiki'), []);
  assert.deepEqual(await s.database.query('select 1 from target_plans'), []);
  s.clock.advance(3_600_000);
  s.model.before = () => {
    throw new Stop('credentials', 'Who are you?');
  };
  await sweeps.settle();
  assert.equal((await s.target()).quarantine?.why, 'Who are you?');
});

test('targets that hang or ask to wait delay no other', async (t) => {
  const { s, sweeps } = await stage(t);
  const held = Promise.withResolvers<void>();
  const connectors = s.needs.connectors as Map<string, Connector>;
  for (let n = 0; n < 6; n += 1) {
    const bad = modelTarget();
    bad.before = async () => {
      if (n % 2 === 1) throw new Retry('Later.', { kind: 'rate', afterSeconds: 600 });
      await held.promise;
    };
    connectors.set(`bad${n}`, { ...bad.connector, name: `bad${n}` });
    await s.during(async (tx) => {
      await saveApplication(tx, `bad${n}`, applicationSettings.parse({ title: 'Bad' }));
      await saveTarget(tx, s.needs.secrets, connectors, `bad${n}`, { connector: `bad${n}`, mode: 'plan' });
      await requestSweep(tx, `bad${n}`);
    });
  }
  const began = performance.now();
  await s.during((tx) => requestSweep(tx, s.app));
  while (!(await s.during((tx) => findTarget(tx, s.app)))?.listedAt) {
    // The bad ones are held until it is through, however busy the machine is.
    assert.ok(performance.now() - began < 15_000, 'the good one waits for the bad ones');
    await sleep(20);
  }
  held.resolve();
  await sweeps.settle();
});

test('what is wanted of everyone may differ after a change of settings: the target is looked at anew, once', async (t) => {
  const { s } = await stage(t);
  const reader = provisioningReader(s.needs.connectors);
  const readAll = async () => {
    while ((await readOnce(s.database, reader)) > 0);
  };
  await readAll();
  await s.database.query('delete from queue_jobs');
  const settings = applicationSettings.parse({ title: 'Wiki', alias: { address: 'own' } });
  await s.during((tx) => saveApplication(tx, s.app, { ...settings, description: 'words alone' }));
  await readAll();
  assert.deepEqual(await jobs(s, sweepLane), [], 'words change nothing there');
  await s.during((tx) => saveApplication(tx, s.app, { ...settings, roles: { editors: ['writer'] } }));
  await s.save({ mapping: { displayName: 'username' } });
  await readAll();
  assert.deepEqual(
    (await jobs(s, sweepLane)).map(({ key, payload }) => [key, payload.cause]),
    [[s.app, 'settings']],
  );
});

test('SC-07 a brake that holds nothing any more goes off at the next regular look', async (t) => {
  const { s, sweeps } = await stage(t);
  await s.database.query(
    `insert into target_brakes (id, application, engaged_at, why)
     values (gen_random_uuid(), $1, now() - interval '1 hour', 'too many')`,
    [s.app],
  );
  await sweeps.settle();
  assert.equal((await s.during((tx) => brakeState(tx, s.app))).engaged, undefined);
});
