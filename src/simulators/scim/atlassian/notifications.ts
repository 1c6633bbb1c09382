/**
 * The mail this double writes: to whoever arrives, and whenever it is asked to. It is sent to the address the app knows,
 * as the real one does; who takes it from there is not its business.
 */
import type { Log } from '#kit/log/log.ts';
import { createMailer, type Mailer } from '#kit/smtp/smtp.ts';
import { type Answer, type Exchange, jsonAnswer, readJson } from '#simulators/scim/exchange.ts';
import type { Account } from './accounts.ts';

/** The domain all of its mail is from. */
export const notificationsDomain = 'mail.jira.test';

export interface Notifications {
  /** From now on mail goes to this server, `smtp://host:port`; before there is none. */
  through(url: string): void;
  /** Writes to those of these accounts that were not there when it was last asked. */
  welcome(accounts: readonly Account[]): void;
  /** POST notify below /simulator/, with `{ email, subject? }`; undefined for any other address. */
  control(exchange: Exchange, name: string, accounts: readonly Account[]): Answer | undefined;
  close(): Promise<void>;
}

/** @param known accounts that were here before and are not welcomed any more */
export function createNotifications({ log, known }: { log: Log; known: readonly Account[] }): Notifications {
  const welcomed = new Set(known.map(({ email }) => email));
  let mailer: Mailer | undefined;
  const write = (to: string, subject: string, text: string) => {
    const failed = (error: unknown) =>
      log.info({ err: error, code: 'simulated-mail' }, 'a mail of the simulated Jira was not taken');
    mailer?.send({ to, subject, text, headers: { 'Auto-Submitted': 'auto-generated' } }).catch(failed);
  };
  return {
    through(url) {
      mailer = createMailer({ urls: [url], from: `Jira <jira@${notificationsDomain}>`, log });
    },
    welcome(accounts) {
      if (!mailer) return;
      for (const { email, name, active } of accounts) {
        if (!active || welcomed.has(email)) continue;
        welcomed.add(email);
        write(
          email,
          'Welcome to Jira',
          `Hello ${name},\n\nyou can work on issues now: Jira knows you as ${email}.\n`,
        );
      }
    },
    control(exchange, name, accounts) {
      if (exchange.method !== 'POST' || name !== 'notify') return undefined;
      const { email = '', subject = 'You were mentioned in HARB-1' } = readJson(exchange) as Record<
        string,
        string
      >;
      if (!mailer) throw new RangeError('There is no mail server to send through.');
      if (!accounts.some((one) => one.email === email))
        throw new RangeError('There is no account on this address.');
      write(email, String(subject), 'Somebody mentioned you in HARB-1.\n');
      return jsonAnswer(202, { email });
    },
    async close() {
      await mailer?.close();
    },
  };
}
