import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { nodeFlags } from '../bin/launch.mjs';

const root = path.dirname(import.meta.dirname);

/** Says what it is, then does what its first word says. */
const program = `
if (process.argv[2] === 'stay') {
  process.on('SIGTERM', () => { console.log('"told to stop"'); process.exit(0); });
  setInterval(() => {}, 1000);
}
console.log(JSON.stringify({
  pid: process.pid, words: process.argv.slice(2), flags: process.execArgv, node: process.execPath,
  folder: process.cwd(), compiled: process.env.NODE_COMPILE_CACHE,
  threads: process.env.UV_THREADPOOL_SIZE,
}));
if (process.argv[2] === 'refuse') process.exit(3);
if (process.argv[2] === 'die') process.kill(process.pid, 'SIGKILL');
`;

/** The package as installed somewhere with an awkward name, with a program in place of ours. */
function installed(t: TestContext, { withNode = true } = {}): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), "gatehouse o'launch "));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(path.join(root, 'bin'), path.join(folder, 'package', 'bin'), { recursive: true });
  mkdirSync(path.join(folder, 'package', 'dist', 'cli'), { recursive: true });
  writeFileSync(path.join(folder, 'package', 'package.json'), '{ "type": "module" }');
  writeFileSync(path.join(folder, 'package', 'dist', 'cli', 'gatehouse.js'), program);
  if (withNode) {
    const home = path.join(folder, 'package', 'node_modules', 'node');
    mkdirSync(path.join(home, 'bin'), { recursive: true });
    writeFileSync(path.join(home, 'package.json'), '{ "name": "node" }');
    symlinkSync(process.execPath, path.join(home, 'bin', 'node'));
  }
  symlinkSync(path.join('package', 'bin', 'gatehouse'), path.join(folder, 'linked'));
  return folder;
}

interface Ran {
  child: ChildProcess;
  output: string;
  errors: string;
  code: number | null;
  signal: NodeJS.Signals | null;
}

async function run(
  folder: string,
  words: string[],
  options: { env?: Record<string, string>; atFirstLine?: (child: ChildProcess) => void } = {},
): Promise<Ran> {
  const { NODE_COMPILE_CACHE: _kept, UV_THREADPOOL_SIZE: _too, ...environment } = process.env;
  const child = spawn(path.join(folder, 'linked'), words, {
    cwd: os.tmpdir(),
    env: { ...environment, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  child.stdout.on('data', (data) => {
    if (output === '') options.atFirstLine?.(child);
    output += data;
  });
  child.stderr.on('data', (data) => {
    errors += data;
  });
  const [code, signal] = await once(child, 'close');
  return { child, output, errors, code, signal };
}

const firstLine = ({ output }: Ran) => JSON.parse(output.split('\n')[0] ?? '');

test('the command becomes the program: no process stays behind, words and folder are as given', async (t) => {
  const folder = installed(t);
  const words = ['people', 'a b', "it's", '"$HOME"', '`id`', '', '*', 'two\nlines', '--say'];
  const ran = await run(folder, words);
  assert.equal(ran.errors, '');
  assert.equal(ran.code, 0);
  const said = firstLine(ran);
  assert.equal(said.pid, ran.child.pid);
  assert.deepEqual(said.words, words);
  assert.deepEqual(said.flags, nodeFlags);
  assert.equal(said.folder, os.tmpdir());
  assert.equal(said.compiled, path.join(folder, 'package', 'node_modules', '.cache', 'compiled'));
  assert.ok(Number(said.threads) >= 4 && Number(said.threads) >= os.availableParallelism() + 2);
  const given = path.join(folder, 'kept');
  const elsewhere = await run(folder, [], { env: { NODE_COMPILE_CACHE: given, UV_THREADPOOL_SIZE: '3' } });
  const { compiled, threads } = firstLine(elsewhere);
  assert.deepEqual([compiled, threads], [given, '3']);
});

test('how the program ends is how the command ends, and signals reach it', async (t) => {
  const folder = installed(t);
  assert.equal((await run(folder, ['refuse'])).code, 3);
  assert.equal((await run(folder, ['die'])).signal, 'SIGKILL');
  const stopped = await run(folder, ['stay'], { atFirstLine: (child) => child.kill('SIGTERM') });
  assert.deepEqual([stopped.code, stopped.signal], [0, null]);
  assert.match(stopped.output, /told to stop/);
});

test('without a Node to run on the command says what to do', async (t) => {
  const folder = installed(t, { withNode: false });
  const bare = path.join(folder, 'path');
  mkdirSync(bare);
  for (const name of ['sh', 'dirname', 'readlink']) symlinkSync(`/usr/bin/${name}`, path.join(bare, name));
  const none = await run(folder, ['serve'], { env: { PATH: bare } });
  assert.deepEqual([none.code, none.output], [1, '']);
  assert.match(none.errors, /needs Node\.js 20 or newer/);

  // A Node that is there, and too old for us.
  writeFileSync(
    path.join(bare, 'node'),
    `#!/bin/sh\nexec "${process.execPath}" --import "${path.join(folder, 'old.mjs')}" "$@"\n`,
    { mode: 0o755 },
  );
  const pretend = (version: string) =>
    writeFileSync(
      path.join(folder, 'old.mjs'),
      `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } });`,
    );
  pretend('20.19.0');
  const missing = await run(folder, ['serve'], { env: { PATH: bare } });
  assert.deepEqual([missing.code, missing.output], [1, '']);
  assert.match(missing.errors, /The Node\.js 24 that Gatehouse brings along is missing/);
  pretend('18.20.0');
  const old = await run(folder, ['serve'], { env: { PATH: bare } });
  assert.deepEqual([old.code, old.output], [1, '']);
  assert.match(old.errors, /this is 18\.20\.0/);
});
