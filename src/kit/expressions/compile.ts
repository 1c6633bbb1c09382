import type { ASTNode } from '@marcbachmann/cel-js';
import { functions, methods } from './functions.ts';
import { compilePattern } from './pattern.ts';
import {
  admit,
  ExpressionError,
  isList,
  isMap,
  kindOf,
  list,
  number,
  type Run,
  text,
  truth,
  type Value,
} from './run.ts';

/** One node, ready to run. */
export type Step = (run: Run) => Value;

/** Names in reach: the declared variables, and how deep the list steps around a node are by their element's name. */
interface Scope {
  variables: ReadonlySet<string>;
  elements: readonly string[];
}

const forbidden = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * Turns a checked syntax tree into steps of our own: the library's evaluator never runs. Only the operators and
 * functions named here exist, fields are read as own properties, and each step is paid for.
 */
export function compileNode(node: ASTNode, scope: Scope): Step {
  const step = compileStep(node, scope);
  const at = node.start;
  return (run) => {
    run.spend(1, at);
    return step(run);
  };
}

function compileStep(node: ASTNode, scope: Scope): Step {
  const at = node.start;
  switch (node.op) {
    case 'value':
      return literal(node.args, at);
    case 'id':
      return name(node.args, scope, at);
    case 'list': {
      const parts = node.args.map((part) => compileNode(part, scope));
      return (run) => parts.map((part) => part(run));
    }
    case '.': {
      const [whole, key] = [compileNode(node.args[0], scope), fieldName(node.args[1], at)];
      return (run) => field(whole(run), key, at);
    }
    case '[]': {
      const [whole, index] = both(node.args, scope);
      return (run) => element(whole(run), index(run), at);
    }
    case '?:': {
      const [test, yes, no] = node.args.map((part) => compileNode(part, scope));
      return (run) => (truth(test!(run), at) ? yes!(run) : no!(run));
    }
    case '!_': {
      const one = compileNode(node.args, scope);
      return (run) => !truth(one(run), at);
    }
    case '-_': {
      const one = compileNode(node.args, scope);
      return (run) => -number(one(run), at);
    }
    case 'call':
      return call(node.args[0], node.args[1], scope, at);
    case 'rcall':
      return method(node.args[0], node.args[1], node.args[2], scope, at);
    default:
      return operator(node, scope);
  }
}

function both(args: readonly [ASTNode, ASTNode], scope: Scope): [Step, Step] {
  return [compileNode(args[0], scope), compileNode(args[1], scope)];
}

function operator(node: ASTNode, scope: Scope): Step {
  const at = node.start;
  const pair = () => both(node.args as [ASTNode, ASTNode], scope);
  switch (node.op) {
    case '&&': {
      const [one, other] = pair();
      return (run) => truth(one(run), at) && truth(other(run), at);
    }
    case '||': {
      const [one, other] = pair();
      return (run) => truth(one(run), at) || truth(other(run), at);
    }
    case '==': {
      const [one, other] = pair();
      return (run) => equal(run, one(run), other(run), at);
    }
    case '!=': {
      const [one, other] = pair();
      return (run) => !equal(run, one(run), other(run), at);
    }
    case '<':
    case '<=':
    case '>':
    case '>=':
      return comparison(node.op, pair(), at);
    case '+': {
      const [one, other] = pair();
      return (run) => add(run, one(run), other(run), at);
    }
    case '-': {
      const [one, other] = pair();
      return (run) => finite(number(one(run), at) - number(other(run), at), at);
    }
    case '*': {
      const [one, other] = pair();
      return (run) => finite(number(one(run), at) * number(other(run), at), at);
    }
    case 'in': {
      const [one, other] = pair();
      return (run) => contains(run, other(run), one(run), at);
    }
    default:
      throw new ExpressionError(`"${node.op}" is not part of this language.`, at);
  }
}

