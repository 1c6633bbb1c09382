/** What senders are told: never more than they have to know, and never an address. */
import type { RelayReason } from './reasons.ts';

/** An answer that is no yes. `text` begins behind the code. */
export interface Refusal {
  code: number;
  /** RFC 3463. */
  enhanced: string;
  text: string;
  reason: RelayReason;
}

/** One answer for every address that mail is not taken for: a stranger learns nothing about who is here. */
const closed = { code: 550, enhanced: '5.1.1', text: 'No mailbox here takes this mail.' } as const;

type Spoken = Omit<Refusal, 'reason'>;

const later = (enhanced: string, text: string): Spoken => ({ code: 451, enhanced, text });
const unproved = 'It is not proved that this message comes from whom it names as its sender.';
const unread = 'An answer in this form is not passed on.';

const spoken = {
  foreign: closed,
  malformed: closed,
  unknown: closed,
  standing: closed,
  'no-address': closed,
  expired: closed,
  'not-ours': closed,
  paused: closed,
  'no-sender': closed,
  'app-off': closed,
  tls: closed,
  'needs-relay': closed,
  from: { code: 550, enhanced: '5.7.1', text: unproved },
  unproved: { code: 550, enhanced: '5.7.1', text: unproved },
  dmarc: {
    code: 550,
    enhanced: '5.7.26',
    text: 'The domain in From asks for mail like this to be refused (DMARC).',
  },
  size: { code: 552, enhanced: '5.3.4', text: 'This message is larger than it may be.' },
  'app-paused': { code: 550, enhanced: '5.2.1', text: 'This mail is not wanted here.' },
  unwanted: { code: 550, enhanced: '5.2.1', text: 'This mail is not wanted here.' },
  'person-budget': { code: 452, enhanced: '4.2.2', text: 'Too much mail today. Try again tomorrow.' },
  'app-budget': { code: 452, enhanced: '4.2.2', text: 'Too much mail today. Try again tomorrow.' },
  loop: { code: 554, enhanced: '5.4.6', text: 'This message goes in a circle.' },
  'message-form': {
    code: 554,
    enhanced: '5.6.0',
    text: 'This message cannot be taken: its lines or header fields have no valid form.',
  },
  'smart-host-refused': { code: 554, enhanced: '5.0.0', text: 'This message could not be delivered.' },
  'reply-sender': {
    code: 550,
    enhanced: '5.7.1',
    text: 'Answer from the address where you read this mail; it has to be proved by SPF or DKIM.',
  },
  'reply-reveals': {
    code: 550,
    enhanced: '5.7.1',
    text: 'This answer shows your own address. Take it out, or allow it for this app on your account page.',
  },
  'reply-limit': { code: 452, enhanced: '4.7.1', text: 'Too many answers. Try again later.' },
  'reply-form': { code: 554, enhanced: '5.6.0', text: unread },
  'postmaster-limit': {
    code: 452,
    enhanced: '4.7.1',
    text: 'Too much mail from your network. Try again tomorrow.',
  },
  'all-off': later('4.3.2', 'Mail is not taken here at the moment. Try again later.'),
  database: later('4.3.0', 'Not ready at the moment. Try again later.'),
  dns: later('4.4.3', 'Your domain could not be looked up at the moment. Try again later.'),
  'smart-host-away': later('4.4.1', 'Mail cannot be passed on at the moment. Try again later.'),
  'no-smart-host': later('4.3.5', 'Mail cannot be passed on at the moment. Try again later.'),
  'no-postmaster': later('4.3.5', 'Nobody reads this mail yet. Try again later.'),
  'needs-milter': later('4.3.5', 'Not ready at the moment. Try again later.'),
  busy: { code: 452, enhanced: '4.3.1', text: 'Too much at once. Try again later.' },
  late: later('4.4.7', 'This took too long. Try again later.'),
  fault: later('4.3.0', 'Not ready at the moment. Try again later.'),
} satisfies Partial<Record<RelayReason, Spoken>>;

export type RefusalReason = keyof typeof spoken;

/** The answer to a sender for this reason. */
export function refuse(reason: RefusalReason): Refusal {
  return { ...spoken[reason], reason };
}

/** Whether the sender is to try again. */
export function isLater({ code }: Pick<Refusal, 'code'>): boolean {
  return code < 500;
}
