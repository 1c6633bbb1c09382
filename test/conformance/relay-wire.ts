/**
 * An SMTP client that sends exactly the bytes it is given, right or wrong, and keeps every byte that comes back. It has no
 * line of our server's code in it, and none of the library the server stands on.
 */
import { connect, type Socket } from 'node:net';
import { type TLSSocket, connect as upgrade } from 'node:tls';

export interface Reply {
  code: number;
  /** `5.1.1`, where the reply has one. */
  enhanced?: string;
  /** The lines as they came, without their ends. */
  lines: string[];
  text: string;
}

export interface WireOptions {
  port: number;
  /** Which address of this machine it comes from: 127.0.0.1 unless said. */
  from?: string;
  /** How long one reply may take. */
  patience?: number;
}

/** One connection. Bytes are given as latin1 text, so that every byte can be written, or as a buffer. */
export class Wire {
  /** Every one there was. */
  static readonly all: Wire[] = [];
  #socket: Socket;
  readonly #patience: number;
  #unread = '';
  #ended = false;
  #wake: () => void = () => undefined;
  /** Every byte the server sent, before and after STARTTLS, as latin1. */
  transcript = '';

  private constructor(socket: Socket, patience: number) {
    this.#socket = socket;
    this.#patience = patience;
    Wire.all.push(this);
    this.#listen(socket);
  }

  /** Connects; the greeting is not read yet. */
  static async open({ port, from = '127.0.0.1', patience = 15_000 }: WireOptions): Promise<Wire> {
    const socket = connect({ port, host: '127.0.0.1', localAddress: from });
    socket.setNoDelay(true);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new Wire(socket, patience);
  }

  /** Connects and has greeted, and has been greeted. */
  static async greeted(options: WireOptions & { helo?: string }): Promise<Wire> {
    const wire = await Wire.open(options);
    const greeting = await wire.reply();
    if (greeting?.code !== 220) throw new Error(`greeted with ${greeting?.text ?? 'nothing'}`);
    const answer = await wire.say(`EHLO ${options.helo ?? 'probe.example.net'}`);
    if (answer?.code !== 250) throw new Error(`EHLO was answered ${answer?.text ?? 'with nothing'}`);
    return wire;
  }

  #listen(socket: Socket): void {
    socket.on('data', (bytes: Buffer) => {
      const text = bytes.toString('latin1');
      this.transcript += text;
      this.#unread += text;
      this.#wake();
    });
    const end = () => {
      this.#ended = true;
      this.#wake();
    };
    socket.on('error', end);
    socket.on('end', end);
    socket.on('close', end);
  }

  get closed(): boolean {
    return this.#ended;
  }

  /** Writes these bytes and nothing more; what cannot be written any more is lost, as on a real line. */
  send(bytes: string | Buffer): void {
    if (this.#socket.writable)
      this.#socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** The same, when the system has taken them; for what is too large to be handed over at once. */
  async pour(bytes: Buffer): Promise<void> {
    if (!this.#socket.writable || this.#ended) return;
    if (this.#socket.write(bytes)) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        for (const event of ['drain', 'close', 'error']) this.#socket.off(event, done);
        resolve();
      };
      for (const event of ['drain', 'close', 'error']) this.#socket.on(event, done);
    });
  }

  /** The next reply; undefined where the connection ended instead. Throws when neither comes in time. */
  async reply(patience = this.#patience): Promise<Reply | undefined> {
    const until = Date.now() + patience;
    for (;;) {
      const found = /^(?:\d{3}-[^\n]*\n)*\d{3}(?: [^\n]*)?\r\n/.exec(this.#unread);
      if (found) {
        this.#unread = this.#unread.slice(found[0].length);
        return readReply(found[0]);
      }
      if (this.#ended) return undefined;
      const left = until - Date.now();
      if (left <= 0)
        throw new Error(`no reply within ${patience} ms; unread: ${JSON.stringify(this.#unread)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** One line and its reply. */
  say(line: string): Promise<Reply | undefined> {
    this.send(`${line}\r\n`);
    return this.reply();
  }

  /** Every reply until the connection ends or nothing comes for `quietMs`; the first is waited for as ever where one must come. */
  async rest(quietMs = 400, { mustCome = false } = {}): Promise<Reply[]> {
    const replies: Reply[] = [];
    if (mustCome) {
      const first = await this.reply();
      if (first) replies.push(first);
    }
    for (;;) {
      const next = await this.reply(quietMs).catch(() => undefined);
      if (!next) return replies;
      replies.push(next);
    }
  }

  /** Goes on in TLS, as after a 220 to STARTTLS. Whatever the server sent in the clear stays unread. */
  async secure(): Promise<TLSSocket> {
    const plain = this.#socket;
    plain.removeAllListeners();
    const secured = upgrade({ socket: plain, rejectUnauthorized: false });
    await new Promise<void>((resolve, reject) => {
      secured.once('secureConnect', resolve);
      secured.once('error', reject);
    });
    this.#socket = secured;
    this.#listen(secured);
    return secured;
  }

  close(): void {
    this.#socket.destroy();
  }
}

function readReply(text: string): Reply {
  const lines = text.replace(/\r\n$/, '').split('\r\n');
  const last = lines.at(-1) ?? '';
  const enhanced = /^\d{3} (\d\.\d{1,3}\.\d{1,3})\b/.exec(last)?.[1];
  return { code: Number(last.slice(0, 3)), ...(enhanced && { enhanced }), lines, text: lines.join('\n') };
}

/** The bytes of a message as they stand between DATA's 354 and its end: dots doubled, every line with CRLF. */
export function dotted(message: string): string {
  return message.replace(/\r?\n/g, '\r\n').replace(/^\./gm, '..');
}

/** A whole transaction from a greeted connection; the reply that ended it. */
export async function transaction(
  wire: Wire,
  { mail, rcpt, message }: { mail: string; rcpt: string; message: string },
): Promise<{ at: 'mail' | 'rcpt' | 'data' | 'end'; reply: Reply | undefined }> {
  let reply = await wire.say(`MAIL FROM:${mail}`);
  if (reply?.code !== 250) return { at: 'mail', reply };
  reply = await wire.say(`RCPT TO:${rcpt}`);
  if (reply?.code !== 250) return { at: 'rcpt', reply };
  reply = await wire.say('DATA');
  if (reply?.code !== 354) return { at: 'data', reply };
  wire.send(`${dotted(message)}\r\n.\r\n`);
  return { at: 'end', reply: await wire.reply(60_000) };
}
