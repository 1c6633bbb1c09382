import type { ASTNode } from '@marcbachmann/cel-js';
import { parseExpression, type VariableType } from './expressions.ts';

/**
 * The texts an expression writes out and compares with members of a list: of `'staff' in groups` and of
 * `groups.exists(g, g == 'staff')` that is "staff". Each once; none where the expression cannot be read.
 */
export function mentions(
  source: string,
  variables: Readonly<Record<string, VariableType>>,
  list: string,
): string[] {
  const found = new Set<string>();
  let root: ASTNode;
  try {
    root = parseExpression(source, variables);
  } catch {
    return [];
  }
  const walk = (node: ASTNode, members: ReadonlySet<string>): void => {
    for (const text of comparedIn(node, list, members)) found.add(text);
    const inner = memberName(node, list);
    const inside = inner === undefined ? members : new Set([...members, inner]);
    for (const child of childrenOf(node)) walk(child, inside);
  };
  walk(root, new Set());
  return [...found];
}

function comparedIn(node: ASTNode, list: string, members: ReadonlySet<string>): string[] {
  if (node.op !== 'in' && node.op !== '==' && node.op !== '!=') return [];
  const [one, other] = node.args;
  const isMember = (part: ASTNode) =>
    (part.op === 'id' && members.has(part.args)) || (part.op === '[]' && isOf(part.args[0], list));
  if (node.op === 'in') {
    if (isOf(other, list)) return textsIn(one);
    return isMember(one) ? textsIn(other) : [];
  }
  if (isMember(one)) return textsIn(other);
  return isMember(other) ? textsIn(one) : [];
}

/** The list itself, or what a step over it made of it. */
function isOf(node: ASTNode, list: string): boolean {
  if (node.op === 'id') return node.args === list;
  return node.op === 'rcall' && node.args[0] === 'filter' && isOf(node.args[1], list);
}

/** What a member of the list is called inside a step over it. */
function memberName(node: ASTNode, list: string): string | undefined {
  if (node.op !== 'rcall' || !isOf(node.args[1], list)) return undefined;
  const [first] = node.args[2];
  return node.args[2].length >= 2 && first?.op === 'id' ? first.args : undefined;
}

function textsIn(node: ASTNode): string[] {
  if (node.op === 'value') return typeof node.args === 'string' ? [node.args] : [];
  return node.op === 'list' ? node.args.flatMap(textsIn) : [];
}

function childrenOf(node: ASTNode): ASTNode[] {
  const isNode = (part: unknown): part is ASTNode =>
    typeof part === 'object' && part !== null && 'op' in part && 'args' in part;
  const parts: unknown[] = Array.isArray(node.args) ? node.args.flat() : [node.args];
  return parts.filter(isNode);
}
