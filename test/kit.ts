/**
 * What tests stand on: a database of their own, a clock they move, a log they can read.
 */
import { after } from 'node:test';
import { FakeClock } from '#kit/clock/clock.ts';
import { type Connection, type Database, openDatabase } from '#kit/db/database.ts';
import { createLog, type Log } from '#kit/log/log.ts';
import { joinTestServer, type TestServer } from './server.ts';

export interface TestDatabase {
  database: Database;
  connection: Connection;
  clock: FakeClock;
  log: Log;
  /** Every line logged, as written. */
  lines: string[];
  /** Closes and drops it. Calling it twice does no harm. */
  close(): Promise<void>;
}

let server: Promise<TestServer> | undefined;
const open = new Set<TestDatabase>();

after(async () => {
  for (const one of open) await one.close();
  await (await server)?.leave();
});

/** The test server of this process; left when all its tests are over. */
export function testServer(): Promise<TestServer> {
  server ??= joinTestServer();
  return server;
}

/**
 * A database of its own, cloned from the migrated template, with a fake clock and a caught log.
 * @param options.migrated false for a database with nothing in it
 * @param options.migrations folder of migrations that `migrate()` should run instead of the product's
 */
export async function testDatabase(
  options: { poolSize?: number; migrated?: boolean; migrations?: string } = {},
): Promise<TestDatabase> {
  const joined = await testServer();
  const { connection, drop } = await (options.migrated === false ? joined.empty() : joined.clone());
  const clock = new FakeClock();
  const lines: string[] = [];
  const log = createLog({ level: 'debug', destination: { write: (line) => void lines.push(line) } });
  const { poolSize = 5, migrations } = options;
  const database = await openDatabase({ connection, clock, log, poolSize, migrations });
  const made: TestDatabase = {
    database,
    connection,
    clock,
    log,
    lines,
    async close() {
      if (!open.delete(made)) return;
      await database.close();
      await drop();
    },
  };
  open.add(made);
  return made;
}
