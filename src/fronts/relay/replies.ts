/**
 * Answers of people to a reverse alias: they reach the app as coming from the alias mailbox. What is let through is named
 * header by header; the body stays as it is, and is refused where it shows an address that the app does not know, unless
 * the person allows that for this app.
 */
import { findApplication } from '#core/applications/applications.ts';
import { parseAddress } from '#core/people/names.ts';
import { listAddresses } from '#core/people/people.ts';
import { profilesFor } from '#core/profile/profile.ts';
import type { Clock } from '#kit/clock/clock.ts';
import { newId } from '#kit/crypto/ids.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import { type Database, system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { Limits } from '#kit/limits/limits.ts';
import type { Threads } from '#kit/threads/threads.ts';
import {
  decodeHeader,
  headerValue,
  isNamed,
  type Message,
  MessageRefused,
  readMessage,
} from '#wire/smtp/message.ts';
import { type AuthenticationResult, isProved } from './authenticate.ts';
import { choiceFor, choicesOf } from './choices.ts';
import { idsPassedOn } from './counterparts.store.ts';
import { type Counterpart, startOfAlias } from './counterparts.ts';
import { returnPath } from './forward.ts';
import { dateText, encodeText, mailboxText, plainLine } from './header-text.ts';
import { showsAddress } from './leak-views.ts';
import type { Leak } from './leaks.ts';
import { idsField, openId, readIds, sealId } from './message-ids.ts';
import type { RelayReason } from './reasons.ts';

export interface ReplyNeeds {
  database: Pick<Database, 'read'>;
  secrets: Secrets;
  clock: Clock;
  limits: Limits;
  /** Of `createRelayThreads`. */
  threads: Pick<Threads, 'run'>;
}

export interface ReplyInput {
  /** Of this message in our log: reports about the answer name it. */
  id: string;
  raw: Buffer;
  counterpart: Counterpart;
  /** Envelope sender; '' is the null sender. */
  sender: string;
  authentication: AuthenticationResult;
}

export interface ReplyRefusal {
  code: number;
  enhanced: string;
  text: string;
  reason: RelayReason;
}

export type ReplyAnswer =
  | { raw: Buffer; from: string; to: string }
  | { refusal: ReplyRefusal }
  | { drop: RelayReason };

const daySeconds = 86_400;
const perPerson = { points: 300, windowSeconds: daySeconds };
const perCounterpart = { points: 60, windowSeconds: daySeconds };
const dayMs = daySeconds * 1000;

/**
 * What becomes of an answer. Dropped without a word: what programs write by themselves. Refused: what does not prove to
 * come from a confirmed address of that person, too many, and what shows an address of theirs. Else the message as it
 * leaves, from the alias mailbox to the counterpart, to be signed.
 */
export async function answer(needs: ReplyNeeds, input: ReplyInput): Promise<ReplyAnswer> {
  const { raw, counterpart } = input;
  let message: Message;
  try {
    message = readMessage(raw);
  } catch (error) {
    if (error instanceof MessageRefused)
      return refused('reply-form', 'The answer is written in a form that is not passed on.');
    throw error;
  }
  if (input.sender === '' || isAutomatic(message)) return { drop: 'auto-reply' };
  const ground = await needs.database.read(system('request'), (tx) =>
    readGround(tx, needs.secrets, message, counterpart),
  );
  if (!ground) return refused('standing', 'This way of answering has ended.');
  const author = await authorOf(message);
  const proof = author && ground.verified.has(author.key) ? isFromPerson(author.domain, input) : 'no';
  if (proof === 'later')
    return later('dns', '4.4.3', 'It cannot be checked right now who sent this. Try again later.');
  if (proof === 'no')
    return refused(
      'reply-sender',
      'Answers are taken from a confirmed address of your account alone, proved by SPF or DKIM.',
    );
  // Who got a signed letter of this person elsewhere must not be able to send it on to here.
  if (!isAddressedTo(message, counterpart))
    return refused('reply-sender', 'The address that you answer to has to stand in To or Cc.');
  for (const [key, limit] of [
    [counterpart.person, perPerson],
    [counterpart.id, perCounterpart],
  ] as const) {
    const { allowed } = await needs.limits.take(`relay-reply:${key}`, limit);
    if (!allowed)
      return later('reply-limit', '4.2.2', 'More answers than are passed on a day. Try again tomorrow.');
  }
  const reply = writeReply(needs.secrets, message, raw, counterpart, ground);
  if (!reply) return refused('reply-form', 'The answer is written in a form that is not passed on.');
  if (!ground.reveal) {
    const known = [counterpart.mailbox];
    const { addresses } = ground;
    const leak = await needs.threads.run<Leak | undefined>('findLeak', { raw: reply, addresses, known });
    if (leak) return refused('reply-reveals', explain(leak));
  }
  const { mailbox, address: to } = counterpart;
  // Reports about it come back here, and say of this answer alone that it did not get there.
  const from = returnPath(needs, mailbox, mailbox.slice(mailbox.lastIndexOf('@') + 1), input.id);
  return { raw: reply, from, to };
}

