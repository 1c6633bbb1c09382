import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { createLog } from '#kit/log/log.ts';
import { eventually } from '#test/eventually.ts';
import { makeCertificates, opensslMissing, trustAuthority } from '#test/peers/certificates.ts';
import { type Sink, type SinkOptions, startSink } from '#test/peers/sink.ts';
import { createSmartHosts, readSmartHost, type SmartHostOptions } from './smart-hosts.ts';
import { MailFailed } from './smtp.ts';

const raw = Buffer.from('From: a@x.example\r\nSubject: Hello\r\n\r\nText\r\n');
const mail = { from: 'bounce@id.example', to: 'ada@example.org', raw };

async function sink(t: TestContext, options: SinkOptions = {}): Promise<Sink> {
  const made = await startSink(options);
  t.after(() => made.close());
  return made;
}

function hosts(t: TestContext, urls: string[], more: Partial<SmartHostOptions> = {}) {
  const lines: string[] = [];
  const log = createLog({ level: 'debug', destination: { write: (line) => void lines.push(line) } });
  const timeouts = { connect: 1500, envelope: 700, data: 700 };
  const made = createSmartHosts({ urls, log, name: 'mail.id.example', timeouts, ...more });
  t.after(() => made.close());
  return Object.assign(made, { lines });
}

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => assert.fail('it was taken'),
    (error: unknown) => {
      assert.ok(error instanceof MailFailed, String(error));
      return error;
    },
  );

test('a message arrives as it is, whatever its bytes, over one connection', async (t) => {
  const server = await sink(t);
  const smart = hosts(t, [server.url], { timeouts: {} });
  const { host, response } = await smart.forward(mail);
  assert.deepEqual([host, response], [`127.0.0.1:${server.port}`, '250 2.0.0 taken']);
  const line = fc.stringMatching(/^[.\x01-\x09\x0b\x0c\x0e-\xff]{0,60}$/);
  await fc.assert(
    fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 30 }), async (lines) => {
      const text = Buffer.from(`${lines.join('\r\n')}\r\n`, 'latin1');
      await smart.forward({ ...mail, raw: text });
      assert.equal(server.messages.at(-1)!.raw.toString('latin1'), text.toString('latin1'));
    }),
    { numRuns: 100 },
  );
  const large = Buffer.from(`Subject: large\r\n\r\n${'.dots and more\r\n'.repeat(150_000)}`);
  await smart.forward({ ...mail, raw: large });
  assert.ok(server.messages.at(-1)!.raw.equals(large));
  assert.ok(!/(?<!\r)\n|\r(?!\n)/.test(server.messages.at(-1)!.wire.toString('latin1')));
  await smart.forward({ ...mail, from: '' });
  const last = server.messages.at(-1)!;
  assert.deepEqual([last.from, last.to, last.ehlo], ['', ['ada@example.org'], 'mail.id.example']);
  assert.ok(server.connections <= 2, `${server.connections} connections`);
});

test('the next smart host is asked while nothing of the message has been taken', async (t) => {
  const [first, second] = [await sink(t), await sink(t)];
  const cases = [
    ['greeting', '421 4.3.2 busy'],
    ['greeting', '554 5.3.2 not now'],
    ['greeting', 'close'],
    ['greeting', 'hang'],
    ['ehlo', '421 4.3.2 busy'],
    ['mail', '451 4.3.0 later'],
    ['mail', '530 5.7.0 sign in first'],
    ['mail', 'close'],
    ['mail', 'hang'],
    ['rcpt', '450 4.2.1 later'],
    ['data', '451 4.3.0 later'],
    ['message', '451 4.3.0 later'],
  ] as const;
  for (const [stage, action] of cases) {
    second.clear();
    first.on(stage, action);
    // Only what hangs has to wait for its time to be over.
    const smart = hosts(t, [first.url, second.url], action === 'hang' ? {} : { timeouts: {} });
    assert.equal((await smart.forward(mail)).host, `127.0.0.1:${second.port}`, `${stage} ${action}`);
    assert.equal(second.messages.length, 1, `${stage} ${action}`);
    first.on(stage, undefined);
    await smart.close();
  }
});

