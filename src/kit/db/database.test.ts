import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLog } from '#kit/log/log.ts';
import { type TestDatabase, testDatabase } from '../../../test/kit.ts';
import { openDatabase, system } from './database.ts';
import { SchemaTooNew } from './migrate.ts';
import type { Tx } from './tx.ts';

let kit: TestDatabase;
before(async () => {
  kit = await testDatabase({ migrated: false });
  await kit.database.query('CREATE TABLE counter (name text PRIMARY KEY, value int8 NOT NULL)');
  await kit.database.query("INSERT INTO counter VALUES ('a', 0), ('b', 0)");
});

test('a transaction commits what returned and forgets what threw', async () => {
  const { database } = kit;
  await database.transact(system(), (tx) => tx.query("INSERT INTO counter VALUES ('kept', 1)"));
  const thrown = database.transact(system(), async (tx) => {
    await tx.query("INSERT INTO counter VALUES ('gone', 1)");
    throw new Error('no');
  });
  await assert.rejects(thrown, /^Error: no$/);
  const rows = await database.query("SELECT name FROM counter WHERE name IN ('kept', 'gone')");
  assert.deepEqual(rows, [{ name: 'kept' }]);
});

test('the clock stands still inside a transaction and its context is carried', async () => {
  await kit.database.transact({ ...system('import'), requestId: 'r-1' }, async (tx) => {
    const began = tx.now();
    kit.clock.advance(5_000);
    assert.deepEqual(tx.now(), began);
    assert.equal(tx.clock.now().getTime(), began.getTime() + 5_000);
    assert.deepEqual([tx.actor.kind, tx.cause, tx.requestId], ['system', 'import', 'r-1']);
  });
});

test('statements of one transaction share one connection, those asked for together too', async () => {
  await kit.database.transact(system(), async (tx) => {
    await tx.query("INSERT INTO counter VALUES ('shared', 41)");
    await tx.query("UPDATE counter SET value = 42 WHERE name = 'shared'");
    const found = await Promise.all([
      tx.query("SELECT value FROM counter WHERE name = 'shared'"),
      tx.query('SELECT value FROM counter WHERE name = $1', ['shared'], 'counter-by-name'),
    ]);
    assert.deepEqual(found, [[{ value: 42 }], [{ value: 42 }]]);
  });
});

test('a Tx kept after its end refuses to write', async () => {
  const kept = await kit.database.transact(system(), async (tx): Promise<{ tx: Tx }> => ({ tx }));
  await assert.rejects(kept.tx.query("INSERT INTO counter VALUES ('late', 1)"), /has ended/);
});

test('an error swallowed inside a transaction is not taken for a commit', async () => {
  const swallowed = kit.database.transact(system(), async (tx) => {
    await tx.query("INSERT INTO counter VALUES ('half', 1)");
    await tx.query('SELECT 1 / 0').catch(() => undefined);
  });
  await assert.rejects(swallowed, /could not commit/);
  assert.deepEqual(await kit.database.query("SELECT FROM counter WHERE name = 'half'"), []);
});

test('a commit that goes along with the last statements: all or nothing, and nothing after it', async () => {
  const { database } = kit;
  const answered = await database.transact(system(), async (tx) => {
    await tx.query("INSERT INTO counter VALUES ('along', 1)");
    const asked = Promise.all([
      tx.query("UPDATE counter SET value = 2 WHERE name = 'along' RETURNING value"),
      tx.query('SELECT txid_current_if_assigned() IS NOT NULL AS open'),
    ]);
    tx.commitAlong();
    await assert.rejects(tx.query("DELETE FROM counter WHERE name = 'along'"), /has ended/);
    return asked;
  });
  assert.deepEqual(answered, [[{ value: 2 }], [{ open: true }]]);
  assert.deepEqual(await database.query("SELECT value FROM counter WHERE name = 'along'"), [{ value: 2 }]);

  const failed = database.transact(system(), async (tx) => {
    await tx.query("UPDATE counter SET value = 3 WHERE name = 'along'");
    const asked = Promise.all([tx.query('SELECT 1 / 0'), tx.query("INSERT INTO counter VALUES ('no', 1)")]);
    tx.commitAlong();
    return asked;
  });
  await assert.rejects(failed, { code: '22012' }, 'the error of the statement, not of the commit');
  const swallowed = database.transact(system(), async (tx) => {
    const asked = tx.query('SELECT 1 / 0').catch(() => undefined);
    tx.commitAlong();
    await asked;
  });
  await assert.rejects(swallowed, /could not commit/);
  const rows = await database.query("SELECT name, value FROM counter WHERE name IN ('along', 'no')");
  assert.deepEqual(rows, [{ name: 'along', value: 2 }]);
});

