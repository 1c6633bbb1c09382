/**
 * The small language of mappings: CEL (Common Expression Language) cut down to what a mapping needs.
 * Owns nothing. Records nothing. Refuses, with a sentence and a position, whatever it does not know: no host code can be
 * reached, no prototype, no expression that runs long. Parsed and type-checked by the library, run by steps of our own;
 * patterns run on RE2 in linear time.
 */
import { createRequire } from 'node:module';
import type { ASTNode, Environment, ParseError } from '@marcbachmann/cel-js';
import { compileNode } from './compile.ts';
import { functions, methods } from './functions.ts';
import { admit, ExpressionError, isList, isMap, Run, type Value } from './run.ts';

export { ExpressionError } from './run.ts';

const require = createRequire(import.meta.url);
/** Loaded by the first expression: a house without targets has none. */
const cel = () => require('@marcbachmann/cel-js') as typeof import('@marcbachmann/cel-js');

/** `?` may be missing. A `map` is a set of fields (text to anything), a missing field of it is nothing. */
export type VariableType = 'string' | 'string?' | 'boolean' | 'number' | 'strings' | 'map';
export type ExpressionResult = string | number | boolean | null | string[];

export interface Expression {
  readonly source: string;
  /** Values by variable name, own properties only; one that is missing is nothing. Throws `ExpressionError`. */
  evaluate(values: Readonly<Record<string, unknown>>): ExpressionResult;
}

/** The longest source, in UTF-16 units. */
export const maxSource = 1_000;

const celTypes: Record<VariableType, string> = {
  string: 'string',
  'string?': 'dyn',
  boolean: 'bool',
  number: 'dyn', // CEL refuses 1 beside 1.0, people do not tell them apart
  strings: 'list<string>',
  map: 'map<string, dyn>',
};

/** Only tells the library's type checker what exists; what it is given as a handler is never called. */
function checkerFor(variables: Readonly<Record<string, VariableType>>): Environment {
  const environment = new (cel().Environment)({
    homogeneousAggregateLiterals: false,
    limits: { maxAstNodes: 250, maxDepth: 40, maxListElements: 100, maxMapEntries: 0, maxCallArguments: 8 },
  });
  const signatures = [...functions.values(), ...methods.values()].flatMap((one) => one.signatures);
  for (const signature of signatures) environment.registerFunction(signature, () => null, { async: false });
  for (const [name, type] of Object.entries(variables)) environment.registerVariable(name, celTypes[type]);
  return environment;
}

/**
 * Reads an expression. Throws `ExpressionError` with a sentence and the position (from 0) when it is too long, cannot
 * be read, does not fit its variables, or asks for something that does not exist.
 */
export function compileExpression(
  source: string,
  variables: Readonly<Record<string, VariableType>>,
): Expression {
  if (source.length > maxSource) throw new ExpressionError(`An expression has at most ${maxSource} letters.`);
  const parsed = parse(source, variables);
  const step = compileNode(parsed.ast, { variables: new Set(Object.keys(variables)), elements: [] });
  const checked = parsed.check();
  if (checked.error) throw explained(checked.error);
  return { source, evaluate: (values) => result(step(new Run(values))) };
}

/** The tree of an expression, for who looks into it without running it. Throws `ExpressionError`. */
export function parseExpression(source: string, variables: Readonly<Record<string, VariableType>>): ASTNode {
  if (source.length > maxSource) throw new ExpressionError(`An expression has at most ${maxSource} letters.`);
  return parse(source, variables).ast;
}

function parse(source: string, variables: Readonly<Record<string, VariableType>>) {
  try {
    return checkerFor(variables).parse(source);
  } catch (error) {
    throw explained(error);
  }
}

function explained(error: unknown): ExpressionError {
  const { summary, range } = error as Partial<ParseError>;
  if (summary === undefined) return new ExpressionError('This cannot be read as an expression.');
  return new ExpressionError(`This cannot be read as an expression: ${summary}.`, range?.start ?? 0);
}

function result(value: Value): ExpressionResult {
  if (isList(value)) {
    if (value.every((one) => typeof one === 'string')) return [...(value as readonly string[])];
    throw new ExpressionError('The result is a list that holds something else than texts.');
  }
  const plain = admit(value, 'the result', 0);
  if (isMap(plain)) throw new ExpressionError('The result is a set of fields. Choose one of them.');
  return plain as ExpressionResult;
}