function literal(value: unknown, at: number): Step {
  if (typeof value === 'bigint') {
    const whole = Number(value);
    if (!Number.isSafeInteger(whole)) throw new ExpressionError('This number is too large.', at);
    return () => whole;
  }
  if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) {
    const kept = value as Value;
    return () => kept;
  }
  throw new ExpressionError('Only texts, numbers, true, false and null can be written here.', at);
}

function name(id: string, scope: Scope, at: number): Step {
  const depth = scope.elements.lastIndexOf(id);
  if (depth >= 0) return (run) => run.elements[depth]!;
  if (!scope.variables.has(id)) throw new ExpressionError(`There is nothing called "${id}" here.`, at);
  return (run) => admit(Object.hasOwn(run.values, id) ? run.values[id] : null, id, at);
}

function fieldName(key: string, at: number): string {
  if (forbidden.has(key)) throw new ExpressionError(`"${key}" cannot be asked for.`, at);
  return key;
}

/** A field of a set of fields, as an own property; one that is not there is nothing. */
function field(whole: Value, key: string, at: number): Value {
  if (!isMap(whole)) throw new ExpressionError(`There is ${kindOf(whole)} here, which has no fields.`, at);
  return Object.hasOwn(whole, fieldName(key, at)) ? admit(whole[key], key, at) : null;
}

function element(whole: Value, index: Value, at: number): Value {
  if (isMap(whole)) return field(whole, text(index, at), at);
  const place = number(index, at);
  const all = list(whole, at);
  if (!Number.isInteger(place) || place < 0 || place >= all.length)
    throw new ExpressionError(`The list has no element ${place}; they count from 0.`, at);
  return admit(all[place], 'the list', at);
}

function equal(run: Run, one: Value, other: Value, at: number): boolean {
  if (typeof one === 'string' && typeof other === 'string') {
    run.spend(Math.min(one.length, other.length) / 16, at);
    return one === other;
  }
  if (isList(one) && isList(other)) {
    run.spend(one.length, at);
    return one.length === other.length && one.every((value, index) => equal(run, value, other[index]!, at));
  }
  if (isMap(one) || isMap(other)) throw new ExpressionError('Compare single fields, not all of them.', at);
  return one === other;
}

function comparison(op: '<' | '<=' | '>' | '>=', [one, other]: [Step, Step], at: number): Step {
  const holds = {
    '<': (order: number) => order < 0,
    '<=': (order: number) => order <= 0,
    '>': (order: number) => order > 0,
    '>=': (order: number) => order >= 0,
  }[op];
  return (run) => {
    const [left, right] = [one(run), other(run)];
    if (typeof left === 'number') return holds(left - number(right, at));
    const [first, second] = [text(left, at), text(right, at)];
    run.spend(Math.min(first.length, second.length) / 16, at);
    return holds(first < second ? -1 : first > second ? 1 : 0);
  };
}

function add(run: Run, one: Value, other: Value, at: number): Value {
  if (typeof one === 'number') return finite(one + number(other, at), at);
  if (isList(one)) {
    const more = list(other, at);
    run.allow((one.length + more.length) * 16, at);
    return [...one, ...more];
  }
  const [first, second] = [text(one, at), text(other, at)];
  run.allow(first.length + second.length, at);
  return first + second;
}

function finite(value: number, at: number): number {
  if (Number.isFinite(value)) return value;
  throw new ExpressionError('This makes a number that is too large.', at);
}

function contains(run: Run, whole: Value, wanted: Value, at: number): boolean {
  if (isMap(whole)) return Object.hasOwn(whole, fieldName(text(wanted, at), at));
  return list(whole, at).some((value) => {
    run.spend(1, at);
    return equal(run, admit(value, 'the list', at), wanted, at);
  });
}

