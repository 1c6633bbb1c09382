/**
 * Words: every text a person reads, in ICU message format (placeholders, plurals, choices), by namespace.
 *
 *   const words = defineWords('sign-in', { title: 'Sign in', left: '{count, plural, one {# try} other {# tries}} left' });
 *   const say = words(locale);          // typed: say('title'), say('left', { count: 2 }); an unknown key does not compile
 *   say.html('terms', { link: html`<a …>…</a>` })   // text escaped, Html values placed as they are
 *
 * English stands beside the code that says it and is always complete. `loadLocales(directory)` reads
 * `<language>.json` files shaped `{ "namespace": { "key": "text" } }`; a text that is missing, or whose
 * placeholders differ from the English ones, falls back to English. `chooseLocale(wanted)` picks from what is loaded.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { IntlMessageFormat } from 'intl-messageformat';
import type { Html } from './html.ts';
import { isHtml, join } from './html.ts';

export type WordValue = string | number | boolean | Date | null | undefined;

/** Says a text of one namespace in one language. */
export interface Say<Key extends string> {
  (key: Key, values?: Record<string, WordValue>): string;
  html(key: Key, values?: Record<string, WordValue | Html>): Html;
  readonly locale: string;
}
export type Words<Key extends string> = (locale: string) => Say<Key>;

const english = new Map<string, Record<string, string>>();
const translations = new Map<string, Record<string, Record<string, string>>>();
/** Languages of one namespace alone, by namespace: letters speak languages that pages do not. */
const apart = new Map<string, Map<string, Record<string, string>>>();
const compiled = new Map<string, IntlMessageFormat>();

/** Declares the texts of a namespace; a namespace is declared once, in the file that says its words. */
export function defineWords<const Catalogue extends Record<string, string>>(
  namespace: string,
  catalogue: Catalogue,
): Words<Extract<keyof Catalogue, string>> {
  type Key = Extract<keyof Catalogue, string>;
  if (english.has(namespace)) throw new Error(`The words "${namespace}" are declared twice.`);
  english.set(namespace, catalogue);
  const speakers = new Map<string, Say<Key>>();
  return (wanted) => {
    const locale = localesOf(namespace).includes(wanted) ? wanted : 'en';
    const known = speakers.get(locale);
    if (known) return known;
    const say = ((key: Key, values?: Record<string, WordValue>) =>
      String(formatOf(namespace, key, locale).format(values))) as Say<Key>;
    say.html = (key, values) => sayHtml(formatOf(namespace, key, locale), values);
    speakers.set(locale, Object.defineProperty(say, 'locale', { value: locale }));
    return say;
  };
}

function sayHtml(format: IntlMessageFormat, values?: Record<string, WordValue | Html>): Html {
  const parts = format.formatToParts<Html>(values as Record<string, WordValue>);
  return join(parts.map((part) => (isHtml(part.value) ? part.value : String(part.value))));
}

function formatOf(namespace: string, key: string, locale: string): IntlMessageFormat {
  const cacheKey = `${locale}\u0000${namespace}\u0000${key}`;
  const known = compiled.get(cacheKey);
  if (known) return known;
  const source = english.get(namespace);
  if (!source || !Object.hasOwn(source, key)) throw new Error(`No such words: ${namespace}.${key}`);
  const own = source[key] as string;
  const table = translations.get(locale)?.[namespace] ?? apart.get(namespace)?.get(locale);
  const translated = table && Object.hasOwn(table, key) ? table[key] : undefined;
  const format =
    (translated === undefined ? undefined : compile(translated, locale, own)) ??
    new IntlMessageFormat(own, translated === undefined ? 'en' : locale, undefined, { ignoreTag: true });
  compiled.set(cacheKey, format);
  return format;
}

/** A translation that is broken, or asks for values the English does not have, is not used. */
function compile(text: string, locale: string, own: string): IntlMessageFormat | undefined {
  try {
    const format = new IntlMessageFormat(text, locale, undefined, { ignoreTag: true });
    const known = placeholders(new IntlMessageFormat(own, 'en', undefined, { ignoreTag: true }).getAst());
    return [...placeholders(format.getAst())].every((name) => known.has(name)) ? format : undefined;
  } catch {
    return undefined;
  }
}

function placeholders(value: unknown, found = new Set<string>()): Set<string> {
  if (Array.isArray(value)) for (const item of value) placeholders(item, found);
  else if (typeof value === 'object' && value !== null) {
    const element = value as { type?: number; value?: unknown; options?: unknown };
    // Element types of the ICU syntax tree: 0 is literal text, 7 the # of a plural; every other one names its argument.
    if (typeof element.value === 'string' && element.type !== 0 && element.type !== 7)
      found.add(element.value);
    for (const item of Object.values(value)) placeholders(item, found);
  }
  return found;
}

/** Adds the texts of one language. */
export function addLocale(locale: string, texts: Record<string, Record<string, string>>): void {
  translations.set(Intl.getCanonicalLocales(locale)[0] as string, texts);
  for (const key of [...compiled.keys()]) if (key.startsWith(`${locale}\u0000`)) compiled.delete(key);
}

