/** How a message leaves: what is put before it, whom reports about it go to, and what a sender hears of how it went. */
import type { Clock } from '#kit/clock/clock.ts';
import { constantTimeEqual } from '#kit/crypto/ids.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import { MailFailed } from '#kit/smtp/failed.ts';
import type { SmartHosts } from '#kit/smtp/smart-hosts.ts';
import { type HeaderField, isNamed, type Message, withHeaders } from '#wire/smtp/message.ts';
import { makeSrs } from '#wire/smtp/srs.ts';
import type { AuthenticationResult } from './authenticate.ts';
import { type Arrival, dayNumber, srsPurpose } from './recipients.ts';
import { type Refusal, refuse } from './refusals.ts';

export interface ForwardNeeds {
  secrets: Secrets;
  clock: Clock;
  /** What we call ourselves. */
  name: string;
  /** Undefined where none is set: then mail has no way out. */
  smartHosts?: Pick<SmartHosts, 'forward' | 'areAway'>;
}

const loopField = 'X-Gatehouse-Loop';
const loopPurpose = 'relay-loop';
const loopLength = 22;

/**
 * Whom reports about a message go to: its sender, wrapped into an address of ours, which names the message, as nobody
 * who was given another one's may report on it. A sender that does not fit is left out: reports end here anyway. A
 * report gets none itself.
 * @param message id of the message; without it the address says only that it was made here, and reports mark nothing
 */
export function returnPath(
  { secrets, clock }: Pick<ForwardNeeds, 'secrets' | 'clock'>,
  sender: string,
  domain: string,
  message?: string,
): string {
  if (sender === '') return '';
  const day = dayNumber(clock.now());
  const mac = (text: string) => secrets.mac(srsPurpose, text);
  const make = (one: string, tag?: string) => makeSrs({ sender: one, domain, day, mac, tag });
  const nobody = `sender@${domain}`;
  const tag = message === undefined ? undefined : tagOf(message);
  return make(sender, tag) ?? make(nobody, tag) ?? make(sender) ?? make(nobody) ?? '';
}

/** What a return address calls a message: the last digits of its id, which are random. */
export function tagOf(message: string): string {
  return message.slice(-10).toLowerCase();
}

/** Whether a message has been here for the same mailbox before. */
export function isLoop(secrets: Secrets, message: Message, mailbox: string): boolean {
  const marks = secrets
    .macs(loopPurpose, mailbox)
    .map((mac) => mac.toString('base64url').slice(0, loopLength));
  return message.fields.some(
    (field) =>
      (isNamed(field, loopField) && marks.some((mark) => constantTimeEqual(mark, field.value))) ||
      (isNamed(field, 'Delivered-To') && field.value.toLowerCase() === mailbox),
  );
}

/** The two fields by which `isLoop` knows a message again. */
export function loopMarks(secrets: Secrets, mailbox: string): string[] {
  const mark = secrets.mac(loopPurpose, mailbox).toString('base64url').slice(0, loopLength);
  return [`Delivered-To: ${mailbox}`, `${loopField}: ${mark}`];
}

/** Where it came from (RFC 5321 section 4.4), without the one it is for. */
export function receivedField(
  { name, clock }: Pick<ForwardNeeds, 'name' | 'clock'>,
  { helo, client, tls }: Pick<Arrival, 'helo' | 'client' | 'tls'>,
  id: string,
): string {
  const said = /^[a-z0-9.:[\]_-]{1,255}$/i.test(helo) ? helo : 'unknown';
  const address = client.includes(':') ? `IPv6:${client}` : client;
  const date = clock.now().toUTCString().replace('GMT', '+0000');
  return `Received: from ${said} ([${address}])\r\n\tby ${name} with ESMTP${tls ? 'S' : ''} id ${id};\r\n\t${date}`;
}

/** The message as it came, with what we know of it before it: no byte that its sender has signed is touched. */
export function passedOn(
  needs: ForwardNeeds,
  given: {
    raw: Buffer;
    arrival: Arrival;
    id: string;
    mailbox?: string;
    authentication?: AuthenticationResult;
  },
): Buffer {
  const { raw, arrival, id, mailbox, authentication } = given;
  return withHeaders(raw, {
    prepend: [
      ...(mailbox === undefined ? [] : loopMarks(needs.secrets, mailbox)),
      receivedField(needs, arrival, id),
      ...(authentication ? [resultField(authentication)] : []),
    ],
    remove: isOwnResult(needs),
  });
}

/** What we found proved (RFC 8601). */
export function resultField({ header }: AuthenticationResult): string {
  return `Authentication-Results: ${header}`;
}

/** Whether a field says in our name what was proved, and came from others (RFC 8601 section 5). */
export function isOwnResult({ name }: Pick<ForwardNeeds, 'name'>) {
  return (_name: string, field: HeaderField): boolean =>
    isNamed(field, 'Authentication-Results') &&
    field.value.split(';')[0]!.trim().toLowerCase() === name.toLowerCase();
}

/** The same marks for a message that was written anew. */
export function marked(
  needs: ForwardNeeds,
  { raw, arrival, id, mailbox }: { raw: Buffer; arrival: Arrival; id: string; mailbox: string },
): Buffer {
  return withHeaders(raw, {
    prepend: [...loopMarks(needs.secrets, mailbox), receivedField(needs, arrival, id)],
  });
}

export type Sent = { host: string; response: string } | { refusal: Refusal; answer?: string };

/** Hands a message to a smart host. Its own words are for operators: they may hold the address it was for. */
export async function send(
  { smartHosts }: { smartHosts?: Pick<SmartHosts, 'forward'> },
  mail: { from: string; to: string; raw: Buffer; deadline: number },
): Promise<Sent> {
  if (!smartHosts) return { refusal: refuse('no-smart-host') };
  try {
    return await smartHosts.forward(mail);
  } catch (error) {
    if (!(error instanceof MailFailed)) throw error;
    const reason = error.permanent ? 'smart-host-refused' : 'smart-host-away';
    return { refusal: refuse(reason), answer: error.response };
  }
}
