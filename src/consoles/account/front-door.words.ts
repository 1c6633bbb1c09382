/** Every text of the links that lead into apps, and of the tiles. */
import { defineWords } from '#kit/page/words.ts';

export const doorWords = defineWords('front-door', {
  onTheWay: 'On the way to {application}',
  onTheWayLede: 'If nothing happens, press the button.',
  goOn: 'Go on to {application}',
  unknown: 'This app is not here',
  unknownLede: 'The link names no app of {community}. It may have gone, or the link is not complete.',
  refused: 'You cannot enter {application}',
  anotherAccount: 'Use another account',
  yourApps: 'Your apps',
  used: 'used {when}',
  unused: 'not used yet',
});
