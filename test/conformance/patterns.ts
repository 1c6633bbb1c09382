/**
 * Whether a backtracking engine can take exponential time on a regular expression: exact, not a guess. The expression
 * becomes an automaton of its character positions; it is exponential when some position can be left and come back to on
 * one text in two ways (Weber and Seidl: "EDA"), which is a walk through pairs of positions. What looks
 * around is read like any other part, a back-reference as nothing; repeats that may be long ({0,10} and more) as endless.
 */

/** Every ASCII character, and some of each kind beyond. */
const samples = [
  ...Array.from({ length: 128 }, (_, code) => String.fromCharCode(code)),
  ...'\u00a0\u00adéßİıſK\u0300\u200b\u2028\u202e\ufeff山я٣Ⅷ€😀\u{10ffff}',
];

interface Piece {
  /** Positions one can begin at and end at, and how many ways lead there. */
  first: Map<number, number>;
  last: Map<number, number>;
  /** Ways to match nothing. */
  empty: number;
}

const add = (to: Map<number, number>, from: ReadonlyMap<number, number>, times = 1) => {
  if (times > 0) for (const [key, ways] of from) to.set(key, Math.min(2, (to.get(key) ?? 0) + ways * times));
};

class Reader {
  /** What each position takes, by sample. */
  readonly sets: boolean[][] = [];
  /** position → positions after it, and in how many ways (2 means more than one). */
  readonly next: Map<number, number>[] = [];
  private at = 0;
  private readonly source: string;
  private readonly flags: string;

  constructor(source: string, flags: string) {
    this.source = source;
    this.flags = flags.replace(/[gy]/g, '');
  }

  readAll(): Piece {
    const whole = this.alternatives();
    if (this.at < this.source.length) throw new Error(`cannot read ${this.source} at ${this.at}`);
    return whole;
  }

  private alternatives(): Piece {
    const all: Piece = { first: new Map(), last: new Map(), empty: 0 };
    for (;;) {
      const one = this.sequence();
      add(all.first, one.first);
      add(all.last, one.last);
      all.empty = Math.min(2, all.empty + one.empty);
      if (this.source[this.at] !== '|') return all;
      this.at += 1;
    }
  }

  private sequence(): Piece {
    let whole = nothing();
    while (this.at < this.source.length && !'|)'.includes(this.source[this.at]!)) {
      const begin = this.at;
      const positions = this.sets.length;
      whole = this.join(whole, this.repeated(this.atom(), begin, positions));
    }
    return whole;
  }

  private join(one: Piece, other: Piece): Piece {
    for (const [position, ways] of one.last) add(this.next[position]!, other.first, ways);
    const first = new Map(one.first);
    add(first, other.first, one.empty);
    const last = new Map(other.last);
    add(last, one.last, other.empty);
    return { first, last, empty: Math.min(2, one.empty * other.empty) };
  }

  /** The quantifier behind an atom, if there is one. */
  private repeated(atom: Piece, begin: number, positions: number): Piece {
    const quantifier = /^(?:[*+?]|\{(\d+)(,(\d*))?\})\??/.exec(this.source.slice(this.at));
    if (!quantifier) return atom;
    const end = this.at;
    this.at += quantifier[0].length;
    const [sign, least, comma, most] = [quantifier[0][0]!, quantifier[1], quantifier[2], quantifier[3]];
    const from = sign === '{' ? Number(least) : sign === '+' ? 1 : 0;
    const to = { '*': 99, '+': 99, '?': 1 }[sign] ?? (comma ? (most ? Number(most) : 99) : from);
    if (to >= 10) {
      // An empty round ends the repeating in JavaScript, so that only rounds that take something follow each other.
      for (const [position, ways] of atom.last) add(this.next[position]!, atom.first, ways);
      return { ...atom, empty: from === 0 ? Math.min(2, atom.empty + 1) : atom.empty };
    }
    const copies = [atom, ...Array.from({ length: to - 1 }, () => this.copyOf(begin, end, positions))];
    const needed = copies.slice(0, from).reduce((whole, copy) => this.join(whole, copy), nothing());
    // What may be left out is nested, x(x(x)?)?: a copy is only reached through the one before it.
    const more = copies.slice(from, to).reduceRight((rest, copy) => {
      const whole = this.join(copy, rest);
      return { ...whole, empty: Math.min(2, whole.empty + 1) };
    }, nothing());
    return this.join(needed, more);
  }

