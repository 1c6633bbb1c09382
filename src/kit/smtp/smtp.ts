/**
 * Owns: mail that leaves this program, one message to one person at a time, over a pool of connections to the smart
 * host. Records: nothing; whoever asked keeps what was answered. Refuses: anything that could add a recipient, a header
 * or a file to a message: more than one address, quoted local parts, line breaks, pictures that are something else.
 */
import { newId } from '#kit/crypto/ids.ts';
import type { Log } from '#kit/log/log.ts';
import { MailFailed, MailRefused } from './failed.ts';
import { attachmentsOf, checkedInline, type InlineImage } from './inline.ts';
import { createSmartHosts, type SmartHosts } from './smart-hosts.ts';

export { MailFailed, MailRefused, type MailStage } from './failed.ts';
export type { InlineImage } from './inline.ts';

export interface Mail {
  /** One bare address, `local@domain`. */
  to: string;
  subject: string;
  text: string;
  html?: string;
  /** Pictures that the HTML shows by their Content-ID: PNG and JPEG, few and small. */
  inline?: readonly InlineImage[];
  /** With or without angle brackets; made up when missing. */
  messageId?: string;
  headers?: Record<string, string>;
  /** Where refusals come back to (RFC 5321 §4.5.5); the sender of the letter when left out. One bare address. */
  envelopeFrom?: string;
}

/** A message as it was handed over by a mailer that delivers to this process only. */
export interface CaughtMail {
  messageId: string;
  from: string;
  to: string;
  subject: string;
  text: string;
  html?: string;
  inline?: readonly InlineImage[];
  headers: Record<string, string>;
  envelopeFrom?: string;
}

export interface Mailer {
  /** Answers when the smart host has taken the message. Throws MailRefused or MailFailed. */
  send(mail: Mail): Promise<{ messageId: string; response: string }>;
  /** What a `memory:` mailer has sent, oldest first, at most the last 1000; empty for others. */
  readonly sent: readonly CaughtMail[];
  close(): Promise<void>;
}

export interface MailerOptions {
  /**
   * Smart hosts, `smtp://user:password@host:port` or `smtps://…`, tried in this order; or one of `catcher` (hands messages
   * to `sink`) and `memory:` (keeps them).
   */
  urls: readonly string[];
  /** `Name <address>` or a bare address. */
  from: string;
  log: Log;
  /** What we call ourselves before the smart host. */
  name?: string;
  /** Smart hosts that others use, too, instead of own ones for `urls`; whoever made them closes them. */
  smartHosts?: SmartHosts;
  sink?: (mail: CaughtMail) => void;
  /** Fields to stand before the message that prove whose it is (DKIM); empty where there is no key. */
  sign?: (input: { raw: Buffer; domain: string }) => Promise<Buffer>;
}

const mostKept = 1000;
const mostAtOnce = 5;
const bareAddress =
  /^[^\s@,;:<>()[\]\\"\p{Cc}]{1,64}@[\p{L}\p{M}\p{N}](?:[\p{L}\p{M}\p{N}.-]*[\p{L}\p{M}\p{N}])?$/u;
// Set from the parts of the message only.
const ownHeaders =
  /^(from|sender|to|cc|bcc|subject|date|message-id|mime-version|return-path|received|resent-.*|content-.*)$/i;

/** Whether this is exactly one plain mail address: no list, no display name, no quoted local part, no line break. */
export function isOneAddress(text: string): boolean {
  return text.length <= 254 && bareAddress.test(text) && !/\.\.|^\.|\.@/.test(text);
}

/** Opens the way out for mail. Throws RangeError when `urls` or `from` cannot be used. */
export function createMailer(options: MailerOptions): Mailer {
  const from = readSender(options.from);
  const [first = ''] = options.urls;
  if (options.urls.length === 1 && (first === 'memory:' || first === 'catcher'))
    return createLocalMailer(options, from, first);
  const { log, name, urls } = options;
  const hosts = options.smartHosts ?? createSmartHosts({ urls, log, name, atOnce: mostAtOnce });
  return {
    sent: [],
    async send(mail) {
      const message = checked(mail, from);
      const { raw, sender, recipient } = await written(message, from);
      const signature = options.sign && (await signed(options.sign, raw, from));
      const whole = signature ? Buffer.concat([signature, raw]) : raw;
      const { response } = await hosts.forward({ from: sender, to: recipient, raw: whole });
      return { messageId: message.messageId, response };
    },
    async close() {
      if (!options.smartHosts) await hosts.close();
    },
  };
}

/** The message as bytes, and its envelope as it is sent. The library is loaded by the first mail. */
async function written(message: CaughtMail, from: Sender) {
  const { createTransport } = await import('nodemailer');
  const transport = createTransport({ streamTransport: true, buffer: true, newline: 'windows' });
  try {
    const { message: raw, envelope } = await transport.sendMail({
      from: { name: from.name, address: from.address },
      to: { name: '', address: message.to },
      envelope: { from: message.envelopeFrom ?? from.address, to: [message.to] },
      subject: message.subject,
      text: message.text,
      ...(message.html === undefined ? {} : { html: message.html }),
      ...(message.inline && { attachments: attachmentsOf(message.inline) }),
      messageId: message.messageId,
      headers: headersOf(message),
      disableFileAccess: true,
      disableUrlAccess: true,
    });
    return {
      raw: raw as Buffer,
      sender: envelope.from === false ? '' : envelope.from,
      recipient: envelope.to[0] ?? message.to,
    };
  } catch (error) {
    throw new MailFailed(
      false,
      (error as { code?: string }).code ?? 'the message could not be written',
      error,
    );
  }
}

/**
 * Fields as they were given. By itself the library writes a value with quotation marks, such as JSON, as encoded words
 * (RFC 2047), which a service that reads a field of its own does not have to take apart.
 */
function headersOf({ headers }: CaughtMail) {
  return Object.entries(headers).map(([key, value]) => ({
    key,
    value: { prepared: /^[\x20-\x7e]{0,900}$/.test(value), value },
  }));
}

/** Unsigned it might be refused for good: it waits instead. */
async function signed(sign: NonNullable<MailerOptions['sign']>, raw: Buffer, from: Sender): Promise<Buffer> {
  try {
    return await sign({ raw, domain: from.address.slice(from.address.lastIndexOf('@') + 1).toLowerCase() });
  } catch (error) {
    throw new MailFailed(false, 'the message could not be signed', error, 'connect');
  }
}

function createLocalMailer(options: MailerOptions, from: Sender, kind: 'memory:' | 'catcher'): Mailer {
  const { sink } = options;
  if (kind === 'catcher' && !sink)
    throw new RangeError('The mailer "catcher" needs a sink for its messages.');
  const sent: CaughtMail[] = [];
  return {
    sent,
    async send(mail) {
      const message = checked(mail, from);
      sink?.(message);
      if (kind === 'memory:') sent.push(message);
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
  const { to, subject, text, html, envelopeFrom } = mail;
  if (envelopeFrom !== undefined && !isOneAddress(envelopeFrom))
    throw new MailRefused('Refusals come back to exactly one plain address.');
  const inline = checkedInline(mail.inline ?? [], html);
  const more = {
    ...(html === undefined ? {} : { html }),
    ...(inline.length > 0 && { inline }),
    ...(envelopeFrom && { envelopeFrom }),
  };
  return { messageId, from: from.text, to, subject, text, headers, ...more };
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
