/**
 * The relay in a house of its own: a sink as smart host, an app that may write from this machine, a person with an alias
 * mailbox; and a client that sends exactly the bytes it is given.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { type TLSSocket, connect as upgrade } from 'node:tls';
import { findByUsername } from '#core/people/people.ts';
import { listMessages, type NotedMessage } from '#fronts/relay/messages.ts';
import { type RelayAppSettings, relayAppSettings } from '#fronts/relay/settings.ts';
import { relayHouse, saveRelayApp, saveRelayHouse } from '#fronts/relay/settings-kept.ts';
import { system } from '#kit/db/database.ts';
import { eventually } from './eventually.ts';
import { type Platform, startPlatform } from './kit.ts';
import { type Sink, startSink } from './peers/sink.ts';

export const aliasDomain = 'people.harbour.test';
export const realAddress = 'ada@gmail.test';
export const ownSender = 'notify@jira.test';

export interface TestRelay {
  platform: Platform;
  sink: Sink;
  port: number;
  /** The person's id, and their alias mailbox. */
  person: string;
  mailbox: string;
  /** Replaces what is kept for the app. */
  setApp(settings: Partial<RelayAppSettings>): Promise<void>;
  setHouse(settings: Partial<Awaited<ReturnType<typeof relayHouse>>>): Promise<void>;
  /** A message of the app to the mailbox, or to another recipient. */
  mail(change?: Partial<Sent>): Promise<Exchange>;
  /** The log, newest first, once everything is noted. */
  log(): Promise<NotedMessage[]>;
}

export interface RelayOptions {
  env?: Record<string, string>;
  /** What is kept for the app; undefined takes what lets this machine write without proofs. */
  app?: Partial<RelayAppSettings>;
  sink?: Sink;
  realTime?: boolean;
  poolSize?: number;
}

const community = `
community: { name: Harbour, contact: hello@harbour-office.test }
applications:
  - { id: jira, title: Jira, alias: { address: mailbox } }
people:
  - { username: ada, names: { givenName: Ada, familyName: Byron }, addresses: [${realAddress}] }
`;

/** Starts all of it; closed when the test is over, or with the file. */
export async function startTestRelay(
  t?: TestContext,
  options: RelayOptions = {},
): Promise<TestRelay & { close(): Promise<void> }> {
  const sink = options.sink ?? (await startSink());
  t?.after(() => sink.close());
  const platform = await startPlatform({
    realTime: options.realTime,
    env: {
      GATEHOUSE_RUN: 'web,worker,relay',
      GATEHOUSE_SMTP_PORT: '0',
      GATEHOUSE_SMTP_NAME: 'mx.harbour.test',
      GATEHOUSE_SMTP_URL: sink.url,
      GATEHOUSE_ALIAS_DOMAIN: aliasDomain,
      GATEHOUSE_MAIL_DOMAIN: 'harbour.test',
      GATEHOUSE_DNS_SERVERS: '127.0.0.1:9',
      ...options.env,
    },
  });
  const close = async () => {
    await platform.close();
    await sink.close();
  };
  t?.after(close);
  await platform.apply(community);
  const { database } = platform;
  // Some tests start theirs in a process of its own.
  const port = platform.relay?.port ?? 0;
  const ada = await database.read(system(), (tx) => findByUsername(tx, 'ada'));
  const mailbox = `ada@${aliasDomain}`;
  const setApp = async (settings: Partial<RelayAppSettings>) => {
    const parsed = relayAppSettings.parse({ networks: ['127.0.0.0/8'], require: [], ...settings });
    await database.transact(system(), (tx) => saveRelayApp(tx, 'jira', parsed));
    await platform.relay?.refresh();
  };
  await setApp(options.app ?? {});
  return {
    platform,
    sink,
    port,
    person: ada!.id,
    mailbox,
    close,
    setApp,
    async setHouse(settings) {
      await database.transact(system(), async (tx) =>
        saveRelayHouse(tx, { ...(await relayHouse(tx)), ...settings }),
      );
      await platform.relay!.refresh();
    },
    mail: (change) => sendMail({ port, from: ownSender, to: mailbox, raw: letter(), ...change }),
    async log() {
      await platform.relay!.settle();
      return database.read(system(), (tx) => listMessages(tx, {}, { limit: 500 }));
    },
  };
}

let letters = 0;

/** A message as an app sends it. */
export function letter(
  change: { headers?: string[]; subject?: string; from?: string; text?: string } = {},
): string {
  letters += 1;
  const { from = ownSender, subject = 'You were mentioned', text = 'Look at HARB-1.' } = change;
  return [
    `From: Jira <${from}>`,
    'To: Ada <ada@people.harbour.test>',
    `Subject: ${subject}`,
    `Message-ID: <letter-${letters}@jira.test>`,
    'Date: Thu, 15 Jan 2026 12:00:00 +0000',
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    ...(change.headers ?? []),
    '',
    text,
    '',
  ].join('\r\n');
}

