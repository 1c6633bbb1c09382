/** Reads a community file: bounded, without tags, without names that could reach into the program. */
import { type Document, isScalar, LineCounter, parseDocument, visit } from 'yaml';
import { usesSecret } from '#core/applications/client-keys.ts';
import { groupKey } from '#core/groups/groups.ts';
import { usernameKey } from '#core/people/names.ts';
import { DeclaredError, type Finding, fromIssue, type Places, placesOf } from './findings.ts';
import { type DeclaredHouse, declaredHouse } from './schema.ts';
import { withTemplates } from './templates.ts';

/** Largest file, in bytes. */
export const largestFile = 5 * 1024 * 1024;

/** How often aliases may repeat what they stand for. */
const mostAliases = 1000;
const forbiddenKeys = new Set(['__proto__', 'constructor', 'prototype']);

/** A file that was read and is sound in itself; what it names may still be missing in the house. */
export interface Declared extends DeclaredHouse {
  readonly places: Places;
}

/**
 * Reads a community file (YAML 1.2 or JSON).
 * @throws DeclaredError with every finding at once
 */
export function parseDeclared(source: string): Declared {
  if (Buffer.byteLength(source) > largestFile)
    throw new DeclaredError([{ path: '', text: 'The file is larger than 5 MB.' }]);
  const lines = new LineCounter();
  const document = readDocument(source, lines);
  if (document.contents === null || (isScalar(document.contents) && document.contents.value === null))
    throw new DeclaredError([{ path: '', text: 'There is nothing in this file.' }]);
  const places = placesOf(document, lines);
  const hostile = hostileKeys(document, lines);
  if (hostile.length > 0) throw new DeclaredError(hostile);
  const { file, findings: faults } = withTemplates(toPlain(document), places);
  const read = declaredHouse.safeParse(file, { reportInput: true });
  if (!read.success || faults.length > 0) {
    const issues = read.success ? [] : read.error.issues;
    const others = issues.flatMap((issue) => fromIssue(issue, declaredHouse, places));
    throw new DeclaredError([...faults, ...others]);
  }
  const declared = { ...read.data, places };
  const findings = [...doubles(declared), ...secretsWithoutUse(declared)];
  if (findings.length > 0) throw new DeclaredError(findings);
  return declared;
}

function readDocument(source: string, lines: LineCounter): Document {
  let document: Document;
  try {
    document = parseDocument(source, {
      lineCounter: lines,
      prettyErrors: false,
      schema: 'core',
      merge: false,
      uniqueKeys: true,
      stringKeys: true,
      logLevel: 'silent',
    });
  } catch (error) {
    // Nesting deeper than the parser's own stack.
    throw new DeclaredError([{ path: '', text: `The file cannot be read: ${(error as Error).message}` }]);
  }
  // A warning is an unknown tag: nothing in this file is ever more than text, numbers, lists and keys.
  const problems = [...document.errors, ...document.warnings];
  if (problems.length > 0) {
    throw new DeclaredError(
      problems.map((problem) => ({
        line: lines.linePos(problem.pos[0]).line,
        path: '',
        text: problem.message,
      })),
    );
  }
  return document;
}

function hostileKeys(document: Document, lines: LineCounter): Finding[] {
  const findings: Finding[] = [];
  visit(document, {
    Pair(_, pair) {
      const key = isScalar(pair.key) ? pair.key : undefined;
      if (!key || !forbiddenKeys.has(String(key.value))) return;
      const line = key.range ? lines.linePos(key.range[0]).line : undefined;
      findings.push({ line, path: '', text: `"${String(key.value)}" is never a key` });
    },
  });
  return findings;
}

function toPlain(document: Document): unknown {
  try {
    return document.toJS({ maxAliasCount: mostAliases });
  } catch (error) {
    throw new DeclaredError([{ path: '', text: `The file cannot be read: ${(error as Error).message}` }]);
  }
}

/** Things named twice. */
function doubles({
  attributes,
  applications,
  targets,
  upstreams,
  groups,
  people,
  places,
}: Declared): Finding[] {
  const twice = (section: string, field: string, keys: readonly string[]): Finding[] => {
    const seen = new Set<string>();
    return keys.flatMap((key, index) => {
      if (seen.has(key)) return [places.find([section, index, field], 'is in the list twice')];
      seen.add(key);
      return [];
    });
  };
  return [
    ...twice(
      'attributes',
      'name',
      (attributes ?? []).map((one) => one.name),
    ),
    ...twice(
      'applications',
      'id',
      (applications ?? []).map((one) => one.id),
    ),
    ...twice(
      'targets',
      'application',
      (targets ?? []).map((one) => one.application),
    ),
    ...twice(
      'upstreams',
      'id',
      (upstreams ?? []).map((one) => one.id),
    ),
    ...twice(
      'groups',
      'name',
      (groups ?? []).map((one) => groupKey(one.name)),
    ),
    ...firstSeen(people ?? [], places),
  ];
}

function firstSeen(people: NonNullable<Declared['people']>, places: Places): Finding[] {
  const usernames = new Set<string>();
  const addresses = new Map<string, number>();
  const findings: Finding[] = [];
  people.forEach((person, index) => {
    const key = usernameKey(person.username);
    if (usernames.has(key)) findings.push(places.find(['people', index, 'username'], 'is in the list twice'));
    usernames.add(key);
    person.addresses.forEach((one, at) => {
      const owner = addresses.get(one.address.key) ?? index;
      addresses.set(one.address.key, owner);
      if (owner !== index && one.verified)
        findings.push(places.find(['people', index, 'addresses', at], `belongs to people[${owner}] as well`));
    });
  });
  return findings;
}

function secretsWithoutUse({ applications, places }: Declared): Finding[] {
  return (applications ?? []).flatMap((one, index) =>
    one.secret !== undefined && one.oidc && !usesSecret(one.oidc)
      ? [
          places.find(
            ['applications', index, 'secret'],
            `an app with clientAuth ${one.oidc.clientAuth} has no secret`,
          ),
        ]
      : [],
  );
}
