/** Texts about the person's accounts at apps that keep their own. */
import { defineWords } from '#kit/page/words.ts';

export const words = defineWords('accountsThere', {
  title: 'Your accounts at apps',
  ready: 'Your account at {app} is ready.',
  readyOn: 'It stands on {address}. ',
  readyMore: 'Last checked {when}.',
  off: 'Your account at {app} is switched off.',
  waiting: 'Your account at {app} is on its way.',
  waitingMore: 'That usually takes a few seconds; when the app is slow, a little longer.',
  asked: 'Your account at {app} waits for an administrator.',
  askedMore:
    'Someone at {community} looks at it before it is made or changed there. You do not have to do anything.',
  stuck: 'Your account at {app} is not as it should be yet.',
  stuckMore: 'An administrator of {community} has to look at it. You do not have to do anything.',
});
