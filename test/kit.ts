import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, beforeEach } from 'node:test';
import { FakeClock } from '#kit/clock/clock.ts';
import { type Connection, type Database, openDatabase } from '#kit/db/database.ts';
import { createLog, type Log } from '#kit/log/log.ts';
import { type CaughtMail, createMailer } from '#kit/smtp/smtp.ts';
import type { RunningHouse } from '#main.ts';
import { freePort } from './port.ts';
import { joinTestServer, type TestServer } from './server.ts';
import { Visitor } from './visitor.ts';

export { freePort };

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
const databases = new Set<TestDatabase>();

const platforms = new Set<Platform>();

const first: (() => Promise<void>)[] = [];

/** For what a file hangs on a platform of its own: closed when its tests are over, while there still is a database. */
export function closeFirst(close: () => Promise<void>): void {
  first.push(close);
}

after(async () => {
  for (const close of first) await close();
  await Promise.all([...platforms].map((platform) => platform.close()));
  await Promise.all([...databases].map((one) => one.close()));
  await (await server)?.leave();
});

/**
 * For a file whose tests start platforms of their own: each is closed with the test that started it, instead of asking
 * its database for work until the last test of the file is over.
 */
export function closeAfterEach(): void {
  const before: Set<Platform>[] = [];
  beforeEach(() => void before.push(new Set(platforms)));
  afterEach(async () => {
    const older = before.pop();
    const own = [...platforms].filter((one) => !older?.has(one));
    await Promise.all(own.map((one) => one.close()));
  });
}

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
      if (!databases.delete(made)) return;
      await database.close();
      await drop();
    },
  };
  databases.add(made);
  return made;
}

export interface Platform extends RunningHouse {
  connection: Connection;
  clock: FakeClock;
  /** Every line logged, as written. */
  lines: string[];
  /** Where it answers: `http://localhost:PORT`. */
  origin: string;
  /** A browser without scripts: keeps cookies, follows redirects on our origin, posts forms. */
  visitor(headers?: Record<string, string>): Visitor;
  /** Runs what an operator would put into a community file. */
  apply(yaml: string): Promise<void>;
  /**
   * A second server on the same database, data directory, clock, log and mailbox, on a port of its own: what is left
   * after a restart, and what two nodes see of each other.
   */
  again(env?: Record<string, string>): Promise<Platform>;
  /**
   * Everything mailed so far to an address, after all readers and workers are done. Letters of one kind come oldest first;
   * between kinds order says nothing, as several are carried at once: ask by subject for the one that is meant.
   */
  mailTo(address: string, subject?: RegExp): Promise<readonly CaughtMail[]>;
  close(): Promise<void>;
}

/**
 * The whole product on a database of its own, a clock the test moves, and caught mail. Argon2 is cheap here.
 * @param options.env further settings by their environment names
 * @param options.realTime true for tests with a browser or another real program, which have clocks of their own
 */
export async function startPlatform(
  options: { env?: Record<string, string>; realTime?: boolean; poolSize?: number } = {},
): Promise<Platform> {
  const joined = await testServer();
  const { connection, drop } = await joined.clone();
  const data = await mkdtemp(path.join(tmpdir(), 'gatehouse-platform-'));
  const lines: string[] = [];
  const log = createLog({ level: 'debug', destination: { write: (line) => void lines.push(line) } });
  const mailer = createMailer({ urls: ['memory:'], from: 'Harbour <noreply@harbour.test>', log });
  const clock = new FakeClock();
  const ground: Ground = { connection, data, lines, log, mailer, clock, realTime: options.realTime ?? false };
  const others: Platform[] = [];
  return open(ground, options.env ?? {}, others, async () => {
    for (const other of others) await other.close();
    await drop();
    await rm(data, { recursive: true, force: true });
  });
}

/** The product is large: tests of a database alone do not wait for it to be read. */
async function product() {
  const [{ loadConfig }, { applyDeclared }, { serve }] = await Promise.all([
    import('#config/config.ts'),
    import('#declared/declared.ts'),
    import('#main.ts'),
  ]);
  return { loadConfig, applyDeclared, serve };
}

/** What servers of one installation share. */
interface Ground {
  connection: Connection;
  data: string;
  lines: string[];
  log: Log;
  mailer: ReturnType<typeof createMailer>;
  clock: FakeClock;
  realTime: boolean;
}

async function open(
  ground: Ground,
  env: Record<string, string>,
  others: Platform[],
  clean: () => Promise<void>,
): Promise<Platform> {
  const { connection, lines, log, mailer, clock } = ground;
  const { loadConfig, applyDeclared, serve } = await product();
  const config = loadConfig({
    env: {
      GATEHOUSE_DATA: ground.data,
      GATEHOUSE_PORT: String(await freePort()),
      GATEHOUSE_ARGON2_MEMORY_KIB: '1024',
      GATEHOUSE_ARGON2_PASSES: '1',
      GATEHOUSE_SIGN_IN_FLOOR_MS: '0',
      GATEHOUSE_SIGN_UP_WORK: '2',
      GATEHOUSE_DRAIN_SECONDS: '1',
      GATEHOUSE_RUN: 'web,worker',
      ...env,
    },
  });
  const house = await serve(config, { connection, log, mailer, ...(ground.realTime ? {} : { clock }) });
  const origin = config.publicUrl.replace(/\/$/, '');
  let closing: Promise<void> | undefined;
  const close = async () => {
    platforms.delete(platform);
    await house.stop();
    await clean();
  };
  const platform: Platform = {
    ...house,
    connection,
    clock,
    lines,
    origin,
    visitor: (headers) => new Visitor(origin, headers),
    async apply(yaml) {
      const context = { actor: { kind: 'system' as const }, cause: 'apply' as const, requestId: 'test' };
      await applyDeclared({ ...house, context }, { text: yaml });
    },
    async again(more = {}) {
      const other = await open(ground, { ...env, ...more }, others, async () => undefined);
      others.push(other);
      return other;
    },
    async mailTo(address, subject = /^/) {
      await house.settle();
      const theirs = mailer.sent.filter(({ to }) => to.toLowerCase() === address.toLowerCase());
      return theirs.filter((mail) => subject.test(mail.subject));
    },
    close() {
      closing ??= close();
      return closing;
    },
  };
  platforms.add(platform);
  return platform;
}
