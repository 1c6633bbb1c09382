/** `gatehouse relay postfix-config`: the configuration for a Postfix that passes mail on instead of the built-in relay. */
import type { Command } from 'commander';
import { aliasDomains } from '#core/community/alias-domains.ts';
import { type PostfixConfig, postfixConfig } from '#fronts/relay/postfix-config.ts';
import { relayApps } from '#fronts/relay/settings-kept.ts';
import { listOfUrls } from '#kit/smtp/smart-hosts.ts';
import { CommandRefused, type CommandSettings, commandContext, type Toolbox, UsageError } from './cli.ts';
import { mailOf } from './mail-settings.ts';

interface Options {
  part?: string;
  milters?: string;
}

/** Adds it below `relay`. */
export function addPostfixConfig(relay: Command, { withHouse, print }: Toolbox): void {
  relay
    .command('postfix-config')
    .description(
      'parts of main.cf and master.cf for a Postfix that passes mail on instead of the built-in relay',
    )
    .option('--part <file>', 'only main.cf or master.cf')
    .option(
      '--milters <list>',
      'milters that refuse what is not proved (opendkim, opendmarc), such as inet:127.0.0.1:8891,inet:127.0.0.1:8893',
    )
    .action(async (options: Options) => {
      const part = readPart(options.part);
      const made = await withHouse(async ({ database }, settings) => {
        const { domains, apps } = await database.read(commandContext(), async (tx) => ({
          domains: await aliasDomains(tx),
          apps: await relayApps(tx),
        }));
        if (domains.length === 0)
          throw new CommandRefused('There is no domain of alias mailboxes: set GATEHOUSE_ALIAS_DOMAIN.');
        return postfixConfig({
          domains,
          apps,
          ...fromSettings(settings),
          milters: readMilters(options.milters),
        });
      });
      print(part ? made[part] : `${made.main}\n${made.master}`);
    });
}

function readPart(part: string | undefined): keyof PostfixConfig | undefined {
  if (part === undefined) return undefined;
  if (part !== 'main.cf' && part !== 'master.cf') throw new UsageError('--part is main.cf or master.cf.');
  return part === 'main.cf' ? 'main' : 'master';
}

function readMilters(text: string | undefined): string[] {
  const milters = (text ?? '')
    .split(',')
    .map((one) => one.trim())
    .filter(Boolean);
  const wrong = milters.find((one) => !/^(?:inet:[\w.:[\]-]+|unix:[\w./-]+)$/.test(one));
  if (wrong !== undefined)
    throw new UsageError(`"${wrong}" is no milter: write inet:HOST:PORT or unix:PATH.`);
  return milters;
}

function fromSettings(settings: CommandSettings) {
  const { socketmapPort, policyPort, smtpBackendHost: host = '127.0.0.1' } = settings;
  if (socketmapPort === undefined || policyPort === undefined)
    throw new CommandRefused(
      'Postfix has to be able to ask: set GATEHOUSE_SOCKETMAP_PORT and GATEHOUSE_POLICY_PORT, and start again.',
    );
  const cert = settings.smtpTlsCert ?? settings.tlsCert;
  const key = settings.smtpTlsKey ?? settings.tlsKey;
  const { smtpName: name, mailDomain } = mailOf(settings);
  return {
    backend: { host, socketmapPort, policyPort },
    name,
    mailDomain,
    smartHosts: settings.smtpUrl ? listOfUrls(settings.smtpUrl.reveal()) : [],
    ...(cert !== undefined && key !== undefined ? { tls: { cert, key } } : {}),
  };
}
