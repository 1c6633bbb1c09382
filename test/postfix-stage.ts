/** A house whose relay stands beside a Postfix: as its smart host, or in its place with the configuration that we print. */
import type { TestContext } from 'node:test';
import { postfixConfig } from '#fronts/relay/postfix-config.ts';
import { type RunningRelay, startRelay } from '#fronts/relay/relay.ts';
import { relayApps } from '#fronts/relay/settings-kept.ts';
import { system } from '#kit/db/database.ts';
import { createSmartHosts } from '#kit/smtp/smart-hosts.ts';
import { addPeople } from './conformance/stage.ts';
import { type Platform, startPlatform } from './kit.ts';
import { type Postfix, startPostfix } from './peers/postfix.ts';
import { type Sink, startSink } from './peers/sink.ts';
import { type SwaksRun, swaks } from './peers/swaks.ts';
import { freePort } from './port.ts';

export const domain = 'members.harbour.test';
export const sender = 'jira@bounces.app.example';

const relayFile = `
applications:
  - { id: jira, title: Jira }
  - { id: wiki, title: Wiki }
  - { id: forum, title: Forum }
community: { contact: operators@elsewhere.example }
relay:
  modes: { forum: rewritten }
  senders:
    jira:
      networks: [127.0.0.1]
      envelope: ["*@bounces.app.example"]
      domains: [app.example]
      messageClasses: [{ class: digest, subject: Digest }]
      require: []
      maxBytes: 50000
    wiki:
      networks: [127.0.0.1]
      envelope: ["*@wiki.example"]
      require: [dmarc]
    forum:
      networks: [127.0.0.1]
      envelope: ["*@forum.example"]
      require: []
`;

/** People with alias mailboxes, and three apps that may write: one that proves nothing, one that does, one rewritten. */
export async function house(): Promise<Platform> {
  const platform = await startPlatform({ env: { GATEHOUSE_ALIAS_DOMAIN: domain } });
  await addPeople(
    platform,
    ['ada', 'bo', 'cy', 'di'].map((username) => ({
      username,
      password: 'plum violin tractor',
      address: `${username}@read.example`,
    })),
  );
  await platform.apply(relayFile);
  await platform.settle();
  return platform;
}

export interface RelayBeside {
  backend?: { socketmapPort?: number; policyPort?: number; milterPort?: number };
  dnsServers?: readonly string[];
}

/** The relay of that house, with these smart hosts; ends with the test. */
export async function relay(
  t: TestContext,
  platform: Platform,
  urls: readonly string[],
  { backend = {}, dnsServers = [] }: RelayBeside = {},
): Promise<RunningRelay> {
  const smartHosts = createSmartHosts({ urls, log: platform.log, name: 'mx.harbour.test' });
  const running = await startRelay(platform, {
    host: '127.0.0.1',
    port: 0,
    name: 'mx.harbour.test',
    mailDomain: 'harbour.test',
    dnsServers,
    smartHosts,
    backend: { host: '127.0.0.1', ...backend },
  });
  t.after(async () => {
    await running.drain(1);
    await smartHosts.close();
  });
  return running;
}

/** A message of the app that proves nothing. */
export const text = (subject: string, body = 'Line one\n.\n..two\n') =>
  `From: Jira <jira@app.example>\nTo: someone\nSubject: ${subject}\nMessage-ID: <${subject.replaceAll(' ', '-')}@app.example>\nDate: Sun, 22 Nov 2026 10:00:00 +0000\n\n${body}`;

/** Sends it with swaks. */
export async function mail(
  port: number,
  to: string,
  more: string[] = [],
  data = text('hello'),
): Promise<SwaksRun> {
  return swaks(port, ['--helo', 'app.example', '--from', sender, '--to', to, '--data', data, ...more]);
}

/** The line that decided. */
export const decisive = (run: SwaksRun): string =>
  run.status === 0 ? '250' : (run.answers.findLast((line) => /^[45]/.test(line)) ?? '?');

/** Its class. */
export const verdict = (run: SwaksRun): string => decisive(run)[0]!;

/** What a message is below what is put before it on the way. */
export const below = (raw: Buffer) =>
  raw.toString('latin1').slice(raw.toString('latin1').indexOf('From: Jira'));

export interface Deputy {
  platform: Platform;
  /** Our own relay, with the same smart host. */
  own: RunningRelay;
  postfix: Postfix;
  sink: Sink;
}

/** A Postfix in our place, configured by what we print, beside our own relay. */
export async function deputy(
  t: TestContext,
  options: { dnsServers?: readonly string[]; sink?: Sink } = {},
): Promise<Deputy> {
  const { dnsServers } = options;
  const sink = options.sink ?? (await startSink());
  t.after(() => sink.close());
  const platform = await house();
  const [port, socketmapPort, policyPort, milterPort] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const backend = { socketmapPort, policyPort, milterPort };
  const own = await relay(t, platform, [sink.url], { backend, dnsServers });
  const main = postfixConfig({
    domains: [domain],
    apps: await platform.database.read(system(), relayApps),
    name: 'mx.harbour.test',
    mailDomain: 'harbour.test',
    backend: { host: '127.0.0.1', ...backend },
    smartHosts: [sink.url],
  });
  const postfix = await startPostfix({ main, port });
  t.after(() => postfix.close());
  return { platform, own, postfix, sink };
}
