/**
 * What becomes of a message once it is there: read, proved, judged, passed on, noted. The sender hears yes when the next
 * server has taken it, and never before; whatever goes wrong on our side is an answer to try again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { system } from '#kit/db/database.ts';
import { type Limits, networkKey } from '#kit/limits/limits.ts';
import type { Log } from '#kit/log/log.ts';
import { ThreadsBusy } from '#kit/threads/threads.ts';
import {
  decodeHeader,
  headerValue,
  isNamed,
  type Message,
  MessageRefused,
  readMessage,
} from '#wire/smtp/message.ts';
import { type AuthenticationResult, type Authenticator, proofsOf } from './authenticate.ts';
import { type ForwardNeeds, isLoop, marked, passedOn, returnPath, send } from './forward.ts';
import { type Admission, type JudgeNeeds, judge, type MessageFacts } from './judge.ts';
import type { NewMessage } from './messages.ts';
import { noteBounce } from './messages.ts';
import type { Notes } from './notes.ts';
import { postmasterLimit, postmasters } from './postmaster.ts';
import type { RelayReason } from './reasons.ts';
import type { AliasRecipient, Arrival } from './recipients.ts';
import { isLater, type Refusal, refuse } from './refusals.ts';
import { answer, type ReplyNeeds } from './replies.ts';
import { rewrite, withoutChain } from './rewrite.ts';
import type { Sealer } from './seal.ts';

export interface ArrivalNeeds extends JudgeNeeds, ForwardNeeds {
  database: JudgeNeeds['database'] & ReplyNeeds['database'] & Parameters<typeof noteBounce>[0];
  limits: Limits;
  log: Log;
  notes: Notes;
  authenticator: Pick<Authenticator, 'authenticate'>;
  sealer: Pick<Sealer, 'arc' | 'dkim'>;
  threads: ReplyNeeds['threads'];
}

/** A message that has come in full. */
export interface Received {
  id: string;
  arrival: Arrival;
  admission: Admission;
  raw: Buffer;
  /** When its first byte came, by the machine's clock (milliseconds since 1970). */
  began: number;
}

/** What the sender is told. */
export type Reply = { code: 250; text: string } | Refusal;

/** From the first byte of a message to our answer, with a reserve: senders wait ten minutes at least. */
const exchangeMs = 280_000;
/** How long the sender waits for what became of a message to be noted once it is out. */
const mostNoteMs = 5_000;

/** Largest message for this recipient. */
export function mostBytesFor({ recipient, candidates }: Admission): number {
  if (recipient.class !== 'alias') return 10_000_000;
  return Math.max(...candidates.map(({ settings }) => settings.maxBytes));
}

/** Decides about a message, passes it on and notes it. Never throws. */
export async function receive(needs: ArrivalNeeds, received: Received): Promise<Reply> {
  const { recipient } = received.admission;
  const notes = entriesOf(needs, received);
  try {
    switch (recipient.class) {
      case 'alias':
        return await toAlias(needs, received, recipient, notes);
      case 'bounce':
        return await toNobody(needs, received, recipient, notes);
      case 'postmaster':
        return await toOperators(needs, received, notes);
      case 'reply':
        return await toCounterpart(needs, received, notes);
      case 'none':
        throw new Error('Nobody is written to whom nobody is behind.');
    }
  } catch (error) {
    if (error instanceof MessageRefused) return notes.refused(refuse('message-form'));
    if (error instanceof ThreadsBusy) return notes.refused(refuse('busy'));
    needs.log.error(
      { err: error, code: 'relay-failed', message: received.id },
      'a message could not be judged',
    );
    return notes.refused(refuse('fault'));
  }
}

interface Entries {
  /** Adds to what is known of the message. */
  add(facts: Partial<NewMessage>): void;
  refused(refusal: Refusal): Promise<Refusal>;
  done(verdict: 'relayed' | 'absorbed' | 'dropped', reason: RelayReason): Promise<Reply>;
}

function entriesOf({ notes }: ArrivalNeeds, { id, arrival, admission, raw, began }: Received): Entries {
  const { sender, recipient, client, via } = arrival;
  let known: Partial<NewMessage> = {};
  const note = (verdict: NewMessage['verdict'], reason: RelayReason) =>
    notes.note({
      recipientClass: admission.recipient.class,
      via,
      sender,
      recipient,
      client,
      bytes: raw.length,
      tookMs: Date.now() - began,
      ...known,
      id,
      verdict,
      reason,
    });
  return {
    add(facts) {
      known = { ...known, ...facts };
    },
    async refused(refusal) {
      // Whoever is refused does not wait for the log.
      void note(isLater(refusal) ? 'deferred' : 'refused', refusal.reason);
      return refusal;
    },
    async done(verdict, reason) {
      // The message is out: the log may take its time, the sender does not wait for it for long.
      await Promise.race([note(verdict, reason), sleep(mostNoteMs, undefined, { ref: false })]);
      return { code: 250, text: `2.0.0 Taken as ${id}.` };
    },
  };
}

