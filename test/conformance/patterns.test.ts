import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parseSync } from 'vite';
import { isExponential } from './patterns.ts';

const root = path.join(import.meta.dirname, '../..');

interface Found {
  file: string;
  pattern: RegExp;
}

/** Every regular expression written in the source, and every place that makes one from a text. */
function inSource(): { written: Found[]; made: { file: string; from: string }[] } {
  const written: Found[] = [];
  const made: { file: string; from: string }[] = [];
  const files = globSync(['src/**/*.ts', 'src/**/*.tsx', 'src/**/*.js'], { cwd: root }).filter(
    (file) => !/\.test\.tsx?$/.test(file),
  );
  for (const file of files) {
    const text = readFileSync(path.join(root, file), 'utf8');
    const { program, errors } = parseSync(file, text);
    assert.equal(errors.length, 0, file);
    walk(program, (node) => {
      const { regex } = node as { regex?: { pattern: string; flags: string } };
      if (node.type === 'Literal' && regex)
        written.push({ file, pattern: new RegExp(regex.pattern, regex.flags) });
      const callee = node.callee as { name?: string } | undefined;
      const isMade =
        (node.type === 'NewExpression' || node.type === 'CallExpression') && callee?.name === 'RegExp';
      if (isMade) made.push({ file, from: text.slice(Number(node.start), Number(node.end)) });
    });
  }
  return { written, made };
}

type Node = Record<string, unknown>;

function walk(value: unknown, visit: (node: Node) => void): void {
  if (Array.isArray(value)) for (const one of value) walk(one, visit);
  else if (typeof value === 'object' && value !== null && !(value instanceof RegExp)) {
    if ('type' in value) visit(value as Node);
    for (const one of Object.values(value)) walk(one, visit);
  }
}

test('FE-11 the check knows what backtracks for ever and what does not', () => {
  const evil = [
    /(?=(a+)+c)b/, /(a+)+$/, /(a*)*b/, /(a|a)*$/, /(a|aa)+$/, /(?:a+)+$/, /(\w+\s?)+$/, /^(([a-z])+.)+[A-Z]([a-z])+$/,
    /(x+x+)+y/, /^(?:[\w.-]+)*@/, /(a{1,20}){2,}b/, /"(?:[^"]|\\.)*"x/, /(?:\d+,?)+;/, /(?:.*\n?)*x/s, /([a-z]|\p{L})*1/u,
    /(?:(?:a|b)*c?)*d/, /(a+){10}b{2}(?:e|e)*$/,
  ]; // biome-ignore format: a list
  const sound = [
    /a+b+c+$/, /^(?:a|b)*$/, /^(?:ab|ac)*$/, /^[\w.]+@[\w.]+$/, /"(?:[^"\\]|\\.)*"/, /^(?:[a-z0-9]+\.)*[a-z]+$/,
    /(?:\d+,)+;/, /\s+$/, /^(a{1,3}){2}$/, /^(?:a?b)*$/, /(?:x|y|zz)+/, /(?:a?)*b/, /^(\d{1,2}:){2}\d+$/, /^(-[a-z]{2,8})*$/,
  ]; // biome-ignore format: a list
  for (const one of evil) assert.ok(isExponential(one), String(one));
  for (const one of sound) assert.ok(!isExponential(one), String(one));
});

test('FE-11 no regular expression in the source can take exponential time', () => {
  const { written } = inSource();
  assert.ok(written.length > 100, `${written.length} were found`);
  const bad = written.filter(({ pattern }) => isExponential(pattern));
  assert.deepEqual(
    bad.map(({ file, pattern }) => `${file}: ${pattern}`),
    [],
  );
});

test('FE-11 what an operator types as a pattern never becomes a JavaScript regular expression', () => {
  // From a text of ours each; a pattern of someone else's goes to kit/expressions/pattern.ts, which is linear.
  const ours = ['src/kit/net/net.ts', 'src/consoles/admin/bundle.ts'];
  const made = inSource().made.filter(({ file }) => !ours.includes(file));
  assert.deepEqual(made, []);
});