const refused = (reason: RelayReason, text: string): ReplyAnswer => ({
  refusal: { code: 550, enhanced: '5.7.1', text, reason },
});
const later = (reason: RelayReason, enhanced: string, text: string): ReplyAnswer => ({
  refusal: { code: 451, enhanced, text, reason },
});

/** Says what to do, never the address itself: this text travels. */
function explain({ kind, where, name }: Leak): string {
  const file = name ? ` (${plainLine(name.replace(/[^\x20-\x7e]|@.*/g, '_'), 60)})` : '';
  const place = where === 'text' ? 'its text' : `an attached file${file}`;
  // These are put in by the mail program: nobody finds a file to leave out.
  const unsealed = /\.p7[smc]$/i.test(name ?? '') && 'Send it without signing or encrypting it,';
  const advice = {
    text: 'Take it out, say from the quoted part or the signature,',
    attachment: 'Take it out or leave the file out,',
  }[where];
  const does = {
    shown: `Your answer shows your own address in ${place}. ${unsealed || advice}`,
    unreadable: `Your answer has something in ${place} that cannot be searched for your own address. ${unsealed || 'Leave it out,'}`,
    nested: `Your answer has another message attached that tells which way it came. Leave it out,`,
  }[kind];
  return `${does} or allow it for this app under Mail in your account; then send it again.`;
}

interface Ground {
  now: Date;
  /** Every address on the account, as written. */
  addresses: string[];
  verified: ReadonlySet<string>;
  reveal: boolean;
  /** What the app calls the person. */
  name: string;
  /** Ids in this answer that the app gave out itself. */
  passedOn: ReadonlySet<string>;
}

async function readGround(
  tx: Tx,
  secrets: Secrets,
  message: Message,
  { person, application }: Counterpart,
): Promise<Ground | undefined> {
  const ids = readIds(threadValues(message).join(' '));
  const [app, listed, choices, passedOn] = await Promise.all([
    findApplication(tx, application),
    listAddresses(tx, [person]),
    choicesOf(tx, person),
    idsPassedOn(tx, person, ids),
  ]);
  const [profile] = app ? await profilesFor(tx, secrets, app, [person]) : [];
  const choice = choiceFor(choices, application);
  if (!profile?.active || !app?.settings.enabled) return undefined;
  return {
    now: tx.now(),
    addresses: listed.map((one) => one.address),
    verified: new Set(listed.filter((one) => one.verifiedAt).map((one) => one.key)),
    reveal: choice.reveal,
    name: profile.released.name ?? profile.username,
    passedOn,
  };
}

/** RFC 3834 and what came before it: out of office, receipts and reports, mail of lists. */
function isAutomatic(message: Message): boolean {
  const has = (name: string, form: RegExp) =>
    message.fields.some((field) => isNamed(field, name) && form.test(field.value));
  return (
    has('auto-submitted', /^(?!\s*no\s*(?:;|$))/i) ||
    has('precedence', /\b(?:bulk|auto[_-]reply|junk|list)\b/i) ||
    has('content-type', /^\s*multipart\/report\b/i) ||
    has('return-path', /^\s*<\s*>/) ||
    has('user-agent', /\bvacation\b/i) ||
    message.fields.some((field) =>
      /^(?:x-auto-?reply(?:-from)?|x-autorespond(?:er)?|x-mail-autoreply|x-auto-response|x-vacation|vacation|list-id)$/i.test(
        field.name,
      ),
    )
  );
}

async function authorOf(message: Message): Promise<{ key: string; domain: string } | undefined> {
  const { addressParser } = await import('postal-mime');
  const found = addressParser(headerValue(message, 'from') ?? '', { flatten: true });
  const address = found.length === 1 ? found[0]!.address : undefined;
  if (!address?.includes('@')) return undefined;
  try {
    const { key } = parseAddress(address);
    return { key, domain: key.slice(key.lastIndexOf('@') + 1) };
  } catch {
    return undefined;
  }
}

