/** What would be decided about an arrival now, and why: the same decision as the listener's, with nothing noted. */

import { type Database, system } from '#kit/db/database.ts';
import type { Log } from '#kit/log/log.ts';
import {
  type AliasRecipient,
  type Arrival,
  admit,
  choiceFault,
  type JudgeNeeds,
  notedAs,
  roomOf,
} from './judge.ts';
import { allowLists } from './lists.ts';
import { followLists } from './lists-in-force.ts';
import { type RecipientClass, usedToday } from './messages.ts';
import { canonicalNetwork } from './networks.ts';
import { createOwners } from './owners.ts';
import { createPlaces } from './places.ts';
import { type RelayReason, reasonForOperators } from './reasons.ts';
import { type Refusal, type RefusalReason, refuse } from './refusals.ts';
import type { MessageClass, Proof, RelayMode } from './settings.ts';
import { followRules, type RelayRules, type RuledApp } from './settings-kept.ts';

export interface ExplainedApp {
  application: string;
  title: string;
  mode: RelayMode;
  /** What the message itself still has to fulfil. */
  domains: string[];
  require: Proof[];
  /** What of it is refused now even so, by the choices of the person and the budgets of the day. */
  holds: Hold[];
}

export interface Hold {
  reason: RelayReason;
  because: string;
  /** What the sender would be told once the text is there. */
  answer: string;
  /** Classes of message it is true of, of those that the rules of the app tell apart. */
  classes: MessageClass[];
}

export interface Explained {
  /** Whether RCPT would be answered with a yes. */
  admitted: boolean;
  recipientClass: RecipientClass;
  /** Whose mailbox it is, where it is somebody's. */
  person?: string;
  reason?: RelayReason;
  /** Why, in a sentence for operators. */
  because: string;
  /** What the sender would be told, where nothing would be passed on: at RCPT, or once the text is there. */
  answer?: string;
  /** Apps that may write from there with this envelope sender. */
  apps: ExplainedApp[];
  /** Allow-lists that name the client. */
  lists: string[];
}

export type ExplainNeeds = Omit<JudgeNeeds, 'rules' | 'lists' | 'database' | 'owners' | 'places'> & {
  database: Database;
  log: Log;
};

/** The address an arrival is said to come from: an address, or the first of a network; undefined for anything else. */
export function readClient(text: string): string | undefined {
  return canonicalNetwork(text)?.split('/')[0];
}

/**
 * Asks `admit` with the settings and lists as they are in the database now.
 * @param arrival.sender '' is the null sender
 */
export async function explainArrival(
  needs: ExplainNeeds,
  arrival: Pick<Arrival, 'client' | 'sender' | 'recipient' | 'tls'>,
): Promise<Explained> {
  const rules = followRules(needs);
  const lists = followLists(needs);
  await Promise.all([rules.refresh(), lists.refresh()]);
  const known = await needs.database.read(system('request'), allowLists);
  const holding = known
    .map(({ name }) => name)
    .filter((name) => lists.listsNow().contains(name, arrival.client));
  const gathered = { owners: createOwners(needs.database), places: createPlaces(needs.database) };
  const decided = await admit(
    { ...needs, ...gathered, rules, lists },
    { helo: '', via: 'relay', ...arrival },
  );
  if ('refusal' in decided) {
    const { refusal } = decided;
    const { person, recipientClass } = notedAs(decided);
    const { reason } = refusal;
    return {
      admitted: false,
      recipientClass,
      person,
      reason,
      because: reasonForOperators(reason),
      answer: spoken(refusal),
      apps: [],
      lists: holding,
    };
  }
  const { recipient, candidates } = decided;
  if (recipient.class !== 'alias')
    return {
      admitted: true,
      recipientClass: recipient.class,
      because: yes[recipient.class as keyof typeof yes],
      apps: [],
      lists: holding,
    };
  const apps = await holdsOf(needs.database, rules.now(), recipient, candidates);
  const shut = apps.every(isShut) ? apps[0]?.holds[0] : undefined;
  return {
    admitted: true,
    recipientClass: 'alias',
    person: recipient.person,
    reason: shut?.reason,
    because: shut?.because ?? yes.alias,
    answer: shut?.answer,
    apps: apps.map(({ classes: _classes, ...app }) => app),
    lists: holding,
  };
}

const spoken = ({ code, enhanced, text }: Refusal) => `${code} ${enhanced} ${text}`;

type HeldApp = ExplainedApp & { classes: readonly MessageClass[] };

/** Reads what is used of the budgets, where a message would take a place: asking changes nothing. */
async function holdsOf(
  database: Database,
  rules: RelayRules,
  { person, choices }: AliasRecipient,
  candidates: readonly RuledApp[],
): Promise<HeldApp[]> {
  return database.read(system('request'), (tx) =>
    Promise.all(
      candidates.map(async (app): Promise<HeldApp> => {
        const { id, title, settings } = app;
        const { mode, domains, require } = settings;
        const used = await usedToday(tx, id, person);
        const faultOf = (messageClass: MessageClass) => {
          const { perPerson, perApp } = roomOf(rules, app, messageClass);
          const isFull = used.app >= perApp ? 'app-budget' : undefined;
          return (
            choiceFault(choices, id, messageClass) ?? (used.person >= perPerson ? 'person-budget' : isFull)
          );
        };
        // What fits no rule is a notification.
        const named = settings.messageClasses.map((rule) => rule.class);
        const classes = [...new Set<MessageClass>(['notification', ...named])];
        const holds = [...Map.groupBy(classes, faultOf)].flatMap(([reason, held]) =>
          reason === undefined ? [] : holdOf(reason, held),
        );
        return { application: id, title, mode, domains, require, holds, classes };
      }),
    ),
  );
}

function holdOf(reason: RefusalReason, classes: MessageClass[]): Hold {
  return { reason, because: reasonForOperators(reason), answer: spoken(refuse(reason)), classes };
}

/** Nothing that the app sends would be passed on. */
function isShut({ holds, classes }: HeldApp): boolean {
  return holds.flatMap((hold) => hold.classes).length === classes.length;
}

const yes = {
  alias: 'Its text would be taken; what an app has to prove is looked at then.',
  bounce: 'A report about mail that was passed on: it is taken, counted, and goes nowhere.',
  reply: 'An answer of the person whom this way of answering belongs to; it has to be proved to be theirs.',
  postmaster: 'Mail to the operators: it is passed on to them, so many a day from one network.',
} as const;
