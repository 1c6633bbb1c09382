/** Pages that must not lie: the code map and the list of dependencies. */
import type { Finding, House, Rule } from './tidy.ts';
import { order } from './tidy-imports.ts';

const map = 'docs/architecture.md';
const mostMapLines = 150;

/** The code map names each folder in backticks by its path below src, once at least. */
const architecture: Rule = (house) => {
  const text = house.read(map);
  const rule = 'architecture';
  if (text === undefined) return [{ file: map, line: 1, rule, text: 'The code map is missing.' }];
  const lines = text.trimEnd().split('\n');
  const folders = foldersOf(house);
  const planned = order.flat().filter((name) => name !== 'main');
  const tops = new Set([...folders, ...planned].map((folder) => folder.split('/')[0]!));
  const named = new Map<string, number>();
  for (const [index, line] of lines.entries()) {
    for (const [, word] of line.matchAll(/`([a-z][a-z0-9-]*(?:\/[a-z0-9-]+)*)\/?`/g)) {
      if (word && (word.includes('/') ? tops.has(word.split('/')[0]!) : tops.has(word)))
        named.set(word, index + 1);
    }
  }
  const findings: Finding[] = [];
  for (const folder of folders) {
    if (!named.has(folder))
      findings.push({ file: map, line: 1, rule, text: `src/${folder} is there and not in the map.` });
  }
  for (const [folder, line] of named) {
    if (!folders.has(folder))
      findings.push({ file: map, line, rule, text: `src/${folder} is in the map and not there.` });
  }
  if (lines.length > mostMapLines) {
    findings.push({
      file: map,
      line: mostMapLines + 1,
      rule,
      text: `${lines.length} lines; ${mostMapLines} are the most.`,
    });
  }
  return findings;
};

function foldersOf(house: House): Set<string> {
  const folders = new Set<string>();
  for (const file of house.files) {
    if (!file.path.startsWith('src/') || file.folder === 'src') continue;
    const parts = file.folder.slice(4).split('/');
    for (const index of parts.keys()) folders.add(parts.slice(0, index + 1).join('/'));
  }
  return folders;
}

const dependencyPage = 'docs/decisions/0001-dependencies.md';

/** Every package of package.json has its line with the version that is installed, and no other package has one. */
const dependencies: Rule = (house) => {
  const manifest = JSON.parse(house.read('package.json') ?? '{}') as Record<
    string,
    Record<string, string> | undefined
  >;
  const wanted = { ...manifest.dependencies, ...manifest.optionalDependencies, ...manifest.devDependencies };
  const rule = 'dependency-page';
  const rows = new Map<string, { version: string; line: number }>();
  for (const [index, line] of (house.read(dependencyPage) ?? '').split('\n').entries()) {
    const row = /^\|\s*`([^`]+)`\s*\|\s*([^|\s]+)\s*\|/.exec(line);
    if (row) rows.set(row[1]!, { version: row[2]!, line: index + 1 });
  }
  const findings: Finding[] = [];
  for (const [name, version] of Object.entries(wanted)) {
    const row = rows.get(name);
    const at = { file: dependencyPage, line: row?.line ?? 1, rule };
    if (!row) findings.push({ ...at, text: `${name} ${version} has no line: why it, licence, size.` });
    else if (row.version !== version)
      findings.push({ ...at, text: `${name} is ${version} now, not ${row.version}.` });
  }
  for (const [name, { line }] of rows) {
    if (!Object.hasOwn(wanted, name))
      findings.push({ file: dependencyPage, line, rule, text: `${name} is not used any more.` });
  }
  return findings;
};

export const docRules: readonly Rule[] = [architecture, dependencies];
