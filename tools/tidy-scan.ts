/**
 * A small reader of TypeScript source for `tidy.ts`: tells code from comments, strings and regular expressions, and
 * finds functions by their braces. (TypeScript 7 has no API to ask.)
 */

export interface Literal {
  /** What stands between the quotes; of a template, with `${…}` left out. */
  text: string;
  start: number;
}

export interface Source {
  /** The file with comments, texts and regular expressions blanked out; every position and line stays the same. */
  code: string;
  literals: Literal[];
  comments: Literal[];
  lineAt(position: number): number;
  lines: number;
}

export interface FunctionSpan {
  name: string;
  line: number;
  /** From its first line to its closing brace. */
  lines: number;
  /** The same without the functions that stand inside it. */
  ownLines: number;
}

/** Words after which a slash opens a regular expression. */
const beforeRegex =
  /(?:^|[=([{,;:!&|?+\-*%<>~^}]|\b(?:return|typeof|case|in|of|do|else|void|delete|throw|await|yield))$/;

export function scan(text: string): Source {
  const scanner = new Scanner(text);
  scanner.readCode(undefined);
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  const lineAt = (position: number) => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle]! <= position) low = middle;
      else high = middle - 1;
    }
    return low + 1;
  };
  const { literals, comments } = scanner;
  const lines = text.endsWith('\n') ? starts.length - 1 : starts.length;
  return { code: scanner.out.join(''), literals, comments, lineAt, lines };
}

class Scanner {
  readonly out: string[];
  readonly literals: Literal[] = [];
  readonly comments: Literal[] = [];
  private readonly text: string;
  private at = 0;

  constructor(text: string) {
    this.text = text;
    this.out = [...text.split('')];
  }

  /** Reads code up to the brace that closes a template's `${`, or to the end. */
  readCode(until: '}' | undefined): void {
    let depth = 0;
    while (this.at < this.text.length) {
      const two = this.text.slice(this.at, this.at + 2);
      const one = two[0]!;
      if (two === '//') this.skip(this.comments, this.lineEnd(), 2);
      else if (two === '/*') this.skip(this.comments, this.after('*/', this.at + 2), 2);
      else if (one === "'" || one === '"') this.skip(this.literals, this.quoteEnd(one), 1);
      else if (one === '`') this.readTemplate();
      else if (one === '/' && this.opensRegex()) this.skip(undefined, this.regexEnd(), 1);
      else {
        if (one === '{') depth += 1;
        if (one === '}') {
          if (until && depth === 0) return;
          depth -= 1;
        }
        this.at += 1;
      }
    }
  }

  private readTemplate(): void {
    const start = this.at;
    const texts: string[] = [];
    this.at += 1;
    while (this.at < this.text.length && this.text[this.at] !== '`') {
      if (this.text[this.at] === '\\') {
        this.blank(this.at, this.at + 2);
        this.at += 2;
      } else if (this.text.startsWith('${', this.at)) {
        this.at += 2;
        this.readCode('}');
        this.at += 1;
      } else {
        texts.push(this.text[this.at]!);
        this.blank(this.at, this.at + 1);
        this.at += 1;
      }
    }
    this.at += 1;
    this.literals.push({ text: texts.join(''), start });
  }

  private skip(into: Literal[] | undefined, end: number, edge: number): void {
    const whole = this.text.slice(this.at + edge, end);
    const inner = into === this.comments ? whole.replace(/\*\/$/, '') : whole.slice(0, -edge);
    into?.push({ text: inner, start: this.at });
    this.blank(into === this.literals ? this.at + 1 : this.at, into === this.literals ? end - 1 : end);
    this.at = end;
  }

  private blank(from: number, to: number): void {
    for (let at = from; at < to && at < this.out.length; at += 1)
      if (this.out[at] !== '\n') this.out[at] = ' ';
  }

  private lineEnd(): number {
    const end = this.text.indexOf('\n', this.at);
    return end < 0 ? this.text.length : end;
  }

  private after(mark: string, from: number): number {
    const end = this.text.indexOf(mark, from);
    return end < 0 ? this.text.length : end + mark.length;
  }

  private quoteEnd(quote: string): number {
    let end = this.at + 1;
    while (end < this.text.length && this.text[end] !== quote && this.text[end] !== '\n') {
      end += this.text[end] === '\\' ? 2 : 1;
    }
    return end + 1;
  }

