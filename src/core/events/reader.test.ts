import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { system } from '#kit/db/database.ts';
import { testDatabase } from '#test/kit.ts';
import { type EventType, record } from './events.ts';
import { readOnce, startReader } from './reader.ts';
import { fullId, settledBelow } from './store.ts';

const data = (fields: string[]) => ({ data: { fields } });

async function stage() {
  const home = await testDatabase({ poolSize: 8 });
  const seen: string[] = [];
  const reader = {
    reader: 'probe',
    from: 'beginning' as const,
    handle: async (_tx: unknown, events: { data: unknown }[]) => {
      seen.push(...events.flatMap((event) => (event.data as { fields: string[] }).fields));
    },
  };
  const note = (name: string) =>
    home.database.transact(system(), (tx) => record(tx, 'community.changed', data([name])));
  /** A transaction that has recorded something and ends when told to. */
  const hold = (name: string) => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    const ended = home.database.transact(system(), async (tx) => {
      await record(tx, 'community.changed', data([name]));
      begin();
      await released;
    });
    return { begun, release, ended };
  };
  return { ...home, seen, reader, note, hold };
}

test('F-02 a reader never passes a transaction that is still open, and reads in commit-safe order', async () => {
  const { database, seen, reader, note, hold } = await stage();
  await note('first');
  const open = hold('held');
  await open.begun;
  await note('later');
  while ((await readOnce(database, reader)) > 0);
  assert.deepEqual(seen, ['first'], 'what is newer than an open transaction waits');
  open.release();
  await open.ended;
  while ((await readOnce(database, reader)) > 0);
  assert.deepEqual(seen, ['first', 'held', 'later']);
});

test('a transaction of another database on the same server holds nothing up', async () => {
  const mine = await stage();
  const other = await stage();
  const open = other.hold('elsewhere');
  await open.begun;
  await mine.note('here');
  assert.equal(await readOnce(mine.database, mine.reader), 1);
  assert.deepEqual(mine.seen, ['here']);
  open.release();
  await open.ended;
});

test('F-02 a failing handler keeps its cursor and what it wrote is undone; the next try reads the same', async () => {
  const { database, note } = await stage();
  await note('once');
  let tries = 0;
  const seen: unknown[] = [];
  const reader = {
    reader: 'failing',
    from: 'beginning' as const,
    handle: async (tx: Parameters<Parameters<typeof database.transact>[1]>[0], events: unknown[]) => {
      tries += 1;
      await record(tx, 'community.changed', data([`try ${tries}`]));
      if (tries === 1) throw new Error('not yet');
      seen.push(...events);
    },
  };
  await assert.rejects(readOnce(database, reader), /not yet/);
  assert.equal(await readOnce(database, reader), 1);
  assert.equal(seen.length, 1);
  const rows = await database.query<{ fields: string[] }>(
    `select data -> 'fields' as fields from events order by id`,
  );
  assert.deepEqual(
    rows.flatMap((row) => row.fields),
    ['once', 'try 2'],
  );
});

test('F-21 of many readers of one name each event reaches one, while writers write', async () => {
  const { database, log, reader, seen, note } = await stage();
  const readers = Array.from({ length: 3 }, () => startReader({ database, reader, log, pollMs: 20 }));
  const names = Array.from({ length: 60 }, (_, index) => `e${index}`);
  await Promise.all(names.map(note));
  for (const one of readers) await one.catchUp();
  for (let wait = 0; wait < 100 && seen.length < names.length; wait += 1) await sleep(20);
  for (const one of readers) await one.stop();
  assert.deepEqual([...seen].sort(), [...names].sort(), 'each once, none lost');
});

test('a reader that starts at the end does not replay history', async () => {
  const { database, seen, reader, note } = await stage();
  await note('history');
  const late = { ...reader, reader: 'late', from: 'end' as const };
  assert.equal(await readOnce(database, late), 0);
  await note('news');
  assert.equal(await readOnce(database, late), 1);
  assert.deepEqual(seen, ['news']);
});

