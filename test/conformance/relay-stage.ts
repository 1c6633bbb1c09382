/**
 * The relay on a port of its own before a sink, with one app that may write from this very address and people in every
 * standing: for tests that come as strangers, and look at every byte.
 */
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { listMailboxes } from '#core/aliases/mailboxes.ts';
import { leave } from '#core/lifecycle/leave.ts';
import { findByUsername } from '#core/people/people.ts';
import { saveChoice } from '#fronts/relay/choices.ts';
import { type RunningRelay, startRelay } from '#fronts/relay/relay.ts';
import { type RelayAppSettings, relayAppSettings } from '#fronts/relay/settings.ts';
import { saveRelayApp } from '#fronts/relay/settings-kept.ts';
import { system } from '#kit/db/database.ts';
import { createSmartHosts } from '#kit/smtp/smart-hosts.ts';
import { startDns } from '#test/dns.ts';
import { closeFirst, type Platform, startPlatform } from '#test/kit.ts';
import { startSink } from '#test/peers/sink.ts';
import { freePort } from '#test/port.ts';
import type { Place } from './relay-corpus.ts';
import { transaction, Wire } from './relay-wire.ts';

type Bounds = NonNullable<Parameters<typeof startRelay>[1]['bounds']>;

export interface Taken {
  from: string;
  to: string;
  raw: Buffer;
  /** As it travelled, dots doubled. */
  wire: Buffer;
}

export interface Stage extends Place {
  port: number;
  platform: Platform;
  relay: RunningRelay;
  /** Where the person really reads mail. */
  real: string;
  /** Mailboxes of people who are not to be written to, by why. */
  others: Readonly<Record<string, string>>;
  /** What was passed on since it was last forgotten. */
  taken(): Taken[];
  /** The same as lines to be read. */
  list(): string[];
  forget(): void;
  /** Mail of our own that anyone was sent. */
  ownMail(): Promise<readonly unknown[]>;
  setApp(change: Partial<RelayAppSettings>): Promise<void>;
  /** An address behind which the app stands for the person: from a message that was really passed on. */
  reverseAlias(): Promise<string>;
}

const domain = 'members.example.org';
const real = 'ada.real@mailbox-provider.example';
const standings = ['suspended', 'locked', 'left', 'spam', 'erased', 'paused'] as const;

function community(): string {
  const more = standings.map((one) => `  - { username: was.${one}, addresses: [${one}@elsewhere.example] }`);
  return `
community: { name: Northlight, contact: office@northlight-office.example, aliasMailboxes: { domains: [${domain}] } }
applications:
  - { id: tracker, title: Tracker, alias: { address: mailbox } }
people:
  - { username: ada, addresses: [${real}] }
${more.join('\n')}
`;
}

const senders = relayAppSettings.parse({
  networks: ['127.0.0.1/32'],
  envelope: ['*@app.example'],
  domains: ['app.example'],
  require: [],
});

// Of the file: inside of a hook it would be over with the hook.
after(() => {
  assert.ok(Wire.all.length > 0);
  for (const { transcript } of Wire.all)
    assert.doesNotMatch(transcript, /ada\.real|mailbox-provider/i, 'SM-07 no sender hears of it');
});

/**
 * One for a file of tests; closed when they are over.
 * @param options.circle the relay is its own smart host
 */
