/**
 * Parts of pages other than fields (those are in fields.ts). Each takes one object and gives Html.
 *
 *   button({ label, style?: 'primary'|'quiet'|'danger'|'plain', id?, name?, value?, full?, compact?, disabled? })   submits its form
 *   linkButton({ label, url, style?, id?, full?, compact? })
 *   formButton({ label, url, token, fields?, style?, id?, compact? })     a whole form that is one button (end a session, …)
 *   form({ url, token?, body, id? })       POST form with the spacing of fields · actions(...buttons)
 *   notice({ tone, title?, text, id? }) · errorSummary({ errors: {fieldId: sentence}, locale }) · badge({ tone, label })
 *   table({ caption, columns, rows, empty, showCaption? }) · keyValues({ rows, locale }) · timeline({ entries, locale, now })
 *   lines({ items: [{ what, more?, actions? }], label }) · figures([{ label, value, url? }])
 *   emptyState({ title, text?, action? }) · time({ at, now, locale, zone? }) · relativeTime(at, now, locale)
 *   steps({ titles, current, locale }) · pager({ from, to, total, previousUrl?, nextUrl?, locale }) · tiles([{ title, url, text?, logoUrl? }])
 *   card(body) · section({ title, body, id?, action? }) · progress({ label, value, max })
 */

import { hiddenField } from './fields.ts';
import type { Html, HtmlValue } from './html.ts';
import { attributes, html } from './html.ts';
import type { Tone } from './icons.ts';
import { icons, toneClass } from './icons.ts';
import { pageWords } from './page.ts';

export type ButtonStyle = 'primary' | 'quiet' | 'danger' | 'plain';

interface ButtonLook {
  label: string;
  style?: ButtonStyle;
  id?: string;
  /** As wide as its column. */ full?: boolean;
  compact?: boolean;
}

function buttonClass(look: ButtonLook): string {
  return `button ${look.style ?? 'primary'}${look.full ? ' full' : ''}${look.compact ? ' compact' : ''}`;
}

/** A submit button; `describe` is the longer name for screen readers ("End session on Firefox"). */
export function button(
  input: ButtonLook & {
    name?: string;
    value?: string;
    disabled?: boolean;
    describe?: string;
    formaction?: string;
    skipChecks?: boolean;
    /** Id of the form it sends, where it stands outside of it. */
    form?: string;
  },
): Html {
  const list = attributes({
    class: buttonClass(input),
    id: input.id,
    name: input.name,
    value: input.value,
    disabled: input.disabled ?? false,
    form: input.form,
    formaction: input.formaction,
    // "Send the code again" beside an empty code field must not be held up by that field.
    formnovalidate: input.skipChecks ?? false,
    'aria-label': input.describe,
  });
  return html`<button${list}>${input.label}</button>`;
}

export function linkButton(input: ButtonLook & { url: string }): Html {
  return html`<a${attributes({ class: buttonClass(input), id: input.id, href: input.url })}>${input.label}</a>`;
}

/** A form of one button: what changes something is never a link. */
export function formButton(
  input: ButtonLook & { url: string; token: Html; fields?: Record<string, string>; describe?: string },
): Html {
  const fields = Object.entries(input.fields ?? {}).map(([name, value]) => hiddenField(name, value));
  return html`<form method="post" action="${input.url}">${input.token}${fields}${button({ style: 'quiet', ...input })}</form>`;
}

export function form(input: {
  url: string;
  token?: Html;
  body: HtmlValue;
  id?: string;
  novalidate?: boolean;
}): Html {
  const list = attributes({
    class: 'fields',
    method: 'post',
    action: input.url,
    id: input.id,
    novalidate: input.novalidate ?? false,
  });
  return html`<form${list}>${input.token}${input.body}</form>`;
}

export function actions(...buttons: HtmlValue[]): Html {
  return html`<div class="actions">${buttons}</div>`;
}

/** A message with its shape. Danger is announced at once, the others when the reader comes to a rest. */
export function notice(input: { tone: Tone; text: string | Html; title?: string; id?: string }): Html {
  const list = attributes({
    class: `notice ${toneClass(input.tone)}`,
    id: input.id,
    role: input.tone === 'danger' ? 'alert' : 'status',
  });
  return html`<div${list}>${icons[input.tone]}<div>${input.title ? html`<p class="title">${input.title}</p>` : ''}<p>${input.text}</p></div></div>`;
}

/**
 * What is not right yet, at the top of a form, each line leading to its field, where the sentence stands again.
 * With `labels` (field id → its label) the line is the label. Nothing when there is nothing.
 */
export function errorSummary(input: {
  errors: Record<string, string>;
  labels?: Record<string, string>;
  locale: string;
  title?: string;
}): Html | undefined {
  const entries = Object.entries(input.errors);
  if (entries.length === 0) return undefined;
  const title = input.title ?? pageWords(input.locale)('errorTitle', { count: entries.length });
  const lines = entries.map(
    ([id, text]) => html`<li><a href="#${id}">${input.labels?.[id] ?? text}</a></li>`,
  );
  return html`<div class="notice danger-tone" role="alert" id="errors">${icons.danger}<div><p class="title">${title}</p><ul>${lines}</ul></div></div>`;
}