async function toAlias(
  needs: ArrivalNeeds,
  received: Received,
  recipient: AliasRecipient,
  notes: Entries,
): Promise<Reply> {
  const { raw, arrival, admission, id } = received;
  const { person, mailbox } = recipient;
  notes.add({
    person,
    application: admission.candidates.length === 1 ? admission.candidates[0]!.id : undefined,
  });
  const message = readMessage(raw);
  notes.add({ messageId: messageIdOf(message) });
  if (isLoop(needs.secrets, message, mailbox)) return notes.refused(refuse('loop'));
  const from = await authorOf(message);
  notes.add({ headerFrom: from?.address });
  if (!from) return notes.refused(refuse('message-form'));
  const isAsked = admission.candidates.some(({ settings }) => settings.require.length > 0);
  const authentication = isAsked ? await authenticate(needs, received) : undefined;
  const judged = await judge(needs, admission, factsOf(message, from, raw.length, authentication));
  if ('refusal' in judged) {
    notes.add({ application: judged.application });
    const isUnsure = authentication?.temporary && /^(?:unproved|dmarc)$/.test(judged.refusal.reason);
    return notes.refused(isUnsure ? refuse('dns') : judged.refusal);
  }
  const { app, messageClass } = judged;
  notes.add({ application: app.id, messageClass, mode: app.settings.mode });
  const place = { at: needs.clock.now(), application: app.id, person };
  try {
    const leaving =
      app.settings.mode === 'rewritten'
        ? await rewritten(needs, { raw, message, app, recipient, arrival, id, authentication })
        : await transparent(needs, { raw, arrival, id, mailbox, authentication });
    const sent = await send(needs, {
      from: returnPath(needs, arrival.sender, domainOf(mailbox), id),
      to: recipient.to,
      raw: leaving,
      deadline: received.began + exchangeMs,
    });
    if ('host' in sent) {
      notes.add({ smartHost: sent.host, answer: sent.response });
      return notes.done('relayed', 'passed-on');
    }
    notes.add({ answer: sent.answer });
    await needs.places.giveBack(place);
    return notes.refused(sent.refusal);
  } catch (error) {
    await needs.places.giveBack(place).catch(() => undefined);
    throw error;
  }
}

function authenticate(needs: ArrivalNeeds, { raw, arrival }: Received): Promise<AuthenticationResult> {
  const { client, helo, sender } = arrival;
  return needs.authenticator.authenticate({ raw, client, helo, sender, mta: needs.name });
}

async function transparent(
  needs: ArrivalNeeds,
  given: Parameters<typeof passedOn>[1] & { mailbox: string },
): Promise<Buffer> {
  const raw = passedOn(needs, given);
  const { authentication, mailbox } = given;
  if (!authentication) return raw;
  return Buffer.concat([await needs.sealer.arc({ raw, domain: domainOf(mailbox), authentication }), raw]);
}

async function rewritten(
  needs: ArrivalNeeds,
  given: Omit<Parameters<typeof rewrite>[1], 'domains' | 'keepsChain'> & {
    recipient: AliasRecipient;
    arrival: Arrival;
    id: string;
    authentication?: AuthenticationResult;
  },
): Promise<Buffer> {
  const { recipient, arrival, id, authentication } = given;
  const { mailbox } = recipient;
  const domain = domainOf(mailbox);
  const { domains } = needs.rules.now();
  const keepsChain = authentication !== undefined && authentication.arc.result !== 'none';
  const anew = await rewrite(needs, { ...given, domains, keepsChain });
  const raw = marked(needs, { raw: anew, arrival, id, mailbox });
  const signed = Buffer.concat([await needs.sealer.dkim({ raw, domain }), raw]);
  if (!authentication) return signed;
  // The signature of the app is gone with its From: what it proved to us stands in the seal over what we made of it.
  const set = await needs.sealer.arc({ raw: signed, domain, authentication });
  return set.length > 0 ? Buffer.concat([set, signed]) : keepsChain ? withoutChain(signed) : signed;
}

/**
 * A report about mail of ours: what it says is kept with that mail, and it goes nowhere. It speaks of the one message
 * whose return address it came to, whatever it names: anyone may know the id of another.
 */
