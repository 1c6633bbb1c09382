import { foldToAscii } from '#kit/spelling/ascii.ts';
import { ExpressionError, isList, isMap, kindOf, list, number, type Run, text, type Value } from './run.ts';

interface Callable {
  /** What the type checker is told where it does not know the function by itself (CEL has it built in). */
  signatures: readonly string[];
  counts: readonly number[];
  apply(run: Run, given: readonly Value[], position: number): Value;
}

const onText =
  (work: (text: string) => string): Callable['apply'] =>
  (run, [value], position) => {
    const given = text(value!, position);
    run.allow(given.length, position);
    const made = work(given);
    run.allow(made.length, position);
    return made;
  };

const twoTexts =
  (work: (whole: string, part: string) => Value): Callable['apply'] =>
  (run, [whole, part], position) => {
    const [one, other] = [text(whole!, position), text(part!, position)];
    run.spend((one.length + other.length) / 8, position);
    return work(one, other);
  };

/** First that is neither nothing nor an empty text or list; the last one where all are. */
function firstGiven(_run: Run, given: readonly Value[]): Value {
  const empty = (value: Value) => value === null || value === '' || (isList(value) && value.length === 0);
  return given.find((value) => !empty(value)) ?? given.at(-1) ?? null;
}

function size(run: Run, [value]: readonly Value[], position: number): Value {
  if (isList(value!)) return value.length;
  if (isMap(value!)) return Object.keys(value).length;
  const given = text(value!, position);
  run.spend(given.length / 4, position);
  return [...given].length;
}

function asText(_run: Run, [value]: readonly Value[], position: number): Value {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw new ExpressionError(`There is ${kindOf(value!)} here, which cannot become a text.`, position);
}

function replace(run: Run, [value, from, to]: readonly Value[], position: number): Value {
  const [whole, part, put] = [text(value!, position), text(from!, position), text(to!, position)];
  if (part === '') throw new ExpressionError('An empty text cannot be replaced.', position);
  run.spend(whole.length / 8, position);
  const pieces = whole.split(part);
  run.spend(pieces.length, position);
  run.allow(whole.length + (pieces.length - 1) * (put.length - part.length), position);
  return pieces.join(put);
}

function split(run: Run, [value, by, most]: readonly Value[], position: number): Value {
  const [whole, separator] = [text(value!, position), text(by!, position)];
  run.spend(whole.length, position);
  const pieces = separator === '' ? [...whole] : whole.split(separator);
  if (most === undefined) return pieces;
  const limit = number(most, position);
  if (limit < 0 || pieces.length <= limit) return pieces;
  return limit === 0 ? [] : [...pieces.slice(0, limit - 1), pieces.slice(limit - 1).join(separator)];
}

function join(run: Run, [value, between]: readonly Value[], position: number): Value {
  const pieces = list(value!, position).map((piece) => text(piece, position));
  const separator = between === undefined ? '' : text(between, position);
  run.spend(pieces.length, position);
  run.allow(
    pieces.reduce((sum, piece) => sum + piece.length, separator.length * pieces.length),
    position,
  );
  return pieces.join(separator);
}

/** From one character to before another, counted from 0; what lies outside the text is simply not there. */
function substring(run: Run, [value, from, to]: readonly Value[], position: number): Value {
  const whole = text(value!, position);
  run.spend(whole.length / 4, position);
  const start = Math.max(0, number(from!, position));
  const end = to === undefined ? undefined : Math.max(0, number(to, position));
  return [...whole].slice(start, end).join('');
}

const before = (whole: string, part: string) => {
  const at = whole.indexOf(part);
  return at < 0 ? whole : whole.slice(0, at);
};
const after = (whole: string, part: string) => {
  const at = whole.indexOf(part);
  return at < 0 ? '' : whole.slice(at + part.length);
};

const lower = onText((one) => one.toLowerCase());
const upper = onText((one) => one.toUpperCase());
const trim = onText((one) => one.trim());
const ascii = onText(foldToAscii);
const upTo = (name: string, most: number) =>
  Array.from({ length: most - 1 }, (_, index) => `${name}(${Array(index + 2).fill('dyn')}): dyn`);

/** Written before the brackets: `ascii(name)`. Closed: what is not here or below cannot be called. */
export const functions: ReadonlyMap<string, Callable> = new Map(
  Object.entries({
    ascii: { signatures: ['ascii(string): string'], counts: [1], apply: ascii },
    lowercase: { signatures: ['lowercase(string): string'], counts: [1], apply: lower },
    uppercase: { signatures: ['uppercase(string): string'], counts: [1], apply: upper },
    trim: { signatures: ['trim(string): string'], counts: [1], apply: trim },
    default: { signatures: ['default(dyn, dyn): dyn'], counts: [2], apply: firstGiven },
    first: { signatures: upTo('first', 6), counts: [2, 3, 4, 5, 6], apply: firstGiven },
    size: { signatures: [], counts: [1], apply: size },
    string: { signatures: [], counts: [1], apply: asText },
  }),
);

/** Written behind a value: `name.trim()`; the value is the first argument. */
export const methods: ReadonlyMap<string, Callable> = new Map(
  Object.entries({
    ascii: { signatures: ['string.ascii(): string'], counts: [1], apply: ascii },
    lowercase: { signatures: ['string.lowercase(): string'], counts: [1], apply: lower },
    uppercase: { signatures: ['string.uppercase(): string'], counts: [1], apply: upper },
    lowerAscii: { signatures: [], counts: [1], apply: lower },
    upperAscii: { signatures: [], counts: [1], apply: upper },
    trim: { signatures: [], counts: [1], apply: trim },
    size: { signatures: [], counts: [1], apply: size },
    startsWith: { signatures: [], counts: [2], apply: twoTexts((whole, part) => whole.startsWith(part)) },
    endsWith: { signatures: [], counts: [2], apply: twoTexts((whole, part) => whole.endsWith(part)) },
    contains: { signatures: [], counts: [2], apply: twoTexts((whole, part) => whole.includes(part)) },
    before: { signatures: ['string.before(string): string'], counts: [2], apply: twoTexts(before) },
    after: { signatures: ['string.after(string): string'], counts: [2], apply: twoTexts(after) },
    replace: { signatures: ['string.replace(string, string): string'], counts: [3], apply: replace },
    split: { signatures: [], counts: [2, 3], apply: split },
    join: { signatures: [], counts: [1, 2], apply: join },
    substring: { signatures: [], counts: [2, 3], apply: substring },
  } satisfies Record<string, Callable>),
);
