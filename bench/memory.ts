/** Memory of the whole thing at rest: our process and every process of its database. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { houseEnvironment } from './house.ts';
import { type Bench, type Measured, rounded } from './measure.ts';
import { familyOf, memoryMiB } from './processes.ts';
import { neutralEnvironment } from './program.ts';

const goalMiB = 200;
const restSeconds = 10;
const root = path.dirname(import.meta.dirname);

async function run(): Promise<Measured> {
  if (process.platform !== 'linux') throw new Error('memory is read from /proc, which only Linux has');
  const data = await mkdtemp(path.join(tmpdir(), 'gatehouse-bench-'));
  const env = await houseEnvironment(data);
  try {
    // As at every start but the first in a checkout, which makes the database and strips types from the sources.
    await started(env, async () => undefined);
    return await started(env, measure);
  } finally {
    await rm(data, { recursive: true, force: true });
  }
}

/** Starts the program, works once it is ready, and stops it. */
async function started<T>(
  env: Record<string, string>,
  work: (origin: string, pid: number) => Promise<T>,
): Promise<T> {
  const child = spawn(path.join(root, 'gatehouse'), ['serve'], {
    env: { ...neutralEnvironment(), ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const gone = once(child, 'exit');
  try {
    const origin = `http://localhost:${env.GATEHOUSE_PORT}`;
    await untilReady(`${origin}/health/ready`);
    return await work(origin, child.pid!);
  } finally {
    child.kill('SIGTERM');
    await gone;
  }
}

async function measure(origin: string, pid: number): Promise<Measured> {
  // Somebody came by: what a page needs is loaded.
  for (let at = 0; at < 20; at += 1) await (await fetch(`${origin}/sign-in`)).text();
  await (await fetch(`${origin}/sign-in/passkey/options?for=sign-in`)).text();
  await sleep(restSeconds * 1000);
  const [program, ...database] = familyOf(pid).map(memoryMiB);
  const postgres = database.reduce((sum, mib) => sum + mib, 0);
  return {
    figures: {
      'Node.js, MiB': rounded(program!, 0),
      'PostgreSQL, MiB': rounded(postgres, 0),
      'together, MiB': rounded(program! + postgres, 0),
    },
    goalMet: program! + postgres <= goalMiB,
  };
}

async function untilReady(address: string): Promise<void> {
  for (const end = Date.now() + 60_000; Date.now() < end; await sleep(50)) {
    if (
      await fetch(address).then(
        (response) => response.ok,
        () => false,
      )
    )
      return;
  }
  throw new Error('it did not become ready');
}

export const bench: Bench = {
  name: 'memory',
  text: `Memory after a few pages and ${restSeconds} s of rest; what processes share is counted once`,
  goal: `at most ${goalMiB} MiB with the database`,
  run,
};
