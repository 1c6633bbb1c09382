/** Filters of RFC 7644 §3.4.2.2: read by hand, bounded in length and depth, then asked of a resource. */
import { Refusal } from './refusal.ts';
import { type Attribute, type Body, type Json, type Place, placeOf, type ResourceSchema } from './schema.ts';

const operators = ['eq', 'ne', 'co', 'sw', 'ew', 'gt', 'ge', 'lt', 'le'] as const;
export type Operator = (typeof operators)[number];

export type Filter =
  | { is: 'compare'; place: Place; operator: Operator; value: string | number | boolean | null }
  | { is: 'present'; place: Place }
  | { is: 'and' | 'or'; sides: [Filter, Filter] }
  | { is: 'not'; side: Filter }
  | { is: 'within'; place: Place; filter: Filter };

const longest = 4096;
const deepest = 24;

/** Reads a filter. Throws Refusal 400 invalidFilter. */
export function readFilter(schema: ResourceSchema, text: string): Filter {
  const reader = openReader(schema, text);
  const filter = reader.any(0);
  reader.end();
  return filter;
}

/** The filter inside `emails[…]`: names are sub-attributes of that attribute. */
export function readElementFilter(attribute: Attribute, text: string): Filter {
  const reader = openReader(elementSchema(attribute), text);
  const filter = reader.any(0);
  reader.end();
  return filter;
}

function elementSchema(attribute: Attribute): ResourceSchema {
  return {
    urn: 'element',
    name: attribute.name,
    endpoint: '/Users',
    attributes: attribute.sub ?? [],
    extensions: [],
  };
}

type Token = { kind: 'word' | 'text' | 'mark'; text: string; at: number };

function tokensOf(text: string): Token[] {
  if (text.length > longest) throw wrong(`A filter may have ${longest} characters.`);
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const here = text[at] as string;
    if (here === ' ') {
      at += 1;
      continue;
    }
    if ('()[]'.includes(here)) {
      tokens.push({ kind: 'mark', text: here, at });
      at += 1;
      continue;
    }
    const shape = here === '"' ? /"(?:[^"\\]|\\.)*"/y : /[^\s()[\]"]+/y;
    shape.lastIndex = at;
    const [found] = shape.exec(text) ?? [];
    if (found === undefined) throw wrong(`A text is not closed at ${at}.`);
    tokens.push({ kind: here === '"' ? 'text' : 'word', text: found, at });
    at += found.length;
  }
  return tokens;
}

function openReader(schema: ResourceSchema, text: string) {
  const tokens = tokensOf(text);
  let next = 0;
  const peekWord = () => (tokens[next]?.kind === 'word' ? tokens[next]!.text.toLowerCase() : undefined);
  const take = (mark: string) => {
    if (tokens[next]?.text !== mark || tokens[next]?.kind !== 'mark') throw wrong(`"${mark}" is missing.`);
    next += 1;
  };

  function any(depth: number): Filter {
    let left = all(depth);
    while (peekWord() === 'or') {
      next += 1;
      left = { is: 'or', sides: [left, all(depth)] };
    }
    return left;
  }
  function all(depth: number): Filter {
    let left = one(depth);
    while (peekWord() === 'and') {
      next += 1;
      left = { is: 'and', sides: [left, one(depth)] };
    }
    return left;
  }
  function one(depth: number): Filter {
    if (depth > deepest) throw wrong('The filter is nested too deeply.');
    if (peekWord() === 'not' && tokens[next + 1]?.text === '(') {
      next += 1;
      return { is: 'not', side: inBrackets('(', ')', depth) };
    }
    if (tokens[next]?.kind === 'mark' && tokens[next]?.text === '(') return inBrackets('(', ')', depth);
    return compare(depth);
  }
  function inBrackets(open: string, close: string, depth: number): Filter {
    take(open);
    const inner = any(depth + 1);
    take(close);
    return inner;
  }
  function compare(depth: number): Filter {
    const word = tokens[next];
    if (word?.kind !== 'word') throw wrong('An attribute is missing.');
    const place = placeOf(schema, word.text);
    if (!place) throw wrong(`There is no attribute ${word.text}.`);
    next += 1;
    if (tokens[next]?.kind === 'mark' && tokens[next]?.text === '[') {
      if (place.attribute.type !== 'complex' || place.sub) throw wrong(`${word.text} holds no elements.`);
      const outer = schema;
      schema = elementSchema(place.attribute);
      const filter = inBrackets('[', ']', depth);
      schema = outer;
      return { is: 'within', place, filter };
    }
    const operator = peekWord();
    next += 1;
    if (operator === 'pr') return { is: 'present', place };
    if (!operators.includes(operator as Operator)) throw wrong(`There is no operator ${operator ?? ''}.`);
    return { is: 'compare', place, operator: operator as Operator, value: literal() };
  }
  function literal() {
    const token = tokens[next];
    next += 1;
    if (!token || token.kind === 'mark') throw wrong('A value is missing.');
    try {
      const value: unknown = JSON.parse(token.kind === 'word' ? token.text.toLowerCase() : token.text);
      return value as string | number | boolean | null;
    } catch {
      throw wrong(`${token.text} is no value; texts stand in double quotes.`);
    }
  }
  function end() {
    if (next < tokens.length) throw wrong(`Something is left at ${tokens[next]!.at}.`);
  }
  return { any, end };
}

