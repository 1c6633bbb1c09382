/**
 * A real OpenLDAP server for tests: its own configuration and database in a temporary directory, on a free
 * loopback port, run by the current user. Needs the Debian package slapd.
 */
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const MODULES = '/usr/lib/ldap';
const SCHEMAS = '/etc/ldap/schema';

/** Why slapd cannot be used here, or undefined when it can. Pass as `skip` to a test. */
export function slapdMissing(): string | undefined {
  for (const file of [
    '/usr/sbin/slapd',
    '/usr/sbin/slapadd',
    `${MODULES}/back_mdb.so`,
    `${SCHEMAS}/inetorgperson.schema`,
  ])
    if (!existsSync(file)) return `skipped: ${file} is not installed (Debian package slapd)`;
  return undefined;
}

export interface SlapdOptions {
  /** Entries to load with slapadd before the start. */
  ldif: string;
  baseDn: string;
  /** PEM files; with them ldaps:// and StartTLS are served. */
  tls?: { certificateFile: string; keyFile: string };
  /** Lines for the database section, for example `sizelimit 100`. */
  database?: string[];
}

export interface Slapd {
  /** ldap://127.0.0.1:port */
  url: string;
  /** ldaps://127.0.0.1:port, with TLS only. */
  ldapsUrl: string;
  rootDn: string;
  rootPassword: string;
  /** Everything in the database as LDIF, by OpenLDAP's own tool. */
  slapcat(): Promise<Buffer>;
  stop(): Promise<void>;
}

/** Loads the entries and starts the server. Throws with slapd's own words when either fails. */
export async function startSlapd(options: SlapdOptions): Promise<Slapd> {
  const directory = await mkdtemp(join(tmpdir(), 'slapd-'));
  const configuration = join(directory, 'slapd.conf');
  const rootDn = `cn=root,${options.baseDn}`;
  const rootPassword = 'root-of-a-test';
  await mkdir(join(directory, 'data'));
  await writeFile(configuration, configure(directory, options, rootDn, rootPassword));
  const ldifFile = join(directory, 'entries.ldif');
  await writeFile(ldifFile, options.ldif);
  try {
    await run('/usr/sbin/slapadd', ['-q', '-f', configuration, '-l', ldifFile], { maxBuffer: 1 << 24 });
    const [port, securePort] = [await freePort(), await freePort()];
    const urls = [`ldap://127.0.0.1:${port}/`, ...(options.tls ? [`ldaps://127.0.0.1:${securePort}/`] : [])];
    const server = spawn('/usr/sbin/slapd', ['-d', '0', '-h', urls.join(' '), '-f', configuration], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let words = '';
    server.stderr.on('data', (data) => (words += data));
    const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()));
    for (let tries = 0; !(await answers(port)); tries++) {
      if (server.exitCode !== null || tries > 200) {
        server.kill('SIGKILL');
        throw new Error(`slapd did not start: ${words}`);
      }
      await sleep(25);
    }
    return {
      url: `ldap://127.0.0.1:${port}`,
      ldapsUrl: `ldaps://127.0.0.1:${securePort}`,
      rootDn,
      rootPassword,
      async slapcat() {
        const { stdout } = await run('/usr/sbin/slapcat', ['-f', configuration, '-b', options.baseDn], {
          maxBuffer: 1 << 28,
          encoding: 'buffer',
        });
        return stdout;
      },
      async stop() {
        server.kill('SIGTERM');
        const patience = setTimeout(() => server.kill('SIGKILL'), 5_000);
        await ended;
        clearTimeout(patience);
        await rm(directory, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

function configure(directory: string, options: SlapdOptions, rootDn: string, rootPassword: string): string {
  const module = (name: string) => (existsSync(`${MODULES}/${name}.so`) ? [`moduleload ${name}`] : []);
  return [
    ...['core', 'cosine', 'inetorgperson', 'nis'].map((name) => `include ${SCHEMAS}/${name}.schema`),
    `pidfile ${directory}/slapd.pid`,
    `modulepath ${MODULES}`,
    ...['back_mdb', 'ppolicy', 'pw-sha2', 'argon2'].flatMap(module),
    ...(options.tls
      ? [
          `TLSCertificateFile ${options.tls.certificateFile}`,
          `TLSCertificateKeyFile ${options.tls.keyFile}`,
          'TLSVerifyClient never',
        ]
      : []),
    'database mdb',
    'maxsize 268435456',
    `suffix "${options.baseDn}"`,
    `rootdn "${rootDn}"`,
    `rootpw ${rootPassword}`,
    `directory ${directory}/data`,
    'dbnosync',
    'overlay ppolicy',
    ...(options.database ?? []),
    '',
  ].join('\n');
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

/** Schemes slappasswd makes here: those built in, and those of modules that are installed. */
export function slappasswdSchemes(): string[][] {
  const withModule = (module: string, schemes: string[]) =>
    existsSync(`${MODULES}/${module}.so`)
      ? schemes.map((scheme) => ['-o', `module-path=${MODULES}`, '-o', `module-load=${module}`, '-h', scheme])
      : [];
  return [
    ...['{SSHA}', '{SHA}', '{SMD5}', '{MD5}'].map((scheme) => ['-h', scheme]),
    ...['%.2s', '$1$%.8s', '$5$%.16s', '$6$rounds=1000$%.16s', '$2b$04$%.22s'].map((format) => [
      '-h',
      '{CRYPT}',
      '-c',
      format,
    ]),
    ...withModule('pw-sha2', ['{SHA256}', '{SSHA256}', '{SHA384}', '{SSHA384}', '{SHA512}', '{SSHA512}']),
    ...withModule('argon2', ['{ARGON2}']),
  ];
}

/**
 * The stored forms of many passwords in one scheme, made by OpenLDAP's own tool, in order.
 * `passwords`: without line breaks. `scheme`: one of slappasswdSchemes().
 */
export async function slappasswd(passwords: readonly string[], scheme: readonly string[]): Promise<string[]> {
  const loop = 'while IFS= read -r password; do slappasswd -n "$@" -s "$password" && echo; done';
  const done = run('sh', ['-c', loop, 'sh', ...scheme], { maxBuffer: 1 << 24 });
  done.child.stdin!.end(passwords.map((password) => password + '\n').join(''));
  const stored = (await done).stdout.trimEnd().split('\n');
  if (stored.length !== passwords.length) throw new Error('slappasswd did not hash every password');
  return stored;
}