async function toNobody(
  needs: ArrivalNeeds,
  { raw }: Received,
  { notice, tag }: { notice?: string; tag?: string },
  notes: Entries,
): Promise<Reply> {
  if (notice !== undefined) {
    await needs.ownMail?.take(notice, raw);
    return notes.done('absorbed', 'report');
  }
  const { readDsn } = await import('#wire/smtp/dsn.ts');
  const report = await readDsn(raw);
  const failed = report?.recipients.find(({ action }) => action === 'failed');
  if (failed && report?.originalMessageId) {
    const { originalMessageId: messageId } = report;
    notes.add({ messageId });
    if (tag !== undefined)
      await noteBounce(needs.database, {
        messageId,
        tag,
        status: failed.status || '5.0.0',
        at: needs.clock.now(),
      });
  }
  return notes.done('absorbed', 'report');
}

async function toOperators(needs: ArrivalNeeds, received: Received, notes: Entries): Promise<Reply> {
  const { raw, arrival, id, began } = received;
  const message = readMessage(raw);
  notes.add({ messageId: messageIdOf(message) });
  const mailbox = arrival.recipient.toLowerCase();
  if (isLoop(needs.secrets, message, mailbox)) return notes.refused(refuse('loop'));
  const key = `relay-postmaster:${networkKey(arrival.client)}`;
  if (!(await needs.limits.take(key, postmasterLimit)).allowed)
    return notes.refused(refuse('postmaster-limit'));
  const [to, ...more] = await needs.database.read(system('request'), postmasters);
  if (to === undefined) return notes.refused(refuse('no-postmaster'));
  const domain = needs.rules.now().domains[0] ?? domainOf(mailbox);
  const mail = {
    from: returnPath(needs, arrival.sender, domain, id),
    raw: passedOn(needs, { raw, arrival, id, mailbox }),
    deadline: began + exchangeMs,
  };
  const sent = await send(needs, { ...mail, to });
  if (!('host' in sent)) {
    notes.add({ answer: sent.answer });
    return notes.refused(sent.refusal);
  }
  // One of them has it: the others get it where that is possible.
  for (const other of more) await send(needs, { ...mail, to: other });
  notes.add({ smartHost: sent.host, answer: sent.response });
  return notes.done('relayed', 'passed-on');
}

/** The answer of a person to an app. */
async function toCounterpart(needs: ArrivalNeeds, received: Received, notes: Entries): Promise<Reply> {
  const { recipient } = received.admission;
  if (recipient.class !== 'reply') throw new Error('This is no answer.');
  const { counterpart } = recipient;
  notes.add({ person: counterpart.person, application: counterpart.application });
  const { raw, arrival, began } = received;
  const authentication = await authenticate(needs, received);
  const answered = await answer(needs, { raw, counterpart, sender: arrival.sender, authentication });
  if ('drop' in answered) return notes.done('dropped', answered.drop);
  if ('refusal' in answered) return notes.refused(answered.refusal);
  const domain = domainOf(counterpart.mailbox);
  const signature = await needs.sealer.dkim({ raw: answered.raw, domain });
  const sent = await send(needs, {
    ...answered,
    raw: Buffer.concat([signature, answered.raw]),
    deadline: began + exchangeMs,
  });
  if ('host' in sent) {
    notes.add({ smartHost: sent.host, answer: sent.response });
    return notes.done('relayed', 'passed-on');
  }
  notes.add({ answer: sent.answer });
  return notes.refused(sent.refusal);
}

function factsOf(
  message: Message,
  from: Author,
  bytes: number,
  authentication: AuthenticationResult | undefined,
): MessageFacts {
  const value = (name: string) => headerValue(message, name);
  const { dmarc } = authentication ?? {};
  return {
    headerFrom: from.address,
    fromDomain: from.domain,
    from: decodeHeader(value('from') ?? ''),
    subject: decodeHeader(value('subject') ?? ''),
    listId: value('list-id'),
    bytes,
    proofs: authentication
      ? proofsOf(authentication, from.domain)
      : { spf: false, dkim: false, dmarc: false },
    dmarcRefuses: dmarc?.result === 'fail' && dmarc.policy === 'reject',
    autoSubmitted: !/^(?:no)?$/i.test(value('auto-submitted')?.trim() ?? ''),
    hops: message.fields.filter((field) => isNamed(field, 'received')).length,
  };
}

interface Author {
  address: string;
  domain: string;
}

/** The one address in From, in small letters; undefined where there is not exactly one. */
async function authorOf(message: Message): Promise<Author | undefined> {
  const { addressParser } = await import('postal-mime');
  // Whoever stands in a group is not named alone: servers differ in whom they take it to be from.
  const found = addressParser(headerValue(message, 'from') ?? '');
  const address = found[0]?.address?.toLowerCase() ?? '';
  const isOne = found.length === 1 && address.length <= 254 && /^[^\s@<>]+@[^\s@<>]+$/.test(address);
  return isOne ? { address, domain: domainOf(address) } : undefined;
}

function messageIdOf(message: Message): string | undefined {
  return /<[^<>\s]{1,290}>/.exec(headerValue(message, 'message-id') ?? '')?.[0];
}

function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1);
}
