/** `gatehouse target`: apps that receive accounts from here; how they are set up and how they are doing. */
import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { requireApplication } from '#core/applications/applications.ts';
import { Problem } from '#core/problem.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { Connector } from '#provisioning/connector.ts';
import { glance } from '#provisioning/glance.ts';
import { listingOf } from '#provisioning/listing.ts';
import { paceOf } from '#provisioning/pace.ts';
import { checkSettings, targetModes } from '#provisioning/settings.ts';
import { requestSweep } from '#provisioning/sweeps.ts';
import {
  findTarget,
  liftQuarantine,
  listTargets,
  removeTarget,
  saveTarget,
  setCredentials,
  setMode,
  type Target,
} from '#provisioning/targets.ts';
import { readStandardInput } from './apply.ts';
import {
  type AddCommand,
  CommandRefused,
  commandContext,
  requireYes,
  type Toolbox,
  UsageError,
} from './cli.ts';
import { json, plainLine, shortTime, table } from './table.ts';
import { decideCommands } from './target-decide.ts';
import { targetPeopleCommands } from './target-people.ts';
import { recordCommands } from './target-records.ts';

/** The target of an app; says what there is when there is no such one. */
export async function targetNamed(tx: Tx, application: string): Promise<Target> {
  const target = await findTarget(tx, application);
  if (target) return target;
  const all = (await listTargets(tx)).map((one) => one.application);
  throw new CommandRefused(
    `"${plainLine(application.slice(0, 60))}" is no target. ${all.length > 0 ? `Targets are: ${all.join(', ')}.` : 'There are none yet.'}`,
  );
}

export const targetCommand: AddCommand = (program, tools) => {
  const target = program.command('target').description('apps that receive accounts from here');
  target
    .command('list')
    .description('all targets, and how they are doing')
    .option('--json', 'print JSON')
    .action((options: { json?: boolean }) => list(tools, options));
  target
    .command('show')
    .description('one target: settings, listing, queue, pace')
    .argument('<app>', 'id of the app')
    .option('--json', 'print JSON')
    .action((app: string, options: { json?: boolean }) => show(tools, app, options));
  target
    .command('connectors')
    .description('what a target can be, with the facts it is built on')
    .option('--json', 'print JSON')
    .action((options: { json?: boolean }) => listConnectors(tools, options));
  target
    .command('set')
    .description('make an app a target, or replace the settings of one, from a file')
    .argument('<app>', 'id of the app')
    .argument('<file>', 'settings as YAML or JSON')
    .option('--credentials-from-stdin', 'credentials come by standard input')
    .action((app: string, file: string, options: { credentialsFromStdin?: boolean }) =>
      set(tools, app, file, options),
    );
  target
    .command('mode')
    .description(`change the mode alone: ${targetModes.join(', ')}`)
    .argument('<app>', 'id of the app')
    .argument('<mode>', targetModes.join(', '))
    .action((app: string, mode: string) => changeMode(tools, app, mode));
  target
    .command('credentials')
    .description('set credentials; they are sealed and never shown')
    .argument('<app>', 'id of the app')
    .requiredOption('--from-stdin', '`name: value` lines, or the value alone where there is only one')
    .action((app: string) => changeCredentials(tools, app));
  simpleCommands(target, tools);
  decideCommands(target, tools);
  targetPeopleCommands(target, tools);
  recordCommands(target, tools);
};

function simpleCommands(target: Parameters<AddCommand>[0], tools: Toolbox): void {
  target
    .command('sweep')
    .description('have everything there read and compared, by the running house')
    .argument('<app>', 'id of the app')
    .action(async (app: string) => {
      await change(tools, app, requestSweep);
      tools.note('It is asked for, and done as soon as a worker runs.');
    });
  target
    .command('release')
    .description('let work go on that was held because the target refused us')
    .argument('<app>', 'id of the app')
    .action(async (app: string) => {
      await change(tools, app, liftQuarantine);
      tools.note(`Work on ${plainLine(app)} goes on.`);
    });
  target
    .command('remove')
    .description('send nothing there any more and forget links, plans and timeline; accounts there stay')
    .argument('<app>', 'id of the app')
    .option('--yes', 'yes, forget them')
    .action(async (app: string, { yes }: { yes?: boolean }) => {
      await change(tools, app, (tx) => {
        requireYes(yes, 'What is forgotten cannot be brought back. Say --yes to go on.');
        return removeTarget(tx, app);
      });
      tools.note(`${plainLine(app)} is no target any more.`);
    });
}

