/** What to quote and whom to ask, on every page that refuses. */
import type { Community } from '#core/community/community.ts';
import { type Html, html } from '#kit/page/html.ts';
import type { words } from './words.ts';

/** A mail or web address of the community is a link; other ways to reach it are text. */
function contactLink(contact: string): Html | string {
  if (/^[^\s@:]+@[^\s@:]+$/.test(contact)) return html`<a href="mailto:${contact}">${contact}</a>`;
  return /^https?:\/\//i.test(contact) ? html`<a href="${contact}">${contact}</a>` : contact;
}

/** Whom to write to, and the reference that leads operators to what happened. */
export function referenceLines(
  say: ReturnType<typeof words>,
  { contact }: Pick<Community, 'contact'>,
  reference: string,
): Html {
  return html`<div class="aside-actions">
        ${contact ? html`<p>${say.html('writeTo', { contact: contactLink(contact) })}</p>` : ''}
        <p id="reference">${say('reference', { reference: reference || '-' })}</p>
      </div>`;
}
