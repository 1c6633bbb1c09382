/** The page at /: who is in the directory, newest first. It renews itself without a script. */
import { type Html, html } from '#kit/page/html.ts';
import type { Tone } from '#kit/page/icons.ts';
import { personPage } from '#kit/page/layout.ts';
import type { Look } from '#kit/page/page.ts';
import { badge, card, emptyState, figures, linkButton, section, table, time } from '#kit/page/parts.ts';

const locale = 'en';
/** More than anyone reads; a page that renews itself stays light. */
const mostRows = 100;

export interface PersonRow {
  name: string;
  address: string;
  states: readonly { tone: Tone; label: string }[];
  groups: readonly string[];
  at: Date;
}

export interface DirectoryPage {
  look: Look;
  title: string;
  nonce: string;
  now: Date;
  /** True: the page stands still. */
  hold: boolean;
  lede: string;
  /** Newest first. */
  people: readonly PersonRow[];
  figures: readonly { label: string; value: string }[];
  empty: { title: string; text: string };
  more?: Html;
}

function whoIs({ name, address }: PersonRow): Html {
  return html`<strong><bdi>${name}</bdi></strong><br><bdi class="muted">${address}</bdi>`;
}

export function directoryPage(page: DirectoryPage): Html {
  const { now } = page;
  const shown = page.people.slice(0, mostRows);
  const people = table({
    caption: 'People',
    columns: [
      // One column for both: beside a name an address would be cut.
      { title: 'Person', breaks: true, cell: (row) => whoIs(row) },
      { title: 'State', cell: (row) => html`<span class="row">${row.states.map(badge)}</span>` },
      { title: 'Groups', cell: (row) => row.groups.join(', ') || 'None' },
      { title: 'Arrived', cell: (row) => time({ at: row.at, now, locale }) },
    ],
    rows: shown,
    empty: emptyState(page.empty),
  });
  const left = page.people.length - shown.length;
  const rest = left > 0 ? html`<p class="lede small">and ${left} more, who came earlier.</p>` : '';
  const watch = page.hold
    ? linkButton({ label: 'Keep it fresh', url: '/', style: 'quiet', compact: true })
    : linkButton({ label: 'Hold still', url: '/?hold', style: 'quiet', compact: true });
  const body = html`${card(figures(page.figures))}${section({ title: 'People', action: watch, body: html`${people}${rest}` })}${page.more}`;
  return personPage({ ...page, locale, width: 'wide', body });
}

/** `20,494`. */
export const count = (number: number) => new Intl.NumberFormat(locale).format(number);
