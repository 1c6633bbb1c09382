/** The connections to one smart host: opened when needed, kept for a while, and never trusted twice after a fault. */
import { isAscii } from 'node:buffer';
import { Readable } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type SMTPConnection from 'nodemailer/lib/smtp-connection';
import { MailFailed, type MailStage } from './failed.ts';
import type { SmartHostTimeouts } from './smart-hosts.ts';
import { isAboutUs } from './trouble.ts';

export interface SmartHost {
  host: string;
  port: number;
  /** `host:port`, without user and password. */
  label: string;
  tls: 'from the start' | 'starttls' | 'none';
  auth?: { user: string; pass: string };
}

export interface Outgoing {
  from: string;
  to: string;
  raw: Buffer;
  deadline?: number;
}

export interface Line {
  /** What the server answered when it took the message. Throws MailFailed. */
  send(mail: Outgoing): Promise<string>;
  /** Opens a connection and ends it. Answers with the version of TLS. Throws MailFailed. */
  probe(): Promise<string | undefined>;
  close(): Promise<void>;
}

interface LineOptions {
  host: SmartHost;
  name?: string;
  timeouts: SmartHostTimeouts;
}

const idleMs = 20_000;
const mostMessages = 100;
const pieceBytes = 64 * 1024;

export function createLine(options: LineOptions): Line {
  const idle: { connection: SMTPConnection; used: number; timer: NodeJS.Timeout }[] = [];
  const open = new Set<SMTPConnection>();
  let isClosed = false;

  const connect = async (deadline: number | undefined): Promise<SMTPConnection> => {
    const connection = await openConnection(options, deadline);
    open.add(connection);
    connection.on('end', () => {
      open.delete(connection);
      const at = idle.findIndex((one) => one.connection === connection);
      if (at !== -1) clearTimeout(idle.splice(at, 1)[0]!.timer);
    });
    return connection;
  };
  const keep = (connection: SMTPConnection, used: number): void => {
    if (isClosed || used >= mostMessages || connection.destroyed) return void connection.close();
    const timer = setTimeout(() => connection.close(), idleMs);
    timer.unref();
    idle.push({ connection, used, timer });
  };
  const attempt = async (connection: SMTPConnection, used: number, mail: Outgoing): Promise<string> => {
    try {
      const response = await transmit(connection, mail, options.timeouts);
      keep(connection, used + 1);
      return response;
    } catch (error) {
      const { code } = error as MailFailed;
      if (code === undefined || code === 421 || connection.destroyed) connection.close();
      else connection.reset((fault) => (fault ? connection.close() : keep(connection, used + 1)));
      throw error;
    }
  };

  return {
    async send(mail) {
      const kept = idle.pop();
      if (kept) {
        clearTimeout(kept.timer);
        try {
          return await attempt(kept.connection, kept.used, mail);
        } catch (error) {
          if (!isStale(error)) throw error;
        }
      }
      return attempt(await connect(mail.deadline), 0, mail);
    },
    async probe() {
      const connection = await connect(undefined);
      const version = (connection._socket as TLSSocket).getProtocol?.() ?? undefined;
      connection.quit();
      return version;
    },
    async close() {
      isClosed = true;
      for (const { connection, timer } of idle.splice(0)) {
        clearTimeout(timer);
        connection.quit();
      }
      for (const connection of open) connection.close();
    },
  };
}

/** A kept connection that had ended, or was ended when it was used: a fresh one says more. */
function isStale(error: unknown): boolean {
  if (!(error instanceof MailFailed) || error.stage !== 'envelope') return false;
  return (
    error.code === 421 ||
    (error.code === undefined && (error.cause as { code?: string })?.code !== 'ETIMEDOUT')
  );
}

