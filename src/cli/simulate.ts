/** `gatehouse simulate`: doubles of remote apps to rehearse against, on this machine only. */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { Log } from '#kit/log/log.ts';
import { type AddCommand, UsageError } from './cli.ts';
import { type Running, runUntilStopped } from './serve.ts';
import { parseCount } from './table.ts';

interface Rate {
  perMinute: number;
  burst: number;
}

/** What both doubles are started with. */
interface Common {
  log: Log;
  port?: number;
  limit: { all?: Rate; reads?: Rate };
  latencyMs: number;
  lagMs: number;
  faults: string[];
  seed?: number;
  state?: string;
}

interface Started extends Running {
  url: string;
  origin: string;
  seed: number;
}

type DomainState = 'UNVERIFIED' | 'VERIFIED_UNCLAIMED' | 'VERIFIED';

interface AtlassianOptions extends Common {
  directoryKey?: string;
  organisationKey?: string;
  directoryId?: string;
  organisationId?: string;
  domains: Record<string, DomainState>;
  deleteMeaning: 'remove' | 'deactivate';
  foreignDomains: 'accept' | 'refuse';
  extension: '1.0' | '1.1';
  foreignErrors: number;
}

/** The doubles, handed in because commands do not know them. */
export interface Simulators {
  readRate(text: string, burst?: number): Rate;
  scim(options: Common & { token?: string; pageCap?: number }): Promise<Started & { token: string }>;
  atlassian(options: AtlassianOptions): Promise<
    Started & {
      directoryKey: string;
      organisationKey: string;
      directoryId: string;
      organisationId: string;
    }
  >;
}

type Typed = Record<string, string> & { fault: string[]; domain: string[] };

const collect = (value: string, list: string[]) => [...list, value];

function withCommon(command: Command): Command {
  return command
    .option('--port <number>', 'port on this machine (default: any free one)')
    .option('--limit <rate>', 'like 180/min, 3/s; refused with 429 beyond it (default: none)')
    .option('--burst <number>', 'how many at once after a rest')
    .option('--read-limit <rate>', 'a limit of its own for reads')
    .option('--latency <ms>', 'every answer so much later', '0')
    .option('--lag <ms>', 'lists and filters see a write only after this', '0')
    .option(
      '--fault <fault>',
      'what goes wrong, like reset,method=POST,times=3; may be given often',
      collect,
      [],
    )
    .option('--seed <number>', 'the same seed strikes the same requests')
    .option('--state <file>', 'keep what was written in this file');
}

/** @param load the doubles, read when one is asked for */
export function simulateCommand(load: () => Promise<Simulators>): AddCommand {
  return (program, { print, log }) => {
    const simulate = program.command('simulate').description('doubles of remote apps, to rehearse against');
    withCommon(simulate.command('scim').description('a SCIM 2.0 server'))
      .option('--token <token>', 'the bearer it takes; @file reads it (default: made up)')
      .option('--page-cap <number>', 'most resources of one page')
      .action((typed: Typed) =>
        run(async () => {
          const simulators = await load();
          const pageCap = typed.pageCap === undefined ? undefined : parseCount(typed.pageCap);
          const options = { ...common(typed, simulators, log), token: secret(typed.token), pageCap };
          const running = await simulators.scim(options);
          print(lines({ ...told(running), 'bearer token': running.token }));
          return running;
        }),
      );
    withCommon(
      simulate
        .command('atlassian')
        .description('Atlassian Cloud: a SCIM directory, the organisation API, and accounts'),
    )
      .option('--directory-key <key>', 'the bearer of the directory; @file reads it (default: made up)')
      .option(
        '--organisation-key <key>',
        'the bearer of the organisation API; @file reads it (default: made up)',
      )
      .option('--directory-id <id>', 'the directory (default: made up)')
      .option('--organisation-id <id>', 'the organisation (default: made up)')
      .option(
        '--domain <name[=state]>',
        'a domain: VERIFIED (default), VERIFIED_UNCLAIMED, UNVERIFIED; may be given often',
        collect,
        [],
      )
      .option('--delete <meaning>', 'remove or deactivate', 'remove')
      .option('--foreign-domains <rule>', 'accept or refuse', 'accept')
      .option('--extension <version>', '1.0 or 1.1', '1.0')
      .option('--foreign-errors <share>', 'share of errors that are not SCIM, 0 to 1', '0')
      .action((typed: Typed) =>
        run(async () => {
          const simulators = await load();
          const running = await simulators.atlassian({
            ...common(typed, simulators, log),
            ...atlassian(typed),
          });
          const keys = { 'directory key': running.directoryKey, 'organisation key': running.organisationKey };
          const ids = { 'directory id': running.directoryId, 'organisation id': running.organisationId };
          print(lines({ ...told(running), 'organisation API': running.origin, ...keys, ...ids }));
          return running;
        }),
      );
  };
}

