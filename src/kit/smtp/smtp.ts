/**
 * Owns: mail that leaves this program, one message to one person at a time, over a pool of connections to the smart
 * host. Records: nothing; whoever asked keeps what was answered. Refuses: anything that could add a recipient, a header
 * or a file to a message: more than one address, quoted local parts, line breaks.
 */
import { newId } from '#kit/crypto/ids.ts';
import type { Log } from '#kit/log/log.ts';

export interface Mail {
  /** One bare address, `local@domain`. */
  to: string;
  subject: string;
  text: string;
  html?: string;
  /** With or without angle brackets; made up when missing. */
  messageId?: string;
  headers?: Record<string, string>;
}

/** A message as it was handed over by a mailer that delivers to this process only. */
export interface CaughtMail {
  messageId: string;
  from: string;
  to: string;
  subject: string;
  text: string;
  html?: string;
  headers: Record<string, string>;
}

export interface Mailer {
  /** Answers when the smart host has taken the message. Throws MailRefused or MailFailed. */
  send(mail: Mail): Promise<{ messageId: string; response: string }>;
  /** What a `memory:` mailer has sent, oldest first, at most the last 1000; empty for others. */
  readonly sent: readonly CaughtMail[];
  close(): Promise<void>;
}

/** The message itself may not be sent: it would reach someone else or say something else than meant. */
export class MailRefused extends Error {
  override name = 'MailRefused';
}

/** The smart host did not take the message. `permanent`: it never will (5xx); otherwise try again later. */
export class MailFailed extends Error {
  override name = 'MailFailed';
  readonly permanent: boolean;
  readonly response: string;
  constructor(permanent: boolean, response: string, cause: unknown) {
    super(`The mail server did not take the message: ${response}`, { cause });
    this.permanent = permanent;
    this.response = response;
  }
}

export interface MailerOptions {
  /** `smtp://user:password@host:port`, `smtps://…`, `catcher` (hands messages to `sink`), or `memory:` (keeps them). */
  url: string;
  /** `Name <address>` or a bare address. */
  from: string;
  log: Log;
  sink?: (mail: CaughtMail) => void;
}

const mostKept = 1000;
const bareAddress =
  /^[^\s@,;:<>()[\]\\"\p{Cc}]{1,64}@[\p{L}\p{M}\p{N}](?:[\p{L}\p{M}\p{N}.-]*[\p{L}\p{M}\p{N}])?$/u;
// Set from the parts of the message only.
const ownHeaders =
  /^(from|sender|to|cc|bcc|subject|date|message-id|mime-version|return-path|received|resent-.*|content-.*)$/i;

/** Whether this is exactly one plain mail address: no list, no display name, no quoted local part, no line break. */
export function isOneAddress(text: string): boolean {
  return text.length <= 254 && bareAddress.test(text) && !/\.\.|^\.|\.@/.test(text);
}

/** Opens the way out for mail. Throws RangeError when `url` or `from` cannot be used. */
export function createMailer(options: MailerOptions): Mailer {
  const from = readSender(options.from);
  if (options.url === 'memory:' || options.url === 'catcher') return createLocalMailer(options, from);
  const smartHost = readSmartHost(options.url);
  let opened: Promise<Pool> | undefined;
  return {
    sent: [],
    async send(mail) {
      const message = checked(mail, from);
      try {
        opened ??= openPool(smartHost);
        const info = await (await opened).sendMail({
          from: { name: from.name, address: from.address },
          to: { name: '', address: message.to },
          envelope: { from: from.address, to: [message.to] },
          subject: message.subject,
          text: message.text,
          ...(message.html === undefined ? {} : { html: message.html }),
          messageId: message.messageId,
          headers: message.headers,
          disableFileAccess: true,
          disableUrlAccess: true,
        });
        return { messageId: message.messageId, response: info.response };
      } catch (error) {
        throw failed(error, options.log);
      }
    },
    async close() {
      (await opened)?.close();
    },
  };
}

type Pool = Awaited<ReturnType<typeof openPool>>;

/** The library is loaded by the first mail. */
async function openPool(smartHost: ReturnType<typeof readSmartHost>) {
  const { createTransport } = await import('nodemailer');
  return createTransport(smartHost);
}

function createLocalMailer(options: MailerOptions, from: Sender): Mailer {
  const { sink } = options;
  if (options.url === 'catcher' && !sink)
    throw new RangeError('The mailer "catcher" needs a sink for its messages.');
  const sent: CaughtMail[] = [];
  return {
    sent,
    async send(mail) {
      const message = checked(mail, from);
      sink?.(message);
      if (options.url === 'memory:') sent.push(message);
      if (sent.length > mostKept) sent.shift();
      return { messageId: message.messageId, response: '250 kept in this process' };
    },
    async close() {},
  };
}

function checked(mail: Mail, from: Sender): CaughtMail {
  if (typeof mail.to !== 'string' || !isOneAddress(mail.to)) {
    throw new MailRefused('A message goes to exactly one plain address.');
  }
  const messageId = `<${(mail.messageId ?? `${newId()}@${from.address.split('@')[1]}`).replace(/^<|>$/g, '')}>`;
  if (!/^<[!-;=?A-~]+@[!-;=?A-~]+>$/.test(messageId))
    throw new MailRefused('The message id is not of the form name@domain.');
  const headers = mail.headers ?? {};
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[A-Za-z][A-Za-z0-9-]*$/.test(name) || ownHeaders.test(name)) {
      throw new MailRefused(`The header "${name.slice(0, 40)}" may not be set on a message.`);
    }
    refuseControls(value, `The header ${name}`);
  }
  refuseControls(mail.subject, 'The subject');
  const { to, subject, text, html } = mail;
  return { messageId, from: from.text, to, subject, text, ...(html === undefined ? {} : { html }), headers };
}

