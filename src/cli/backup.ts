/** `gatehouse backup FILE`: everything at one moment, in one encrypted file, while the house is open. */
import { unlink } from 'node:fs/promises';
import { writeArchive } from '#kit/db/archive.ts';
import { keyForBackup } from './backup-key.ts';
import { type AddCommand, commandContext, type Toolbox } from './cli.ts';

export const backupCommand: AddCommand = (program, tools) => {
  program
    .command('backup')
    .description('write everything at one moment into one encrypted file')
    .argument('<file>', 'a new file')
    .option(
      '--key-file <file>',
      'file with the key to encrypt with, - for standard input (default: backup.key in the data folder)',
    )
    .action((file: string, options: { keyFile?: string }) => backup(tools, file, options));
};

async function backup(tools: Toolbox, file: string, options: { keyFile?: string }): Promise<void> {
  const written = await tools.withHouse(async ({ database, secrets }, settings) => {
    const key = await keyForBackup(tools.io, options.keyFile, settings.data);
    const counts = await database
      .read(commandContext(), (tx) =>
        writeArchive(tx, { file, key: key.key, masterKey: secrets.fingerprint }),
      )
      .catch(async (error: unknown) => {
        // A key that opens nothing and was never shown is not kept: the next one is shown.
        if (key.made) await unlink(key.file);
        throw error;
      });
    return { ...counts, ...key, fingerprint: secrets.fingerprint, settings };
  });
  if (written.made) {
    tools.print(written.key);
    tools.note(
      `This recovery key opens the backup. It is kept in ${written.file}; keep a copy away from both.`,
    );
  }
  const size =
    written.bytes < 1e6 ? `${Math.ceil(written.bytes / 1e3)} kB` : `${(written.bytes / 1e6).toFixed(1)} MB`;
  tools.note(`${file}: ${written.rows.toLocaleString('en')} rows of ${written.tables} tables, ${size}.`);
  const place = written.settings.masterKey ? 'in the environment' : `in ${written.settings.masterKeyFile}`;
  tools.note(
    `The master key ${written.fingerprint.slice(0, 8)} (${place}) is not in it. Keep a copy of it elsewhere.`,
  );
}
