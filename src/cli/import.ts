/** `gatehouse import`: people from a directory export or a live directory, and the names they had at each app. */
import { readFile } from 'node:fs/promises';
import { styleText } from 'node:util';
import type { Command } from 'commander';
import type { ImportProgress } from '#migration/import.ts';
import type { Paint } from '#migration/report.ts';
import type { Source } from '#sources/source.ts';
import { type AddCommand, type CommandIo, CommandRefused, type Toolbox } from './cli.ts';
import { type Progress, startProgress } from './progress.ts';
import { json } from './table.ts';

interface Output {
  dryRun?: boolean;
  json?: boolean;
}

interface PeopleOptions extends Output {
  name?: string;
}

interface LdapOptions extends PeopleOptions {
  bindDn: string;
  passwordFile: string;
  base: string;
  startTls?: boolean;
  caFile?: string;
}

/** What every import takes. */
function withOutput(command: Command): Command {
  return command
    .option('--dry-run', 'check everything and print the report, and change nothing')
    .option('--json', 'print the report as JSON');
}

function withName(command: Command): Command {
  return command.option(
    '--name <name>',
    'what this source is called from run to run; records are recognised by it (default: file or address)',
  );
}

export const importCommand: AddCommand = (program, tools) => {
  const command = program.command('import').description('bring people in from an older system');
  withName(withOutput(command.command('ldif')))
    .description('people and groups of a directory export (LDIF, as slapcat makes it)')
    .argument('<file>', 'the export')
    .action((file: string, options: PeopleOptions) => importLdif(tools, file, options));
  withName(withOutput(command.command('ldap')))
    .description('people and groups of a live directory')
    .argument('<url>', 'ldaps://host, or ldap://host with --start-tls')
    .requiredOption('--bind-dn <dn>', 'account to read with')
    .requiredOption('--password-file <file>', 'file with its password')
    .requiredOption('--base <dn>', 'tree to read, like dc=example,dc=org')
    .option('--start-tls', 'encrypt an ldap:// connection before anything is sent')
    .option('--ca-file <file>', 'certificates to trust instead of those of the system')
    .action((url: string, options: LdapOptions) => importLdap(tools, url, options));
  withOutput(command.command('aliases'))
    .description('names people had at each app (CSV: application, alias, and username or address)')
    .argument('<file>', 'the list')
    .action((file: string, options: Output) => importNames(tools, file, options));
};

async function importLdif(tools: Toolbox, file: string, options: PeopleOptions): Promise<void> {
  const { ldifSource } = await import('#sources/ldif/ldif.ts');
  await importPeople(tools, ldifSource(file), options);
}

async function importLdap(tools: Toolbox, url: string, options: LdapOptions): Promise<void> {
  const { ldapSource } = await import('#sources/ldap/ldap.ts');
  const password = await inWords(() => readFile(options.passwordFile, 'utf8'));
  const source = await inWords(async () =>
    ldapSource({
      url,
      bindDn: options.bindDn,
      password: password.replace(/\r?\n$/, ''),
      baseDn: options.base,
      ...(options.startTls ? { startTls: true } : {}),
      ...(options.caFile === undefined ? {} : { caFile: options.caFile }),
    }),
  );
  await importPeople(tools, source, options);
}

async function importPeople(tools: Toolbox, source: Source, options: PeopleOptions): Promise<void> {
  const { runImport } = await import('#migration/import.ts');
  const { readCompletely, reportText } = await import('#migration/report.ts');
  const progress = phases(tools.io);
  const stopping = stopOnSignal();
  const report = await tools
    .withHouse((house) =>
      inWords(() =>
        runImport(house, source, {
          ...(options.name === undefined ? {} : { name: options.name }),
          dryRun: options.dryRun ?? false,
          onProgress: progress.show,
          signal: stopping.signal,
        }),
      ),
    )
    .finally(() => {
      progress.end();
      stopping.forget();
    });
  tools.print(options.json ? json(report) : reportText(report, { paint: painter(tools.io) }));
  if (report.state === 'stopped') throw new CommandRefused('It was stopped. Run it again to go on.');
  if (!readCompletely(report)) throw new CommandRefused(notAllRead);
}

async function importNames(tools: Toolbox, file: string, options: Output): Promise<void> {
  const { aliasReportText, importAliases } = await import('#migration/aliases.ts');
  const bytes = await inWords(() => readFile(file));
  const report = await tools.withHouse((house) =>
    importAliases(house, bytes, { dryRun: options.dryRun ?? false }),
  );
  if (report.counts.in + report.counts.unreadable === 0)
    throw new CommandRefused(`There are no names in ${file}. Nothing was imported.`);
  tools.print(options.json ? json(report) : aliasReportText(report, { paint: painter(tools.io) }));
  if (report.counts.unreadable > 0) throw new CommandRefused(notAllRead);
}

const notAllRead = 'Some of it could not be read; the report says what and where. The rest is as reported.';

/** Colours for a terminal, none for a file. */
function painter({ output }: CommandIo): Paint {
  return (style, text) => styleText(style, text, { stream: output });
}

const titles = { reading: 'Reading', importing: 'Importing', groups: 'Groups' } as const;

/** A bar for each phase that has an end. */
function phases({ errors }: CommandIo): { show(progress: ImportProgress): void; end(): void } {
  let phase: ImportProgress['phase'] | undefined;
  let bar: Progress | undefined;
  return {
    show(progress) {
      if (progress.total === undefined) return;
      if (progress.phase !== phase) {
        bar?.end();
        phase = progress.phase;
        bar = startProgress(titles[phase], errors);
      }
      bar?.show(progress.done, progress.total);
    },
    end: () => bar?.end(),
  };
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

/** Says in a sentence what the person at the terminal can mend; everything else is passed on. */
async function inWords<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const reason = reasonOf(error as Error);
    if (reason === undefined) throw error;
    throw new CommandRefused(`${reason.replace(/[^.!?]$/, '$&.')} Nothing was imported.`);
  }
}

const sourceRefusals = new Set(['SourceIncomplete', 'LdapRefused']);

function reasonOf(error: Error & { code?: string; path?: string }): string | undefined {
  if (sourceRefusals.has(error.name)) return error.message;
  // Reading a folder fails without saying which.
  if (error.code === 'EISDIR') return 'This is a folder. Name the file.';
  if (error.path === undefined) return undefined;
  if (error.code === 'ENOENT') return `${error.path} does not exist.`;
  return error.code === 'EACCES' ? `${error.path} cannot be read.` : undefined;
}
