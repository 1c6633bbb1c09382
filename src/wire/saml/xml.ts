/** XML read strictly and written safely. What is refused here is refused before any parser or key sees it. */
import { createRequire } from 'node:module';
import type { Document, Element, Node } from '@xmldom/xmldom';
import { refuse, SamlRefusal } from './refusal.ts';
import { NS, type Prefix } from './saml.ts';

const require = createRequire(import.meta.url);
/** Loaded by the first message: many houses have no app that speaks SAML. */
const xmldom = () => require('@xmldom/xmldom') as typeof import('@xmldom/xmldom');

/** Deeper than any message of the standard; canonicalising is recursive. */
const MOST_DEPTH = 48;
const MOST_ATTRIBUTES = 64;
/** Tags and attributes together: a thousand groups fit a message, and a federation's entry fits its metadata. */
const MOST_TAGS = { refuse: 8_000, drop: 20_000 } as const;

const ELEMENT = 1;
const TEXT = 3;

export interface ParseOptions {
  /** In bytes of UTF-8. */
  maxBytes: number;
  /** Metadata is written by hand, too: comments are dropped. In messages any comment refuses the whole (SA-03). */
  comments?: 'refuse' | 'drop';
}

/**
 * Parses one document: well-formed, one root, no DOCTYPE, CDATA or processing instruction, comments only where they are
 * dropped, bounded, ids unique, characters of XML 1.0 alone. Linear in the length of the text.
 */
export function parseXml(text: string, { maxBytes, comments = 'refuse' }: ParseOptions): Document {
  if (text.length > maxBytes || Buffer.byteLength(text) > maxBytes) {
    refuse('too-large', `${text.length} characters, ${maxBytes} bytes are the most`);
  }
  const plain = checkedMarkup(withoutDeclaration(text), comments);
  const { DOMParser, onWarningStopParsing } = xmldom();
  let document: Document;
  try {
    document = new DOMParser({
      onError: onWarningStopParsing,
      locator: false,
      normalizeLineEndings: (source) => source.replace(/\r\n?/g, '\n'),
    }).parseFromString(plain.text, 'text/xml');
  } catch (error) {
    throw error instanceof SamlRefusal ? error : new SamlRefusal('not-xml', parserWords(error));
  }
  // The parser passes over an attribute whose name another prefix had already given.
  if (lookAtTree(document) !== plain.attributes) refuse('not-xml', 'an attribute twice');
  return document;
}

/** `<?xml version="1.0"?>` alone may stand first; other versions and encodings than UTF-8 are refused. */
function withoutDeclaration(text: string): string {
  const start = text.startsWith('\uFEFF') ? 1 : 0;
  if (!/^<\?xml\s/.test(text.slice(start, start + 6))) return text.slice(start).trimStart();
  const declaration =
    /^<\?xml\s+version=(?:"1\.0"|'1\.0')(?:\s+encoding=(?:"utf-8"|'utf-8'))?(?:\s+standalone=(?:"\w+"|'\w+'))?\s*\?>/i;
  const found = declaration.exec(text.slice(start, start + 200)) ?? refuse('not-xml', 'the XML declaration');
  return text.slice(start + found[0].length).trimStart();
}

/**
 * Looks at the markup before any parser does, and takes comments out where they may stand. In well-formed XML a bare
 * `<` only ever begins markup, so `<!` and `<?` are the things we refuse, wherever they are.
 */
function checkedMarkup(text: string, comments: 'refuse' | 'drop'): { text: string; attributes: number } {
  if (/<!(?:DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)/i.test(text)) refuse('doctype');
  if (text.includes('<![')) refuse('cdata');
  if (text.includes('<?')) refuse('instruction');
  let depth = 0;
  let tags = 0;
  let attributes = 0;
  let kept = '';
  let from = 0;
  for (let at = text.indexOf('<'); at !== -1; at = text.indexOf('<', at)) {
    if (text.startsWith('<!', at)) {
      if (!text.startsWith('<!--', at)) refuse('doctype');
      if (comments === 'refuse') refuse('comment');
      const end = text.indexOf('-->', at + 4);
      if (end === -1) refuse('not-xml', 'a comment without an end');
      kept += text.slice(from, at);
      at = end + 3;
      from = at;
      continue;
    }
    const tag = tagAt(text, at);
    tags += 1;
    attributes += tag.attributes;
    if (text[at + 1] === '/') depth -= 1;
    else if (text[tag.end - 1] !== '/') depth += 1;
    if (depth > MOST_DEPTH || tag.attributes > MOST_ATTRIBUTES) refuse('too-complex');
    if (tags + attributes > MOST_TAGS[comments]) refuse('too-complex');
    at = tag.end;
  }
  kept += text.slice(from);
  // The parser would take a bare ampersand for itself.
  if (/&(?!(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[\da-f]{1,6});)/i.test(kept)) refuse('not-xml', 'an entity');
  return { text: kept, attributes };
}