export function badge(input: { tone: Tone; label: string }): Html {
  return html`<span class="badge ${toneClass(input.tone)}">${icons[input.tone]}${input.label}</span>`;
}

export interface Column<Row> {
  title: string;
  cell: (row: Row) => HtmlValue;
  /** Figures stand at the end of their column. */ number?: boolean;
  /** What one can do with the row: at the end of it, and its title is for screen readers. */ actions?: boolean;
  /** Long values without a space, as addresses: they may break anywhere. */ breaks?: boolean;
}

/**
 * A table, or what to do first when it has no rows. `caption` is its name for screen readers (shown when
 * `showCaption`). On a phone the rows of a person's page stand as blocks, each value with its title: hence the roles,
 * which browsers drop when a table is laid out otherwise.
 */
export function table<Row>(input: {
  caption: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  empty: Html;
  showCaption?: boolean;
}): Html {
  if (input.rows.length === 0) return input.empty;
  const kind = (column: Column<Row>) =>
    column.number ? 'number' : column.actions ? 'does' : column.breaks ? 'breaks' : undefined;
  const head = input.columns.map((column) => {
    const title = column.actions ? html`<span class="unseen">${column.title}</span>` : column.title;
    return html`<th${attributes({ scope: 'col', role: 'columnheader', class: kind(column) })}>${title}</th>`;
  });
  const rows = input.rows.map((row) => {
    const cells = input.columns.map((column) => {
      const list = attributes({
        role: 'cell',
        class: kind(column),
        'data-label': column.actions ? undefined : column.title,
      });
      return html`<td${list}>${wrapCell(column.cell(row))}</td>`;
    });
    return html`<tr role="row">${cells}</tr>`;
  });
  const caption = html`<caption${attributes({ class: input.showCaption ? undefined : 'unseen' })}>${input.caption}</caption>`;
  return html`<div class="scroll" role="region" aria-label="${input.caption}"><table class="table" role="table">${caption}<thead role="rowgroup"><tr role="row">${head}</tr></thead><tbody role="rowgroup">${rows}</tbody></table></div>`;
}

/**
 * One grid item however many things the cell holds; a cell with nothing in it stays empty. Text keeps its own
 * direction: an address among right-to-left words does not turn round.
 */
function wrapCell(value: HtmlValue): Html {
  const inside = typeof value === 'string' && value !== '' ? html`<bdi>${value}</bdi>` : html`${value}`;
  return String(inside) === '' ? inside : html`<div>${inside}</div>`;
}

export interface KeyValue {
  key: string;
  value: HtmlValue;
  /** The standard's own word for it, small. */ term?: string;
  /** Offer to copy the value: it is set in monospace. */ copy?: boolean;
  /** A button or link at the end of the line. */ action?: Html;
}

export function keyValues(input: { rows: readonly KeyValue[]; locale: string }): Html {
  const say = pageWords(input.locale);
  const rows = input.rows.map((row) => {
    const value = row.copy
      ? html`<code dir="auto">${row.value}</code>`
      : html`<span dir="auto">${row.value}</span>`;
    const copy =
      row.copy && typeof row.value === 'string'
        ? copyButton(row.value, `${say('copy')}: ${row.key}`, input.locale)
        : '';
    return html`<div><dt>${row.key}${row.term ? html` <small>${row.term}</small>` : ''}</dt><dd>${value}${copy}${row.action}</dd></div>`;
  });
  return html`<dl class="facts">${rows}</dl>`;
}

/** Appears only where a script can do the copying. */
function copyButton(value: string, title: string, locale: string): Html {
  const say = pageWords(locale);
  return html`<button type="button" class="button quiet compact" hidden title="${title}" data-copy="${value}" data-copied="${say('copied')}" aria-live="polite">${say('copy')}</button>`;
}

export interface TimelineEntry {
  at: Date;
  tone?: Tone;
  /** What happened, as a sentence. */ what: string | Html;
  /** Who did it, what the other side answered, when the next try is. */ more?: string | Html;
}

export function timeline(input: {
  entries: readonly TimelineEntry[];
  locale: string;
  now: Date;
  zone?: string;
}): Html {
  const items = input.entries.map((entry) => {
    const tone = entry.tone ?? 'neutral';
    const shape = entry.tone ? icons[entry.tone] : icons.dot;
    const more = entry.more ? html`<span class="more">${entry.more}</span>` : '';
    return html`<li class="${toneClass(tone)}">${shape}<span>${entry.what}</span><span class="when">${time({ ...input, at: entry.at })}</span>${more}</li>`;
  });
  return html`<ol class="timeline">${items}</ol>`;
}

