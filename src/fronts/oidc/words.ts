/** Every text of the OIDC front's pages. */
import { defineWords } from '#kit/page/words.ts';

export const words = defineWords('oidc', {
  // consent
  consentTitle: 'Share with {application}?',
  consentLede:
    '{application} asks for these details of yours. You decide; you can take it back on your account page.',
  unassured:
    'This app runs on your own device, so we cannot be sure it is the one it says. Go on only if you just started it.',
  registered:
    'This app registered itself, and nobody here has checked it. Go on only if you know it: it leads to {hosts}.',
  allow: 'Share and go on',
  deny: 'Do not share',
  shareSubject: 'Who you are',
  shareSubjectValue: 'An identifier that only this app gets',
  shareSubjectPublic: 'An identifier that several apps get',
  shareName: 'Name',
  shareUsername: 'User name',
  shareEmail: 'Mail address',
  shareEmailUnconfirmed: '{address} (not confirmed)',
  shareLocale: 'Language',
  shareGroups: 'Groups',
  shareRoles: 'Roles there',
  shareUpdated: 'When you last changed your details',
  shareOffline: 'Staying connected',
  shareOfflineValue: 'Also while you are signed out here, until you take it back',
  none: 'none',
  // accounts
  chooseTitle: 'Which account?',
  chooseLede: 'You are signed in as {name}.',
  otherAskedTitle: 'Another account is needed',
  otherAskedLede: '{application} asked for another account than {name}.',
  continueAs: 'Go on as {name}',
  switchAccount: 'Use another account',
  backToApp: 'Go back to {application}',
  refusedTitle: 'You cannot enter {application}',
  // sign-out
  signOutTitle: 'Sign out',
  signOutLede: '{name} is signed in here. Sign out of {community} and the apps opened from it?',
  signOutAsked: '{application} asks to sign you out. {name} is signed in here.',
  signOut: 'Sign out',
  stay: 'Stay signed in',
  // form_post
  returning: 'On the way back to {application}',
  returningLede: 'If nothing happens, press the button.',
  goOn: 'Go on',
  // errors
  errorTitle: 'Signing in did not work',
  errorClient: 'The app that sent you here is not known. Go back to it and tell the people who run it.',
  errorRedirect:
    'The app that sent you here gave a return address that is not registered for it. Tell the people who run it.',
  errorSession:
    'This sign-in took too long or was begun in another browser. Go back to the app and start again.',
  errorRequest:
    'The app that sent you here asked in a way that cannot be answered. Tell the people who run it.',
  logoutErrorTitle: 'Signing out did not work',
  errorLogoutUri:
    'The app that sent you here gave a return address that is not registered for it. You are still signed in.',
  errorFault: 'This could not be done because of a fault on our side. Go back to the app and try again.',
  reference: 'Reference: {reference}',
  errorCode: 'For the people who run the app: {code}',
  startPage: 'Go to the start page',
});
