/** Every text of the SAML front's pages. */
import { defineWords } from '#kit/page/words.ts';

export const words = defineWords('saml', {
  // consent
  consentTitle: 'Share with {application}?',
  consentLede:
    '{application} asks for these details of yours. You decide; you can take it back on your account page.',
  allow: 'Share and go on',
  deny: 'Do not share',
  who: 'Who you are',
  whoOnly: 'An identifier that only this app gets',
  whoPublic: 'An identifier that several apps get',
  whoOnce: 'An identifier that is new every time',
  name: 'Name',
  givenName: 'Given name',
  familyName: 'Family name',
  username: 'User name',
  email: 'Mail address',
  locale: 'Language',
  updatedAt: 'When you last changed your details',
  groups: 'Groups',
  roles: 'Roles there',
  // accounts
  otherTitle: 'Another account is needed',
  otherLede: '{application} asked for another account than {name}.',
  switchAccount: 'Use another account',
  backToApp: 'Go back to {application}',
  backToApps: 'Go back to your apps',
  refusedTitle: 'You cannot enter {application}',
  // on the way
  returning: 'On the way to {application}',
  returningLede: 'If nothing happens, press the button.',
  goOn: 'Go on',
  // sign-out
  leaving: 'Signing you out of {application}',
  leavingLede: 'If {application} does not bring you back here, come back with the button of your browser.',
  leavingLeft: '{count, plural, =0 {This is the last one.} one {Then # more.} other {Then # more.}}',
  skip: 'Leave {application} out',
  // errors
  errorTitle: 'Signing in did not work',
  errorSignOutTitle: 'Signing out did not work',
  errorUnknown: 'The app that sent you here is not known. Tell the people who run it.',
  errorPlace:
    'The app that sent you here gave a return address that is not registered for it. Tell the people who run it.',
  errorMessage:
    'The app that sent you here asked in a way that cannot be answered. Tell the people who run it.',
  errorUsed: 'This sign-in took too long, or was answered already. Go back to the app and start again.',
  errorStale: 'What the app sent is too old, or its clock is wrong. Go back to the app and start again.',
  errorLaunch: 'This app can only be opened from its own pages.',
  reference: 'Reference: {reference}',
  errorCode: 'For the people who run the app: {code}',
  startPage: 'Go to the start page',
});
