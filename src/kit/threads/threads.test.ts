import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { createLog } from '#kit/log/log.ts';
import { eventually } from '../../../test/eventually.ts';
import { build } from '../../../tools/build.ts';
import { createThreads, TaskCutOff, ThreadsBusy, type ThreadsOptions } from './threads.ts';

const work = `
  import { threadId } from 'node:worker_threads';
  let calls = 0;
  export const where = () => threadId;
  export const count = (bytes) => bytes.length;
  export const wait = (ms) => new Promise((done) => setTimeout(() => done((calls += 1)), ms));
  export const hang = () => { for (;;); };
  export const fail = () => { throw new RangeError('no good'); };
  export const die = () => process.exit(3);
`;
const module = new URL(`data:text/javascript,${encodeURIComponent(work)}`);

function open(t: { after(done: () => Promise<void>): void }, more: Partial<ThreadsOptions> = {}) {
  const log = createLog({ level: 'error', destination: { write: () => undefined } });
  const threads = createThreads({ module, log, most: 2, ...more });
  t.after(() => threads.close());
  return threads;
}

test('work is done on threads, which start with the first task and end after a rest', async (t) => {
  const threads = open(t, { restMs: 60 });
  assert.deepEqual(threads.state(), { threads: 0, tasks: 0 });
  const mine = await threads.run<number>('where', undefined);
  assert.ok(mine > 0);
  assert.equal(await threads.run('count', Buffer.from('hello')), 5);
  assert.equal(threads.state().threads, 1, 'one after the other needs one thread');
  await Promise.all([threads.run('wait', 20), threads.run('wait', 20), threads.run('wait', 20)]);
  assert.equal(threads.state().threads, 2);
  await eventually(() => threads.state().threads === 0, { what: 'the end after a rest' });
  assert.ok((await threads.run<number>('where', undefined)) > mine, 'and come back when asked');
});

test('what a function throws is told, and an unknown task too', async (t) => {
  const threads = open(t);
  await assert.rejects(threads.run('fail', undefined), /no good/);
  await assert.rejects(threads.run('nothing', undefined), /no task nothing/);
  await assert.rejects(
    threads.run('count', () => undefined),
    /could not be cloned/,
  );
  assert.equal(threads.state().tasks, 0);
});

test('more than may wait is refused at once', async (t) => {
  const threads = open(t, { most: 1, perThread: 2, mostWaiting: 3 });
  const taken = Array.from({ length: 5 }, () => threads.run('wait', 50));
  await assert.rejects(threads.run('wait', 1), ThreadsBusy);
  assert.equal((await Promise.all(taken)).length, 5);
  await threads.run('wait', 1);
});

test('a task that hangs is cut off with its thread, and what stood beside it is done once more', async (t) => {
  const threads = open(t, { most: 1, timeoutMs: 400 });
  await threads.run('wait', 1);
  const hung = assert.rejects(threads.run('hang', undefined), TaskCutOff);
  await new Promise((done) => setTimeout(done, 200));
  const beside = threads.run('count', Buffer.from('four'));
  await hung;
  assert.equal(await beside, 4);
  await assert.rejects(threads.run('die', undefined), TaskCutOff, 'not again and again');
  assert.equal(await threads.run('count', Buffer.from('on')), 2);
});

test('closing rejects what is under way and leaves no thread behind', async (t) => {
  const threads = open(t);
  const under = assert.rejects(threads.run('wait', 10_000), TaskCutOff);
  await threads.close();
  await under;
  assert.deepEqual(threads.state(), { threads: 0, tasks: 0 });
  await assert.rejects(threads.run('wait', 1), TaskCutOff);
});

test('the published package finds its threads too', async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'threads-'));
  t.after(() => rm(folder, { recursive: true }));
  build(path.dirname(fileURLToPath(import.meta.url)), path.join(folder, 'dist'));
  const built = (await import(
    pathToFileURL(path.join(folder, 'dist', 'threads.js')).href
  )) as typeof import('./threads.ts');
  const log = createLog({ level: 'error', destination: { write: () => undefined } });
  const threads = built.createThreads({ module, log });
  t.after(() => threads.close());
  assert.equal(await threads.run('count', Buffer.from('packed')), 6);
});
