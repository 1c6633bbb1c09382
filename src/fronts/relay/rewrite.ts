/**
 * Rewritten mode: mail of an app comes from an address of ours, and an answer goes to a reverse alias. Nothing in it makes
 * the mail program of the person write to the sender past us: no receipts, no mailto: of lists, no address for errors.
 * The body keeps every byte.
 */
import { community } from '#core/community/community.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import { type Database, system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { parsePath } from '#wire/smtp/addresses.ts';
import {
  decodeHeader,
  type HeaderField,
  headerValue,
  isNamed,
  type Message,
  withHeaders,
} from '#wire/smtp/message.ts';
import { reverseAlias } from './counterparts.ts';
import { mailboxText } from './header-text.ts';
import { showsAddress } from './leak-views.ts';
import { idsField, openId, readIds } from './message-ids.ts';
import { relayHouse } from './settings-kept.ts';

export interface RewriteInput {
  raw: Buffer;
  message: Message;
  app: { id: string; title: string };
  /** Whose mailbox it was sent to; `to` is where they read it. */
  recipient: { person: string; mailbox: string; to: string };
  /** Domains of alias mailboxes: nobody is answered there. */
  domains: readonly string[];
  /** ARC sets of earlier hops stay, for the one that is put over them; else they would be a broken chain. */
  keepsChain?: boolean;
}

/** Kept under another name: what they say was true of the message as it was, and a program would judge this one by it. */
const renamed = new Set([
  'from',
  'reply-to',
  'sender',
  'dkim-signature',
  'authentication-results',
  'received-spf',
]);

/** Gone: they ask the person's mail program to write to someone, or say where the message has been. */
const removed = [
  /^(?:return-path|delivered-to|x-original-to|envelope-to|x-envelope-to|bcc)$/i,
  /^(?:disposition-notification-(?:to|options)|original-recipient|return-receipt-(?:to|requested)|x-confirm-reading-to|x-pmrqc|read-receipt-to)$/i,
  /^(?:errors-to|x-errors-to|generate-delivery-report|prevent-nondelivery-report|mail-followup-to|mail-reply-to)$/i,
  /^(?:list-(?:post|owner|help|subscribe|unsubscribe|unsubscribe-post)|resent-.*|domainkey-signature|x-google-.*|x-gm-.*)$/i,
  /^(?:x-original-(?:from|reply-to|sender|dkim-signature|authentication-results|received-spf)|in-reply-to|references)$/i,
];

const chain = /^arc-/i;

/**
 * The message as it goes on: From is the app's address here, Reply-To a reverse alias for the first of whom it asked to be
 * answered (else From), the original ones stand in X-Original-…. To, Cc, Message-ID and the body are as they were.
 */
export async function rewrite(
  needs: { database: Pick<Database, 'transact'>; secrets: Secrets },
  input: RewriteInput,
): Promise<Buffer> {
  const { raw, message, app, recipient } = input;
  const domain = recipient.mailbox.slice(recipient.mailbox.lastIndexOf('@') + 1);
  const from = await readAddresses(headerValue(message, 'from') ?? '');
  const wanted = await readAddresses(headerValue(message, 'reply-to') ?? '');
  const answerable = [...wanted, ...from].filter((one) => isAnswerable(one.address, input.domains));
  const counterpart = answerable[0];
  const { house, alias } = await needs.database.transact(system('request'), async (tx: Tx) => ({
    house: (await community(tx)).name,
    alias:
      counterpart &&
      (await reverseAlias(tx, needs.secrets, {
        person: recipient.person,
        application: app.id,
        address: counterpart.address,
        mailbox: recipient.mailbox,
        domain,
        days: (await relayHouse(tx)).replyDays,
      })),
  }));
  const name = from[0]?.name || app.title;
  const fields: (string | Buffer)[] = [
    `From: ${mailboxText(`${name} via ${house}`, appAddress(app.id, domain))}`,
    ...(counterpart && alias ? [`Reply-To: ${mailboxText(counterpart.name || name, alias)}`] : []),
    ...(wanted.length > 1
      ? [`X-Gatehouse-Reply: answers reach the first of ${wanted.length} addresses; see X-Original-Reply-To`]
      : []),
    ...threadFields(needs.secrets, message),
    ...unsubscribeFields(message, recipient.to),
    ...message.fields.filter((field) => renamed.has(field.name.toLowerCase())).map(underOtherName),
  ];
  return withHeaders(raw, {
    prepend: fields,
    remove: (fieldName) =>
      renamed.has(fieldName.toLowerCase()) ||
      removed.some((one) => one.test(fieldName)) ||
      (!input.keepsChain && chain.test(fieldName)),
  });
}

/** For a message that was changed where no seal can say so: a chain below it would be broken. */
export function withoutChain(raw: Buffer): Buffer {
  return withHeaders(raw, { remove: (name) => chain.test(name) });
}

/** Where mail of an app comes from here. Nobody reads what is sent there. */
export function appAddress(app: string, domain: string): string {
  return `noreply+${app}@${domain}`;
}

interface Named {
  name: string;
  address: string;
}

async function readAddresses(value: string): Promise<Named[]> {
  if (value === '') return [];
  const { addressParser } = await import('postal-mime');
  return addressParser(value, { flatten: true }).flatMap(({ name, address }) =>
    address === undefined ? [] : [{ name: decodeHeader(name), address }],
  );
}

function isAnswerable(address: string, domains: readonly string[]): boolean {
  const path = parsePath(address);
  return path !== undefined && !domains.includes(path.domain);
}

function underOtherName(field: HeaderField): Buffer {
  return Buffer.concat([Buffer.from('X-Original-'), field.raw]);
}

/** Ids that we gave to the person's own mail become what their mail program knows. */
function threadFields(secrets: Secrets, message: Message): string[] {
  return ['In-Reply-To', 'References'].flatMap((name) => {
    const values = message.fields.filter((field) => isNamed(field, name)).map((field) => field.value);
    const ids = readIds(values.join(' ')).map((id) => openId(secrets, id) ?? id);
    return ids.length === 0 ? [] : [idsField(name, ids)];
  });
}

/** Leaving a list by a link alone: a mail to do so would come from the person's own address (RFC 2369, 8058). */
function unsubscribeFields(message: Message, to: string): string[] {
  const links = [
    ...(headerValue(message, 'list-unsubscribe') ?? '').matchAll(/<\s*(https:\/\/[^<>\s]{1,900})\s*>/gi),
  ]
    .map((match) => match[1]!)
    .filter((link) => /^[\x21-\x7e]+$/.test(link) && !showsAddress(link, [to]));
  if (links.length === 0) return [];
  const isOneClick = /^List-Unsubscribe=One-Click$/i.test(
    headerValue(message, 'list-unsubscribe-post') ?? '',
  );
  const list = `List-Unsubscribe: ${links
    .slice(0, 5)
    .map((link) => `<${link}>`)
    .join(',\r\n ')}`;
  return isOneClick ? [list, 'List-Unsubscribe-Post: List-Unsubscribe=One-Click'] : [list];
}
