/**
 * The built console: one script, one style sheet, compressed, addressed by the hash of their content. Beside this file
 * in the published package; in a checkout where `tools/console.ts` keeps it.
 */
import { existsSync } from 'node:fs';
import type { App } from '#kit/http/server.ts';
import { type Asset, defineAsset } from '#kit/page/assets.ts';

export interface Bundle {
  script: Asset;
  style: Asset;
}

/** Where a build may stand, best first. */
const places = [
  new URL('./web/', import.meta.url),
  new URL('../../../node_modules/.cache/gatehouse-console/', import.meta.url),
];

let read: Bundle | undefined;

/** Reads the build at the first call that finds one; undefined while there is none. */
export function consoleBundle(): Bundle | undefined {
  const place = read ? undefined : places.find((one) => existsSync(new URL('console.js', one)));
  if (place)
    read = {
      script: defineAsset('console.js', new URL('console.js', place)),
      style: defineAsset('console.css', new URL('console.css', place)),
    };
  return read;
}

/** GET /assets/<hash>/console.js and console.css: kept by browsers for a year, as another build has another address. */
export function bundleRoutes(app: App): void {
  for (const kind of ['script', 'style'] as const) {
    const name = kind === 'script' ? 'console.js' : 'console.css';
    app.get(`/assets/:hash/${name}`, { config: { door: 'public' } }, async (request, reply) => {
      const asset = consoleBundle()?.[kind];
      if (asset?.url !== request.url) return reply.callNotFound();
      const accepts = String(request.headers['accept-encoding'] ?? '');
      const packed = (['br', 'gzip'] as const).find((one) => new RegExp(`\\b${one}\\b`).test(accepts));
      if (packed) reply.header('content-encoding', packed);
      return reply
        .type(asset.type)
        .header('cache-control', 'public, max-age=31536000, immutable')
        .header('vary', 'accept-encoding')
        .send(packed === 'br' ? asset.brotli : packed === 'gzip' ? asset.gzip : asset.content);
    });
  }
}
