/** Gatehouse as an administrator runs it: a process of its own, spoken to over the network and by its command line. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from '#kit/db/database.ts';
import { freePort, testServer } from '../kit.ts';
import type { Certificates } from './certificates.ts';

const program = path.join(import.meta.dirname, '../../gatehouse');

export interface Gatehouse {
  /** Where it answers: `https://localhost:PORT`. */
  origin: string;
  /** What it has written so far. */
  output(): string;
  stop(): Promise<void>;
}

/**
 * `gatehouse apply` and `gatehouse serve` over https, on a database and a data folder of its own.
 * @param options.community text of the community file
 * @param options.certificates its own, and the authority its outbound connections believe
 */
export async function runGatehouse(options: {
  community: string;
  certificates: Certificates;
  env?: Record<string, string>;
}): Promise<Gatehouse> {
  const { connection, drop } = await (await testServer()).clone();
  const data = await mkdtemp(path.join(tmpdir(), 'gatehouse-run-'));
  const port = await freePort();
  const origin = `https://localhost:${port}`;
  const env = {
    ...surroundings(),
    DATABASE_URL: addressOf(connection),
    GATEHOUSE_DATA: data,
    GATEHOUSE_PORT: String(port),
    GATEHOUSE_PUBLIC_URL: origin,
    GATEHOUSE_TLS_CERT: options.certificates.certificateFile,
    GATEHOUSE_TLS_KEY: options.certificates.keyFile,
    GATEHOUSE_ARGON2_MEMORY_KIB: '1024',
    GATEHOUSE_ARGON2_PASSES: '1',
    GATEHOUSE_DRAIN_SECONDS: '1',
    NODE_EXTRA_CA_CERTS: options.certificates.caFile,
    ...options.env,
  };
  async function clean() {
    await drop();
    await rm(data, { recursive: true, force: true });
  }
  try {
    const applied = start(['apply', '-'], env);
    applied.process.stdin!.end(options.community);
    if ((await applied.ended) !== 0) throw new Error(`apply failed: ${applied.output()}`);
    const served = start(['serve'], env);
    const stop = async () => {
      await end(served);
      await clean();
    };
    for (let tries = 0; !(await isReady(origin)); tries++) {
      if (served.process.exitCode === null && tries < 300) await sleep(50);
      else {
        await end(served);
        throw new Error(`serve failed: ${served.output()}`);
      }
    }
    return { origin, output: served.output, stop };
  } catch (error) {
    await clean();
    throw error;
  }
}

interface Started {
  process: ChildProcess;
  ended: Promise<number | null>;
  output(): string;
}

function start(args: string[], env: Record<string, string | undefined>): Started {
  const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (output += part));
  const kill = () => void child.kill('SIGTERM');
  process.once('exit', kill);
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  void ended.then(() => process.off('exit', kill));
  return { process: child, ended, output: () => output };
}

async function end(started: Started): Promise<void> {
  started.process.kill('SIGTERM');
  const patience = setTimeout(() => started.process.kill('SIGKILL'), 10_000);
  await started.ended;
  clearTimeout(patience);
}

async function isReady(origin: string): Promise<boolean> {
  try {
    return (await fetch(`${origin}/health/ready`)).ok;
  } catch {
    return false;
  }
}

/** The environment without settings that belong to the test itself. */
function surroundings(): Record<string, string | undefined> {
  const kept = Object.entries(process.env).filter(([name]) => !/^(GATEHOUSE_|DATABASE_URL|NODE_)/.test(name));
  return Object.fromEntries(kept);
}

/** A connection the way DATABASE_URL says it; a folder as host is the server's socket. */
function addressOf(connection: Connection): string {
  if (connection.connectionString) return connection.connectionString;
  const url = new URL('postgres://localhost/');
  url.pathname = `/${connection.database}`;
  if (connection.user) url.username = connection.user;
  if (connection.password) url.password = connection.password;
  if (connection.host) url.searchParams.set('host', connection.host);
  if (connection.port) url.searchParams.set('port', String(connection.port));
  return url.href;
}
