/**
 * A message whose text is there, as far as the decision about it: read, proved, judged. The same whether it came to us or
 * a Postfix holds it.
 */
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
import type { Entries, Received } from './entries.ts';
import { isLoop } from './forward.ts';
import { type JudgeNeeds, judge, type MessageFacts } from './judge.ts';
import { postmasterLimit } from './postmaster.ts';
import type { AliasRecipient } from './recipients.ts';
import { type Refusal, refuse } from './refusals.ts';
import type { RuledApp } from './settings-kept.ts';

export interface WeighNeeds extends JudgeNeeds {
  authenticator: Pick<Authenticator, 'authenticate'>;
  limits: Limits;
  log: Log;
  /** What we call ourselves. */
  name: string;
}

/** A message of this app that is taken. */
export interface Weighed {
  message: Message;
  app: RuledApp;
  authentication?: AuthenticationResult;
  /** Gives its place in the day's budgets back: it did not go on in the end. */
  giveBack(): Promise<void>;
}

/** Decides about a message to an alias mailbox. Throws MessageRefused for one that programs read differently. */
export async function weighForPerson(
  needs: WeighNeeds,
  received: Received,
  recipient: AliasRecipient,
  notes: Entries,
): Promise<Weighed | { refusal: Refusal }> {
  const { raw, admission } = received;
  const { person, mailbox } = recipient;
  notes.add({
    person,
    application: admission.candidates.length === 1 ? admission.candidates[0]!.id : undefined,
  });
  const message = readMessage(raw);
  notes.add({ messageId: messageIdOf(message) });
  if (isLoop(needs.secrets, message, mailbox)) return { refusal: refuse('loop') };
  const from = await authorOf(message);
  notes.add({ headerFrom: from?.address });
  if (!from) return { refusal: refuse('message-form') };
  const isAsked = admission.candidates.some(({ settings }) => settings.require.length > 0);
  const authentication = isAsked ? await authenticate(needs, received) : undefined;
  const judged = await judge(needs, admission, factsOf(message, from, raw.length, authentication));
  if ('refusal' in judged) {
    notes.add({ application: judged.application });
    const isUnsure = authentication?.temporary && /^(?:unproved|dmarc)$/.test(judged.refusal.reason);
    return { refusal: isUnsure ? refuse('dns') : judged.refusal };
  }
  const { app, messageClass } = judged;
  notes.add({ application: app.id, messageClass, mode: app.settings.mode });
  const place = { at: needs.clock.now(), application: app.id, person };
  return { message, app, authentication, giveBack: () => needs.places.giveBack(place) };
}

/** Why mail to postmaster or abuse is not taken; undefined where it is. Throws as `weighForPerson` does. */
export async function weighForOperators(
  needs: WeighNeeds,
  { raw, arrival }: Received,
  notes: Entries,
): Promise<Refusal | undefined> {
  const message = readMessage(raw);
  notes.add({ messageId: messageIdOf(message) });
  if (isLoop(needs.secrets, message, arrival.recipient.toLowerCase())) return refuse('loop');
  const key = `relay-postmaster:${networkKey(arrival.client)}`;
  const { allowed } = await needs.limits.take(key, postmasterLimit);
  return allowed ? undefined : refuse('postmaster-limit');
}

/** What the sender hears where the decision ended in an error. */
export function refusalOf({ log }: Pick<WeighNeeds, 'log'>, error: unknown, id: string): Refusal {
  if (error instanceof MessageRefused) return refuse('message-form');
  if (error instanceof ThreadsBusy) return refuse('busy');
  log.error({ err: error, code: 'relay-failed', message: id }, 'a message could not be judged');
  return refuse('fault');
}

/** What is proved of it. */
export function authenticate(
  needs: Pick<WeighNeeds, 'authenticator' | 'name'>,
  { raw, arrival }: Received,
): Promise<AuthenticationResult> {
  const { client, helo, sender } = arrival;
  return needs.authenticator.authenticate({ raw, client, helo, sender, mta: needs.name });
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

/** With angle brackets. */
export function messageIdOf(message: Message): string | undefined {
  return /<[^<>\s]{1,290}>/.exec(headerValue(message, 'message-id') ?? '')?.[0];
}

export function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1);
}