test('a commit that fails costs nobody the connection, sent along or not', async () => {
  const own = await openDatabase({ ...kit, poolSize: 1 });
  const backend = async () => (await own.query<{ pid: number }>('SELECT pg_backend_pid() AS pid'))[0]!.pid;
  await own.query('CREATE TABLE once (value integer UNIQUE DEFERRABLE INITIALLY DEFERRED)');
  const before = await backend();
  for (const along of [false, true]) {
    const refused = own.transact(system(), async (tx) => {
      const asked = tx.query('INSERT INTO once VALUES (1), (1)');
      if (along) tx.commitAlong();
      await asked;
    });
    await assert.rejects(refused, { code: '23505' });
    assert.equal(await backend(), before);
  }
  assert.deepEqual(await own.query('SELECT FROM once'), []);
  await own.close();
});

test('a transaction that lost to another is run again, its commit sent along or not', async () => {
  const { database } = kit;
  await database.query("INSERT INTO counter VALUES ('lost', 0)");
  const increments = Array.from({ length: 8 }, () =>
    database.transact(
      system(),
      async (tx) => {
        const [row] = await tx.query<{ value: number }>("SELECT value FROM counter WHERE name = 'lost'");
        const asked = tx.query("UPDATE counter SET value = $1 WHERE name = 'lost'", [row!.value + 1]);
        tx.commitAlong();
        await asked;
      },
      { isolation: 'serializable', retries: 50 },
    ),
  );
  await Promise.all(increments);
  assert.deepEqual(await database.query("SELECT value FROM counter WHERE name = 'lost'"), [{ value: 8 }]);
});

test('reading waits for no COMMIT: whoever is next on the connection finds it over, and a swallowed error still shows', async () => {
  const own = await openDatabase({ ...kit, poolSize: 1 });
  for (let round = 0; round < 30; round += 1) {
    const one = await own.read(system(), (tx) => tx.query('SELECT 1 AS one'));
    assert.deepEqual(one, [{ one: 1 }]);
    assert.deepEqual(await own.query("SELECT current_setting('transaction_read_only') AS mode"), [
      { mode: 'off' },
    ]);
    await own.transact(system(), (tx) => tx.query('UPDATE counter SET value = value'));
  }
  const swallowed = own.read(system(), async (tx) => {
    await tx.query('SELECT 1 / 0').catch(() => undefined);
  });
  await assert.rejects(swallowed, /could not commit/);
  await own.close();
});

test('a deadlock is run again and both sides succeed', async () => {
  let runs = 0;
  const cross = (first: string, second: string) =>
    kit.database.transact(system(), async (tx) => {
      runs++;
      await tx.query('UPDATE counter SET value = value + 1 WHERE name = $1', [first]);
      await sleep(100);
      await tx.query('UPDATE counter SET value = value + 1 WHERE name = $1', [second]);
    });
  await Promise.all([cross('a', 'b'), cross('b', 'a')]);
  const rows = await kit.database.query("SELECT value FROM counter WHERE name IN ('a', 'b')");
  assert.deepEqual(rows, [{ value: 2 }, { value: 2 }]);
  assert.ok(runs > 2, `one side lost and ran again (${runs} runs)`);
});

