/**
 * Published figures, made again by anybody: `npm run bench` lists, `npm run bench -- sign-in` measures one,
 * `npm run bench -- all` everything. Each is a ratio of two things measured in turns in one run, or a size with a
 * limit; each takes at most a minute, talks to loopback only and leaves nothing behind. docs/benchmarks.md has ours.
 */
import { globSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Bench, Measured } from './measure.ts';

const say = (line = '') => void process.stdout.write(`${line}\n`);
const colour = process.stdout.isTTY && !process.env.NO_COLOR;
const paint = (code: number, text: string) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text);

/** Every file here that exports a `bench`. */
async function findBenches(): Promise<Bench[]> {
  const found: Bench[] = [];
  for (const file of globSync('*.ts', { cwd: import.meta.dirname }).sort()) {
    if (file === 'bench.ts') continue;
    const { bench } = (await import(path.join(import.meta.dirname, file))) as { bench?: Bench };
    if (bench) found.push(bench);
  }
  return found;
}

function machine(): string {
  const cores = os.availableParallelism();
  const memory = Math.round(os.totalmem() / 2 ** 30);
  const model = os.cpus()[0]?.model.trim() ?? 'unknown processor';
  return `${cores} cores (${model}), ${memory} GiB, ${os.type()} ${os.arch()}, Node.js ${process.versions.node}`;
}

function list(benches: readonly Bench[]): void {
  const width = Math.max(...benches.map(({ name }) => name.length));
  say(`${paint(1, 'npm run bench -- NAME')}   (or all)\n`);
  for (const { name, text, goal } of benches) {
    say(`  ${paint(36, name.padEnd(width))}  ${text}`);
    say(`  ${' '.repeat(width)}  ${paint(2, `goal: ${goal}`)}`);
  }
}

function table(bench: Bench, measured: Measured, seconds: number): void {
  const rows: [string, string][] = Object.entries(measured.figures).map(([label, value]) => [
    label,
    typeof value === 'number' ? value.toLocaleString('en') : value,
  ]);
  if (measured.ratio !== undefined) rows.push(['ratio', String(measured.ratio)]);
  rows.push(['goal', bench.goal]);
  const width = Math.max(...rows.map(([label]) => label.length));
  for (const [label, value] of rows) say(`  ${label.padEnd(width)}  ${paint(1, value)}`);
  const verdict = measured.goalMet ? paint(32, '✔ goal met') : paint(31, '✖ goal missed');
  say(`  ${verdict}  ${paint(2, `(${seconds.toFixed(0)} s)`)}\n`);
}

/** Runs one after another; false when a goal was missed. */
async function measure(benches: readonly Bench[]): Promise<boolean> {
  say(`${paint(2, machine())}\n`);
  let met = true;
  for (const bench of benches) {
    say(`${paint(36, bench.name)}  ${bench.text}`);
    const began = performance.now();
    const measured = await bench.run();
    table(bench, measured, (performance.now() - began) / 1000);
    met &&= measured.goalMet;
  }
  return met;
}

const wanted = process.argv.slice(2);
const benches = await findBenches();
if (wanted.length === 0) {
  list(benches);
} else {
  const chosen = wanted.includes('all') ? benches : benches.filter(({ name }) => wanted.includes(name));
  const unknown = wanted.filter((name) => name !== 'all' && !benches.some((bench) => bench.name === name));
  if (unknown.length > 0) {
    say(`There is no benchmark ${unknown.join(', ')}. There are:\n`);
    list(benches);
    process.exitCode = 1;
  } else if (!(await measure(chosen))) process.exitCode = 1;
}
