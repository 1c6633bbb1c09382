/** Reports about mail that could not be delivered (RFC 3464), as servers of all kinds write them. */
import type { Email } from 'postal-mime';

export interface DsnRecipient {
  /** In the order of trust: the recipient as it was given to us, else the one that failed in the end. */
  address: string;
  action: 'failed' | 'delayed' | 'delivered' | 'relayed' | 'expanded';
  /** RFC 3463, such as 5.1.1; '' where the report gives none. */
  status: string;
  /** What the refusing server said, on one line, at most 500 characters; '' where the report gives none. */
  diagnostic: string;
}

export interface Dsn {
  recipients: DsnRecipient[];
  /** Message-ID of the mail that is reported about, with angle brackets. */
  originalMessageId?: string;
  envelopeId?: string;
}

const actions = ['failed', 'delayed', 'delivered', 'relayed', 'expanded'] as const;
const mostRecipients = 100;

/**
 * What a report says; undefined for mail that is none. qmail's and Exim's letters, which have no part for programs, are
 * read by their well-known first words.
 */
export async function readDsn(raw: Buffer): Promise<Dsn | undefined> {
  const { default: PostalMime } = await import('postal-mime');
  let mail: Email;
  try {
    mail = await new PostalMime({ forceRfc822Attachments: true, attachmentEncoding: 'arraybuffer' }).parse(
      raw,
    );
  } catch {
    return undefined;
  }
  const part = partOf(mail, /^message\/(?:global-)?delivery-status$/);
  const dsn = part === undefined ? readLetter(mail) : readStatus(part);
  if (!dsn || dsn.recipients.length === 0) return undefined;
  const originalMessageId = originalIdIn(mail);
  return { ...dsn, ...(originalMessageId === undefined ? {} : { originalMessageId }) };
}

function partOf(mail: Email, type: RegExp): string | undefined {
  const found = mail.attachments.find((attachment) => type.test(attachment.mimeType.toLowerCase()));
  if (!found) return undefined;
  return typeof found.content === 'string' ? found.content : new TextDecoder().decode(found.content);
}

/** RFC 3464 section 2.1: groups of fields, the first about the message, each other about one recipient. */
function readStatus(text: string): Dsn {
  const [about, ...each] = groupsOf(text);
  const all =
    about && (about.has('final-recipient') || about.has('original-recipient')) ? [about, ...each] : each;
  const recipients = all.slice(0, mostRecipients).flatMap((fields) => {
    const address = addressOf(fields.get('original-recipient')) ?? addressOf(fields.get('final-recipient'));
    const action = actions.find(
      (one) => one === fields.get('action')?.trim().toLowerCase().split(/[\s(]/)[0],
    );
    if (address === undefined || !action) return [];
    const status = /[245]\.\d{1,3}\.\d{1,3}/.exec(fields.get('status') ?? '')?.[0] ?? '';
    const diagnostic = oneLine((fields.get('diagnostic-code') ?? '').replace(/^\s*[\w-]+\s*;/, ''));
    return [{ address, action, status: status || statusIn(diagnostic), diagnostic }];
  });
  const envelopeId = about?.get('original-envelope-id')?.trim();
  return { recipients, ...(envelopeId ? { envelopeId } : {}) };
}

function groupsOf(text: string): Map<string, string>[] {
  return text
    .replace(/\r\n?/g, '\n')
    .trim()
    .split(/\n[ \t]*\n+/)
    .map((group) => {
      const fields = new Map<string, string>();
      for (const line of group.replace(/\n[ \t]+/g, ' ').split('\n')) {
        const colon = line.indexOf(':');
        const name = line.slice(0, Math.max(colon, 0)).trim().toLowerCase();
        if (name !== '' && !fields.has(name)) fields.set(name, line.slice(colon + 1).trim());
      }
      return fields;
    });
}

/** `rfc822; ada@example.org`, with or without angle brackets. */
function addressOf(field: string | undefined): string | undefined {
  const text = field
    ?.replace(/^\s*[\w-]+\s*;/, '')
    .trim()
    .replace(/^<(.*)>$/, '$1');
  return text && /^[^\s@]+@[^\s@]+$/.test(text) && text.length <= 254 ? text : undefined;
}

const letters = [
  // qmail and its heirs.
  /^Hi\. This is the qmail-send program|^Hi\. This is the \S+ program at/m,
  // Exim.
  /^This message was created automatically by mail delivery software/m,
];

/** Reports written for people alone: `<address>:` or an indented address, then what the server said. */
function readLetter(mail: Email): Dsn | undefined {
  const text = (mail.text ?? '').replace(/\r\n?/g, '\n');
  const isReport = letters.some((words) => words.test(text)) && isFromNobody(mail);
  if (!isReport) return undefined;
  const above = `${text.split(/\n-{3,} ?(?:Below this line|This is a copy)/)[0]!}\n`;
  const found = above.matchAll(
    /^(?:<([^<>\s]+@[^<>\s]+)>:| {2}([^<>\s]+@[^<>\s]+))[ \t]*\n((?:(?!<[^\n]*>:)[^\n]+\n)+)/gm,
  );
  const recipients = [...found].slice(0, mostRecipients).flatMap((match): DsnRecipient[] => {
    const address = addressOf(match[1] ?? match[2]);
    const diagnostic = oneLine(match[3]!);
    if (address === undefined) return [];
    const status = statusIn(diagnostic) || '5.0.0';
    return [{ address, action: status.startsWith('4') ? 'delayed' : 'failed', status, diagnostic }];
  });
  return { recipients };
}

/** Whoever pretends with those words only would have to be a mail system: `<>` or its daemon. */
function isFromNobody(mail: Email): boolean {
  const path = mail.headers.find((header) => header.key === 'return-path')?.value.trim();
  return (
    path === '<>' ||
    /^(?:mailer-daemon|postmaster)@/i.test(mail.from?.address ?? '') ||
    mail.from?.address === ''
  );
}

/** `#5.1.1` as qmail writes, `550 5.1.1` as others do; a plain 550 is 5.0.0. */
function statusIn(diagnostic: string): string {
  const enhanced = /(?:^|[\s#(;:])([245]\.\d{1,3}\.\d{1,3})(?=[\s)\]:;,.<]|$)/.exec(diagnostic)?.[1];
  const code = /(?:^|\s)([45])\d\d(?=[\s-])/.exec(diagnostic)?.[1];
  return enhanced ?? (code ? `${code}.0.0` : '');
}

function oneLine(text: string): string {
  return text
    .replace(/[\s\x00-\x1f\x7f]+/g, ' ')
    .trim()
    .slice(0, 500);
}

/** From the original's header, wherever the report carries it: as a message, as its header, or below a line of its own. */
function originalIdIn(mail: Email): string | undefined {
  const original = partOf(
    mail,
    /^(?:message\/(?:rfc822|global)|text\/rfc822-headers|message\/global-headers)$/,
  );
  const below = (mail.text ?? '').split(/^-{3,} ?(?:Below this line|This is a copy)[^\n]*$/m)[1];
  const header = (original ?? below ?? '').replace(/\r\n?/g, '\n').replace(/^\n+/, '').split(/\n\n/)[0]!;
  const belowHeader = original === undefined ? (below ?? '').replace(/\r\n?/g, '\n') : '';
  const id =
    /^message-id:\s*(<[^<>\s]{1,250}>)/im.exec(header) ??
    /^message-id:\s*(<[^<>\s]{1,250}>)/im.exec(belowHeader);
  return id?.[1];
}
