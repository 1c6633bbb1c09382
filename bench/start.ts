/** From the command to a page that answers, with the embedded database: the very first start, and every later one. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts } from '#test/port.ts';
import { houseEnvironment } from './house.ts';
import { type Bench, type Measured, median, rounded } from './measure.ts';
import { neutralEnvironment } from './program.ts';

const goalMs = 2000;
const laterStarts = 5;
const root = path.dirname(import.meta.dirname);

async function run(): Promise<Measured> {
  const served = await measureStarts('serve', laterStarts);
  const demo = await measureStarts('demo', 2);
  const slowest = Math.max(...served.later, ...demo.later);
  return {
    figures: {
      'serve, first start in an empty folder, s': rounded(served.first / 1000),
      'serve, later starts, median s': rounded(median(served.later) / 1000),
      'demo, first start in an empty folder, s': rounded(demo.first / 1000),
      'demo, second start, s': rounded(demo.later[0]! / 1000),
      'slowest later start, s': rounded(slowest / 1000),
    },
    goalMet: slowest <= goalMs,
  };
}

/** Milliseconds from the command until /health/ready says yes, each time stopped again in between. */
async function measureStarts(
  command: 'serve' | 'demo',
  later: number,
): Promise<{ first: number; later: number[] }> {
  const data = await mkdtemp(path.join(tmpdir(), 'gatehouse-bench-'));
  // The demo listens on the three ports after its own.
  const env = { ...(await houseEnvironment(data)), GATEHOUSE_PORT: String(await freePorts(4)) };
  try {
    const times: number[] = [];
    for (let at = 0; at <= later; at += 1) times.push(await startOnce(command, env));
    return { first: times[0]!, later: times.slice(1) };
  } finally {
    await rm(data, { recursive: true, force: true });
  }
}

async function startOnce(command: string, env: Record<string, string>): Promise<number> {
  const began = performance.now();
  const child = spawn(path.join(root, 'gatehouse'), [command], {
    env: { ...neutralEnvironment(), ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const gone = once(child, 'exit');
  try {
    const address = `http://localhost:${env.GATEHOUSE_PORT}/health/ready`;
    for (;;) {
      const ready = await fetch(address).then(
        (response) => response.ok,
        () => false,
      );
      if (ready) return performance.now() - began;
      if (child.exitCode !== null) throw new Error(`${command} ended with ${child.exitCode}`);
      if (performance.now() - began > 60_000) throw new Error(`${command} did not become ready`);
      await sleep(10);
    }
  } finally {
    child.kill('SIGTERM');
    await gone;
  }
}

export const bench: Bench = {
  name: 'start',
  text: 'From the command to ready, database included',
  goal: `every start after the first within ${goalMs / 1000} s`,
  run,
};
