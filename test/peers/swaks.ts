/** swaks, the SMTP client mail administrators try servers with, as its command. Needs the Debian package swaks. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';

/** Why swaks cannot be used here, or undefined when it can. Pass as `skip` to a test. */
export function swaksMissing(): string | undefined {
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  if (folders.some((folder) => existsSync(path.join(folder, 'swaks')))) return undefined;
  return 'skipped: swaks is not installed (Debian package swaks)';
}

export interface SwaksRun {
  /** 0 where the message was taken; 23, 24 or 26 where sender, recipient or message was refused. */
  status: number;
  transcript: string;
  /** What the server answered, oldest first, without swaks's marks. */
  answers: string[];
}

/** Runs swaks against a port of this machine. What is given is added to its arguments as it stands. */
export function swaks(port: number, args: readonly string[]): Promise<SwaksRun> {
  const all = ['--server', '127.0.0.1', '--port', String(port), '--timeout', '20', ...args];
  return new Promise((resolve, reject) => {
    execFile('swaks', all, { timeout: 60_000, encoding: 'utf8' }, (error, stdout, stderr) => {
      const code = error ? error.code : 0;
      if (typeof code !== 'number') return reject(error ?? new Error('swaks ended without a status'));
      const transcript = `${stdout}${stderr}`;
      const answers = [...transcript.matchAll(/^(?:<-|<\*\*|<~|<~\*) +(\d{3}[ -].*)$/gm)].map(
        ([, line]) => line!,
      );
      resolve({ status: code, transcript, answers });
    });
  });
}
