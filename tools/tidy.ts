/**
 * The house rules as a test: `node tools/tidy.ts [folder]` prints every finding as `file:line  rule  sentence` and ends
 * with status 1 when there is one. The rules stand in tidy-imports.ts (who may know whom), tidy-store.ts (SQL and tables),
 * tidy-shape.ts (sizes, names, front pages) and tidy-docs.ts (architecture and dependency pages); exceptions, each with
 * its reason, in tidy-exceptions.ts.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { docRules } from './tidy-docs.ts';
import { type Exception, exceptions as houseExceptions } from './tidy-exceptions.ts';
import { importRules } from './tidy-imports.ts';
import { type Source, scan } from './tidy-scan.ts';
import { shapeRules } from './tidy-shape.ts';
import { storeRules } from './tidy-store.ts';

export interface Finding {
  file: string;
  line: number;
  rule: string;
  text: string;
}

/** One TypeScript file of the repository. */
export interface File extends Source {
  /** Path from the root, with slashes. */
  path: string;
  folder: string;
  name: string;
  text: string;
  isTest: boolean;
}

/** All that rules look at. */
export interface House {
  root: string;
  files: readonly File[];
  /** Reads any other file of the repository; undefined when there is none. */
  read(path: string): string | undefined;
  list(folder: string): string[];
}

export type Rule = (house: House) => Finding[];

const rules: readonly Rule[] = [...importRules, ...storeRules, ...shapeRules, ...docRules];
const looked = ['src', 'test', 'tools', 'bench'];

/** Every finding that no exception covers, and every exception that covers nothing. */
export function tidy(root: string, exceptions: readonly Exception[] = houseExceptions): Finding[] {
  const house = openHouse(root);
  const covers = (finding: Finding) => (exception: Exception) =>
    exception.rule === finding.rule && exception.file === finding.file;
  const all = rules.flatMap((rule) => rule(house));
  const left = all.filter((finding) => !exceptions.some(covers(finding)));
  for (const exception of exceptions) {
    if (all.some((finding) => covers(finding)(exception))) continue;
    const text = `The exception for ${exception.rule} is not needed any more. Take it away.`;
    left.push({ file: exception.file, line: 1, rule: 'exception', text });
  }
  return left.sort((one, other) => one.file.localeCompare(other.file) || one.line - other.line);
}

function openHouse(root: string): House {
  const at = (relative: string) => path.join(root, relative);
  const list = (folder: string) =>
    existsSync(at(folder)) ? readdirSync(at(folder), { recursive: true, encoding: 'utf8' }).sort() : [];
  const files = looked.flatMap((top) =>
    list(top)
      .map((name) => `${top}/${name.split(path.sep).join('/')}`)
      .filter((name) => /\.tsx?$/.test(name) && !/(^|\/)(node_modules|output|golden)\//.test(name))
      .map((name) => openFile(name, readFileSync(at(name), 'utf8'))),
  );
  const read = (name: string) => (existsSync(at(name)) ? readFileSync(at(name), 'utf8') : undefined);
  return { root, files, read, list };
}

function openFile(name: string, text: string): File {
  const isTest = /^(test|bench)\//.test(name) || name.endsWith('.test.ts');
  const folder = path.posix.dirname(name);
  return { ...scan(text), path: name, folder, name: path.posix.basename(name), text, isTest };
}

if (import.meta.main) {
  const root = path.resolve(process.argv[2] ?? '.');
  const findings = tidy(root);
  for (const { file, line, rule, text } of findings) console.log(`${file}:${line}  ${rule}  ${text}`);
  if (findings.length > 0) console.log(`\n${findings.length} against the rules of the house.`);
  process.exitCode = findings.length > 0 ? 1 : 0;
}
