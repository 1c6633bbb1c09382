/**
 * The database: a pool of connections, transactions that retry, and one ear for notifications.
 */
import { randomInt, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Clock } from '#kit/clock/clock.ts';
import type { Log } from '#kit/log/log.ts';
import { asDatabaseBusy, refuseWhenCrowded } from './busy.ts';
import { gatherWrites } from './gather.ts';
import { Listener } from './listener.ts';
import { migrate, migrationsDirectory, type SchemaState, schemaState } from './migrate.ts';
import { type Cause, openTx, type Pipelined, type Tx, type TxContext } from './tx.ts';

/** Where a PostgreSQL is. `host` may be the directory of a Unix socket. */
export interface Connection {
  connectionString?: string;
  host?: string;
  port?: number;
  user?: string;
  password?: string;
  database?: string;
  ssl?: boolean | { ca?: string; rejectUnauthorized?: boolean };
}

export interface TransactOptions {
  /** How often a transaction that lost to another (40001, 40P01) is run again; 5 when left out. */
  retries?: number;
  isolation?: 'read committed' | 'repeatable read' | 'serializable';
  /**
   * False where nothing leaves the house before a later commit that is durable: everyone sees it at once, and as the
   * log of the database is one line, whoever finds the later one after a power cut finds this one too.
   */
  durable?: boolean;
}

export interface Database {
  /** Runs `work` in one transaction; commits when it returns, rolls back when it throws. */
  transact<T>(context: TxContext, work: (tx: Tx) => Promise<T>, options?: TransactOptions): Promise<T>;
  /** The same, read only, from one snapshot. */
  read<T>(context: TxContext, work: (tx: Tx) => Promise<T>): Promise<T>;
  /** For work of one statement, which needs no transaction around it; a second one is refused. */
  look<T>(context: TxContext, work: (tx: Tx) => Promise<T>): Promise<T>;
  /** One statement outside any transaction. With `name` it is prepared once a connection. */
  query<Row = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
    name?: string,
  ): Promise<Row[]>;
  /**
   * Hears NOTIFY on a channel until the returned function is called. After a lost connection came back, each
   * listener is called once with an empty payload: something may have been missed, go and look.
   */
  listen(channel: string, heard: (payload: string) => void): Promise<() => Promise<void>>;
  /** Brings the schema up to date; safe when several nodes start at once. */
  migrate(): Promise<{ applied: string[] }>;
  schemaState(): Promise<SchemaState>;
  close(): Promise<void>;
  readonly pool: pg.Pool;
}

/** The server is older than the SQL of this program. */
export class DatabaseTooOld extends Error {
  constructor(version: string) {
    super(`PostgreSQL ${version} is too old: Gatehouse needs PostgreSQL 15 or newer.`);
    this.name = 'DatabaseTooOld';
  }
}

const int8 = 20;
const date = 1082;

/** int8 arrives as a number (counts, positions), a date as 'YYYY-MM-DD': a Date would shift it by the time zone. */
const typeParsers: pg.CustomTypesConfig = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (oid === int8) return parseInt8;
    if (oid === date) return (text: string) => text;
    return pg.types.getTypeParser(oid, format as 'text');
  },
} as pg.CustomTypesConfig;

function parseInt8(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value))
    throw new RangeError(`The database holds ${text}, too large for a number.`);
  return value;
}

/** The context of work nobody asked for: schedules, readers, start-up. */
export function system(cause: Cause = 'schedule'): TxContext {
  return { actor: { kind: 'system' }, cause, requestId: randomUUID() };
}

/**
 * Opens a database and proves that it answers and is new enough.
 * @throws DatabaseTooOld below PostgreSQL 15; the driver's error when nobody answers
 */