function wrong(detail: string): Refusal {
  return new Refusal(400, `The filter cannot be read. ${detail}`, 'invalidFilter');
}

/** Whether a resource (with `id`, `meta` and all) is meant by the filter. */
export function matches(filter: Filter, resource: Body): boolean {
  switch (filter.is) {
    case 'and':
      return filter.sides.every((side) => matches(side, resource));
    case 'or':
      return filter.sides.some((side) => matches(side, resource));
    case 'not':
      return !matches(filter.side, resource);
    case 'within':
      return listed(rawAt(filter.place, resource)).some((element) => matches(filter.filter, element as Body));
    case 'present':
      return valuesAt(filter.place, resource).length > 0;
    case 'compare':
      return compares(filter, resource);
  }
}

function rawAt(place: Place, resource: Body): Json | undefined {
  const owner = place.extension ? (resource[place.extension.urn] as Body | undefined) : resource;
  return owner?.[place.attribute.name];
}

const listed = (value: Json | undefined): Json[] =>
  value === undefined || value === null ? [] : Array.isArray(value) ? value : [value];

/** `emails` alone means `emails.value` (RFC 7644 §3.4.2.2). */
function valuesAt(place: Place, resource: Body): Json[] {
  const { attribute } = place;
  const sub = place.sub?.name ?? (attribute.type === 'complex' && attribute.many ? 'value' : undefined);
  const values = listed(rawAt(place, resource));
  return (sub === undefined ? values : values.flatMap((one) => listed((one as Body)[sub]))).filter(
    (one) => one !== '',
  );
}

function compares(filter: Filter & { is: 'compare' }, resource: Body): boolean {
  const { place, operator } = filter;
  const { caseExact } = place.sub ?? place.attribute;
  const form = (value: Json) => (typeof value === 'string' && !caseExact ? value.toLowerCase() : value);
  const wanted = form(filter.value);
  const values = valuesAt(place, resource).map(form);
  if (operator === 'ne') return !values.some((value) => value === wanted);
  if (wanted === null) return operator === 'eq' && values.length === 0;
  return values.some((value) => holds(value, operator, wanted));
}

function holds(value: Json, operator: Operator, wanted: Json): boolean {
  if (operator === 'eq') return value === wanted;
  if (typeof value !== 'string' || typeof wanted !== 'string') return false;
  switch (operator) {
    case 'co':
      return value.includes(wanted);
    case 'sw':
      return value.startsWith(wanted);
    case 'ew':
      return value.endsWith(wanted);
    case 'gt':
      return value > wanted;
    case 'ge':
      return value >= wanted;
    case 'lt':
      return value < wanted;
    case 'le':
      return value <= wanted;
    default:
      return false;
  }
}
