/** The program `gatehouse`: knows every command, hands each what it needs, and says in a sentence what went wrong. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { styleText } from 'node:util';
import { Command, CommanderError } from 'commander';
import type { Config } from '#config/config.ts';
import { systemClock } from '#kit/clock/clock.ts';
import { createLog } from '#kit/log/log.ts';
import { adminCommand } from './admin.ts';
import { applyCommand, exportCommand } from './apply.ts';
import { appsCommand } from './apps.ts';
import { backupCommand } from './backup.ts';
import type { AddCommand, Toolbox } from './cli.ts';
import { eventsCommand } from './events.ts';
import { withHouse } from './house.ts';
import { importCommand } from './import.ts';
import { peopleCommand } from './people.ts';
import { restoreCommand } from './restore.ts';
import { demoCommand, serveCommand } from './serve.ts';
import { plainLine } from './table.ts';
import { tokenCommand } from './token.ts';

const declared = () => import('#declared/declared.ts');

const program = new Command('gatehouse');

/** Every command, by the heading it stands under in the help. */
const commands: Record<string, AddCommand[]> = {
  'Run it:': [
    serveCommand(async (argv) => {
      const { serve } = await import('#main.ts');
      const house = await serve(await readConfig(argv));
      const parts = house.config.run.join(', ');
      if (house.app) house.log.info({ url: String(house.url), parts }, 'Gatehouse is open');
      else house.log.info({ parts }, 'Gatehouse works; this process serves no pages');
      return house;
    }),
    demoCommand(async (argv) => {
      const { startDemo } = await import('#demo.ts');
      return startDemo(await readConfig(argv, true));
    }),
  ],
  'The community as a file:': [applyCommand(declared), exportCommand(declared)],
  'People of an older system:': [importCommand],
  'People, apps, operators:': [peopleCommand, appsCommand, eventsCommand, adminCommand, tokenCommand],
  'Keep it safe:': [backupCommand, restoreCommand],
};

async function readConfig(argv: Record<string, unknown> = {}, demo = false): Promise<Config> {
  const { loadConfig } = await import('#config/config.ts');
  const { config: file, data } = program.opts<{ config?: string; data?: string }>();
  const given = { ...argv, ...(data === undefined ? {} : { data }) };
  return loadConfig({ env: process.env, file, argv: given, demo });
}

let config: Config | undefined;

const tools: Toolbox = {
  settings() {
    if (!config) throw new Error('The settings are read before any command runs.');
    return config;
  },
  withHouse: (work) => withHouse(openBeside, work),
  print: (text) => void process.stdout.write(`${text}\n`),
  note: (text) => void process.stderr.write(`${text}\n`),
  log: createLog({ level: 'error', destination: { write: (line) => void process.stderr.write(line) } }),
  clock: systemClock,
};

/** The house for a command: beside a running one, or on its own. */
async function openBeside() {
  const { openHouse } = await import('#house.ts');
  const settings = tools.settings() as Config;
  // A folder that was mistyped looks like a house where nobody lives.
  if (!settings.databaseUrl && !existsSync(settings.data))
    tools.note(`There was no folder ${settings.data}: a new, empty house is made there.`);
  return openHouse(settings, { embedded: 'attach', log: tools.log, clock: tools.clock });
}

/** The version of the package this file belongs to: the same from src/ and from dist/. */
function version(): string {
  for (let folder = import.meta.dirname; ; folder = path.dirname(folder)) {
    const file = path.join(folder, 'package.json');
    const manifest = existsSync(file)
      ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>)
      : {};
    if (manifest.version) return manifest.version;
    if (folder === path.dirname(folder)) return 'unknown';
  }
}

function build(): Command {
  const bold = (text: string) => styleText('bold', text, { stream: process.stdout });
  program
    .description('One ID for a community: sign up once, be known to every app the community runs.')
    .version(version(), '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .option('--config <file>', 'settings file (GATEHOUSE_CONFIG)')
    .option('--data <folder>', 'data folder (GATEHOUSE_DATA, default ./.gatehouse)')
    .showSuggestionAfterError()
    .showHelpAfterError('(--help lists what there is)')
    .configureHelp({ styleTitle: bold, showGlobalOptions: true })
    .exitOverride()
    // What runs until it is stopped reads the settings with options of its own.
    .hook('preAction', async (_program, command) => {
      if (!['serve', 'demo'].includes(command.name())) config = await readConfig();
    });
  for (const [heading, list] of Object.entries(commands)) {
    program.commandsGroup(heading);
    for (const add of list) add(program, tools);
  }
  return program;
}

/** Refusals whose message is all a person needs; anything else is a fault of ours. */
const sentences = new Set([
  'ArchiveRefused',
  'CommandRefused',
  'ConfigError',
  'DataDirectoryInUse',
  'DatabaseTooOld',
  'DeclaredError',
  'EmbeddedUnavailable',
  'ImportRunning',
  'Problem',
  'SchemaTooNew',
  'SealBroken',
  'WrongMasterKey',
]);

function explain(error: unknown): { status: number; text: string } {
  if (error instanceof CommanderError) return { status: error.exitCode === 0 ? 0 : 2, text: '' };
  if (!(error instanceof Error)) return { status: 1, text: String(error) };
  if (error.name === 'UsageError') return { status: 2, text: error.message };
  if (sentences.has(error.name)) return { status: 1, text: error.message + atFault(error) };
  const { code, message, stack } = error as Error & { code?: string };
  if (code && /^(ECONN|ENOTFOUND|EAI_|ETIMEDOUT|28|3D|08|57P)/.test(code))
    return { status: 1, text: `The database cannot be used: ${message || code}.` };
  if (code === 'EADDRINUSE')
    return {
      status: 1,
      text: `${message}. Another program listens there; choose another port (GATEHOUSE_PORT).`,
    };
  if (code && /^E[A-Z]+$/.test(code)) return { status: 1, text: `${message}.` };
  return { status: 1, text: `This is a fault of ours.\n${stack}` };
}

/** The fields a refusal of the core names. */
function atFault(error: Error): string {
  const { facts } = error as Error & { facts?: { fields?: object } };
  const names = Object.keys(facts?.fields ?? {});
  return names.length > 0 ? ` (${plainLine(names.join(', '))})` : '';
}

// A reader that has seen enough (`| head`) is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

try {
  await build().parseAsync();
} catch (error) {
  const { status, text } = explain(error);
  if (text) process.stderr.write(`${text}\n`);
  process.exitCode = status;
}
