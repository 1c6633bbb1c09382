/** The pages about mail as they look. */
import type { Mailbox } from '#core/aliases/mailboxes.ts';
import { isRelayReason, reasonForPerson, relayReasons } from '#fronts/relay/reasons.ts';
import { checkbox, field, hiddenField } from '#kit/page/fields.ts';
import { type Html, html } from '#kit/page/html.ts';
import {
  actions,
  badge,
  button,
  emptyState,
  form,
  formButton,
  keyValues,
  lines,
  linkButton,
  notice,
  section,
  type TimelineEntry,
  time,
  timeline,
} from '#kit/page/parts.ts';
import { defineWords } from '#kit/page/words.ts';
import type { Home } from './guest.ts';
import { words } from './mail.words.ts';
import type { MailApp, MailFacts, MyMessage } from './mail-facts.ts';

/** Why, as the person reads it; English stands beside the reasons themselves. */
const reasons = defineWords(
  'accountMailReasons',
  Object.fromEntries(relayReasons.map((one) => [one, reasonForPerson(one).replaceAll("'", '\u2019')])),
);

/** The part of the account page about it; nothing for who has no mailbox. */
export function mailSection(here: Home, mailbox: Mailbox | undefined): Html | undefined {
  if (!mailbox) return undefined;
  const tell = words(here.locale);
  return section({
    title: tell('title'),
    id: 'mail-section',
    body: html`<p>${tell('linkMore')}</p>${keyValues({
      rows: [{ key: tell('mailbox'), value: mailbox.address, copy: true }],
      locale: here.locale,
    })}`,
    action: linkButton({ label: tell('link'), url: '/account/mail', style: 'quiet', compact: true }),
  });
}

/**
 * The whole page.
 * @param said what was done just before
 * @param isLater it is not the first page of what happened
 */
export function mailBody(
  here: Home,
  facts: MailFacts,
  { said, isLater }: { said: string | undefined; isLater: boolean },
): Html {
  const tell = words(here.locale);
  const told = {
    paused: tell('savedPaused'),
    resumed: tell('savedResumed'),
    saved: tell('saved'),
    asked: tell('savedAsked', { community: here.community.name }),
  } as const;
  const text = said && Object.hasOwn(told, said) ? told[said as keyof typeof told] : undefined;
  return html`<div class="stack">
    ${text && notice({ tone: 'success', text })}
    ${facts.paused && notice({ tone: 'warning', title: tell('pausedTitle'), text: tell('pausedText'), id: 'all-paused' })}
    ${mailboxSection(here, facts)}
    ${appsSection(here, facts)}
    ${happenedSection(here, facts, isLater)}
    ${strangersSection(here, facts)}
    ${requestsSection(here, facts)}
    ${linkButton({ label: tell('backAccount'), url: '/account', style: 'quiet' })}</div>`;
}

function mailboxSection(here: Home, facts: MailFacts): Html {
  const tell = words(here.locale);
  if (!facts.mailbox) {
    const body = emptyState({ title: tell('none'), text: tell('noneText') });
    return section({ title: tell('mailbox'), id: 'mailbox-section', body });
  }
  const rows = [
    { key: tell('address'), value: facts.mailbox.address, copy: true },
    ...facts.earlier.map(({ address }) => ({ key: tell('earlier'), value: address, copy: true })),
    { key: tell('goesTo'), value: facts.real ?? html`<a href="/account">${tell('noMain')}</a>` },
  ];
  const action = formButton({
    label: tell(facts.paused ? 'resumeAll' : 'pauseAll'),
    url: '/account/mail/pause',
    token: here.formToken,
    fields: { paused: facts.paused ? 'no' : 'yes' },
    compact: true,
    id: 'pause-all',
  });
  return section({
    title: tell('mailbox'),
    id: 'mailbox-section',
    body: keyValues({ rows, locale: here.locale }),
    action,
  });
}

