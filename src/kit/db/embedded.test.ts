import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { createLog } from '#kit/log/log.ts';
import { atBest, inTheEnd } from '#test/eventually.ts';
import { attachEmbedded, DataDirectoryInUse, type Embedded, startEmbedded } from './embedded.ts';

const log = createLog({ level: 'silent' });
const ownerScript = fileURLToPath(new URL('../../../test/programs/own-database.ts', import.meta.url));

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'gatehouse-embedded-'));
  t.after(async () => {
    // Whatever the test left running is stopped before its files go.
    const left = await attachEmbedded({ dataDirectory: folder, log });
    const pid = postmaster(left);
    await left.stop();
    if (pid && left.adopted) process.kill(pid, 'SIGQUIT');
    for (let i = 0; i < 200 && postmaster(left); i++) await sleep(10);
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

function postmaster(embedded: Embedded): number | undefined {
  try {
    return Number(
      readFileSync(path.join(embedded.directory, 'data', 'postmaster.pid'), 'utf8').split('\n')[0],
    );
  } catch {
    return undefined;
  }
}

async function ask(embedded: Embedded, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(embedded.connection);
  await client.connect();
  return client.query(text).then(
    ({ rows }) => client.end().then(() => rows),
    (error) => client.end().then(() => Promise.reject(error)),
  );
}

interface Owner {
  child: ChildProcess;
  acknowledged: number[];
  ended: Promise<unknown>;
}

/** Another process that owns the database; with `write` it inserts rows one by one and tells of each commit. */
async function owner(folder: string, mode: 'hold' | 'write'): Promise<Owner> {
  const child = fork(ownerScript, [folder, mode], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const acknowledged: number[] = [];
  const ended = new Promise((resolve) => child.once('exit', resolve));
  await new Promise<void>((resolve, reject) => {
    child.on('message', (message) => {
      if (message === 'ready') resolve();
      else acknowledged.push(Number(message));
    });
    child.once('exit', (code) => reject(new Error(`the owner ended with ${code}`)));
  });
  return { child, acknowledged, ended };
}

test('the embedded database starts, keeps what it was told, and leaves nothing running', async (t) => {
  const dataDirectory = folderFor(t);
  const first = await startEmbedded({ dataDirectory, log });
  assert.equal(first.adopted, false);
  const pid = postmaster(first);
  await ask(first, "CREATE TABLE kept AS SELECT lower('ÉÖ') AS folded");
  assert.deepEqual(
    await ask(
      first,
      `SELECT current_setting('listen_addresses') AS listen, current_setting('fsync') AS fsync,
              current_setting('server_encoding') AS encoding, datlocprovider AS provider
         FROM pg_database WHERE datname = current_database()`,
    ),
    [{ listen: '', fsync: 'on', encoding: 'UTF8', provider: 'b' }],
  );
  assert.equal(statSync(String(first.connection.host)).mode & 0o777, 0o700);
  await first.stop();
  assert.equal(postmaster(first), undefined);
  assert.throws(() => readFileSync(`/proc/${pid}/root/etc/hostname`), 'the process is gone');

  let second: Embedded | undefined;
  const took = await atBest(1_500, async () => {
    await second?.stop();
    const began = performance.now();
    second = await startEmbedded({ dataDirectory, log });
    return performance.now() - began;
  });
  assert.deepEqual(await ask(second!, 'SELECT folded FROM kept'), [{ folded: 'éö' }]);
  assert.ok(took < 1_500, `a warm start takes ${Math.round(took)} ms`);
  await second!.stop();
});

test('the server does not run as root, whoever we are', async (t) => {
  const embedded = await startEmbedded({ dataDirectory: folderFor(t), log });
  assert.notEqual(statSync(`/proc/${postmaster(embedded)}`).uid, 0);
  await embedded.stop();
});

test('F-30 a second owner is refused by name and the first goes on', async (t) => {
  const dataDirectory = folderFor(t);
  const { child, ended } = await owner(dataDirectory, 'hold');
  await assert.rejects(startEmbedded({ dataDirectory, log }), (error) => {
    assert.ok(error instanceof DataDirectoryInUse);
    assert.match(
      error.message,
      new RegExp(`is in use by the first owner, process ${child.pid} on .* since 20`),
    );
    assert.match(error.message, /GATEHOUSE_DATA/);
    return true;
  });
  const command = await attachEmbedded({ dataDirectory, log });
  assert.equal(command.adopted, true);
  assert.deepEqual(await ask(command, 'SELECT 1 AS one'), [{ one: 1 }]);
  await command.stop();
  assert.ok(postmaster(command), 'a command that attached stops nothing');
  child.kill('SIGTERM');
  await ended;
  assert.equal(postmaster(command), undefined);
});

test('the server of a killed owner is adopted, and stopped by the one who adopted it', async (t) => {
  const dataDirectory = folderFor(t);
  const { child, ended } = await owner(dataDirectory, 'hold');
  child.kill('SIGKILL');
  await ended;
  const embedded = await startEmbedded({ dataDirectory, log });
  assert.equal(embedded.adopted, true);
  await embedded.stop();
  assert.equal(postmaster(embedded), undefined);
});

test('an owner that ends without stopping leaves no server behind', async (t) => {
  const dataDirectory = folderFor(t);
  const { child, ended } = await owner(dataDirectory, 'hold');
  const attached = await attachEmbedded({ dataDirectory, log });
  await attached.stop();
  assert.ok(postmaster(attached));
  child.kill('SIGHUP');
  assert.equal(await ended, 130);
  for (let i = 0; i < 1_000 && postmaster(attached); i++) await sleep(10);
  assert.equal(postmaster(attached), undefined);
});

test('a command starts a server when none runs and stops it after; two commands do not trip over each other', async (t) => {
  const dataDirectory = folderFor(t);
  const run = async () => {
    const embedded = await attachEmbedded({ dataDirectory, log });
    const rows = await ask(embedded, 'SELECT pg_sleep(0.1), 1 AS one');
    await embedded.stop();
    assert.equal(rows[0]?.one, 1);
    return embedded;
  };
  const [embedded] = await Promise.all([run(), run(), run()]);
  assert.equal(postmaster(embedded), undefined);
});

test('a server that went away is started again by its owner', async (t) => {
  const dataDirectory = folderFor(t);
  const embedded = await startEmbedded({ dataDirectory, log });
  process.kill(Number(postmaster(embedded)), 'SIGQUIT');
  let rows: unknown[] = [];
  for (let i = 0; i < 600 && rows.length === 0; i++) {
    await sleep(50);
    rows = await ask(embedded, 'SELECT 1').catch(() => []);
  }
  assert.equal(rows.length, 1);
  await embedded.stop();
});

test('F-03 nothing acknowledged is lost over 5 rounds of kill -9 of owner or server', async (t) => {
  const dataDirectory = folderFor(t);
  const acknowledged = new Set<number>();
  for (let round = 0; round < 5; round++) {
    const writer = await owner(dataDirectory, 'write');
    // At work, and then at any moment.
    await inTheEnd(() => writer.acknowledged.length > 10);
    await sleep(randomInt(100, 400));
    if (round % 2 === 1) {
      const attached = await attachEmbedded({ dataDirectory, log });
      process.kill(Number(postmaster(attached)), 'SIGKILL');
    }
    writer.child.kill('SIGKILL');
    await writer.ended;
    for (const id of writer.acknowledged) acknowledged.add(id);
  }
  const embedded = await startEmbedded({ dataDirectory, log });
  const rows = await ask(
    embedded,
    'SELECT id, (SELECT count(*) FROM halves WHERE of = id)::int AS halves FROM written',
  );
  const found = new Set(rows.map((row) => Number(row.id)));
  const lost = [...acknowledged].filter((id) => !found.has(id));
  assert.ok(acknowledged.size > 50, `${acknowledged.size} acknowledged`);
  assert.deepEqual(lost, []);
  assert.deepEqual(
    rows.filter((row) => row.halves !== 2),
    [],
    'no transaction is there in part',
  );
  await embedded.stop();
});
