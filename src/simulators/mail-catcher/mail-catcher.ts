/**
 * Owns: a mailbox for a community that is only tried out: a small SMTP server that takes every message for anyone, and
 * a page that shows them. Records: the last 500 messages, in memory. Refuses: any address but loopback, and pages of
 * other sites that try to read along (the messages hold links that sign people in).
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import PostalMime, { type Email } from 'postal-mime';
import { SMTPServer, type SMTPServerSession } from 'smtp-server';
import { newId } from '#kit/crypto/ids.ts';
import type { Log } from '#kit/log/log.ts';
import type { Look } from '#kit/page/page.ts';
import type { CaughtMail } from '#kit/smtp/smtp.ts';
import { answer } from './web.ts';

/** A picture inside a message, which its HTML shows by its Content-ID. */
export interface CaughtPicture {
  cid: string;
  contentType: string;
  content: Buffer;
}

export interface CaughtMessage {
  id: string;
  at: Date;
  /** Envelope sender and recipients. */
  sender: string;
  recipients: string[];
  from: string;
  subject: string;
  text: string;
  html?: string;
  messageId: string;
  /** Every http(s) address in the text, in order, once each. */
  links: string[];
  pictures: CaughtPicture[];
}

export interface MailCatcher {
  /** For the mailer: `smtp://127.0.0.1:port`. */
  readonly smtpUrl: string;
  /** The page. */
  readonly url: URL;
  /** Newest first. */
  messages(): CaughtMessage[];
  /** The newest message to this address that `matches`, as soon as there is one. Throws after `timeoutMs` (default 5000). */
  waitFor(
    to: string,
    matches?: (message: CaughtMessage) => boolean,
    timeoutMs?: number,
  ): Promise<CaughtMessage>;
  clear(): void;
  /** For `createMailer({ urls: ['catcher'], sink })`: takes a message without SMTP. */
  readonly sink: (mail: CaughtMail) => void;
  stop(): Promise<void>;
}

export interface MailCatcherOptions {
  log: Log;
  /** Loopback only; default 127.0.0.1. */
  host?: string;
  /** Default: any free port. */
  smtpPort?: number;
  httpPort?: number;
  look?: Look;
}

const mostMessages = 500;
const largestMessage = 5_000_000;
const mostPictureBytes = 128 * 1024;
const plainLook: Look = { communityName: 'Mail catcher', links: [] };

/** Starts both servers. Throws RangeError for a host that is not loopback, the system's error when a port is taken. */
export async function startMailCatcher(options: MailCatcherOptions): Promise<MailCatcher> {
  const host = options.host ?? '127.0.0.1';
  if (!/^(127(\.\d{1,3}){3}|::1)$/.test(host) || isIP(host) === 0) {
    throw new RangeError('The mail catcher listens on loopback only: its pages hold sign-in links.');
  }
  const messages: CaughtMessage[] = [];
  const keep = (message: CaughtMessage) => {
    messages.unshift(message);
    if (messages.length > mostMessages) messages.length = mostMessages;
  };
  const smtp = openSmtp(options.log, keep);
  const listening = smtp.listen(options.smtpPort ?? 0, host);
  await once(listening, 'listening');
  const http = createServer((request, response) => {
    const at = http.address() as AddressInfo;
    const { status, headers, body } = answer({ request, messages, look: options.look ?? plainLook, at });
    response.writeHead(status, headers).end(request.method === 'HEAD' ? undefined : body);
  });
  try {
    http.listen(options.httpPort ?? 0, host);
    await once(http, 'listening');
  } catch (error) {
    smtp.close();
    throw error;
  }
  const authority = (at: AddressInfo) =>
    `${at.family === 'IPv6' ? `[${at.address}]` : at.address}:${at.port}`;

  return {
    smtpUrl: `smtp://${authority(listening.address() as AddressInfo)}`,
    url: new URL(`http://${authority(http.address() as AddressInfo)}/`),
    messages: () => [...messages],
    async waitFor(to, matches = () => true, timeoutMs = 5000) {
      const deadline = Date.now() + timeoutMs;
      for (;;) {
        const found = messages.find((message) => message.recipients.includes(to) && matches(message));
        if (found) return found;
        if (Date.now() > deadline) throw new Error(`No such mail to ${to} came within ${timeoutMs} ms.`);
        await sleep(10);
      }
    },
    clear() {
      messages.length = 0;
    },
    sink: (mail) => keep(handedOver(mail)),
    async stop() {
      http.closeAllConnections();
      await Promise.all([
        new Promise((resolve) => http.close(resolve)),
        new Promise<void>((resolve) => smtp.close(() => resolve())),
      ]);
    },
  };
}

function openSmtp(log: Log, keep: (message: CaughtMessage) => void): SMTPServer {
  const smtp = new SMTPServer({
    banner: 'mail catcher',
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    disableReverseLookup: true,
    size: largestMessage,
    closeTimeout: 100,
    logger: false,
    onAuth: (_auth, _session, done) => done(null, { user: 'anyone' }),
    onData(stream, session, done) {
      receive(stream, session).then(
        (message) => {
          keep(message);
          done(null);
        },
        (error: Error) => {
          log.warn({ err: error }, 'the mail catcher could not read a message');
          done(error);
        },
      );
    },
  });
  smtp.on('error', (error) => log.warn({ err: error }, 'the mail catcher met a broken connection'));
  return smtp;
}

async function receive(stream: AsyncIterable<unknown>, session: SMTPServerSession): Promise<CaughtMessage> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  const parsed = await PostalMime.parse(Buffer.concat(chunks));
  const { mailFrom, rcptTo } = session.envelope;
  const sender = mailFrom ? mailFrom.address : '';
  const { name = '', address = sender } = parsed.from ?? {};
  return caught({
    sender,
    recipients: rcptTo.map((recipient) => recipient.address),
    from: name ? `${name} <${address}>` : (address ?? ''),
    subject: parsed.subject ?? '',
    text: parsed.text ?? '',
    html: parsed.html,
    messageId: parsed.messageId ?? '',
    pictures: picturesIn(parsed),
  });
}

/** What pages may show of it: pictures of kinds that run nothing, few enough to be kept for every message. */
function picturesIn({ attachments }: Email): CaughtPicture[] {
  let bytes = 0;
  return attachments.flatMap(({ contentId, mimeType, content }) => {
    if (contentId === undefined || !/^image\/(?:png|jpeg|gif)$/.test(mimeType)) return [];
    const picture = Buffer.from(content as ArrayBuffer);
    bytes += picture.length;
    if (bytes > mostPictureBytes) return [];
    return [{ cid: contentId.replace(/^<|>$/g, ''), contentType: mimeType, content: picture }];
  });
}

function handedOver({ messageId, from, to, subject, text, html, inline = [] }: CaughtMail): CaughtMessage {
  const parts = { from, subject, text, html, messageId, pictures: [...inline] };
  return caught({ ...parts, sender: addressIn(from), recipients: [to] });
}

function caught(parts: Omit<CaughtMessage, 'id' | 'at' | 'links'>): CaughtMessage {
  const links = [...parts.text.matchAll(/https?:\/\/[^\s<>"]+/g)].map(([link]) =>
    link.replace(/[.,;:!?)\]]+$/, ''),
  );
  return { ...parts, id: newId(), at: new Date(), links: [...new Set(links)] };
}

const addressIn = (text: string) => /<([^<>]+)>/.exec(text)?.[1] ?? text;