  private copyOf(begin: number, end: number, positions: number): Piece {
    const after = this.at;
    this.at = begin;
    const copy = this.atom();
    if (this.at !== end || this.sets.length < positions) throw new Error('a part was read in two ways');
    this.at = after;
    return copy;
  }

  private atom(): Piece {
    const rest = this.source.slice(this.at);
    if (rest[0] === '(') return this.group(rest);
    if (/^(?:[\^$]|\\[bB])/.test(rest)) return this.pass(rest[0] === '\\' ? 2 : 1);
    if (/^\\(?:[1-9]|k<)/.test(rest)) return this.pass(/^\\(?:\d+|k<[^>]*>)/.exec(rest)![0].length);
    if (rest[0] === '[') return this.take(classEnd(rest));
    const escaped = /^\\(?:[pP]\{[^}]*\}|u\{[^}]*\}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|c[A-Za-z]|[\s\S])/.exec(
      rest,
    );
    return this.take(escaped ? escaped[0].length : [...rest][0]!.length);
  }

  private group(rest: string): Piece {
    const opening = /^\((?:\?(?:[:=!]|<[=!]|<[^>]*>))?/.exec(rest)![0];
    this.at += opening.length;
    const inside = this.alternatives();
    if (this.source[this.at] !== ')') throw new Error(`a group of ${this.source} does not end`);
    this.at += 1;
    return /^\(\?<?[=!]/.test(opening) ? nothing() : inside;
  }

  private pass(length: number): Piece {
    this.at += length;
    return nothing();
  }

  private take(length: number): Piece {
    const text = this.source.slice(this.at, this.at + length);
    this.at += length;
    const one = new RegExp(`^(?:${text})$`, this.flags.replace('m', ''));
    const position = this.sets.push(samples.map((sample) => one.test(sample))) - 1;
    this.next.push(new Map());
    return { first: new Map([[position, 1]]), last: new Map([[position, 1]]), empty: 0 };
  }
}

const nothing = (): Piece => ({ first: new Map(), last: new Map(), empty: 1 });

function classEnd(rest: string): number {
  for (let at = 1; at < rest.length; at += 1) {
    if (rest[at] === '\\') at += 1;
    else if (rest[at] === ']') return at + 1;
  }
  throw new Error('a class does not end');
}

/** Whether there is a text on which this one takes time that doubles with every further character or two. */
export function isExponential({ source, flags }: { source: string; flags: string }): boolean {
  const reader = new Reader(source, flags);
  reader.readAll();
  const { sets, next } = reader;
  const count = sets.length;
  const meet = sets.map((one) => sets.map((other) => one.some((takes, at) => takes && other[at])));
  const after = (pair: number): number[] => {
    const [one, other] = [Math.floor(pair / count), pair % count];
    const found: number[] = [];
    for (const left of next[one]!.keys())
      for (const right of next[other]!.keys()) if (meet[left]![right]) found.push(left * count + right);
    return found;
  };
  const reach = (from: number): Set<number> => {
    const seen = new Set<number>();
    const waiting = [from];
    while (waiting.length > 0)
      for (const pair of after(waiting.pop()!))
        if (!seen.has(pair)) {
          seen.add(pair);
          waiting.push(pair);
        }
    return seen;
  };
  for (let position = 0; position < count; position += 1) {
    const diagonal = position * count + position;
    const there = reach(diagonal);
    if (!there.has(diagonal)) continue;
    for (const pair of there) {
      const [one, other] = [Math.floor(pair / count), pair % count];
      const isTwice = one === other && [...next[one]!.values()].some((ways) => ways > 1);
      if (one !== other && reach(pair).has(diagonal)) return true;
      if (isTwice && twiceAndBack(next[one]!, count, reach, diagonal)) return true;
    }
  }
  return false;
}

/** A step that can be made in two ways, on a way that leads back. */
function twiceAndBack(
  steps: ReadonlyMap<number, number>,
  count: number,
  reach: (pair: number) => Set<number>,
  diagonal: number,
): boolean {
  return [...steps].some(([to, ways]) => {
    const pair = to * count + to;
    return ways > 1 && (pair === diagonal || reach(pair).has(diagonal));
  });
}
