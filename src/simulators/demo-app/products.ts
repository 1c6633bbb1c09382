import { type Asset, defineAsset } from '#kit/page/assets.ts';
import { type Html, raw } from '#kit/page/html.ts';

export type Product = 'tracker' | 'commons';

interface ProductLook {
  name: string;
  mark: Html;
  headline: string;
  text: string;
  welcome: string;
}

/** Two apps that could not be mistaken for one another, nor for the place that signs people in. */
export const products: Record<Product, ProductLook> = {
  tracker: {
    name: 'Tracker',
    mark: raw(
      '<svg width="22" height="22" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2.5" aria-hidden="true"><path d="M3 5h7v14H3zM14 5h7v8h-7z"/></svg>',
    ),
    headline: 'Everything that needs doing, in one list',
    text: 'Report what is broken, say who mends it, see when it is done.',
    welcome: 'Back to work',
  },
  commons: {
    name: 'Commons',
    mark: raw(
      '<svg width="30" height="30" viewBox="0 0 32 32" fill="currentColor" aria-hidden="true"><path d="M4 7a4 4 0 0 1 4-4h16a4 4 0 0 1 4 4v11a4 4 0 0 1-4 4H15l-7 7v-7a4 4 0 0 1-4-4z" opacity=".9"/></svg>',
    ),
    headline: 'Pull up a chair',
    text: 'A slow and friendly place to talk about what we share.',
    welcome: 'Good to see you',
  },
};

const shared = `
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 1rem/1.5 var(--text-font); overflow-wrap: anywhere; }
h1, h2, h3 { font-family: var(--head-font); line-height: 1.25; margin: 0 0 .5rem; }
a { color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
header { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; justify-content: space-between; }
.brand { display: flex; gap: .625rem; align-items: center; color: inherit; text-decoration: none; font-family: var(--head-font); font-weight: 700; min-height: 44px; }
.row { display: flex; flex-wrap: wrap; gap: .75rem; align-items: center; }
.button { display: inline-flex; align-items: center; justify-content: center; min-height: 44px; padding: .5rem 1.25rem; border: 1px solid var(--accent); border-radius: var(--radius);
  background: var(--accent); color: var(--on-accent); font: inherit; font-weight: 600; text-decoration: none; cursor: pointer; }
.button:hover { filter: brightness(1.08); }
.button.small { padding: .25rem .875rem; font-size: .9375rem; }
.button.quiet { background: transparent; color: inherit; border-color: currentColor; }
.muted, footer { color: var(--muted); }
small { color: var(--good); font-weight: 600; }
code { font: .875em ui-monospace, "Cascadia Code", "Liberation Mono", monospace; }
footer { padding: 2rem 1.5rem 3rem; font-size: .875rem; text-align: center; }
.who { display: inline-flex; gap: .5rem; align-items: center; }
.avatar { flex: none; display: inline-grid; place-items: center; width: 2.25rem; height: 2.25rem; border-radius: var(--avatar-radius); background: var(--soft); color: var(--accent-ink); font-size: .8125rem; font-weight: 700; }
.note { margin: 0 0 1rem; padding: .75rem 1rem; border-left: 4px solid var(--good); border-radius: var(--radius); background: var(--surface); }
.panel { margin: 0 0 2rem; padding: 1.5rem; border: 1px solid var(--line); border-radius: var(--radius-big); background: var(--surface); }
.panel h3 { margin-top: 1.5rem; }
dl { margin: 1rem 0; display: grid; gap: 0; }
dl > div { display: grid; grid-template-columns: minmax(8rem, 14rem) 1fr; gap: .25rem 1rem; padding: .5rem 0; border-top: 1px solid var(--line); }
dt { color: var(--muted); }
dd { margin: 0; min-width: 0; }
.chip { display: inline-block; padding: 0 .625rem; border-radius: 99px; background: var(--soft); color: var(--accent-ink); font-size: .875rem; }
summary { padding: .625rem 0; cursor: pointer; color: var(--accent); font-weight: 600; }
#claims th, #claims td:last-child { white-space: nowrap; }
#claims td:nth-child(2) { min-width: 11rem; }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .5rem .75rem; border-top: 1px solid var(--line); text-align: start; vertical-align: top; }
thead th { border: 0; color: var(--muted); font-size: .8125rem; font-weight: 600; }
tbody th { font-weight: 400; }
@media (max-width: 40rem) {
  dl > div { grid-template-columns: 1fr; }
  .panel { padding: 1rem; }
  th, td { padding-inline: .375rem; }
  .who-name { display: none; }
}
`;

