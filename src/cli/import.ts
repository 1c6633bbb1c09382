/** `gatehouse import`: people from a directory export or a live directory, and the names they had at each app. */
import { readFile } from 'node:fs/promises';
import { styleText } from 'node:util';
import type { Command } from 'commander';
import type { Clock } from '#kit/clock/clock.ts';
import type { Database } from '#kit/db/database.ts';
import type { Log } from '#kit/log/log.ts';
import { type AliasReport, aliasReportText, importAliases } from '#migration/aliases.ts';
import { runImport } from '#migration/import.ts';
import { ImportRunning } from '#migration/migration.ts';
import { type ImportReport, type Paint, readCompletely, reportText } from '#migration/report.ts';
import { LdapRefused, ldapSource } from '#sources/ldap/ldap.ts';
import { ldifSource } from '#sources/ldif/ldif.ts';
import { type Source, SourceIncomplete } from '#sources/source.ts';
import { createImportProgress } from './import-progress.ts';

/** What the commands need of an opened house. */
export interface ImportHouse {
  database: Database;
  clock: Clock;
  log: Log;
  close(): Promise<void>;
}

export interface ImportSurroundings {
  /** Opens the house; called once the arguments are known to be usable. */
  open(): Promise<ImportHouse>;
  stdout: NodeJS.WriteStream;
  stderr: NodeJS.WriteStream;
  /** Told the exit code once: 0, or 1 when not everything could be read. */
  exit(code: number): void;
}

interface Output {
  dryRun?: boolean;
  json?: boolean;
}

interface LdapFlags extends Output {
  bindDn: string;
  passwordFile: string;
  base: string;
  startTls?: boolean;
  caFile?: string;
  name?: string;
}

const dryRun = ['--dry-run', 'check everything and print the report, write nothing'] as const;
const json = ['--json', 'print the report as JSON, with every finding'] as const;
const name = [
  '--name <name>',
  'what this source is called from run to run; records are recognised by it',
] as const;

/** Adds `import ldif`, `import ldap` and `import aliases` to the program. */
export function importCommand(program: Command, around: ImportSurroundings): void {
  const command = program.command('import').description('bring people in from an older system');
  command
    .command('ldif')
    .description('from a directory export (LDIF, for example made by slapcat)')
    .argument('<file>', 'the export')
    .option(...dryRun)
    .option(...json)
    .option(...name)
    .action((file: string, flags: Output & { name?: string }) =>
      withReasons(around, () => importPeople(around, ldifSource(file), flags)),
    );
  command
    .command('ldap')
    .description('from a live directory')
    .argument('<url>', 'ldaps://host, or ldap://host with --start-tls')
    .requiredOption('--bind-dn <dn>', 'account to read with')
    .requiredOption('--password-file <file>', 'file with its password')
    .requiredOption('--base <dn>', 'tree to read, for example dc=example,dc=org')
    .option('--start-tls', 'encrypt an ldap:// connection before anything is sent')
    .option('--ca-file <file>', 'certificates to trust instead of those of the system')
    .option(...dryRun)
    .option(...json)
    .option(...name)
    .action((url: string, flags: LdapFlags) =>
      withReasons(around, async () => importPeople(around, await directory(url, flags), flags)),
    );
  command
    .command('aliases')
    .description('names people had at each app (CSV: application, alias, and username or address)')
    .argument('<file>', 'the list')
    .option(...dryRun)
    .option(...json)
    .action((file: string, flags: Output) => withReasons(around, () => importNames(around, file, flags)));
}

async function directory(url: string, flags: LdapFlags): Promise<Source> {
  const password = (await readFile(flags.passwordFile, 'utf8')).replace(/\r?\n$/, '');
  return ldapSource({
    url,
    bindDn: flags.bindDn,
    password,
    baseDn: flags.base,
    ...(flags.startTls ? { startTls: true } : {}),
    ...(flags.caFile === undefined ? {} : { caFile: flags.caFile }),
  });
}

async function importPeople(
  around: ImportSurroundings,
  source: Source,
  flags: Output & { name?: string },
): Promise<void> {
  const report = await inHouse(around, async (house) => {
    const progress = createImportProgress(around.stderr);
    const stopping = stopOnSignal();
    try {
      return await runImport(house, source, {
        ...(flags.name === undefined ? {} : { name: flags.name }),
        dryRun: flags.dryRun ?? false,
        onProgress: progress.show,
        signal: stopping.signal,
      });
    } finally {
      progress.clear();
      stopping.forget();
    }
  });
  print(around, flags, report, reportText);
  around.exit(readCompletely(report) && report.state === 'done' ? 0 : 1);
}

async function importNames(around: ImportSurroundings, file: string, flags: Output): Promise<void> {
  const bytes = await readFile(file);
  const report = await inHouse(around, async (house) => {
    const progress = createImportProgress(around.stderr);
    try {
      return await importAliases(house, bytes, {
        dryRun: flags.dryRun ?? false,
        onProgress: (done) => progress.show({ phase: 'importing', done }),
      });
    } finally {
      progress.clear();
    }
  });
  print(around, flags, report, aliasReportText);
  around.exit(readCompletely(report) ? 0 : 1);
}

async function inHouse<T>(around: ImportSurroundings, work: (house: ImportHouse) => Promise<T>): Promise<T> {
  const house = await around.open();
  try {
    return await work(house);
  } finally {
    await house.close();
  }
}

/** Ctrl-C ends the run after its batch; what is in stays in, and the next run goes on. */
function stopOnSignal(): { signal: AbortSignal; forget(): void } {
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  return {
    signal: stopping.signal,
    forget() {
      process.off('SIGINT', stop);
      process.off('SIGTERM', stop);
    },
  };
}

function print<Report extends ImportReport | AliasReport>(
  { stdout }: ImportSurroundings,
  { json: wanted }: Output,
  report: Report,
  text: (report: Report, options: { paint: Paint }) => string,
): void {
  const paint: Paint = (style, words) => styleText(style, words, { stream: stdout });
  stdout.write(wanted ? `${JSON.stringify(report, undefined, 2)}\n` : `${text(report, { paint })}\n`);
}

/** Refusals that are the user's to mend are told in a sentence; anything else is a fault of ours and goes on up. */
async function withReasons(around: ImportSurroundings, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const reason = reasonOf(error);
    if (reason === undefined) throw error;
    around.stderr.write(`${reason}\nNothing was imported.\n`);
    around.exit(1);
  }
}

function reasonOf(error: unknown): string | undefined {
  if (error instanceof SourceIncomplete || error instanceof LdapRefused || error instanceof ImportRunning)
    return error.message;
  const { code, path } = error as { code?: unknown; path?: unknown };
  // Reading a folder fails without saying which.
  if (code === 'EISDIR') return 'This is a folder. Name the file.';
  if (typeof path !== 'string') return undefined;
  if (code === 'ENOENT') return `There is no file ${path}.`;
  if (code === 'EACCES') return `The file ${path} may not be read by this account.`;
  return undefined;
}