test('what may have been taken, or never will be, goes to nobody else', async (t) => {
  const [first, second] = [await sink(t), await sink(t)];
  const cases = [
    ['mail', '550 5.7.1 no', true, 'envelope'],
    ['rcpt', '550 5.1.1 <ada@example.org> unknown', true, 'envelope'],
    ['message', '554 5.6.0 no', true, 'data'],
    ['message', 'close', false, 'after-data'],
    ['message', 'hang', false, 'after-data'],
  ] as const;
  for (const [stage, action, permanent, at] of cases) {
    first.on(stage, action);
    const smart = hosts(t, [first.url, second.url]);
    const error = await failure(smart.forward(mail));
    assert.deepEqual([error.permanent, error.stage], [permanent, at], `${stage} ${action}`);
    if (/^\d/.test(action)) {
      assert.equal(error.code, Number(action.slice(0, 3)));
      assert.equal(error.enhanced, action.slice(4, 9));
    }
    first.on(stage, undefined);
    assert.equal(smart.lines.join('').includes('ada@'), false, 'the log does not say to whom');
    await smart.close();
  }
  assert.equal(second.messages.length, 0);
});

test('a connection that ended while nobody looked is opened again, and nothing is sent twice', async (t) => {
  const server = await sink(t);
  const smart = hosts(t, [server.url]);
  for (let turn = 0; turn < 5; turn++) {
    await smart.forward(mail);
    if (turn === 1) server.cut();
    if (turn === 2)
      server.on('mail', ({ turn: asked }) => (asked === 1 ? '421 4.4.2 idle for too long' : undefined));
    if (turn === 3) server.on('mail', ({ turn: asked }) => (asked === 1 ? 'close' : undefined));
  }
  assert.equal(server.messages.length, 5);
  server.on('rcpt', ({ line }) => (line.includes('gone') ? '550 5.1.1 no' : undefined));
  const before = server.connections;
  const ended = before - server.open;
  for (let turn = 0; turn < 5; turn++) {
    assert.ok((await failure(smart.forward({ ...mail, to: 'gone@example.org' }))).permanent);
    // While it is being asked to forget that one, another may be opened for the next: both are kept.
    await smart.forward(mail);
    await eventually(() => server.lines.filter((line) => line === 'RSET').length > turn);
    // Nobody sees the answer to it arrive: the connection is kept a moment later.
    await sleep(50);
  }
  assert.ok(server.connections - before <= 1, 'a refused message does not cost the connection');
  assert.equal(server.connections - server.open, ended, 'nor does any end');
});

test('nothing is waited for beyond the deadline, and a host that is away is asked last for a while', async (t) => {
  const [first, second] = [await sink(t), await sink(t)];
  first.on('mail', 'hang');
  const smart = hosts(t, [first.url, second.url], {
    timeouts: { connect: 5000, envelope: 5000, data: 5000 },
  });
  const began = Date.now();
  await failure(smart.forward({ ...mail, deadline: began + 300 }));
  assert.ok(Date.now() - began < 2000);
  first.on('mail', undefined);
  await first.close();
  for (let turn = 0; turn < 3; turn++) await smart.forward(mail);
  assert.equal(smart.lines.filter((line) => line.includes('ECONNREFUSED')).length, 1);
});

test('that none can be reached is known for a moment, then one connection asks again, however many wait for it', async (t) => {
  const lost = await startSink();
  const smart = hosts(t, [lost.url]);
  await smart.forward(mail);
  await lost.close();
  assert.equal(await smart.areAway(), false, 'nobody has tried');
  assert.equal((await failure(smart.forward(mail))).stage, 'connect');
  assert.equal(await smart.areAway(), true);
  const back = await startSink({ port: lost.port });
  t.after(() => back.close());
  assert.deepEqual([await smart.areAway(), back.connections], [true, 0], 'not asked at every turn');
  await sleep(2_100);
  const answers = await Promise.all(Array.from({ length: 50 }, () => smart.areAway()));
  assert.deepEqual([new Set(answers), back.connections], [new Set([false]), 1]);
  assert.equal(back.messages.length, 0, 'no message is needed for it');
  await smart.forward(mail);
  back.on('greeting', 'hang');
  back.cut();
  const silent = hosts(t, [back.url], { timeouts: { connect: 300 } });
  await failure(silent.forward(mail));
  await sleep(2_100);
  assert.equal(await silent.areAway(), true, 'a port that is open and says nothing is no mail server');
  back.on('greeting', undefined);
  await sleep(2_100);
  assert.equal(await silent.areAway(), false);
});

