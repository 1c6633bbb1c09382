/**
 * The decision about a message, the same for our listener and for a Postfix that asks: `admit` when its recipient is
 * known, `judge` when its text is there. All that is set for an app has to hold together; nothing else lets mail in.
 */
import type { Database } from '#kit/db/database.ts';
import { type Choice, choiceFor } from './choices.ts';
import type { ListsInForce } from './lists-in-force.ts';
import type { Places } from './places.ts';
import { type Arrival, type Recipient, type RecipientNeeds, recipientOf } from './recipients.ts';
import { type Refusal, type RefusalReason, refuse } from './refusals.ts';
import type { MessageClass, RelayAppSettings } from './settings.ts';
import { budgetsOf, isBound, type RelayApp, type RelayRules, type RuledApp } from './settings-kept.ts';

export type { AliasRecipient, Arrival, Recipient } from './recipients.ts';
export { type Refusal, refuse } from './refusals.ts';

export interface JudgeNeeds extends RecipientNeeds {
  database: Pick<Database, 'read' | 'query'>;
  places: Places;
  /** Throw as long as nothing was read. */
  rules: { now(): RelayRules };
  lists: { listsNow(): ListsInForce };
}

export interface Admission {
  recipient: Recipient;
  /** Apps that may write from this network, with this envelope sender. */
  candidates: readonly RuledApp[];
  /** Apps that could, were they not switched off, or were the connection encrypted: why a message may be none of the others. */
  closed?: readonly { app: RuledApp; fault: 'app-off' | 'tls' }[];
}

export type Refused = { refusal: Refusal } & Meant;

/** Whose a message is, as far as its recipient tells. */
export interface Meant {
  person?: string;
  application?: string;
  /** It is an answer of the person and no mail to them. */
  isAnswer?: boolean;
}

/** Whose a message is that was taken so far. */
export function meantFor({ recipient, candidates }: Admission): Meant {
  if (recipient.class === 'reply') return answerOf(recipient.counterpart);
  const person = 'person' in recipient ? recipient.person : undefined;
  // Of several that may write from there only the text would say which it is.
  return { person, application: candidates.length === 1 ? candidates[0]!.id : undefined };
}

const answerOf = ({ person, application }: Meant): Meant => ({ person, application, isAnswer: true });

/** What the log says of whose a message is that is refused without its text. */
export function notedAs({ person, application, isAnswer }: Meant): {
  person?: string;
  application?: string;
  recipientClass: 'none' | 'reply' | 'alias';
} {
  const theirs = isAnswer ? 'reply' : 'alias';
  return { person, application, recipientClass: person === undefined ? 'none' : theirs };
}

/**
 * Decides about a recipient (RCPT). Reads the database; throws when it is away, and the answer is 451 4.3.0 then.
 * Whatever is refused for good here is refused with the same words after the same work.
 */
export async function admit(needs: JudgeNeeds, arrival: Arrival): Promise<Admission | Refused> {
  const rules = needs.rules.now();
  const lists = needs.lists.listsNow();
  const judged = rules.apps.map((app) => ({ app, fault: senderFault(app, arrival, lists) }));
  const recipient = await recipientOf(needs, rules, arrival);
  if (rules.house.off) return { refusal: refuse('all-off') };
  if (recipient.class === 'none') {
    const { why, person, answered } = recipient;
    return { refusal: refuse(why), ...(answered ? answerOf(answered) : { person }) };
  }
  if (recipient.class !== 'alias') return { recipient, candidates: [] };
  const candidates = judged.filter(({ fault }) => fault === undefined).map(({ app }) => app);
  const { person } = recipient;
  if (candidates.length === 0) {
    const closest = judged.find(({ fault }) => fault !== 'no-sender');
    return { refusal: refuse(closest?.fault ?? 'no-sender'), person, application: closest?.app.id };
  }
  const fitting = candidates.filter(({ settings }) => (arrival.bytes ?? 0) <= settings.maxBytes);
  if (fitting.length === 0) return { refusal: refuse('size'), person, application: candidates[0]!.id };
  const closed = judged.flatMap(({ app, fault }) =>
    fault === 'app-off' || fault === 'tls' ? [{ app, fault }] : [],
  );
  return { recipient, candidates: fitting, closed };
}

/** Why an app may not write from there; undefined where it may. */
function senderFault(
  { enabled, settings, networks, lists }: RuledApp,
  { client, sender, tls }: Arrival,
  known: ListsInForce,
): 'no-sender' | 'app-off' | 'tls' | undefined {
  const from =
    settings.networks.length === 0 ||
    networks.contains(client) ||
    lists.some((list) => known.contains(list, client));
  const named = settings.envelope.length === 0 || settings.envelope.some((one) => fits(one, sender));
  if (!isBound(settings) || !from || !named) return 'no-sender';
  if (settings.off || !enabled) return 'app-off';
  return settings.tls && !tls ? 'tls' : undefined;
}

/** Whether the client is in a network that an app names as its own: its mail is expected. */
export function isExpected(rules: RelayRules, lists: ListsInForce, client: string): boolean {
  return rules.apps.some(
    (app) => app.networks.contains(client) || app.lists.some((list) => lists.contains(list, client)),
  );
}

/** `*@example.org`, `bounce-*@example.org`; `*.example.org` behind the @ stands for everything below it. */
function fits(pattern: string, address: string): boolean {
  const [local = '', domain = ''] = halves(pattern);
  const [givenLocal, givenDomain] = halves(address.toLowerCase());
  return domainFits(domain, givenDomain) && globFits(local, givenLocal);
}

function halves(address: string): [string, string] {
  const at = address.lastIndexOf('@');
  return at === -1 ? ['', ''] : [address.slice(0, at), address.slice(at + 1)];
}

