import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { createLog } from '#kit/log/log.ts';
import { type CaughtMail, createMailer, isOneAddress, MailFailed, MailRefused } from './smtp.ts';

const log = createLog({ level: 'silent' });
const from = 'Example Community <id@community.example>';
const mail = { to: 'anna@example.org', subject: 'Confirm your address', text: 'Hello Anna' };

async function smartHost(t: TestContext, options: SMTPServerOptions = {}) {
  const taken: { recipients: string[]; sender: string; raw: string }[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    disableReverseLookup: true,
    async onData(stream, session, done) {
      const chunks: Buffer[] = [];
      for await (const chunk of stream) chunks.push(chunk as Buffer);
      const { mailFrom, rcptTo } = session.envelope;
      taken.push({
        recipients: rcptTo.map((recipient) => recipient.address),
        sender: mailFrom ? mailFrom.address : '',
        raw: Buffer.concat(chunks).toString('utf8'),
      });
      done();
    },
    ...options,
  });
  server.on('error', () => undefined);
  const listening = server.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const { port } = listening.address() as AddressInfo;
  const mailer = createMailer({ urls: [`smtp://127.0.0.1:${port}`], from, log });
  t.after(async () => {
    await mailer.close();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
  return { taken, mailer };
}

test('a message reaches the smart host with its envelope, id and both bodies', async (t) => {
  const { taken, mailer } = await smartHost(t);
  const answer = await mailer.send({
    ...mail,
    html: '<p>Hello Anna</p>',
    messageId: 'verification-1@community.example',
    headers: { 'Auto-Submitted': 'auto-generated', 'X-MC-Metadata': '{"notice":"01a20689-02b2-76be-b31a"}' },
  });
  assert.equal(answer.messageId, '<verification-1@community.example>');
  assert.match(answer.response, /^250/);
  const [message] = taken;
  assert.deepEqual([message!.sender, message!.recipients], ['id@community.example', ['anna@example.org']]);
  assert.match(message!.raw, /^From: Example Community <id@community\.example>\r$/m);
  assert.match(message!.raw, /^Message-ID: <verification-1@community\.example>\r$/m);
  assert.match(message!.raw, /^Auto-Submitted: auto-generated\r$/m);
  // A service reads its own fields as they stand on the wire.
  assert.match(message!.raw, /^X-MC-Metadata: \{"notice":"01a20689-02b2-76be-b31a"\}\r$/im);
  assert.match(message!.raw, /multipart\/alternative/);
});

test('AU-13 anything but exactly one plain address is refused and no mail leaves', async (t) => {
  const { taken, mailer } = await smartHost(t);
  const wrong: unknown[] = [
    '',
    'anna',
    '@example.org',
    'anna@',
    'a@b@example.org',
    'anna@example.org,eve@evil.example',
    'anna@example.org;eve@evil.example',
    'anna@example.org eve@evil.example',
    '"anna@evil.example x"@example.org',
    '"anna"@example.org',
    'Anna <anna@example.org>',
    '<anna@example.org>',
    'anna@example.org\r\nBcc: eve@evil.example',
    'anna@example.org\n',
    'anna\0@example.org',
    'anna@[127.0.0.1]',
    'group:anna@example.org;',
    'anna(x)@example.org',
    'anna@example.org.',
    '.anna@example.org',
    'an..na@example.org',
    `${'a'.repeat(65)}@example.org`,
    `anna@${'a'.repeat(260)}.org`,
    ['anna@example.org', 'eve@evil.example'],
    ['anna@example.org'],
    { address: 'anna@example.org' },
    null,
    undefined,
  ];
  for (const to of wrong)
    await assert.rejects(mailer.send({ ...mail, to: to as string }), MailRefused, String(to));
  assert.equal(taken.length, 0);
  for (const fine of [
    'anna@example.org',
    "o'neil+tag@sub.example.org",
    'jürgen@bücher.example',
    'a/b=c@example.org',
  ]) {
    assert.equal(isOneAddress(fine), true, fine);
  }
});

test('no part of a message can add a header', async () => {
  const mailer = createMailer({ urls: ['memory:'], from, log });
  for (const evil of [
    'x\r\nBcc: eve@evil.example',
    'x\nBcc: eve@evil.example',
    'x\rBcc: e',
    'x\0',
    'x\u2028y',
  ]) {
    await assert.rejects(mailer.send({ ...mail, subject: evil }), MailRefused);
    await assert.rejects(mailer.send({ ...mail, headers: { 'X-Note': evil } }), MailRefused);
    await assert.rejects(mailer.send({ ...mail, messageId: `${evil}@x.example` }), MailRefused);
  }
  for (const name of ['Bcc', 'TO', 'cc', 'From', 'Content-Type', 'X: y\r\nBcc', 'X Y', '', 'Resent-To']) {
    await assert.rejects(
      mailer.send({ ...mail, headers: { [name]: 'eve@evil.example' } }),
      MailRefused,
      name,
    );
  }
  assert.equal(mailer.sent.length, 0);
  for (const sender of ['x\r\nBcc: e <a@b.example>', 'a@b.example, c@d.example', '', 'Name']) {
    assert.throws(() => createMailer({ urls: ['memory:'], from: sender, log }), RangeError, sender);
  }
});

test('a path or address in the text is only text', async (t) => {
  const { taken, mailer } = await smartHost(t);
  await mailer.send({ ...mail, text: { path: '/etc/passwd' } as unknown as string }).catch((error) => {
    assert.ok(error instanceof MailFailed);
  });
  assert.ok(taken.every((message) => !message.raw.includes('root:')));
});

test('a refusal of the smart host says whether trying again can help', async (t) => {
  const answer = (code: number, text: string) => Object.assign(new Error(text), { responseCode: code });
  const { mailer } = await smartHost(t, {
    onRcptTo({ address }, _session, done) {
      done(address.startsWith('gone') ? answer(550, 'No such person') : answer(450, 'Try later'));
    },
  });
  const failure = (to: string) =>
    mailer.send({ ...mail, to }).then(
      () => assert.fail('it was taken'),
      (error: MailFailed) => error,
    );
  const gone = await failure('gone@example.org');
  assert.ok(gone instanceof MailFailed && gone.permanent && gone.response.includes('No such person'));
  assert.equal((await failure('busy@example.org')).permanent, false);
  const nobody = createMailer({ urls: ['smtp://127.0.0.1:1'], from, log });
  await assert.rejects(
    nobody.send(mail),
    (error: MailFailed) => error instanceof MailFailed && !error.permanent,
  );
  await nobody.close();
});

test('memory keeps messages, a catcher hands them on, and a wrong url is named', async () => {
  const mailer = createMailer({ urls: ['memory:'], from, log });
  const { messageId } = await mailer.send(mail);
  assert.match(messageId, /^<[0-9a-f-]{36}@community\.example>$/);
  assert.deepEqual(mailer.sent, [{ ...mail, from, messageId, headers: {} }]);
  const caught: CaughtMail[] = [];
  const catcher = createMailer({ urls: ['catcher'], from, log, sink: (message) => caught.push(message) });
  await catcher.send(mail);
  assert.equal(caught[0]!.to, mail.to);
  assert.throws(() => createMailer({ urls: ['catcher'], from, log }), RangeError);
  for (const url of ['', 'http://x', 'smtp://', 'mail.example']) {
    assert.throws(() => createMailer({ urls: [url], from, log }), RangeError, url);
  }
});
