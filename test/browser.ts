/**
 * A real browser for tests: Debian's Chromium through playwright-core.
 *
 *   chromiumPath()                       → the executable, or undefined where there is none (then say so and skip)
 *   const browser = await launchBrowser()                    one per test file; `await browser.close()` afterwards
 *   const page = await openPage(browser, { url?, scheme?, width?, height?, scripts?, locale?, touch? })
 *       a page of its own context (own cookies); `scripts: false` switches JavaScript off; certificates of a private
 *       CA are accepted; `page.context().close()` when done
 *   await screenshot(page, 'sign-in')    → test/output/sign-in.png, the whole page; returns the path, or undefined with
 *       PICTURES=none, which takes none
 *   await quiet(page)                    → waits until nothing is asked of the server and what came is shown
 *   await axe(page)                      → the violations (empty is what we want), each { id, help, nodes }
 *   await axe(page, colourRules)         → those of rules that say something else in another theme
 *   watchConsole(page)                   → a list that fills with console errors, page errors and CSP reports
 *   watchRequests(page)                  → a list that fills with the address of every request, data: left out
 *   await lookFromFourSides(page, name)  → pictures at a desk and on a phone, light and dark; asserts that axe finds nothing
 *   await asPhone(page, look)            → looks at the page as it is on a phone: its width, a finger instead of a mouse
 *   await sideways(page)                 → by how many pixels the page is wider than the window (0 is what we want)
 *   await tabThrough(page)               → goes through the page with the Tab key: what was missed, what had no ring
 *   await weigh(page, url)               → bytes over the wire, headers included, with nothing cached
 *
 * Only http(s) addresses on loopback are reached; nothing is downloaded.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, resolve } from 'node:path';
import type { Browser, CDPSession, Page, Request } from 'playwright-core';
import { chromium } from 'playwright-core';

const OUTPUT = resolve(import.meta.dirname, 'output');

export function chromiumPath(): string | undefined {
  return [process.env.GATEHOUSE_TEST_CHROMIUM, '/usr/bin/chromium-headless-shell', '/usr/bin/chromium'].find(
    (path) => path && existsSync(path),
  );
}

export async function launchBrowser(): Promise<Browser> {
  const executablePath = chromiumPath();
  if (!executablePath)
    throw new Error('Chromium is not installed (Debian: apt-get install chromium-headless-shell).');
  return chromium.launch({
    executablePath,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

export interface PageOptions {
  url?: string;
  scheme?: 'light' | 'dark';
  width?: number;
  height?: number;
  /** JavaScript; default true. */ scripts?: boolean;
  locale?: string;
  /** A phone: touch, coarse pointer. Default: true below 500 px. */ touch?: boolean;
}

export async function openPage(browser: Browser, options: PageOptions = {}): Promise<Page> {
  const width = options.width ?? 1280;
  const context = await browser.newContext({
    colorScheme: options.scheme ?? 'light',
    viewport: { width, height: options.height ?? (width < 500 ? 740 : 900) },
    hasTouch: options.touch ?? width < 500,
    isMobile: options.touch ?? width < 500,
    javaScriptEnabled: options.scripts ?? true,
    locale: options.locale ?? 'en-GB',
    reducedMotion: 'reduce',
    ignoreHTTPSErrors: true,
    timezoneId: 'UTC',
  });
  const page = await context.newPage();
  if (options.scripts === false) scriptless.add(page);
  page.setDefaultTimeout(15_000);
  countRequests(page);
  if (options.url) await page.goto(options.url);
  return page;
}

/** The pages where no script runs, and so no frame can be waited for from within. */
const scriptless = new WeakSet<Page>();

const sessions = new WeakMap<Page, Promise<CDPSession>>();

/** The debugging protocol of a page, for what Playwright has no word for. */
function protocolOf(page: Page): Promise<CDPSession> {
  const found = sessions.get(page) ?? page.context().newCDPSession(page);
  sessions.set(page, found);
  return found;
}

export async function screenshot(page: Page, name: string): Promise<string | undefined> {
  // They are for people to leaf through, and a sixth of the work: where nobody can, as in .ci/run, none is taken.
  if (process.env.PICTURES === 'none') return undefined;
  const path = resolve(OUTPUT, `${name}.png`);
  mkdirSync(dirname(path), { recursive: true });
  const session = await protocolOf(page);
  const { cssContentSize, cssLayoutViewport } = await session.send('Page.getLayoutMetrics');
  const { data } = await session.send('Page.captureScreenshot', {
    format: 'png',
    captureBeyondViewport: true,
    // Many are taken and few looked at: a larger file in a fraction of the time.
    optimizeForSpeed: true,
    clip: {
      x: 0,
      y: 0,
      width: Math.max(cssContentSize.width, cssLayoutViewport.clientWidth),
      height: Math.max(cssContentSize.height, cssLayoutViewport.clientHeight),
      scale: 1,
    },
  });
  await writeFile(path, data, 'base64');
  return path;
}

