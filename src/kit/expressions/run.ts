/** What an expression works with while it runs. Lists and maps are the caller's own and only ever read. */
export type Value = string | number | boolean | null | readonly Value[] | ValueMap;
export interface ValueMap {
  readonly [key: string]: unknown;
}

/** The longest text an expression takes in or makes, in UTF-16 units. */
export const maxText = 131_072;
/** What one evaluation may cost: about one for a step, a part of one for each character touched. */
const maxCost = 4_000_000;

/** A refusal, always with a sentence a person understands. Thrown when compiling and when evaluating. */
export class ExpressionError extends Error {
  override name = 'ExpressionError';
  /** Where in the source it is, counted from 0. */
  readonly position: number;

  constructor(message: string, position = 0) {
    super(message);
    this.position = position;
  }
}

/** One evaluation: the values it sees, the elements its list steps stand at, and what it may still cost. */
export class Run {
  readonly values: ValueMap;
  readonly elements: Value[] = [];
  private left = maxCost;

  constructor(values: ValueMap) {
    this.values = values;
  }

  spend(cost: number, position: number): void {
    this.left -= cost;
    if (this.left < 0)
      throw new ExpressionError('This takes too long. Make the expression simpler.', position);
  }

  /** Every text that is made goes through here before it exists where it could be long. */
  allow(length: number, position: number): void {
    if (length > maxText) throw new ExpressionError('This makes a text that is too long.', position);
    this.spend(length / 16, position);
  }
}

/** Lets in what the language knows: no functions, no class instances, nothing with a prototype of its own. */
export function admit(given: unknown, name: string, position: number): Value {
  switch (typeof given) {
    case 'undefined':
      return null;
    case 'string':
      if (given.length > maxText) throw new ExpressionError(`"${name}" is too long a text.`, position);
      return given;
    case 'boolean':
      return given;
    case 'number':
      if (Number.isFinite(given)) return given;
      break;
    case 'object':
      if (given === null || isPlain(given)) return given as Value;
  }
  throw new ExpressionError(`"${name}" holds something an expression cannot work with.`, position);
}

function isPlain(given: object): boolean {
  const prototype = Object.getPrototypeOf(given);
  return prototype === Array.prototype || prototype === Object.prototype || prototype === null;
}

export const isList = (value: Value): value is readonly Value[] => Array.isArray(value);

export function isMap(value: Value): value is ValueMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What a value is called in a refusal. */
export function kindOf(value: Value): string {
  if (value === null) return 'nothing';
  if (isList(value)) return 'a list';
  if (isMap(value)) return 'a set of fields';
  const names = { string: 'a text', number: 'a number', boolean: 'yes or no' } as const;
  return names[typeof value as keyof typeof names];
}

export function text(value: Value, position: number): string {
  if (typeof value === 'string') return value;
  throw new ExpressionError(`A text is needed here, but there is ${kindOf(value)}.`, position);
}

export function number(value: Value, position: number): number {
  if (typeof value === 'number') return value;
  throw new ExpressionError(`A number is needed here, but there is ${kindOf(value)}.`, position);
}

export function truth(value: Value, position: number): boolean {
  if (typeof value === 'boolean') return value;
  throw new ExpressionError(
    `A comparison (yes or no) is needed here, but there is ${kindOf(value)}.`,
    position,
  );
}

export function list(value: Value, position: number): readonly Value[] {
  if (isList(value)) return value;
  throw new ExpressionError(`A list is needed here, but there is ${kindOf(value)}.`, position);
}
