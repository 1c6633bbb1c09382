/** SQL stands in stores, and a table belongs to one folder. */

import type { File, Finding, House, Rule } from './tidy.ts';
import { finding } from './tidy-imports.ts';

/** Where SQL may stand. */
const mayHoldSql = (file: File) =>
  file.isTest || /(^|[/.])store\.ts$/.test(file.path) || /^src\/kit\/(db|queue|limits)\//.test(file.path);

/** How a statement begins; strict enough that "Select an app" and "Update your password" are prose. */
const statement =
  /^\s*(?:select\s[\s\S]*\sfrom\s|select\s+[\w.]+\(|insert\s+into\s+\w|update\s+[\w.]+(?:\s+\w+)?\s+set\s|delete\s+from\s+\w|with\s+(?:recursive\s+)?\w+\s+as\s|create\s+(?:table|index|unique|database|role)\b|alter\s+(?:table|database|role)\b|drop\s+(?:table|index|database)\b|truncate\s|notify\s+\w|listen\s+\w|copy\s+\w+\s*\(|set\s+(?:local|session)\s)/i;

/** Prose begins with one capital letter; nobody writes SQL so. */
const isStatement = (text: string) => statement.test(text) && !/^\s*[A-Z][a-z]/.test(text);

const builders =
  /\.(?:query|selectFrom|insertInto|updateTable|deleteFrom|mergeInto)\s*\(|\bsql\s*(?:<[^>]*>)?\s*`/g;

const sqlInStores: Rule = (house) =>
  house.files
    .filter((file) => file.path.startsWith('src/') && !mayHoldSql(file))
    .flatMap((file) => {
      const says = 'SQL stands in store.ts (or *.store.ts, kit/db, kit/queue, kit/limits) alone.';
      const texts = file.literals.filter(({ text }) => isStatement(text)).map(({ start }) => start);
      const calls = [...file.code.matchAll(builders)].map((match) => match.index);
      const lines = new Map([...texts, ...calls].map((start) => [file.lineAt(start), start]));
      return [...lines.values()].map((start) => finding(file, start, 'sql', says));
    });

interface TableUse {
  table: string;
  folder: string;
  file: File;
  start: number;
  writes: boolean;
}

/** The one place that may join across owners, read-only. */
const joinsAcross = 'src/core/profile/store.ts';

const tableOwners: Rule = (house) => {
  const tables = declaredTables(house);
  const uses = house.files
    .filter((file) => file.path.startsWith('src/') && !file.isTest)
    .flatMap((file) => usesIn(file, tables));
  const owners = new Map<string, string>();
  const findings: Finding[] = [];
  for (const { table, folder, file, start, writes } of uses) {
    if (!writes) continue;
    const owner = owners.get(table) ?? folder;
    owners.set(table, owner);
    if (owner === folder) continue;
    findings.push(
      finding(
        file,
        start,
        'table-owner',
        `${table} is written by ${owner} already; a table belongs to one folder.`,
      ),
    );
  }
  for (const { table, folder, file, start, writes } of uses) {
    const owner = owners.get(table);
    if (writes || owner === undefined || owner === folder || file.path === joinsAcross) continue;
    findings.push(
      finding(
        file,
        start,
        'table-owner',
        `${table} belongs to ${owner}; ask it. Only core/profile/store.ts reads across owners.`,
      ),
    );
  }
  return findings;
};

function declaredTables(house: House): Set<string> {
  const migrations = house.list('db/migrations').map((name) => house.read(`db/migrations/${name}`) ?? '');
  const names = migrations.flatMap((text) => [
    ...text.matchAll(/^\s*create table (?:if not exists )?(\w+)/gim),
  ]);
  return new Set(names.map((match) => match[1]!));
}

function usesIn(file: File, tables: ReadonlySet<string>): TableUse[] {
  const raw = file.literals.flatMap(({ text, start }) =>
    [...text.matchAll(/\b(from|join|into|update)\s+(?:only\s+)?(\w+)/gi)].map((match) => ({
      table: match[2]!,
      start,
      writes: /into|update/i.test(match[1]!) || /delete\s+$/i.test(text.slice(0, match.index)),
    })),
  );
  const built = file.literals.flatMap(({ text, start }) => {
    const call = /\.(selectFrom|insertInto|updateTable|deleteFrom|\w*[jJ]oin)\s*\(\s*$/.exec(
      file.code.slice(0, start),
    );
    return call
      ? [{ table: text.split(/\s/)[0]!, start, writes: /insert|update|delete/.test(call[1]!) }]
      : [];
  });
  return [...raw, ...built]
    .filter(({ table }) => tables.has(table))
    .map((use) => ({ ...use, file, folder: file.folder }));
}

export const storeRules: readonly Rule[] = [sqlInStores, tableOwners];