/** Adds the texts of one namespace in one language, which stays unknown to every other. */
export function addTexts(namespace: string, locale: string, texts: Record<string, string>): void {
  const canonical = Intl.getCanonicalLocales(locale)[0] as string;
  apart.set(namespace, (apart.get(namespace) ?? new Map()).set(canonical, texts));
  for (const key of [...compiled.keys()])
    if (key.startsWith(`${canonical}\u0000${namespace}\u0000`)) compiled.delete(key);
}

/** English first, then the languages a namespace speaks. */
export function localesOf(namespace: string): string[] {
  return [...new Set([...availableLocales(), ...(apart.get(namespace)?.keys() ?? [])])];
}

/** Every language that something is written in, English first: pages, letters, or both. */
export function everyLocale(): string[] {
  return [...new Set([...availableLocales(), ...[...apart.values()].flatMap((one) => [...one.keys()])])];
}

/** Element types of the ICU syntax tree that a text from elsewhere may have: literal, argument, select, plural, #. */
const plainElements: ReadonlySet<number> = new Set([0, 1, 5, 6, 7]);

/**
 * The names a text from elsewhere asks to have filled in; undefined when it is no message in this format, or does more
 * than to place a value or to choose by one.
 */
export function readText(text: string): ReadonlySet<string> | undefined {
  try {
    const tree = new IntlMessageFormat(text, 'en', undefined, { ignoreTag: true }).getAst();
    return isPlain(tree) ? placeholders(tree) : undefined;
  } catch {
    return undefined;
  }
}

function isPlain(value: unknown): boolean {
  if (Array.isArray(value)) return value.every(isPlain);
  if (typeof value !== 'object' || value === null) return true;
  const { type, options } = value as { type: number; options?: Record<string, { value: unknown }> };
  return plainElements.has(type) && Object.values(options ?? {}).every((one) => isPlain(one.value));
}

/** The text behind a key as it stands, with the names of its values; English where the language has none. */
export function textOf(namespace: string, key: string, locale: string): string {
  const table = translations.get(locale)?.[namespace] ?? apart.get(namespace)?.get(locale);
  return table?.[key] ?? english.get(namespace)?.[key] ?? '';
}

/** Fills in a text from elsewhere. Throws what the format throws for one that `readText` does not read. */
export function fillText(text: string, locale: string, values: Record<string, WordValue>): string {
  return String(new IntlMessageFormat(text, locale, undefined, { ignoreTag: true }).format(values));
}

/** Reads every `<language>.json` of a directory; returns the languages found. A missing directory is no language. */
export function loadLocales(directory: string): string[] {
  let names: string[];
  try {
    names = readdirSync(directory).filter((name) => /^[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*\.json$/.test(name));
  } catch {
    return [];
  }
  for (const name of names) {
    if (name !== 'en.json')
      addLocale(name.slice(0, -5), JSON.parse(readFileSync(joinPath(directory, name), 'utf8')));
  }
  return availableLocales();
}

/** English first, then what has been loaded. */
export function availableLocales(): string[] {
  return ['en', ...translations.keys()];
}

/** Every English text declared so far: what a translator starts from. */
export function englishWords(): Record<string, Record<string, string>> {
  return Object.fromEntries([...english].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * Picks a language from an Accept-Language header (RFC 9110 section 12.5.4) or an OIDC `ui_locales` list.
 * @returns one of `available`, English when nothing fits; never a text of the request
 */
export function chooseLocale(
  wanted: string | undefined,
  available: readonly string[] = availableLocales(),
): string {
  for (const tag of wishesOf(wanted)) {
    for (let range = tag; range !== ''; range = range.slice(0, Math.max(0, range.lastIndexOf('-')))) {
      const found = available.find((locale) => locale.toLowerCase() === range);
      if (found) return found;
    }
  }
  return 'en';
}

/**
 * The language somebody's browser asks for before all others, whether anything is written in it or not, such as `de-AT`;
 * undefined where it asks for none.
 */
export function wishedLocale(header: string | undefined): string | undefined {
  const [tag] = wishesOf(header).filter((one) => /^[a-z]{2,3}(?:-[a-z0-9]{2,8}){0,3}$/.test(one));
  try {
    return tag === undefined ? undefined : Intl.getCanonicalLocales(tag)[0];
  } catch {
    return undefined;
  }
}

/** Language ranges, the dearest first, in small letters. */
function wishesOf(wanted: string | undefined): string[] {
  return (wanted ?? '')
    .slice(0, 500)
    .split(/[,\s]+(?=[A-Za-z*])/)
    .map((entry, place) => {
      const [tag = '', ...parameters] = entry.split(';');
      const quality = parameters
        .map((text) => /^\s*q=([01](?:\.\d{0,3})?)\s*$/.exec(text)?.[1])
        .find(Boolean);
      return { tag: tag.trim().toLowerCase(), quality: quality === undefined ? 1 : Number(quality), place };
    })
    .filter((entry) => entry.tag !== '' && entry.quality > 0)
    .sort((a, b) => b.quality - a.quality || a.place - b.place)
    .map(({ tag }) => tag);
}

/** `rtl` for languages written from right to left. */
export function directionOf(locale: string): 'ltr' | 'rtl' {
  const { language, script } = new Intl.Locale(locale).maximize();
  return /^(?:Arab|Hebr|Syrc|Thaa|Nkoo|Adlm)$/.test(script ?? '') || language === 'ckb' ? 'rtl' : 'ltr';
}
