/**
 * A real Postfix for tests: its own configuration, queue and log in a temporary directory, on a free loopback port. Its
 * master has to be root; everything that speaks to the network runs as the user postfix. Needs the Debian package postfix.
 */
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from '../port.ts';

const run = promisify(execFile);
const daemons = '/usr/lib/postfix/sbin';
const startMs = 30_000;

/** Why Postfix cannot be used here, or undefined when it can. Pass as `skip` to a test. */
export function postfixMissing(): string | undefined {
  for (const file of ['/usr/sbin/postfix', '/usr/sbin/postconf', `${daemons}/master`])
    if (!existsSync(file)) return `skipped: ${file} is not installed (Debian package postfix)`;
  if (process.getuid?.() !== 0) return 'skipped: the master of Postfix has to be started by root';
  return undefined;
}

export interface PostfixOptions {
  /** Lines of main.cf; what they say counts, not what a test's Postfix says otherwise. */
  main: string;
  /** Lines of master.cf, after those of every Postfix. One for `inet` takes the place of its listener. */
  master?: string;
  port?: number;
  /** Files beside main.cf, by their path from there. */
  files?: Record<string, string>;
}

export interface Queued {
  queue: string;
  id: string;
  sender: string;
  recipients: string[];
  /** Why it is still there. */
  reasons: string[];
}

export interface Postfix {
  readonly port: number;
  /** `smtp://127.0.0.1:port` */
  readonly url: string;
  /** Of its master; undefined while it is stopped. */
  readonly pid: number | undefined;
  /** Configuration is in `<directory>/etc`. */
  readonly directory: string;
  log(): Promise<string>;
  queue(): Promise<Queued[]>;
  /** Tries everything that is deferred again. */
  flush(): Promise<void>;
  /** When a line of the log fits. Throws with the log after 15 s. */
  logged(pattern: RegExp): Promise<void>;
  /** A command of Postfix with this configuration: its output. Throws with its words. */
  command(name: 'postconf' | 'postfix' | 'postmap', args: readonly string[]): Promise<string>;
  /** Ends every process of it at once, as a power cut would. */
  kill(): Promise<void>;
  /** Starts it again on the same queue. */
  start(): Promise<void>;
  /** Stops it; its files stay. */
  stop(): Promise<void>;
  /** Stops it and takes its files away. */
  close(): Promise<void>;
}

export async function startPostfix(options: PostfixOptions): Promise<Postfix> {
  const directory = await mkdtemp(path.join(tmpdir(), 'postfix-'));
  const port = options.port ?? (await freePort());
  const etc = path.join(directory, 'etc');
  await chmod(directory, 0o755);
  await configure(directory, port, options);
  let master: ReturnType<typeof spawn> | undefined;
  let words = '';

  const log = () => readFile(path.join(directory, 'log'), 'utf8').catch(() => '');
  const command: Postfix['command'] = async (name, args) => {
    try {
      const { stdout, stderr } = await run(`/usr/sbin/${name}`, ['-c', etc, ...args]);
      return stdout + stderr;
    } catch (error) {
      const { stdout, stderr } = error as { stdout?: string; stderr?: string };
      throw new Error(`${name} ${args.join(' ')}: ${stdout ?? ''}${stderr ?? ''}${await log()}`, {
        cause: error,
      });
    }
  };
  const signal = async (name: NodeJS.Signals) => {
    const running = master;
    master = undefined;
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => running.once('exit', () => resolve()));
    // Its own process group: daemons that it has started end with it.
    process.kill(-running.pid!, name);
    await ended;
  };
  const start = async () => {
    await rm(path.join(directory, 'queue/pid/master.pid'), { force: true });
    const running = spawn(`${daemons}/master`, ['-c', etc, '-d'], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.stderr!.on('data', (data) => (words += data));
    running.stdout!.on('data', (data) => (words += data));
    master = running;
    const latest = Date.now() + startMs;
    while (!(await greets(port))) {
      if (running.exitCode !== null || Date.now() > latest) {
        await signal('SIGKILL');
        throw new Error(`Postfix did not start: ${words}${await log()}`);
      }
      await sleep(25);
    }
  };
  try {
    // Makes what is missing in the queue directory, with the owners that belong there.
    await command('postfix', ['check']);
    await start();
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
  return {
    port,
    url: `smtp://127.0.0.1:${port}`,
    directory,
    get pid() {
      return master?.pid;
    },
    log,
    command,
    start,
    stop: () => signal('SIGTERM'),
    kill: () => signal('SIGKILL'),
    async queue() {
      const { stdout } = await run('/usr/sbin/postqueue', ['-c', etc, '-j']);
      return stdout.split('\n').filter(Boolean).map(readQueued);
    },
    async flush() {
      await run('/usr/sbin/postqueue', ['-c', etc, '-f']);
    },
    async logged(pattern) {
      for (let tries = 0; !pattern.test(await log()); tries++) {
        if (tries > 300) throw new Error(`${pattern} is not in the log:\n${await log()}`);
        await sleep(50);
      }
    },
    async close() {
      await signal('SIGTERM');
      await rm(directory, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function readQueued(line: string): Queued {
  const one = JSON.parse(line) as {
    queue_name: string;
    queue_id: string;
    sender: string;
    recipients: { address: string; delay_reason?: string }[];
  };
  return {
    queue: one.queue_name,
    id: one.queue_id,
    sender: one.sender,
    recipients: one.recipients.map(({ address }) => address),
    reasons: one.recipients.flatMap(({ delay_reason: reason }) => reason ?? []),
  };
}

async function configure(directory: string, port: number, options: PostfixOptions): Promise<void> {
  const etc = path.join(directory, 'etc');
  const [uid, gid] = await Promise.all(
    ['-u', '-g'].map(async (flag) => Number((await run('id', [flag, 'postfix'])).stdout)),
  );
  await Promise.all(
    ['etc', 'queue', 'data'].map((name) => mkdir(path.join(directory, name), { mode: 0o755 })),
  );
  await chown(path.join(directory, 'data'), uid!, gid!);
  const usual = `compatibility_level = 3.6
queue_directory = ${directory}/queue
data_directory = ${directory}/data
maillog_file = ${directory}/log
maillog_file_prefixes = ${directory}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = postfix.example
mydestination =
mynetworks =
local_recipient_maps =
alias_maps =
alias_database =
biff = no
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
smtp_destination_concurrency_limit = 20`;
  const isSaid = (line: string) => `\n${options.main}`.includes(`\n${line.split(' =')[0]} =`);
  const main = `${usual
    .split('\n')
    .filter((line) => !isSaid(line))
    .join('\n')}\n${options.main}\n`;
  const listener = / inet /.test(options.master ?? '') ? '' : `127.0.0.1:${port} inet n - n - - smtpd\n`;
  const master = `${listener}pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
${options.master ?? ''}
`;
  for (const [name, text] of Object.entries(options.files ?? {})) {
    await mkdir(path.dirname(path.join(etc, name)), { recursive: true });
    await writeFile(path.join(etc, name), text);
  }
  await writeFile(path.join(etc, 'main.cf'), main);
  await writeFile(path.join(etc, 'master.cf'), master);
}

/** Whether it answers with its greeting; until then a connection may wait for a process to be started. */
function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.setTimeout(3000, () => socket.destroy());
    socket.on('data', (data) => {
      resolve(data.toString().startsWith('220'));
      socket.end('QUIT\r\n');
    });
    socket.on('error', () => resolve(false));
    socket.on('close', () => resolve(false));
  });
}
