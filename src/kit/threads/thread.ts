/** What runs on a thread: calls the functions of one module, as they are asked for, and posts what they answer. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Answer, Call, Started } from './threads.ts';

const { module } = workerData as { module: string };
const port = parentPort!;
const loaded = import(module) as Promise<Record<string, unknown>>;
// A module that cannot be read is told to each who asks.
void loaded.catch(() => undefined).then(() => port.postMessage({ started: true } satisfies Started));

port.on('message', async ({ id, task, input }: Call) => {
  let answer: Answer;
  try {
    const work = (await loaded)[task];
    if (typeof work !== 'function') throw new Error(`there is no task ${task}`);
    answer = { id, answer: await work(input) };
  } catch (error) {
    answer = { id, error: error instanceof Error ? error.message : String(error) };
  }
  port.postMessage(answer);
});
