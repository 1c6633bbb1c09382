import { createRequire } from 'node:module';
import type { RE2JS } from '@bufbuild/re2';

const require = createRequire(import.meta.url);
/** Loaded by the first pattern: most houses have none. */
const re2 = () => require('@bufbuild/re2') as typeof import('@bufbuild/re2');

/** What a pattern somebody typed may be at most: characters written, and steps it compiles to. */
const maxSource = 200;
const maxSteps = 2_000;

/** The latest ones: a community's rule for names is asked for at every visit. */
const recent = new Map<string, Pattern>();
const mostRecent = 50;

export interface Pattern {
  /** Steps of the compiled pattern: matching costs at most this many for each character of the text. */
  steps: number;
  /** True when it is found anywhere in the text. */
  test(text: string): boolean;
  /** True when it describes the whole of the text. */
  testAll(text: string): boolean;
}

/**
 * Compiles a pattern that came from outside, in RE2 syntax: no look-around, no back-references, and matching takes time
 * in proportion to the text whatever the pattern. Throws a `SyntaxError` with a sentence when it is not one.
 */
export function compilePattern(source: string): Pattern {
  const known = recent.get(source);
  if (known) return known;
  if (source.length > maxSource) throw new SyntaxError(`A pattern has at most ${maxSource} characters.`);
  const compiled = compiledFrom(source);
  const steps = compiled.re2().prog.numInst();
  if (steps > maxSteps) throw new SyntaxError('This pattern repeats too much. Use smaller numbers in { }.');
  const pattern: Pattern = {
    steps,
    test: (text) => compiled.test(text),
    testAll: (text) => compiled.testExact(text),
  };
  const [oldest] = recent.keys();
  if (recent.size >= mostRecent && oldest !== undefined) recent.delete(oldest);
  recent.set(source, pattern);
  return pattern;
}

function compiledFrom(source: string): RE2JS {
  try {
    return re2().RE2JS.compile(source);
  } catch (error) {
    const why = error instanceof Error ? error.message : 'unknown syntax';
    throw new SyntaxError(`This pattern cannot be read (RE2 syntax): ${why}.`);
  }
}
