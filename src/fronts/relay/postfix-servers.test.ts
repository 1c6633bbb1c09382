import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { FakeClock } from '#kit/clock/clock.ts';
import { createSecrets } from '#kit/crypto/secrets.ts';
import { createLog } from '#kit/log/log.ts';
import { startBackend } from './backend.ts';
import { type PolicyNeeds, startPolicy } from './policy-server.ts';
import { startSocketmap } from './socketmap-server.ts';

const domain = 'members.harbour.test';
const place = { host: '127.0.0.1', port: 0 };

/** All that both servers need, with a database that does what the test says. */
function needs(read: () => Promise<unknown>) {
  const lines: string[] = [];
  const log = createLog({ level: 'debug', destination: { write: (line) => void lines.push(line) } });
  const noted: unknown[] = [];
  const all = {
    log,
    lines,
    noted,
    name: 'mx.harbour.test',
    mailDomain: 'harbour.test',
    clock: new FakeClock(),
    secrets: createSecrets(Buffer.alloc(32, 7)),
    database: { read, query: read },
    owners: read,
    rules: { now: () => ({ house: { off: false }, apps: [], domains: [domain] }) },
    lists: { listsNow: () => ({ contains: () => false }) },
    limits: { take: async () => ({ allowed: true, retryAfterSeconds: 0 }) },
    notes: { note: async (entry: unknown) => void noted.push(entry) },
  };
  return all as unknown as PolicyNeeds & typeof all;
}

const nobody = async () => ({ owner: undefined, choices: [] });

async function open(
  t: TestContext,
  port: number,
): Promise<Socket & { heard(): string; asked(text: string): Promise<string> }> {
  const socket = connect(port, '127.0.0.1');
  let heard = '';
  socket.on('data', (data) => (heard += data));
  socket.on('error', () => undefined);
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  return Object.assign(socket, {
    heard: () => heard,
    async asked(text: string) {
      const before = heard.length;
      socket.write(text);
      for (let tries = 0; heard.length === before && !socket.closed && tries < 200; tries++) await sleep(10);
      return heard.slice(before);
    },
  });
}

const query = (text: string) => `${Buffer.byteLength(text)}:${text},`;
const rcpt = (more = '') =>
  `request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=192.0.2.1\nhelo_name=x\nsender=a@x.example\nrecipient=ada@${domain}\n${more}\n`;

test('lookups are answered one after the other on one connection, however they are cut', async (t) => {
  const server = await startSocketmap(needs(nobody), place);
  t.after(() => server.close());
  const client = await open(t, server.port);
  assert.equal(await client.asked(query(`alias nobody@${domain}`)), '9:NOTFOUND ,');
  const both = query(`alias nobody@${domain}`) + query(`alias no@${domain}`);
  for (const letter of both) {
    client.write(letter);
    await sleep(0);
  }
  for (let tries = 0; client.heard().length < 36 && tries < 100; tries++) await sleep(10);
  assert.equal(client.heard(), '9:NOTFOUND ,'.repeat(3));
});

test('TEMP when our backend fails or the map is none, never NOTFOUND', async (t) => {
  const away = needs(() => Promise.reject(new Error('the database is away')));
  const server = await startSocketmap(away, place);
  t.after(() => server.close());
  const client = await open(t, server.port);
  assert.match(await client.asked(query(`alias ada@${domain}`)), /^\d+:TEMP /);
  assert.match(await client.asked(query('srs ada@app.example')), /^\d+:TEMP /);
  assert.match(await client.asked(query('alias')), /^\d+:TEMP /);
  assert.ok(!client.heard().includes('database'), 'the fault itself is for our log');
  assert.ok(away.lines.join().includes('the database is away'));
});

test('what is no question, too large or too slow ends the connection', async (t) => {
  const server = await startSocketmap(needs(nobody), place);
  t.after(() => server.close());
  for (const wrong of ['GET / HTTP/1.1\r\n', '10001:', '-1:', 'x'.repeat(100)]) {
    const client = await open(t, server.port);
    client.write(wrong);
    await once(client, 'close');
    assert.equal(client.heard(), '');
  }
  const slow = await startBackend({
    ...place,
    name: 'test',
    log: createLog({ level: 'silent' }),
    idleMs: 150,
    read: () => ({ push: () => [], isPending: false }),
    answer: async () => undefined,
  });
  t.after(() => slow.close());
  const idle = await open(t, slow.port);
  await once(idle, 'close');
});

test('the policy service decides, keeps the connection, and says nothing where it cannot decide', async (t) => {
  const fine = needs(nobody);
  const server = await startPolicy(fine, place);
  t.after(() => server.close());
  const client = await open(t, server.port);
  const refused = 'action=550 5.1.1 No mailbox here takes this mail.\n\n';
  assert.equal(await client.asked(rcpt()), refused);
  assert.equal(await client.asked(rcpt('tls_sni=new\nsomething_of_tomorrow=1\n')), refused);
  assert.equal(
    await client.asked('request=smtpd_access_policy\nprotocol_state=DATA\n\n'),
    'action=DUNNO\n\n',
  );
  assert.deepEqual(
    fine.noted.map((one) => {
      const { via, verdict, reason } = one as Record<string, string>;
      return [via, verdict, reason];
    }),
    [
      ['postfix', 'refused', 'unknown'],
      ['postfix', 'refused', 'unknown'],
    ],
  );
  // A client that went away before Postfix looked; the log takes addresses alone.
  assert.equal(await client.asked(rcpt().replace('192.0.2.1', 'unknown')), refused);
  const { client: from, sender } = fine.noted.at(-1) as Record<string, string | undefined>;
  assert.deepEqual([from, sender], [undefined, 'a@x.example']);
  const away = await startPolicy(
    needs(() => Promise.reject(new Error('away'))),
    place,
  );
  t.after(() => away.close());
  for (const text of [
    rcpt(),
    // Which is no fault of the sender's: without an answer Postfix says "try again later".
    'request=smtpd_access_policy\nprotocol_state=RCPT\n\n',
    'nonsense\n\n',
    `request=smtpd_access_policy\nsender=${'x'.repeat(20_000)}\n\n`,
  ]) {
    const asking = await open(t, away.port);
    asking.write(text);
    await once(asking, 'close');
    assert.equal(asking.heard(), '');
  }
});

test('what is being answered is answered when the server closes', async (t) => {
  let go = () => {};
  const waiting = new Promise<void>((resolve) => {
    go = resolve;
  });
  const slow = async () => {
    await waiting;
    return nobody();
  };
  const server = await startSocketmap(needs(slow), place);
  const [client, idle] = [await open(t, server.port), await open(t, server.port)];
  client.write(query(`alias ada@${domain}`));
  await sleep(50);
  const ended = once(client, 'close');
  const closed = server.close();
  await once(idle, 'close');
  go();
  await Promise.all([closed, ended]);
  assert.equal(client.heard(), '9:NOTFOUND ,');
});