const underWay = new WeakMap<Page, Set<Request>>();

function countRequests(page: Page): void {
  const open = new Set<Request>();
  underWay.set(page, open);
  page.on('request', (request) => {
    // What the page that is left asked for is shown nowhere.
    if (request.isNavigationRequest() && request.frame() === page.mainFrame()) open.clear();
    open.add(request);
  });
  page.on('requestfinished', (request) => void open.delete(request));
  page.on('requestfailed', (request) => void open.delete(request));
}

/**
 * Waits until a page has nothing under way: no request, and none that follows from an answer once that is shown. Says
 * the same as a network idle for half a second, without the half second.
 */
export async function quiet(page: Page): Promise<void> {
  const open = underWay.get(page)!;
  const until = performance.now() + 15_000;
  for (let calm = 0; calm < 3; ) {
    // Effects run after a frame was painted, and what they ask for is known with the next.
    await page.evaluate(
      () =>
        new Promise<void>((resolve) => {
          requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(resolve)));
        }),
    );
    calm = open.size === 0 ? calm + 1 : 0;
    if (performance.now() > until)
      throw new Error(`still under way: ${[...open].map((one) => one.url()).join(', ')}`);
  }
}

export interface AxeViolation {
  id: string;
  help: string;
  nodes: string[];
}

let axeSource: string | undefined;

/** The rules of axe whose answer depends on colours. */
export const colourRules = ['color-contrast', 'link-in-text-block'] as const;

/**
 * Runs axe-core (WCAG 2.2 A and AA, best practices) on the page as it is, or these of its rules alone. Needs JavaScript
 * in the page.
 */
export async function axe(page: Page, rules?: readonly string[]): Promise<AxeViolation[]> {
  axeSource ??= await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  // Evaluated over the debugging protocol, so that the page's own security policy stays as it is; and from then on with
  // every page that comes, which the browser need not read anew.
  if (!(await page.evaluate(() => 'axe' in globalThis))) {
    await page.evaluate(axeSource);
    await page.addInitScript(axeSource);
  }
  const result = await page.evaluate(async (rules) => {
    const runner = (
      globalThis as unknown as {
        axe: {
          run(
            root: Document,
            options: unknown,
          ): Promise<{
            violations: { id: string; help: string; nodes: { html: string; failureSummary?: string }[] }[];
          }>;
        };
      }
    ).axe;
    return runner.run(document, {
      resultTypes: ['violations'],
      // The only frames there are show mail, shut off from the page: nothing outside reaches into them.
      iframes: false,
      runOnly: rules ?? ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    });
  }, rules);
  return result.violations.map(({ id, help, nodes }) => ({
    id,
    help,
    nodes: nodes.map((node) => `${node.html} ${node.failureSummary ?? ''}`),
  }));
}

/** Everything the browser complains about from now on: script errors, refused resources, policy violations. */
export function watchConsole(page: Page): string[] {
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  return complaints;
}

/** The address of every request from now on. */
export function watchRequests(page: Page): string[] {
  const urls: string[] = [];
  page.on('request', (request) => {
    if (!request.url().startsWith('data:')) urls.push(request.url());
  });
  return urls;
}

/**
 * Runs a look at the page as a phone shows it, without opening it anew: narrow, with touch and a coarse pointer. Refuses a
 * page that a phone would lay out as wide as a desk and shrink.
 */
export async function asPhone(page: Page, look: () => Promise<void>): Promise<void> {
  const before = page.viewportSize()!;
  const session = await protocolOf(page);
  const touch = (enabled: boolean) => session.send('Emulation.setTouchEmulationEnabled', { enabled });
  const laidOut = await page.locator('meta[name="viewport"]').getAttribute('content');
  if (!laidOut?.includes('width=device-width'))
    throw new Error('the page does not take the width of a phone');
  await page.setViewportSize({ width: 360, height: 740 });
  await touch(true);
  if (!(await page.evaluate(() => matchMedia('(pointer: coarse) and (max-width: 360px)').matches)))
    throw new Error('the page does not know that it is on a phone');
  await look();
  await touch(false);
  await page.setViewportSize(before);
}

/**
 * The page at a desk and on a phone, in the light and in the dark: pictures of each, nothing for axe to say, nothing wider
 * than the window. In the other theme a page is the same but for its colours, so every rule is asked in one, and those of
 * colours in the other.
 */
export async function lookFromFourSides(page: Page, name: string): Promise<void> {
  const bothThemes = async (width: 360 | 1280) => {
    await screenshot(page, `${name}-light-${width}`);
    assert.deepEqual(await axe(page, width === 1280 ? undefined : colourRules), [], name);
    assert.equal(await sideways(page), 0, `${name} scrolls sideways at ${width} px`);
    await page.emulateMedia({ colorScheme: 'dark' });
    await screenshot(page, `${name}-dark-${width}`);
    assert.deepEqual(await axe(page, width === 1280 ? colourRules : undefined), [], `${name} in the dark`);
    await page.emulateMedia({ colorScheme: 'light' });
  };
  await bothThemes(1280);
  await asPhone(page, () => bothThemes(360));
}

