/** A letter that says only that mail arrives, sent at once past the queue, and what the mail server answered. */
import { community } from '#core/community/community.ts';
import { parseAddress } from '#core/people/names.ts';
import { newId } from '#kit/crypto/ids.ts';
import type { Tx } from '#kit/db/tx.ts';
import { type Mailer, MailFailed, MailRefused } from '#kit/smtp/smtp.ts';
import { faultText } from '#kit/smtp/trouble.ts';
import { type Letter, letterMail } from './letter.ts';
import { letterLogo } from './logo.ts';
import { letterLocales } from './templates.ts';
import { words } from './words.ts';

export interface TestMailed {
  /** `taken`: a mail server has it; whether it arrives is not known yet. */
  state: 'taken' | 'later' | 'refused';
  /** What the mail server said, as it said it; where it said nothing, what was seen instead. */
  answer: string;
  /** What is wrong, as a sentence for operators, where more is known than what the server said. */
  why?: string;
  messageId: string;
  tookMs: number;
}

/** The letter of a test, in the language asked for where letters are written in it. */
export async function testLetter(
  tx: Tx,
  { locale = 'en', operator }: { locale?: string; operator: string },
): Promise<Letter> {
  const settings = await community(tx);
  const spoken = letterLocales().includes(locale) ? locale : 'en';
  const say = words(spoken);
  const when = new Intl.DateTimeFormat(spoken, { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' });
  const values = { community: settings.name, when: `${when.format(tx.now())} UTC` };
  return {
    locale: spoken,
    community: settings.name,
    accent: settings.accent,
    logo: letterLogo(settings),
    subject: say('test.subject', values).replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' '),
    greeting: say('hello'),
    text: say('test.text', values),
    after: [],
    footer: [say('test.why', { operator })],
  };
}

/** Sends a letter now. @throws Problem where the address is none */
export async function sendNow(
  mailer: Mailer,
  { to, letter, mailDomain }: { to: string; letter: Letter; mailDomain: string },
): Promise<TestMailed> {
  const messageId = `${newId()}@${mailDomain}`;
  const begun = performance.now();
  const answered = (state: TestMailed['state'], answer: string, why?: string): TestMailed => ({
    state,
    answer: answer.slice(0, 500),
    ...(why !== undefined && { why }),
    messageId,
    tookMs: Math.round(performance.now() - begun),
  });
  try {
    const { response } = await mailer.send({
      to: parseAddress(to).address,
      ...letterMail(letter),
      messageId,
      headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
    });
    return answered('taken', response);
  } catch (error) {
    if (error instanceof MailRefused) return answered('refused', error.message);
    if (!(error instanceof MailFailed)) throw error;
    return answered(error.permanent ? 'refused' : 'later', error.response, faultText(error));
  }
}
