/**
 * The step before everything in a checkout: installs what is missing, then runs the wanted program on the project's
 * own Node. Plain JavaScript without dependencies, for whatever Node (20 or newer) is there.
 *
 *   node tools/start.mjs --say         how the script bin/gatehouse becomes src/cli/gatehouse.ts
 *   node tools/start.mjs demo …        src/cli/gatehouse.ts demo …
 *   node tools/start.mjs --test …      tools/test.ts …
 *   node tools/start.mjs --assure ID   tools/test.ts --assure ID
 *   node tools/start.mjs --bench NAME  bench/bench.ts NAME
 *   node tools/start.mjs --build       tools/build.ts
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { findNode, requireNode, run, shellCommand } from '../bin/launch.mjs';
import { isConsoleBuilt } from './console-stamp.mjs';

requireNode();
const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const modules = path.join(root, 'node_modules');
const stampFile = path.join(modules, '.gatehouse-stamp');

const [first, ...rest] = process.argv.slice(2);
const programs = {
  '--say': ['src/cli/gatehouse.ts'],
  '--test': ['tools/test.ts'],
  '--assure': ['tools/test.ts', '--assure'],
  '--bench': ['bench/bench.ts'],
  '--build': ['tools/build.ts'],
};
const program = Object.hasOwn(programs, String(first)) ? programs[first] : undefined;
const [file, ...before] = program ?? ['src/cli/gatehouse.ts'];
const words = [path.join(root, file), ...before, ...(program ? rest : process.argv.slice(2))];

const lock = readFileSync(path.join(root, 'package-lock.json'));
const stamp = createHash('sha256').update(lock).digest('hex');
if (!isInstalled()) await install();
const node = findNode(root) ?? (await installNode());
await buildConsole();
if (first === '--say') process.stdout.write(shellCommand(node, words));
else run(node, words);

/** Whether node_modules is what package-lock.json asks for. */
function isInstalled() {
  if (existsSync(stampFile)) return readFileSync(stampFile, 'utf8').trim() === stamp;
  // Installed by hand: npm's own record tells whether it is the same set.
  const record = path.join(modules, '.package-lock.json');
  if (!existsSync(record)) return false;
  const there = JSON.parse(readFileSync(record, 'utf8')).packages ?? {};
  const wanted = JSON.parse(lock.toString('utf8')).packages ?? {};
  for (const [name, { version, optional }] of Object.entries(wanted)) {
    if (name !== '' && !optional && there[name]?.version !== version) return false;
  }
  writeFileSync(stampFile, `${stamp}\n`);
  return true;
}

async function install() {
  const options = ['--no-audit', '--no-fund', '--loglevel=error'];
  const clean = await npm('Installing packages (the first time only)', ['ci', ...options], root);
  // A lock file written where some platform's optional packages could not be seen is refused by `npm ci`, while
  // `npm install` takes the same versions from it. The checkout stays as it is.
  const done =
    clean.code === 0
      ? clean
      : await npm('Still installing packages', ['install', '--no-save', ...options], root);
  if (done.code !== 0) {
    process.stderr.write(
      `${done.output.trim()}\n\nThe packages could not be installed; npm says why above.\n`,
    );
    process.exit(1);
  }
  writeFileSync(stampFile, `${stamp}\n`);
}

/** With install scripts off the package `node` is an empty shell; this runs what its script would have. */
async function installNode() {
  const home = path.join(modules, 'node');
  const script = path.join(home, 'installArchSpecificPackage.js');
  if (existsSync(script)) {
    const { output } = await command('Fetching Node.js 24', process.execPath, [script], home);
    const found = findNode(root);
    if (found) return found;
    process.stderr.write(`${output.trim()}\n\n`);
  }
  process.stderr.write(
    'Node.js 24 could not be fetched. Run "npm rebuild node" here, or start with Node.js 24 or newer.\n',
  );
  process.exit(1);
}

/** The console for the browser, when its sources changed. Without its build tools the pages say that it is missing. */
async function buildConsole() {
  if (first === '--build' || isConsoleBuilt(root) || !existsSync(path.join(modules, 'vite'))) return;
  const { code, output } = await command(
    'Building the console',
    node,
    ['--disable-warning=ExperimentalWarning', path.join(root, 'tools', 'console.ts')],
    root,
  );
  if (code !== 0)
    process.stderr.write(`${output.trim()}\n\nThe console could not be built; the rest works.\n`);
}

function npm(title, npmArgs, cwd) {
  const own = process.env.npm_execpath;
  if (own && /npm-cli\.c?js$/.test(own)) return command(title, process.execPath, [own, ...npmArgs], cwd);
  return command(title, 'npm', npmArgs, cwd);
}

/** Runs a quiet command under one moving line; its output is kept for the case that it fails. */
function command(title, executable, commandArgs, cwd) {
  const began = Date.now();
  const line = () => `${title} … ${Math.round((Date.now() - began) / 1000)} s`;
  const terminal = process.stderr.isTTY;
  if (!terminal) process.stderr.write(`${title} …\n`);
  const timer = terminal && setInterval(() => process.stderr.write(`\r${line()} `), 500);
  return new Promise((resolve) => {
    let output = '';
    const child = spawn(executable, commandArgs, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    const end = (code) => {
      clearInterval(timer);
      if (terminal) process.stderr.write(`\r${line()}\n`);
      resolve({ code, output });
    };
    child.stdout.on('data', (data) => {
      output += data;
    });
    child.stderr.on('data', (data) => {
      output += data;
    });
    child.on('error', (error) => {
      output += error.message;
      end(1);
    });
    child.on('close', end);
  });
}
