/** What the settings say of mail, as commands need it. */
import type { CommandSettings } from './cli.ts';

/** With what is taken where nothing is set. */
export function mailOf(settings: CommandSettings) {
  const host = new URL(settings.publicUrl).hostname;
  const mailDomain = settings.mailDomain ?? host;
  return {
    ...settings,
    mailDomain,
    mailFrom: settings.mailFrom ?? `noreply@${mailDomain}`,
    smtpName: settings.smtpName ?? host,
    dnsServers: settings.dnsServers ?? [],
  };
}
