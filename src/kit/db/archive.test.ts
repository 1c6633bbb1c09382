import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { type TestDatabase, testDatabase } from '../../../test/kit.ts';
import { ArchiveRefused, checkArchive, restoreArchive, writeArchive } from './archive.ts';
import { system } from './database.ts';
import { migrate } from './migrate.ts';
import type { Tx } from './tx.ts';

const key = 'a key that nobody else has';
const input = (file: string) => ({ file, key, masterKey: 'fingerprint' });
let folder: string;
let home: TestDatabase;
let file: string;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'archive-'));
  home = await testDatabase();
  await home.database.query(
    `insert into people (id, username, username_key, display_name, state, state_since, origin, created_at, updated_at)
     select gen_random_uuid(), 'person ' || n, 'person ' || n, E'tab\\t, line\\n, \\\\N and ' || repeat('ü', n % 500),
       'active', now(), 'test', now(), now() from generate_series(1, 3000) n`,
  );
  await home.database.query(
    `update people set merged_into = (select max(id::text)::uuid from people) where username = 'person 1'`,
  );
  await home.database.query(`insert into groups (id, name, name_key, origin, created_at, updated_at)
     select gen_random_uuid(), 'all', 'all', 'test', now(), now()`);
  await home.database.query(`insert into memberships select g.id, p.id, now() from groups g, people p`);
  await home.database.query(`insert into events (at, type, actor, cause, request_id, data)
     select now(), 'setup.opened', '{}', 'test', '-', '{"a": [1, null, "\\u2028"]}' from generate_series(1, 5)`);
  await home.database.query(`insert into oidc_keys (kid, alg, public_jwk, sealed, state, created_at)
     values ('k', 'RS256', '{}', '\\x00ff5c4e0a', 'next', now())`);
  await home.database.query(`insert into queue_jobs (lane, key, payload) values ('mail', 'a', '{}')`);
  file = path.join(folder, 'house.backup');
  await home.database.read(system(), (tx) => writeArchive(tx, input(file)));
});
after(() => rm(folder, { recursive: true }));

const tables = ['people', 'groups', 'memberships', 'oidc_keys', 'queue_jobs'];
async function contents(one: TestDatabase): Promise<unknown[]> {
  const found = [];
  for (const table of tables)
    found.push(
      await one.database.query(
        `select md5(string_agg(t::text, '|' order by t::text)) as sum, count(*) from ${table} t`,
      ),
    );
  return found;
}
const restore = (one: TestDatabase, extra: object = {}) =>
  one.database.transact(system(), (tx: Tx) => restoreArchive(tx, { file, key, ...extra }), { retries: 0 });

test('everything comes back as it was, into an empty database only', async () => {
  const counted = await checkArchive(file, key);
  assert.equal(counted.masterKey, 'fingerprint');
  assert.deepEqual(counted.schema, (await home.database.schemaState()).applied);
  const other = await testDatabase();
  assert.deepEqual(await restore(other), { tables: counted.tables, rows: counted.rows });
  assert.deepEqual(await contents(other), await contents(home));
  const [merged] = await other.database.query(`select merged_into from people where username = 'person 1'`);
  assert.ok(merged?.merged_into);
  await assert.rejects(restore(other), /not empty/);
  await other.database.query(`update people set username = 'changed'`);
  await restore(other, { replace: true });
  assert.deepEqual(await contents(other), await contents(home));
});

test('positions that belong to one server are not carried to another', async () => {
  const other = await testDatabase();
  await restore(other);
  const [events] = await other.database.query(
    `select count(*) filter (where xid = '0') as old, count(*) from events`,
  );
  assert.deepEqual(events, { old: 5, count: 5 });
  const [next] = await other.database.query<{ id: number }>(
    `insert into events (at, type, actor, cause, request_id, data) values (now(), 'x', '{}', 'x', '-', '{}') returning id`,
  );
  assert.equal(next?.id, 6);
});

test('tables that are left out stay empty', async () => {
  const other = await testDatabase();
  await restore(other, { leaveOut: ['queue_jobs', 'memberships'] });
  assert.deepEqual(
    await other.database.query(
      'select (select count(*) from queue_jobs) + (select count(*) from memberships) as n',
    ),
    [{ n: 0 }],
  );
  assert.deepEqual(await other.database.query('select count(*) as n from people'), [{ n: 3000 }]);
});

