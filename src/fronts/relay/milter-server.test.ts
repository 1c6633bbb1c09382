import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { eventually } from '#test/eventually.ts';
import { closeAfterEach, freePort } from '#test/kit.ts';
import { aliasDomain, letter, ownSender, startTestRelay, type TestRelay } from '#test/relay.ts';

closeAfterEach();

/** A house whose milter listens, and what its relay needs beside. */
async function house(t: TestContext, app: Parameters<TestRelay['setApp']>[0] = {}) {
  const port = String(await freePort());
  const relay = await startTestRelay(t, { app, env: { GATEHOUSE_MILTER_PORT: port } });
  return { relay, port: relay.platform.relay!.milterPort! };
}

const packet = (command: string, data: string | Buffer = '') => {
  const bytes = typeof data === 'string' ? Buffer.from(data, 'latin1') : data;
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length + 1);
  return Buffer.concat([length, Buffer.from(command), bytes]);
};

const hello = packet('O', Buffer.from('00000006000001ff001fffff', 'hex'));
const client = packet('C', 'out.jira.test\x004\x04\xd2127.0.0.1\0');
const own = packet('C', 'localhost\x004\0\x00127.0.0.1\0');

/** What Postfix says of a message before its end. */
function message(given: { to?: string; from?: string; raw?: string } = {}): Buffer {
  const { to = `ada@${aliasDomain}`, from = ownSender, raw = letter() } = given;
  const [head = '', ...text] = raw.split('\r\n\r\n');
  return Buffer.concat([
    packet('M', `<${from}>\0`),
    packet('R', `<${to}>\0`),
    ...head.split('\r\n').map((line) => packet('L', line.replace(':', '\0').concat('\0'))),
    packet('B', text.join('\r\n\r\n')),
  ]);
}

/** A Postfix that says these things; `said` is what came back, packet by packet. */
async function talk(t: TestContext, port: number) {
  const socket = connect(port, '127.0.0.1');
  t.after(() => socket.destroy());
  socket.on('error', () => undefined);
  let rest = Buffer.alloc(0);
  const said: string[] = [];
  socket.on('data', (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32BE()) {
      const length = rest.readUInt32BE();
      said.push(rest.toString('latin1', 4, 4 + length).replace(/\0/g, '|'));
      rest = rest.subarray(4 + length);
    }
  });
  await once(socket, 'connect');
  const say = (...bytes: Buffer[]) => void socket.write(Buffer.concat(bytes));
  /** When so many packets have come back, or the connection is over. */
  const heard = async (count: number) => {
    await eventually(() => said.length >= count || socket.closed);
    return said;
  };
  return { socket, say, heard, said };
}

test('one message after the other on one connection, in pieces, given up and begun anew', async (t) => {
  const { relay, port } = await house(t, { envelope: ['*@jira.test'] });
  const postfix = await talk(t, port);
  const all = Buffer.concat([
    hello,
    client,
    packet('H', 'out.jira.test\0'),
    message(),
    packet('E'),
    message(),
    packet('A'),
    message({ to: `nobody@${aliasDomain}` }),
    packet('E'),
    message({ from: 'x@evil.test' }),
    packet('E', 'The last of it.\r\n'),
  ]);
  for (let at = 0; at < all.length; at += 37) {
    postfix.say(all.subarray(at, at + 37));
    await new Promise((resolve) => setImmediate(resolve));
  }
  const said = await postfix.heard(11);
  assert.deepEqual(
    said.map((one) => one[0]).join(''),
    // Options; recipient, sender, two marks, yes; recipient of what is given up; two recipients, two times no.
    'Oceiiaccycy',
  );
  assert.match(said[2]!, new RegExp(`^e<SRS0=.+=jira\\.test=notify@${aliasDomain}>\\|$`));
  assert.match(said[4]!, /^i\|\|\|\|Delivered-To\| ada@/);
  for (const no of said.filter((one) => one.startsWith('y')))
    assert.equal(no, 'y550 5.1.1 No mailbox here takes this mail.|');
  const rows = (await relay.log()).map(({ verdict, reason, via }) => `${via} ${verdict} ${reason}`);
  assert.deepEqual(rows.toSorted(), [
    'postfix refused no-sender',
    'postfix refused unknown',
    'postfix relayed queued',
  ]);
  assert.equal(relay.sink.messages.length, 0, 'Postfix sends it, not we');
});

