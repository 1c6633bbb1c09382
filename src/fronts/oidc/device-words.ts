/** Every text of the pages where a device is let in. */
import { defineWords } from '#kit/page/words.ts';

export const deviceWords = defineWords('oidc-device', {
  codeTitle: 'Connect a device',
  codeLede: 'Type the code that the device or program shows. You are signed in as {name}.',
  code: 'Code on the device',
  codeHelp: 'Eight letters, such as {example}.',
  goOn: 'Go on',
  codeUnknown:
    'No device waits with this code. Look at the device again: codes count for ten minutes, and once.',
  tooMany:
    'There were too many codes that are not known. Wait {minutes, plural, one {# minute} other {# minutes}}, then try again.',
  otherAccount: 'Use another account',
  // deciding
  decideTitle: 'Let {application} in?',
  decideLede:
    'A device asks to use {application} as {name}. Go on only if you started this yourself and the device shows this very code.',
  shown: 'Code',
  asked: 'Asked',
  askedFrom: 'From',
  device: 'Program',
  learns: 'What the app learns',
  allow: 'Let it in',
  deny: 'Do not let it in',
  refusedTitle: 'You cannot enter {application}',
  stop: 'Stop the device from waiting',
  // afterwards
  allowedTitle: 'The device is connected',
  allowedLede: 'Go back to it: {application} goes on there within a few seconds.',
  deniedTitle: 'The device was not let in',
  deniedLede: 'It is told so, and {application} learned nothing about you.',
  account: 'Go to your account',
});
