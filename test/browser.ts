/**
 * A real browser for tests: Debian's Chromium through playwright-core.
 *
 *   chromiumPath()                       → the executable, or undefined where there is none (then say so and skip)
 *   const browser = await launchBrowser()                    one per test file; `await browser.close()` afterwards
 *   const page = await openPage(browser, { url?, scheme?, width?, height?, scripts?, locale?, touch? })
 *       a page of its own context (own cookies); `scripts: false` switches JavaScript off; certificates of a private
 *       CA are accepted; `page.context().close()` when done
 *   await screenshot(page, 'sign-in')    → test/output/sign-in.png, the whole page; returns the path
 *   await axe(page)                      → the violations (empty is what we want), each { id, help, nodes }
 *   watchConsole(page)                   → a list that fills with console errors, page errors and CSP reports
 *   watchRequests(page)                  → a list that fills with the address of every request, data: left out
 *   await sideways(page)                 → by how many pixels the page is wider than the window (0 is what we want)
 *   await tabThrough(page)               → goes through the page with the Tab key: what was missed, what had no ring
 *   await weigh(page, url)               → bytes over the wire, headers included, with nothing cached
 *
 * Only http(s) addresses on loopback are reached; nothing is downloaded.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, resolve } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { chromium } from 'playwright-core';

const OUTPUT = resolve(import.meta.dirname, 'output');

export function chromiumPath(): string | undefined {
  return [process.env.GATEHOUSE_TEST_CHROMIUM, '/usr/bin/chromium'].find((path) => path && existsSync(path));
}

export async function launchBrowser(): Promise<Browser> {
  const executablePath = chromiumPath();
  if (!executablePath) throw new Error('Chromium is not installed (Debian: apt-get install chromium).');
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
  page.setDefaultTimeout(15_000);
  if (options.url) await page.goto(options.url);
  return page;
}

export async function screenshot(page: Page, name: string, fullPage = true): Promise<string> {
  const path = resolve(OUTPUT, `${name}.png`);
  mkdirSync(dirname(path), { recursive: true });
  await page.screenshot({ path, fullPage });
  return path;
}

export interface AxeViolation {
  id: string;
  help: string;
  nodes: string[];
}

let axeSource: string | undefined;

/**
 * Runs axe-core (WCAG 2.2 A and AA, best practices) on the page as it is, or these of its rules alone. Needs JavaScript
 * in the page.
 */
export async function axe(page: Page, rules?: readonly string[]): Promise<AxeViolation[]> {
  axeSource ??= await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  // Evaluated over the debugging protocol, so that the page's own security policy stays as it is.
  await page.evaluate(axeSource);
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

/** How much wider than the window the page is, in pixels. */
export async function sideways(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

const described = `(one) => one.cloneNode(false).outerHTML.slice(0, 200)`;

/**
 * Presses Tab from the top of the page until it has been through. Returns what is visible and takes focus but was never
 * reached, what was reached but shows no ring, and what came first; each as its opening tag.
 */
export async function tabThrough(page: Page): Promise<{ missed: string[]; blind: string[]; first: string }> {
  const total = await page.evaluate(() => {
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
    return seen.length;
  });
  const blind: string[] = [];
  let first = '';
  // A date field takes several steps of its own.
  for (let step = 0; step < total + 20; step += 1) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate(`(() => {
      const one = document.activeElement;
      if (!one || one === document.body) return { gone: true };
      delete one.dataset.toReach;
      const style = getComputedStyle(one);
      const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
      return { ring, tag: (${described})(one) };
    })()`);
    const { gone, ring, tag } = at as { gone?: boolean; ring?: boolean; tag?: string };
    if (gone) break;
    first ||= tag ?? '';
    if (!ring) blind.push(tag ?? '');
  }
  const missed = (await page.evaluate(
    `[...document.querySelectorAll('[data-to-reach]')].map(${described})`,
  )) as string[];
  return { missed, blind, first };
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
