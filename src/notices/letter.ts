/**
 * How a mail looks: one letter, written twice from the same parts, as HTML and as plain text, so that neither says
 * more than the other. Small, readable without its style sheet, light and dark, nothing loaded from anywhere.
 */
import { accentFor } from '#kit/page/accent.ts';
import { attributes, type Html, html, join, raw } from '#kit/page/html.ts';
import { directionOf } from '#kit/page/words.ts';
import type { Mail } from '#kit/smtp/smtp.ts';
import type { LetterLogo } from './logo.ts';

export interface Letter {
  locale: string;
  community: string;
  /** The community's accent colour, `#rrggbb`. */
  accent?: string;
  /** Goes along with the letter and stands beside the name. */
  logo?: LetterLogo;
  subject: string;
  greeting: string;
  text: string;
  action?: { label: string; url: string };
  code?: { label: string; value: string };
  /** A second way on, quieter than the first. */
  second?: { text: string; label: string; url: string };
  /** Small print under it, a paragraph each. */
  after: readonly string[];
  /** Why this mail was sent and whom to ask, below the line. */
  footer: readonly string[];
}

/** The plain text of a letter. */
export function letterText(letter: Letter): string {
  const parts = [letter.greeting, letter.text];
  if (letter.action) parts.push(`${letter.action.label}:\n${letter.action.url}`);
  if (letter.code) parts.push(`${letter.code.label}\n\n    ${letter.code.value}`);
  if (letter.second) parts.push(`${letter.second.text} ${letter.second.label}:\n${letter.second.url}`);
  parts.push(...letter.after, ['-- ', letter.community, ...letter.footer].join('\n'));
  return `${parts.join('\n\n')}\n`;
}

/** Light or dark whatever the reader's own choice, for looking at both. */
export type Scheme = 'light' | 'dark';

function styles(accent: string | undefined, scheme: Scheme | undefined): Html {
  const { light, dark } = accentFor(accent);
  const query = scheme ? { light: 'not all', dark: 'all' }[scheme] : '(prefers-color-scheme:dark)';
  // Hexadecimal colours computed by us: nothing of what a community typed reaches the style sheet.
  return raw(`
.b{background:${light.accent};color:${light.on}!important}.l{color:${light.accent}}
@media ${query}{
.g{background:#0f141c!important}.c{background:#19212d!important;border-color:#2b3644!important}
.t{color:#e8edf4!important}.q{color:#a9b4c3!important}.k{background:#0f141c!important;color:#e8edf4!important}
.b{background:${dark.accent}!important;color:${dark.on}!important}.l{color:${dark.accent}!important}}`);
}

function paragraph(text: string): Html {
  return html`<p class="t" style="margin:0 0 16px;color:#18202c">${lines(text)}</p>`;
}

function small(text: string): Html {
  return html`<p class="q" style="margin:0 0 12px;font-size:14px;color:#566173">${lines(text)}</p>`;
}

/** An empty line begins a paragraph. */
function paragraphs(text: string, make: (text: string) => Html): Html {
  return join(text.split(/\n{2,}/).map(make));
}

function lines(text: string): Html {
  return join(text.split('\n').map((line, index) => (index === 0 ? html`${line}` : html`<br>${line}`)));
}

/** What of a letter goes into its mail. */
export function letterMail(letter: Letter): Pick<Mail, 'subject' | 'text' | 'html' | 'inline'> {
  const { subject, logo } = letter;
  const bodies = { subject, text: letterText(letter), html: letterHtml(letter) };
  if (!logo) return bodies;
  const { cid, contentType, content } = logo;
  return { ...bodies, inline: [{ cid, contentType, content }] };
}

/**
 * The community's name, and its mark before it. The mark stands on white in the dark, too: most are made for paper, and
 * one that is dark on nothing could not be seen there.
 */
function heading({ community, logo }: Letter, scheme: Scheme | undefined): Html {
  if (!logo) return html`${community}`;
  const { cid, contentType, content, width, height } = logo;
  const rest = html`${attributes({ width, height, alt: community })} style="display:block;padding:4px;border-radius:8px;background:#ffffff"`;
  // Whoever looks at a letter on a page of ours has no mail that the picture could be a part of.
  const picture = scheme
    ? html`<img src="data:${contentType};base64,${content.toString('base64')}"${rest}>`
    : html`<img src="cid:${cid}"${rest}>`;
  return html`<table role="presentation" cellpadding="0" cellspacing="0"><tr><td>${picture}</td>
<td class="t" style="padding:0 12px;font:600 16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;color:#18202c">${community}</td></tr></table>`;
}

/** The same letter as HTML; about 3 KB. With a scheme it is for looking at, and whole by itself. */
export function letterHtml(letter: Letter, scheme?: Scheme): string {
  const { action, code, second } = letter;
  const button =
    action &&
    html`<p style="margin:24px 0"><a class="b" href="${action.url}" style="display:inline-block;padding:12px 22px;border-radius:6px;font-weight:600;text-decoration:none">${action.label}</a></p>`;
  const digits =
    code &&
    html`${paragraph(code.label)}<p class="k" style="margin:0 0 24px;padding:12px 0;border-radius:6px;background:#f3f5f9;color:#18202c;font:600 28px/1.25 ui-monospace,Menlo,Consolas,monospace;letter-spacing:6px;text-align:center">${code.value}</p>`;
  const other =
    second &&
    html`<p class="t" style="margin:0 0 16px;color:#18202c">${second.text} <a class="l" href="${second.url}">${second.label}</a></p>`;
  const page = html`<!doctype html>
<html lang="${letter.locale}" dir="${directionOf(letter.locale)}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark"><title>${letter.subject}</title>
<style>${styles(letter.accent, scheme)}</style></head>
<body class="g" style="margin:0;padding:0;background:#f3f5f9">
<table class="g" role="presentation" width="100%" cellpadding="0" cellspacing="0" style="background:#f3f5f9"><tr><td align="center" style="padding:32px 12px">
<table role="presentation" width="448" cellpadding="0" cellspacing="0" style="width:100%;max-width:448px;table-layout:fixed;overflow-wrap:anywhere;word-break:break-word;font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif">
<tr><td class="t" style="padding:0 4px 12px;font-weight:600;color:#18202c">${heading(letter, scheme)}</td></tr>
<tr><td class="c" style="padding:28px 28px 16px;background:#ffffff;border:1px solid #dde3ec;border-radius:10px">
${paragraph(letter.greeting)}${paragraphs(letter.text, paragraph)}${button}${digits}${other}${join(letter.after.map((text) => paragraphs(text, small)))}
</td></tr>
<tr><td style="padding:16px 4px">${join(letter.footer.map(small))}</td></tr>
</table></td></tr></table></body></html>`;
  return page.toString();
}
