import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { accentFor, contrast, DEFAULT_ACCENT, GROUNDS, parseColour } from './accent.ts';

const AA = 4.5;

test('contrast is the ratio of WCAG', () => {
  assert.equal(contrast('#000000', '#ffffff'), 21);
  assert.equal(contrast('#777777', '#ffffff').toFixed(2), '4.48');
  assert.equal(contrast('#abc', '#aabbcc'), 1);
});

test('every colour a community may choose can be read in both themes', () => {
  const hex = fc.integer({ min: 0, max: 0xffffff }).map((value) => '#' + value.toString(16).padStart(6, '0'));
  const check = (colour: string) => {
    const { light, dark } = accentFor(colour);
    for (const ground of [GROUNDS.light.ground, GROUNDS.light.surface])
      assert.ok(contrast(light.accent, ground) >= AA, `${colour} ${ground}`);
    for (const ground of [GROUNDS.dark.ground, GROUNDS.dark.surface])
      assert.ok(contrast(dark.accent, ground) >= AA, `${colour} ${ground}`);
    for (const [tones, ink] of [
      [light, GROUNDS.light.ink],
      [dark, GROUNDS.dark.ink],
    ] as const) {
      assert.ok(contrast(tones.on, tones.accent) >= AA, `on ${colour}`);
      assert.ok(contrast(tones.on, tones.strong) >= AA, `on strong ${colour}`);
      assert.ok(contrast(ink, tones.soft) >= AA, `soft ${colour}`);
    }
    // The entry one stands in is written in the accent on its own tint.
    for (const tones of [light, dark])
      assert.ok(contrast(tones.accent, tones.soft) >= AA, `${colour} on its tint`);
  };
  for (const colour of [
    '#000000',
    '#ffffff',
    '#ffff00',
    '#00ff00',
    '#ff0000',
    '#0000ff',
    '#808080',
    '#ffd400',
    DEFAULT_ACCENT,
  ])
    check(colour);
  fc.assert(fc.property(hex, check), { numRuns: 500 });
});

test('the hue stays, and what is readable already stays as it is', () => {
  const { light } = accentFor('#2b50c8');
  assert.equal(light.accent, '#2b50c8');
  const yellow = parseColour(accentFor('#ffd400').light.accent);
  assert.ok(yellow && yellow[0] > yellow[2] && yellow[1] > yellow[2]);
});

test('what is no colour gives the default', () => {
  for (const text of [undefined, '', 'red', '#12', 'url(x)', '#2b50c8;}body{display:none']) {
    assert.deepEqual(accentFor(text), accentFor(DEFAULT_ACCENT), String(text));
  }
});

test('style.css and accent.ts speak of the same colours', () => {
  const css = readFileSync(new URL('./style.css', import.meta.url), 'utf8');
  const [light = '', dark = ''] = css.split('@media (prefers-color-scheme: dark)');
  const token = (text: string, name: string) => new RegExp(`--${name}: (#[0-9a-f]{6})`).exec(text)?.[1];
  for (const name of ['ground', 'surface', 'ink'] as const) {
    assert.equal(token(light, name), GROUNDS.light[name], name);
    assert.equal(token(dark, name), GROUNDS.dark[name], name);
  }
  assert.equal(token(light, 'accent'), DEFAULT_ACCENT);
  for (const [text, surfaces] of [
    [light, ['surface', 'ground', 'sunken']],
    [dark, ['surface', 'ground', 'sunken']],
  ] as const) {
    for (const surface of surfaces) {
      for (const name of ['ink', 'muted', 'accent']) {
        assert.ok(contrast(token(text, name)!, token(text, surface)!) >= AA, `${name} on ${surface}`);
      }
    }
    for (const tone of ['green', 'amber', 'red', 'blue']) {
      assert.ok(contrast(token(text, tone)!, token(text, `${tone}-soft`)!) >= AA, `${tone} on its tint`);
    }
    // WCAG 1.4.11: the edge of a field is seen.
    assert.ok(contrast(token(text, 'line-strong')!, token(text, 'surface')!) >= 3, 'edge of a field');
  }
});
