/**
 * `template:` with `values:` in the list of apps: they become settings before the file is read, and whatever stands
 * beside them in the file lies over them. A template without values is no more than the note it is in an export.
 */
import { findTemplate, plainSettings, readValues, templates } from '#core/applications/templates.ts';
import { nearest } from '#kit/spelling/spelling.ts';
import type { Finding, Places } from './findings.ts';

type Block = Record<string, unknown>;

/** The file with every template made into settings, and what is wrong with their values. */
export function withTemplates(file: unknown, places: Places): { file: unknown; findings: Finding[] } {
  const findings: Finding[] = [];
  if (!isBlock(file) || !Array.isArray(file.applications)) return { file, findings };
  const applications = file.applications.map((one: unknown, index) =>
    isBlock(one) ? made(one, places, ['applications', index], findings) : one,
  );
  return { file: { ...file, applications }, findings };
}

function made(one: Block, places: Places, path: (string | number)[], findings: Finding[]): Block {
  const { values, ...rest } = one;
  if (typeof one.template !== 'string') {
    if (values !== undefined) findings.push(places.find([...path, 'values'], 'needs a template'));
    return rest;
  }
  const template = findTemplate(one.template);
  if (!template) {
    const meant = nearest(one.template, namesOfTemplates());
    const text = `there is no such template${meant ? `; did you mean "${meant}"?` : ''}`;
    findings.push(places.find([...path, 'template'], text));
    return rest;
  }
  if (values === undefined) return rest;
  if (!isBlock(values) || Object.values(values).some((value) => !isPlain(value))) {
    findings.push(places.find([...path, 'values'], 'must be a block of names and texts'));
    return rest;
  }
  const texts = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, textOf(value)]));
  const read = readValues(template, texts);
  if ('faults' in read) {
    for (const { field, text } of read.faults) findings.push(places.find([...path, 'values', field], text));
    return { title: template.usual.title, ...rest };
  }
  return over(plainSettings(template, read.values), rest);
}

function namesOfTemplates(): string[] {
  return templates.map(({ name }) => name);
}

/** A text or a number, or a list of them. */
function isPlain(value: unknown): boolean {
  return (
    typeof value === 'string' ||
    typeof value === 'number' ||
    (Array.isArray(value) && value.every((one) => typeof one === 'string'))
  );
}

function textOf(value: unknown): string {
  return Array.isArray(value) ? value.join('\n') : String(value);
}

function isBlock(value: unknown): value is Block {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Block by block; lists and texts of the file take the place of the template's. */
function over(below: Block, above: Block): Block {
  const result: Block = { ...below };
  for (const [key, value] of Object.entries(above)) {
    const before = result[key];
    result[key] = isBlock(before) && isBlock(value) ? over(before, value) : value;
  }
  return result;
}
