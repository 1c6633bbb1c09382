/**
 * Test program: a node as `gatehouse serve --run worker` (or `web`) starts it, on a database that is there already. With
 * `leaseSeconds` or `fail` it runs the pushing part alone, with leases of that length; `after-remote-create:kill` ends
 * it without a word at the moment a target has answered that an account was made. Its log goes to standard output.
 */
import { loadConfig } from '#config/config.ts';
import { openHouse } from '#house.ts';
import type { Connection } from '#kit/db/database.ts';
import type { Net } from '#kit/net/net.ts';
import { serve } from '#main.ts';
import { strangerHandlers } from '#provisioning/strangers.ts';
import { startProvisioning } from '#provisioning/work.ts';

interface Given {
  connection: Connection;
  leaseSeconds?: number;
  fail?: 'after-remote-create:kill';
}

const { connection, leaseSeconds, fail } = JSON.parse(process.argv[2] ?? '{}') as Given;
const config = loadConfig({ env: process.env });

function failing(net: Net): Net {
  return {
    ...net,
    async fetch(url, init) {
      const fetched = await net.fetch(url, init);
      if (init?.method === 'POST' && fetched.status === 201) process.kill(process.pid, 'SIGKILL');
      return fetched;
    },
  };
}

if (leaseSeconds === undefined && fail === undefined) {
  const house = await serve(config, { connection, listen: config.run.includes('web') });
  process.once('SIGTERM', () => void house.stop().then(() => process.exit(0)));
} else {
  const house = await openHouse(config, { connection });
  const net = fail ? failing(house.net) : house.net;
  const pushing = await startProvisioning({ ...house, net, handlers: strangerHandlers, leaseSeconds });
  process.once('SIGTERM', () => {
    void pushing
      .stop()
      .then(() => house.close())
      .then(() => process.exit(0));
  });
}
process.send?.('ready');
