/**
 * OpenDMARC as a milter on a free loopback port: unless told otherwise it refuses nothing and says in a header what it found, with the records of
 * a DNS server of the test. Needs the Debian packages opendmarc, publicsuffix and libresolv-wrapper.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from '../port.ts';
import { type Milter, startMilter } from './milter.ts';

const program = '/usr/sbin/opendmarc';
const suffixes = '/usr/share/publicsuffix/public_suffix_list.dat';
const wrappers = ['x86_64-linux-gnu/', 'aarch64-linux-gnu/', ''].map(
  (folder) => `/usr/lib/${folder}libresolv_wrapper.so`,
);

/** Why it cannot be used here, or undefined when it can. Pass as `skip` to a test. */
export function opendmarcMissing(): string | undefined {
  if (!existsSync(program)) return `skipped: ${program} is not installed (Debian package opendmarc)`;
  if (!existsSync(suffixes)) return `skipped: ${suffixes} is not installed (Debian package publicsuffix)`;
  if (!wrappers.some((file) => existsSync(file)))
    return 'skipped: libresolv_wrapper.so is not installed (Debian package libresolv-wrapper)';
  if (process.getuid?.() !== 0) return 'skipped: OpenDMARC asks on port 53 alone, which only root may open';
  return undefined;
}

/**
 * It judges SPF itself and believes what `authservId` says of DKIM, as long as no milter before it lets strangers say it.
 * @param options.nameServer address of a DNS server on port 53: OpenDMARC has no setting for one, so its resolver is given
 *   another resolv.conf
 */
export async function startOpendmarc(options: { authservId: string; nameServer: string }): Promise<Milter> {
  const folder = await mkdtemp(path.join(tmpdir(), 'opendmarc-'));
  const port = await freePort();
  const at = (name: string) => path.join(folder, name);
  await writeFile(at('resolv.conf'), `nameserver ${options.nameServer}\n`);
  // Without it this machine itself is never judged.
  await writeFile(at('ignored'), '240.0.0.1\n');
  // .test is a suffix for us and everybody, and stands in no list.
  await writeFile(at('suffixes'), `${await readFile(suffixes, 'utf8')}\ntest\n`);
  await writeFile(
    at('config'),
    `AuthservID ${options.authservId}
TrustedAuthservIDs ${options.authservId}
Socket inet:${port}@127.0.0.1
IgnoreHosts ${at('ignored')}
PublicSuffixList ${at('suffixes')}
SPFIgnoreResults true
SPFSelfValidate true
Background false
Syslog false
`,
  );
  const env = {
    LD_PRELOAD: wrappers.find((file) => existsSync(file))!,
    RESOLV_WRAPPER_CONF: at('resolv.conf'),
  };
  return startMilter({ program, args: ['-f', '-c', at('config')], port, folder, env });
}