test('20 serializable increments at once all count', async () => {
  const { database } = kit;
  await database.query("INSERT INTO counter VALUES ('serial', 0)");
  const increment = () =>
    database.transact(
      system(),
      async (tx) => {
        const [row] = await tx.query<{ value: number }>("SELECT value FROM counter WHERE name = 'serial'");
        await tx.query("UPDATE counter SET value = $1 WHERE name = 'serial'", [Number(row?.value) + 1]);
      },
      { isolation: 'serializable', retries: 50 },
    );
  await Promise.all(Array.from({ length: 20 }, increment));
  assert.deepEqual(await database.query("SELECT value FROM counter WHERE name = 'serial'"), [{ value: 20 }]);
});

test('a failure that is not a lost race is not retried', async () => {
  let runs = 0;
  const failing = kit.database.transact(system(), async (tx) => {
    runs++;
    await tx.query("INSERT INTO counter VALUES ('a', 1)");
  });
  await assert.rejects(failing, { code: '23505' });
  assert.equal(runs, 1);
});

test('read is read only', async () => {
  const writing = kit.database.read(system(), (tx) => tx.query("DELETE FROM counter WHERE name = 'a'"));
  await assert.rejects(writing, { code: '25006' });
});

test('types arrive as the contract says', async () => {
  const [row] = await kit.database.query(
    `SELECT 9007199254740991::int8 AS large, '2026-03-01'::date AS day, '{"a":[1]}'::jsonb AS json,
            '2026-03-01T10:00:00Z'::timestamptz AS moment, count(*) AS n FROM counter WHERE false`,
  );
  assert.deepEqual(row, {
    large: 9007199254740991,
    day: '2026-03-01',
    json: { a: [1] },
    moment: new Date('2026-03-01T10:00:00Z'),
    n: 0,
  });
  await assert.rejects(kit.database.query('SELECT 9007199254740993::int8'), /too large/);
});

test('statement and lock time-outs are set on every connection', async () => {
  const names = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'];
  for (const name of names) {
    const [row] = await kit.database.query<{ value: string }>(`SELECT current_setting('${name}') AS value`);
    assert.match(String(row?.value), /^\d+(s|min)$/, name);
  }
});

test('connections killed by the server neither end the process nor poison the pool', async () => {
  const { database } = kit;
  const kill = () =>
    database.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
  const broken = database.transact(system(), async (tx) => {
    await kill();
    await tx.query('SELECT 1');
  });
  await assert.rejects(broken);
  await sleep(50);
  assert.deepEqual(await database.query('SELECT 1 AS one'), [{ one: 1 }]);
  assert.deepEqual(await database.transact(system(), (tx) => tx.query('SELECT 1 AS one')), [{ one: 1 }]);
});

test('closed means that the server has let go of every connection: stopping it right after disturbs none', async () => {
  for (let round = 0; round < 5; round += 1) {
    const { connection, clock } = kit;
    const lines: string[] = [];
    const log = createLog({ level: 'warn', destination: { write: (line) => void lines.push(line) } });
    const database = await openDatabase({ connection, clock, log, poolSize: 8 });
    const pids = await Promise.all(
      Array.from({ length: 8 }, () =>
        database.transact(system(), async (tx) => {
          const [row] = await tx.query<{ pid: number }>('SELECT pg_backend_pid() AS pid, pg_sleep(0.05)');
          return row!.pid;
        }),
      ),
    );
    assert.equal(new Set(pids).size, 8);
    await database.close();
    const left = await kit.database.query(
      'SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ANY($1)',
      [pids],
    );
    assert.deepEqual(left, []);
    assert.deepEqual(lines, []);
  }
});

