/** The process of the embedded server: known by the file it keeps, asked to stop by signals. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EmbeddedUnavailable, type Place } from './embedded-place.ts';

export interface Server {
  pid: number;
  socket: string;
  adopted: boolean;
  child?: ChildProcess;
}

/** Lines of postmaster.pid: number, data directory, start, port, socket directory, address, memory, what it is doing. */
export function readPostmaster(
  place: Place,
): { pid: number; socket?: string; stopping: boolean } | undefined {
  try {
    const lines = readFileSync(path.join(place.data, 'postmaster.pid'), 'utf8').split('\n');
    const pid = Number(lines[0]);
    if (!Number.isInteger(pid) || pid <= 0) return undefined;
    return { pid, socket: lines[4]?.trim() || undefined, stopping: lines[7]?.trim() === 'stopping' };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new EmbeddedUnavailable(
      `${place.data} cannot be read by this account: it was made by another one. Run as that account.`,
      { cause: error },
    );
  }
}

/** Whether that process is alive and is the postmaster of this cluster. */
export function isPostmaster(pid: number, place: Place): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  if (process.platform !== 'linux') return true;
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return words.includes(place.data);
  } catch {
    return false;
  }
}

/**
 * Whether a server is here to stay. It says that it stops before it ends anybody's session, so a lock that was free
 * because its holder's session had just been ended so is seen through.
 */
export function stays(place: Place, pid: number): boolean {
  const now = readPostmaster(place);
  return now?.pid === pid && !now.stopping;
}

/** Ends a server we started and do not want. */
export async function callBack(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  // A child that holds nothing open would not keep us here until it ended.
  child.ref();
  child.kill('SIGINT');
  await ended;
}

/** The signal alone, for the last moment of a process, in which nothing can be waited for. */
export function askToStop(place: Place, server: Server): void {
  try {
    if (readPostmaster(place)?.pid === server.pid) process.kill(server.pid, 'SIGINT');
  } catch {
    // It is gone, or was never ours to reach.
  }
}

/** Asks the server to stop (open sessions are ended, what is committed is written), and makes sure it does. */
export async function stopServer(place: Place, server: Server): Promise<void> {
  const signals: [NodeJS.Signals, number][] = [
    ['SIGINT', 20_000],
    ['SIGQUIT', 5_000],
  ];
  for (const [signal, patience] of signals) {
    // The file goes last of all, and names the process even when its number was given to another one since.
    const gone = () => readPostmaster(place)?.pid !== server.pid;
    if (gone()) break;
    try {
      process.kill(server.pid, signal);
    } catch {
      break;
    }
    for (const end = Date.now() + patience; Date.now() < end && !gone(); ) await sleep(5);
    if (gone()) break;
  }
  const { child } = server;
  if (child && child.exitCode === null && child.signalCode === null) {
    // The timer is taken back, or it would keep the process here for as long as it runs.
    const timer = new AbortController();
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    await Promise.race([exited, sleep(5_000, undefined, { signal: timer.signal }).catch(() => undefined)]);
    timer.abort();
  }
}