export async function openDatabase(options: {
  connection: Connection;
  poolSize?: number;
  clock: Clock;
  log: Log;
  /** Milliseconds one statement may take; 15,000 when left out. */
  statementTimeoutMs?: number;
  /** Folder of migration files, when not the product's own. */
  migrations?: string;
}): Promise<Database> {
  const { connection, clock, log } = options;
  const migrations = options.migrations ?? migrationsDirectory();
  const pool = new pg.Pool({
    ...connection,
    max: options.poolSize ?? 10,
    types: typeParsers,
    application_name: 'gatehouse',
    connectionTimeoutMillis: 10_000,
    // After a rush its connections are given back, 3 MB each over there; a few stay for who comes next.
    min: 2,
    idleTimeoutMillis: 5_000,
    keepAlive: true,
    pipeline: true,
    statement_timeout: options.statementTimeoutMs ?? 15_000,
    lock_timeout: 10_000,
    idle_in_transaction_session_timeout: 60_000,
  });
  // Without this a restart of the server would end the process.
  pool.on('error', (error) => log.warn({ err: error }, 'an idle database connection was lost'));
  pool.on('connect', gatherWrites);
  const letGo = watchConnections(pool);
  const listener = new Listener(connection, log);

  try {
    const { rows } = await pool.query(
      "SELECT current_setting('server_version_num')::int AS number, version()",
    );
    if (rows[0].number < 150_000)
      throw new DatabaseTooOld(String(rows[0].version).split(' ')[1] ?? 'unknown');
  } catch (error) {
    await pool.end();
    await letGo();
    throw error;
  }

  return {
    pool,
    transact: (context, work, { retries = 5, isolation = 'read committed', durable = true } = {}) => {
      const begin = `BEGIN ISOLATION LEVEL ${isolation}${durable ? '' : '; SET LOCAL synchronous_commit TO off'}`;
      return withRetries(retries, () => runOnce(pool, begin, context, clock, work));
    },
    read: (context, work) =>
      withRetries(2, () =>
        runOnce(pool, 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', context, clock, work, true),
      ),
    look: (context, work) =>
      withClient(pool, async (client) => {
        const { tx, end } = openTx(client, context, clock, { most: 1 });
        return work(tx).finally(end);
      }),
    async query<Row>(text: string, values?: readonly unknown[], name?: string): Promise<Row[]> {
      refuseWhenCrowded(pool);
      const asked = pool.query({ text, values: values as unknown[] | undefined, name });
      return (await asked.catch(asDatabaseBusy)).rows as Row[];
    },
    listen: (channel, heard) => listener.listen(channel, heard),
    migrate: () => migrate(connection, migrations),
    schemaState: () => schemaState((text) => pool.query(text), migrations),
    async close() {
      await listener.close();
      const ended = pool.end();
      sendAway(pool);
      await ended;
      await letGo();
    },
  };
}

/** The part of the pool that its types leave out: those who wait until a connection is free. */
interface Queue {
  _pendingQueue: { callback(error: Error): void }[];
}

/** A pool that ends gives nobody a connection any more, and tells none of those who wait: they would wait for nothing. */
function sendAway(pool: pg.Pool): void {
  for (const { callback } of (pool as pg.Pool & Queue)._pendingQueue.splice(0))
    callback(new Error('The database was closed before a connection was free.'));
}

/** How long a server may take to let go of connections that have said goodbye. */
const mostGoodbyeMs = 2_000;

/**
 * The pool has ended when it has said goodbye on each connection; the server may still be at it, and stopped then, it
 * tells each of them that it was cut off.
 * @returns waits, when the pool has ended, until every connection is over
 */
function watchConnections(pool: pg.Pool): () => Promise<void> {
  const open = new Set<pg.PoolClient>();
  let over: (() => void) | undefined;
  pool.on('connect', (client) => open.add(client));
  pool.on('remove', (client) => {
    open.delete(client);
    if (open.size === 0) over?.();
  });
  return async () => {
    if (open.size === 0) return;
    const late = new AbortController();
    await Promise.race([
      new Promise<void>((resolve) => {
        over = resolve;
      }),
      sleep(mostGoodbyeMs, undefined, { signal: late.signal }).catch(() => undefined),
    ]);
    late.abort();
    // One that never answers does not keep the process.
    for (const client of open) (client as pg.PoolClient & { unref(): void }).unref();
  };
}

async function runOnce<T>(
  pool: pg.Pool,
  begin: string,
  context: TxContext,
  clock: Clock,
  work: (tx: Tx) => Promise<T>,
  readOnly = false,
): Promise<T> {
  return withClient(pool, async (client, breaks) => {
    let ended: Promise<pg.QueryResult> | undefined;
    const commit = () => {
      ended = client.query('COMMIT');
      ended.catch(() => undefined);
    };
    try {
      // Leaves with the first statement; if it fails, that one fails as well.
      const begun = client.query(begin);
      begun.catch(() => undefined);
      const { tx, end, failed } = openTx(client, context, clock, { commit });
      let result: T;
      try {
        result = await work(tx);
      } finally {
        await end();
      }
      await begun;
      if (!ended) commit();
      // What was read stays true however this ends, and whoever has the connection next comes behind it.
      if (readOnly && !failed() && (client as pg.PoolClient & Pipelined).pipeline) return result;
      const { command } = await ended!;
      if (command === 'ROLLBACK') {
        throw new Error('A statement failed and its error was swallowed: the transaction could not commit.');
      }
      return result;
    } catch (error) {
      const rollBack = () => client.query('ROLLBACK');
      // A commit that went along with a statement that failed has undone everything already.
      await (ended ? ended.catch(rollBack) : rollBack()).catch(breaks);
      throw error;
    }
  });
}

/** A connection for as long as the work takes; one that broke is not used again. */
async function withClient<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient, breaks: (error: Error) => void) => Promise<T>,
): Promise<T> {
  refuseWhenCrowded(pool);
  const client = await pool.connect().catch(asDatabaseBusy);
  // The pool listens for errors only while a connection is idle.
  let broken: Error | undefined;
  const onError = (error: Error) => {
    broken ??= error;
  };
  client.on('error', onError);
  try {
    return await work(client, onError);
  } finally {
    client.off('error', onError);
    (client as pg.PoolClient & Pipelined).pipeline = true;
    client.release(broken);
  }
}

const serializationFailure = '40001';
const deadlockDetected = '40P01';

async function withRetries<T>(retries: number, run: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await run();
    } catch (error) {
      const { code } = error as { code?: unknown };
      const lost = code === serializationFailure || code === deadlockDetected;
      if (!lost || attempt >= retries) throw error;
      // Random waits keep two losers from meeting again.
      await new Promise((resolve) => setTimeout(resolve, randomInt(20 * 2 ** Math.min(attempt, 6))));
    }
  }
}
