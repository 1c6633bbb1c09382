/** A milter of Debian's as a process of the test's own, on a loopback port, until it is stopped. */
import { spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Milter {
  /** As Postfix names it: `inet:127.0.0.1:port`. */
  milter: string;
  pid: number;
  stop(): Promise<void>;
}

/**
 * Starts it and answers when it listens; throws with what it said when it does not.
 * @param input.folder what it needs; removed when it is stopped
 * @param input.env beside the environment of the test
 */
export async function startMilter(input: {
  program: string;
  args: readonly string[];
  port: number;
  folder: string;
  env?: Record<string, string>;
}): Promise<Milter> {
  const { program, args, port, folder, env } = input;
  const running = spawn(program, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env },
  });
  let words = '';
  running.stderr.on('data', (data) => (words += data));
  const ended = new Promise<void>((resolve) => running.once('exit', () => resolve()));
  const stop = async () => {
    running.kill('SIGTERM');
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  for (let tries = 0; !(await answers(port)); tries++) {
    if (running.exitCode !== null || tries > 400) {
      await stop();
      throw new Error(`${path.basename(program)} did not start: ${words}`);
    }
    await sleep(25);
  }
  return { milter: `inet:127.0.0.1:${port}`, pid: running.pid!, stop };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
