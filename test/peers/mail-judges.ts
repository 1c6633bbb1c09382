/** Programs of others that judge signed mail: opendkim and dkimpy. Debian packages opendkim, python3-dkim. */
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const python = '/usr/bin/python3';
const opendkim = '/usr/sbin/opendkim';

/** Why they cannot be used here, or undefined when they can. Pass as `skip` to a test. */
export function mailJudgesMissing(): string | undefined {
  if (!existsSync(opendkim)) return 'skipped: opendkim is not installed (Debian package opendkim)';
  const dkimpy = ['/usr/lib/python3/dist-packages/dkim', '/usr/lib/python3/dist-packages/dns'];
  if (!dkimpy.every((folder) => existsSync(folder)))
    return 'skipped: dkimpy is not installed (Debian packages python3-dkim, python3-dnspython)';
  return undefined;
}

export interface DkimpyVerdict {
  /** One a signature, from the top of the message. */
  dkim: { domain: string; good: boolean }[];
  arc: { status: string; sets: number; reason: string };
  text: string;
}

/** What dkimpy says, with the keys of the DNS server on this port. */
export async function dkimpyJudges(raw: Buffer, dnsPort: number): Promise<DkimpyVerdict> {
  const script = fileURLToPath(new URL('./dkimpy-judge.py', import.meta.url));
  const child = spawn(python, [script, String(dnsPort)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: 20_000,
  });
  child.stdin.end(raw);
  let text = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) text += chunk;
  const dkim = [...text.matchAll(/^dkim (\S+) (pass|fail)$/gm)].map(([, domain, verdict]) => ({
    domain: domain!,
    good: verdict === 'pass',
  }));
  const [, status = '?', sets = '0', reason = ''] = /^arc (\S+) (\d+) (.*)$/m.exec(text) ?? [];
  return { dkim, arc: { status, sets: Number(sets), reason }, text };
}

/**
 * Whether opendkim, the filter most mail servers verify with, takes the signatures of a message.
 * @param keys name of a record → its text
 */
export async function opendkimVerifies(
  raw: Buffer,
  keys: Record<string, string>,
): Promise<{ good: boolean; text: string }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'opendkim-'));
  try {
    const files = {
      keys: path.join(folder, 'keys'),
      config: path.join(folder, 'config'),
      mail: path.join(folder, 'mail'),
    };
    await writeFile(
      files.keys,
      Object.entries(keys)
        .map(([name, text]) => `${name} ${text}\n`)
        .join(''),
    );
    await writeFile(files.config, `Mode v\nTestPublicKeys ${files.keys}\nTemporaryDirectory ${folder}\n`);
    await writeFile(files.mail, raw);
    const { stdout, stderr } = await run(opendkim, ['-x', files.config, '-t', files.mail, '-vv']).catch(
      (error: { stdout: string; stderr: string }) => error,
    );
    const text = `${stdout}${stderr}`;
    return {
      good: /verification \(s=.*\) succeeded/.test(text) && !/failed|bad signature|not signed/.test(text),
      text,
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}