/** How much wider than the window the page is, in pixels. */
export async function sideways(page: Page): Promise<number> {
  // A page whose script hears of its new width has drawn itself anew by the second frame; without scripts there is no such
  // frame to wait for, and nothing to wait for it.
  return page.evaluate(
    async (frames) => {
      for (let frame = 0; frame < frames; frame += 1)
        await new Promise((drawn) => requestAnimationFrame(drawn));
      return document.documentElement.scrollWidth - document.documentElement.clientWidth;
    },
    scriptless.has(page) ? 0 : 2,
  );
}

/** What the page notes of itself while Tab goes through it. */
interface Walk {
  gone: boolean;
  reached: { ring: boolean; tag: string }[];
}

const tabsAtOnce = 12;

/**
 * Presses Tab from the top of the page until it has been through. Returns what is visible and takes focus but was never
 * reached, what was reached but shows no ring, and what came first; each as its opening tag.
 */
export async function tabThrough(page: Page): Promise<{ missed: string[]; blind: string[]; first: string }> {
  const total = await page.evaluate(prepareWalk);
  const session = await protocolOf(page);
  const press = (type: 'rawKeyDown' | 'keyUp') =>
    session.send('Input.dispatchKeyEvent', {
      type,
      key: 'Tab',
      code: 'Tab',
      windowsVirtualKeyCode: 9,
      nativeVirtualKeyCode: 9,
    });
  // A date field takes several steps of its own. The page itself notes where it is: nobody asks after each step.
  for (let step = 0; step < total + 20; step += tabsAtOnce) {
    const presses = Array.from({ length: tabsAtOnce }, () => [press('rawKeyDown'), press('keyUp')]);
    await Promise.all(presses.flat());
    if (await page.evaluate(() => (globalThis as unknown as { walk: Walk }).walk.gone)) break;
  }
  return page.evaluate(() => {
    const { reached } = (globalThis as unknown as { walk: Walk }).walk;
    const missed = [...document.querySelectorAll('[data-to-reach]')];
    return {
      missed: missed.map((one) => (one.cloneNode(false) as Element).outerHTML.slice(0, 200)),
      blind: reached.filter(({ ring }) => !ring).map(({ tag }) => tag),
      first: reached[0]?.tag ?? '',
    };
  });
}

/** Runs in the page: marks what is to be reached, notes what is, and puts the focus before all. Returns how much there is. */
function prepareWalk(): number {
  const all = document.querySelectorAll<HTMLElement>(
    'a[href], button, input:not([type="hidden"]), select, textarea, summary, [tabindex="0"]',
  );
  // Of radios that belong together Tab reaches the chosen one, arrows the others.
  const byArrows = (one: HTMLElement) =>
    one.matches('input[type="radio"]:not(:checked)') &&
    one.closest('fieldset')?.querySelector('input[type="radio"]:checked') != null;
  const seen = [...all].filter((one) => one.tabIndex >= 0 && one.checkVisibility() && !byArrows(one));
  for (const one of seen) one.dataset.toReach = '';
  document.body.tabIndex = -1;
  document.body.focus();
  document.body.removeAttribute('tabindex');
  const walk: Walk = { gone: false, reached: [] };
  Object.assign(globalThis, { walk });
  document.addEventListener('focusin', ({ target }) => {
    if (walk.gone || !(target instanceof HTMLElement)) return;
    delete target.dataset.toReach;
    const { outlineStyle, outlineWidth } = getComputedStyle(target);
    const ring = outlineStyle !== 'none' && Number.parseFloat(outlineWidth) >= 2;
    walk.reached.push({ ring, tag: (target.cloneNode(false) as Element).outerHTML.slice(0, 200) });
  });
  // Past the last one the page has no focus any more; then it would begin anew.
  document.addEventListener('focusout', ({ relatedTarget }) => {
    if (walk.reached.length > 0 && relatedTarget === null) walk.gone = true;
  });
  return seen.length;
}

/** Loads a page with an empty cache and adds up what came over the wire, headers included. */
export async function weigh(page: Page, url: string): Promise<{ bytes: number; files: number }> {
  const session = await page.context().newCDPSession(page);
  await session.send('Network.enable');
  await session.send('Network.setCacheDisabled', { cacheDisabled: true });
  let bytes = 0;
  let files = 0;
  session.on('Network.loadingFinished', ({ encodedDataLength }) => {
    bytes += encodedDataLength;
    files += 1;
  });
  await page.goto(url, { waitUntil: 'networkidle' });
  return { bytes, files };
}