function appsSection(here: Home, { apps, paused }: MailFacts): Html {
  const tell = words(here.locale);
  const items = apps.map((app) => ({
    what: html`${app.title} ${
      app.off
        ? badge({ tone: 'neutral', label: tell('stateOff') })
        : paused || app.choices.paused
          ? badge({ tone: 'warning', label: tell('statePaused') })
          : badge({ tone: 'success', label: tell('stateOn') })
    }`,
    more: [!app.choices.digests && tell('noDigests'), app.choices.reveal && tell('reveals')]
      .filter(Boolean)
      .join(' · '),
    actions: shortLink(tell('choose'), tell('chooseFor', { app: app.title }), `/account/mail/apps/${app.id}`),
  }));
  const body =
    items.length > 0 ? lines({ items, label: tell('apps') }) : html`<p class="muted">${tell('noApps')}</p>`;
  return section({ title: tell('apps'), id: 'mail-apps-section', body });
}

function happenedSection(here: Home, facts: MailFacts, isLater: boolean): Html {
  const tell = words(here.locale);
  const { locale, now } = here;
  const last = facts.messages.at(-1);
  const older =
    facts.more &&
    last &&
    linkButton({
      label: tell('older'),
      url: `/account/mail?before=${last.id}#happened-section`,
      style: 'quiet',
      compact: true,
    });
  const newest =
    isLater &&
    linkButton({
      label: tell('newest'),
      url: '/account/mail#happened-section',
      style: 'quiet',
      compact: true,
    });
  const entries = facts.messages.map((one) => entryOf(here, facts, one));
  const nothing = isLater
    ? emptyState({ title: tell('nothingOlder') })
    : emptyState({ title: tell('nothing'), text: tell('nothingText') });
  const ways = [newest, older].filter((one) => one);
  const body = html`${entries.length === 0 ? nothing : timeline({ entries, locale, now })}${ways.length > 0 && actions(...ways)}`;
  return section({ title: tell('happened'), id: 'happened-section', lede: tell('happenedLede'), body });
}

/** A word to press, and for who does not see the line it stands in, all of it. */
function shortLink(label: string, describe: string, url: string): Html {
  return html`<a class="button quiet compact" href="${url}" aria-label="${describe}">${label}</a>`;
}

/** One message in the words of whom it was for. */
function entryOf(here: Home, { titles, real }: MailFacts, message: MyMessage): TimelineEntry {
  const tell = words(here.locale);
  const title = message.application && titles.get(message.application);
  const sender = message.headerFrom || message.sender;
  const app = title || sender || tell('someone');
  const { tone, what, more } = becameOf(message, here.locale);
  const isKnown = title && sender && message.recipientClass === 'alias';
  const under = [
    (what === 'relayed' || what === 'queued') && real && tell('relayedMore', { address: real }),
    more,
    isKnown && tell.html('bySender', { sender: html`<bdi>${sender}</bdi>` }),
  ].filter((one) => one);
  return {
    at: message.at,
    tone,
    what: tell(what, { app }),
    more: html`${under.map((one, index) => html`${index > 0 ? html`<br>` : ''}${one}`)}`,
  };
}

/** What became of it, and why where it is not what was wished for. */
function becameOf(message: MyMessage, locale: string) {
  const { recipientClass, verdict, reason, bouncedAt, application } = message;
  const more = isRelayReason(reason) ? reasons(locale)(reason) : undefined;
  if (recipientClass === 'reply') {
    if (bouncedAt) return { tone: 'danger', what: 'replyBounced' } as const;
    if (verdict === 'relayed') return { tone: 'success', what: 'reply' } as const;
    if (verdict === 'dropped') return { tone: 'info', what: 'replyDropped', more } as const;
    if (verdict === 'deferred') return { tone: 'info', what: 'replyDeferred', more } as const;
    return { tone: 'warning', what: 'replyRefused', more } as const;
  }
  if (bouncedAt) return { tone: 'danger', what: 'bounced' } as const;
  if (reason === 'queued') return { tone: 'success', what: 'queued' } as const;
  if (verdict === 'relayed') return { tone: 'success', what: 'relayed' } as const;
  if (verdict === 'deferred') return { tone: 'info', what: 'deferred', more } as const;
  // What did not prove to be the app's own is not said to be from it.
  const isPretended = application !== undefined && /^(?:from|unproved|dmarc)$/.test(reason);
  const what = isPretended ? 'refusedThere' : 'refused';
  return { tone: 'warning', what, more } as const;
}

