/** The key of backups: a file someone names, the one kept in the data folder, or what is typed. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { randomToken } from '#kit/crypto/ids.ts';
import { readStandardInput } from './apply.ts';
import { type CommandIo, CommandRefused } from './cli.ts';

const longest = 10_000;

/** Where a key is kept that nobody brought. */
export function keptKeyFile(dataDirectory: string): string {
  return path.join(dataDirectory, 'backup.key');
}

async function readKeyFile(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).slice(0, longest).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new CommandRefused(`${file} cannot be read.`);
  }
}

async function namedKey({ input }: CommandIo, file: string): Promise<string> {
  if (file === '-') return (await readStandardInput(input, longest)).trim();
  const key = await readKeyFile(file);
  if (key === undefined) throw new CommandRefused(`${file} does not exist.`);
  return key;
}

/** The key to write a backup with. A new one is made and kept where there was none; `made` says so. */
export async function keyForBackup(
  io: CommandIo,
  named: string | undefined,
  dataDirectory: string,
): Promise<{ key: string; made: boolean; file: string }> {
  const file = named ?? keptKeyFile(dataDirectory);
  if (named !== undefined) return { key: await namedKey(io, named), made: false, file };
  const kept = await readKeyFile(file);
  if (kept !== undefined) return { key: kept, made: false, file };
  const key = `ghb_${randomToken()}`;
  await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
  await writeFile(file, `${key}\n`, { flag: 'wx', mode: 0o600 });
  return { key, made: true, file };
}

/** The key to open a backup with; asked for at a terminal when none is named or kept. */
export async function keyForRestore(
  io: CommandIo,
  named: string | undefined,
  dataDirectory: string,
): Promise<string> {
  if (named !== undefined) return namedKey(io, named);
  const kept = await readKeyFile(keptKeyFile(dataDirectory));
  if (kept !== undefined) return kept;
  if (!io.input.isTTY)
    throw new CommandRefused(
      'Name the file with the key of the backup: --key-file FILE, or - for standard input.',
    );
  return ask(io, 'Key of the backup: ');
}

async function ask({ input, errors }: CommandIo, question: string): Promise<string> {
  errors.write(question);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input, output: silent, terminal: true });
  try {
    return (await terminal.question('')).trim();
  } finally {
    terminal.close();
    errors.write('\n');
  }
}
