/** Every text of the mails, and which of them stands where. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { addTexts, defineWords } from '#kit/page/words.ts';
import type { NoticeKind } from './intake.ts';

export const words = defineWords('notices', {
  hello: 'Hello,',
  helloName: 'Hello {name},',
  notYou: 'It was not you? Set a new password at once, then look through the addresses on your account.',
  doNothing: 'It was not you? Then do nothing; this mail has changed nothing.',
  setPassword: 'Set a new password',
  yourAccount: 'Look at your account',
  signIn: 'Sign in',
  linkHours: 'The link works for {hours, plural, one {one hour} other {# hours}} and only once.',
  linkMinutes: 'The link works for {minutes, plural, one {one minute} other {# minutes}} and only once.',
  codeMinutes: 'The code works for {minutes, plural, one {one minute} other {# minutes}}.',
  theCode: 'Type this code where you were asked for it:',
  orCode: 'Or type this code where you were asked for it:',
  whyConfirm: 'You get this mail because this address was typed at {community}.',
  whyAccount: 'You get this mail because this address belongs to an account at {community}.',
  anAddress: 'An address',
  contact: 'Questions? Write to {contact}.',

  'confirm-sign-up.subject': 'Confirm your address for {community}',
  'confirm-sign-up.text': 'Welcome! Confirm this address to finish your new account at {community}.',
  'confirm-sign-up.action': 'Confirm this address',
  'confirm-sign-up.after':
    'You did not create an account? Then do nothing; without your confirmation nobody can use it.',

  'confirm-address.subject': 'Confirm your new address for {community}',
  'confirm-address.text': 'This address was added to an account at {community}. Confirm that it is yours.',
  'confirm-address.action': 'Confirm this address',
  'confirm-address.after':
    'You did not add it? Then do nothing; without your confirmation it does not count.',

  'recovery.subject': 'Set a new password for {community}',
  'recovery.text': 'Someone asked for a new password for your account {username}. Choose it here.',
  'recovery.after': 'You did not ask? Then do nothing; your password stays as it is.',

  'prove-again.subject': 'Your code for {community}',
  'prove-again.text':
    'Somebody who is signed in to your account {username} is about to change what it hangs on, or to enter an app that wants to be sure. Is it you?',
  'prove-again.after':
    'It is not you? Tell nobody this code. Then set a new password and end the other sessions on your account.',

  'sign-up-repeated.subject': 'You already have an account at {community}',
  'sign-up-repeated.text':
    'Someone, perhaps you, asked for an account with this address, or wanted to add it to another one. It belongs to an account already: the user name is {username}.',
  'sign-up-repeated.forgotten': 'Password forgotten?',

  'password-changed.subject': 'Your password at {community} was changed',
  'password-changed.text': 'The password of your account {username} was changed on {when}.',

  'address-added.subject': 'An address was added to your account at {community}',
  'address-added.text':
    '{address} was added to your account {username} on {when}. It counts from the moment it is confirmed.',

  'address-made-primary.subject': 'Your main address at {community} was changed',
  'address-made-primary.text': '{address} is the main address of your account {username} since {when}.',

  'address-removed.subject': 'An address was removed from your account at {community}',
  'address-removed.text': '{address} was removed from your account {username} on {when}.',

  'sign-in-throttled.subject': 'Many failed attempts to sign in at {community}',
  'sign-in-throttled.text':
    'Someone typed wrong passwords for your account {username} many times, last on {when}. We slow down further attempts; nothing else has changed.',
  'sign-in-throttled.after':
    'It was you? Wait a while, or set a new password. It was not you? A long password that you use nowhere else keeps them out.',

  'upstream-linked.subject': 'A new way into your account at {community}',
  'upstream-linked.text':
    'Since {when}, {upstream} signs in to your account {username}. Whoever is signed in there can come in here.',

  'upstream-unlinked.subject': 'A way into your account at {community} was taken away',
  'upstream-unlinked.text': 'On {when}, {upstream} was unlinked from your account {username}.',

  'passkey-added.subject': 'A passkey was added to your account at {community}',
  'passkey-added.text': 'Since {when} a passkey signs in to your account {username}.',
  'passkey-removed.subject': 'A passkey was removed from your account at {community}',
  'passkey-removed.text': 'On {when} a passkey was taken off your account {username}. It signs in no more.',
  'app-added.subject': 'An authenticator app was added to your account at {community}',
  'app-added.text':
    'Since {when} signing in to your account {username} asks for a code of an authenticator app.',
  'app-removed.subject': 'The authenticator app was removed from your account at {community}',
  'app-removed.text':
    'On {when} the authenticator app was taken off your account {username}. Its codes count no more.',
  'recovery-codes-made.subject': 'New recovery codes for your account at {community}',
  'recovery-codes-made.text':
    'On {when} new recovery codes were made for your account {username}. Earlier ones count no more.',
  'recovery-code-used.subject': 'A recovery code was used for your account at {community}',
  'recovery-code-used.text': 'On {when} a recovery code was used to prove that someone is {username}.',
  'passkey-copied.subject': 'A passkey of your account at {community} was refused',
  'passkey-copied.text':
    'On {when} a passkey of your account {username} gave an answer that only a copy of it would give, so it was refused.',
  'passkey-copied.after':
    'Remove that passkey from your account and make a new one. If you never copied it, tell the people who run {community}.',
  'factors-reset-planned.subject': 'Your second proofs at {community} will be taken away',
  'factors-reset-planned.text':
    '{hours, plural, =0 {Two operators agreed to take} one {In an hour two operators will take} other {In # hours two operators will take}} away every passkey, authenticator app and recovery code of your account {username}, because they were told that you lost them. After that your password is enough to sign in.',
  'factors-reset-planned.after':
    'You did not ask for this? Sign in and stop it on your account page, or tell the people who run {community} at once.',
  'factors-reset-cancelled.subject': 'Your second proofs at {community} stay',
  'factors-reset-cancelled.text':
    'Taking away the passkeys, authenticator app and recovery codes of your account {username} was called off on {when}.',
  'factors-reset-done.subject': 'Your second proofs at {community} were taken away',
  'factors-reset-done.text':
    'On {when} every passkey, authenticator app and recovery code of your account {username} was taken away, and you were signed out everywhere. Sign in with your password and add new ones.',
  'recovery-link-made.subject': 'A link to set a new password for your account at {community}',
  'recovery-link-made.text':
    'On {when} two operators made a link by which a new password can be set for your account {username}, because they were told that our mail does not reach you. It works for one hour and only once. If you did not ask for it, tell the people who run {community} at once.',

  'welcome.subject': 'Welcome to {community}',
  'welcome.text':
    'Your account {username} is ready. With it you sign in to everything {community} runs; this is the one address to remember.',
  'welcome.action': 'Go to {community}',

  'test.subject': 'Test mail from {community}',
  'test.text':
    'This mail was sent on {when} by the people who run {community}, to see whether mail arrives. It has.',
  'test.why': 'You get this mail because {operator} had it sent to this address.',
});

type WordKey = Parameters<ReturnType<typeof words>>[0];

interface Action {
  label: WordKey;
  path: string;
  /** The link proves something and is made for this one letter. */
  carriesToken?: true;
}

