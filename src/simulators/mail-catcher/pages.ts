import { type Asset, defineAsset } from '#kit/page/assets.ts';
import { type Html, html, join } from '#kit/page/html.ts';
import { personPage } from '#kit/page/layout.ts';
import type { Look } from '#kit/page/page.ts';
import { actions, button, card, emptyState, form, keyValues, linkButton, time } from '#kit/page/parts.ts';
import type { CaughtMessage } from './mail-catcher.ts';

const locale = 'en';

const style = defineAsset(
  'mail.css',
  `
  .mails { display: grid; gap: var(--s4); margin: 0 0 var(--s6); padding: 0; list-style: none; }
  .mail { min-width: 0; }
  .mail h2 { margin: 0; font-size: var(--text-l); overflow-wrap: anywhere; }
  .mail h2 a { color: inherit; text-decoration-thickness: 1px; text-underline-offset: 0.2em; }
  .mail-to { margin: var(--s1) 0 0; color: var(--muted); font-size: var(--text-s); overflow-wrap: anywhere; }
  .mail-text { margin: 0; padding: var(--s4); border: 1px solid var(--line); border-radius: var(--radius);
    background: var(--sunken); font: inherit; white-space: pre-wrap; overflow-wrap: anywhere; }
  .mail .mail-text { margin-top: var(--s4); }
  .mails .mail-text { max-height: 16rem; overflow: auto; }
  `,
);

// Looks for new mail without being asked; the page is whole without it.
const watch = defineAsset(
  'mail.js',
  `
  const shown = document.querySelector('[data-newest]')?.dataset.newest;
  setInterval(async () => {
    if (document.hidden) return;
    const answer = await fetch('/messages.json').catch(() => undefined);
    if (!answer?.ok) return;
    const [newest] = await answer.json();
    if ((newest?.id ?? '') !== shown) location.reload();
  }, 2000);
  `,
);

export const mailAssets: readonly Asset[] = [style, watch];

interface Frame {
  look: Look;
  nonce: string;
}

/** Every message, newest first. */
export function listPage(input: Frame & { messages: readonly CaughtMessage[]; now: Date }): Html {
  const { messages, now } = input;
  const items = messages.map(
    (message) => html`<li>${card(html`<article class="mail">${summary(message, now)}</article>`)}</li>`,
  );
  const empty = emptyState({
    title: 'No mail yet',
    text: 'Every message Gatehouse sends lands here, and nowhere else. Sign up with any address to see the first.',
  });
  const clear = form({
    url: '/clear',
    body: actions(button({ label: 'Delete all messages', style: 'quiet', id: 'clear' })),
  });
  const list = html`<ol class="mails">${items}</ol>`;
  const body = html`<div data-newest="${messages[0]?.id ?? ''}">${messages.length === 0 ? card(empty) : join([list, clear])}</div>`;
  const lede =
    messages.length === 1
      ? 'One message, for whoever it was sent to.'
      : `${messages.length} messages, newest first, for whoever they were sent to.`;
  return frame(input, { title: 'Mail', body, lede: messages.length === 0 ? '' : lede, scripts: [watch.url] });
}

/** One message with everything that is known about it. */
export function messagePage(input: Frame & { message: CaughtMessage; now: Date }): Html {
  const { message, now } = input;
  const facts = keyValues({
    locale,
    rows: [
      { key: 'To', value: message.recipients.join(', ') },
      { key: 'From', value: message.from },
      { key: 'Sent', value: time({ at: message.at, now, locale }) },
      { key: 'Message id', value: message.messageId },
    ],
  });
  const designed =
    message.html === undefined
      ? ''
      : linkButton({
          label: 'Show it as a mail program does',
          url: `/messages/${message.id}.html`,
          style: 'quiet',
        });
  const body = card(
    facts,
    html`<pre class="mail-text">${linked(message.text)}</pre>`,
    html`<div class="actions">${designed}${linkButton({ label: 'All messages', url: '/', style: 'quiet' })}</div>`,
  );
  return frame(input, { title: message.subject || 'No subject', body });
}

export function missingPage(input: Frame): Html {
  const text = 'It may have been deleted, or the mail catcher was started anew since.';
  const action = linkButton({ label: 'All messages', url: '/', style: 'quiet' });
  return frame(input, {
    title: 'No such message',
    body: card(emptyState({ title: 'This message is not here', text, action })),
  });
}

function summary(message: CaughtMessage, now: Date): Html {
  const to = message.recipients.join(', ');
  return html`<h2><a href="/messages/${message.id}">${message.subject || 'No subject'}</a></h2>
<p class="mail-to">To ${to} · ${time({ at: message.at, now, locale })}</p>
<pre class="mail-text" tabindex="0">${linked(message.text)}</pre>`;
}

function linked(text: string): Html {
  const parts = text.trim().split(/(https?:\/\/[^\s<>"]*[^\s<>".,;:!?)\]])/);
  return join(parts.map((part, place) => (place % 2 === 1 ? html`<a href="${part}">${part}</a>` : part)));
}

function frame(input: Frame, page: { title: string; body: Html; lede?: string; scripts?: string[] }): Html {
  const { look, nonce } = input;
  return personPage({ look, nonce, locale, width: 'wide', styles: [style.url], ...page });
}