function change(
  { withHouse }: Toolbox,
  app: string,
  work: (tx: Tx, application: string) => Promise<unknown>,
): Promise<void> {
  return withHouse(({ database }) =>
    database.transact(commandContext(), async (tx) => {
      await targetNamed(tx, app);
      await work(tx, app);
    }),
  );
}

async function list({ withHouse, print, note }: Toolbox, options: { json?: boolean }): Promise<void> {
  const rows = await withHouse(({ database }) =>
    database.read(commandContext(), async (tx) => {
      const found = [];
      for (const target of await listTargets(tx)) found.push({ ...target, ...(await glance(tx, target)) });
      return found;
    }),
  );
  if (options.json) return print(json(rows));
  print(
    table(
      ['APP', 'CONNECTOR', 'MODE', 'WAITING', 'GIVEN UP', 'LAST LISTED', 'HELD BECAUSE'],
      rows.map(({ application, connector, mode, queue, listedAt, quarantine }) => [
        application,
        connector,
        mode,
        String(queue.ready + queue.leased),
        String(queue.dead),
        shortTime(listedAt) || 'never',
        quarantine?.why ?? '',
      ]),
      'There are no targets.',
    ),
  );
  for (const { application, findings } of rows)
    for (const text of findings) note(plainLine(`${application}: ${text}`));
}

async function show({ withHouse, print }: Toolbox, app: string, options: { json?: boolean }): Promise<void> {
  const one = await withHouse(({ database }) =>
    database.read(commandContext(), async (tx) => ({
      ...(await targetNamed(tx, app)),
      ...(await glance(tx, await targetNamed(tx, app))),
      pace: await paceOf(tx, app),
      listing: await listingOf(tx, app),
    })),
  );
  if (options.json) return print(json(one));
  const { settings, queue, pace, listing, quarantine } = one;
  const lines: [string, string][] = [
    ['App', app],
    ['Connector', one.connector],
    ['Mode', one.mode],
    ['Credentials', one.hasCredentials ? 'set' : 'none'],
    ...(quarantine
      ? [['Held', `since ${shortTime(quarantine.since)}: ${quarantine.why}`] as [string, string]]
      : []),
    ['Options', JSON.stringify(settings.options)],
    ['In scope', settings.scope.groups?.join(', ') ?? 'everyone the app lets in'],
    ['Groups sent', Array.isArray(settings.groups) ? settings.groups.join(', ') : settings.groups],
    ...Object.entries(settings.mapping).map(([name, source]): [string, string] => [`  ${name}`, source]),
    ...one.findings.map((text): [string, string] => ['To look at', text]),
    ['Listed', shortTime(one.listedAt) || 'never'],
    ...(listing ? [['Last listing', listingText(listing)] as [string, string]] : []),
    ['Queue', `${queue.ready} waiting, ${queue.leased} under way, ${queue.dead} given up`],
    ...(queue.oldest ? [['Oldest', shortTime(queue.oldest)] as [string, string]] : []),
    ...(pace.heldUntil
      ? [['Pause until', `${shortTime(pace.heldUntil)}, as the app asked`] as [string, string]]
      : []),
    ...(pace.openUntil
      ? [['Not asked until', `${shortTime(pace.openUntil)}: it did not answer`] as [string, string]]
      : []),
  ];
  for (const [title, value] of lines) print(`${plainLine(title).padEnd(15)}  ${plainLine(value)}`);
}

function listingText({
  state,
  seen,
  total,
  why,
}: NonNullable<Awaited<ReturnType<typeof listingOf>>>): string {
  const count = total === undefined ? `${seen} accounts` : `${seen} of ${total} accounts`;
  return `${state}, ${count}${why ? `: ${why}` : ''}`;
}

async function listConnectors({ withHouse, print }: Toolbox, options: { json?: boolean }): Promise<void> {
  const all = await withHouse(async ({ connectors }) => [...connectors.values()]);
  if (options.json)
    return print(
      json(
        all.map(({ name, title, capabilities, attributes, profile, credentials, limits }) => ({
          name,
          title,
          capabilities,
          attributes,
          profile,
          credentials,
          limits,
        })),
      ),
    );
  print(
    table(
      ['NAME', 'TITLE', 'CREDENTIALS', 'CALLS A MINUTE', 'FACTS'],
      all.map((one) => [
        one.name,
        one.title,
        one.credentials.map(({ name, required }) => (required ? name : `[${name}]`)).join(' '),
        String(one.limits.perMinute),
        String(Object.keys(one.profile.facts).length),
      ]),
      'There are no connectors.',
    ),
  );
}

