/** Every text of the test login by SAML. */
import { defineWords } from '#kit/page/words.ts';

export const testWords = defineWords('saml-test', {
  onTheWay: 'The test comes back',
  onTheWayLede: 'The answer is on its way to a page of ours.',
  goOn: 'Go on',
  arrived: 'Test login: {application}',
  arrivedLede:
    'This came back, as {application} would have got it. It was made out to this page: no app believes it, and you were signed in to none.',
  believed:
    'The answer is signed by the key that signs now, and everything in it was read from what is signed.',
  message: 'The whole message',
  back: 'Back to the app',
});
