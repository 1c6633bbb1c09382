/**
 * Where a message ends and what it may say: ends of DATA that some other server believes in, bytes sent ahead of TLS, line
 * breaks hidden in addresses, names and subjects; and what leaves, byte for byte.
 */
import assert from 'node:assert/strict';
import { before, beforeEach, test } from 'node:test';
import { falseEnds } from './relay-corpus.ts';
import { hostileStage, messageOf, type Stage } from './relay-stage.ts';
import { transaction, Wire } from './relay-wire.ts';

let stage: Stage;
before(async () => {
  stage = await hostileStage();
});
beforeEach(() => stage.forget());

/** A connection that stands before the text of a message. */
async function atData(): Promise<Wire> {
  const wire = await Wire.greeted({ port: stage.port });
  await wire.say(`MAIL FROM:<${stage.sender}>`);
  await wire.say(`RCPT TO:<${stage.alias}>`);
  assert.equal((await wire.say('DATA'))?.code, 354);
  return wire;
}

/** What left, as it was on the line, must be what any server reads the same way. */
function cleanOnTheLine(): void {
  for (const { wire } of stage.taken()) {
    const text = wire.toString('latin1');
    assert.doesNotMatch(text, /[^\r]\n|^\n/, 'a bare LF left');
    assert.doesNotMatch(text, /\r(?!\n)/, 'a bare CR left');
    assert.doesNotMatch(text, /\0/, 'a NUL left');
    assert.doesNotMatch(text.replace(/\r\n\.\r\n$/, '\r\n'), /\r\n\.(?!\.)/, 'a dot that is not doubled');
  }
}

const smuggled = (from: string, to: string) =>
  `MAIL FROM:<${from}>\r\nRCPT TO:<${to}>\r\nDATA\r\nFrom: <${from}>\r\nSubject: smuggled\r\n\r\nsmuggled\r\n.\r\n`;

for (const { name, bytes } of falseEnds) {
  test(`SM-05 ${name} does not end a message`, async () => {
    for (const to of [stage.alias, 'victim@elsewhere.example']) {
      const wire = await atData();
      wire.send(messageOf(stage, { subject: 'Outer', body: 'before' }));
      wire.send(`${bytes}${smuggled(stage.sender, to)}`);
      const replies = await wire.rest(600, { mustCome: true });
      wire.close();
      const bare = /(?:^|[^\r])\n|\r(?!\n)/.test(bytes);
      if (bare) {
        assert.deepEqual(
          replies.map(({ code, enhanced }) => [code, enhanced])[0],
          [554, '5.6.0'],
          replies.map((one) => one.text).join('\n'),
        );
        assert.ok(wire.closed, 'the connection is over');
        assert.deepEqual(stage.list(), [], 'nothing left');
      }
      const all = stage.taken();
      assert.ok(all.length <= 1, `${all.length} messages of one`);
      for (const { raw } of all)
        assert.match(
          raw.toString('latin1'),
          /Subject: Outer\r\n[\s\S]*MAIL FROM:/,
          'it stayed text of the one',
        );
      cleanOnTheLine();
      stage.forget();
    }
  });
}

test('SM-05 whatever stands in lines of dots arrives as it was, in whichever pieces it came', async () => {
  const body = [
    '.',
    '..',
    '...',
    '.a',
    '..b',
    '',
    '. ',
    '.\t.',
    'a.',
    'a..',
    `.${'x'.repeat(900)}`,
    '',
    '.',
  ].join('\r\n');
  const message = messageOf(stage, { subject: 'Dots', body });
  const stuffed = message.replace(/^\./gm, '..');
  for (const size of [1, 2, 3, 5, 7, 4096]) {
    const wire = await atData();
    for (let at = 0; at < stuffed.length; at += size) {
      wire.send(stuffed.slice(at, at + size));
      if (size < 5) await new Promise(setImmediate);
    }
    for (const byte of '\r\n.\r\n') {
      wire.send(byte);
      await new Promise(setImmediate);
    }
    assert.equal((await wire.reply())?.code, 250, `pieces of ${size}`);
    wire.close();
    const [taken, ...more] = stage.taken();
    assert.equal(more.length, 0);
    assert.ok(taken?.raw.toString('latin1').endsWith(`\r\n\r\n${body}\r\n`), `pieces of ${size}`);
    cleanOnTheLine();
    stage.forget();
  }
});

test('SM-05 a message that begins with a dot is not over before it began', async () => {
  const wire = await atData();
  wire.send('..\r\n');
  await new Promise((resolve) => setTimeout(resolve, 50));
  wire.send(smuggled(stage.sender, stage.alias));
  const replies = await wire.rest(600, { mustCome: true });
  wire.close();
  assert.ok(
    replies.every((one) => one.code !== 354),
    'no second DATA was reached',
  );
  assert.ok(stage.taken().length <= 1);
  stage.forget();
});

