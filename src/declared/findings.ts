/** What is wrong with a community file: every finding at once, each with its place and what was probably meant. */
import { type Document, isAlias, isMap, isScalar, isSeq, type LineCounter, type Node } from 'yaml';
import { z } from 'zod';
import '#kit/spelling/misfits.ts';
import { nearest } from '#kit/spelling/spelling.ts';
import { plannedSections } from './schema.ts';

export type Path = readonly PropertyKey[];

export interface Finding {
  /** Line in the file, from 1; undefined when it is about the file as a whole. */
  line?: number;
  /** Like `people[3].username`; empty for the file as a whole. */
  path: string;
  text: string;
}

/** The file cannot be applied, and nothing was. The message lists every finding, one a line. */
export class DeclaredError extends Error {
  readonly findings: readonly Finding[];
  constructor(findings: readonly Finding[]) {
    const sorted = [...findings].sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
    super(sorted.map(sentence).join('\n'));
    this.name = 'DeclaredError';
    this.findings = sorted;
  }
}

function sentence({ line, path, text }: Finding): string {
  const place = [line === undefined ? '' : `line ${line}`, path].filter(Boolean).join(', ');
  return place === '' ? text : `${place}: ${text}`;
}

/** `['people', 3, 'username']` → `people[3].username`. */
export function spellPath(path: Path): string {
  return path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step).slice(0, 80)}`))
    .join('')
    .replace(/^\./, '');
}

/** Finds places in a parsed file. */
export interface Places {
  find(path: Path, text: string): Finding;
}

export function placesOf(document: Document, lines: LineCounter): Places {
  return {
    find: (path, text) => ({ line: lineOf(document, lines, path), path: spellPath(path), text }),
  };
}

/** The line of the deepest part of the path that is there. */
function lineOf(document: Document, lines: LineCounter, path: Path): number | undefined {
  let node = document.contents as Node | null;
  let offset = node?.range?.[0];
  for (const step of path) {
    if (isAlias(node)) node = (node.resolve(document) ?? null) as Node | null;
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(step));
      if (!pair) break;
      offset = (pair.key as Node).range?.[0] ?? offset;
      node = pair.value as Node | null;
    } else if (isSeq(node) && typeof step === 'number') {
      node = (node.items[step] ?? null) as Node | null;
      offset = node?.range?.[0] ?? offset;
    } else break;
  }
  return offset === undefined ? undefined : lines.linePos(offset).line;
}

/** The findings of one zod issue. Values are never quoted: one of them may be a secret. */
export function fromIssue(issue: z.core.$ZodIssue, schema: z.core.$ZodType, places: Places): Finding[] {
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(schema, issue.path);
    return issue.keys.map((key) => places.find([...issue.path, key], unknownKey(key, issue.path, known)));
  }
  if (issue.code === 'invalid_union') {
    const nested = issue.errors.find((errors) => errors.some((one) => one.path.length > 0))?.[0];
    if (nested)
      return fromIssue(
        { ...nested, path: [...issue.path, ...nested.path] } as z.core.$ZodIssue,
        schema,
        places,
      );
    return [places.find(issue.path, 'this is not one of the forms allowed here')];
  }
  return [places.find(issue.path, wording(issue))];
}

function unknownKey(key: string, path: Path, known: readonly string[]): string {
  if (path.length === 0 && plannedSections.includes(key)) return `"${key}" is not known in this version`;
  const meant = nearest(key, known);
  return `"${key.slice(0, 80)}" is not a key known here${meant ? `; did you mean "${meant}"?` : ''}`;
}

function wording(issue: z.core.$ZodIssue): string {
  const isThere = issue.input !== undefined && issue.input !== null;
  // YAML reads what looks like a number or a date as one.
  if (issue.code === 'invalid_type' && issue.expected === 'string' && isThere)
    return 'must be text; put it in quotes';
  return issue.message;
}

/** The keys a schema knows at a path, for "did you mean". */
export function keysAt(schema: z.core.$ZodType, path: Path): string[] {
  let here: z.core.$ZodType | undefined = bare(schema);
  for (const step of path) {
    if (here instanceof z.ZodObject) here = bare(here.shape[String(step)]);
    else if (here instanceof z.ZodArray) here = bare(here.element);
    else if (here instanceof z.ZodRecord) here = bare(here.valueType);
    else return [];
  }
  return here instanceof z.ZodObject ? Object.keys(here.shape) : [];
}

/** The schema under what makes it optional, gives it a default or reads it first. */
function bare(schema: z.core.$ZodType | undefined): z.core.$ZodType | undefined {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault)
    return bare(schema.unwrap() as z.core.$ZodType);
  if (schema instanceof z.ZodPipe) {
    const out = bare(schema.out as z.core.$ZodType);
    return out instanceof z.ZodTransform ? bare(schema.in as z.core.$ZodType) : out;
  }
  return schema;
}
