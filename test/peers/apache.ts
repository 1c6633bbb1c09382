/**
 * A real Apache for tests: its own configuration, pages and runtime files in a temporary folder, on ports of the
 * test's choice, in the foreground as a child. Needs the Debian package apache2.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const program = '/usr/sbin/apache2';
const modulesFolder = '/usr/lib/apache2/modules';
/** What every configuration here stands on. */
const foundation = ['mpm_event', 'authz_core', 'mime'];

/** Debian packages of modules that do not come with Apache itself. */
const packageOf: Record<string, string> = {
  auth_openidc: 'libapache2-mod-auth-openidc',
  auth_mellon: 'libapache2-mod-auth-mellon',
  shib: 'libapache2-mod-shib',
};

/** Why Apache with these modules cannot be used here, or undefined when it can. Pass as `skip` to a test. */
export function apacheMissing(modules: readonly string[] = []): string | undefined {
  if (!existsSync(program)) return `skipped: ${program} is not installed (Debian package apache2)`;
  for (const name of [...foundation, ...modules]) {
    if (existsSync(moduleFile(name))) continue;
    return `skipped: ${moduleFile(name)} is not installed (Debian package ${packageOf[name] ?? 'apache2-bin'})`;
  }
  return undefined;
}

export interface ApacheOptions {
  /** Where it listens, on 127.0.0.1. */
  ports: readonly number[];
  /** Names without `mod_`, beside those every configuration has. */
  modules: readonly string[];
  /** The rest of the configuration. */
  configuration: string;
  /** Files below the document root, by their path in it. */
  pages?: Readonly<Record<string, string>>;
}

export interface Apache {
  /** Everything in the error log so far. */
  log(): Promise<string>;
  /** Ends it. Calling it twice does no harm. */
  stop(): Promise<void>;
}

/** Starts it and waits until it answers on every port. Throws with Apache's own words. */
export async function startApache(options: ApacheOptions): Promise<Apache> {
  const directory = await mkdtemp(path.join(tmpdir(), 'apache-'));
  const file = (name: string) => path.join(directory, name);
  // The children of root are someone else, and read the pages as such.
  await chmod(directory, 0o755);
  await mkdir(file('pages'));
  for (const [name, text] of Object.entries(options.pages ?? {})) {
    await mkdir(path.dirname(file(`pages/${name}`)), { recursive: true });
    await writeFile(file(`pages/${name}`), text);
  }
  await writeFile(file('apache.conf'), foundationOf(directory, options) + options.configuration);
  const server = spawn(program, ['-d', directory, '-f', file('apache.conf'), '-D', 'FOREGROUND'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const end = () => void server.kill('SIGTERM');
  process.once('exit', end);
  let words = '';
  server.stderr.on('data', (data) => (words += data));
  const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()));
  const log = async () => words + (await readFile(file('error.log'), 'utf8').catch(() => ''));
  async function stop() {
    server.kill('SIGTERM');
    const patience = setTimeout(() => server.kill('SIGKILL'), 5_000);
    await ended;
    clearTimeout(patience);
    process.off('exit', end);
    await rm(directory, { recursive: true, force: true });
  }
  for (const port of options.ports) {
    for (let tries = 0; !(await answers(port)); tries++) {
      if (server.exitCode === null && tries < 400) await sleep(25);
      else {
        const said = await log();
        await stop();
        throw new Error(`Apache did not start: ${said}`);
      }
    }
  }
  return { log, stop };
}

function moduleFile(name: string): string {
  return `${modulesFolder}/mod_${name}.so`;
}

function foundationOf(directory: string, { ports, modules }: ApacheOptions): string {
  const root = process.getuid?.() === 0;
  return `${[
    `ServerRoot ${directory}`,
    `DefaultRuntimeDir ${directory}`,
    `PidFile ${directory}/apache.pid`,
    `ErrorLog ${directory}/error.log`,
    'LogLevel warn',
    'ServerName localhost',
    ...ports.map((port) => `Listen 127.0.0.1:${port}`),
    ...[...foundation, ...modules].map((name) => `LoadModule ${name}_module ${moduleFile(name)}`),
    ...(root ? ['User www-data', 'Group www-data'] : []),
    'StartServers 1',
    'MinSpareThreads 5',
    'MaxSpareThreads 50',
    'ThreadsPerChild 25',
    'TypesConfig /etc/mime.types',
    `DocumentRoot ${directory}/pages`,
    `<Directory ${directory}/pages>`,
    'Require all granted',
    '</Directory>',
  ].join('\n')}\n`;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
