/** What the pages about mail show: the mailbox, what each app may send, what became of it, and who was refused. */
import { listMailboxes, type Mailbox } from '#core/aliases/mailboxes.ts';
import { listApplications } from '#core/applications/applications.ts';
import { groupKey, groupsOf } from '#core/groups/groups.ts';
import { listAddresses } from '#core/people/people.ts';
import { mayEnter } from '#core/profile/profile.ts';
import {
  type Choice,
  choiceFor,
  choicesOf,
  listRequests,
  type SenderRequest,
  undecided,
} from '#fronts/relay/choices.ts';
import { listMessages, messagesOf, type NotedMessage } from '#fronts/relay/messages.ts';
import { relayApps } from '#fronts/relay/settings-kept.ts';
import type { Tx } from '#kit/db/tx.ts';

export interface MailApp {
  id: string;
  title: string;
  mode: 'transparent' | 'rewritten';
  /** The community has switched its mail off. */
  off: boolean;
  choices: Omit<Choice, 'application'>;
}

export type MyMessage = Awaited<ReturnType<typeof messagesOf>>[number];

/** Somebody whose mail to this person was refused for who they are, by the domain they wrote from. */
export interface Stranger {
  domain: string;
  count: number;
  last: Date;
  /** The person has asked for them already. */
  asked: boolean;
}

export interface MailFacts {
  mailbox?: Mailbox;
  earlier: Mailbox[];
  /** Where mail is passed on to; undefined where no main address is confirmed. */
  real?: string;
  paused: boolean;
  apps: MailApp[];
  titles: ReadonlyMap<string, string>;
  messages: MyMessage[];
  /** There are older ones. */
  more: boolean;
  strangers: Stranger[];
  requests: SenderRequest[];
}

const pageSize = 25;
/** As many refusals as are looked through for who was refused. */
const lookedThrough = 500;
/** Refusals for who the sender is; a request can do something about these alone. */
const forWhoItIs: ReadonlySet<string> = new Set(['no-sender', 'from', 'unproved', 'dmarc']);

/** @param before id of the last message of the page before */
export async function mailFacts(tx: Tx, person: string, before?: string): Promise<MailFacts> {
  const mailboxes = (await listMailboxes(tx, [person])).get(person) ?? [];
  const choices = await choicesOf(tx, person);
  const titles = new Map((await listApplications(tx)).map((one) => [one.id, one.settings.title]));
  const found = await messagesOf(tx, person, { before, limit: pageSize + 1 });
  const requests = await listRequests(tx, { person, limit: 20 });
  return {
    mailbox: mailboxes.find((one) => one.state === 'current'),
    earlier: mailboxes.filter((one) => one.state === 'kept'),
    real: (await listAddresses(tx, [person])).find((one) => one.primary && one.verifiedAt)?.address,
    paused: isAllPaused(choices),
    apps: await mailApps(tx, person, choices),
    titles,
    messages: found.slice(0, pageSize),
    more: found.length > pageSize,
    strangers: await strangersOf(tx, person, requests),
    requests,
  };
}

/** Whether the person holds off everything. */
export function isAllPaused(choices: readonly Choice[]): boolean {
  return choices.find((one) => one.application === undefined)?.paused ?? false;
}

/** The apps that may write and that this person may enter, by title. */
export async function mailApps(tx: Tx, person: string, choices: readonly Choice[]): Promise<MailApp[]> {
  // What pausing everything does to an app is said once, above all of them.
  const own = (id: string) => ({
    ...choiceFor(choices, id),
    paused: (choices.find((one) => one.application === id) ?? undecided).paused,
  });
  const known = new Map((await relayApps(tx)).map((one) => [one.id, one]));
  const keys = ((await groupsOf(tx, [person])).get(person) ?? []).map(({ name }) => groupKey(name));
  return (await listApplications(tx))
    .flatMap((application): MailApp[] => {
      const { id, settings } = application;
      const mail = known.get(id);
      if (!mail || !settings.enabled || !mayEnter(application, keys)) return [];
      const { mode, off } = mail.settings;
      return [{ id, title: settings.title, mode, off, choices: own(id) }];
    })
    .sort((one, other) => one.title.localeCompare(other.title));
}

/** Who was refused for who they are, the latest first; whoever may write since then is none of them. */
async function strangersOf(tx: Tx, person: string, requests: readonly SenderRequest[]): Promise<Stranger[]> {
  const refused = await listMessages(tx, { person, verdict: 'refused' }, { limit: lookedThrough });
  const asked = new Set(requests.filter((one) => one.state === 'open').map((one) => one.sender));
  // The latest request comes first.
  const answered = new Map(requests.toReversed().map((one) => [one.sender, one]));
  const isAllowedSince = ({ domain, last }: Stranger) => {
    const { state, decidedAt } = answered.get(domain) ?? {};
    return state === 'allowed' && decidedAt !== undefined && last <= decidedAt;
  };
  const found = new Map<string, Stranger>();
  for (const message of refused) {
    const domain = domainOf(message);
    if (!forWhoItIs.has(message.reason) || !domain) continue;
    const one = found.get(domain) ?? { domain, count: 0, last: message.at, asked: asked.has(domain) };
    found.set(domain, { ...one, count: one.count + 1 });
  }
  return [...found.values()].filter((one) => !isAllowedSince(one)).slice(0, 20);
}

/** The domain somebody wrote from, as their message said it. */
export function domainOf({
  headerFrom,
  sender,
}: Pick<NotedMessage, 'headerFrom' | 'sender'>): string | undefined {
  const said = (headerFrom || sender || '').split('@').at(-1)?.toLowerCase() ?? '';
  return /^(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$/.test(said)
    ? said
    : undefined;
}
