/**
 * Markup that cannot be forged: the auto-escaping `html` tag.
 *
 *   html`<p>${text}</p>`          text is escaped; an Html value is taken as it is; lists are joined;
 *                                 null, undefined and false are nothing; anything else throws
 *   raw(trusted)                  our own constant markup, never a value that came from a person
 *   join(list, separator?)        one Html of many
 *   attributes({ id, hidden: true, title: undefined })   → ` id="…" hidden`
 *   escapeText(text)              the escaping itself, for the rare text that is not built by the tag
 *
 * The tag also looks at the place a value stands in, once per template: unquoted attributes, event
 * handler attributes and the inside of <script> or <style> throw when the page is first rendered, so a
 * hole is found by the first test and not by the first attacker. A link target with a scheme other than
 * http, https or mailto is replaced by `#`.
 */

const MARKUP = Symbol('markup');

/** Markup that is safe to send. Made only by the functions of this file (a symbol cannot arrive in JSON). */
export interface Html {
  readonly [MARKUP]: string;
  toString(): string;
}

export type HtmlValue = Html | string | number | bigint | false | null | undefined | readonly HtmlValue[];

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
};

/** Escapes text for element content and for quoted attribute values. */
export function escapeText(text: string): string {
  return /[&<>"'`]/.test(text)
    ? text.replace(/[&<>"'`]/g, (character) => ENTITIES[character] as string)
    : text;
}

/** Takes our own constant markup as it is. Never call it with a value a person or an app can set. */
export function raw(trusted: string): Html {
  return { [MARKUP]: trusted, toString: () => trusted };
}

export function isHtml(value: unknown): value is Html {
  return typeof value === 'object' && value !== null && MARKUP in value;
}

/** Nothing, as markup. */
export const nothing: Html = raw('');

type Place = 'content' | 'attribute' | 'link' | 'raw-only';

const places = new WeakMap<TemplateStringsArray, Place[]>();

/** Where each value of a template stands. Throws for places where escaping alone would not be enough. */
function placesOf(strings: TemplateStringsArray): Place[] {
  const known = places.get(strings);
  if (known) return known;
  const found: Place[] = [];
  let before = '';
  for (const part of strings.slice(0, -1)) {
    before += part;
    found.push(placeAfter(before));
    before += '\u0001';
  }
  places.set(strings, found);
  return found;
}

function placeAfter(before: string): Place {
  const lower = before.toLowerCase();
  for (const element of ['script', 'style']) {
    if (
      lower.lastIndexOf('</' + element) < lower.lastIndexOf('<' + element) &&
      insideElement(lower, element)
    ) {
      return 'raw-only';
    }
  }
  if (lower.lastIndexOf('<') <= lower.lastIndexOf('>')) return 'content';
  const tag = before.slice(before.lastIndexOf('<'));
  const open = /([^\s"'<>=]+)=(["'])[^"']*$/.exec(tag);
  if (!open) {
    if (/=\s*$/.test(tag)) throw new Error(`Unquoted attribute in a template: ${tag.slice(-60)}`);
    return 'attribute';
  }
  const name = (open[1] as string).toLowerCase();
  if (name.startsWith('on') || name === 'style' || name === 'srcdoc') {
    throw new Error(`A value cannot stand in the attribute "${name}" of a template.`);
  }
  const first = tag.endsWith(open[2] as string);
  return first && /^(?:href|src|action|formaction)$/.test(name) ? 'link' : 'attribute';
}

/** True when the opening tag of the element has ended, so that we stand in its text and not in an attribute. */
function insideElement(lower: string, element: string): boolean {
  return lower.indexOf('>', lower.lastIndexOf('<' + element)) !== -1;
}

/** A link target that can only be followed, never executed: control characters do not hide a scheme. */
export function safeLink(target: string): string {
  const bare = [...target].filter((character) => character > ' ' && character !== '\u007f').join('');
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(bare)?.[1]?.toLowerCase();
  if (scheme === undefined || scheme === 'http' || scheme === 'https' || scheme === 'mailto') return target;
  return /^data:image\/(?:png|jpeg|webp|svg\+xml);base64,/i.test(target) ? target : '#';
}

function render(value: HtmlValue, place: Place): string {
  if (value === null || value === undefined || value === false) return '';
  if (isHtml(value)) {
    if (place === 'link') throw new TypeError('A link target must be text, not markup.');
    return value[MARKUP];
  }
  if (Array.isArray(value)) return value.map((item: HtmlValue) => render(item, place)).join('');
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  if (typeof value !== 'string') throw new TypeError(`A page cannot show a value of type ${typeof value}.`);
  if (place === 'raw-only') throw new TypeError('Text cannot stand inside <script> or <style>.');
  return escapeText(place === 'link' ? safeLink(value) : value);
}

/** The tag. */
export function html(strings: TemplateStringsArray, ...values: HtmlValue[]): Html {
  const where = placesOf(strings);
  let out = strings[0] as string;
  for (let index = 0; index < values.length; index++) {
    out += render(values[index], where[index] as Place) + (strings[index + 1] as string);
  }
  return raw(out);
}

export function join(list: readonly HtmlValue[], separator: Html = nothing): Html {
  return raw(list.map((item) => render(item, 'content')).join(separator[MARKUP]));
}

export type AttributeValue = string | number | boolean | null | undefined;

/** Attributes with a leading space each: true is a bare attribute; false, null and undefined are left out. */
export function attributes(list: Record<string, AttributeValue>): Html {
  let out = '';
  for (const [name, value] of Object.entries(list)) {
    if (value === false || value === null || value === undefined) continue;
    if (!/^[a-z][a-z0-9-]*$/.test(name) || name.startsWith('on') || name === 'style') {
      throw new Error(`Not an attribute a page may set: ${name}`);
    }
    const link = name === 'href' || name === 'src' || name === 'action' || name === 'formaction';
    if (value === true) out += ` ${name}`;
    else out += ` ${name}="${escapeText(link ? safeLink(String(value)) : String(value))}"`;
  }
  return raw(out);
}
