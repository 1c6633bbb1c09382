/**
 * Every page people meet, in a real browser and from every side. pages-console.test.ts has those of the console,
 * pages-use.test.ts what is asked without scripts, and of some pages only.
 */
import { test } from 'node:test';
import { lookFromEverySide, skip, wanted } from './gallery-looks.ts';

test('every page of people is axe clean, quiet and fits desk and phone, light and dark and enlarged, and can be used with the keyboard alone', {
  skip,
}, async (t) => {
  await lookFromEverySide(
    t,
    wanted.filter(({ who }) => who !== 'root'),
  );
});
