/** `gatehouse mail`: whether mail can come and go, a letter that tries it, and the keys it is signed with. */
import { parseAddress } from '#core/people/names.ts';
import { worstOf } from '#fronts/relay/health.ts';
import type { HealthCheck } from '#fronts/relay/health-checks.ts';
import { createHealthLook } from '#fronts/relay/health-look.ts';
import { listOfUrls } from '#kit/smtp/smart-hosts.ts';
import { createMailer } from '#kit/smtp/smtp.ts';
import { sendNow, testLetter } from '#notices/test-letter.ts';
import { type AddCommand, CommandRefused, commandContext, type Toolbox } from './cli.ts';
import { keyCommands } from './mail-keys.ts';
import { mailOf } from './mail-settings.ts';
import { json, plainLine, table } from './table.ts';

export const mailCommand: AddCommand = (program, tools) => {
  const mail = program
    .command('mail')
    .description('whether mail can come and go, and what it is signed with');
  mail
    .command('health')
    .description('DNS of the domains, the certificate and the smart hosts, with the records to publish')
    .option('--json', 'print JSON')
    .action((options: { json?: boolean }) => health(tools, options));
  mail
    .command('test')
    .description('send a test letter and hear what the mail server said')
    .argument('<address>', 'where it goes')
    .option('--json', 'print JSON')
    .action((address: string, options: { json?: boolean }) => test(tools, address, options));
  keyCommands(mail, tools);
};

async function health(tools: Toolbox, options: { json?: boolean }): Promise<void> {
  const found = await tools.withHouse(({ database, log }, settings) =>
    createHealthLook({ database, log, settings: mailOf(settings) }).look(commandContext()),
  );
  const state = worstOf(found);
  if (options.json) tools.print(json({ ...found, state }));
  else {
    const { smartHosts, listener, domains } = found;
    show(tools, 'Servers that take what leaves', smartHosts);
    if (listener.length > 0) show(tools, 'The relay', listener);
    for (const { domain, uses, checks } of domains) show(tools, `${domain} (${uses.join(', ')})`, checks);
  }
  if (state === 'bad') throw new CommandRefused('Something keeps mail from coming or going.');
  if (state === 'unanswered')
    throw new CommandRefused(
      'The name servers did not answer about everything: whether mail can come and go is not known.',
    );
}

function show({ print }: Toolbox, title: string, checks: readonly HealthCheck[]): void {
  print(plainLine(title));
  const rows = checks.map((one) => [one.check, one.state, plainLine(one.about), plainLine(one.text)]);
  print(table(['CHECK', 'STATE', 'ABOUT', 'FOUND'], rows, 'Nothing to look at.'));
  for (const { publish } of checks)
    if (publish) print(`  publish  ${plainLine(`${publish.name}  ${publish.type}  ${publish.value}`)}`);
  print('');
}

async function test(tools: Toolbox, address: string, options: { json?: boolean }): Promise<void> {
  const to = parseAddress(address).address;
  const done = await tools.withHouse(async ({ database, log }, given) => {
    const settings = mailOf(given);
    const servers = settings.mailUrl ?? settings.smtpUrl;
    const urls = servers ? listOfUrls(servers.reveal()).filter((url) => /^smtps?:/.test(url)) : [];
    if (urls.length === 0)
      throw new CommandRefused('No mail server takes what leaves: set GATEHOUSE_SMTP_URL.');
    const letter = await database.read(commandContext(), (tx) => testLetter(tx, { operator: 'an operator' }));
    const mailer = createMailer({ urls, from: settings.mailFrom, name: settings.smtpName, log });
    try {
      return await sendNow(mailer, { to, letter, mailDomain: settings.mailDomain });
    } finally {
      await mailer.close();
    }
  });
  if (options.json) tools.print(json({ to, ...done }));
  else {
    tools.print(`${done.state}: ${plainLine(done.answer)} (${done.tookMs} ms)`);
    if (done.why) tools.print(plainLine(done.why));
  }
  if (done.state !== 'taken') throw new CommandRefused(`The mail server did not take it for ${to}.`);
}
