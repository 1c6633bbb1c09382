/**
 * Runs everything that must hold: types, lint, tidiness, and every test. Ends with one line of counts.
 *
 *   npm test                     all of it
 *   npm test -- kit/db oidc      only test files whose path contains one of these
 *   npm test -- --at-once 6      so many test files at a time, where it is not one more than there are processors
 *   npm test -- --database src   only test files that reach a database, by what they import
 *   npm run assure -- AU-02      only tests whose title names this check; fails when there is none
 *
 * GATEHOUSE_TEST_DATABASE_URL runs the tests on that PostgreSQL (15 or newer) instead of the embedded one.
 */
import { spawn } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { run } from 'node:test';
import { fileURLToPath } from 'node:url';
import { inspect, parseArgs } from 'node:util';
import { joinTestServer, type TestServer } from '../test/server.ts';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
/** Test files at a time: some wait while others compute, and more would run into each other. */
const usualAtOnce = Math.max(3, availableParallelism() + 1);
/** Files that wait for others more than they compute: one of them after the other runs beside the rest. */
const waiting = [
  'test/faults/bad-targets.test.ts',
  'test/conformance/relay-postfix.test.ts',
  'test/conformance/relay-opendmarc.test.ts',
  'test/faults/import-waits.test.ts',
  'test/faults/import-killed.test.ts',
  'test/faults/worker-killed.test.ts',
  'test/faults/relay-killed.test.ts',
  'test/faults/mail-killed.test.ts',
];
/** The longest begin first, so that nothing runs alone at the end. */
const longest = [
  'test/flows/pages-console.test.ts',
  'test/flows/pages.test.ts',
  'test/flows/pages-use.test.ts',
  'src/consoles/admin/console-',
  'test/conformance/equal-work.test.ts',
  'test/conformance/address-cross.test.ts',
  'src/cli/cli.test.ts',
  'test/faults/',
  'src/kit/db/embedded.test.ts',
  'src/sources/ldap/ldap.test.ts',
];
/** Far more than any file takes where nothing else runs: what hangs is ended, what a busy machine holds up is not. */
const longestFileMs = 1_200_000;
/** The whole size of a check may take longer than the one for every day. */
const longestCheckMs = 2_700_000;

interface Tally {
  passed: number;
  /** What is said of each, told again at the end: the end is what a long log keeps. */
  failed: string[];
  skipped: { title: string; reason: string }[];
}

const say = (line: string) => void process.stdout.write(`${line}\n`);

/** The checks that are programs of their own. */
const steps: { title: string; program: string; args: string[]; needs?: string }[] = [
  { title: 'types', program: 'node_modules/.bin/tsc', args: ['-p', 'tsconfig.json'] },
  {
    title: 'types of the console',
    program: 'node_modules/.bin/tsc',
    args: ['-p', 'src/consoles/admin/web/tsconfig.json'],
  },
  { title: 'lint and format', program: 'node_modules/.bin/biome', args: ['check', '.'] },
  { title: 'tidiness', program: process.execPath, args: ['tools/tidy.ts'], needs: 'tools/tidy.ts' },
];

/** One after the other: the first tests run beside them. */
async function runSteps(tally: Tally): Promise<void> {
  for (const { title, program, args, needs } of steps) {
    if (needs && !existsSync(path.join(root, needs))) {
      tally.skipped.push({ title, reason: `there is no ${needs}` });
      continue;
    }
    const began = Date.now();
    const { code, output } = await runProgram(program, args);
    if (code === 0) {
      tally.passed++;
      say(`✔ ${title} (${seconds(began)} s)`);
    } else {
      const told = `✖ ${title} (${seconds(began)} s)\n${output.trim()}\n`;
      tally.failed.push(told);
      say(told);
    }
  }
}

function runProgram(program: string, args: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (data) => {
      output += data;
    });
    child.stderr.on('data', (data) => {
      output += data;
    });
    child.on('error', (error) => resolve({ code: 1, output: String(error) }));
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

