/** Every text of signing out, and of computers that others use too. */
import { defineWords } from '#kit/page/words.ts';

export const signOutWords = defineWords('sign-out', {
  title: 'Sign out',
  lede: 'This ends your session at {community} and at the apps you opened from it.',
  signOut: 'Sign out',
  stay: 'Stay signed in',
  outTitle: 'You are signed out',
  outLede: 'Your session at {community} has ended.',
  pastTitle: 'What a sign-out ended',
  pastLede: 'Signed out of {community} {when}.',
  overTitle: 'This page is over',
  overLede: 'What a sign-out ended can be read here for ten minutes.',
  signInAgain: 'Sign in again',
  ended: 'Signed out',
  endedHere: 'ended here',
  endedThere: 'confirmed by the app',
  asked: 'Asked, no answer yet',
  askedOnce: 'We told the app to sign you out. It has not answered yet.',
  askedAgain:
    '{count, plural, one {We told the app once} other {We told the app # times}}; it has not confirmed. We keep trying.',
  lookAgain: 'Look again',
  open: 'Not ended from here',
  noWay: 'This app has no way to be signed out of from here.',
  noAnswer: 'The app did not answer, so you may still be signed in there.',
  refused: 'The app answered that it did not sign you out.',
  endThere: 'Sign out of {application}',
  openThere: 'Open {application} and sign out there',
  closeBrowser: 'Where there is no link, close all windows of this browser.',
  // a computer that others use too
  shared: 'Others use this computer too',
  sharedHelp:
    '{minutes, plural, one {You are signed out after a minute} other {You are signed out after # minutes}}, and nothing about you is remembered here.',
  sharedBar: 'Others use this computer too: sign out before you leave.',
  // how long
  stayFor: 'Stay signed in',
  stayHour: 'for an hour',
  stayDay: 'for a day',
  stayWeek: 'for a week',
  stayMonth: 'for a month',
});
