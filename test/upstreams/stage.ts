/** What tests of upstreams share: a platform with an upstream, and a browser that goes to both. */

import type { Platform } from '../kit.ts';
import { freePort } from '../port.ts';
import { follow, type Seen, Visitor } from '../visitor.ts';

/** A port for the platform, so that the other side can be told the way back before it starts. */
export async function publicAddress(): Promise<{ origin: string; env: Record<string, string> }> {
  const port = await freePort();
  return { origin: `http://localhost:${port}`, env: { GATEHOUSE_PORT: String(port) } };
}

export interface Browser {
  here: Visitor;
  there: Visitor[];
  /** Opens an address here and follows wherever it leads, also to upstreams and back. */
  go(url: string): Promise<Seen>;
  /** Presses a button of the sign-in page's form that leads to an upstream, and follows. */
  through(upstream: string, fields?: Record<string, string>): Promise<Seen>;
  /** Posts a form of the page last seen here and follows; a page that leads on by itself is followed too. */
  send(fields: Record<string, string>, action?: string): Promise<Seen>;
}

/** One browser for the platform and these other sites. */
export function browser(platform: Pick<Platform, 'origin'>, sites: readonly string[]): Browser {
  const here = new Visitor(platform.origin);
  const there = sites.map((site) => new Visitor(site));
  const all = [here, ...there];
  const on = async (seen: Seen): Promise<Seen> => {
    const at = await follow(all, seen);
    const refresh = at.headers.get('refresh');
    if (!refresh) return at;
    const next = new URL(refresh.replace(/^0; url=/, ''), at.url);
    const visitor = all.find(({ origin }) => origin === next.origin);
    if (!visitor) throw new Error(`nobody visits ${next.origin}`);
    return on(await visitor.open(next.href));
  };
  return {
    here,
    there,
    go: async (url) => on(await here.open(url)),
    through: async (upstream, fields = {}) => {
      const form = here.formOf('/sign-in');
      return on(
        await here.open(`/upstream/${upstream}/start`, {
          method: 'POST',
          headers: { 'content-type': 'application/x-www-form-urlencoded', origin: here.origin },
          body: new URLSearchParams({ ...form.fields, ...fields }).toString(),
        }),
      );
    },
    send: async (fields, action) => on(await here.submit(fields, action)),
  };
}

/** The text of a page without markup. */
export function textOf(page: Seen): string {
  return page.text
    .replaceAll(/<(script|style)[\s\S]*?<\/\1>/g, '')
    .replaceAll(/<[^>]+>/g, ' ')
    .replaceAll(/\s+/g, ' ');
}

export function idOn(page: Seen, id: string): boolean {
  return page.text.includes(` id="${id}"`);
}
