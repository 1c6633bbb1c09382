/**
 * A real PostgreSQL that Gatehouse starts for itself.
 *
 * Reached by Unix socket only. One running Gatehouse owns it: it holds a lock inside the database, which ends with
 * its session whatever happens to the process. The server itself outlives a killed owner and is adopted by the next.
 */
import type { ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Log } from '#kit/log/log.ts';
import type { Connection } from './database.ts';
import { EmbeddedUnavailable, findPlace, type Place } from './embedded-place.ts';
import {
  askToStop,
  callBack,
  isPostmaster,
  readPostmaster,
  type Server,
  stays,
  stopServer,
} from './embedded-process.ts';
import { lastWords, owner, port, prepareCluster, prepareRuntime, spawnServer } from './embedded-runtime.ts';

export interface Embedded {
  /** How to reach the database `gatehouse`. */
  connection: Connection;
  /** True when the server was already running. */
  adopted: boolean;
  /** Folder that holds the cluster. */
  directory: string;
  /** Stops the server cleanly (when it is ours to stop) and returns when it is gone. */
  stop(): Promise<void>;
}

/** Another Gatehouse owns this data directory. */
export class DataDirectoryInUse extends Error {
  readonly holder: { process: string; since?: Date };
  constructor(directory: string, holder: { process: string; since?: Date }) {
    const since = holder.since ? ` since ${holder.since.toISOString()}` : '';
    super(
      `${directory} is in use by ${holder.process}${since}. Stop it first, or choose another data directory (GATEHOUSE_DATA).`,
    );
    this.name = 'DataDirectoryInUse';
    this.holder = holder;
  }
}

const ownerLock = 0x6f776e65;
const commandLock = 0x636f6d6d;
const ownerName = /^gatehouse owner: (.*)$/;
/** Crash recovery of a full write-ahead log takes seconds; longer than this is not a start any more. */
const startDeadline = 60_000;
/** Another starter was faster, or children of a killed server have not noticed yet: both pass. */
const passing = /lock file .* already exists|lock file .* is empty|shared memory block .* still in use/i;
/** The server's log belongs to all who start it, so its last words may be another's: once is not yet a reason. */
const triesToStart = 3;
const aCommand = 'a Gatehouse command';
const patienceWithCommands = 15_000;

/**
 * Starts the database of a data directory, or adopts the one running there, and owns it.
 * @param options.what what this process is, told to a second one that is refused
 * @throws DataDirectoryInUse when a running Gatehouse owns it
 * @throws EmbeddedUnavailable when it cannot run on this machine
 */
export async function startEmbedded(options: {
  dataDirectory: string;
  log: Log;
  what?: string;
}): Promise<Embedded> {
  const place = findPlace(options.dataDirectory);
  const what = options.what ?? 'Gatehouse';
  return own(place, options, what);
}

/**
 * For commands: uses the running database without owning it, or starts one and stops it after, when every other
 * command that attached meanwhile is done.
 * @throws EmbeddedUnavailable when it cannot run on this machine
 */
export async function attachEmbedded(options: { dataDirectory: string; log: Log }): Promise<Embedded> {
  const place = findPlace(options.dataDirectory);
  for (const deadline = Date.now() + startDeadline; Date.now() < deadline; ) {
    const running = await findRunning(place);
    if (!running) {
      try {
        return await own(place, options, aCommand);
      } catch (error) {
        if (error instanceof DataDirectoryInUse) continue;
        throw error;
      }
    }
    const presence = await announce(running.socket);
    if (presence && !stays(place, running.pid)) await presence.end().catch(() => undefined);
    else if (presence) {
      const stop = () => presence.end().catch(() => undefined);
      return { connection: connectionTo(running.socket), adopted: true, directory: place.home, stop };
    }
    await sleep(50);
  }
  throw new EmbeddedUnavailable(`The database of ${options.dataDirectory} keeps starting and stopping.`);
}

