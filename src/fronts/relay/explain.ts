/** What would be decided about an arrival now, and why: the same decision as the listener's, with nothing noted. */

import type { Database } from '#kit/db/database.ts';
import { system } from '#kit/db/database.ts';
import type { Log } from '#kit/log/log.ts';
import { type Arrival, admit, type JudgeNeeds } from './judge.ts';
import { allowLists } from './lists.ts';
import { followLists } from './lists-in-force.ts';
import type { RecipientClass } from './messages.ts';
import { canonicalNetwork } from './networks.ts';
import { createOwners } from './owners.ts';
import { createPlaces } from './places.ts';
import { type RelayReason, reasonForOperators } from './reasons.ts';
import type { Proof, RelayMode } from './settings.ts';
import { followRules } from './settings-kept.ts';

export interface ExplainedApp {
  application: string;
  title: string;
  mode: RelayMode;
  /** What the message itself still has to fulfil. */
  domains: string[];
  require: Proof[];
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
  /** What the sender would be told, where it is no yes. */
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
    const { code, enhanced, text, reason } = decided.refusal;
    return {
      admitted: false,
      recipientClass: decided.person === undefined ? 'none' : 'alias',
      person: decided.person,
      reason,
      because: reasonForOperators(reason),
      answer: `${code} ${enhanced} ${text}`,
      apps: [],
      lists: holding,
    };
  }
  const { recipient, candidates } = decided;
  return {
    admitted: true,
    recipientClass: recipient.class,
    person: recipient.class === 'alias' ? recipient.person : undefined,
    because: yes[recipient.class as keyof typeof yes],
    apps: candidates.map(({ id, title, settings }) => ({
      application: id,
      title,
      mode: settings.mode,
      domains: settings.domains,
      require: settings.require,
    })),
    lists: holding,
  };
}

const yes = {
  alias: 'Its text would be taken; what an app has to prove is looked at then.',
  bounce: 'A report about mail that was passed on: it is taken, counted, and goes nowhere.',
  reply: 'An answer of the person whom this way of answering belongs to; it has to be proved to be theirs.',
  postmaster: 'Mail to the operators: it is passed on to them, so many a day from one network.',
} as const;
