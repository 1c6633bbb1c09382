/** Every text of the pages that say what became of a mail. */
import { defineWords } from '#kit/page/words.ts';

export const noMailWords = defineWords('no-mail', {
  title: 'What became of the mail?',
  ledeTo: 'The mail we sent to {address}.',
  ledeUnknown:
    'Whether there is an account for what you typed is told to its owner alone, so this page cannot say what became of a mail. These are the usual reasons, and the ways on.',

  queuedTitle: 'On its way',
  queued: 'It is being written and leaves in a moment. Load this page again to see how far it is.',
  waitingTitle: 'Not taken yet',
  waiting: 'The mail server does not take it yet. The next try is {when}.',
  waitingSoon: 'The mail server does not take it yet. It is tried again within a minute.',
  waitingBare: 'The mail server does not take it yet. It is tried again.',
  acceptedTitle: 'Taken by the mail server',
  accepted:
    'The mail server took it {when}. From there it is usually minutes. Look in the spam folder and under “Promotions” or “Other”.',
  laterTitle: 'Waiting at the mail server',
  later: 'The mail server took it {when}, but {domain} does not take it yet. It is tried again from there.',
  deliveredTitle: 'Delivered',
  delivered:
    'The mail server of {domain} confirmed that it has it since {when}. Look in the spam folder, in other folders, and at rules that sort or forward your mail.',
  refusedTitle: 'Refused',
  refused: 'The mail server of {domain} refused it {when}.',
  failedTitle: 'Not sent',
  failed: 'We could not send it: it was refused {when}.',
  givenUp:
    'We could not send it: no mail server took it, and since {when} it is tried no more. Send it again.',
  endedTitle: 'Not sent',
  ended: 'It was not sent, because its link or code had ended, was used, or a newer one was asked for.',
  held: '{domain} refused our mail to this address before, so we try it once a day. Use another way until then.',
  said: 'The mail server said: {answer}',
  twice: 'The connection was cut off while it was handed over, so it may arrive twice.',

  ways: 'What you can do',
  fixAddress: 'Change the address',
  typeCode: 'Back to the code',
  sendAgain: 'Send the mail again',
  backToProof: 'Back, to send the code again or to another address',
  backToAccount: 'Back to your account',
  reasons: 'Usual reasons',
  reasonSpam: 'It is in the spam folder, or sorted away by a rule of yours.',
  reasonOther:
    'It went to another address: to the one you typed if it is confirmed for your account, otherwise to your main address.',
  reasonNone: 'What you typed has no account here. Nothing is sent then.',
  reasonSlow: 'Mail takes its time. Give it ten minutes.',
  wayPasskey: 'Sign in with a passkey, if you have one',
  wayAnother: 'Ask again, and type another confirmed address of yours',
  wayOperators:
    'Ask the people who run {community}. When two of them have made sure that it is you, they can hand you a link that sets a new password.',
  wayOperatorsAt:
    'Ask the people who run {community}: {contact}. When two of them have made sure that it is you, they can hand you a link that sets a new password.',
});
