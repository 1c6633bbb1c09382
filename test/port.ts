import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

/** A port of this machine that nobody listens on right now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** The first of several ports in a row that nobody listens on right now. */
export async function freePorts(count: number): Promise<number> {
  for (;;) {
    const first = await freePort();
    const servers = await Promise.all(
      Array.from({ length: count }, async (_, offset) => {
        const server = createServer();
        server.listen(first + offset, '127.0.0.1');
        return once(server, 'listening').then(
          () => server,
          () => undefined,
        );
      }),
    );
    for (const server of servers) server?.close();
    if (first + count < 65_000 && servers.every((server) => server !== undefined)) return first;
  }
}
