/** Texts about accounts elsewhere that open this one. */
import { defineWords } from '#kit/page/words.ts';

export const words = defineWords('account-links', {
  title: 'Other ways to sign in',
  lede: 'Accounts elsewhere that open this one.',
  linkedSince: 'linked {since}',
  usedLast: 'linked {since} · used {used}',
  closed: 'switched off at the moment',
  unlink: 'Unlink',
  unlinkNamed: 'Unlink {upstream}: {label}',
  add: 'Link {upstream}',
  linkTitle: 'Link {upstream}',
  linkLede:
    'You will be led to {upstream}. Once you are signed in there, that account opens your account {username} here from now on.',
  directoryLede:
    'Type what you sign in with at {upstream}. It then opens your account {username} here as well.',
  nameThere: 'User name at {upstream}',
  passwordThere: 'Password at {upstream}',
  goOn: 'Go on to {upstream}',
  savedLinked: 'Linked. We told all your confirmed addresses about it.',
  savedUnlinked: 'Unlinked. It no longer signs in to your account.',
});
