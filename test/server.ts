/**
 * The PostgreSQL that tests run on: one server for every test process of this account, or the one that
 * GATEHOUSE_TEST_DATABASE_URL names. Whoever leaves last stops the shared one.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { systemClock } from '#kit/clock/clock.ts';
import { type Connection, openDatabase } from '#kit/db/database.ts';
import { shareServer } from '#kit/db/embedded.ts';
import { migrationsDirectory } from '#kit/db/migrate.ts';
import { createLog } from '#kit/log/log.ts';

export interface TestServer {
  /** A database cloned from the migrated template. */
  clone(): Promise<{ connection: Connection; drop(): Promise<void> }>;
  /** A database with nothing in it. */
  empty(): Promise<{ connection: Connection; drop(): Promise<void> }>;
  /** Says that this process needs the server no more. */
  leave(): Promise<void>;
}

const presenceLock = 0x74657374;

/** Joins (or starts) the server for tests. */
export async function joinTestServer(): Promise<TestServer> {
  const url = process.env.GATEHOUSE_TEST_DATABASE_URL;
  const { session, connection, stop } = url ? await joinExternal(url) : await joinShared();
  // Where nothing waits for the disk, copying files costs a fourth of writing them to the log first.
  const strategy = url ? 'WAL_LOG' : 'FILE_COPY';
  session.on('error', () => undefined);
  const admin = inTurn(session);
  // Nobody should wait for us because of a connection that only says we are here.
  (session as Unreffable).unref();
  let template: Promise<string> | undefined;

  async function create(
    source: string | undefined,
  ): Promise<{ connection: Connection; drop(): Promise<void> }> {
    const name = `test_${randomBytes(8).toString('hex')}`;
    await admin(`CREATE DATABASE ${name}${source ? ` TEMPLATE ${source} STRATEGY ${strategy}` : ''}`);
    const drop = async () => {
      await admin(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    };
    return { connection: inDatabase(connection, name), drop };
  }
  return {
    async clone() {
      template ??= prepareTemplate(admin, connection);
      return create(await template);
    },
    empty: () => create(undefined),
    async leave() {
      (session as Unreffable).ref();
      try {
        await session.query('SELECT pg_advisory_unlock_shared($1)', [presenceLock]);
        const { rows } = await session.query('SELECT pg_try_advisory_lock($1) AS last', [presenceLock]);
        if (rows[0].last) await stop?.();
      } finally {
        await session.end().catch(() => undefined);
      }
    },
  };
}

/** The driver has these; its type declarations do not. */
type Unreffable = pg.Client & { ref(): void; unref(): void };

type Admin = (text: string, values?: unknown[]) => Promise<Record<string, unknown>[]>;

/** Tests that run side by side share the session; their statements take turns. */
function inTurn(session: pg.Client): Admin {
  let turn: Promise<unknown> = Promise.resolve();
  return (text, values) => {
    const result = turn.then(async () => {
      (session as Unreffable).ref();
      try {
        return (await session.query(text, values)).rows;
      } finally {
        (session as Unreffable).unref();
      }
    });
    turn = result.catch(() => undefined);
    return result;
  };
}

interface Joined {
  session: pg.Client;
  connection: Connection;
  stop?: () => Promise<void>;
}

async function joinExternal(url: string): Promise<Joined> {
  const connection = { connectionString: url };
  const session = new pg.Client(connection);
  await session.connect();
  await session.query('SELECT pg_advisory_lock_shared($1)', [presenceLock]);
  return { session, connection };
}

async function joinShared(): Promise<Joined> {
  const dataDirectory = path.join(os.tmpdir(), `gatehouse-test-${process.getuid?.() ?? 'user'}`);
  // Losing a test database with the machine is no loss; many test files may be connected at once.
  const settings = {
    fsync: 'off',
    synchronous_commit: 'off',
    full_page_writes: 'off',
    max_connections: '600',
    shared_buffers: '64MB',
  };
  for (;;) {
    const { connection, stop } = await shareServer({ dataDirectory, settings });
    const session = new pg.Client({ ...connection, database: 'postgres' });
    session.on('error', () => undefined);
    try {
      await session.connect();
      const { rows } = await session.query('SELECT pg_try_advisory_lock_shared($1) AS joined', [
        presenceLock,
      ]);
      if (rows[0].joined) return { session, connection, stop };
    } catch {
      // It was being stopped under us.
    }
    await session.end().catch(() => undefined);
    await sleep(50);
  }
}

/** The migrated database that others are cloned from, made once for every state of the migrations. */
async function prepareTemplate(admin: Admin, connection: Connection): Promise<string> {
  const directory = migrationsDirectory();
  const hash = createHash('sha256');
  for (const file of readdirSync(directory).sort()) {
    hash
      .update(`${file}\0`)
      .update(readFileSync(path.join(directory, file)))
      .update('\0');
  }
  const name = `template_${hash.digest('hex').slice(0, 20)}`;
  const lock = [presenceLock + 1];
  await admin('SELECT pg_advisory_lock($1)', lock);
  try {
    const found = await admin('SELECT datistemplate AS whole FROM pg_database WHERE datname = $1', [name]);
    if (found[0]?.whole) return name;
    await admin(`DROP DATABASE IF EXISTS ${name}`);
    await admin(`CREATE DATABASE ${name}`);
    const log = createLog({ level: 'silent' });
    const database = await openDatabase({
      connection: inDatabase(connection, name),
      clock: systemClock,
      log,
      poolSize: 2,
    });
    await database.migrate().finally(() => database.close());
    await admin(`ALTER DATABASE ${name} IS_TEMPLATE true`);
    return name;
  } finally {
    await admin('SELECT pg_advisory_unlock($1)', lock);
  }
}

function inDatabase(connection: Connection, database: string): Connection {
  if (!connection.connectionString) return { ...connection, database };
  const url = new URL(connection.connectionString);
  url.pathname = `/${database}`;
  return { connectionString: url.href };
}