function domainFits(pattern: string, domain: string): boolean {
  if (domain === '') return false;
  return pattern.startsWith('*.') ? domain.endsWith(pattern.slice(1)) : domain === pattern;
}

/** Pieces between stars have to stand in their order: no pattern makes this slow. */
function globFits(pattern: string, text: string): boolean {
  const pieces = pattern.split('*');
  if (pieces.length === 1) return pattern === text;
  const first = pieces.shift()!;
  const last = pieces.pop()!;
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length)
    return false;
  let at = first.length;
  for (const piece of pieces) {
    const found = text.indexOf(piece, at);
    if (found === -1 || found + piece.length > text.length - last.length) return false;
    at = found + piece.length;
  }
  return true;
}

/** What is known of a message once it is there. */
export interface MessageFacts {
  /** The one address in From, in small letters. */
  headerFrom: string;
  fromDomain: string;
  /** The whole From field, decoded. */
  from: string;
  subject: string;
  listId?: string;
  bytes: number;
  proofs: { spf: boolean; dkim: boolean; dmarc: boolean };
  /** The domain in From asks for what fails DMARC to be refused, and this does. */
  dmarcRefuses: boolean;
  autoSubmitted: boolean;
  /** Servers it has been through. */
  hops: number;
}

export interface Judgement {
  app: RuledApp;
  messageClass: MessageClass;
}

export const mostHops = 30;
/** Where a flood has used a budget up, mail about security still has as much again: a password can be reset. */
const securityRoom = 2;

/** Of several apps that may be meant, the one that came furthest says why it is none. */
const furthest: readonly RefusalReason[] = ['from', 'size', 'unproved', 'dmarc'];

/**
 * Decides about the message itself, and takes a place in the day's budgets of the app and the person. A message that is
 * not passed on in the end has to give it back (`giveBack`).
 */
export async function judge(
  needs: JudgeNeeds,
  { recipient, candidates, closed = [] }: Admission,
  facts: MessageFacts,
): Promise<Judgement | Refused> {
  if (recipient.class !== 'alias') throw new Error('Only mail to alias mailboxes is judged.');
  const { person } = recipient;
  if (facts.hops > mostHops) return { refusal: refuse('loop'), person };
  const judged = candidates.map((app) => ({ app, fault: messageFault(app.settings, facts) }));
  const fitting = judged.find(({ fault }) => fault === undefined)?.app;
  if (!fitting) {
    const shut = closed.find(({ app }) => messageFault(app.settings, facts) !== 'from');
    if (shut) return { refusal: refuse(shut.fault), person, application: shut.app.id };
    const [nearest] = judged.toSorted(
      (one, other) => furthest.indexOf(other.fault!) - furthest.indexOf(one.fault!),
    );
    // What is known by its From alone and is not from there has nothing to do with the app.
    if (!nearest || (nearest.fault === 'from' && !isPlaced(nearest.app.settings)))
      return { refusal: refuse('no-sender'), person };
    return { refusal: refuse(nearest.fault!), person, application: nearest.app.id };
  }
  const application = fitting.id;
  const messageClass = classOf(fitting.settings, facts);
  const refused = (reason: RefusalReason): Refused => ({ refusal: refuse(reason), person, application });
  const unwanted = choiceFault(recipient.choices, application, messageClass);
  if (unwanted) return refused(unwanted);
  const most = roomOf(needs.rules.now(), fitting, messageClass);
  const full = await needs.places.take({ at: needs.clock.now(), application, person, ...most });
  return full ? refused(full === 'person' ? 'person-budget' : 'app-budget') : { app: fitting, messageClass };
}

/** Why the person does not get messages of this class from this app; undefined where they do. */
export function choiceFault(
  choices: readonly Choice[],
  application: string,
  messageClass: MessageClass,
): 'app-paused' | 'unwanted' | undefined {
  const { paused, digests } = choiceFor(choices, application);
  if (paused) return 'app-paused';
  return !digests && (messageClass === 'digest' || messageClass === 'marketing') ? 'unwanted' : undefined;
}

/** How many messages a day there is room for, counting all, when one of this class comes. */
export function roomOf(
  { house }: Pick<RelayRules, 'house'>,
  app: RelayApp,
  messageClass: MessageClass,
): { perPerson: number; perApp: number } {
  const { perPerson, perApp } = budgetsOf(house, app);
  const room = messageClass === 'security' ? securityRoom : 1;
  return { perPerson: perPerson * room, perApp: perApp * room };
}

/** Whether an app is known by where it sends from, or as whom. */
function isPlaced({ networks, envelope }: RelayAppSettings): boolean {
  return networks.length > 0 || envelope.length > 0;
}

/** Why a message is not one of this app; undefined where it is. */
function messageFault(settings: RelayAppSettings, facts: MessageFacts): RefusalReason | undefined {
  const { domains, require, maxBytes } = settings;
  if (domains.length > 0 && !domains.some((one) => domainFits(one, facts.fromDomain))) return 'from';
  if (facts.bytes > maxBytes) return 'size';
  if (require.length > 0 && facts.dmarcRefuses) return 'dmarc';
  return require.every((proof) => facts.proofs[proof]) ? undefined : 'unproved';
}

/** What kind of message it is: the first rule that fits; without one a notification, which is delivered. */
export function classOf(settings: RelayAppSettings, facts: MessageFacts): MessageClass {
  const holds = (part: string | undefined, text: string | undefined) =>
    part === undefined || (text ?? '').toLowerCase().includes(part.toLowerCase());
  const rule = settings.messageClasses.find(
    ({ sender, subject, listId }) =>
      holds(sender, facts.from) && holds(subject, facts.subject) && holds(listId, facts.listId),
  );
  return rule?.class ?? 'notification';
}