interface Wanted {
  /** Parts of paths; none for all files. */
  only: string[];
  check?: string;
  /** Only what reaches a database. */
  database: boolean;
}

function testFiles({ only, check, database }: Wanted): string[] {
  const all = ['src', 'test', 'tools', 'bench'].flatMap((folder) =>
    globSync(`${folder}/**/*.test.ts`, { cwd: root }),
  );
  const wanted = all
    .sort((one, other) => rankOf(one) - rankOf(other) || (one < other ? -1 : 1))
    .filter((file) => only.length === 0 || only.some((part) => file.includes(part)))
    .map((file) => path.join(root, file))
    // A test that names a check has the name somewhere in its file.
    .filter((file) => check === undefined || readFileSync(file, 'utf8').includes(check))
    .filter((file) => !database || reaches(file, 'test/server.ts'));
  return spread(wanted);
}

/**
 * A browser keeps a processor busy, other tests mostly wait: those with a browser are spread over the others, so that
 * the machine is neither short of processors at first nor idle later. The two longest of them begin at once.
 */
function spread(files: readonly string[]): string[] {
  const looking = files.filter((file) => reaches(file, 'test/browser.ts'));
  const others = files.filter((file) => !looking.includes(file));
  const result: string[] = [];
  const apart = others.length / Math.max(1, looking.length - 1);
  for (const [at, file] of looking.entries())
    result.push(file, ...others.slice(Math.round((at - 1) * apart), Math.round(at * apart)));
  return [...new Set([...result, ...others])];
}

/** Whether a test file is brought to this one by what it imports of its own folder and of the tests'. */
function reaches(file: string, wanted: string, seen = new Set<string>()): boolean {
  if (seen.has(file) || !existsSync(file)) return false;
  seen.add(file);
  if (path.relative(root, file) === wanted) return true;
  const imports = readFileSync(file, 'utf8').matchAll(
    /(?:from |import |import\()'(\.{1,2}\/|#test\/)([^']+)'/g,
  );
  for (const [, start, rest] of imports) {
    const folder = start === '#test/' ? path.join(root, 'test') : path.join(path.dirname(file), start!);
    if (reaches(path.join(folder, rest!), wanted, seen)) return true;
  }
  return false;
}

function rankOf(file: string): number {
  const rank = longest.findIndex((start) => file.startsWith(start));
  return rank < 0 ? longest.length : rank;
}

/** Runs test files, each in a process of its own, and tells of each file once it is done. */
async function runTests(
  files: string[],
  check: string | undefined,
  atOnce: number,
  tally: Tally,
): Promise<void> {
  if (files.length === 0) return;
  const perFile = new Map<string, { passed: number; failed: number }>();
  const stream = run({
    files,
    concurrency: atOnce,
    isolation: 'process',
    timeout: check ? longestCheckMs : longestFileMs,
    execArgv: ['--disable-warning=ExperimentalWarning'],
    ...(check ? { testNamePatterns: [new RegExp(`(?<![\\w-])${check}(?![\\w-])`)] } : {}),
  });
  const of = (file: string | undefined) => {
    const key = file ?? '';
    const found = perFile.get(key) ?? { passed: 0, failed: 0 };
    perFile.set(key, found);
    return found;
  };
  stream.on('test:pass', ({ name, file, skip, todo, details }) => {
    // A suite is its tests, unless it was skipped whole; a file that reports itself had no test that was wanted.
    if ((details.type === 'suite' && skip === undefined) || isFile(name, files)) return;
    if (skip !== undefined || todo !== undefined) {
      const reason = [skip, todo].find((why) => typeof why === 'string' && why !== '');
      tally.skipped.push({ title: name, reason: String(reason ?? 'no reason given') });
    } else {
      tally.passed++;
      of(file).passed++;
    }
  });
  stream.on('test:fail', ({ name, file, details, line }) => {
    const { error } = details;
    const cause = error.cause as unknown;
    // A suite, or a test with sub-tests, fails again after the one inside that did.
    if ((error as { failureType?: string }).failureType === 'subtestsFailed') return;
    of(file).failed++;
    const where = file ? `${path.relative(root, file)}${line ? `:${line}` : ''}` : '';
    const title = `✖ ${isFile(name, files) ? path.relative(root, name) : name} (${where})`;
    const told = `${title}\n${inspect(cause ?? error, { depth: 4 }).replace(/^/gm, '    ')}\n`;
    tally.failed.push(told);
    say(told);
  });
  // Who runs one check wants to see its size, seed and figures; what the runner counts itself is told below.
  stream.on('test:diagnostic', ({ message, file }) => {
    if (check && file) say(`  ${message}`);
  });
  stream.on('test:stderr', ({ message }) => void process.stderr.write(message));
  stream.on('test:summary', ({ file, duration_ms }) => {
    if (!file) return;
    const { passed, failed } = of(file);
    if (passed + failed > 0) {
      say(
        `${failed ? '✖' : '✔'} ${path.relative(root, file)}: ${passed} passed (${(duration_ms / 1000).toFixed(1)} s)`,
      );
    }
  });
  for await (const _ of stream);
}

