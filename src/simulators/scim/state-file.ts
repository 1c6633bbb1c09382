/**
 * A file that outlives the process: read at the start, written a moment after a change and at the end, always whole
 * (RFC 8259 text beside it, then renamed).
 */
import { readFileSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Log } from '#kit/log/log.ts';

export interface StateFile<State> {
  /** What the file held; undefined when there was none. */
  readonly loaded: State | undefined;
  /** Says that there is something new to keep. */
  changed(): void;
  close(): Promise<void>;
}

const soonMs = 250;
/** Writing never takes more than a twentieth of the time. */
const rest = 20;

/** Throws Error with a sentence for a file of another kind, the system's error when it cannot be read. */
export function openStateFile<State extends { of: string }>(input: {
  file: string | undefined;
  of: string;
  take: () => State;
  log: Log;
}): StateFile<State> {
  const { file, take, log } = input;
  if (file === undefined)
    return { loaded: undefined, changed: () => undefined, close: async () => undefined };
  const loaded = read<State>(file, input.of);
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();
  let dirty = false;
  let tookMs = 0;

  async function write(target: string): Promise<void> {
    dirty = false;
    const began = performance.now();
    await mkdir(path.dirname(path.resolve(target)), { recursive: true });
    const beside = `${target}.${process.pid}.new`;
    await writeFile(beside, JSON.stringify(take()), { mode: 0o600, flush: true });
    await rename(beside, target);
    tookMs = performance.now() - began;
  }
  function flush(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    writing = writing.then(async () => {
      if (dirty) await write(file as string);
    });
    return writing;
  }
  return {
    loaded,
    changed() {
      dirty = true;
      timer ??= setTimeout(
        () => {
          flush().catch((error: unknown) =>
            log.error({ err: error }, 'the simulator could not keep its state'),
          );
        },
        Math.max(soonMs, tookMs * rest),
      );
    },
    close: flush,
  };
}

function read<State extends { of: string }>(file: string, of: string): State | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  let state: State | undefined;
  try {
    state = JSON.parse(text) as State;
  } catch {
    state = undefined;
  }
  if (state?.of !== of)
    throw new Error(`${path.basename(file)} is not the state of ${of}. Name another file.`);
  return state;
}
