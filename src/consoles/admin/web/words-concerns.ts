/** What needs a look, in a sentence each. */
export const concerns = {
  'owner-single':
    'There is only one owner. If they cannot sign in, nobody can give roles: name a second one.',
  'operators-one-factor': (count: string) =>
    `${count} of the people with a role sign in with a password alone. Ask them for a passkey, or require one.`,
  'app-plain-http': (app: string) => `${app} uses http on a private network: anyone between can read along.`,
  'work-dead': (lane: string, count: string) => `${count} of ${lane} were given up after many tries.`,
  'work-late': (lane: string, count: string) => `${count} of ${lane} wait longer than five minutes.`,
  'target-held': (app: string, _count: string) =>
    `Nothing is sent to ${app} until somebody has looked why it refuses us.`,
  'target-braked': (app: string, count: string) =>
    `The brake holds ${count} accounts at ${app}: too many would have been taken away.`,
  'target-waits': (app: string, count: string) => `${count} changes at ${app} wait to be approved.`,
  'saml-certificate': (_app: string, day: string) =>
    `Our SAML certificate ends on ${day}. The next one stands in the metadata: give it to apps that keep it by hand.`,
  'saml-app-certificate': (app: string, day: string) =>
    `The certificate of ${app} ends on ${day}. Ask the people who run it for the next one.`,
  'saml-app-metadata': (app: string, _day: string) =>
    `The metadata of ${app} cannot be fetched any more. What it said last still counts, until it ends.`,
  'saml-upstream-certificate': (upstream: string, day: string) =>
    `The certificate of the upstream ${upstream} ends on ${day}. Ask the people who run it for the next one.`,
  'saml-upstream-metadata': (upstream: string, _day: string) =>
    `The metadata of the upstream ${upstream} cannot be fetched any more. What it said last still counts, until it ends.`,
  'relay-off': 'Mail to alias mailboxes is switched off: senders are told to try again later.',
  'relay-list-held': (list: string, count: string) =>
    `The allow-list ${list} is published without ${count} of its networks. Nothing changes until somebody says yes or no.`,
  'relay-list-stale': (list: string, day: string) =>
    `The allow-list ${list} was last read on ${day}. It stays in force; see why it cannot be read.`,
  'relay-requests': (_list: string, count: string) =>
    `${count} people’s requests to let a sender write to them wait for an answer.`,
  'relay-budget': (app: string, count: string) =>
    `${app} has sent the ${count} messages it may send today: the next are asked to come again tomorrow. Raise its budget if that is no flood.`,
};
