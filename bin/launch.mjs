/**
 * Finds the Node that Gatehouse runs on, and runs a program with it or says how. Plain JavaScript without dependencies:
 * this must work on the Node that happens to be there.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const oldestNode = 20;
const wantedNode = 24;
const here = path.dirname(fileURLToPath(import.meta.url));

/** Ends the program with a clear sentence on a Node that is too old to go on with. */
export function requireNode() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major >= oldestNode) return;
  process.stderr.write(
    `Gatehouse needs Node.js ${oldestNode} or newer to start; this is ${process.versions.node}. Get one from your system's packages or nodejs.org.\n`,
  );
  process.exit(1);
}

/** The programs that the npm package `node` may have put there, best first. */
function candidates(root) {
  const require = createRequire(path.join(root, 'package.json'));
  const prefix = process.platform === 'darwin' && process.arch === 'arm64' ? 'node-bin' : 'node';
  const platformPackage = `${prefix}-${process.platform}-${process.arch}`;
  const found = [];
  try {
    const home = path.dirname(require.resolve('node/package.json'));
    found.push(path.join(home, 'bin', 'node'));
    found.push(path.join(home, 'node_modules', platformPackage, 'bin', 'node'));
    found.push(path.join(path.dirname(home), platformPackage, 'bin', 'node'));
  } catch {
    // Not installed: the Node that runs this may do.
  }
  return found;
}

/** Path of the Node to run on: the package's own, else the present one when it is new enough, else undefined. */
export function findNode(root) {
  const own = candidates(root).find((file) => existsSync(file));
  if (own) return own;
  return Number(process.versions.node.split('.')[0]) >= wantedNode ? process.execPath : undefined;
}

/**
 * How every program of ours runs. The young part of the heap stays small: by default it grows while code is loaded and
 * keeps 30 MB for good, and answers are not given any faster for it.
 */
export const nodeFlags = [
  '--disable-warning=ExperimentalWarning',
  '--max-semi-space-size=4',
  // What starting leaves behind is given back once (src/cli/serve.ts).
  '--expose-gc',
];

const environment = {
  // Compiled code is kept: it halves the start. A folder that cannot be written is simply not used.
  NODE_COMPILE_CACHE: path.join(here, '..', 'node_modules', '.cache', 'compiled'),
  // By itself Node.js has four threads for passwords, host names and files together, however many cores there are. Here as
  // many passwords as cores are hashed at once, and nobody's host name waits for them.
  UV_THREADPOOL_SIZE: String(Math.max(4, cores() + 2)),
  ...process.env,
};

/**
 * The lines with which a shell becomes this program, handing on the words it was given itself: nobody stays behind who
 * only waits, which costs 44 MB, and every signal goes to the program. Node.js itself can do that from 22.15 on alone.
 */
export function shellCommand(node, args) {
  const words = [node, ...nodeFlags, ...args].map(quoted).join(' ');
  const { NODE_COMPILE_CACHE: compiled, UV_THREADPOOL_SIZE: threads } = environment;
  return `export NODE_COMPILE_CACHE=${quoted(compiled)} UV_THREADPOOL_SIZE=${quoted(threads)}\nexec ${words} "$@"\n`;
}

/** A Node that is too old to run on is still told so. */
function cores() {
  return os.availableParallelism ? os.availableParallelism() : os.cpus().length;
}

function quoted(word) {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** Runs a program with the same terminal, folder and environment, and waits; ends as it ends. */
export function run(node, args) {
  const leash = path.join(here, 'leash.mjs');
  const child = spawn(node, [...nodeFlags, '--import', leash, ...args], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: environment,
  });
  child.on('error', (error) => {
    process.stderr.write(`${node} could not be started: ${error.message}\n`);
    process.exit(1);
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      // A Ctrl-C reaches the whole terminal group, the program included; passing it on would make it two.
      const alreadyThere = signal === 'SIGINT' && process.stdin.isTTY;
      if (!alreadyThere) child.kill(signal);
    });
  }
  child.on('exit', (code, signal) => {
    const numbers = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };
    process.exit(signal ? 128 + (numbers[signal] ?? 1) : (code ?? 1));
  });
}
