/**
 * A browser for tests of pages over real HTTP: cookies, redirects, forms with their hidden fields. It runs no scripts, but
 * solves the puzzle of sign-up as the script there does.
 */
import { type Challenge, solveChallenge } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2';

export interface Seen {
  status: number;
  url: string;
  headers: Headers;
  text: string;
}

export class Visitor {
  readonly origin: string;
  readonly cookies = new Map<string, string>();
  readonly #headers: Record<string, string>;
  /** Cookies of one path and below, as a browser keeps them apart. */
  readonly #scoped = new Map<string, { path: string; pair: string }>();
  /** The page last seen. */
  page: Seen = { status: 0, url: '', headers: new Headers(), text: '' };

  constructor(origin: string, headers: Record<string, string> = {}) {
    this.origin = origin;
    this.#headers = headers;
  }

  /** One request without following redirects. */
  async request(url: string, init: RequestInit = {}): Promise<Seen> {
    const target = new URL(url, this.page.url || this.origin);
    const headers = new Headers({
      accept: 'text/html',
      ...this.#headers,
      ...(init.headers as Record<string, string>),
    });
    const ours = target.origin === this.origin;
    if (ours && this.cookies.size + this.#scoped.size > 0 && !headers.has('cookie')) {
      const below = [...this.#scoped.values()].filter(
        ({ path }) => target.pathname === path || target.pathname.startsWith(`${path}/`),
      );
      const pairs = [...this.cookies].map(([name, value]) => `${name}=${value}`);
      headers.set('cookie', [...below.map(({ pair }) => pair), ...pairs].join('; '));
    }
    const response = await fetch(target, { ...init, headers, redirect: 'manual' });
    if (ours) this.#keep(response.headers.getSetCookie());
    return {
      status: response.status,
      url: target.href,
      headers: response.headers,
      text: await response.text(),
    };
  }

  #keep(cookies: string[]): void {
    for (const cookie of cookies) {
      const [pair = '', ...rest] = cookie.split('; ');
      const cut = pair.indexOf('=');
      const gone = rest.some((part) => {
        const [name = '', value = ''] = part.toLowerCase().split('=');
        return name === 'max-age' ? value === '0' : name === 'expires' && Date.parse(value) < Date.now();
      });
      const path = rest.find((part) => part.toLowerCase().startsWith('path='))?.slice(5) ?? '/';
      if (path !== '/') this.#scoped.set(`${pair.slice(0, cut)};${path}`, { path, pair });
      else if (gone) this.cookies.delete(pair.slice(0, cut));
      else this.cookies.set(pair.slice(0, cut), pair.slice(cut + 1));
    }
  }

  /** Opens an address and follows redirects as long as they stay on our origin. */
  async open(url: string, init: RequestInit = {}): Promise<Seen> {
    let seen = await this.request(url, init);
    for (let hops = 0; seen.status >= 300 && seen.status < 400 && hops < 20; hops += 1) {
      const next = new URL(seen.headers.get('location') ?? '', seen.url);
      if (next.origin !== this.origin) break;
      this.page = seen;
      seen = await this.request(next.href);
    }
    this.page = seen;
    return seen;
  }

  /** The hidden fields of the form with this action on the page last seen (the first form when left out). */
  formOf(action?: string): { action: string; fields: Record<string, string> } {
    const forms = [...this.page.text.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/g)];
    const found = forms.find(([, attributes = '']) => {
      const to = decode(/action="([^"]*)"/.exec(attributes)?.[1] ?? '');
      return /method="post"/i.test(attributes) && (action === undefined || to === action);
    });
    if (!found)
      throw new Error(
        `no form ${action ?? ''} on ${this.page.url} (${this.page.status}):\n${this.page.text.slice(0, 3000)}`,
      );
    const fields: Record<string, string> = {};
    for (const [input] of (found[2] ?? '').matchAll(/<input\b[^>]*type="hidden"[^>]*>/g)) {
      const name = /name="([^"]*)"/.exec(input)?.[1];
      if (name) fields[decode(name)] = decode(/value="([^"]*)"/.exec(input)?.[1] ?? '');
    }
    return { action: decode(/action="([^"]*)"/.exec(found[1] ?? '')?.[1] ?? ''), fields };
  }

  /** Fills in and sends a form of the page last seen, as a browser would (Origin included), and follows. */
  async submit(
    fields: Record<string, string>,
    action?: string,
    headers: Record<string, string> = {},
  ): Promise<Seen> {
    const form = this.formOf(action);
    if (form.fields.puzzle === '' && fields.puzzle === undefined) form.fields.puzzle = await this.puzzle();
    return this.open(form.action, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', origin: this.origin, ...headers },
      body: new URLSearchParams({ ...form.fields, ...fields }).toString(),
    });
  }

  /** A puzzle of sign-up, solved. */
  async puzzle(): Promise<string> {
    const challenge = JSON.parse((await this.request('/sign-up/puzzle')).text) as Challenge;
    const solution = await solveChallenge({ challenge, deriveKey });
    return Buffer.from(JSON.stringify({ challenge, solution })).toString('base64');
  }

  /** Signs in with the password page. */
  async signIn(username: string, password: string): Promise<Seen> {
    await this.open('/sign-in');
    return this.submit({ username, password }, '/sign-in');
  }
}

/**
 * One browser that goes to several sites: a visitor for each, as cookies are kept apart by host.
 * Follows where `seen` leads, from one to the other, until a page is shown.
 */
export async function follow(visitors: readonly Visitor[], seen: Seen): Promise<Seen> {
  let at = seen;
  for (let hops = 0; at.status >= 300 && at.status < 400 && hops < 20; hops += 1) {
    const next = new URL(at.headers.get('location') ?? '', at.url);
    const visitor = visitors.find(({ origin }) => origin === next.origin);
    if (!visitor) throw new Error(`nobody visits ${next.origin}`);
    at = await visitor.open(next.href);
  }
  return at;
}

function decode(text: string): string {
  return text
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&#96;', '`')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
}