/** Where the tag that begins at `at` ends (its `>`), and how many quoted values it has. */
function tagAt(text: string, at: number): { end: number; attributes: number } {
  let attributes = 0;
  for (let index = at + 1; index < text.length; index += 1) {
    const character = text[index];
    if (character === '>') return { end: index, attributes };
    if (character !== '"' && character !== "'") continue;
    attributes += 1;
    index = text.indexOf(character, index + 1);
    if (index === -1) break;
  }
  return refuse('not-xml', 'a tag without an end');
}

/** The index behind the start tag of the root of a canonical text. */
export function behindStartTag(canonical: string): number {
  return tagAt(canonical, canonical.indexOf('<')).end + 1;
}

// XML 1.0, production 2: what a document may hold, written or as a character reference.
const notACharacter = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/u;

/** Refuses what the parser lets pass; returns how many attributes there are. */
function lookAtTree(document: Document): number {
  const ids = new Set<string>();
  let roots = 0;
  let attributes = 0;
  for (const node of nodesOf(document)) {
    if (node.nodeType === TEXT) {
      if (notACharacter.test(node.nodeValue ?? '')) refuse('character');
      if (node.parentNode === document && (node.nodeValue ?? '').trim() !== '') refuse('not-xml');
      continue;
    }
    if (node.nodeType !== ELEMENT) refuse('not-xml', `a node of type ${node.nodeType}`);
    if (node.parentNode === document) roots += 1;
    attributes += (node as Element).attributes.length;
    lookAtAttributes(node as Element, ids);
  }
  if (roots !== 1) refuse('not-xml', 'not one root');
  return attributes;
}

function lookAtAttributes(element: Element, ids: Set<string>): void {
  for (const { name, value, localName } of element.attributes) {
    if (notACharacter.test(value)) refuse('character');
    if (name === 'xmlns' || name.startsWith('xmlns:')) lookAtNamespace(name, value);
    else if ((localName ?? name).toLowerCase() === 'id') {
      if (ids.has(value)) refuse('duplicate-id', value);
      ids.add(value);
    }
  }
}

