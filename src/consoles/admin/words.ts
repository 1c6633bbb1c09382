/** Every text of the operators' pages that come from the server; those of the console stand in web/words.ts. */
import { defineWords } from '#kit/page/words.ts';

export const words = defineWords('admin', {
  console: 'Console',
  needsScript:
    'This console works with JavaScript. Everything it does can also be done with the command line and the API.',
  consoleMissing:
    'The console is not part of this installation: its files are missing. In a checkout run “node tools/console.ts”; otherwise install the package again.',
  setupTitle: 'Set up {community}',
  setupLede:
    'This link makes the first owner, once. Make your account here, or sign in first to use the one you have.',
  setupMine: 'You are signed in as {username}. Become the owner of this installation with this account?',
  becomeOwner: 'Become the owner',
  makeOwner: 'Create the owner’s account',
  username: 'User name',
  givenName: 'Given name',
  familyName: 'Family name',
  address: 'Mail address',
  password: 'Password',
});
