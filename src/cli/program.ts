/** One command line: knows every command, hands each what it needs, and says in a sentence what went wrong. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { styleText } from 'node:util';
import { Command, CommanderError } from 'commander';
import type { Clock } from '#kit/clock/clock.ts';
import { systemClock } from '#kit/clock/clock.ts';
import { createLog, type Log } from '#kit/log/log.ts';
import type { DeclaredPart } from './apply.ts';
import type { AddCommand, CommandIo, CommandSettings, Toolbox } from './cli.ts';
import { type OpenHouse, withHouse } from './house.ts';
import { obstacleText } from './obstacles.ts';
import { demoCommand, type Running, serveCommand } from './serve.ts';
import { type Simulators, simulateCommand } from './simulate.ts';
import { plainLine } from './table.ts';

/** What stands right of the commands; each is loaded when a command needs it. */
export interface ProgramParts<Settings extends CommandSettings> {
  /** @param given settings from options, by their names; @param file the settings file */
  readSettings(input: {
    env: CommandIo['env'];
    file?: string;
    given: Record<string, unknown>;
    demo: boolean;
  }): Promise<Settings>;
  /** The house for one command: beside a running one, or on its own. */
  openHouse(settings: Settings, tools: { log: Log; clock: Clock }): Promise<OpenHouse>;
  serve(settings: Settings): Promise<Running>;
  demo(settings: Settings): Promise<Running & { banner: string }>;
  declared(): Promise<DeclaredPart>;
  simulators(): Promise<Simulators>;
}

/**
 * Runs one command line to its end, without ending the process.
 * @param argv the words after the name of the program
 * @returns the exit status: 0, 1 when something was refused, 2 when it was typed wrongly
 */
export async function runCli<Settings extends CommandSettings>(
  argv: readonly string[],
  io: CommandIo,
  parts: ProgramParts<Settings>,
): Promise<number> {
  try {
    // What runs for months does not carry along what other commands need.
    const others = running.has(commandOf(argv)) ? {} : (await import('./commands.ts')).commands(parts);
    await build(io, parts, others).parseAsync(argv, { from: 'user' });
    return 0;
  } catch (error) {
    const { status, text } = explain(error);
    if (text) io.errors.write(`${text}\n`);
    return status;
  }
}

const running = new Set(['serve', 'demo']);

/** The first word that is no option of the program itself. */
function commandOf(argv: readonly string[]): string {
  let at = 0;
  while (argv[at]?.startsWith('-')) at += ['--config', '--data'].includes(argv[at]!) ? 2 : 1;
  return argv[at] ?? '';
}

/** @param others commands beside those that run until they are stopped, by the heading they stand under in the help */
function build<Settings extends CommandSettings>(
  io: CommandIo,
  parts: ProgramParts<Settings>,
  others: Record<string, AddCommand[]>,
): Command {
  const program = new Command('gatehouse');
  const bold = (text: string) => styleText('bold', text, { stream: io.output });
  let settings: Settings | undefined;
  const readSettings = (given: Record<string, unknown> = {}, demo = false) => {
    const { config: file, data } = program.opts<{ config?: string; data?: string }>();
    const all = { ...given, ...(data === undefined ? {} : { data }) };
    return parts.readSettings({ env: io.env, file, given: all, demo });
  };
  const tools = toolbox(io, parts, () => {
    if (!settings) throw new Error('The settings are read before any command runs.');
    return settings;
  });
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
    .configureOutput({
      writeOut: (text) => void io.output.write(text),
      writeErr: (text) => void io.errors.write(text),
      getOutHasColors: () => io.output.isTTY ?? false,
      getErrHasColors: () => io.errors.isTTY ?? false,
    })
    .exitOverride()
    // What runs until it is stopped reads the settings with options of its own; simulators have none.
    .hook('preAction', async (_program, command) => {
      if (!['serve', 'demo', 'scim', 'atlassian'].includes(command.name())) settings = await readSettings();
    });
  /** Every command, by the heading it stands under in the help. */
  const commands: Record<string, AddCommand[]> = {
    'Run it:': [
      serveCommand(async (given) => parts.serve(await readSettings(given))),
      demoCommand(async (given) => parts.demo(await readSettings(given, true))),
      simulateCommand(parts.simulators),
    ],
    ...others,
  };
  for (const [heading, list] of Object.entries(commands)) {
    program.commandsGroup(heading);
    for (const add of list) add(program, tools);
  }
  return program;
}

function toolbox<Settings extends CommandSettings>(
  io: CommandIo,
  parts: ProgramParts<Settings>,
  settings: () => Settings,
): Toolbox {
  const note = (text: string) => void io.errors.write(`${text}\n`);
  const log = createLog({ level: 'error', destination: { write: (line) => void io.errors.write(line) } });
  return {
    settings,
    withHouse: (work) =>
      withHouse(async () => {
        const given = settings();
        // A folder that was mistyped looks like a house where nobody lives.
        if (!given.databaseUrl && !existsSync(given.data))
          note(`There was no folder ${given.data}: a new, empty house is made there.`);
        return parts.openHouse(given, { log, clock: systemClock });
      }, work),
    print: (text) => void io.output.write(`${text}\n`),
    note,
    io,
    log,
    clock: systemClock,
  };
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
  return { status: 1, text: obstacleText(error) ?? `This is a fault of ours.\n${stack}` };
}

/** The fields a refusal of the core names. */
function atFault(error: Error): string {
  const { facts } = error as Error & { facts?: { fields?: object } };
  const names = Object.keys(facts?.fields ?? {});
  return names.length > 0 ? ` (${plainLine(names.join(', '))})` : '';
}