test('each recipient is decided about alone; what the machine itself sends to several is left as it is', async (t) => {
  const { relay, port } = await house(t);
  const postfix = await talk(t, port);
  const second = packet('R', `<bo@${aliasDomain}>\0`);
  postfix.say(hello, client, message(), second);
  assert.match((await postfix.heard(3)).at(-1)!, /^y452 4\.5\.3 /);
  const cron = await talk(t, port);
  cron.say(hello, own, message({ from: 'root@harbour.test', to: 'x@elsewhere.test' }), second, packet('E'));
  assert.deepEqual((await cron.heard(4)).slice(1), ['c', 'c', 'a']);
  assert.deepEqual(await relay.log(), []);
});

test('an app whose mail is rewritten, and an answer of a person, are for the built-in relay alone', async (t) => {
  const { relay, port } = await house(t, { mode: 'rewritten' });
  const postfix = await talk(t, port);
  postfix.say(hello, client, message(), packet('E'));
  assert.match((await postfix.heard(3)).at(-1)!, /^y550 5\.1\.1 /);
  const [row] = await relay.log();
  assert.deepEqual([row!.reason, row!.application], ['needs-relay', 'jira']);
});

test('STARTTLS is asked for of Postfix as of us', async (t) => {
  const { port } = await house(t, { tls: true });
  for (const [macros, wanted] of [
    ['H', /^y550 5\.1\.1/],
    ['H{tls_version}\0TLSv1.3\0', /^a$/],
  ] as const) {
    const postfix = await talk(t, port);
    postfix.say(hello, client, packet('D', macros), packet('H', 'out.jira.test\0'), message(), packet('E'));
    assert.match((await postfix.heard(wanted.source === '^a$' ? 6 : 3)).at(-1)!, wanted);
  }
});

test('more than fits in memory is put off, and its room is free again when it is gone', async (t) => {
  const { port } = await house(t, { maxBytes: 100_000_000 });
  const half = Buffer.alloc(900_000, 'x'.repeat(70) + '\r\n');
  const large = (count: number) => Array.from({ length: count }, () => packet('B', half));
  const [first, second] = [await talk(t, port), await talk(t, port)];
  // Answered once all before it is kept.
  const mark = packet('R', `<bo@${aliasDomain}>\0`);
  first.say(hello, client, message(), ...large(60), mark);
  await first.heard(3);
  second.say(hello, client, message(), ...large(60), packet('E'));
  assert.match((await second.heard(3)).at(-1)!, /^y452 4\.3\.1 /);
  // The first goes away in the middle of it: what it held is given back.
  first.socket.destroy();
  await once(first.socket, 'close');
  second.say(message(), ...large(60), packet('E'));
  assert.equal((await second.heard(8)).at(-1), 'a');
});

test('what is no milter protocol, or an older one, ends the connection', async (t) => {
  const { port } = await house(t);
  for (const wrong of [
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    packet('O', Buffer.from('00000002000001ff001fffff', 'hex')),
    Buffer.concat([hello, packet('L', 'no end')]),
    packet('Q'),
  ]) {
    const { socket, said, say } = await talk(t, port);
    say(wrong);
    await once(socket, 'close');
    assert.ok(said.length <= 1);
  }
});

test('a client whose address Postfix does not know comes from nowhere, and is noted', async (t) => {
  const { relay, port } = await house(t);
  const postfix = await talk(t, port);
  postfix.say(hello, packet('C', 'unknown\0U'), message(), packet('E'));
  assert.match((await postfix.heard(3)).at(-1)!, /^y550 5\.1\.1 /);
  postfix.say(message({ to: `postmaster@${aliasDomain}` }), packet('E'));
  await postfix.heard(6);
  assert.deepEqual(
    (await relay.log()).map(({ reason, client: from }) => [reason, from]),
    [
      ['queued', undefined],
      ['no-sender', undefined],
    ],
  );
});

test('with the database away the answer is "later", and nobody is told that nobody is here', async (t) => {
  const { relay, port } = await house(t);
  await relay.platform.database.query('alter table alias_mailboxes rename to alias_mailboxes_away');
  const postfix = await talk(t, port);
  postfix.say(hello, client, message(), packet('E'));
  assert.match((await postfix.heard(3)).at(-1)!, /^y451 4\.3\.0 /);
  await relay.platform.database.query('alter table alias_mailboxes_away rename to alias_mailboxes');
  const [row] = await relay.log();
  assert.deepEqual([row?.verdict, row?.reason, row?.via], ['deferred', 'database', 'postfix']);
});
