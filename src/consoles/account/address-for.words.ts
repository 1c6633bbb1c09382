/** Texts of the pages about alias mailbox addresses. */
import { defineWords } from '#kit/page/words.ts';

export const words = defineWords('addressFor', {
  title: 'Your address at each app',
  lede: 'Some apps know you by an address of {community} instead of your own. What is sent there reaches you.',
  at: 'At {app}',
  youAre: 'Your address at {app}',
  youAreLede: 'Type this one where {app} asks for your address.',
  ownLede: '{app} knows you by an address of your own.',
  none: 'There is no address for you at this app yet. Write to the people who run the community.',
  noApps: 'No app needs an address of its own',
  noAppsText: 'Every app you may enter knows you by your main address.',
  earlier: 'Earlier addresses',
  earlierText: 'They stay yours: what is sent there still reaches you.',
  which: 'Which account do you have at {app}?',
  mailbox: 'The one on {address}',
  mailboxHelp: 'The usual one. It is made for you when you need it.',
  own: 'An older one of my own, on {address}',
  ownHelp: 'Choose this when you signed up there with that address and want to keep that account.',
  save: 'Save',
  changeAt: 'Change at {app}',
  back: 'All your apps',
  noOwn:
    'Do you already have an account there on another address? Add and confirm that address in your account first.',
});