/** A session that tells a command about to stop the server to wait; undefined when it is stopping already. */
async function announce(socket: string): Promise<pg.Client | undefined> {
  const client = new pg.Client({
    ...connectionTo(socket, 'postgres'),
    application_name: 'gatehouse command',
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await ensureDatabase(socket);
    const { rows } = await client.query('SELECT pg_try_advisory_lock_shared($1) AS there', [commandLock]);
    if (rows[0].there) return client;
  } catch {
    // It went away between our look and our call.
  }
  await client.end().catch(() => undefined);
  return undefined;
}

/**
 * Finds or starts the server of a folder without owning it, for test runs that share one.
 * @param options.settings server settings over the product's own, for a server started here
 */
export async function shareServer(options: {
  dataDirectory: string;
  settings?: Record<string, string>;
}): Promise<{ connection: Connection; stop(): Promise<void> }> {
  const place = findPlace(options.dataDirectory);
  const server = await bringUp(place, options.settings);
  return { connection: connectionTo(server.socket), stop: () => stopServer(place, server) };
}

async function own(
  place: Place,
  { dataDirectory, log }: { dataDirectory: string; log: Log },
  what: string,
): Promise<Embedded> {
  let stopping = false;
  let { server, session } = await bringUpAndOwn(place, dataDirectory, what);
  const { adopted } = server;
  log.debug({ adopted, directory: place.home }, 'the embedded database is ready');

  async function recover(): Promise<void> {
    for (let pause = 20; !stopping; pause = Math.min(pause * 2, 5_000)) {
      await sleep(pause, undefined, { ref: false });
      if (stopping) return;
      try {
        ({ server, session } = await bringUpAndOwn(place, dataDirectory, what));
        watch();
        log.warn('the embedded database is back');
        return;
      } catch (error) {
        log.error({ err: error }, 'the embedded database does not come back');
      }
    }
  }
  function watch(): void {
    session.once('end', () => {
      if (stopping) return;
      log.error('the embedded database went away');
      void recover();
    });
  }
  watch();
  // Whoever ends without stopping (a fault, a second Ctrl-C) leaves no server behind; only a kill -9 can.
  const lastCall = () => askToStop(place, server);
  process.once('exit', lastCall);

  return {
    connection: connectionTo(server.socket),
    adopted,
    directory: place.home,
    async stop() {
      if (stopping) return;
      stopping = true;
      if (what === aCommand) await waitForCommands(session);
      // The session holds its locks until the server ends it: nobody can settle on a server that is about to go.
      await stopServer(place, server);
      await session.end().catch(() => undefined);
      process.off('exit', lastCall);
    },
  };
}

async function waitForCommands(session: pg.Client): Promise<void> {
  try {
    await session.query("SET lock_timeout = '60s'");
    await session.query('SELECT pg_advisory_lock($1)', [commandLock]);
  } catch {
    // The server is gone, or a command hangs: either way it is time.
  }
}

/** Patient with commands, which are over soon and then take their server down under us. */
async function bringUpAndOwn(
  place: Place,
  dataDirectory: string,
  what: string,
): Promise<{ server: Server; session: pg.Client }> {
  for (const began = Date.now(); ; ) {
    try {
      const server = await bringUp(place);
      const session = await takeOwnership(server, dataDirectory, what);
      if (stays(place, server.pid)) return { server, session };
      await session.end().catch(() => undefined);
    } catch (error) {
      // A lost connection means that the server we found was being stopped: look again.
      const held = error instanceof DataDirectoryInUse;
      const waiting = held && what !== aCommand && error.holder.process.startsWith(aCommand);
      const final = error instanceof EmbeddedUnavailable || (held && !waiting);
      if (final || Date.now() - began > (held ? patienceWithCommands : startDeadline)) throw error;
    }
    await sleep(20);
  }
}

function connectionTo(socket: string, database: string = owner): Connection {
  return { host: socket, port, user: owner, database };
}

/** Finds the running server or starts one, and returns when it answers. */
async function bringUp(place: Place, settings?: Record<string, string>): Promise<Server> {
  const deadline = Date.now() + startDeadline;
  let failures = 0;
  while (Date.now() < deadline) {
    const running = await findRunning(place);
    if (running) {
      await ensureDatabase(running.socket);
      return { ...running, adopted: true };
    }
    const runtime = await prepareRuntime(place);
    await prepareCluster(place, runtime);
    const child = spawnServer(place, runtime, settings);
    if (await becomesReady(place, child, deadline)) {
      // Another starter's server may be what answered. Then ours must be gone before we use that one: one that is slow
      // to begin would find the folder free again after everybody left, and run for nobody.
      if (readPostmaster(place)?.pid !== child.pid) {
        await callBack(child);
        continue;
      }
      await ensureDatabase(place.socket);
      return { pid: child.pid as number, socket: place.socket, adopted: false, child };
    }
    const words = await lastWords(place);
    if (!passing.test(words)) failures += 1;
    if (failures === triesToStart) {
      throw new EmbeddedUnavailable(
        `The database did not start: ${words || 'no reason given'} (${place.logFile})`,
      );
    }
    await sleep(50);
  }
  throw new EmbeddedUnavailable(`The database did not become ready in time; see ${place.logFile}.`);
}

/** Waits until the server answers; false when it exited instead. */
async function becomesReady(place: Place, child: ChildProcess, deadline: number): Promise<boolean> {
  let failure: Error | undefined;
  let exited = false;
  child.once('error', (error) => {
    failure = error;
  });
  child.once('exit', () => {
    exited = true;
  });
  while (Date.now() < deadline) {
    if (failure) throw new EmbeddedUnavailable(`The database could not be started: ${failure.message}`);
    if (exited) return false;
    if (await answers(place.socket)) return true;
    await sleep(10);
  }
  throw new EmbeddedUnavailable(`The database did not become ready in time; see ${place.logFile}.`);
}

/** The server that runs on this cluster, once it answers; waits while it is starting up or shutting down. */
async function findRunning(place: Place): Promise<{ pid: number; socket: string } | undefined> {
  const deadline = Date.now() + startDeadline;
  while (Date.now() < deadline) {
    const found = readPostmaster(place);
    if (!found) return undefined;
    if (!isPostmaster(found.pid, place)) {
      // Left by a crash of the machine; its number may belong to anybody now.
      rmSync(path.join(place.data, 'postmaster.pid'), { force: true });
      return undefined;
    }
    if (found.socket && (await answers(found.socket))) return { pid: found.pid, socket: found.socket };
    await sleep(20);
  }
  throw new EmbeddedUnavailable(
    `A database runs on ${place.data} but does not answer; see ${place.logFile}.`,
  );
}

async function answers(socket: string): Promise<boolean> {
  const client = new pg.Client({ ...connectionTo(socket, 'postgres'), connectionTimeoutMillis: 2_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function ensureDatabase(socket: string): Promise<void> {
  const client = new pg.Client(connectionTo(socket, 'postgres'));
  client.on('error', () => undefined);
  await client.connect();
  try {
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [owner]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${owner}`);
  } catch (error) {
    // 42P04 and 23505: another starter made it between our look and our try.
    if (!['42P04', '23505'].includes(String((error as { code?: unknown }).code))) throw error;
  } finally {
    await client.end();
  }
}

/** Opens the session that holds the owner's lock for as long as this process lives. */
async function takeOwnership(server: Server, dataDirectory: string, what: string): Promise<pg.Client> {
  const client = new pg.Client({
    ...connectionTo(server.socket, 'postgres'),
    application_name: `gatehouse owner: ${what}, process ${process.pid}`.slice(0, 63),
    keepAlive: true,
  });
  client.on('error', () => undefined);
  await client.connect();
  // An owner that died this instant may need a moment to be missed by the server.
  for (let attempt = 0; attempt < (what === aCommand ? 1 : 20); attempt++) {
    const { rows } = await client.query('SELECT pg_try_advisory_lock($1) AS mine', [ownerLock]);
    if (rows[0].mine) return client;
    await sleep(50);
  }
  const { rows } = await client.query(
    `SELECT activity.application_name AS name, activity.backend_start AS since
       FROM pg_locks AS lock JOIN pg_stat_activity AS activity USING (pid)
      WHERE lock.locktype = 'advisory' AND lock.objid = $1 AND lock.granted`,
    [ownerLock],
  );
  await client.end();
  const name = ownerName.exec(String(rows[0]?.name ?? ''))?.[1] ?? 'another Gatehouse';
  throw new DataDirectoryInUse(path.resolve(dataDirectory), {
    process: `${name} on ${hostname()}`,
    since: rows[0]?.since,
  });
}