  private opensRegex(): boolean {
    const before = this.out
      .slice(Math.max(0, this.at - 200), this.at)
      .join('')
      .trimEnd();
    // The end of a tag: `<Field name={name} />`, `</p>`.
    if (before.endsWith('<') || (this.text[this.at + 1] === '>' && before.endsWith('}'))) return false;
    return beforeRegex.test(before);
  }

  private regexEnd(): number {
    let end = this.at + 1;
    let inClass = false;
    while (end < this.text.length && this.text[end] !== '\n') {
      const sign = this.text[end]!;
      if (sign === '\\') end += 1;
      else if (sign === '[') inClass = true;
      else if (sign === ']') inClass = false;
      else if (sign === '/' && !inClass) break;
      end += 1;
    }
    return end + 1;
  }
}

const pairs: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };

/** The position of the bracket that closes the one at `open`. */
export function closing(code: string, open: number): number {
  const close = pairs[code[open]!]!;
  let depth = 0;
  for (let at = open; at < code.length; at += 1) {
    if (code[at] === code[open]) depth += 1;
    else if (code[at] === close) {
      depth -= 1;
      if (depth === 0) return at;
    }
  }
  return code.length;
}

const notFunctions = new Set([
  'if',
  'for',
  'while',
  'switch',
  'catch',
  'with',
  'return',
  'await',
  'typeof',
  'super',
]);

const parameters = /([A-Za-z_$][\w$]*)?\s*(?:<[^<>()]*(?:<[^<>()]*>[^<>()]*)*>)?\(/g;
const bareArrow = /\b([A-Za-z_$][\w$]*)\s*=>\s*\{/g;

/** Every function, method and braced arrow. */
export function functionsIn(source: Source): FunctionSpan[] {
  const { code, lineAt } = source;
  const found: { name: string; first: number; last: number }[] = [];
  const add = (name: string, start: number, body: number) =>
    found.push({ name, first: lineAt(start), last: lineAt(closing(code, body)) });
  for (const match of code.matchAll(parameters)) {
    const name = match[1] ?? '';
    if (notFunctions.has(name)) continue;
    const body = bodyAfter(code, closing(code, match.index + match[0].length - 1) + 1);
    if (body !== undefined) add(name || 'an arrow', match.index + match[0].search(/\S/), body);
  }
  for (const match of code.matchAll(bareArrow))
    add('an arrow', match.index, match.index + match[0].length - 1);
  return found.map(({ name, first, last }) => {
    const inner = new Set<number>();
    for (const other of found) {
      if (other.first <= first || other.last > last) continue;
      for (let line = other.first; line <= other.last; line += 1) inner.add(line);
    }
    const lines = last - first + 1;
    return { name, line: first, lines, ownLines: lines - inner.size };
  });
}

/** After a parameter list: where the body's brace opens, past a return type and an arrow; undefined when none does. */
function bodyAfter(code: string, from: number): number | undefined {
  let at = skipBlank(code, from);
  if (code[at] === ':') at = typeEnd(code, at + 1);
  if (code.startsWith('=>', at)) at = skipBlank(code, at + 2);
  return code[at] === '{' ? at : undefined;
}

/** Where a type ends: the first brace, or arrow before a brace, that does not belong to it. */
function typeEnd(code: string, from: number): number {
  let wanted = true;
  let angles = 0;
  for (let at = skipBlank(code, from); at < code.length; at = skipBlank(code, at)) {
    const sign = code[at]!;
    if (sign === '{' && !wanted && angles === 0) return at;
    if (sign in pairs) {
      at = closing(code, at) + 1;
      wanted = false;
    } else if (code.startsWith('=>', at)) {
      if (angles === 0 && code[skipBlank(code, at + 2)] === '{') return at;
      wanted = true;
      at += 2;
    } else if ('|&<,?'.includes(sign)) {
      if (sign === '<') angles += 1;
      wanted = true;
      at += 1;
    } else if (/[\w$.>'"`]/.test(sign)) {
      if (sign === '>') angles -= 1;
      const word = /^[\w$]+/.exec(code.slice(at, at + 80))?.[0] ?? sign;
      wanted = typeWords.has(word);
      at += word.length;
    } else return code.length;
  }
  return code.length;
}

const typeWords = new Set(['keyof', 'typeof', 'readonly', 'is', 'asserts', 'infer', 'extends', 'new']);

function skipBlank(code: string, from: number): number {
  let at = from;
  while (at < code.length && /\s/.test(code[at]!)) at += 1;
  return at;
}