test('one that can be reached is enough, and one that answers about a message is there', async (t) => {
  const [gone, there] = [await startSink(), await sink(t)];
  await gone.close();
  const both = hosts(t, [gone.url, there.url]);
  await both.forward(mail);
  assert.equal(await both.areAway(), false);
  const only = hosts(t, [there.url]);
  for (const [stage, action] of [
    ['mail', '451 4.3.0 later'],
    ['rcpt', '550 5.1.1 no'],
    ['message', 'close'],
  ] as const) {
    there.on(stage, action);
    await failure(only.forward(mail));
    assert.equal(await only.areAway(), false, `${stage} ${action}`);
    there.on(stage, undefined);
  }
  // A limit of connections is met by some of many: the others go on.
  await only.forward(mail);
  there.cut();
  there.on('greeting', '421 4.7.0 too many connections');
  await failure(only.forward(mail));
  assert.equal(await only.areAway(), false);
  await sleep(2_100);
  await failure(only.forward(mail));
  assert.equal(await only.areAway(), true, 'when it takes nothing any more it is away');
  // Without time to connect nothing is said of the host.
  const hurried = hosts(t, [gone.url]);
  await failure(hurried.forward({ ...mail, deadline: Date.now() - 1 }));
  assert.equal(await hurried.areAway(), false);
});

test('only so many messages are on their way, so many wait, and the rest come later', async (t) => {
  const server = await sink(t);
  let most = 0;
  let now = 0;
  server.on('data', async () => {
    most = Math.max(most, ++now);
    await new Promise((resolve) => setTimeout(resolve, 50));
    now -= 1;
    return undefined;
  });
  const smart = hosts(t, [server.url], { atOnce: 2 });
  const results = await Promise.allSettled(Array.from({ length: 15 }, () => smart.forward(mail)));
  const failed = results.filter((one) => one.status === 'rejected').map((one) => one.reason as MailFailed);
  assert.equal(most, 2);
  assert.equal(failed.length, 5);
  assert.ok(failed.every((error) => !error.permanent && error.stage === 'connect'));
  assert.equal(server.messages.length, 10);
  await smart.forward(mail);
});

