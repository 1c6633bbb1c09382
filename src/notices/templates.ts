/**
 * Letters in a community's own words: for each kind and language, what stands in place of ours. They are plain text:
 * how a letter looks, its link, its code and how long they work are ours alone and stand in every letter.
 */
import { z } from 'zod';
import { record } from '#core/events/events.ts';
import type { Tx } from '#kit/db/tx.ts';
import { localesOf, readText } from '#kit/page/words.ts';
import { type NoticeKind, noticeKinds } from './intake.ts';
import * as store from './templates.store.ts';
import { actionOf, adviceOf, loadLetters } from './words.ts';

export const templateParts = ['subject', 'text', 'action', 'after'] as const;
export type TemplatePart = (typeof templateParts)[number];

/** A value a letter can fill in. */
export type Placeholder = 'community' | 'username' | 'when' | 'address' | 'upstream' | 'hours';

const everywhere: readonly Placeholder[] = ['community'];
const told: readonly Placeholder[] = ['community', 'username', 'when'];

/**
 * What each letter can fill in. A letter that may reach an address nobody has proved holds nothing that whoever typed it
 * chose freely.
 */
const values: Partial<Record<NoticeKind, readonly Placeholder[]>> = {
  'confirm-sign-up': everywhere,
  'confirm-address': everywhere,
  'address-added': [...told, 'address'],
  'address-made-primary': [...told, 'address'],
  'address-removed': [...told, 'address'],
  'upstream-linked': [...told, 'upstream'],
  'upstream-unlinked': [...told, 'upstream'],
  'factors-reset-planned': [...told, 'hours'],
};

/** Without these the text of a letter would not say what it is for. */
const needed: Partial<Record<NoticeKind, readonly Placeholder[]>> = {
  recovery: ['username'],
  'sign-up-repeated': ['username'],
  'address-added': ['address'],
  'address-made-primary': ['address'],
  'address-removed': ['address'],
  'upstream-linked': ['upstream'],
  'upstream-unlinked': ['upstream'],
  'factors-reset-planned': ['hours'],
};

/** What a letter says by itself, whatever its text; asking for it is a mistake with an answer of its own. */
const byItself: ReadonlySet<string> = new Set(['link', 'url', 'code', 'token', 'minutes', 'name']);

export interface TemplateShape {
  kind: NoticeKind;
  parts: TemplatePart[];
  placeholders: Placeholder[];
  /** Those its text cannot go without. */
  needed: Placeholder[];
}

/** What can be said differently in letters of this kind. */
export function templateShape(kind: NoticeKind): TemplateShape {
  const parts = templateParts.filter(
    (part) =>
      (part !== 'action' || actionOf(kind) !== undefined) &&
      (part !== 'after' || adviceOf(kind) !== undefined),
  );
  return { kind, parts, placeholders: [...(values[kind] ?? told)], needed: [...(needed[kind] ?? [])] };
}

// Control characters, and those that turn the direction of what follows.
const unsafe = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\p{Cs}]/u;

function text(limit: number, lines: boolean) {
  return z
    .string()
    .trim()
    .min(1)
    .max(limit)
    .refine(
      (given) => !unsafe.test(lines ? given.replaceAll(/\r?\n/g, ' ') : given),
      lines
        ? 'holds characters that cannot be shown safely'
        : 'must be one line without characters that cannot be shown safely',
    )
    .transform((given) => given.replaceAll('\r\n', '\n'));
}

/** What a community says instead of us; a part that is left out stays ours. */
export const mailTemplate = z
  .strictObject({
    subject: text(150, false).optional().describe('One line.'),
    text: text(2000, true)
      .optional()
      .describe('What it says, under the greeting; an empty line begins anew.'),
    action: text(60, false).optional().describe('What the button says.'),
    after: text(1000, true).optional().describe('The advice below, in small print.'),
  })
  .refine((one) => templateParts.some((part) => one[part] !== undefined), 'must say one part at least');
export type MailTemplate = z.infer<typeof mailTemplate>;

