/**
 * Whom a message is for: an alias mailbox, a report coming back, the way of answering of a person, the operators, or
 * nobody. The same statements are run whoever it is, so that their time tells nothing.
 */
import type { Clock } from '#kit/clock/clock.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Database } from '#kit/db/database.ts';
import { parsePath } from '#wire/smtp/addresses.ts';
import { readSrs } from '#wire/smtp/srs.ts';
import type { Choice } from './choices.ts';
import { type Counterpart, readReverse } from './counterparts.ts';
import type { Owners } from './owners.ts';
import type { RelayRules } from './settings-kept.ts';

/** One transaction of one message, before its text is there. */
export interface Arrival {
  /** Address of the client. */
  client: string;
  tls: boolean;
  helo: string;
  /** Envelope sender; '' is the null sender. */
  sender: string;
  /** As it was written, without angle brackets. */
  recipient: string;
  /** As the client says. */
  bytes?: number;
  via: 'relay' | 'postfix';
}

export interface AliasRecipient {
  class: 'alias';
  person: string;
  /** Their alias mailbox, in small letters. */
  mailbox: string;
  /** Confirmed main address: nothing a sender reads may hold it. */
  to: string;
  locale?: string;
  choices: readonly Choice[];
}

export type Recipient =
  | AliasRecipient
  /** `notice`: it is about our own mail, and about this one. `tag`: the message whose return address it came to. */
  | { class: 'bounce'; sender: string; notice?: string; tag?: string }
  | { class: 'reply'; counterpart: Counterpart }
  | { class: 'postmaster' }
  /** `answered`: what the way of answering was that has ended. */
  | { class: 'none'; why: Unreachable; person?: string; answered?: Counterpart };

export type Unreachable =
  | 'foreign'
  | 'malformed'
  | 'unknown'
  | 'standing'
  | 'no-address'
  | 'expired'
  | 'not-ours'
  | 'paused';

/** Whoever sends our own mail and reads what comes back of it. */
export interface OwnMail {
  /** The mail whose own return address this local part is. */
  recognise(local: string): string | undefined;
  take(notice: string, raw: Buffer): Promise<void>;
}

export interface RecipientNeeds {
  database: Pick<Database, 'read'>;
  owners: Owners;
  secrets: Secrets;
  clock: Clock;
  /** Domain of our own mail, whose postmaster is reached here as well. */
  mailDomain: string;
  ownMail?: OwnMail;
}

const dayMs = 86_400_000;
export const srsPurpose = 'relay-srs';

/** The number of the day, counted from 1970, UTC. */
export const dayNumber = (moment: Date): number => Math.floor(moment.getTime() / dayMs);

/** Throws when the database does not answer: then nobody knows, and the sender has to try again. */
export async function recipientOf(
  needs: RecipientNeeds,
  rules: RelayRules,
  arrival: Pick<Arrival, 'sender' | 'recipient'>,
): Promise<Recipient> {
  // The one address that needs no domain (RFC 5321 section 4.5.1).
  const isBare = /^postmaster$/i.test(arrival.recipient);
  const path = parsePath(isBare ? `postmaster@${needs.mailDomain}` : arrival.recipient);
  const address = path ? `${path.local.toLowerCase()}@${path.domain}` : '';
  const { owner, choices } = await needs.owners(address);
  if (!path) return { class: 'none', why: 'malformed' };
  const isOurs = rules.domains.includes(path.domain);
  if (/^(?:postmaster|abuse)$/i.test(path.local) && (isOurs || path.domain === needs.mailDomain))
    return { class: 'postmaster' };
  if (!isOurs) return { class: 'none', why: 'foreign' };
  if (/^srs0[=+-]/i.test(path.local)) return reportTo(needs, path.local, arrival.sender);
  const notice = needs.ownMail?.recognise(path.local);
  // Some servers report as themselves and not as nobody.
  if (notice && /^(?:$|(?:mailer-daemon|postmaster)@)/i.test(arrival.sender))
    return { class: 'bounce', sender: '', notice };
  const reverse = await readReverse(needs, address);
  // Whoever writes there knows an address that was made for one person: that person may know of it.
  if (reverse && 'ended' in reverse) return { class: 'none', why: 'expired', answered: reverse.ended };
  if (reverse) return { class: 'reply', counterpart: reverse };
  if (!owner) return { class: 'none', why: address.startsWith('reply+') ? 'not-ours' : 'unknown' };
  const { person, state, locale, address: to } = owner;
  if (state !== 'active') return { class: 'none', why: 'standing', person };
  if (to === undefined) return { class: 'none', why: 'no-address', person };
  if (choices.some((one) => one.application === undefined && one.paused))
    return { class: 'none', why: 'paused', person };
  return { class: 'alias', person, mailbox: address, to, locale, choices };
}

/** Reports come from nobody, to an address that was made here for mail of the last weeks. */
function reportTo({ secrets, clock }: RecipientNeeds, local: string, sender: string): Recipient {
  const macs = (text: string) => secrets.macs(srsPurpose, text);
  const read = readSrs({ local, day: dayNumber(clock.now()), macs });
  if (read === 'expired') return { class: 'none', why: 'expired' };
  if (!read || sender !== '') return { class: 'none', why: 'not-ours' };
  return { class: 'bounce', ...read };
}