test('SM-05 a command that ends in a bare LF is none, and one with CR or NUL inside neither', async () => {
  for (const bytes of [
    `MAIL FROM:<${stage.sender}>\n`,
    `MAIL FROM:<${stage.sender}>\nRCPT TO:<${stage.alias}>\nDATA\n`,
    'NOOP\n',
    'RSET\nNOOP\r\n',
    `MAIL FROM:<${stage.sender}>\rNOOP\r\n`,
    'NOOP\0\r\n',
    `MAIL\0FROM:<${stage.sender}>\r\n`,
  ]) {
    const wire = await Wire.greeted({ port: stage.port });
    wire.send(bytes);
    const replies = await wire.rest(300, { mustCome: true });
    assert.ok(replies.length > 0 || wire.closed, JSON.stringify(bytes));
    assert.ok((replies[0]?.code ?? 500) >= 421, `${JSON.stringify(bytes)}: ${replies[0]?.text}`);
    assert.ok(!replies.some((one) => one.code === 354));
    wire.close();
  }
});

test('SM-05 what was sent ahead of TLS is forgotten: commands, and a greeting too', async () => {
  const wire = await Wire.greeted({ port: stage.port });
  wire.send(`STARTTLS\r\nMAIL FROM:<${stage.sender}>\r\nRCPT TO:<${stage.alias}>\r\nDATA\r\n`);
  assert.equal((await wire.reply())?.code, 220);
  const clear = wire.transcript.length;
  await wire.secure();
  const early = await wire.rest(400);
  assert.deepEqual(early, [], 'no answer to what came in the clear');
  assert.ok(wire.transcript.length === clear);
  assert.equal((await wire.say('DATA'))?.code, 503, 'and no transaction');
  const again = await wire.say('EHLO probe.example.net');
  assert.equal(again?.code, 250);
  assert.doesNotMatch(again?.text ?? '', /STARTTLS/, 'not twice');
  assert.ok(((await wire.say('STARTTLS'))?.code ?? 0) >= 500);
  const done = await transaction(wire, {
    mail: `<${stage.sender}>`,
    rcpt: `<${stage.alias}>`,
    message: messageOf(stage, { subject: 'In TLS' }),
  });
  assert.equal(done.reply?.code, 250, done.reply?.text);
  wire.close();
  assert.equal(stage.taken().length, 1);
  stage.forget();
});

test('SM-05 STARTTLS with a parameter, or in a transaction, opens nothing', async () => {
  const wire = await Wire.greeted({ port: stage.port });
  const reply = await wire.say('STARTTLS now');
  if (reply?.code === 220) {
    await wire.secure();
    assert.equal((await wire.say('DATA'))?.code, 503);
  } else assert.ok((reply?.code ?? 0) >= 500);
  wire.close();
});

test('SM-06 nobody breaks the line of a header: sender, HELO, subject, names, message id', async () => {
  const hidden = [
    { helo: 'evil.example) by trusted.example (127.0.0.1' },
    { helo: 'evil.example\tX-Injected:' },
    { helo: '<script>alert(1)</script>' },
    { helo: 'a'.repeat(600) },
    { helo: 'evil\x0b\x0cX-Injected: yes' },
    { helo: '=?utf-8?q?a=0D=0AX-Injected:_yes?=' },
    { subject: '=?utf-8?q?a=0D=0ABcc:_victim=40elsewhere.example?=' },
    { subject: '=?utf-8?b?YQ0KWC1JbmplY3RlZDogeWVz?=' },
    { name: '=?utf-8?q?Jira=0D=0AX-Injected:_yes?=' },
    { name: '=?utf-8?b?SmlyYQ0KCg0KPGI+Ym9keTwvYj4=?=' },
    { name: '"Jira\\\r\n X-Injected: yes"' },
    { id: '<a@x>\r\n\tX-Injected: yes' },
    { id: '<=?utf-8?q?a=0D=0AX-Injected:_yes?=@x>' },
    { more: 'Received: from x\r\n\r by y' },
    { more: 'X-Odd\r\n : yes' },
  ];
  let passed = 0;
  const both = (['transparent', 'rewritten'] as const).flatMap((mode) =>
    hidden.map((one) => ({ mode, ...one })),
  );
  for (const { mode, helo, ...parts } of both) {
    await stage.setApp({ mode });
    const wire = await Wire.open({ port: stage.port });
    await wire.reply();
    const hello = await wire.say(`EHLO ${helo ?? 'probe.example.net'}`);
    if (hello?.code === 250) {
      await transaction(wire, {
        mail: `<${stage.sender}>`,
        rcpt: `<${stage.alias}>`,
        message: messageOf(stage, parts),
      }).catch(() => undefined);
    } else assert.ok((hello?.code ?? 500) >= 421, hello?.text);
    wire.close();
    for (const { raw, to } of stage.taken()) {
      assert.equal(to, stage.real);
      passed += 1;
      const head = raw.toString('latin1').split('\r\n\r\n')[0] ?? '';
      // Only lines that were fields of their own in what was sent may be fields of what left.
      assert.doesNotMatch(head, /^(?:X-Injected|Bcc|Cc)\s*:/im, JSON.stringify({ mode, helo, parts }));
      for (const line of head.split('\r\n'))
        assert.match(line, /^(?:[!-9;-~]+ ?:|[ \t])/, JSON.stringify(line));
    }
    cleanOnTheLine();
    stage.forget();
  }
  await stage.setApp({});
  assert.ok(passed >= 10, `${passed} of ${both.length} were passed on and looked at`);
  assert.deepEqual(await stage.ownMail(), [], 'nobody is written to because of it');
});