/** What was typed wrongly is found by the doubles themselves. */
async function run(start: () => Promise<Running>): Promise<void> {
  try {
    await runUntilStopped(start);
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(error.message) : error;
  }
}

function common(typed: Typed, simulators: Simulators, log: Log): Common {
  const burst = typed.burst === undefined ? undefined : parseCount(typed.burst);
  const rate = (text: string | undefined, most?: number) =>
    text === undefined ? undefined : simulators.readRate(text, most);
  if (burst !== undefined && typed.limit === undefined)
    throw new UsageError('--burst belongs to --limit. Give both.');
  return {
    log,
    port: typed.port === undefined ? undefined : parseCount(typed.port),
    limit: { all: rate(typed.limit, burst), reads: rate(typed.readLimit) },
    latencyMs: milliseconds(typed.latency),
    lagMs: milliseconds(typed.lag),
    faults: typed.fault,
    seed: typed.seed === undefined ? undefined : parseCount(typed.seed),
    state: typed.state,
  };
}

function atlassian(typed: Typed): Omit<AtlassianOptions, keyof Common> {
  const share = Number(typed.foreignErrors);
  if (!(share >= 0 && share <= 1)) throw new UsageError('--foreign-errors stands between 0 and 1.');
  const domains = typed.domain.map((one) => {
    const [name = '', state = 'VERIFIED'] = one.split('=');
    return [name, oneOf('--domain', state, ['UNVERIFIED', 'VERIFIED_UNCLAIMED', 'VERIFIED'])];
  });
  return {
    directoryKey: secret(typed.directoryKey),
    organisationKey: secret(typed.organisationKey),
    directoryId: typed.directoryId,
    organisationId: typed.organisationId,
    domains: Object.fromEntries(domains) as Record<string, DomainState>,
    deleteMeaning: oneOf('--delete', typed.delete, ['remove', 'deactivate']),
    foreignDomains: oneOf('--foreign-domains', typed.foreignDomains, ['accept', 'refuse']),
    extension: oneOf('--extension', typed.extension, ['1.0', '1.1']),
    foreignErrors: share,
  };
}

function oneOf<T extends string>(option: string, given: string | undefined, choices: readonly T[]): T {
  const found = choices.find((one) => one === given);
  if (found === undefined) throw new UsageError(`${option} is one of: ${choices.join(', ')}.`);
  return found;
}

function milliseconds(text: string | undefined): number {
  if (!/^\d{1,7}$/.test(text ?? '')) throw new UsageError('Milliseconds are a whole number from 0 on.');
  return Number(text);
}

/** A secret as it was typed, or from a file, which other people of the machine cannot see in the list of processes. */
function secret(typed: string | undefined): string | undefined {
  return typed?.startsWith('@') ? readFileSync(typed.slice(1), 'utf8').trim() : typed;
}

function told(running: Started): Record<string, string> {
  return {
    page: `${running.origin}/`,
    'SCIM base address': running.url,
    control: `${running.origin}/simulator/state`,
    seed: String(running.seed),
  };
}

function lines(rows: Record<string, string>): string {
  const width = Math.max(...Object.keys(rows).map((name) => name.length));
  return Object.entries(rows)
    .map(([name, value]) => `${name.padEnd(width)}  ${value}`)
    .join('\n');
}