/** A list in which every line says what it is, something more in small, and what one can do about it. */
export function lines(input: {
  items: readonly { what: HtmlValue; more?: HtmlValue; actions?: HtmlValue }[];
  label: string;
  id?: string;
}): Html {
  const items = input.items.map(
    (item) =>
      html`<li><div><p class="what">${item.what}</p>${item.more ? html`<p class="more">${item.more}</p>` : ''}</div>${item.actions ? html`<div class="actions">${item.actions}</div>` : ''}</li>`,
  );
  return html`<ul${attributes({ class: 'lines', id: input.id, 'aria-label': input.label })}>${items}</ul>`;
}

/** A few numbers that say how things stand, each with its word. */
export function figures(list: readonly { label: string; value: string; url?: string }[]): Html {
  const items = list.map(({ label, value, url }) => {
    const name = url ? html`<a href="${url}">${label}</a>` : label;
    return html`<div><dt>${name}</dt><dd>${value}</dd></div>`;
  });
  return html`<dl class="figures">${items}</dl>`;
}

/** What a list says when it is empty: what would be here, and the one thing to do first. */
export function emptyState(input: { title: string; text?: string; action?: Html }): Html {
  return html`<div class="empty">${icons.box}<p><strong>${input.title}</strong></p>${input.text ? html`<p>${input.text}</p>` : ''}${input.action}</div>`;
}

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['week', 604_800],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
];

/** "3 hours ago", "in 2 days", "just now". */
export function relativeTime(at: Date, now: Date, locale: string): string {
  const seconds = (at.getTime() - now.getTime()) / 1000;
  for (const [unit, size] of UNITS) {
    if (Math.abs(seconds) >= size)
      return new Intl.RelativeTimeFormat(locale, { numeric: 'auto' }).format(
        Math.trunc(seconds / size),
        unit,
      );
  }
  return pageWords(locale)('justNow');
}

/** A moment: relative words, the exact time on hover (in the reader's own zone where scripts run) and in the source. */
export function time(input: { at: Date; now: Date; locale: string; zone?: string }): Html {
  const exact = new Intl.DateTimeFormat(input.locale, {
    dateStyle: 'long',
    timeStyle: 'long',
    timeZone: input.zone ?? 'UTC',
  }).format(input.at);
  return html`<time datetime="${input.at.toISOString()}" title="${exact}">${relativeTime(input.at, input.now, input.locale)}</time>`;
}

/** Where one stands in a guide; `current` counts from 0. */
export function steps(input: { titles: readonly string[]; current: number; locale: string }): Html {
  const say = pageWords(input.locale);
  const items = input.titles.map((title, index) => {
    if (index < input.current)
      return html`<li class="done" aria-label="${say('stepDone', { title })}">${title}</li>`;
    return index === input.current ? html`<li aria-current="step">${title}</li>` : html`<li>${title}</li>`;
  });
  return html`<ol class="steps" aria-label="${say('steps')}">${items}</ol>`;
}

export interface Pager {
  from: number;
  to: number;
  total: number;
  previousUrl?: string;
  nextUrl?: string;
  locale: string;
}

export function pager(input: Pager): Html {
  const say = pageWords(input.locale);
  const link = (url: string | undefined, label: string) =>
    url ? linkButton({ label, url, style: 'quiet', compact: true }) : '';
  return html`<nav class="pager" aria-label="${say('pages')}"><span>${say('pageOf', { from: input.from, to: input.to, total: input.total })}</span><span class="actions">${link(input.previousUrl, say('previous'))}${link(input.nextUrl, say('next'))}</span></nav>`;
}

/** The apps of the community, one tile each. */
export function tiles(
  list: readonly { title: string; url: string; text?: string; note?: string | Html; logoUrl?: string }[],
): Html {
  const items = list.map((tile) => {
    const letter = [...tile.title.trim()][0]?.toLocaleUpperCase() ?? '?';
    const picture = tile.logoUrl
      ? html`<img src="${tile.logoUrl}" alt="">`
      : html`<span class="letter" aria-hidden="true">${letter}</span>`;
    return html`<li><a class="tile" href="${tile.url}">${picture}<span class="name">${tile.title}</span>${tile.text ? html`<span class="what">${tile.text}</span>` : ''}${tile.note ? html`<span class="what note">${tile.note}</span>` : ''}</a></li>`;
  });
  return html`<ul class="tiles">${items}</ul>`;
}

export function card(...body: HtmlValue[]): Html {
  return html`<div class="card">${body}</div>`;
}

/** A card with a heading, and at most one action beside it. */
export function section(input: {
  title: string;
  body: HtmlValue;
  id?: string;
  action?: Html;
  lede?: string;
}): Html {
  const list = attributes({ class: 'card', id: input.id, 'aria-label': input.title });
  return html`<section${list}><div><div class="row spread"><h2>${input.title}</h2>${input.action}</div>${input.lede ? html`<p class="lede small">${input.lede}</p>` : ''}</div>${input.body}</section>`;
}

export function progress(input: { label: string; value: number; max: number }): Html {
  return html`<div class="field"><span class="label">${input.label}</span><progress${attributes({ 'aria-label': input.label, value: input.value, max: input.max })}></progress></div>`;
}
