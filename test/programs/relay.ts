/**
 * A relay in a process of its own that dies, as by SIGKILL, after a smart host has taken so many messages and before the
 * sender of the last of them hears of it.
 */
import { startRelay } from '#fronts/relay/relay.ts';
import { systemClock } from '#kit/clock/clock.ts';
import { createSecrets } from '#kit/crypto/secrets.ts';
import { openDatabase } from '#kit/db/database.ts';
import { createLimits } from '#kit/limits/limits.ts';
import { createLog } from '#kit/log/log.ts';
import { createNet } from '#kit/net/net.ts';
import { createSmartHosts, type SmartHosts } from '#kit/smtp/smart-hosts.ts';

const given = JSON.parse(process.argv[2]!) as {
  connection: object;
  url: string;
  key: string;
  /** Messages until it dies; 0: it does not. */
  dieAfter: number;
};
const log = createLog({ level: 'error' });
const database = await openDatabase({ connection: given.connection, clock: systemClock, log, poolSize: 4 });
const real = createSmartHosts({ urls: [given.url], log, name: 'mx.harbour.test' });
let taken = 0;
const smartHosts: SmartHosts = {
  ...real,
  async forward(mail) {
    const answer = await real.forward(mail);
    taken += 1;
    if (taken === given.dieAfter) process.kill(process.pid, 'SIGKILL');
    return answer;
  },
};
const relay = await startRelay(
  {
    database,
    log,
    clock: systemClock,
    secrets: createSecrets(Buffer.from(given.key, 'base64')),
    limits: createLimits(database),
    net: createNet({ allow: [], log }),
  },
  {
    host: '127.0.0.1',
    port: 0,
    name: 'mx.harbour.test',
    mailDomain: 'harbour.test',
    dnsServers: [],
    smartHosts,
    backend: { host: '127.0.0.1' },
  },
);
process.send?.({ port: relay.port });
process.once('SIGTERM', () => void relay.drain(1).then(() => process.exit(0)));