const trackerStyle = `
:root { color-scheme: light dark; --ground: #eef1f0; --surface: #fff; --ink: #14201e; --muted: #53635f; --line: #d7dedb; --accent: #0b6b5d; --accent-ink: #0b5a4e; --on-accent: #fff;
  --soft: #d9ece7; --good: #17693a; --rail: #10211e; --rail-ink: #e6f1ee; --radius: 3px; --radius-big: 4px; --avatar-radius: 4px;
  --text-font: system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; --head-font: var(--text-font); }
@media (prefers-color-scheme: dark) { :root { --ground: #0c1412; --surface: #14201d; --ink: #e3edea; --muted: #9db1ab; --line: #263733; --accent: #4fd1b5; --accent-ink: #8be3cf;
  --on-accent: #05201a; --soft: #173a33; --good: #7fd6a0; --rail: #08100e; } }
${shared}
.tracker header { padding: .375rem 1.25rem; background: var(--rail); color: var(--rail-ink); }
.tracker .brand { letter-spacing: .02em; }
.tracker main { max-width: 66rem; margin: 0 auto; padding: 1.5rem 1.25rem; }
.tracker .hero { margin-bottom: 1.5rem; padding-bottom: 1rem; border-bottom: 2px solid var(--accent); }
.tracker h1 { font-size: 1.5rem; letter-spacing: -.01em; }
.tracker h2 { font-size: 1.0625rem; }
.tracker h3 { font-size: .9375rem; }
.tracker .issues { background: var(--surface); border: 1px solid var(--line); font-size: .9375rem; }
.tracker .issues td:first-child { white-space: nowrap; color: var(--muted); }
.tracker .issues td:nth-child(2) { min-width: min(11rem, 34vw); }
.state { display: inline-block; padding: 0 .5rem; border: 1px solid var(--line); border-radius: 3px; font-size: .8125rem; font-weight: 600; white-space: nowrap; }
.state.now { background: var(--soft); color: var(--accent-ink); border-color: transparent; }
.state.done { color: var(--muted); text-decoration: line-through; }
`;

const commonsStyle = `
:root { color-scheme: light dark; --ground: #fbf5ec; --surface: #fffdf9; --ink: #35231a; --muted: #78604f; --line: #ecdfcf; --accent: #a8431c; --accent-ink: #8a3614; --on-accent: #fff;
  --soft: #f7e0cf; --good: #4c6b1f; --radius: 99px; --radius-big: 22px; --avatar-radius: 50%;
  --text-font: Charter, "Bitstream Charter", "Iowan Old Style", Georgia, "Liberation Serif", serif; --head-font: var(--text-font); }
@media (prefers-color-scheme: dark) { :root { --ground: #1d1410; --surface: #281d17; --ink: #f5e9de; --muted: #c5ab98; --line: #3f2f26; --accent: #f2a27d; --accent-ink: #f7bd9f;
  --on-accent: #2a1006; --soft: #4a2d1f; --good: #b9d488; } }
${shared}
.commons header, .commons main { max-width: 46rem; margin: 0 auto; padding: 1.25rem; }
.commons .brand { color: var(--accent); font-size: 1.5rem; }
.commons .hero { margin: 1rem 0 2.5rem; text-align: center; }
.commons .hero .row { justify-content: center; }
.commons h1 { font-size: clamp(2rem, 7vw, 3rem); font-weight: 600; letter-spacing: -.02em; }
.commons .hero p { font-size: 1.125rem; }
.commons h2 { font-size: 1.375rem; }
.commons .note { border-left: 0; border-radius: 16px; background: var(--soft); text-align: center; }
.topics { margin: 1rem 0; padding: 0; list-style: none; display: grid; gap: .75rem; }
.topics li { display: flex; gap: 1rem; align-items: center; padding: 1rem 1.25rem; border: 1px solid var(--line); border-radius: 22px; background: var(--surface); }
.topics li > div { flex: 1; min-width: 0; display: grid; }
.topics .muted { font-size: .9375rem; }
.replies { white-space: nowrap; font-weight: 600; }
@media (max-width: 30rem) { .topics li { gap: .75rem; padding: .875rem; } .replies .muted { display: none; } }
`;

export const productStyle: Record<Product, Asset> = {
  tracker: defineAsset('tracker.css', trackerStyle),
  commons: defineAsset('commons.css', commonsStyle),
};
