/**
 * `gatehouse restore FILE`: a backup into an empty database. The whole file is proved first, the master key it needs is
 * looked at before the database is, and everything is written in one transaction.
 */
import { cursorsToEnd } from '#core/events/events.ts';
import { closeSetup, openSetup } from '#core/operators/setup.ts';
import { createSecrets, loadMasterKey, parseMasterKey, WrongMasterKey } from '#kit/crypto/secrets.ts';
import { type ArchiveHead, checkArchive, requireFile, restoreArchive } from '#kit/db/archive.ts';
import { otherSessions } from '#kit/db/archive-tables.ts';
import { type Connection, type Database, openDatabase } from '#kit/db/database.ts';
import { startEmbedded } from '#kit/db/embedded.ts';
import { setHouseFact } from '#kit/db/facts.ts';
import { migrate, migrationsDirectory } from '#kit/db/migrate.ts';
import type { Tx } from '#kit/db/tx.ts';
import { calmTargets } from '#provisioning/targets.ts';
import { keyForRestore } from './backup-key.ts';
import {
  type AddCommand,
  CommandRefused,
  type CommandSettings,
  commandContext,
  type Toolbox,
} from './cli.ts';

interface Options {
  keyFile?: string;
  replace?: boolean;
}

export const restoreCommand: AddCommand = (program, tools) => {
  program
    .command('restore')
    .description('bring a backup back into an empty database')
    .argument('<file>', 'a file that "gatehouse backup" wrote')
    .option('--key-file <file>', 'file with the key of the backup, - for standard input')
    .option('--replace', 'throw away what the database holds now')
    .action((file: string, options: Options) => restore(tools, file, options));
};

/**
 * What is not brought back, because it may have ended since: whoever is signed in, what apps were given, links that were
 * mailed, work that was waiting. Nobody is let in, told or mailed by a past that is over.
 */
const leftBehind = [
  'sessions',
  'session_applications',
  'oidc_payloads',
  'signon_requests',
  'verifications',
  'queue_jobs',
  'rate_buckets',
  'password_failures',
];

async function restore(tools: Toolbox, file: string, options: Options): Promise<void> {
  const settings = tools.settings();
  await requireFile(file);
  const key = await keyForRestore(tools.io, options.keyFile, settings.data);
  const archive = await checkArchive(file, key);
  await requireMasterKey(settings, archive);
  const place = await openPlace(tools, settings);
  let calmed: string[];
  try {
    await requireNobodyElse(place.database);
    await prepareSchema(place, archive);
    const context = commandContext();
    await place.database.transact(
      context,
      async (tx) => {
        await restoreArchive(tx, { file, key, replace: options.replace, leaveOut: leftBehind });
        await settle(tx, archive);
      },
      { retries: 0 },
    );
    await place.database.migrate();
    calmed = await place.database.transact(context, calmTargets);
  } finally {
    await place.close();
  }
  tools.note(`${file} of ${archive.createdAt} is restored: ${archive.rows.toLocaleString('en')} rows.`);
  tools.note('Everyone is signed out, mailed links are dead, and mail that was waiting is not sent again.');
  if (calmed.length > 0)
    tools.note(
      `Nothing is sent to ${calmed.join(', ')} before somebody approves: look at "gatehouse plan ${calmed[0]}", then "gatehouse target mode ${calmed[0]} automatic".`,
    );
  tools.note('API tokens and passwords are as they were then: look at "gatehouse token list".');
}

/** The setup stays closed, whatever stood in the backup (AU-17), and readers begin behind what they were told then. */
async function settle(tx: Tx, archive: ArchiveHead): Promise<void> {
  await openSetup(tx);
  await closeSetup(tx);
  await cursorsToEnd(tx);
  await setHouseFact(tx, 'restored', { at: tx.now().toISOString(), from: archive.createdAt });
}

async function requireMasterKey(settings: CommandSettings, archive: ArchiveHead): Promise<void> {
  const needed = `The backup needs the master key ${archive.masterKey.slice(0, 8)}`;
  try {
    const key = settings.masterKey
      ? parseMasterKey(settings.masterKey.reveal())
      : await loadMasterKey({ file: settings.masterKeyFile });
    const previous = await Promise.all(
      settings.previousMasterKeyFiles.map((one) => loadMasterKey({ file: one })),
    );
    const secrets = createSecrets(key, previous);
    try {
      secrets.recognise(archive.masterKey);
    } catch {
      throw new CommandRefused(
        `${needed}; what is set here is ${secrets.fingerprint.slice(0, 8)}. Nothing was changed.`,
      );
    }
  } catch (error) {
    if (!(error instanceof WrongMasterKey)) throw error;
    throw new CommandRefused(`${needed}. ${error.message} Nothing was changed.`);
  }
}

interface Place {
  connection: Connection;
  database: Database;
  close(): Promise<void>;
}

/** The database alone: a house cannot be opened before it is there. An embedded one must be ours alone. */
async function openPlace({ log, clock }: Toolbox, settings: CommandSettings): Promise<Place> {
  const embedded = settings.databaseUrl
    ? undefined
    : await startEmbedded({ dataDirectory: settings.data, log, what: 'a restore' });
  const connection: Connection = embedded
    ? embedded.connection
    : { connectionString: settings.databaseUrl?.reveal() };
  try {
    const database = await openDatabase({ connection, clock, log, poolSize: 2 });
    const close = async () => {
      await database.close();
      await embedded?.stop();
    };
    return { connection, database, close };
  } catch (error) {
    await embedded?.stop();
    throw error;
  }
}

async function requireNobodyElse(database: Database): Promise<void> {
  const others = await database.read(commandContext(), otherSessions);
  if (others > 0)
    throw new CommandRefused('A Gatehouse is running on this database. Stop it first, everywhere.');
}

/** Brings an empty database to the schema the backup was taken from; it is brought up to date afterwards. */
async function prepareSchema({ connection, database }: Place, archive: ArchiveHead): Promise<void> {
  const { applied, pending } = await database.schemaState();
  const known = [...applied, ...pending];
  const newer = archive.schema.filter((name) => !known.includes(name));
  if (newer.length > 0)
    throw new CommandRefused(
      `The backup is from a newer Gatehouse (${newer.join(', ')}). Restore it with that version.`,
    );
  if (applied.length === 0) await migrate(connection, migrationsDirectory(), archive.schema.at(-1));
  else if (applied.join() !== archive.schema.join())
    throw new CommandRefused('The backup is from an older Gatehouse. Restore it into a new, empty database.');
}
