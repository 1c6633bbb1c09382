/**
 * A mail server of a test's own, in this process: takes every message for anyone on loopback and keeps its bytes as they
 * came. Each step can be scripted: another answer, no answer, the connection closed. Written without a library, so that
 * no byte is read, unfolded or mended before a test sees it.
 */
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSecureContext, TLSSocket } from 'node:tls';

export interface SinkMessage {
  /** Envelope, without angle brackets. */
  from: string;
  to: string[];
  /** The message, dots at the start of lines taken back off; lines end as they came. */
  raw: Buffer;
  /** What was between the answer to DATA and the end of data, as it travelled. */
  wire: Buffer;
  /** Whether we said 250; false when the script said otherwise. */
  isTaken: boolean;
  tls: boolean;
  /** Who signed in, as `user:password`. */
  user?: string;
  ehlo: string;
}

export type SinkStage = 'greeting' | 'ehlo' | 'starttls' | 'auth' | 'mail' | 'rcpt' | 'data' | 'message';
/** A reply line such as `451 later`, no reply at all, or the end of the connection. */
export type SinkAction = string | 'hang' | 'close' | undefined;
export type SinkScript = (session: {
  line: string;
  message: SinkMessage;
  turn: number;
}) => SinkAction | Promise<SinkAction>;

export interface SinkOptions {
  port?: number;
  /** PEM files; with them STARTTLS is offered. */
  tls?: { certificateFile: string; keyFile: string };
  /** AUTH PLAIN and LOGIN are offered, and needed before MAIL. */
  auth?: boolean;
  /** Lines of the answer to EHLO, beside STARTTLS and AUTH. */
  extensions?: string[];
}

export interface Sink {
  readonly port: number;
  /** `smtp://127.0.0.1:port` */
  readonly url: string;
  /** Every message that came whole, in order, also those refused by a script. */
  readonly messages: readonly SinkMessage[];
  /** Every line that was said to us, passwords too. */
  readonly lines: readonly string[];
  /** How many connections were opened. */
  readonly connections: number;
  /** How many of them stand. */
  readonly open: number;
  /** From now on this happens there; undefined takes it back. Strings answer, `hang` and `close` do what they say. */
  on(stage: SinkStage, action: SinkScript | SinkAction): void;
  /** When so many messages were taken. Throws after `timeoutMs`, 10 s unless said. */
  waitFor(count: number, timeoutMs?: number): Promise<readonly SinkMessage[]>;
  /** Ends every connection at once, without a word. */
  cut(): void;
  clear(): void;
  close(): Promise<void>;
}

const endOfData = Buffer.from('\r\n.\r\n');

