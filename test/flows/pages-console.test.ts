/** Every page operators work with, in a real browser and from every side. */
import { test } from 'node:test';
import { lookFromEverySide, skip, wanted } from './gallery-looks.ts';

test('every page of operators is axe clean, quiet and fits desk and phone, light and dark and enlarged, and can be used with the keyboard alone', {
  skip,
}, async (t) => {
  await lookFromEverySide(
    t,
    wanted.filter(({ who }) => who === 'root'),
  );
});
