/**
 * The open house: database, keys and tools, for the server and for every command. Refuses a master key that is not the
 * one the data was sealed with. Part of main: it alone is handed the settings beside it.
 */
import type { Config } from '#config/config.ts';
import { type Clock, systemClock } from '#kit/clock/clock.ts';
import { createHasher, type Hasher } from '#kit/crypto/passwords.ts';
import { createSecrets, loadMasterKey, parseMasterKey, type Secrets } from '#kit/crypto/secrets.ts';
import { type Connection, type Database, openDatabase, system } from '#kit/db/database.ts';
import { attachEmbedded, startEmbedded } from '#kit/db/embedded.ts';
import { houseFact, setHouseFact } from '#kit/db/facts.ts';
import type { Tx } from '#kit/db/tx.ts';
import { createLimits, type Limits } from '#kit/limits/limits.ts';
import { createLog, type Log } from '#kit/log/log.ts';
import { createNet, type Net } from '#kit/net/net.ts';
import type { Connector } from '#provisioning/connector.ts';
import { connectors } from './connectors.ts';

/** Everything with a life that parts are handed. */
export interface House {
  config: Config;
  clock: Clock;
  log: Log;
  database: Database;
  secrets: Secrets;
  hasher: Hasher;
  limits: Limits;
  net: Net;
  connectors: ReadonlyMap<string, Connector>;
  close(): Promise<void>;
}

export interface HouseOptions {
  clock?: Clock;
  log?: Log;
  /** A database that is there already (tests); else DATABASE_URL, else the embedded one. */
  connection?: Connection;
  /** `own` for a server, `attach` for a command beside one. */
  embedded?: 'own' | 'attach';
}

/** Opens database, keys and tools, and refuses a master key that is not the one the data was sealed with. */
export async function openHouse(config: Config, options: HouseOptions = {}): Promise<House> {
  const clock = options.clock ?? systemClock;
  const log = options.log ?? createLog({ level: config.logLevel });
  const closers: (() => Promise<unknown>)[] = [];
  const close = async () => {
    await closeAll(closers);
  };
  try {
    const connection =
      options.connection ?? (await connectionOf(config, log, options.embedded ?? 'own', closers));
    const database = await openDatabase({ connection, clock, log, poolSize: config.databasePoolSize });
    closers.push(() => database.close());
    await database.migrate();
    const secrets = await openSecrets(config, database);
    const hasher = createHasher({
      memoryKiB: config.argon2MemoryKiB,
      passes: config.argon2Passes,
      lanes: config.argon2Lanes,
      concurrency: config.argon2Concurrency,
    });
    const near = options.embedded === 'attach' ? await demoNeighbours(database) : [];
    const net = createNet({ allow: [...config.outboundAllow, ...near], log });
    closers.push(() => net.close());
    const limits = createLimits(database);
    return { config, clock, log, database, secrets, hasher, limits, net, connectors, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Where the doubles of the demo listen: its settings are not those a command beside it reads. */
const neighboursFact = 'demo-neighbours';

/** Keeps where the doubles of the demo listen, for commands beside it. */
export function rememberNeighbours(tx: Tx, near: readonly string[]): Promise<void> {
  return setHouseFact(tx, neighboursFact, near);
}

async function demoNeighbours(database: Database): Promise<string[]> {
  const known = await database.read(system(), (tx) => houseFact(tx, neighboursFact));
  return Array.isArray(known) ? known.filter((one) => typeof one === 'string') : [];
}

async function connectionOf(
  config: Config,
  log: Log,
  embedded: 'own' | 'attach',
  closers: (() => Promise<unknown>)[],
): Promise<Connection> {
  if (config.databaseUrl) return { connectionString: config.databaseUrl.reveal() };
  const input = { dataDirectory: config.data, log };
  const started = embedded === 'own' ? await startEmbedded(input) : await attachEmbedded(input);
  closers.push(() => started.stop());
  return started.connection;
}

/**
 * The master key. It is made only where nothing was sealed yet; a missing or other key than the one this database
 * was sealed with changes nothing and stops the start.
 */
async function openSecrets(config: Config, database: Database): Promise<Secrets> {
  const known = await database.read(system(), (tx) => houseFact(tx, 'master-key'));
  const key = config.masterKey
    ? parseMasterKey(config.masterKey.reveal())
    : await loadMasterKey({ file: config.masterKeyFile, create: known === undefined });
  const previous = await Promise.all(config.previousMasterKeyFiles.map((file) => loadMasterKey({ file })));
  const secrets = createSecrets(key, previous);
  if (known === undefined) {
    await database.transact(system(), (tx) =>
      setHouseFact(tx, 'master-key', secrets.fingerprint, { onlyIfUnset: true }),
    );
  }
  const stored = await database.read(system(), (tx) => houseFact(tx, 'master-key'));
  secrets.recognise(String(stored));
  return secrets;
}

/** Closes everything in reverse order, also when one of them fails; the first failure is thrown at the end. */
export async function closeAll(closers: (() => Promise<unknown>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const closer of closers.splice(0).reverse()) await closer().catch((error) => failures.push(error));
  if (failures.length > 0) throw failures[0];
}
