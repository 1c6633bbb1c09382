/** Every text of the test login by OpenID Connect. */
import { defineWords } from '#kit/page/words.ts';

export const testWords = defineWords('oidc-test', {
  arrived: 'Test login: {application}',
  arrivedLede:
    'This is what {application} would have got. The code was exchanged here, its tokens are gone again, and you were signed in to no app.',
  believed: 'The ID token is signed by the key that signs now, and made out to this app and this request.',
  places: '{count, plural, =1 {In the ID token} other {In the ID token and userinfo}}',
  inUserinfo: 'In userinfo',
  consented:
    'You agreed to share this. A test needs no agreement that lasts: yours was taken back, and the app would ask again.',
  iss: 'Who we are: the app must expect exactly this issuer.',
  aud: 'Whom it is for: the client id of the app.',
  azp: 'Which client asked.',
  exp: 'Until when it counts, in seconds since 1970.',
  iat: 'When it was made, in seconds since 1970.',
  auth_time: 'When you signed in here, in seconds since 1970.',
  acr: 'How surely you are known: 1 is one proof, 2 is two of them.',
  amr: 'What you proved it with.',
  nonce: 'What the app sent along: it must come back unchanged.',
  sid: 'The session here: a sign-out names it to the app.',
  at_hash: 'Ties the access token to this ID token.',
  other: 'From the profile, released to this app.',
  token: 'The whole ID token',
  userinfo: 'The whole answer of userinfo',
  refused: 'The app would be refused: {application}',
  refusedLede: 'This came back instead of a code, as {application} would have got it.',
  error: 'Error',
  description: 'In words',
  why: 'The cause',
  back: 'Back to the app',
});