/** Under `mail:` in a community file. */
export const mailSettings = z.strictObject({
  templates: z
    .partialRecord(z.enum(noticeKinds), z.record(z.string(), mailTemplate))
    .default({})
    .superRefine((all, context) => {
      for (const [kind, byLocale] of Object.entries(all))
        for (const [locale, one] of Object.entries(byLocale ?? {}))
          for (const { part, text: message } of findingsOf(kind as NoticeKind, locale, one))
            context.addIssue({ code: 'custom', path: [kind, locale, ...(part ? [part] : [])], message });
    })
    .describe('Letter → language → what stands in place of our words.'),
});
export type MailSettings = z.infer<typeof mailSettings>;

/** What is wrong with a template, by part; `part` is missing where it is the language. */
export function findingsOf(
  kind: NoticeKind,
  locale: string,
  template: MailTemplate,
): { part?: TemplatePart; text: string }[] {
  const shape = templateShape(kind);
  const findings: { part?: TemplatePart; text: string }[] = [];
  const known = letterLocales();
  if (!known.includes(locale))
    findings.push({ text: `letters are not written in this language, only in ${known.join(', ')}` });
  for (const part of templateParts) {
    const given = template[part];
    if (given === undefined) continue;
    const wrong = shape.parts.includes(part)
      ? faultOf(shape, part, given)
      : `a ${kind} letter has no such part, only ${shape.parts.join(', ')}`;
    if (wrong) findings.push({ part, text: wrong });
  }
  return findings;
}

function faultOf(shape: TemplateShape, part: TemplatePart, given: string): string | undefined {
  const asked = readText(given);
  if (!asked)
    return "cannot be read: a value is written {name}, a choice {hours, plural, one {…} other {…}}, a brace of its own '{'";
  const strange = [...asked].find((name) => !(shape.placeholders as readonly string[]).includes(name));
  const list = shape.placeholders.map((name) => `{${name}}`).join(', ');
  if (strange !== undefined && byItself.has(strange))
    return `asks for {${strange}}, which every letter that has one shows by itself; there are ${list}`;
  if (strange !== undefined)
    return `asks for {${strange.slice(0, 40)}}, which this letter does not know; there are ${list}`;
  const missing = part === 'text' && shape.needed.find((name) => !asked.has(name));
  return missing ? `leaves out {${missing}}, without which it would not say what it is for` : undefined;
}

/** The languages letters are written in, English first. */
export function letterLocales(): string[] {
  loadLetters();
  return localesOf('notices');
}

export interface KeptTemplate {
  kind: NoticeKind;
  locale: string;
  template: MailTemplate;
  updatedAt: Date;
}

/** All there are, by kind and language. */
export function listTemplates(tx: Tx): Promise<KeptTemplate[]> {
  return store.listTemplates(tx);
}

export function findTemplate(tx: Tx, kind: NoticeKind, locale: string): Promise<KeptTemplate | undefined> {
  return store.findTemplate(tx, kind, locale);
}

/** Keeps it, whole; returns whether anything changed. Whoever calls has looked at `findingsOf`. */
export async function saveTemplate(
  tx: Tx,
  kind: NoticeKind,
  locale: string,
  template: MailTemplate,
): Promise<boolean> {
  if (findingsOf(kind, locale, template).length > 0) throw new RangeError('a template with faults');
  const before = await store.findTemplate(tx, kind, locale);
  const fields = templateParts.filter((part) => before?.template[part] !== template[part]);
  if (fields.length === 0) return false;
  await store.saveTemplate(tx, kind, locale, template);
  await record(tx, 'mail-template.changed', { data: { kind, locale, fields } });
  return true;
}

/** From now on letters of this kind and language are in our words again. */
export async function removeTemplate(tx: Tx, kind: NoticeKind, locale: string): Promise<boolean> {
  if (!(await store.removeTemplate(tx, kind, locale))) return false;
  await record(tx, 'mail-template.removed', { data: { kind, locale } });
  return true;
}