export async function startSink(options: SinkOptions = {}): Promise<Sink> {
  const messages: SinkMessage[] = [];
  const lines: string[] = [];
  const sockets = new Set<Socket>();
  const scripts = new Map<SinkStage, SinkScript>();
  let connections = 0;
  const turns = new Map<SinkStage, number>();
  const ask: Ask = async (stage, line, message) => {
    const turn = (turns.get(stage) ?? 0) + 1;
    turns.set(stage, turn);
    return scripts.get(stage)?.({ line, message, turn });
  };
  const server = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    void converse(socket, options, { ask, messages, lines }).catch(() => socket.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port,
    url: `smtp://127.0.0.1:${port}`,
    messages,
    lines,
    get connections() {
      return connections;
    },
    get open() {
      return sockets.size;
    },
    on(stage, action) {
      turns.delete(stage);
      if (action === undefined) scripts.delete(stage);
      else scripts.set(stage, typeof action === 'function' ? action : () => action);
    },
    async waitFor(count, timeoutMs = 10_000) {
      for (let waited = 0; ; waited += 20) {
        const taken = messages.filter((message) => message.isTaken);
        if (taken.length >= count) return taken;
        if (waited > timeoutMs)
          throw new Error(`${taken.length} of ${count} messages came within ${timeoutMs} ms.`);
        await sleep(20);
      }
    },
    cut,
    clear() {
      messages.length = 0;
      lines.length = 0;
    },
    async close() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

type Ask = (stage: SinkStage, line: string, message: SinkMessage) => Promise<SinkAction>;
interface Kept {
  ask: Ask;
  messages: SinkMessage[];
  lines: string[];
}

/** Reads lines and data off a socket, whatever the pieces they come in. */
function createReader(start: Socket) {
  let socket = start;
  let buffer: Buffer = Buffer.alloc(0);
  let isOver = false;
  let wake = () => {};
  const listen = () => {
    socket.on('data', (chunk) => {
      buffer = Buffer.concat([buffer, chunk]);
      wake();
    });
    for (const end of ['close', 'end', 'error'] as const)
      socket.on(end, () => {
        isOver = true;
        wake();
      });
  };
  listen();
  const more = async () => {
    if (isOver) throw new Error('over');
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  };
  return {
    get socket() {
      return socket;
    },
    async line(): Promise<string> {
      for (;;) {
        const end = buffer.indexOf('\r\n');
        if (end !== -1) {
          const text = buffer.toString('latin1', 0, end);
          buffer = buffer.subarray(end + 2);
          return text;
        }
        await more();
      }
    },
    async data(): Promise<Buffer> {
      for (;;) {
        if (buffer.indexOf('.\r\n') === 0) {
          buffer = buffer.subarray(3);
          return Buffer.alloc(0);
        }
        const end = buffer.indexOf(endOfData);
        if (end !== -1) {
          const text = Buffer.from(buffer.subarray(0, end + 2));
          buffer = buffer.subarray(end + endOfData.length);
          return text;
        }
        await more();
      }
    },
    async upgrade(tls: { certificateFile: string; keyFile: string }): Promise<void> {
      socket.removeAllListeners('data');
      buffer = Buffer.alloc(0);
      const secureContext = createSecureContext({
        cert: readFileSync(tls.certificateFile),
        key: readFileSync(tls.keyFile),
      });
      const secured = new TLSSocket(socket, { isServer: true, secureContext });
      secured.on('error', () => secured.destroy());
      socket = secured;
      listen();
    },
  };
}

const fresh = (): SinkMessage => ({
  from: '',
  to: [],
  raw: Buffer.alloc(0),
  wire: Buffer.alloc(0),
  isTaken: false,
  tls: false,
  ehlo: '',
});

async function converse(start: Socket, options: SinkOptions, kept: Kept): Promise<void> {
  const reader = createReader(start);
  let message = fresh();
  const known: Pick<SinkMessage, 'tls' | 'ehlo' | 'user'> = { tls: false, ehlo: '' };
  const say = (text: string) => void reader.socket.write(`${text}\r\n`, 'latin1');
  /** Says what the script or else the sink wants; false when the script wanted something else than usual. */
  const answer = async (stage: SinkStage, line: string, usual: string): Promise<boolean> => {
    const action = await kept.ask(stage, line, message);
    if (action === 'hang')
      await new Promise<void>((_, reject) => reader.socket.on('close', () => reject(new Error('over'))));
    if (action === 'close') {
      reader.socket.destroy();
      throw new Error('over');
    }
    say(action ?? usual);
    return action === undefined || /^[23]/.test(action);
  };
  await answer('greeting', '', '220 sink.example ESMTP');
  for (;;) {
    const line = await reader.line();
    kept.lines.push(line);
    const verb = line.slice(0, 4).toUpperCase();
    if (verb === 'EHLO' || verb === 'HELO') {
      known.ehlo = line.slice(5);
      const more = options.extensions ?? ['PIPELINING', '8BITMIME', 'SIZE 50000000', 'SMTPUTF8'];
      const offers = [
        'sink.example',
        ...more,
        ...(options.tls && !known.tls ? ['STARTTLS'] : []),
        ...(options.auth ? ['AUTH PLAIN LOGIN'] : []),
      ];
      const text = offers
        .map((offer, at) => `250${at === offers.length - 1 ? ' ' : '-'}${offer}`)
        .join('\r\n');
      await answer('ehlo', line, text);
    } else if (verb === 'STAR' && options.tls) {
      if (await answer('starttls', line, '220 go ahead')) {
        await reader.upgrade(options.tls);
        known.tls = true;
      }
    } else if (verb === 'AUTH') {
      if (await answer('auth', line, '235 welcome'))
        known.user = Buffer.from(line.split(' ')[2] ?? '', 'base64')
          .toString()
          .split('\0')
          .slice(1)
          .join(':');
    } else if (verb === 'MAIL' && options.auth && known.user === undefined) {
      say('530 5.7.0 sign in first');
    } else if (verb === 'MAIL') {
      message = { ...fresh(), ...known, from: /<(.*)>/.exec(line)?.[1] ?? '' };
      await answer('mail', line, '250 2.1.0 fine');
    } else if (verb === 'RCPT') {
      if (await answer('rcpt', line, '250 2.1.5 fine')) message.to.push(/<(.*?)>/.exec(line)?.[1] ?? '');
    } else if (verb === 'DATA') {
      if (message.to.length === 0) say('503 5.5.1 nobody to send to');
      else if (await answer('data', line, '354 go ahead')) {
        message.wire = await reader.data();
        message.raw = unstuffed(message.wire);
        kept.messages.push(message);
        message.isTaken = await answer('message', '', '250 2.0.0 taken');
        message = fresh();
      }
    } else if (verb === 'QUIT') {
      say('221 bye');
      reader.socket.end();
      return;
    } else say(/^(RSET|NOOP)/.test(verb) ? '250 fine' : '502 5.5.1 not here');
  }
}

function unstuffed(wire: Buffer): Buffer {
  return Buffer.from(wire.toString('latin1').replace(/(^|\r\n)\./g, '$1'), 'latin1');
}