const largestSettings = 1_000_000;
const largestCredentials = 100_000;

async function set(
  tools: Toolbox,
  app: string,
  file: string,
  options: { credentialsFromStdin?: boolean },
): Promise<void> {
  const text = await readFile(file, 'utf8').catch(() => {
    throw new CommandRefused(`${file} cannot be read.`);
  });
  if (text.length > largestSettings) throw new CommandRefused(`${file} is too large.`);
  const given = readYaml(text, file);
  const typed = options.credentialsFromStdin ? await typedCredentials(tools) : undefined;
  await tools.withHouse(({ database, secrets, connectors }) =>
    database.transact(commandContext(), async (tx) => {
      await requireApplication(tx, app);
      const { settings, findings } = checkSettings(connectors, given);
      if (!settings)
        throw new CommandRefused(
          `Nothing was changed. In ${file}:\n${findings.map(({ path, text: why }) => `  ${path}: ${why}`).join('\n')}`,
        );
      const credentials =
        typed === undefined ? undefined : readCredentials(typed, connectors.get(settings.connector));
      await saveTarget(tx, secrets, connectors, app, settings, credentials).catch(sayMissing);
    }),
  );
  tools.note(`${plainLine(app)} is set. \`gatehouse plan ${plainLine(app)}\` says what would be sent.`);
}

function readYaml(text: string, file: string): unknown {
  try {
    return parse(text, { maxAliasCount: 100, schema: 'core' });
  } catch (error) {
    throw new CommandRefused(`${file} cannot be read: ${(error as Error).message}`);
  }
}

/** A refusal that names credentials is about those; anything else goes on as it is. */
function sayMissing(error: unknown): never {
  const fields = error instanceof Problem ? Object.entries(error.facts.fields ?? {}) : [];
  const names = (code: string) =>
    fields.flatMap(([name, why]) => (why === code ? [name.replace(/^credentials\./, '')] : []));
  const missing = names('attribute-required');
  const unknown = names('input-unknown-key');
  if (missing.length > 0)
    throw new CommandRefused(`${missing.join(', ')} must be given (--credentials-from-stdin).`);
  if (unknown.length > 0) throw new CommandRefused(`There is no credential called ${unknown.join(', ')}.`);
  throw error;
}

async function changeMode(tools: Toolbox, app: string, mode: string): Promise<void> {
  const wanted = targetModes.find((one) => one === mode);
  if (!wanted) throw new UsageError(`There is no such mode. Modes are: ${targetModes.join(', ')}.`);
  await change(tools, app, (tx) => setMode(tx, app, wanted));
  tools.note(`${plainLine(app)} is in mode ${wanted} now.`);
}

async function typedCredentials({ io }: Toolbox): Promise<string> {
  if (io.input.isTTY) io.errors.write('Type the credentials, then Ctrl-D:\n');
  const text = await readStandardInput(io.input, largestCredentials);
  if (text.trim() === '') throw new UsageError('Nothing came by standard input.');
  return text;
}

/** `name: value` lines; the value alone where the connector has one credential, or needs one. */
export function readCredentials(
  text: string,
  connector: Pick<Connector, 'credentials'> | undefined,
): Record<string, string> {
  const all = connector?.credentials ?? [];
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const pairs = lines.map((line) => /^([A-Za-z][A-Za-z0-9]*)\s*:\s*(.*)$/.exec(line));
  const named = pairs.every((pair) => pair && all.some(({ name }) => name === pair[1]));
  if (named) return Object.fromEntries(pairs.map((pair) => [pair?.[1] ?? '', pair?.[2] ?? '']));
  const needed = all.filter(({ required }) => required);
  const only = all.length === 1 ? all[0] : needed.length === 1 ? needed[0] : undefined;
  if (lines.length === 1 && only) return { [only.name]: lines[0] ?? '' };
  throw new UsageError(
    `Credentials are lines of \`name: value\`. Names are: ${all.map(({ name }) => name).join(', ')}.`,
  );
}

async function changeCredentials(tools: Toolbox, app: string): Promise<void> {
  const text = await typedCredentials(tools);
  await tools.withHouse(({ database, secrets, connectors }) =>
    database.transact(commandContext(), async (tx) => {
      await targetNamed(tx, app);
      await setCredentials(tx, secrets, connectors, app, (connector) =>
        readCredentials(text, connector),
      ).catch(sayMissing);
    }),
  );
  tools.note('They are sealed. The old ones are gone.');
}
