/** Every text of signing in through others. */
import { defineWords } from '#kit/page/words.ts';

export const words = defineWords('upstream', {
  // on the sign-in page
  orWith: 'or',
  continueWith: 'Continue with {upstream}',
  forAddress: 'Addresses like yours sign in with {upstream}.',
  byDirectory: 'The password you use at {upstreams} works here too.',
  takesOver: 'The password you type is then kept here as well, and {upstreams} is asked no more.',
  directoryDown:
    'The password does not belong to this name, or it is kept at {upstream}, which does not answer right now. Try again in a few minutes.',
  otherWays: 'Other ways to sign in',
  // on the way
  leavingTitle: 'On the way to {upstream}',
  leaving: 'You are being led to {upstream}. Nothing happens? Press the button.',
  leave: 'Go on to {upstream}',
  // someone is nobody here yet
  arrivalTitle: 'New here with {upstream}',
  arrivalLede: 'You are signed in at {upstream} as {label}. {community} does not know yet who you are here.',
  arrivalKnown:
    'There is an account with your address already. Sign in to it once, then {upstream} opens it too.',
  haveAccount: 'I have an account here',
  makeAccount: 'Create an account',
  noNewPeople: 'New accounts are not made this way. Ask the people who run {community} for one.',
  // linking
  linkTitle: 'Link {upstream}',
  linkLede: 'From now on {label} at {upstream} opens your account {username} here.',
  link: 'Link it to my account',
  notNow: 'Not now',
  // joining
  joinTitle: 'Create your account',
  joinLede: 'You come from {upstream} as {label}. Look through what others will know you by.',
  addressProved: 'Confirmed by {upstream}. Another address is confirmed by mail.',
  addressAsked: 'We send a link and a code there to confirm it.',
  // failures
  failedTitle: '{upstream} did not sign you in',
  failedCode: 'Code: {code}',
  tryAgain: 'Try {upstream} again',
  // signing out
  stillInTitle: '{upstream} did not sign you out',
  stillIn:
    'You are signed out here. At {upstream} you may still be signed in: sign out there, or close the browser.',
  stillInHere: 'What {upstream} answered could not be believed. You are signed in here.',
  outRefusedTitle: 'You were not signed out',
  outRefused:
    '{upstream} asked to sign you out here, and could not be believed. If you want to, do it yourself.',
});
