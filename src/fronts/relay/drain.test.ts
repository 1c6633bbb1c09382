/** The relay comes to an end whatever became of what it stands on. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Database, openDatabase } from '#kit/db/database.ts';
import { eventually } from '#test/eventually.ts';
import { closeAfterEach, startPlatform } from '#test/kit.ts';
import { sendMail } from '#test/relay.ts';
import { startRelay } from './relay.ts';

closeAfterEach();

const domain = 'people.harbour.test';

/** @param change what of its database the relay gets in another form */
async function stage(t: TestContext, change: (database: Database) => Partial<Database> = () => ({})) {
  const platform = await startPlatform({
    env: { GATEHOUSE_RUN: 'web,worker', GATEHOUSE_ALIAS_DOMAIN: domain },
  });
  const { connection, clock, log } = platform;
  const database = await openDatabase({ connection, clock, log, poolSize: 3 });
  const relay = await startRelay(
    { ...platform, database: { ...database, ...change(database) } },
    {
      host: '127.0.0.1',
      port: 0,
      name: 'mx.harbour.test',
      mailDomain: 'harbour.test',
      dnsServers: ['127.0.0.1:9'],
      backend: { host: '127.0.0.1' },
    },
  );
  t.after(() => relay.drain(0));
  const refused = () =>
    sendMail({ port: relay.port!, from: 'x@jira.test', to: `nobody@${domain}`, raw: 'Subject: x\r\n\r\nx' });
  return { platform, database, relay, refused };
}

async function msOf(work: Promise<void>): Promise<number> {
  const began = performance.now();
  const how = await Promise.race([work.then(() => 'over'), sleep(9_000, 'waits', { ref: true })]);
  assert.equal(how, 'over', 'it came to an end');
  return performance.now() - began;
}

/** Asks for all connections of the pool and for one more, so that whoever comes next has to wait. */
function crowd(database: Database): void {
  const { max } = database.pool.options;
  for (let one = 0; one <= max; one += 1) void database.query('select pg_sleep(0.5)').catch(() => undefined);
}

test('a relay whose database is closed before it ends at once, also where it waited for a connection', async (t) => {
  const { database, relay, refused } = await stage(t);
  assert.equal((await refused()).code, 550);
  crowd(database);
  const asked = [relay.refresh(), relay.refresh()].map((one) => one.catch(() => undefined));
  await sleep(50);
  assert.ok(database.pool.waitingCount > 0);
  await database.close();
  assert.ok((await msOf(relay.drain(1))) < 2_500);
  await Promise.all(asked);
});

test('a relay whose database answers no more ends in its time and a few seconds, and stops all it began', async (t) => {
  let hangs = false;
  let asked = 0;
  const never = <T>() => new Promise<T>(() => undefined);
  const { platform, database, relay, refused } = await stage(t, ({ query, read }) => ({
    query: (...given) => (hangs ? never() : query(...given)),
    read: (...given) => {
      asked += 1;
      return read(...given);
    },
  }));
  t.after(() => database.close());
  hangs = true;
  assert.equal((await refused()).code, 550);
  assert.ok((await msOf(relay.drain(1))) < 1_000 + 5_500);
  assert.match(platform.lines.join(''), /"code":"relay-closing"/);
  // It is told to stop listening and not waited for; whoever went on listening would read at each word.
  await eventually(async () => {
    const before = asked;
    await platform.database.query("select pg_notify('relay', ''), pg_notify('relay-lists', '')");
    await sleep(200);
    return asked === before;
  });
});