test('SM-10 off this machine only a verified connection is spoken over, and the password is seen nowhere', async (t) => {
  const missing = opensslMissing();
  if (missing) return t.skip(missing);
  const directory = await mkdtemp(path.join(tmpdir(), 'smart-hosts-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const tls = await makeCertificates(directory);
  const encrypting = await sink(t, { tls, auth: true });
  const stripped = await sink(t, { auth: true });
  const credentials = 'gatehouse:s%C3%A9cret%20word';
  const urlOf = (one: Sink) => `smtp://${credentials}@127.0.0.1:${one.port}?requireTLS=true`;
  const unseen = (smart: { lines: string[] }) =>
    assert.ok(!/s(é|%C3%A9)cret|Z2F0ZWhvdXNl/.test(smart.lines.join('')), smart.lines.join(''));

  const untrusted = hosts(t, [urlOf(encrypting)]);
  const refused = await failure(untrusted.forward(mail));
  assert.deepEqual([refused.permanent, refused.stage], [false, 'connect']);
  assert.equal((await untrusted.probe())[0]!.ok, false);
  unseen(untrusted);
  assert.equal(encrypting.messages.length, 0);
  assert.ok(encrypting.lines.every((line) => !/^AUTH|^MAIL/.test(line)));

  trustAuthority(tls.caFile);
  const smart = hosts(t, [urlOf(encrypting)]);
  await smart.forward(mail);
  const [message] = encrypting.messages;
  assert.deepEqual([message!.tls, message!.user], [true, 'gatehouse:sécret word']);
  assert.deepEqual(await smart.probe(), [{ host: `127.0.0.1:${encrypting.port}`, ok: true, tls: 'TLSv1.3' }]);
  encrypting.on('auth', '535 5.7.8 no');
  const unknown = await failure(hosts(t, [urlOf(encrypting)]).forward(mail));
  assert.deepEqual([unknown.permanent, unknown.stage, unknown.code], [false, 'connect', 535]);
  encrypting.on('auth', undefined);
  unseen(smart);

  const waiting = hosts(t, [urlOf(stripped)]);
  const error = await failure(waiting.forward(mail));
  assert.deepEqual([error.permanent, error.stage], [false, 'connect']);
  assert.ok(
    stripped.lines.every((line) => !/^AUTH|^MAIL/.test(line)),
    'no password, no address',
  );
  unseen(waiting);
  const other = hosts(t, [urlOf(stripped), urlOf(encrypting)]);
  assert.equal((await other.forward(mail)).host, `127.0.0.1:${encrypting.port}`);

  // The name in the certificate is another one.
  const misnamed = hosts(t, [`smtp://${credentials}@127.0.0.2:${encrypting.port}?requireTLS=true`]);
  assert.equal((await failure(misnamed.forward(mail))).stage, 'connect');
});

test('an encrypted port is spoken to from the start, a plain one behind that url waits', async (t) => {
  const server = await sink(t);
  const error = await failure(hosts(t, [`smtps://127.0.0.1:${server.port}`]).forward(mail));
  assert.deepEqual([error.permanent, error.stage], [false, 'connect']);
  assert.equal(server.messages.length, 0);
});

test('the health of each is told apart', async (t) => {
  const server = await sink(t);
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  t.after(() => silent.close());
  await once(silent, 'listening');
  const { port } = silent.address() as { port: number };
  const smart = hosts(t, [server.url, 'smtp://127.0.0.1:1', `smtp://127.0.0.1:${port}`], {
    timeouts: { connect: 300 },
  });
  const health = await smart.probe();
  assert.deepEqual(health[0], { host: `127.0.0.1:${server.port}`, ok: true });
  assert.deepEqual([health[1]!.ok, health[2]!.ok], [false, false]);
  assert.match(health[1]!.problem!, /ECONNREFUSED/);
  assert.match(health[2]!.problem!, /ETIMEDOUT/);
  assert.equal(server.messages.length, 0);
});

test('a smart host is read from its address, and nothing else is taken for one', () => {
  assert.deepEqual(readSmartHost('smtp://mail.example'), {
    host: 'mail.example',
    port: 25,
    label: 'mail.example:25',
    tls: 'starttls',
  });
  assert.equal(readSmartHost('smtps://mail.example').port, 465);
  assert.equal(readSmartHost('smtp://[::1]:2525').label, '[::1]:2525');
  for (const near of ['localhost', '127.0.0.1', '[::1]']) {
    assert.equal(readSmartHost(`smtp://${near}`).tls, 'none');
    assert.equal(readSmartHost(`smtp://${near}?requireTLS=true`).tls, 'starttls');
  }
  for (const far of ['localhost.evil.example', '127.0.0.1.evil.example', '10.0.0.1', '[::2]', 'localhost.'])
    assert.equal(readSmartHost(`smtp://${far}`).tls, 'starttls', far);
  const everything = 'p@ss:w/rd 100%,?#+&ö';
  assert.deepEqual(readSmartHost(`smtps://a%40b:${encodeURIComponent(everything)}@mail.example`).auth, {
    user: 'a@b',
    pass: everything,
  });
  for (const wrong of ['', 'http://x', 'smtp://', 'mail.example'])
    assert.throws(() => readSmartHost(wrong), RangeError, wrong);
  // What stands before the cut would be taken for host and port, and the password for a path.
  for (const cut of ['465/rd@mail.example', '465?x@mail.example', '465#x@mail.example', '100%@mail.example'])
    assert.throws(
      () => readSmartHost(`smtps://gatehouse:${cut}`),
      (error: Error) => error instanceof RangeError && !error.message.includes('465'),
      cut,
    );
  assert.throws(() => readSmartHost('smtp://mail.example?requiretls=true'), RangeError);
  const log = createLog({ level: 'silent' });
  assert.throws(() => createSmartHosts({ urls: [], log }), RangeError);
  assert.throws(() => createSmartHosts({ urls: ['smtp://x'], log, name: 'a\r\nMAIL' }), RangeError);
});