test('KE-01 an archive holds nothing readable but its head, and is its owner’s alone', async () => {
  const bytes = await readFile(file);
  const head = bytes.subarray(0, 600).toString('latin1');
  assert.match(head, /^GATEHOUSE BACKUP 1\n.*"masterKey":"fingerprint"/s);
  assert.equal(bytes.includes('person'), false);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  const again = path.join(folder, 'again.backup');
  await home.database.read(system(), (tx) => writeArchive(tx, input(again)));
  assert.notDeepEqual((await readFile(again)).subarray(400), bytes.subarray(400));
});

test('another key, a flipped bit anywhere, a cut or moved part: refused before anything is written', async () => {
  await assert.rejects(checkArchive(file, 'a key that is another one'), /does not open the backup/);
  await assert.rejects(checkArchive(file, 'short'), /at least 20 characters/);
  const bytes = await readFile(file);
  const headLength = bytes.readUInt32BE(19);
  const firstChunk = 19 + 4 + headLength + 32;
  const chunkLength = bytes.readUInt32BE(firstChunk + 1) + 5 + 16;
  assert.ok(bytes.length > firstChunk + 2 * chunkLength, 'the archive has several chunks');
  const damaged = path.join(folder, 'damaged.backup');
  const refuses = async (content: Buffer, what: string) => {
    await writeFile(damaged, content);
    await assert.rejects(checkArchive(damaged, key), ArchiveRefused, what);
  };
  const flips = [
    0,
    20,
    30,
    23 + headLength,
    firstChunk,
    firstChunk + 2,
    firstChunk + 5,
    firstChunk + chunkLength - 1,
    bytes.length - 1,
  ];
  for (const at of flips) {
    const copy = Buffer.from(bytes);
    copy[at]! ^= 1;
    await refuses(copy, `bit at ${at}`);
  }
  for (const length of [0, 10, 25, firstChunk, firstChunk + 3, firstChunk + chunkLength, bytes.length - 1])
    await refuses(bytes.subarray(0, length), `cut at ${length}`);
  const one = bytes.subarray(firstChunk, firstChunk + chunkLength);
  const two = bytes.subarray(firstChunk + chunkLength, firstChunk + 2 * chunkLength);
  const start = bytes.subarray(0, firstChunk);
  const rest = bytes.subarray(firstChunk + 2 * chunkLength);
  await refuses(Buffer.concat([start, two, one, rest]), 'swapped');
  await refuses(Buffer.concat([start, one, rest]), 'one taken out');
  await refuses(Buffer.concat([start, one, one, two, rest]), 'one repeated');
  await refuses(Buffer.concat([bytes, Buffer.of(0)]), 'goes on');
  const last = Buffer.from(one);
  last[0] = 1;
  await refuses(Buffer.concat([start, last]), 'a first chunk that says it is the last');
  const other = await testDatabase();
  await writeFile(damaged, bytes.subarray(0, bytes.length - 1));
  await assert.rejects(restore(other, { file: damaged }), ArchiveRefused);
  assert.deepEqual(await other.database.query('select count(*) as n from people'), [{ n: 0 }]);
});

test('a file that is there is never overwritten, and a failed backup leaves none', async () => {
  await assert.rejects(
    home.database.read(system(), (tx) => writeArchive(tx, input(file))),
    /is there already/,
  );
  const short = path.join(folder, 'short.backup');
  await assert.rejects(
    home.database.read(system(), (tx) => writeArchive(tx, { ...input(short), key: 'short' })),
  );
  const missing = path.join(folder, 'nowhere', 'x.backup');
  await assert.rejects(home.database.read(system(), (tx) => writeArchive(tx, input(missing))));
  assert.deepEqual(
    (await readdir(folder)).filter((name) => /short|partial/.test(name)),
    [],
  );
  assert.deepEqual(await home.database.query('select count(*) as n from people'), [{ n: 3000 }]);
});

test('an older schema can be made first, and brought up to date after', async () => {
  const migrations = path.join(folder, 'migrations');
  await mkdir(migrations);
  await writeFile(path.join(migrations, '0001-first.sql'), 'create table first (id int)');
  await writeFile(path.join(migrations, '0002-second.sql'), 'create table second (id int)');
  const one = await testDatabase({ migrated: false, migrations });
  await migrate(one.connection, migrations, '0001-first');
  assert.deepEqual(await one.database.schemaState(), {
    applied: ['0001-first'],
    pending: ['0002-second'],
    unknown: [],
  });
  assert.deepEqual((await one.database.migrate()).applied, ['0002-second']);
});