/** What the button of a letter says and where it leads; a code alone has none. */
export function actionOf(kind: NoticeKind): Action | undefined {
  switch (kind) {
    case 'confirm-sign-up':
    case 'confirm-address':
      return { label: `${kind}.action`, path: '/verify', carriesToken: true };
    case 'recovery':
      return { label: 'setPassword', path: '/recover/new', carriesToken: true };
    case 'prove-again':
      return undefined;
    case 'sign-up-repeated':
      return { label: 'signIn', path: '/sign-in' };
    case 'password-changed':
    case 'sign-in-throttled':
      return { label: 'setPassword', path: '/recover' };
    case 'welcome':
      return { label: 'welcome.action', path: '/' };
    default:
      return { label: 'yourAccount', path: '/account' };
  }
}

/** What a letter advises below. */
export function adviceOf(kind: NoticeKind): WordKey | undefined {
  switch (kind) {
    case 'confirm-sign-up':
    case 'confirm-address':
    case 'recovery':
    case 'prove-again':
    case 'sign-in-throttled':
    case 'passkey-copied':
    case 'factors-reset-planned':
      return `${kind}.after`;
    case 'factors-reset-cancelled':
    case 'sign-up-repeated':
      return 'doNothing';
    case 'welcome':
      return undefined;
    default:
      return 'notYou';
  }
}

let loaded = false;

/**
 * Reads the languages of letters, `locales/letters/<language>.json`, once. They stand apart from those of pages: a letter
 * can be complete in a language that no page speaks yet.
 */
export function loadLetters(): void {
  if (loaded) return;
  loaded = true;
  const folder = lettersFolder();
  if (!folder) return;
  for (const name of readdirSync(folder).sort()) {
    const locale = /^([a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*)\.json$/.exec(name)?.[1];
    if (locale) addTexts('notices', locale, JSON.parse(readFileSync(path.join(folder, name), 'utf8')));
  }
}

/** Found upwards from here: the same from src/ and from dist/. */
function lettersFolder(): string | undefined {
  for (let folder = import.meta.dirname; ; folder = path.dirname(folder)) {
    const candidate = path.join(folder, 'locales', 'letters');
    if (existsSync(candidate)) return candidate;
    if (path.dirname(folder) === folder) return undefined;
  }
}
