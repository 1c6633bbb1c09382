/** `gatehouse apply FILE` and `gatehouse export`: the community as one file. */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Tx, TxContext } from '#kit/db/tx.ts';
import {
  type AddCommand,
  type CommandHouse,
  type CommandIo,
  CommandRefused,
  commandContext,
  type Toolbox,
} from './cli.ts';
import { startProgress } from './progress.ts';
import { json } from './table.ts';

/** What `declared/` does for these commands. */
export interface DeclaredPart {
  largestFile: number;
  applyDeclared(
    needs: CommandHouse & { context: TxContext },
    input: {
      text: string;
      dryRun?: boolean;
      told?: (done: number, total: number) => void;
      env: CommandIo['env'];
      folder?: string;
    },
  ): Promise<{
    changes: string[];
    warnings: string[];
    secrets: { application: string; secret: string }[];
  }>;
  exportDeclared(tx: Tx, options: { people?: boolean }): Promise<string>;
}

export function applyCommand(load: () => Promise<DeclaredPart>): AddCommand {
  return (program, tools) => {
    program
      .command('apply')
      .description('make the house as a community file says')
      .argument('<file>', 'the file, or - for standard input')
      .option('--dry-run', 'say what would change, and change nothing')
      .option('--json', 'print changes as JSON')
      .action((file: string, options: ApplyOptions) => apply(tools, load, file, options));
  };
}

interface ApplyOptions {
  dryRun?: boolean;
  json?: boolean;
}

async function apply(
  tools: Toolbox,
  load: () => Promise<DeclaredPart>,
  file: string,
  options: ApplyOptions,
): Promise<void> {
  const declared = await load();
  const text = await readCommunityFile(tools.io, file, declared.largestFile);
  const progress = startProgress('Checking passwords', tools.io.errors);
  const applied = await tools.withHouse((house) =>
    declared
      .applyDeclared(
        { ...house, context: commandContext() },
        {
          text,
          dryRun: options.dryRun,
          told: progress.show,
          env: tools.io.env,
          folder: file === '-' ? undefined : path.dirname(file),
        },
      )
      .catch((error: Error) => {
        if (error.name !== 'DeclaredError') throw error;
        const lines = error.message.split('\n').map((line) => `  ${line}`);
        throw new CommandRefused(`Nothing was changed. In ${file}:\n${lines.join('\n')}`);
      })
      .finally(progress.end),
  );
  for (const warning of applied.warnings) tools.note(`Note: ${warning}`);
  if (options.json) return tools.print(json(applied));
  for (const change of applied.changes) tools.print(change);
  for (const { application, secret } of applied.secrets)
    tools.print(`The secret of ${application}, shown this once: ${secret}`);
  tools.note(summary(applied.changes.length, options.dryRun ?? false));
}

function summary(count: number, dryRun: boolean): string {
  if (count === 0) return 'Everything is as the file says.';
  const changes = count === 1 ? '1 change' : `${count} changes`;
  return dryRun ? `${changes} would be made; nothing was changed.` : `${changes} made.`;
}

async function readCommunityFile({ input }: CommandIo, file: string, most: number): Promise<string> {
  try {
    if (file === '-') return await readStandardInput(input, most);
    if ((await stat(file)).size > most) throw new CommandRefused(`${file} is larger than 5 MB.`);
    return await readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new CommandRefused(`${file} ${code === 'ENOENT' ? 'does not exist' : 'cannot be read'}.`);
  }
}

/** All of standard input, up to a limit of bytes. */
export async function readStandardInput(input: CommandIo['input'], most: number): Promise<string> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of input) {
    pieces.push(piece as Buffer);
    length += (piece as Buffer).length;
    if (length > most) throw new CommandRefused('Standard input is larger than is read here.');
  }
  return Buffer.concat(pieces).toString('utf8');
}

export function exportCommand(load: () => Promise<DeclaredPart>): AddCommand {
  return (program, { withHouse, print }) => {
    program
      .command('export')
      .description('print the house as a community file, without secrets')
      .option('--people', 'with people and their data, without passwords')
      .action(async (options: { people?: boolean }) => {
        const { exportDeclared } = await load();
        const text = await withHouse(({ database }) =>
          database.read(commandContext(), (tx) => exportDeclared(tx, options)),
        );
        print(text.trimEnd());
      });
  };
}
