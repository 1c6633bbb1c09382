/**
 * Why a message went the way it went: a closed list, each with a sentence for operators and one for the person whose
 * mailbox it was. Senders read neither; what they are told is in `refusals.ts`.
 */

const words = {
  // It went on, or had nowhere further to go.
  'passed-on': ['The smart host has taken it.', 'It was passed on to you.'],
  queued: [
    'Postfix was told to take it; whether the smart host took it then is in its own log (status=).',
    'It was taken for you and is on its way. Should it come back, this page says so.',
  ],
  answered: ['The smart host has taken the answer to the app.', 'Your answer was sent.'],
  report: [
    'A report about mail that was passed on; it is counted and goes nowhere.',
    'A report came back about mail that was passed on to you.',
  ],
  'auto-reply': [
    'An automatic answer; those are not passed on to apps.',
    'Your mail program answered by itself. Such answers are not sent to apps.',
  ],
  // Refused before the message was sent, all with the same words.
  foreign: ['The address is in a domain that is not ours.', 'It was addressed to somewhere else.'],
  malformed: ['The address is none that is taken here.', 'It was not addressed in a way that is taken here.'],
  unknown: ['There is no such mailbox.', 'It was addressed to a mailbox that does not exist.'],
  standing: [
    'The person is not active: not confirmed yet, locked, suspended or gone.',
    'Your account was not active at that time.',
  ],
  'no-address': [
    'The person has no confirmed main address that mail could be passed on to.',
    'You had no confirmed address that it could be passed on to.',
  ],
  expired: [
    'The address was made for answers or reports and is too old.',
    'The mail that you answered is too old for that. Answer a newer one, or write in the app itself.',
  ],
  'not-ours': [
    'The address has the form of those made for answers or reports, but was not made here.',
    'It was addressed to a way of answering that was not made here.',
  ],
  paused: ['All mail to the person is paused.', 'All your mail is paused.'],
  'no-sender': [
    'No app may write from this network with this sender.',
    'Nobody whom the community lets write sends from there.',
  ],
  'app-off': ['The app is switched off for mail.', 'Mail from this app is switched off by the community.'],
  tls: [
    'The app has to use STARTTLS and did not.',
    'It was sent without encryption, which this app has to use.',
  ],
  'needs-relay': [
    'It came through Postfix and would have to be written anew (mode rewritten, answers): only the built-in relay does that.',
    'It came by a way that cannot pass on mail of this kind.',
  ],
  'needs-milter': [
    'Postfix asked about the recipient and does not say that it will ask about the message: print its configuration again (gatehouse relay postfix-config).',
    'The mail server was not set up fully. The sender was asked to try again.',
  ],
  // Refused after it was sent.
  from: [
    'The From address is in none of the domains of the app.',
    'Its From address is not one of the app that sends from there.',
  ],
  unproved: [
    'What the app has to prove (SPF, DKIM or DMARC, aligned with From) is not proved.',
    'It could not be proved that it comes from whom it names as its sender.',
  ],
  dmarc: [
    'DMARC failed, and the domain in From asks for such mail to be refused.',
    'The domain in its From address asks for such mail to be refused.',
  ],
  size: ['It is larger than the app may send.', 'It was larger than this app may send.'],
  'app-paused': ['Mail of this app to the person is paused.', 'Mail of this app to you is paused.'],
  unwanted: [
    'The person does not want this class of message from this app.',
    'You have chosen not to get this kind of mail.',
  ],
  'person-budget': [
    'More than this app may send to one person a day.',
    'This app has sent you as much today as it may. It was asked to try again tomorrow.',
  ],
  'app-budget': [
    'More than this app may send a day.',
    'This app has sent as much today as it may. It was asked to try again tomorrow.',
  ],
  loop: [
    'It has been here before: it goes in a circle.',
    'It had been here before and was going in a circle.',
  ],
  'message-form': [
    'The message has a form that servers read differently (line ends, header fields).',
    'It had a form that is not passed on because servers read it differently.',
  ],
  'smart-host-refused': [
    'The smart host refused it for good; its answer is noted.',
    'The server that passes it on refused it for good.',
  ],
  // Answers of people.
  'reply-sender': [
    'The answer does not come from the address of the person whom the way of answering belongs to, or does not prove it.',
    'An answer to an app was not sent from your own address, or could not be proved to be.',
  ],
  'reply-reveals': [
    'The answer shows the address of the person, which they have not allowed for this app, or holds what nobody can search for it.',
    'Your answer shows your own address, which you have not allowed for this app, or holds something that cannot be searched for it. Your mail provider told you where.',
  ],
  'reply-limit': ['More answers than a person may send.', 'You sent more answers than are passed on.'],
  'reply-form': [
    'The answer cannot be passed on in this form.',
    'Your answer has a form that is not passed on.',
  ],
  'postmaster-limit': [
    'More mail to postmaster or abuse than one network may send a day.',
    'Too much mail to the operators came from there.',
  ],
  // Asked to try again later.
  'all-off': ['The relay is switched off.', 'Mail was switched off for everyone.'],
  database: ['The database did not answer.', 'A part of this service was not ready.'],
  dns: ['DNS did not answer what has to be known.', 'A part of this service was not ready.'],
  'smart-host-away': [
    'No smart host took it; they are away, or said to try again.',
    'The server that passes it on did not take it. The sender was asked to try again.',
  ],
  'no-smart-host': [
    'No smart host is set (GATEHOUSE_SMTP_URL): mail has no way out.',
    'No way to pass it on is set up yet.',
  ],
  'no-postmaster': [
    'Nobody reads mail to postmaster yet: the community has no contact, and no owner with a confirmed address.',
    'Nobody reads mail to the operators yet. The sender was asked to try again.',
  ],
  busy: [
    'More is under way than fits in memory.',
    'Too much was under way at once. The sender was asked to try again.',
  ],
  late: [
    'It took longer than one exchange may take.',
    'It took too long. The sender was asked to try again.',
  ],
  fault: ['A fault of ours; the log has it.', 'A fault on our side. The sender was asked to try again.'],
} as const satisfies Record<string, readonly [operators: string, person: string]>;

export type RelayReason = keyof typeof words;

export const relayReasons = Object.keys(words) as RelayReason[];

/** What an operator reads. */
export function reasonForOperators(reason: RelayReason): string {
  return words[reason][0];
}

/** What the person reads whose mailbox it was. Their language is the page's business: this is the English text. */
export function reasonForPerson(reason: RelayReason): string {
  return words[reason][1];
}

/** Whether a row of the log names a reason of today: rows of a later version may not. */
export function isRelayReason(text: string): text is RelayReason {
  return Object.hasOwn(words, text);
}