export async function hostileStage(options: { bounds?: Bounds; circle?: boolean } = {}): Promise<Stage> {
  const sink = await startSink();
  // Nobody has published anything, and DNS says so.
  const dns = await startDns();
  const wanted = await freePort();
  const platform = await startPlatform({ env: { GATEHOUSE_RUN: 'web,worker' } });
  await platform.apply(community());
  const others = await otherMailboxes(platform);
  await platform.database.transact(system(), (tx) => saveRelayApp(tx, 'tracker', senders));
  const { log } = platform;
  const urls = [options.circle ? `smtp://127.0.0.1:${wanted}` : sink.url];
  const smartHosts = createSmartHosts({ urls, log, name: 'mx.example.org' });
  const relay = await startRelay(platform, {
    host: '127.0.0.1',
    port: wanted,
    name: 'mx.example.org',
    mailDomain: 'example.org',
    dnsServers: [dns.server],
    smartHosts,
    backend: { host: '127.0.0.1' },
    bounds: options.bounds,
  });
  closeFirst(async () => {
    await relay.drain(1);
    await smartHosts.close();
    await sink.close();
    await dns.close();
  });
  const { port = 0 } = relay;
  assert.ok(port > 0, 'it listens');
  const place = { alias: `ada@${domain}`, domain, sender: 'notify@app.example' };
  const stage: Stage = {
    ...place,
    port,
    platform,
    relay,
    real,
    others,
    taken: () => sink.messages.map((one) => ({ ...one, to: one.to.join(',') })),
    list: () =>
      sink.messages.map(({ from, to, raw }) => {
        const subject = /^Subject: .*$/m.exec(raw.toString('latin1'))?.[0];
        return `${from} → ${to.join(',')} · ${subject}`;
      }),
    forget: () => sink.clear(),
    async ownMail() {
      await platform.settle();
      return platform.mailer.sent;
    },
    async setApp(change) {
      await platform.database.transact(system(), (tx) =>
        saveRelayApp(tx, 'tracker', { ...senders, ...change }),
      );
      await relay.refresh();
    },
    reverseAlias: () => reverseAlias(stage),
  };
  return stage;
}

/** Everyone has had a mailbox when something happened to them. */
async function otherMailboxes({ database }: Platform): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  await database.transact(system(), async (tx) => {
    for (const why of standings) {
      const { id } = (await findByUsername(tx, `was.${why}`)) ?? assert.fail(why);
      const [mailbox] = (await listMailboxes(tx, [id])).get(id) ?? [];
      found[why] = mailbox?.address ?? assert.fail(`${why} has no mailbox`);
      if (why === 'paused') await saveChoice(tx, { person: id, change: { paused: true } });
      else await leave(tx, id, why);
    }
  });
  return found;
}

/** Where an answer to the app goes, as a message that was really passed on says it. */
async function reverseAlias(
  stage: Pick<Stage, 'setApp' | 'taken' | 'forget' | 'port' | keyof Place>,
): Promise<string> {
  await stage.setApp({ mode: 'rewritten' });
  const wire = await Wire.greeted({ port: stage.port });
  const message = messageOf(stage, { subject: 'Answer me' });
  const done = await transaction(wire, { mail: `<${stage.sender}>`, rcpt: `<${stage.alias}>`, message });
  wire.close();
  assert.equal(done.reply?.code, 250, done.reply?.text);
  const text = stage.taken().at(-1)?.raw.toString('latin1') ?? '';
  stage.forget();
  await stage.setApp({});
  return /^Reply-To:[^<]*<([^>]+)>/im.exec(text)?.[1] ?? assert.fail(text);
}

let count = 0;

/** A message as the app writes it; each part can be said otherwise. Lines end in CRLF, the last one does not. */
export function messageOf(
  { sender, alias }: Place,
  parts: {
    from?: string;
    name?: string;
    to?: string;
    subject?: string;
    id?: string;
    more?: string;
    body?: string;
  } = {},
): string {
  count += 1;
  return [
    ...(parts.more ? [parts.more] : []),
    parts.from ?? `From: ${parts.name ?? 'Tracker'} <${sender}>`,
    `To: <${parts.to ?? alias}>`,
    `Subject: ${parts.subject ?? 'Something happened'}`,
    'Date: Sun, 22 Nov 2026 10:00:00 +0000',
    `Message-ID: ${parts.id ?? `<${count}@app.example>`}`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    '',
    parts.body ?? 'Something happened.',
  ].join('\r\n');
}