/** Connected, greeted, encrypted and signed in. The library is loaded by the first message. */
async function openConnection(options: LineOptions, deadline: number | undefined): Promise<SMTPConnection> {
  const { default: Connection } = await import('nodemailer/lib/smtp-connection');
  const { host, name } = options;
  const left = Math.max((deadline ?? Infinity) - Date.now(), 1);
  const connect = Math.min(options.timeouts.connect, left);
  const connection = new Connection({
    host: host.host,
    port: host.port,
    ...(name === undefined ? {} : { name }),
    secure: host.tls === 'from the start',
    requireTLS: host.tls === 'starttls',
    ignoreTLS: host.tls === 'none',
    connectionTimeout: connect,
    greetingTimeout: connect,
    dnsTimeout: connect,
    // Whoever waits here has a timer of its own; this one only ends what was forgotten.
    socketTimeout: options.timeouts.data + 60_000,
  });
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => {
      connection.close();
      reject(failure(error, 'connect'));
    };
    connection.on('error', fail);
    connection.connect((error) => {
      if (error) return fail(error);
      if (!host.auth) return resolve(connection);
      // Without it we would be a stranger, whom a server may refuse for good.
      if (!connection.allowsAuth) return fail({ code: 'ENOAUTH', message: 'it offers no way to sign in' });
      const timer = setTimeout(() => fail({ code: 'ETIMEDOUT' }), connect);
      connection.login(host.auth, (refused) => {
        clearTimeout(timer);
        if (refused) fail(refused);
        else resolve(connection);
      });
    });
  });
}

function transmit(connection: SMTPConnection, mail: Outgoing, timeouts: SmartHostTimeouts): Promise<string> {
  return new Promise((resolve, reject) => {
    let stage: MailStage = 'envelope';
    const left = () => Math.max((mail.deadline ?? Infinity) - Date.now(), 1);
    const giveUp = () => {
      reject(failure({ code: 'ETIMEDOUT' }, stage));
      connection.close();
    };
    let timer = setTimeout(giveUp, Math.min(timeouts.envelope, left()));
    const message = inPieces(mail.raw, () => {
      stage = 'after-data';
      clearTimeout(timer);
      timer = setTimeout(giveUp, Math.min(timeouts.data, left()));
      // The message and its end leave in one piece where they can.
      const socket = connection._socket;
      if (socket) {
        socket.cork();
        setImmediate(() => socket.uncork());
      }
    });
    const use8BitMime = !isAscii(mail.raw);
    connection.send(
      { from: mail.from, to: [mail.to], size: mail.raw.length, use8BitMime },
      message,
      (error, info) => {
        clearTimeout(timer);
        if (!error) return resolve(info.response);
        const wasAnswered = error.responseCode !== undefined && stage === 'after-data';
        reject(failure(error, wasAnswered ? 'data' : stage));
      },
    );
  });
}

/** `onFirst` is called before the first byte leaves: from then on the server may have taken it. */
function inPieces(raw: Buffer, onFirst: () => void): Readable {
  let at = 0;
  return new Readable({
    read() {
      if (at === 0) onFirst();
      this.push(at < raw.length ? raw.subarray(at, at + pieceBytes) : null);
      at += pieceBytes;
    },
  });
}

/** Faults whose code alone says too little. */
const explained = /^(?:ESOCKET|ETLS|ENOAUTH)$/;

function failure(error: unknown, stage: MailStage): MailFailed {
  const { responseCode, response, code, message } = error as {
    responseCode?: number;
    response?: string;
    code?: string;
    message?: string;
  };
  const isTooLarge = code === 'EMESSAGE' && responseCode === undefined && stage === 'envelope';
  if (isTooLarge) return new MailFailed(true, '552 5.3.4 larger than the mail server takes', error, stage);
  const permanent =
    stage !== 'connect' &&
    responseCode !== undefined &&
    responseCode >= 500 &&
    !isAboutUs(responseCode, stage === 'envelope' ? (response ?? '') : '');
  const unanswered = explained.test(code ?? '') ? `${code} ${message ?? ''}`.trim() : code;
  return new MailFailed(permanent, response || (unanswered ?? 'no answer'), error, stage);
}
