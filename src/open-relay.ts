/** The relay in a process that runs it. Part of main: it alone is handed the settings beside it. */
import { type RunningRelay, startRelay } from '#fronts/relay/relay.ts';
import { createSmartHosts, listOfUrls } from '#kit/smtp/smart-hosts.ts';
import { ownBounces } from '#notices/bounces.ts';
import type { House } from './house.ts';

/** Listens for mail to alias mailboxes, and closes what it opened with the house. */
export async function openRelay(
  house: House,
  closers: (() => Promise<unknown>)[],
): Promise<RunningRelay | undefined> {
  const { config, log } = house;
  if (!config.run.includes('relay')) return undefined;
  const servers = config.smtpUrl?.reveal();
  const smartHosts =
    servers === undefined || servers === 'memory:'
      ? undefined
      : createSmartHosts({ urls: listOfUrls(servers), log, name: config.smtpName });
  if (smartHosts) closers.push(() => smartHosts.close());
  const cert = config.smtpTlsCert ?? config.tlsCert;
  const key = config.smtpTlsKey ?? config.tlsKey;
  const relay = await startRelay(
    { ...house, ownMail: ownBounces(house) },
    {
      host: config.smtpHost,
      port: config.smtpPort,
      name: config.smtpName,
      mailDomain: config.mailDomain,
      certificate: cert && key ? { cert, key } : undefined,
      dnsServers: config.dnsServers,
      smartHosts,
      backend: {
        host: config.smtpBackendHost,
        socketmapPort: config.socketmapPort,
        policyPort: config.policyPort,
        milterPort: config.milterPort,
      },
    },
  );
  closers.push(() => relay.drain(config.drainSeconds));
  return relay;
}