function isFile(name: string, files: string[]): boolean {
  return files.includes(path.resolve(root, name));
}

function seconds(began: number): string {
  return ((Date.now() - began) / 1000).toFixed(1);
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: {
      assure: { type: 'boolean', default: false },
      database: { type: 'boolean', default: false },
      'at-once': { type: 'string' },
    },
    allowPositionals: true,
  });
  const check = values.assure ? (positionals.shift() ?? '') : undefined;
  if (check !== undefined && !/^[A-Z]{1,3}-\d{2,3}$/.test(check)) {
    say(`A check is named like AU-02; "${check}" is not.`);
    process.exitCode = 1;
    return;
  }
  // Programs started by tests find our own Node before the system's.
  process.env.PATH = `${path.dirname(process.execPath)}${path.delimiter}${process.env.PATH ?? ''}`;
  process.env.NODE_COMPILE_CACHE ??= path.join(root, 'node_modules', '.cache', 'compile');
  // Some tests have a small size for every day and one that is the whole of their check.
  if (check) process.env.GATEHOUSE_ASSURE = check;
  const tally: Tally = { passed: 0, failed: [], skipped: [] };
  const everything = check === undefined && positionals.length === 0 && !values.database;
  const atOnce = Number(values['at-once'] ?? usualAtOnce);
  if (!Number.isInteger(atOnce) || atOnce < 1) {
    say(`--at-once takes the number of test files at a time, not ${values['at-once']}.`);
    process.exitCode = 1;
    return;
  }
  const stepped = everything ? runSteps(tally) : Promise.resolve();

  const files = testFiles({ only: positionals, check, database: values.database });
  // Held for the whole run, so that the server is not stopped and started between two files.
  let server: TestServer | undefined;
  if (files.length > 0) server = await joinTestServer();
  const waits = (file: string) => waiting.includes(path.relative(root, file));
  await Promise.all([
    runTests(
      files.filter((file) => !waits(file)),
      check,
      atOnce,
      tally,
    ),
    runTests(files.filter(waits), check, 1, tally),
  ]).finally(() => server?.leave());
  await stepped;

  if (tally.skipped.length > 0) say('\nSkipped:');
  for (const { title, reason } of tally.skipped) say(`  ${title}: ${reason}`);
  if (!everything && tally.passed + tally.failed.length + tally.skipped.length === 0) {
    say(check ? `No test names ${check}.` : 'No test file matches.');
    process.exitCode = 1;
  }
  if (tally.failed.length > 0) {
    process.exitCode = 1;
    say(`\nFailed:\n${tally.failed.join('\n')}`);
  }
  say(`\n${tally.passed} passed, ${tally.failed.length} failed, ${tally.skipped.length} skipped`);
}

await main();
