/** What a browser loads to show the sign-in page, in bytes as they cross the wire. */

import { request } from 'undici';
import { stringify } from 'yaml';
import { startHouse } from './house.ts';
import { type Bench, type Measured, rounded } from './measure.ts';

const limit = 30 * 1024;

async function run(): Promise<Measured> {
  const house = await startHouse();
  try {
    await house.apply(stringify({ community: { name: 'Harbour', accent: '#0b6e74' } }));
    const page = await transfer(new URL('/sign-in', house.origin));
    const parts = page.text.matchAll(/<(?:link|script|img)\b[^>]*?(?:href|src)="([^"]+)"/g);
    const addresses = new Set([...parts].map(([, address = '']) => new URL(address, house.origin).href));
    const others: number[] = [];
    for (const address of addresses) others.push((await transfer(new URL(address))).bytes);
    const all = others.reduce((sum, bytes) => sum + bytes, page.bytes);
    return {
      figures: {
        requests: 1 + others.length,
        'the page itself, KB': rounded(page.bytes / 1024, 1),
        'with everything it loads, KB': rounded(all / 1024, 1),
      },
      goalMet: all <= limit,
    };
  } finally {
    await house.stop();
  }
}

/** Bytes of one answer, its headers included, compressed as the server chooses for a browser. */
async function transfer(url: URL): Promise<{ bytes: number; text: string }> {
  const { statusCode, headers, body } = await request(url, { headers: { 'accept-encoding': 'gzip, br' } });
  if (statusCode !== 200) throw new Error(`${url.pathname} was answered with ${statusCode}`);
  const content = Buffer.from(await body.arrayBuffer());
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    [value ?? ''].flat().map((one) => `${name}: ${one}\r\n`),
  );
  const head = `HTTP/1.1 200 OK\r\n${lines.join('')}\r\n`;
  return { bytes: content.length + Buffer.byteLength(head), text: content.toString('utf8') };
}

export const bench: Bench = {
  name: 'page-size',
  text: 'The sign-in page with everything it loads, as transferred to a browser that has seen nothing yet',
  goal: 'at most 30 KB',
  run,
};
