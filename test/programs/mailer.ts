/**
 * Test program: what sends our own mail, on a database that is there already. It ends without a word the moment the smart
 * host has said that it took a message, `kills` times over its life: before anything of it is kept here.
 */

import { systemClock } from '#kit/clock/clock.ts';
import { createSecrets } from '#kit/crypto/secrets.ts';
import { type Connection, openDatabase } from '#kit/db/database.ts';
import { createLog } from '#kit/log/log.ts';
import { createMailer } from '#kit/smtp/smtp.ts';
import { startNotices } from '#notices/notices.ts';

interface Given {
  connection: Connection;
  url: string;
  /** Whether to end at the first answer. */
  dies: boolean;
}

const { connection, url, dies } = JSON.parse(process.argv[2] ?? '{}') as Given;
const log = createLog({ level: 'warn' });
const database = await openDatabase({ connection, clock: systemClock, log, poolSize: 4 });
const inner = createMailer({ urls: [url], from: 'id@example.org', log });
const mailer: typeof inner = {
  ...inner,
  async send(mail) {
    const taken = await inner.send(mail);
    if (dies) process.kill(process.pid, 'SIGKILL');
    return taken;
  },
};
const publicUrl = new URL('https://id.example.org');
const secrets = createSecrets(Buffer.alloc(32, 5));
const notices = await startNotices({ database, secrets, mailer, publicUrl, log });
await notices.settle();
await notices.stop();
await mailer.close();
await database.close();
