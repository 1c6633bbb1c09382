/** The way out for our own mail. Part of main: it alone is handed the settings beside it. */
import { createSealer } from '#fronts/relay/seal.ts';
import { createRelayThreads } from '#fronts/relay/threads.ts';
import { listOfUrls } from '#kit/smtp/smart-hosts.ts';
import { createMailer, type Mailer } from '#kit/smtp/smtp.ts';
import type { House } from './house.ts';

/** On this machine it may lead nowhere, which the log says. Closed with the house. */
export function openMailer(house: House, closers: (() => Promise<unknown>)[]): Mailer {
  const { config, log } = house;
  const servers = config.mailUrl ?? config.smtpUrl;
  if (!servers) log.warn({ code: 'no-mail-server' }, 'no mail server is set: mail is made and thrown away');
  const urls = listOfUrls(servers?.reveal() ?? 'memory:');
  const mailer = createMailer({
    urls,
    from: config.mailFrom,
    name: config.smtpName,
    log,
    sign: config.mailSign === 'on' ? signer(house, closers) : undefined,
  });
  closers.push(() => mailer.close());
  return mailer;
}

/** With the same keys as the relay; its threads start with the first mail that is signed. */
function signer(house: House, closers: (() => Promise<unknown>)[]) {
  const threads = createRelayThreads(house.log);
  closers.push(() => threads.close());
  return createSealer({ ...house, threads }).dkim;
}
