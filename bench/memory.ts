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
  const child = spawn('node', [path.join(root, 'tools', 'start.mjs'), 'serve'], {
    env: { ...neutralEnvironment(), ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const gone = once(child, 'exit');
  try {
    const origin = `http://localhost:${env.GATEHOUSE_PORT}`;
    await untilReady(`${origin}/health/ready`);
    // Somebody came by: what a page needs is loaded.
    for (let at = 0; at < 20; at += 1) await (await fetch(`${origin}/sign-in`)).text();
    await sleep(restSeconds * 1000);
    // The launcher only waits; an installed service has it as well.
    const [launcher, program, ...database] = familyOf(child.pid!).map(memoryMiB);
    const own = launcher! + program!;
    const postgres = database.reduce((sum, mib) => sum + mib, 0);
    return {
      figures: {
        'Node.js, MiB': rounded(own, 0),
        'of it the launcher, MiB': rounded(launcher!, 0),
        'PostgreSQL, MiB': rounded(postgres, 0),
        'together, MiB': rounded(own + postgres, 0),
      },
      goalMet: own + postgres <= goalMiB,
    };
  } finally {
    child.kill('SIGTERM');
    await gone;
    await rm(data, { recursive: true, force: true });
  }
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