test('facts that are not in the catalogue are refused', async () => {
  const { database } = await stage();
  await assert.rejects(
    database.transact(system(), (tx) =>
      record(tx, 'community.changed', { data: { fields: ['x'], password: 'y' } as never }),
    ),
  );
  await assert.rejects(
    database.transact(system(), (tx) => record(tx, 'nothing.happened' as never, { data: {} as never })),
  );
  assert.equal((await database.query('select 1 from events')).length, 0);
});

test('F-02 an id seen at work is older or newer than the newest known, across epochs, and never below zero', () => {
  const epoch = 1n << 32n;
  for (const [short, top, full] of [
    [5n, 9n, 5n],
    [9n, 9n, 9n],
    [12n, 9n, 12n],
    [5n, epoch + 9n, epoch + 5n],
    [12n, epoch + 9n, epoch + 12n],
    [epoch - 3n, epoch + 9n, epoch - 3n],
    [3n, epoch - 2n, epoch + 3n],
    [epoch - 3n, 7n * epoch + 9n, 7n * epoch - 3n],
  ] as const)
    assert.equal(fullId(short, top), full, `${short} near ${top}`);
});

test('F-02 while many write, nothing is ever taken for settled that is not, and a cursor never leaves the log', async () => {
  const { database, note, seen } = await stage();
  let writing = true;
  const writers = Array.from({ length: 4 }, async (_, index) => {
    let written = 0;
    for (; writing; written += 1) await note(`w${index}-${written}`);
    return written;
  });
  const probes: Promise<unknown>[] = [];
  for (let look = 0; look < 150; look += 1) {
    const below = await database.transact(system(), settledBelow);
    const [newest] = await database.query<{ xid: string }>(
      'select pg_snapshot_xmax(pg_current_snapshot())::text as xid',
    );
    assert.ok(below > 0n && below <= BigInt(newest!.xid), `${below} of ${newest!.xid}`);
    const reader = `start${look}`;
    probes.push(readOnce(database, { reader, from: 'end', handle: async () => undefined }));
  }
  await Promise.all(probes);
  writing = false;
  const written = (await Promise.all(writers)).reduce((sum, one) => sum + one, 0);
  const strays = await database.query(
    `select 1 from event_cursors where xid > pg_snapshot_xmax(pg_current_snapshot())`,
  );
  assert.equal(strays.length, 0);
  const all = {
    reader: 'all',
    from: 'beginning' as const,
    handle: async (_tx: unknown, events: { data: unknown }[]) =>
      void seen.push(...events.flatMap((event) => (event.data as { fields: string[] }).fields)),
  };
  while ((await readOnce(database, all)) > 0);
  assert.equal(new Set(seen).size, written);
});

test('a reader is woken for what it acts on, and passes everything else with its next poll', async () => {
  const { database, log, note, reader } = await stage();
  let seen: string[] = [];
  const of = (name: string, acts: readonly EventType[]) => ({
    ...reader,
    reader: name,
    acts,
    handle: async (_tx: unknown, events: { type: string }[]) => {
      seen.push(...events.map(({ type }) => `${name} ${type}`));
    },
  });
  const waiting = { database, log, pollMs: 1500 };
  const running = [
    startReader({ ...waiting, reader: of('awake', ['community.changed', 'person.left']) }),
    startReader({ ...waiting, reader: of('asleep', ['person.left']) }),
  ];
  for (const one of running) await one.catchUp();
  await sleep(300);
  seen = [];
  const began = performance.now();
  await note('something');
  while (seen.length === 0 && performance.now() - began < 1400) await sleep(10);
  assert.deepEqual(seen, ['awake community.changed']);
  while (seen.length < 2 && performance.now() - began < 5000) await sleep(10);
  assert.deepEqual(seen, ['awake community.changed', 'asleep community.changed']);
  for (const one of running) await one.stop();
});