function strangersSection(here: Home, { strangers }: MailFacts): Html | undefined {
  if (strangers.length === 0) return undefined;
  const tell = words(here.locale);
  const { locale, now } = here;
  const items = strangers.map(({ domain, count, last, asked }) => ({
    what: html`<bdi>${domain}</bdi>`,
    more: tell.html('strangerMore', { count, when: time({ at: last, now, locale }) }),
    actions: asked
      ? badge({ tone: 'info', label: tell('requestOpen') })
      : shortLink(
          tell('ask'),
          tell('askFor', { sender: domain }),
          `/account/mail/ask?sender=${encodeURIComponent(domain)}`,
        ),
  }));
  return section({
    title: tell('strangers'),
    id: 'strangers-section',
    lede: tell('strangersLede'),
    body: lines({ items, label: tell('strangers') }),
  });
}

function requestsSection(here: Home, { requests }: MailFacts): Html | undefined {
  if (requests.length === 0) return undefined;
  const tell = words(here.locale);
  const { locale, now } = here;
  const states = {
    open: badge({ tone: 'info', label: tell('requestOpen') }),
    allowed: badge({ tone: 'success', label: tell('requestAllowed') }),
    refused: badge({ tone: 'warning', label: tell('requestRefused') }),
  } as const;
  const items = requests.map((one) => ({
    what: html`<bdi>${one.sender}</bdi> ${states[one.state]}`,
    more: html`${tell.html('asked', { when: time({ at: one.askedAt, now, locale }) })}${
      one.decidedAt
        ? html` · ${tell.html('decided', { when: time({ at: one.decidedAt, now, locale }) })}`
        : ''
    }${one.answer ? html`<br><bdi>${one.answer}</bdi>` : ''}`,
  }));
  return section({
    title: tell('requests'),
    id: 'requests-section',
    body: lines({ items, label: tell('requests') }),
  });
}

/** What one app may send. */
export function appBody(here: Home, app: MailApp, mailbox: string | undefined): Html {
  const tell = words(here.locale);
  const choice = (name: 'paused' | 'digests' | 'reveal', help: string) =>
    checkbox({ name, label: tell(name, { app: app.title }), checked: app.choices[name], help });
  const fields = html`
    ${choice('paused', tell('pausedHelp'))}
    ${choice('digests', tell('digestsHelp'))}
    ${
      app.mode === 'rewritten'
        ? choice('reveal', tell('revealHelp', { app: app.title, mailbox: mailbox ?? '' }))
        : html`<p class="help">${tell('revealUnused')}</p>`
    }
    ${button({ label: tell('save'), id: 'save', full: true })}`;
  return html`<div class="stack">${form({ url: `/account/mail/apps/${app.id}`, token: here.formToken, body: fields })}${linkButton(
    { label: tell('back'), url: '/account/mail', style: 'quiet', full: true },
  )}</div>`;
}

/** Asking for a sender; what was typed stays where it could not be sent. */
export function askBody(here: Home, typed: { sender: string; note: string }, problem?: string): Html {
  const { sender, note } = typed;
  const tell = words(here.locale);
  const fields = html`${hiddenField('sender', sender)}${field({
    name: 'note',
    label: tell('note'),
    value: note,
    locale: here.locale,
    rows: 4,
    maxlength: 500,
    required: false,
  })}${button({ label: tell('send'), id: 'send', full: true })}`;
  return html`<div class="stack">${problem && notice({ tone: 'danger', text: problem, id: 'refused' })}${form(
    {
      url: '/account/mail/ask',
      token: here.formToken,
      body: fields,
    },
  )}${linkButton({ label: tell('cancel'), url: '/account/mail', style: 'quiet', full: true })}</div>`;
}
