/** Thousands of changes nobody thought of: whatever is done to a signed response, nothing but what was signed is read. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DOMParser, type Document, type Element, type Node, XMLSerializer } from '@xmldom/xmldom';
import fc from 'fast-check';
import { bySignature, expected, made, sp, truth } from '#test/saml-specimen.ts';
import { makeResponse, readResponse } from './responses.ts';
import { nodesOf } from './xml.ts';

const specimens = [
  ...Object.values(bySignature),
  await makeResponse({ ...made, sign: 'both', encryptFor: sp.certificate }),
];
const runs = 1500;
let tried = 0;
let refusedOnes = 0;

/** Refused, or read as exactly what was signed. */
function holds(text: string): void {
  tried += 1;
  let read: unknown;
  try {
    read = readResponse(text, expected);
  } catch (error) {
    assert.equal((error as Error).name, 'SamlRefusal', String((error as Error).stack));
    refusedOnes += 1;
    return;
  }
  assert.deepEqual(read, truth, text);
}

const specimen = fc.constantFrom(...specimens);
const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

test('SA-01 SA-03 bytes flipped, cut, doubled and set in: nothing but what was signed is ever read', () => {
  const pieces = fc.constantFrom(
    '<!---->',
    '<',
    '>',
    '&',
    '"',
    '&#65;',
    '&amp;',
    ' ',
    '\n',
    '\r',
    '\0',
    'é',
    '<x/>',
    '</x>',
    '/',
    '=',
    'A',
  );
  const edit = fc.oneof(
    fc.record({ kind: fc.constant('flip' as const), at: place, bit: fc.nat(6) }),
    fc.record({ kind: fc.constant('cut' as const), at: place, length: fc.integer({ min: 1, max: 200 }) }),
    fc.record({ kind: fc.constant('double' as const), at: place, length: fc.integer({ min: 1, max: 2000 }) }),
    fc.record({ kind: fc.constant('set' as const), at: place, piece: pieces }),
  );
  const change = (text: string, one: typeof edit extends fc.Arbitrary<infer T> ? T : never): string => {
    const at = Math.floor(one.at * text.length);
    if (one.kind === 'flip') {
      return (
        text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ (1 << one.bit)) + text.slice(at + 1)
      );
    }
    if (one.kind === 'cut') return text.slice(0, at) + text.slice(at + one.length);
    if (one.kind === 'double') return text.slice(0, at + one.length) + text.slice(at);
    return text.slice(0, at) + one.piece + text.slice(at);
  };
  fc.assert(
    fc.property(specimen, fc.array(edit, { minLength: 1, maxLength: 3 }), (text, edits) => {
      holds(edits.reduce(change, text));
    }),
    { numRuns: runs },
  );
});

/** The elements of a document, the root first. */
function elementsOf(document: Document): Element[] {
  return [...nodesOf(document)].filter((node): node is Element => node.nodeType === 1);
}

function pick<T>(all: readonly T[], at: number): T {
  return all[Math.floor(at * all.length)]!;
}

function contains(outer: Node, inner: Node): boolean {
  for (let up: Node | null = inner; up; up = up.parentNode) if (up === outer) return true;
  return false;
}

const moves = {
  /** Takes an element from its place into another. */
  move(document, from, to) {
    const [what, where] = [pick(elementsOf(document), from), pick(elementsOf(document), to)];
    if (!contains(what, where)) where.appendChild(what);
  },
  /** Sets a copy before some element. */
  copy(document, from, to) {
    const [what, where] = [pick(elementsOf(document), from), pick(elementsOf(document), to)];
    if (where !== document.documentElement) where.parentNode!.insertBefore(what.cloneNode(true), where);
  },
  /** Puts an element around another one, with the same name or one of the standard. */
  wrap(document, from, to) {
    const [what, like] = [pick(elementsOf(document), from), pick(elementsOf(document), to)];
    const around = like.cloneNode(false) as Element;
    what.parentNode!.replaceChild(around, what);
    around.appendChild(what);
  },
  remove(document, from) {
    const what = pick(elementsOf(document), from);
    if (what !== document.documentElement) what.parentNode!.removeChild(what);
  },
  /** Gives one element the text of another. */
  text(document, from, to) {
    const elements = elementsOf(document).filter((one) => one.firstChild?.nodeType === 3);
    pick(elements, to).textContent = pick(elements, from).textContent;
  },
  /** Gives one element the attributes of another. */
  attributes(document, from, to) {
    const [what, where] = [pick(elementsOf(document), from), pick(elementsOf(document), to)];
    for (const { name, value } of what.attributes)
      if (!name.startsWith('xmlns')) where.setAttribute(name, value);
  },
  /** Someone else is named, somewhere. */
  evil(document, from) {
    const elements = elementsOf(document).filter((one) => one.firstChild?.nodeType === 3);
    pick(elements, from).textContent = 'admin';
  },
  /** An ID is changed. */
  rename(document, from) {
    const elements = elementsOf(document).filter((one) => one.hasAttribute('ID'));
    pick(elements, from).setAttribute('ID', '_evil');
  },
} satisfies Record<string, (document: Document, from: number, to: number) => void>;

test('SA-01 SA-02 elements moved, copied, wrapped, removed and renamed: nothing but what was signed is ever read', () => {
  const names = Object.keys(moves) as (keyof typeof moves)[];
  const step = fc.record({ name: fc.constantFrom(...names), from: place, to: place });
  fc.assert(
    fc.property(specimen, fc.array(step, { minLength: 1, maxLength: 4 }), (text, steps) => {
      const document = new DOMParser().parseFromString(text, 'text/xml');
      for (const { name, from, to } of steps) {
        moves[name](document, from, to);
        if (!document.documentElement) return;
      }
      holds(new XMLSerializer().serializeToString(document));
    }),
    { numRuns: runs },
  );
});

// The rest changes nothing that is read: a blank between tags, a name set to what it was, a part outside the signature.
test('the changes were worth making: most of them were refused', () => {
  assert.ok(tried > runs * 1.9, `${tried} tried`);
  assert.ok(refusedOnes > tried * 0.6, `${refusedOnes} of ${tried} refused`);
});
