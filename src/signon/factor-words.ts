/** Every text about proofs beside the password: at sign-in, when they are added, and when one is asked for again. */
import { defineWords } from '#kit/page/words.ts';

export const factorWords = defineWords('factors', {
  // sign in with a passkey
  withPasskey: 'Sign in with a passkey',
  passkeyFailed: 'The passkey was not used. Try again, or go on another way.',
  // the second step
  secondTitle: 'One more step',
  secondLede: 'Prove with something only you have that you are {username}.',
  code: 'Code from your authenticator app',
  codeHelp: 'Six digits that change every half minute.',
  recoveryCode: 'Recovery code',
  recoveryCodeHelp: 'One of those you put away when you set this up. Each works once.',
  goOn: 'Go on',
  usePasskey: 'Use a passkey',
  lostIt: 'You do not have it with you?',
  useRecoveryCode: 'Use a recovery code',
  useApp: 'Use the authenticator app',
  someoneElse: 'Sign in as someone else',
  rememberBrowser:
    '{days, plural, one {Do not ask on this browser for a day} other {Do not ask on this browser for # days}}',
  rememberHelp: 'Only on a device that is yours.',
  passkeyNeedsScript: 'A passkey needs a browser that runs scripts.',
  // enrolment during a sign-in
  enrolTitle: 'Add a second proof',
  enrolLede: 'Accounts here need more than a password. Choose what you have at hand; it takes a minute.',
  // adding
  appTitle: 'Authenticator app',
  appLede: 'An app on your phone shows a new code every half minute.',
  scan: 'Scan this with the app.',
  qrLabel: 'QR code for the authenticator app',
  cannotScan: 'You cannot scan it? Type this key into the app instead:',
  confirmCode: 'Code that the app shows now',
  addApp: 'Add the app',
  passkeyTitle: 'Passkey',
  passkeyLede:
    'Your device proves it is you, with a finger, your face or its PIN. Nothing to remember or to type.',
  addPasskey: 'Add a passkey',
  orApp: 'or use an authenticator app',
  // recovery codes
  codesTitle: 'Your recovery codes',
  codesLede:
    'For the day your device is lost. Put them where you keep what matters; they are not shown again.',
  codesOnce: 'Each works once. Whoever has one and your password can sign in as you.',
  othersEnded:
    '{count, plural, one {Another browser was signed out. It had come in with the password alone.} other {# other browsers were signed out. They had come in with the password alone.}}',
  codesKept: 'I have put them away',
  // again
  againTitle: 'Is it you?',
  againLede: 'This changes what your account hangs on. Prove once more that you are {username}.',
  againDone: 'Thank you',
  againLedeApp: 'Prove once more that you are {username}, to go on.',
  againThere: 'Sign in at {upstream} once more',
  againSilent:
    '{upstream} vouches for you, but cannot ask you again whether it is you. We send a code to {address} instead.',
  againByMail: 'We send a code to {address}.',
  againSend: 'Send the code',
  againMailed: 'We sent a code to {address}. It works for ten minutes, in this browser.',
  againCode: 'Code from the mail',
  againSendAnew: 'Send a new code',
  againSendTo: 'Send a code to {address} instead',
  againNoMail: 'No mail after a few minutes? Look in the spam folder first.',
  againNoWay:
    'Nothing on your account can be asked for right now. Sign out and in again, then try once more.',
  againGoOn: 'Go on with what you were about to do.',
  password: 'Password',
  confirmIt: 'Confirm',
  cancel: 'Cancel',
});