/** C14N 1.0 section 1.3: a relative namespace has no canonical form. Two prefixes are not anybody's to give away. */
function lookAtNamespace(name: string, value: string): void {
  const absolute = /^[a-z][a-z0-9+.-]*:[^\s<>"]+$/i.test(value) || (name === 'xmlns' && value === '');
  const reserved =
    name === 'xmlns:xml' ||
    name === 'xmlns:xmlns' ||
    /^http:\/\/www\.w3\.org\/(?:XML\/1998\/namespace|2000\/xmlns\/)$/.test(value);
  if (!absolute || reserved) refuse('namespace', value);
}

/** Every node below, in document order, without recursion. */
export function* nodesOf(root: Node): Generator<Node> {
  let node = root.firstChild;
  while (node) {
    yield node;
    let next: Node | null = node.firstChild ?? node.nextSibling;
    for (let up: Node | null = node; !next && up; up = up.parentNode) {
      if (up === root) break;
      next = up === node ? null : up.nextSibling;
    }
    node = next;
  }
}

/** Is this element of that kind? `name` is written with its customary prefix: `saml:Issuer`. */
export type Name = `${Prefix}:${string}`;

export function isNamed(element: Element | null | undefined, name: Name): boolean {
  if (!element) return false;
  const colon = name.indexOf(':');
  const namespace = NS[name.slice(0, colon) as Prefix];
  return element.localName === name.slice(colon + 1) && element.namespaceURI === namespace;
}

/** The elements directly below, all of them or those of one kind. */
export function children(element: Element, name?: Name): Element[] {
  const found: Element[] = [];
  for (let node = element.firstChild; node; node = node.nextSibling) {
    if (node.nodeType !== ELEMENT) continue;
    if (name === undefined || isNamed(node as Element, name)) found.push(node as Element);
  }
  return found;
}

/** The one child of this kind, or undefined; two are refused. */
export function child(element: Element, name: Name): Element | undefined {
  const found = children(element, name);
  if (found.length > 1) refuse('shape', `${found.length} of ${name} in ${element.localName}`);
  return found[0];
}

/** The one child of this kind; none and two are refused. */
export function onlyChild(element: Element, name: Name): Element {
  return child(element, name) ?? refuse('shape', `no ${name} in ${element.localName}`);
}

/** How many elements of this kind stand anywhere below, the element itself included. */
export function countNamed(root: Document | Element, ...names: Name[]): number {
  let found = root.nodeType === ELEMENT && names.some((name) => isNamed(root as Element, name)) ? 1 : 0;
  for (const node of nodesOf(root)) {
    if (node.nodeType === ELEMENT && names.some((name) => isNamed(node as Element, name))) found += 1;
  }
  return found;
}

/** The whole text, across whatever stands between; elements inside are refused, so nothing is ever cut off. */
export function textOf(element: Element): string {
  if (children(element).length > 0) refuse('shape', `elements in ${element.localName}`);
  return element.textContent ?? '';
}

/** An attribute without a namespace; undefined when it is not there. */
export function attributeOf(element: Element, name: string): string | undefined {
  return element.getAttributeNode(name)?.value;
}

/** An attribute that must be there and not be empty. */
export function neededAttribute(element: Element, name: string): string {
  return attributeOf(element, name) || refuse('shape', `no ${name} at ${element.localName}`);
}

/** xs:boolean; anything else is refused. */
export function flagOf(element: Element, name: string): boolean | undefined {
  const value = attributeOf(element, name)?.trim();
  if (value === undefined) return undefined;
  if (value === 'true' || value === '1') return true;
  if (value === 'false' || value === '0') return false;
  return refuse('shape', `${name} is ${value}`);
}

/** xs:dateTime in UTC (saml-core 1.3.3); a moment without a zone, or with another one, is refused. */
export function momentOf(element: Element, name: string): Date | undefined {
  const value = attributeOf(element, name)?.trim();
  if (value === undefined) return undefined;
  const shaped = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,12})?(?:Z|\+00:00)$/.test(value);
  const moment = new Date(value.replace('+00:00', 'Z').replace(/(\.\d{3})\d+/, '$1'));
  if (!shaped || Number.isNaN(moment.getTime())) refuse('shape', `${name} is ${value}`);
  return moment;
}

export function neededMoment(element: Element, name: string): Date {
  return momentOf(element, name) ?? refuse('shape', `no ${name} at ${element.localName}`);
}

/** Where a parser stopped, without its quoting of what it read. */
function parserWords(error: unknown): string {
  return error instanceof Error ? error.message.split('\n')[0]!.slice(0, 120) : 'the parser stopped';
}

const escapes: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\r': '&#xD;',
  '\n': '&#xA;',
  '\t': '&#x9;',
};

/** A value as text of an element (SA-13). */
export function escapeText(value: string): string {
  if (notACharacter.test(value)) refuse('character', 'a value to be sent');
  return value.replace(/[&<>\r]/g, (character) => escapes[character]!);
}

/** A value as an attribute in double quotes. */
export function escapeAttribute(value: string): string {
  if (notACharacter.test(value)) refuse('character', 'a value to be sent');
  return value.replace(/[&<>"\r\n\t]/g, (character) => escapes[character]!);
}

/** A piece of XML that is already escaped. Only `xml` makes one, so a plain string never gets in unescaped. */
export interface Markup {
  readonly markup: string;
}

type Content = Markup | string | undefined | readonly (Markup | undefined)[];

/** One element: strings are text, undefined attributes and parts are left out. `name` as it shall be written. */
export function xml(name: string, attributes: Record<string, string | undefined>, content?: Content): Markup {
  let text = `<${name}`;
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined) text += ` ${key}="${escapeAttribute(value)}"`;
  }
  return { markup: `${text}>${inner(content)}</${name}>` };
}

function inner(content: Content): string {
  if (content === undefined) return '';
  if (typeof content === 'string') return escapeText(content);
  if ('markup' in content) return content.markup;
  return content.map((part) => part?.markup ?? '').join('');
}

/** What a signed or encrypted element became, to be set into another one. Never anything that came from outside. */
export function embed(ready: string): Markup {
  return { markup: ready };
}
