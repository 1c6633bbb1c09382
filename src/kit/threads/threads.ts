/**
 * Owns: threads for work that would hold up everyone else: a module whose exported functions are called there. They start
 * with the first task and end after a rest. Records: nothing. Refuses: more tasks than may wait (ThreadsBusy), and a task
 * that takes too long: its thread is ended with it (TaskCutOff), and what else was on that thread is done once more.
 */
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Log } from '#kit/log/log.ts';

/** Too much is waiting; nothing was done. */
export class ThreadsBusy extends Error {
  override name = 'ThreadsBusy';
}

/** The task did not end in time, twice lost its thread, or the threads were closed. */
export class TaskCutOff extends Error {
  override name = 'TaskCutOff';
}

export interface Threads {
  /**
   * Calls the function `task` of the module with `input`; both ways it is copied as structured data. Throws ThreadsBusy,
   * TaskCutOff, or an Error with the words the function threw.
   */
  run<Answer>(task: string, input: unknown): Promise<Answer>;
  /** How many threads there are now, and how many tasks wait or are under way. */
  state(): { threads: number; tasks: number };
  /** Ends every thread and rejects what is under way. */
  close(): Promise<void>;
}

export interface ThreadsOptions {
  /** The module whose exported functions are called: `new URL('./work.ts', import.meta.url)`. */
  module: URL;
  log: Log;
  /** Most threads; as many as there are cores, at most four, unless said. */
  most?: number;
  /** Tasks under way on one thread: more than one, because they wait for answers from elsewhere too. */
  perThread?: number;
  /** Tasks that may wait for a place. */
  mostWaiting?: number;
  timeoutMs?: number;
  restMs?: number;
}

export interface Call {
  id: number;
  task: string;
  input: unknown;
}

/** The module is read: from now on time is the tasks' own. */
export interface Started {
  started: true;
}

export type Answer = { id: number; answer: unknown } | { id: number; error: string };

interface Task extends Call {
  again: boolean;
  resolve(answer: unknown): void;
  reject(error: Error): void;
  timer?: NodeJS.Timeout;
}

interface Thread {
  worker: Worker;
  tasks: Map<number, Task>;
  /** Runs until the thread has started; undefined from then on. */
  starting?: NodeJS.Timeout;
}

/** A busy machine may take long to read a module; no task is to blame for that. */
const startMs = 30_000;

export function createThreads(options: ThreadsOptions): Threads {
  const { module, log, perThread = 16, mostWaiting = 200, timeoutMs = 30_000, restMs = 30_000 } = options;
  const most = options.most ?? Math.min(4, availableParallelism());
  const threads = new Set<Thread>();
  const waiting: Task[] = [];
  let nextId = 1;
  let closed = false;
  let rest: NodeJS.Timeout | undefined;

  function open(): Thread {
    const worker = new Worker(new URL('./thread.ts', import.meta.url), {
      workerData: { module: module.href },
      // Flags of the whole process are not for threads; what they write would stand between our lines.
      execArgv: ['--disable-warning=ExperimentalWarning'],
      resourceLimits: { maxOldGenerationSizeMb: 256 },
    });
    const thread: Thread = { worker, tasks: new Map() };
    thread.starting = setTimeout(() => lose(thread, new Error('the thread did not start')), startMs);
    thread.starting.unref();
    worker.on('message', (word: Answer | Started) =>
      'started' in word ? begin(thread) : settle(thread, word),
    );
    worker.on('error', (error) => lose(thread, error));
    worker.on('exit', () => lose(thread, new Error('the thread ended')));
    worker.unref();
    threads.add(thread);
    return thread;
  }

  function begin(thread: Thread): void {
    clearTimeout(thread.starting);
    thread.starting = undefined;
    for (const task of thread.tasks.values()) time(thread, task);
  }

  function time(thread: Thread, task: Task): void {
    task.timer = setTimeout(() => lose(thread, new Error(`${task.task} took too long`), task), timeoutMs);
  }

  function settle(thread: Thread, answer: Answer): void {
    const task = thread.tasks.get(answer.id);
    if (!task) return;
    thread.tasks.delete(answer.id);
    clearTimeout(task.timer);
    if (thread.tasks.size === 0) thread.worker.unref();
    if ('error' in answer) task.reject(new Error(answer.error));
    else task.resolve(answer.answer);
    hand();
  }

  /** What was on a thread that is gone may be innocent of it: it is done once more, and then no more. */
  function lose(thread: Thread, error: Error, culprit?: Task): void {
    if (!threads.delete(thread)) return;
    clearTimeout(thread.starting);
    if (!closed)
      log.warn({ err: error, code: 'thread-lost' }, 'a worker thread ended before its work was done');
    for (const task of thread.tasks.values()) {
      clearTimeout(task.timer);
      if (task !== culprit && !task.again && !closed) waiting.unshift(Object.assign(task, { again: true }));
      else task.reject(new TaskCutOff(`the task ${task.task} was cut off`, { cause: error }));
    }
    thread.tasks.clear();
    void thread.worker.terminate();
    hand();
  }

  function give(thread: Thread, task: Task): void {
    const { id, input } = task;
    thread.tasks.set(id, task);
    thread.worker.ref();
    if (!thread.starting) time(thread, task);
    try {
      thread.worker.postMessage({ id, task: task.task, input } satisfies Call);
    } catch (error) {
      thread.tasks.delete(id);
      clearTimeout(task.timer);
      task.reject(error as Error);
    }
  }

  function hand(): void {
    clearTimeout(rest);
    if (closed) return;
    while (waiting.length > 0) {
      const idlest = [...threads].sort((a, b) => a.tasks.size - b.tasks.size)[0];
      const free = idlest && (idlest.tasks.size === 0 || threads.size >= most) ? idlest : undefined;
      const thread = free ?? (threads.size < most ? open() : undefined);
      if (!thread || thread.tasks.size >= perThread) return;
      give(thread, waiting.shift()!);
    }
    if ([...threads].some((thread) => thread.tasks.size > 0)) return;
    rest = setTimeout(() => void endAll(), restMs);
    rest.unref();
  }

  async function endAll(): Promise<void> {
    const all = [...threads];
    threads.clear();
    await Promise.all(all.map((thread) => thread.worker.terminate()));
  }

  return {
    run(task, input) {
      if (closed) return Promise.reject(new TaskCutOff('the threads are closed'));
      if (waiting.length >= mostWaiting)
        return Promise.reject(new ThreadsBusy('too much is waiting for a thread'));
      const { promise, resolve, reject } = Promise.withResolvers<unknown>();
      waiting.push({ id: nextId++, task, input, again: false, resolve, reject });
      hand();
      return promise as Promise<never>;
    },
    state: () => ({
      threads: threads.size,
      tasks: waiting.length + [...threads].reduce((sum, thread) => sum + thread.tasks.size, 0),
    }),
    async close() {
      closed = true;
      clearTimeout(rest);
      for (const task of waiting.splice(0)) task.reject(new TaskCutOff('the threads were closed'));
      const ended = [...threads].map((thread) => once(thread.worker, 'exit'));
      for (const thread of [...threads]) lose(thread, new Error('closed'));
      await Promise.all(ended);
    },
  };
}
