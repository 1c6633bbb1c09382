import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applicationSettings, saveApplication } from '#core/applications/applications.ts';
import { join } from '#core/lifecycle/join.ts';
import {
  joinApplication,
  lastSignIns,
  listSignIns,
  noteSignIn,
  openSession,
} from '#core/sessions/sessions.ts';
import { newId } from '#kit/crypto/ids.ts';
import { system } from '#kit/db/database.ts';
import { type TestDatabase, testDatabase } from '#test/kit.ts';
import { sweepHistory } from './retention.ts';

const day = 86_400_000;
const lifetimes = { idleSeconds: 3600, absoluteSeconds: 3600 };

const sweep = ({ database, clock }: TestDatabase, signInHistoryDays = 400) =>
  sweepHistory({ database, clock, config: { signInHistoryDays } as never });

test('sign-ins older than the setting go, however many; when someone last signed in stays, at each app', async () => {
  const home = await testDatabase();
  const { database, clock } = home;
  const began = clock.now();
  const id = await database.transact(system(), async (tx) => {
    const person = await join(tx, { username: 'ada', state: 'active', origin: 'test', addresses: [] });
    const seen = { person, device: 'Firefox', network: '192.0.2.1' };
    await noteSignIn(tx, { ...seen, door: 'page', outcome: 'ok' });
    const { session } = await openSession(tx, { ...seen, amr: [], aal: 1, persistent: false, lifetimes });
    await joinApplication(tx, session, 'wiki', 'oidc');
    return person;
  });
  await database.query(
    `insert into sign_ins select gen_random_uuid(), $1, $2::timestamptz - interval '1 day', 'page', 'failed', null, '', '', 'r'
     from generate_series(1, 12000)`,
    [id, began],
  );
  clock.advance(400 * day - 1);
  await database.transact(system(), (tx) =>
    noteSignIn(tx, { person: id, device: '', network: '', door: 'page', outcome: 'failed' }),
  );
  await sweep(home);
  const left = await database.read(system(), (tx) => listSignIns(tx, id, 50));
  assert.deepEqual(
    left.map((one) => one.outcome),
    ['failed', 'ok'],
    'to the millisecond',
  );
  clock.advance(2);
  await sweep(home);
  assert.equal((await database.read(system(), (tx) => listSignIns(tx, id, 50))).length, 1);
  await sweep(home, 1);
  assert.equal((await database.read(system(), (tx) => listSignIns(tx, id, 50))).length, 1);
  const last = (await database.read(system(), (tx) => lastSignIns(tx, [id]))).get(id);
  assert.deepEqual([last?.get(''), last?.get('wiki')], [began, began]);
});

test('lines of imports go 90 days after their end; those of a run that may go on stay, and so do the counts', async () => {
  const home = await testDatabase();
  const { database, clock } = home;
  const at = (days: number) => new Date(clock.now().getTime() - days * day);
  const run = async (state: string, finished: Date | null, rows: number) => {
    const id = newId();
    await database.query(`insert into import_runs values ($1, $2, 'f', $3, '{"in": 1}', $4, $4, $5)`, [
      id,
      id,
      state,
      at(200),
      finished,
    ]);
    await database.query(
      `insert into import_rows select $1, 'row ' || n, 'ready', null, null from generate_series(1, $2::integer) n`,
      [id, rows],
    );
    return id;
  };
  const old = await run('done', at(91), 11_000);
  const young = await run('done', at(89), 3);
  const stopped = await run('stopped', null, 3);
  await sweep(home);
  const rows = await database.query<{ run: string }>('select distinct run from import_rows');
  assert.deepEqual(new Set(rows.map((one) => one.run)), new Set([young, stopped]));
  const [kept] = await database.query('select counts from import_runs where id = $1', [old]);
  assert.deepEqual(kept, { counts: { in: 1 } });
});

test('what happened at targets goes after 90 days but for the last of each person; the window of the brake after eight', async () => {
  const { database, clock, ...home } = await testDatabase();
  await database.transact(system(), (tx) =>
    saveApplication(tx, 'wiki', applicationSettings.parse({ title: 'Wiki' })),
  );
  await database.query(
    `insert into targets (application, connector, settings, mode, created_at, updated_at)
     values ('wiki', 'scim', '{}', 'off', now(), now())`,
  );
  const entries = (subject: string, count: number, days: number) =>
    database.query(
      `insert into target_entries (application, subject, at, kind, text)
       select 'wiki', $1, now() - make_interval(days => $3) + make_interval(secs => n), 'settled', 'x'
       from generate_series(1, $2::integer) n`,
      [subject, count, days],
    );
  await entries('person:old', 50, 100);
  await entries('person:busy', 30, 100);
  await entries('person:busy', 20, 1);
  await database.query(
    `insert into target_removals (application, subject, kind, at) values
       ('wiki', 'person:old', 'deactivate', now() - interval '9 days'), ('wiki', 'person:busy', 'delete', now())`,
  );
  await sweep({ ...home, database, clock });
  const left = await database.query<{ subject: string; count: number }>(
    'select subject, count(*)::integer as count from target_entries group by subject order by subject',
  );
  assert.deepEqual(left, [
    { subject: 'person:busy', count: 20 },
    { subject: 'person:old', count: 20 },
  ]);
  const removals = await database.query('select subject from target_removals');
  assert.deepEqual(removals, [{ subject: 'person:busy' }]);
});

test('what became of letters goes after 180 days; one that still waits stays', async () => {
  const { database, clock, close } = await testDatabase();
  const person = await database.transact(system(), (tx) =>
    join(tx, { username: 'ada', state: 'active', origin: 'test', addresses: [] }),
  );
  await database.query(
    `insert into notices (id, kind, person, state, created_at)
     select gen_random_uuid(), 'welcome', $1, state, $2 from unnest('{accepted,bounced,queued}'::text[]) as state`,
    [person, clock.now()],
  );
  const left = async () => {
    await sweepHistory({ database, clock, config: { signInHistoryDays: 400 } as never });
    return (await database.query<{ state: string }>('select state from notices order by state')).length;
  };
  clock.advance(180 * day - 1);
  assert.equal(await left(), 3);
  clock.advance(2);
  assert.equal(await left(), 1);
  await close();
});
