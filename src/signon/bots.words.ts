/** Every text of what keeps programs out of sign-up. */
import { defineWords } from '#kit/page/words.ts';

export const botWords = defineWords('bots', {
  checking: 'Checking that no program fills this in. This takes a moment.',
  checked: 'Checked: no program fills this in.',
  trap: 'Leave this empty',
  needsScript:
    'To keep programs out, this page asks a service that needs JavaScript. Switch it on, or ask the people who run {community} for an account.',
  // why a form was not taken
  whyWrong: 'The check that keeps programs out did not work. Please send the form again.',
  whyOver: 'This page stood open too long. Please send the form again.',
  whyUsed: 'This form made an account already. To make another one, please send it again.',
  whyQuick: 'This was filled in faster than people type. Please look it over and send it again.',
  whyTrap:
    'Something filled in a field that people do not see, perhaps a program that fills in forms for you. Please send it again without it.',
  whyRefused: 'The check that keeps programs out did not count. Please do it once more.',
  whyUnavailable:
    'The check that keeps programs out cannot be done at the moment. Please try again in a few minutes.',
  whyNotSetUp:
    'The check that keeps programs out is not set up completely, so no account can be made here. Tell the people who run {community}.',
});
