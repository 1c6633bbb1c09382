/** A site that publishes one text, which a test changes. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Published {
  url: string;
  text: string;
  status: number;
  /** How often it was asked. */
  asked: number;
  stop(): Promise<void>;
}

export async function serveText(text: string): Promise<Published> {
  const server = createServer((_request, response) => {
    site.asked += 1;
    response.writeHead(site.status, { 'content-type': 'application/samlmetadata+xml' }).end(site.text);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const site: Published = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/metadata`,
    text,
    status: 200,
    asked: 0,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close').catch(() => undefined);
    },
  };
  return site;
}