function call(callee: string, args: readonly ASTNode[], scope: Scope, at: number): Step {
  if (callee === 'has') {
    const [asked] = args;
    if (asked?.op !== '.')
      throw new ExpressionError('has() asks for a field, like has(attributes.team).', at);
    const value = compileNode(asked, scope);
    return (run) => value(run) !== null;
  }
  const known = functions.get(callee);
  if (!known?.counts.includes(args.length)) throw unknownCall(callee, at);
  const steps = args.map((one) => compileNode(one, scope));
  return (run) => {
    const given = steps.map((step) => step(run));
    return known.apply(run, given, at);
  };
}

function method(callee: string, receiver: ASTNode, args: readonly ASTNode[], scope: Scope, at: number): Step {
  if (callee === 'matches') return matches(receiver, args, scope, at);
  if (Object.hasOwn(listSteps, callee) && args.length >= 2) {
    return listStep(callee as keyof typeof listSteps, receiver, args, scope, at);
  }
  const known = methods.get(callee);
  if (!known?.counts.includes(args.length + 1)) throw unknownCall(callee, at);
  const steps = [receiver, ...args].map((one) => compileNode(one, scope));
  return (run) => {
    const given = steps.map((step) => step(run));
    return known.apply(run, given, at);
  };
}

function unknownCall(callee: string, at: number): ExpressionError {
  return new ExpressionError(`There is no function "${callee}" that takes what it is given here.`, at);
}

/** Only a pattern that is written out: it is compiled once, on the linear engine, and its cost is known. */
function matches(receiver: ASTNode, args: readonly ASTNode[], scope: Scope, at: number): Step {
  const [written] = args;
  if (args.length !== 1 || written?.op !== 'value' || typeof written.args !== 'string')
    throw new ExpressionError('matches() needs its pattern written out as a text.', written?.start ?? at);
  const pattern = patternAt(written.args, written.start);
  const whole = compileNode(receiver, scope);
  return (run) => {
    const given = text(whole(run), at);
    run.spend(given.length * pattern.steps, at);
    return pattern.test(given);
  };
}

function patternAt(source: string, at: number) {
  try {
    return compilePattern(source);
  } catch (error) {
    throw new ExpressionError((error as Error).message, at);
  }
}

type Each = (run: Run, body: readonly Step[], all: readonly Value[], stand: Stand, at: number) => Value;
/** Makes an element the one its name means, and runs a step there. */
type Stand = (value: Value, step: Step) => Value;

const count: Each = (_run, [test], all, stand, at) =>
  all.filter((value) => truth(stand(value, test!), at)).length;

const listSteps = {
  all: (_run, [test], all, stand, at) => all.every((value) => truth(stand(value, test!), at)),
  exists: (_run, [test], all, stand, at) => all.some((value) => truth(stand(value, test!), at)),
  exists_one: (...given) => count(...given) === 1,
  filter: (_run, [test], all, stand, at) => all.filter((value) => truth(stand(value, test!), at)),
  map: (_run, body, all, stand, at) => {
    const [test, make] = body.length === 2 ? body : [undefined, body[0]];
    const kept = test ? all.filter((value) => truth(stand(value, test), at)) : all;
    return kept.map((value) => stand(value, make!));
  },
} satisfies Record<string, Each>;

function listStep(
  kind: keyof typeof listSteps,
  receiver: ASTNode,
  [element, ...parts]: readonly ASTNode[],
  scope: Scope,
  at: number,
): Step {
  if (element?.op !== 'id' || parts.length > (kind === 'map' ? 2 : 1)) throw unknownCall(kind, at);
  const whole = compileNode(receiver, scope);
  const depth = scope.elements.length;
  const inside = { ...scope, elements: [...scope.elements, fieldName(element.args, at)] };
  const body = parts.map((part) => compileNode(part, inside));
  const work: Each = listSteps[kind];
  return (run) => {
    const all = list(whole(run), at);
    const stand: Stand = (value, step) => {
      run.elements[depth] = admit(value, element.args, at);
      return step(run);
    };
    return work(run, body, all, stand, at);
  };
}
