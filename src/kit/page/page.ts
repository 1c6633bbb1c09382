/**
 * kit/page: how pages look and speak. Owns the design tokens (style.css), the markup tag (html.ts), words
 * (words.ts), the two frames (layout.ts), the parts (parts.ts, fields.ts) and the accent (accent.ts).
 * Records nothing. Refuses unescaped text, inline styles and handlers, and colours nobody can read.
 *
 * This file is the document around every page: head, accent, style sheet, the one script.
 */
import { accentFor } from './accent.ts';
import { enhanceScript, icon, styleSheet } from './assets.ts';
import type { Html } from './html.ts';
import { html, join, raw } from './html.ts';
import { defineWords, directionOf } from './words.ts';

/** What a community sets about its pages, without touching a template. */
export interface Look {
  communityName: string;
  /** An address on our own origin, or a data: image; other origins are kept out by the page's security policy. */
  logoUrl?: string;
  /** `#rrggbb`; corrected until it can be read. */
  accent?: string;
  /** The community's services, for the header of every page. */
  links: { title: string; url: string }[];
  /** The apps this person may enter, for the same menu. */
  apps?: { title: string; url: string }[];
  /** One sentence above every page, plain text. */
  announcement?: string;
  helpUrl?: string;
  /** Privacy, imprint and the like, at the foot of every page. */
  footerLinks?: { title: string; url: string }[];
}

export const pageWords = defineWords('page', {
  skip: 'Skip to the content',
  services: 'Our apps',
  servicesOf: 'Apps of {community}',
  moreServices: 'More of {community}',
  allServices: 'All your apps',
  help: 'Help',
  signOut: 'Sign out',
  switchAccount: 'Switch account',
  signedInAs: 'Signed in as {name}',
  navigation: 'Sections',
  show: 'Show',
  hide: 'Hide',
  showPassword: 'Show password',
  hidePassword: 'Hide password',
  capsLock: 'Caps Lock is on.',
  optional: 'optional',
  choose: 'Choose one',
  copy: 'Copy',
  copied: 'Copied',
  errorTitle: '{count, plural, one {One thing needs another look} other {# things need another look}}',
  previous: 'Previous',
  next: 'Next',
  pageOf: '{from, number}–{to, number} of {total, number}',
  steps: 'Steps',
  stepDone: '{title} (done)',
  pages: 'Pages',
  justNow: 'just now',
});

export interface DocumentInput {
  look: Look;
  title: string;
  nonce: string;
  locale: string;
  /** Classes of the body element. */ kind: string;
  content: Html;
  /** Further scripts of ours, by address (`Asset.url`); always deferred. */ scripts?: readonly string[];
  /** Further style sheets of ours, by address. */ styles?: readonly string[];
}

/** The document around a page. Sizes follow the reader's own font size; both themes are always in it. */
export function documentPage(input: DocumentInput): Html {
  const { look, locale } = input;
  const name = look.communityName;
  return html`<!doctype html>
<html lang="${locale}" dir="${directionOf(locale)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${input.title === name ? name : `${input.title} · ${name}`}</title>
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<link rel="icon" href="${icon.url}" type="image/svg+xml">
<link rel="stylesheet" href="${styleSheet.url}">
${join((input.styles ?? []).map((url) => html`<link rel="stylesheet" href="${url}">`))}${accentStyle(look.accent, input.nonce)}
<script src="${enhanceScript.url}" defer></script>
${join((input.scripts ?? []).map((url) => html`<script src="${url}" defer></script>`))}</head>
<body class="${input.kind}">
${input.content}
</body>
</html>
`;
}

/** The community's colours, as custom properties; nothing when it has not set any. Values come from accentFor alone. */
function accentStyle(accent: string | undefined, nonce: string): Html | undefined {
  if (!accent) return undefined;
  const { light, dark } = accentFor(accent);
  const tokens = (tones: typeof light) =>
    `--accent:${tones.accent};--accent-strong:${tones.strong};--on-accent:${tones.on};--accent-soft:${tones.soft}`;
  const css = raw(`:root{${tokens(light)}}@media(prefers-color-scheme:dark){:root{${tokens(dark)}}}`);
  return html`<style nonce="${nonce}">${css}</style>`;
}
