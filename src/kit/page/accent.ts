/**
 * The community's accent colour, made readable.
 *
 * A community sets one colour for its name's sake; nobody there measures contrast. `accentFor(colour)` keeps
 * its hue and moves only its lightness (in OKLCH, where equal steps look equal) until text in it, and text on it,
 * reach WCAG 2.2 AA (4.5 : 1, success criterion 1.4.3) in the light and in the dark theme. Pure functions.
 */

export interface AccentTones {
  /** Links, icons and filled buttons. */ accent: string;
  /** The same under the pointer. */ strong: string;
  /** Text on a filled button. */ on: string;
  /** A tint for quiet fills; text on it is ordinary text. */ soft: string;
}

/** Grounds text may stand on, per theme; the same values as in style.css (a test compares them). */
export const GROUNDS = {
  light: { ground: '#f3f5f9', surface: '#ffffff', ink: '#18202c' },
  dark: { ground: '#0f141c', surface: '#19212d', ink: '#e8edf4' },
} as const;

export const DEFAULT_ACCENT = '#2b50c8';

type Rgb = readonly [number, number, number];

/** Reads `#rgb` or `#rrggbb`; undefined for anything else. */
export function parseColour(text: string): Rgb | undefined {
  const short = /^#([0-9a-f])([0-9a-f])([0-9a-f])$/i.exec(text.trim());
  const hex = short
    ? short.slice(1).map((digit) => digit + digit)
    : /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(text.trim())?.slice(1);
  if (!hex) return undefined;
  const [red, green, blue] = hex.map((pair) => Number.parseInt(pair, 16)) as [number, number, number];
  return [red, green, blue];
}

function toHex(rgb: Rgb): string {
  return '#' + rgb.map((value) => Math.round(value).toString(16).padStart(2, '0')).join('');
}

const toLinear = (value: number): number =>
  value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
const fromLinear = (value: number): number =>
  value <= 0.0031308 ? value * 12.92 : 1.055 * value ** (1 / 2.4) - 0.055;

function luminance(rgb: Rgb): number {
  const [red, green, blue] = rgb.map((value) => toLinear(value / 255)) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** WCAG contrast ratio of two colours, 1 to 21. */
export function contrast(one: string, other: string): number {
  const a = luminance(mustParse(one));
  const b = luminance(mustParse(other));
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

function mustParse(text: string): Rgb {
  const rgb = parseColour(text);
  if (!rgb) throw new Error(`Not a colour: ${text}`);
  return rgb;
}

interface Oklch {
  lightness: number;
  chroma: number;
  hue: number;
}

function toOklch(rgb: Rgb): Oklch {
  const [r, g, b] = rgb.map((value) => toLinear(value / 255)) as [number, number, number];
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  const a = 1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s;
  const bb = 0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s;
  return {
    lightness: 0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    chroma: Math.hypot(a, bb),
    hue: Math.atan2(bb, a),
  };
}

/** Back to a colour a screen can show: chroma gives way until all three channels fit. */
function fromOklch({ lightness, chroma, hue }: Oklch): Rgb {
  for (let keep = chroma; ; keep -= 0.01) {
    const a = Math.max(0, keep) * Math.cos(hue);
    const b = Math.max(0, keep) * Math.sin(hue);
    const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
    const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
    const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
    const linear = [
      4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
      -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
      -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
    ];
    if (keep <= 0 || linear.every((value) => value >= -0.0005 && value <= 1.0005)) {
      return linear.map((value) =>
        Math.min(255, Math.max(0, fromLinear(Math.min(1, Math.max(0, value))) * 255)),
      ) as unknown as Rgb;
    }
  }
}

function moveUntil(start: Oklch, step: number, good: (colour: string) => boolean): Oklch {
  let colour = start;
  while (!good(toHex(fromOklch(colour)))) {
    const lightness = colour.lightness + step;
    if (lightness < 0 || lightness > 1) return { ...colour, lightness: lightness < 0 ? 0 : 1, chroma: 0 };
    colour = { ...colour, lightness };
  }
  return colour;
}

function mix(colour: string, ground: string, share: number): string {
  const [a, b] = [mustParse(colour), mustParse(ground)];
  return toHex(
    [0, 1, 2].map(
      (index) => (a[index] as number) * share + (b[index] as number) * (1 - share),
    ) as unknown as Rgb,
  );
}

/** The quiet fill of an accent: the entry one stands in is written in the accent on it. */
function tint(colour: string, theme: 'light' | 'dark'): string {
  return mix(colour, GROUNDS[theme].surface, theme === 'light' ? 0.09 : 0.16);
}

/**
 * The tones of an accent for both themes, every one of them AA.
 * @param colour `#rrggbb` or `#rgb`; anything else gives the default accent
 */
export function accentFor(colour: string | undefined): { light: AccentTones; dark: AccentTones } {
  const wanted = toOklch(parseColour(colour ?? '') ?? mustParse(DEFAULT_ACCENT));
  // More than needed by a hair, so that rounding to bytes cannot lose the last tenth.
  const enough = 4.6;
  const light = moveUntil({ ...wanted, lightness: Math.min(wanted.lightness, 0.62) }, -0.01, (text) =>
    [GROUNDS.light.ground, GROUNDS.light.surface, tint(text, 'light')].every(
      (ground) => contrast(text, ground) >= enough,
    ),
  );
  const dark = moveUntil(
    { ...wanted, lightness: Math.max(wanted.lightness, 0.68), chroma: Math.min(wanted.chroma, 0.15) },
    0.01,
    (text) =>
      [GROUNDS.dark.surface, '#0b1018', tint(text, 'dark')].every(
        (ground) => contrast(text, ground) >= enough,
      ),
  );
  const lightHex = toHex(fromOklch(light));
  const darkHex = toHex(fromOklch(dark));
  return {
    light: {
      accent: lightHex,
      strong: toHex(fromOklch({ ...light, lightness: Math.max(0, light.lightness - 0.06) })),
      on: '#ffffff',
      soft: tint(lightHex, 'light'),
    },
    dark: {
      accent: darkHex,
      strong: toHex(fromOklch({ ...dark, lightness: Math.min(1, dark.lightness + 0.06) })),
      on: '#0b1018',
      soft: tint(darkHex, 'dark'),
    },
  };
}
