import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createLog } from '#kit/log/log.ts';
import { type SinkOptions, startSink } from '#test/peers/sink.ts';
import { createSmartHosts } from './smart-hosts.ts';
import { MailFailed } from './smtp.ts';
import { faultText, troubleOf, troubleText } from './trouble.ts';

const raw = Buffer.from('From: a@x.example\r\nSubject: Hello\r\n\r\nText\r\n');
const mail = { from: 'bounce@id.example', to: 'ada@example.org', raw };

async function sink(t: TestContext, options: SinkOptions = {}) {
  const made = await startSink(options);
  t.after(() => made.close());
  return made;
}

function hosts(t: TestContext, urls: string[]) {
  const lines: string[] = [];
  const log = createLog({ level: 'debug', destination: { write: (line) => void lines.push(line) } });
  const timeouts = { connect: 1500, envelope: 700, data: 700 };
  const made = createSmartHosts({ urls, log, timeouts });
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

test('what a server says of us ends no message; what it says of the message does', async (t) => {
  const server = await sink(t);
  const cases = [
    ['mail', '530 5.7.0 Authentication required', false, 'relaying'],
    ['mail', '530 5.7.0 Must issue a STARTTLS command first', false, 'encryption'],
    ['mail', '538 5.7.11 Encryption required for requested authentication mechanism', false, 'encryption'],
    ['mail', '535 5.7.8 no', false, 'sign-in'],
    ['rcpt', '554 5.7.1 <ada@example.org>: Relay access denied', false, 'relaying'],
    ['rcpt', '550 relay not permitted', false, 'relaying'],
    ['rcpt', '550 5.7.1 Relaying denied. Proper authentication required.', false, 'relaying'],
    ['rcpt', '550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain', false, 'relaying'],
    ['rcpt', "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", false, 'relaying'],
    ['rcpt', '550 5.1.1 <relay@example.org> unknown', true, undefined],
    ['rcpt', '554 5.7.1 this looks like spam', true, undefined],
    ['rcpt', '450 4.2.1 later', false, undefined],
    // With all of it read it is about the message, whatever the words.
    ['message', '554 5.7.1 Relay access denied', true, undefined],
  ] as const;
  for (const [stage, answer, permanent, trouble] of cases) {
    server.on(stage, answer);
    const smart = hosts(t, [server.url]);
    const error = await failure(smart.forward(mail));
    assert.deepEqual([error.permanent, troubleOf(error)], [permanent, trouble], answer);
    const told = smart.lines.map((line) => JSON.parse(line) as { code?: string; msg: string });
    assert.equal(told.at(-1)!.code, trouble && `smart-host-${trouble}`, answer);
    if (trouble) assert.equal(told.at(-1)!.msg, troubleText(trouble));
    assert.equal(smart.lines.join('').includes('ada@'), false, 'the log does not say to whom');
    server.on(stage, undefined);
    await smart.close();
  }
});

test('a server that asks for no password although we have one is not the one that was meant', async (t) => {
  const [plain, second] = [await sink(t), await sink(t, { auth: true })];
  const withPassword = (one: { port: number }) => `smtp://gatehouse:hush@127.0.0.1:${one.port}`;
  const alone = hosts(t, [withPassword(plain)]);
  const error = await failure(alone.forward(mail));
  assert.deepEqual([error.permanent, error.stage, troubleOf(error)], [false, 'connect', 'no-sign-in']);
  const [health] = await alone.probe();
  assert.deepEqual([health!.ok, health!.trouble], [false, 'no-sign-in']);
  assert.deepEqual(
    plain.lines.filter((line) => /^(MAIL|AUTH)/.test(line)),
    [],
  );
  const both = hosts(t, [withPassword(plain), withPassword(second)]);
  assert.equal((await both.forward(mail)).host, `127.0.0.1:${second.port}`);
});

test('a password that was refused is not tried with every message; another server takes over', async (t) => {
  const [first, second] = [await sink(t, { auth: true }), await sink(t, { auth: true })];
  first.on('auth', '535 5.7.8 no');
  const url = (one: { port: number }) => `smtp://gatehouse:hush@127.0.0.1:${one.port}`;
  const tries = () => first.lines.filter((line) => line.startsWith('AUTH')).length;
  const alone = hosts(t, [url(first)]);
  for (let turn = 0; turn < 5; turn += 1) {
    const error = await failure(alone.forward(mail));
    assert.deepEqual([error.permanent, error.code, troubleOf(error)], [false, 535, 'sign-in']);
  }
  assert.equal(tries(), 1);
  const both = hosts(t, [url(first), url(second)]);
  for (let turn = 0; turn < 3; turn += 1)
    assert.equal((await both.forward(mail)).host, `127.0.0.1:${second.port}`);
  assert.equal(tries(), 2);
  // Not now is no refusal: it is asked again with the next message.
  first.on('auth', '454 4.7.0 Temporary authentication failure');
  const later = hosts(t, [url(first)]);
  assert.equal(troubleOf(await failure(later.forward(mail))), undefined);
  await failure(later.forward(mail));
  assert.equal(tries(), 4);
  first.on('auth', undefined);
  assert.match((await later.forward(mail)).response, /^250/);
});

test('where no answer came it is said in a sentence why; where one came the server speaks for itself', async (t) => {
  const server = await sink(t);
  const gone = await startSink();
  await gone.close();
  const why = async (url: string) => faultText(await failure(hosts(t, [url]).forward(mail)));
  assert.match((await why(gone.url)) ?? '', /Nothing answers at host and port/);
  assert.match((await why('smtp://nobody.invalid:25')) ?? '', /leads to no address/);
  server.on('greeting', 'close');
  assert.match((await why(server.url)) ?? '', /ended the connection before it was done/);
  server.on('greeting', 'hang');
  assert.match((await why(server.url)) ?? '', /did not answer in time/);
  server.on('greeting', '554 5.3.2 not today');
  assert.equal(await why(server.url), undefined);
  server.on('greeting', undefined);
  server.on('message', 'close');
  assert.match((await why(server.url)) ?? '', /it may have/);
  server.on('message', undefined);
  server.on('rcpt', '450 4.2.1 later');
  assert.equal(await why(server.url), undefined);
  assert.match((await why(`${server.url}?requireTLS=true`)) ?? '', /do not come to an encrypted connection/);
  const [seen] = await hosts(t, [gone.url]).probe();
  assert.match(seen!.why ?? '', /Nothing answers/);
});