export interface Sent {
  port: number;
  /** Envelope; '' is the null sender. */
  from: string;
  to: string;
  raw: string | Buffer;
  helo: string;
  /** Behind MAIL FROM, such as ` SIZE=100`. */
  parameters: string;
  /** Goes on in TLS after EHLO. */
  tls: boolean;
  /** The address of this machine it comes from. */
  client: string;
}

export interface Exchange {
  /** The last answer that decided: to DATA's end, or whatever refused before. */
  code: number;
  enhanced: string;
  text: string;
  /** Every byte that came back, latin1. */
  transcript: string;
}

/** One connection, one message, to the end; dots are doubled, and nothing else is changed. */
export async function sendMail(
  given: Pick<Sent, 'port' | 'from' | 'to' | 'raw'> & Partial<Sent>,
): Promise<Exchange> {
  const client = await openClient({ port: given.port, client: given.client });
  try {
    await client.reply();
    await client.say(`EHLO ${given.helo ?? 'out.jira.test'}`);
    if (given.tls) {
      await client.startTls();
      await client.say(`EHLO ${given.helo ?? 'out.jira.test'}`);
    }
    const last = await converse(client, given);
    const [, code, enhanced = '', text] = /^(\d{3})[ -](?:(\d\.\d+\.\d+) )?(.*)$/m.exec(last) ?? [];
    return { code: Number(code ?? 0), enhanced, text: text ?? '', transcript: client.transcript };
  } finally {
    client.close();
  }
}

async function converse(client: Client, given: Parameters<typeof sendMail>[0]): Promise<string> {
  for (const line of [
    `MAIL FROM:<${given.from}>${given.parameters ?? ''}`,
    `RCPT TO:<${given.to}>`,
    'DATA',
  ]) {
    const answer = await client.say(line);
    if (!/^[23]/.test(answer)) return answer;
  }
  const raw = typeof given.raw === 'string' ? Buffer.from(given.raw, 'latin1') : given.raw;
  client.write(raw.toString('latin1').replace(/^\./gm, '..'));
  client.write(raw.toString('latin1').endsWith('\r\n') ? '.\r\n' : '\r\n.\r\n');
  const answer = await client.reply();
  client.write('QUIT\r\n');
  return answer;
}

export interface Client {
  /** The next answer, all its lines; '' when the connection ended. */
  reply(): Promise<string>;
  /** A line, and its answer. */
  say(line: string): Promise<string>;
  write(bytes: string): void;
  startTls(): Promise<TLSSocket>;
  close(): void;
  readonly transcript: string;
  readonly isClosed: boolean;
}

/** Connects; the greeting is the first reply. */
export async function openClient(place: { port: number; client?: string }): Promise<Client> {
  let socket: Socket = connect({ port: place.port, host: '127.0.0.1', localAddress: place.client });
  let transcript = '';
  let unread = '';
  let isClosed = false;
  let heard: () => void = () => undefined;
  const hear = (one: Socket) => {
    one.on('data', (bytes: Buffer) => {
      transcript += bytes.toString('latin1');
      unread += bytes.toString('latin1');
      heard();
    });
    one.on('error', () => undefined);
    one.on('close', () => {
      isClosed = true;
      heard();
    });
  };
  hear(socket);
  await once(socket, 'connect');
  const reply = async (): Promise<string> => {
    const until = Date.now() + 20_000;
    for (;;) {
      const found = /^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/.exec(unread);
      if (found) {
        unread = unread.slice(found[0].length);
        return found[0].trimEnd();
      }
      if (isClosed) return '';
      if (Date.now() > until) throw new Error(`No answer came: ${JSON.stringify(unread)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 500);
        heard = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  };
  const write = (bytes: string) => void socket.write(Buffer.from(bytes, 'latin1'));
  const say = (line: string) => {
    write(`${line}\r\n`);
    return reply();
  };
  return {
    reply,
    say,
    write,
    async startTls() {
      assert.match(await say('STARTTLS'), /^220/);
      socket.removeAllListeners('data');
      const secure = upgrade({ socket, rejectUnauthorized: false, servername: 'mx.harbour.test' });
      hear(secure);
      await once(secure, 'secureConnect');
      socket = secure;
      return secure;
    },
    close: () => void socket.destroy(),
    get transcript() {
      return transcript;
    },
    get isClosed() {
      return isClosed;
    },
  };
}

/** What is passed on now: waits until the sink has taken so many. */
export async function passedOn(relay: Pick<TestRelay, 'sink'>, count: number): Promise<string[]> {
  await eventually(() => assert.ok(relay.sink.messages.length >= count));
  return relay.sink.messages.map(({ raw }) => raw.toString('latin1'));
}