test('whoever waits for a connection when the database is closed hears so at once, and what is under way ends', async () => {
  const { connection, clock, log } = kit;
  const database = await openDatabase({ connection, clock, log, poolSize: 2 });
  const under = [0, 1].map(() => database.query("SELECT 'done' AS said, pg_sleep(0.3)"));
  await sleep(100);
  const wait = Promise.allSettled([
    database.query('SELECT 1'),
    database.read(system(), (tx) => tx.query('SELECT 1')),
    database.transact(system(), (tx) => tx.query('SELECT 1')),
  ]);
  assert.equal(database.pool.waitingCount, 3);
  const began = performance.now();
  await database.close();
  for (const one of await wait)
    assert.match(String((one as { reason?: unknown }).reason), /was closed before/);
  assert.ok(performance.now() - began < 2_000);
  for (const [row] of await Promise.all(under)) assert.equal(row!.said, 'done');
});

test('closing ends where the server does not answer any more', async (t) => {
  const { connection, clock, log } = kit;
  const database = await openDatabase({ connection, clock, log, poolSize: 2 });
  const [row] = await database.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  const { pid } = row!;
  process.kill(pid, 'SIGSTOP');
  t.after(() => process.kill(pid, 'SIGCONT'));
  const began = performance.now();
  await database.close();
  assert.ok(performance.now() - began < 4_000);
});

test('notifications arrive on commit, and a lost ear comes back and says so', async () => {
  const { database } = kit;
  const heard: string[] = [];
  const stop = await database.listen('Wake "up', (payload) => heard.push(payload));
  const until = async (length: number) => {
    for (let i = 0; i < 200 && heard.length < length; i++) await sleep(10);
  };
  const notify = (payload: string) =>
    database.transact(system(), (tx) => tx.query('SELECT pg_notify($1, $2)', ['Wake "up', payload]));
  await notify('one');
  await until(1);
  assert.deepEqual(heard, ['one']);
  await database.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'gatehouse listener'",
  );
  await until(2);
  assert.deepEqual(heard, ['one', '']);
  await notify('two');
  await until(3);
  assert.deepEqual(heard, ['one', '', 'two']);
  await stop();
  await notify('three');
  await sleep(100);
  assert.equal(heard.length, 3);
});

test('migrations: five nodes at once, once each; all or nothing; a newer schema is refused by name', async (t) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'gatehouse-migrations-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const write = (name: string, text: string) => writeFileSync(path.join(folder, name), text);
  write(
    '0001-one.sql',
    "CREATE TABLE one (id int);\nINSERT INTO one VALUES (1);\n-- it's a comment; with marks\n",
  );
  write('0002-two.sql', 'CREATE TABLE two (id int);');
  const own = await testDatabase({ migrated: false, migrations: folder });
  t.after(own.close);
  assert.deepEqual(await own.database.schemaState(), {
    applied: [],
    pending: ['0001-one', '0002-two'],
    unknown: [],
  });
  const results = await Promise.all(Array.from({ length: 5 }, () => own.database.migrate()));
  assert.deepEqual(results.flatMap((result) => result.applied).sort(), ['0001-one', '0002-two']);
  assert.deepEqual(await own.database.query('SELECT id FROM one'), [{ id: 1 }]);

  write('0003-good.sql', 'CREATE TABLE three (id int);');
  write('0004-bad.sql', '\nCREATE TABLE four (id int);\nCREATE TABEL five;');
  await assert.rejects(own.database.migrate(), /0004-bad\.sql, line 3: syntax error/);
  assert.deepEqual(await own.database.query("SELECT to_regclass('three') AS three"), [{ three: null }]);

  rmSync(path.join(folder, '0002-two.sql'));
  rmSync(path.join(folder, '0003-good.sql'));
  rmSync(path.join(folder, '0004-bad.sql'));
  await assert.rejects(
    own.database.migrate(),
    (error) => error instanceof SchemaTooNew && /0002-two/.test(error.message),
  );
});

test('the product schema is there in a cloned database', async () => {
  const cloned = await testDatabase();
  const state = await cloned.database.schemaState();
  assert.ok(state.applied.length > 0);
  assert.deepEqual([state.pending, state.unknown], [[], []]);
  await cloned.close();
});
