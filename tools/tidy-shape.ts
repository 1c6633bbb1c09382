/** Sizes, names, front pages, and words that do not belong. */

import type { File, House, Rule } from './tidy.ts';
import { finding } from './tidy-imports.ts';
import { functionsIn } from './tidy-scan.ts';

const mostFileLines = 400;
const mostFunctionLines = 70;
/** A function that makes a thing with a life holds its methods, each short; this bounds the whole. */
const mostClosureLines = 200;

const source = (house: House) => house.files.filter((file) => file.path.startsWith('src/'));
const written = (house: House) => house.files.filter((file) => !file.isTest);

const sizes: Rule = (house) =>
  written(house).flatMap((file) => {
    const rule = 'function-size';
    const long = functionsIn(file).flatMap(({ name, line, lines, ownLines }) => {
      const own = `${name} takes ${ownLines} lines; ${mostFunctionLines} are the most.`;
      const whole = `${name} takes ${lines} lines with what stands inside it; ${mostClosureLines} are the most.`;
      if (ownLines > mostFunctionLines) return [{ file: file.path, line, rule, text: own }];
      return lines > mostClosureLines ? [{ file: file.path, line, rule, text: whole }] : [];
    });
    if (file.lines <= mostFileLines) return long;
    const text = `The file has ${file.lines} lines; ${mostFileLines} are the most.`;
    return [...long, { file: file.path, line: 1, rule: 'file-size', text }];
  });

/** Folders whose front page has another name, because kit is a set of small libraries and core a set of folders. */
const frontPages: Readonly<Record<string, string>> = {
  src: 'main.ts',
  'src/core': 'problem.ts',
  'src/sources': 'source.ts',
  'src/cli': 'gatehouse.ts',
  'src/kit/db': 'database.ts',
  'src/kit/crypto': 'secrets.ts',
  'src/kit/http': 'server.ts',
  'src/consoles/admin/web': 'console.tsx',
};

const frontPage: Rule = (house) => {
  const folders = Map.groupBy(
    source(house).filter((file) => !file.isTest),
    (file) => file.folder,
  );
  return [...folders].flatMap(([folder, files]) => {
    const name = frontPages[folder] ?? `${folder.split('/').at(-1)}.ts`;
    const page = files.find((file) => file.name === name);
    const rule = 'front-page';
    // Pages and parts of the console are many of a kind; their front page is the console's.
    if (folder.startsWith('src/consoles/admin/web/')) return [];
    if (!page) return [{ file: `${folder}/${name}`, line: 1, rule, text: 'The folder has no front page.' }];
    if (page.text.startsWith('/**')) return [];
    return [
      { file: page.path, line: 1, rule, text: 'A front page opens with a comment: owns, records, refuses.' },
    ];
  });
};

const drawers = new Set([
  'utils',
  'util',
  'helpers',
  'helper',
  'common',
  'misc',
  'shared',
  'lib',
  'types',
  'index',
  'models',
  'constants',
]);

const names: Rule = (house) =>
  source(house).flatMap((file) => {
    const rule = 'name';
    const parts = file.path
      .slice(4)
      .replace(/\.tsx?$/, '')
      .split(/[/.]/);
    const drawer = parts.find((part) => drawers.has(part));
    if (drawer)
      return [{ file: file.path, line: 1, rule, text: `"${drawer}" names a drawer. Name what is in it.` }];
    const plain = /^[a-z0-9]+(?:[-.][a-z0-9]+)*\.tsx?$/.test(file.name);
    return plain
      ? []
      : [{ file: file.path, line: 1, rule, text: 'Files are named in small letters with hyphens.' }];
  });

const barrels: Rule = (house) =>
  source(house)
    .filter((file) => /\bexport\b[^;]*\bfrom\b/.test(file.code))
    .filter(
      (file) =>
        file.code
          .replace(/\bexport\s+(?:type\s+)?(?:\*(?:\s+as\s+\w+)?|\{[^}]*\})\s*from\s*['"]\s*['"];?/g, '')
          .trim() === '',
    )
    .map((file) => ({
      file: file.path,
      line: 1,
      rule: 'barrel',
      text: 'This file only passes others on. Import from where things are.',
    }));

interface Forbidden {
  rule: string;
  shape: RegExp;
  text: string;
  in(file: File): boolean;
}

const forbidden: readonly Forbidden[] = [
  {
    rule: 'random',
    shape: /\bMath\.random\b/g,
    text: 'Math.random can be foretold. Take kit/crypto, or node:crypto.',
    in: () => true,
  },
  {
    rule: 'environment',
    shape: /\bprocess\.env\b/g,
    text: 'Settings come from src/config. Hand the value in.',
    in: (file) =>
      file.path.startsWith('src/') &&
      !file.isTest &&
      !/^src\/(config\/|main\.ts$|cli\/gatehouse\.ts$)/.test(file.path),
  },
  {
    rule: 'console',
    shape: /\bconsole\s*\./g,
    text: 'Write to the log. Only cli and tools speak to a terminal.',
    in: (file) => file.path.startsWith('src/') && !file.isTest && !file.path.startsWith('src/cli/'),
  },
  {
    rule: 'require',
    // A library that its first use loads where nothing can wait: `() => require('x') as typeof import('x')`.
    shape: /\brequire\s*\((?![\s'"]*\) as typeof import\()/g,
    text: 'This is a house of ES modules. Use import.',
    in: (file) => file.path.startsWith('src/'),
  },
];

const words: Rule = (house) =>
  house.files.flatMap((file) =>
    forbidden
      .filter((word) => word.in(file))
      .flatMap(({ shape, rule, text }) =>
        [...file.code.matchAll(shape)].map((match) => finding(file, match.index, rule, text)),
      ),
  );

const unfinished: Rule = (house) =>
  source(house).flatMap((file) =>
    file.comments.flatMap(({ text, start }) => {
      const mark = /\b(TODO|FIXME|XXX|HACK)\b/.exec(text);
      return mark
        ? [
            finding(
              file,
              start + mark.index,
              'unfinished',
              `${mark[1]} is left. Do it, or write it down where work is planned.`,
            ),
          ]
        : [];
    }),
  );

export const shapeRules: readonly Rule[] = [sizes, frontPage, names, barrels, words, unfinished];