function refuseControls(text: string, what: string): void {
  if (typeof text !== 'string' || /[\x00-\x1f\x7f\u0085\u2028\u2029]/.test(text)) {
    throw new MailRefused(`${what} holds a line break or another control character.`);
  }
}

interface Sender {
  name: string;
  address: string;
  text: string;
}

function readSender(text: string): Sender {
  const match = /^\s*(?:"?([^"<>\x00-\x1f]*?)"?\s*<([^<>]+)>|([^<>\s]+))\s*$/.exec(text);
  const address = match?.[2] ?? match?.[3] ?? '';
  if (!isOneAddress(address))
    throw new RangeError(`"${text}" is no sender: write Name <address> or an address.`);
  const name = match?.[1] ?? '';
  return { name, address, text: name ? `${name} <${address}>` : address };
}

function readSmartHost(text: string) {
  const url = URL.parse(text);
  if (!url || !/^smtps?:$/.test(url.protocol) || url.hostname === '') {
    throw new RangeError('The mail server must be written as smtp://host:port or smtps://host:port.');
  }
  const secure = url.protocol === 'smtps:';
  const host = decodeURIComponent(url.hostname).replace(/^\[|\]$/g, '');
  const near = /^(localhost|127(\.\d+){3}|::1)$/.test(host);
  return {
    pool: true as const,
    maxConnections: 5,
    host,
    port: Number(url.port || (secure ? 465 : 25)),
    secure,
    // Off this machine nothing travels in the clear: a server without STARTTLS has to wait.
    requireTLS: !secure && !near,
    ignoreTLS: !secure && near,
    ...(url.username === ''
      ? {}
      : { auth: { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) } }),
    connectionTimeout: 10_000,
    greetingTimeout: 10_000,
    socketTimeout: 60_000,
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

function failed(error: unknown, log: Log): MailFailed {
  const { responseCode, response, code } = error as {
    responseCode?: number;
    response?: string;
    code?: string;
  };
  log.warn({ reply: responseCode, reason: code }, 'the mail server did not take a message');
  const permanent = responseCode !== undefined && responseCode >= 500 && code !== 'EAUTH';
  return new MailFailed(permanent, response ?? code ?? 'no answer', error);
}