/** From is proved, and the envelope sender belongs to what proves it: nobody sends on what a person wrote to others. */
function isFromPerson(domain: string, { authentication, sender }: ReplyInput): 'yes' | 'no' | 'later' {
  const proved = isProved(authentication, domain, ['dmarc']);
  if (proved !== 'yes') return proved;
  const from = sender.slice(sender.lastIndexOf('@') + 1).toLowerCase();
  const spf =
    authentication.spf.result === 'pass' && authentication.spf.aligned
      ? [authentication.spf.domain ?? '']
      : [];
  const signed = authentication.dkim
    .filter((one) => one.result === 'pass' && one.aligned)
    .map((one) => one.domain);
  const belongs = [domain, ...spf, ...signed].some((one) => isWithin(from, one) || isWithin(one, from));
  return belongs ? 'yes' : 'no';
}

function isAddressedTo(message: Message, counterpart: Counterpart): boolean {
  const start = startOfAlias(counterpart.id);
  return message.fields.some(
    (field) => (isNamed(field, 'to') || isNamed(field, 'cc')) && field.value.toLowerCase().includes(start),
  );
}

function isWithin(domain: string, other: string): boolean {
  const [inner, outer] = [domain.toLowerCase(), other.toLowerCase()];
  return outer.includes('.') && (inner === outer || inner.endsWith(`.${outer}`));
}

const threadValues = (message: Message) =>
  message.fields
    .filter((field) => isNamed(field, 'in-reply-to') || isNamed(field, 'references'))
    .map((field) => field.value);

/** Fields that say how the body is to be read: kept as they are, once each. */
const bodyFields = ['Content-Type', 'Content-Transfer-Encoding', 'Content-Language'];

function writeReply(
  secrets: Secrets,
  message: Message,
  raw: Buffer,
  { address, mailbox }: Counterpart,
  ground: Ground,
): Buffer | undefined {
  const domain = mailbox.slice(mailbox.lastIndexOf('@') + 1);
  const kept = bodyFields.flatMap((name) =>
    message.fields.filter((field) => isNamed(field, name)).map((field) => field.raw),
  );
  if (bodyFields.some((name) => message.fields.filter((field) => isNamed(field, name)).length > 1))
    return undefined;
  const name = showsAddress(ground.name, ground.addresses) ? '' : ground.name;
  const [id] = readIds(headerValue(message, 'message-id') ?? '');
  const lines = [
    `From: ${mailboxText(name, mailbox)}`,
    `To: <${address}>`,
    `Subject: ${encodeText(plainLine(decodeHeader(headerValue(message, 'subject') ?? ''), 400))}`,
    `Date: ${dateText(dateOf(message, ground.now))}`,
    `Message-ID: <${id ? sealId(secrets, id, domain) : `${newId()}@${domain}`}>`,
    ...threadFields(secrets, message, ground, { domain, to: address }),
    'MIME-Version: 1.0',
  ];
  const header = Buffer.from(`${lines.join('\r\n')}\r\n`);
  // A message without a body may end without the empty line.
  return Buffer.concat([header, ...kept.map(ended), Buffer.from('\r\n'), raw.subarray(message.bodyStart)]);
}

const ended = (field: Buffer) =>
  field.at(-1) === 0x0a ? field : Buffer.concat([field, Buffer.from('\r\n')]);

/** In UTC, and only when it is about now: a clock can tell whose it is. */
function dateOf(message: Message, now: Date): Date {
  const said = new Date(headerValue(message, 'date') ?? '');
  return Math.abs(said.getTime() - now.getTime()) < dayMs ? said : now;
}

/** The app's own ids stay; all others, those of the person's mail service among them, are sealed as ours. */
function threadFields(
  secrets: Secrets,
  message: Message,
  { addresses, passedOn }: Ground,
  { domain, to }: { domain: string; to: string },
): string[] {
  const theirs = to.slice(to.lastIndexOf('@') + 1);
  const isShared = addresses.some((one) => isWithin(one.slice(one.lastIndexOf('@') + 1), theirs));
  const isTheirs = (id: string) =>
    passedOn.has(id) ||
    openId(secrets, id) !== undefined ||
    (!isShared && isWithin(id.slice(id.lastIndexOf('@') + 1), theirs));
  return ['In-Reply-To', 'References'].flatMap((name) => {
    const values = message.fields.filter((field) => isNamed(field, name)).map((field) => field.value);
    const ids = readIds(values.join(' ')).map((id) => (isTheirs(id) ? id : sealId(secrets, id, domain)));
    return ids.length === 0 ? [] : [idsField(name, ids)];
  });
}
