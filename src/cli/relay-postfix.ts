/** `gatehouse relay postfix-config`: the configuration for a Postfix that passes mail on instead of the built-in relay. */
import type { Command } from 'commander';
import { aliasDomains } from '#core/community/alias-domains.ts';
import { postfixConfig } from '#fronts/relay/postfix-config.ts';
import { relayApps } from '#fronts/relay/settings-kept.ts';
import { listOfUrls } from '#kit/smtp/smart-hosts.ts';
import { CommandRefused, type CommandSettings, commandContext, type Toolbox } from './cli.ts';
import { mailOf } from './mail-settings.ts';

/** Adds it below `relay`. */
export function addPostfixConfig(relay: Command, { withHouse, print }: Toolbox): void {
  relay
    .command('postfix-config')
    .description('a main.cf for a Postfix that passes mail on instead of the built-in relay')
    .action(async () => {
      const made = await withHouse(async ({ database }, settings) => {
        const { domains, apps } = await database.read(commandContext(), async (tx) => ({
          domains: await aliasDomains(tx),
          apps: await relayApps(tx),
        }));
        if (domains.length === 0)
          throw new CommandRefused('There is no domain of alias mailboxes: set GATEHOUSE_ALIAS_DOMAIN.');
        return postfixConfig({ domains, apps, ...fromSettings(settings) });
      });
      print(made);
    });
}

function fromSettings(settings: CommandSettings) {
  const { socketmapPort, policyPort, milterPort, smtpBackendHost: host = '127.0.0.1' } = settings;
  if (socketmapPort === undefined || policyPort === undefined || milterPort === undefined)
    throw new CommandRefused(
      'Postfix has to be able to ask: set GATEHOUSE_SOCKETMAP_PORT, GATEHOUSE_POLICY_PORT and GATEHOUSE_MILTER_PORT, and start again.',
    );
  const cert = settings.smtpTlsCert ?? settings.tlsCert;
  const key = settings.smtpTlsKey ?? settings.tlsKey;
  const { smtpName: name, mailDomain } = mailOf(settings);
  return {
    backend: { host, socketmapPort, policyPort, milterPort },
    name,
    mailDomain,
    smartHosts: settings.smtpUrl ? listOfUrls(settings.smtpUrl.reveal()) : [],
    ...(cert !== undefined && key !== undefined ? { tls: { cert, key } } : {}),
  };
}
