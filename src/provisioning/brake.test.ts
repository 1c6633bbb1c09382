import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Problem } from '#core/problem.ts';
import { newId } from '#kit/crypto/ids.ts';
import { system } from '#kit/db/database.ts';
import { testDatabase } from '#test/kit.ts';
import { askBrake, brakeState, releaseBrake, releaseIdleBrakes, tooMany } from './brake.ts';
import { targetSettings } from './settings.ts';
import { requireTarget, type Target } from './targets.ts';

const { database } = await testDatabase({ poolSize: 10 });
const change = <T>(work: Parameters<typeof database.transact<T>>[1]) => database.transact(system(), work);

async function aTarget(application: string, accounts: number, brake: object = {}): Promise<Target> {
  const settings = targetSettings.parse({ connector: 'model', mode: 'automatic', brake });
  await database.query(
    `insert into applications (id, title, settings, created_at, updated_at) values ($1, $1, '{}', now(), now())`,
    [application],
  );
  await database.query(
    `insert into targets (application, connector, settings, mode, created_at, updated_at)
     values ($1, 'model', $2, 'automatic', now(), now())`,
    [application, JSON.stringify(settings)],
  );
  await database.query(
    `insert into target_links (application, person, state, remote_id, external_id, updated_at)
     select $1, gen_random_uuid(), 'linked', 'r' || n, 'e' || n, now() from generate_series(1, $2) as n`,
    [application, accounts],
  );
  return change((tx) => requireTarget(tx, application));
}

const people = (count: number) => Array.from({ length: count }, () => `person:${newId()}`);
const ask = (target: Target, subject: string, approved?: boolean) =>
  change((tx) => askBrake(tx, target, { subject, kind: 'deactivate', approved }));

/** As the engine does it: asks, and keeps the plan where it is held. */
async function take(target: Target, subject: string): Promise<'go' | 'held'> {
  const answer = await ask(target, subject);
  if (answer === 'held') {
    await database.query(
      `insert into target_plans (application, subject, verdict, why, steps, digest, state, made_at)
       values ($1, $2, 'deactivate', 'left', '[]', '\\x01', 'held', now()) on conflict do nothing`,
      [target.application, subject],
    );
  }
  return answer;
}

test('SC-07 of 51 deactivations at once 50 go and the brake holds the rest', async () => {
  const target = await aTarget('brake-count', 5000);
  const answers = await Promise.all(people(55).map((subject) => take(target, subject)));
  assert.equal(answers.filter((answer) => answer === 'go').length, 50);
  const state = await change((tx) => brakeState(tx, target.application));
  assert.match(state.engaged?.why ?? '', /More than 50 accounts/);
  assert.equal(state.held.length, 5);
  assert.equal(state.removals.length, 50);
});

test('SC-07 more than a twentieth of the accounts, from five on', async () => {
  const target = await aTarget('brake-share', 100);
  const answers: string[] = [];
  for (const subject of people(7)) answers.push(await take(target, subject));
  assert.deepEqual(answers, ['go', 'go', 'go', 'go', 'go', 'held', 'held']);
  const small = targetSettings.parse({ connector: 'x' }).brake;
  assert.equal(tooMany(1, 3, small), undefined, 'one of three may leave');
  assert.ok(tooMany(5, 3, small));
});

test('a removal that is tried again is counted once', async () => {
  const target = await aTarget('brake-again', 1000, { count: 2 });
  const [one, two, three] = people(3) as [string, string, string];
  for (let at = 0; at < 5; at += 1) assert.equal(await ask(target, one), 'go');
  assert.equal(await ask(target, two), 'go');
  assert.equal(await ask(target, three), 'held');
  assert.equal(await ask(target, one), 'go', 'what was let go stays let go');
});

test('a person lets some go and says no to the rest: those go as planned, the brake is off', async () => {
  const target = await aTarget('brake-trim', 1000, { count: 1 });
  const subjects = people(4);
  for (const subject of subjects) await take(target, subject);
  const held = (await change((tx) => brakeState(tx, target.application))).held.map(({ subject }) => subject);
  assert.deepEqual(held.toSorted(), subjects.slice(1).toSorted());
  const first = held.slice(0, 1);
  assert.deepEqual(await change((tx) => releaseBrake(tx, target.application, { approve: first })), {
    approved: 1,
    refused: 0,
    left: 2,
  });
  assert.ok((await change((tx) => brakeState(tx, target.application))).engaged, 'two still wait');
  await change((tx) => releaseBrake(tx, target.application, { refuse: 'rest' }));
  const after = await change((tx) => brakeState(tx, target.application));
  assert.equal(after.engaged, undefined);
  assert.equal(after.held.length, 0);
  const jobs = (await database.query(`select key, payload from queue_jobs where lane = $1`, [
    `target:${target.application}`,
  ])) as { key: string; payload: { approved: string } }[];
  assert.deepEqual(
    jobs.map(({ key, payload }) => [key, payload.approved]),
    [[first[0], '01']],
  );
  assert.equal(await ask(target, first[0] as string, true), 'go', 'approved ones are not held again');
});

test('two administrators at once: each held one is decided once', async () => {
  const target = await aTarget('brake-two', 1000, { count: 1 });
  for (const subject of people(11)) await take(target, subject);
  const release = (decision: Parameters<typeof releaseBrake>[2]) =>
    change((tx) => releaseBrake(tx, target.application, decision)).catch((error: unknown) => {
      assert.ok(error instanceof Problem && error.code === 'conflict');
      return { approved: 0, refused: 0, left: 0 };
    });
  const [yes, no] = await Promise.all([release({ approve: 'all' }), release({ refuse: 'rest' })]);
  assert.equal(yes.approved + no.refused, 10);
  assert.ok(yes.approved === 0 || no.refused === 0);
});

test('SC-07 a brake that holds nothing any more goes off by itself once its window is over, with an event', async () => {
  const target = await aTarget('brake-over', 1000, { count: 1, windowMinutes: 10 });
  const { application } = target;
  const [one, two, three] = people(3) as [string, string, string];
  await take(target, one);
  assert.equal(await take(target, two), 'held');
  const engaged = async () => (await change((tx) => brakeState(tx, application))).engaged;
  const look = () => change((tx) => releaseIdleBrakes(tx));
  const events = () =>
    database.query<{ data: unknown }>(
      `select data from events where type = 'brake.released' and application = $1`,
      [application],
    );
  const later = (minutes: number) =>
    Promise.all([
      database.query(
        `update target_brakes set engaged_at = engaged_at - make_interval(mins => $2) where application = $1`,
        [application, minutes],
      ),
      database.query(
        `update target_removals set at = at - make_interval(mins => $2) where application = $1`,
        [application, minutes],
      ),
    ]);
  assert.deepEqual(await look(), [], 'something is held, and the window is not over');
  await later(11);
  assert.deepEqual(await look(), [], 'something is held');
  await database.query(`delete from target_plans where application = $1 and subject = $2`, [
    application,
    two,
  ]);
  await later(-6);
  assert.deepEqual(await look(), [], 'nothing is held, and the window is not over');
  assert.ok(await engaged());
  await later(6);
  assert.deepEqual((await Promise.all([look(), look()])).flat(), [application], 'once');
  assert.equal(await engaged(), undefined);
  assert.deepEqual(await events(), [{ data: { approved: 0, refused: 0 } }]);
  assert.equal(await take(target, three), 'go', 'and counts anew');
});
