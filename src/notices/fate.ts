/** What became of a letter, in the words of whoever waits for it: what is known, and nothing that is not theirs. */
import { type Html, html } from '#kit/page/html.ts';
import type { Tone } from '#kit/page/icons.ts';
import { notice as banner, time } from '#kit/page/parts.ts';
import { noMailWords } from './no-mail.words.ts';
import type { Notice, NoticeState } from './notices.ts';

/** A letter as whoever waits for it may see it. */
export type Fate = Pick<
  Notice,
  'state' | 'answer' | 'report' | 'acceptedAt' | 'settledAt' | 'reportedAt' | 'nextAttemptAt' | 'resent'
> & {
  /** The address has refused our mail before. */
  held?: boolean;
};

const longestAnswer = 240;

/**
 * What a mail server said, for the person it was about: no address but theirs, none of a machine, bounded.
 * @param own the address the letter went to
 */
export function forThePerson(answer: string | undefined, own: string): string | undefined {
  const text = (answer ?? '')
    .replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, ' ')
    .replaceAll(/<?[^\s<>"'(),;:]+@[^\s<>"'(),;:]+>?/g, (found) =>
      found.replace(/^<|[>.]+$/g, '').toLowerCase() === own.toLowerCase() ? own : '…',
    )
    .replaceAll(
      /\[?(?:\d{1,3}\.){3}\d{1,3}\]?(?::\d+)?|\[[^\]]*:[^\]]*\]|(?<![\w:])(?:[0-9a-f]{1,4}:){3,}[0-9a-f:]*/gi,
      '…',
    )
    .trim();
  // Only what a mail server said: names of faults on our way to it tell nobody anything.
  if (!/(?:^|\D)[245]\d\d\b|\b[245]\.\d{1,3}\.\d{1,3}\b/.test(text)) return undefined;
  // Nor what our own mail server says of us: that it wants another password is for operators.
  if (/^53[0458]\b/.test(text)) return undefined;
  return text.length > longestAnswer ? `${text.slice(0, longestAnswer)}…` : text;
}

/** Whether somebody said no, rather than nobody yes for as long as it was tried: "try later", silence, a fault of ours. */
export function wasRefused({ state, answer, report }: Pick<Fate, 'state' | 'answer' | 'report'>): boolean {
  if (state === 'bounced') return true;
  return state === 'failed' && !/^(?:4\d\d\b|E[A-Z]{3,}\b|Given up)/.test(report ?? answer ?? '');
}

interface Sight {
  locale: string;
  now: Date;
  /** The address it went to. */
  address: string;
}

/** The notice that says it. Undefined is a letter that is not written yet. */
export function fateNotice(fate: Fate | undefined, sight: Sight): Html {
  const { locale, now, address } = sight;
  const say = noMailWords(locale);
  const values: Values = {
    now,
    when: (moment) => time({ at: moment ?? now, now, locale }),
    domain: html`<bdi>${address.split('@')[1] ?? ''}</bdi>`,
  };
  const known: Fate = fate ?? { state: 'queued', resent: 0 };
  const { tone, title, text, isSaid } = sentences[known.state](known, say, values);
  const heard = isSaid ? forThePerson(fate?.report ?? fate?.answer, address) : undefined;
  return html`${banner({ tone, title: say(title), id: 'fate', text })}
    ${heard ? html`<p id="said">${say.html('said', { answer: html`<q dir="auto">${heard}</q>` })}</p>` : ''}
    ${fate && fate.resent > 0 ? html`<p id="twice">${say('twice')}</p>` : ''}`;
}

type Say = ReturnType<typeof noMailWords>;
type Key = Parameters<Say>[0];
interface Values {
  now: Date;
  when(moment: Date | undefined): Html;
  domain: Html;
}
interface Part {
  tone: Tone;
  title: Key;
  text: Html | string;
  /** What the mail server said stands below. */
  isSaid?: boolean;
}

const sentences = {
  queued: (_fate: Fate, say: Say): Part => ({ tone: 'info', title: 'queuedTitle', text: say('queued') }),
  accepted: (fate: Fate, say: Say, { when }: Values): Part => ({
    tone: 'info',
    title: 'acceptedTitle',
    text: say.html('accepted', { when: when(fate.acceptedAt) }),
  }),
  delivered: (fate: Fate, say: Say, { when, domain }: Values): Part => ({
    tone: 'success',
    title: 'deliveredTitle',
    text: say.html('delivered', { when: when(fate.reportedAt), domain }),
  }),
  bounced: (fate: Fate, say: Say, { when, domain }: Values): Part => ({
    tone: 'danger',
    title: 'refusedTitle',
    text: say.html('refused', { when: when(fate.reportedAt), domain }),
    isSaid: true,
  }),
  failed: (fate: Fate, say: Say, { when }: Values): Part => ({
    tone: 'danger',
    title: 'failedTitle',
    text: say.html(wasRefused(fate) ? 'failed' : 'givenUp', { when: when(fate.settledAt) }),
    isSaid: true,
  }),
  dropped: (fate: Fate, say: Say, { domain }: Values): Part => ({
    tone: 'warning',
    title: 'endedTitle',
    text: fate.held ? say.html('held', { domain }) : say('ended'),
  }),
  deferred: (fate: Fate, say: Say, { when, now, domain }: Values): Part => {
    const isElsewhere = fate.acceptedAt !== undefined;
    const { nextAttemptAt: next } = fate;
    const isSoon = next !== undefined && next.getTime() - now.getTime() < 60_000;
    const waits = isSoon
      ? say('waitingSoon')
      : next
        ? say.html('waiting', { when: when(next) })
        : say('waitingBare');
    return {
      tone: 'warning',
      title: isElsewhere ? 'laterTitle' : 'waitingTitle',
      text: isElsewhere ? say.html('later', { when: when(fate.acceptedAt), domain }) : waits,
      isSaid: true,
    };
  },
} satisfies Record<NoticeState, (fate: Fate, say: Say, values: Values) => Part>;
