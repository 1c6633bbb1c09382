/**
 * What is said of a value that does not fit its schema: in our words, whoever asks and whatever is wrong. A schema that
 * says something of its own is not talked over. Texts complete the sentence "NAME …": "must be text", "is missing".
 * Loading this file is what teaches zod these words, for the whole process.
 */
import { z } from 'zod';

export interface MisfitText {
  /** Steps joined by dots; empty for the value as a whole. */
  path: string;
  text: string;
}

/** What is wrong where, for whoever gave the value. */
export function misfits(error: z.core.$ZodError, prefix = ''): MisfitText[] {
  return error.issues.map(({ path, message }) => ({ path: prefix + path.join('.'), text: message }));
}

const kinds: Record<string, string> = {
  string: 'text',
  number: 'a number',
  nan: 'a number',
  int: 'a whole number',
  bigint: 'a whole number',
  boolean: 'true or false',
  object: 'a block of keys',
  record: 'a block of keys',
  map: 'a block of keys',
  array: 'a list',
  tuple: 'a list',
  set: 'a list',
  date: 'a moment',
  null: 'empty',
};

const leftOut = new Set(['never', 'undefined', 'void']);

const forms: Record<string, string> = {
  email: 'a mail address',
  url: 'an address such as https://example.org',
  uuid: 'an id',
  guid: 'an id',
  datetime: 'a moment such as 2026-01-31T12:00:00Z',
  date: 'a day such as 2026-01-31',
  time: 'a time such as 12:00:00',
  ipv4: 'an IPv4 address',
  ipv6: 'an IPv6 address',
  base64: 'base64',
  base64url: 'base64url',
};

type Raw<Code extends z.core.$ZodIssue['code']> = Extract<z.core.$ZodRawIssue, { code: Code }>;

/** The words for one issue. */
function wording(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return wrongKind(issue);
    case 'invalid_value':
      return `must be ${anyOf(issue.values.map(String))}`;
    case 'too_small':
      return tooSmall(issue);
    case 'too_big':
      return tooBig(issue);
    case 'invalid_format':
      return wrongForm(issue);
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}`;
    case 'unrecognized_keys':
      return `holds what is not known here: ${issue.keys.map((key) => key.slice(0, 80)).join(', ')}`;
    case 'invalid_union':
      return noneOf(issue);
    case 'invalid_key':
      return 'is not a name allowed here';
    case 'invalid_element':
      return 'holds something that does not fit';
    default:
      return 'is not allowed here as it is';
  }
}

function wrongKind({ expected, input }: Raw<'invalid_type'>): string {
  if (leftOut.has(expected)) return 'must be left out';
  if (input === undefined || input === null || expected === 'nonoptional') return 'is missing';
  return `must be ${kinds[expected] ?? 'of another kind'}`;
}

function tooSmall({ origin, minimum, inclusive, exact }: Raw<'too_small'>): string {
  const counted = countedAs(origin, minimum);
  if (counted) return `must have ${exact ? 'exactly' : 'at least'} ${counted}`;
  if (origin === 'date') return `must not be before ${asMoment(minimum)}`;
  return inclusive === false ? `must be more than ${minimum}` : `must be at least ${minimum}`;
}

function tooBig({ origin, maximum, inclusive, exact }: Raw<'too_big'>): string {
  const counted = countedAs(origin, maximum);
  if (counted) return exact ? `must have exactly ${counted}` : `is too long: ${counted} at most`;
  if (origin === 'date') return `must not be after ${asMoment(maximum)}`;
  return inclusive === false ? `must be less than ${maximum}` : `is too large: ${maximum} at most`;
}

/** How many of what; undefined for what is not counted but measured. */
function countedAs(origin: string, count: number | bigint): string | undefined {
  const [one, many] = units[origin] ?? [];
  return one && `${count} ${Number(count) === 1 ? one : many}`;
}

const units: Record<string, readonly [string, string]> = {
  string: ['character', 'characters'],
  array: ['entry', 'entries'],
  tuple: ['entry', 'entries'],
  set: ['entry', 'entries'],
  map: ['entry', 'entries'],
  record: ['entry', 'entries'],
  object: ['entry', 'entries'],
  file: ['byte', 'bytes'],
};

function asMoment(value: number | bigint): string {
  return new Date(Number(value)).toISOString();
}

function wrongForm(issue: Raw<'invalid_format'>): string {
  const { format, prefix, suffix, includes } = issue as Raw<'invalid_format'> & Record<string, unknown>;
  if (format === 'starts_with') return `must begin with ${String(prefix)}`;
  if (format === 'ends_with') return `must end with ${String(suffix)}`;
  if (format === 'includes') return `must hold ${String(includes)}`;
  return Object.hasOwn(forms, format) ? `must be ${forms[format]}` : 'does not have the form it needs';
}

/** Of several forms: what the nearest one misses, else what each of them would be. */
function noneOf({ errors, options }: Raw<'invalid_union'> & { options?: readonly unknown[] }): string {
  if (options && options.length > 0) return `must be ${anyOf(options.map(String))}`;
  const inside = errors.flat().find(({ path }) => path.length > 0);
  if (inside) return `${inside.path.join('.')}: ${inside.message}`;
  const wanted = errors.map(([first]) => first?.message ?? '');
  const be = 'must be ';
  if (wanted.length === 0 || !wanted.every((one) => one.startsWith(be)))
    return wanted.find(Boolean) ?? 'is none of the forms allowed here';
  return be + anyOf([...new Set(wanted.map((one) => one.slice(be.length)))], ' or ');
}

function anyOf(values: readonly string[], between = ', '): string {
  return values.length === 1 || between !== ', ' ? values.join(between) : `one of ${values.join(between)}`;
}

z.config({ customError: wording });
