/**
 * Files a page refers to, addressed by the hash of their content: `/assets/<hash>/<name>`, so that a browser may
 * keep them for ever and a new release is a new address. `defineAsset` reads, hashes and compresses once; kit/http
 * serves whatever list of assets it is given (`createServer({ assets })`), these here always.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

export interface Asset {
  readonly name: string;
  /** The address on our own origin, with a leading slash. */ readonly url: string;
  readonly type: string;
  readonly content: Buffer;
  readonly gzip: Buffer;
  readonly brotli: Buffer;
}

const TYPES: Record<string, string> = {
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
  png: 'image/png',
  webp: 'image/webp',
  woff2: 'font/woff2',
  map: 'application/json',
  txt: 'text/plain; charset=utf-8',
};

/**
 * @param name the last part of the address; its ending decides the content type
 * @param source a file beside the code (`new URL('./style.css', import.meta.url)`) or the content itself
 */
export function defineAsset(name: string, source: URL | Buffer | string): Asset {
  const type = TYPES[name.slice(name.lastIndexOf('.') + 1)];
  if (!type || !/^[a-z0-9][a-z0-9.-]*$/i.test(name)) throw new Error(`Not an asset a page may have: ${name}`);
  const read = source instanceof URL ? readFileSync(source) : Buffer.from(source as string);
  const content = name.endsWith('.css') ? Buffer.from(squeeze(read.toString('utf8'))) : read;
  const hash = createHash('sha256').update(content).digest('base64url').slice(0, 16);
  const brotli = brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } });
  return {
    name,
    url: `/assets/${hash}/${name}`,
    type,
    content,
    gzip: gzipSync(content, { level: 9 }),
    brotli,
  };
}

/** Comments and indentation are for us, not for the wire. Our style sheet has no string with such a run in it. */
function squeeze(css: string): string {
  return css
    .replace(/\/\*[^*]*\*+(?:[^/*][^*]*\*+)*\//g, '')
    .replace(/\s+/g, ' ')
    .replace(/ ?([{};>,]) ?/g, '$1')
    .replace(/: /g, ':')
    .replace(/([\s:(,-])0\.(?=\d)/g, '$1.')
    .replace(/#([0-9a-f])\1([0-9a-f])\2([0-9a-f])\3\b/g, '#$1$2$3')
    .replace(/;}/g, '}')
    .trim();
}

/** The generic mark, as an icon for the browser tab: it carries its own colours, for both themes. */
const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><style>path{fill:#2b50c8}@media(prefers-color-scheme:dark){path{fill:#8fabff}}</style><path fill-rule="evenodd" d="M7 28V14a9 9 0 0 1 18 0v14h-4V14.5a5 5 0 0 0-10 0V28zm-4 0h26v2H3zm11.5-9a1.5 1.5 0 1 0 3 0 1.5 1.5 0 0 0-3 0"/></svg>`;

export const styleSheet = defineAsset('style.css', new URL('./style.css', import.meta.url));
export const enhanceScript = defineAsset('enhance.js', new URL('./enhance.client.js', import.meta.url));
export const refreshScript = defineAsset('refresh.js', new URL('./refresh.client.js', import.meta.url));
export const passkeyScript = defineAsset('passkeys.js', new URL('./passkeys.client.js', import.meta.url));
export const puzzleScript = defineAsset('puzzle.js', new URL('./puzzle.client.js', import.meta.url));
export const puzzleWorker = defineAsset(
  'puzzle-worker.js',
  new URL('./puzzle-worker.client.js', import.meta.url),
);
export const icon = defineAsset('icon.svg', ICON);
export const pageAssets: readonly Asset[] = [
  styleSheet,
  enhanceScript,
  refreshScript,
  passkeyScript,
  puzzleScript,
  puzzleWorker,
  icon,
];
