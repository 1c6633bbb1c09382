/**
 * The relay against everything that makes an open relay: recipients dressed up, senders that are not the app, commands
 * that give more than one delivery, ways back that are forged. Byte for byte, with a client of our own.
 */
import assert from 'node:assert/strict';
import { before, beforeEach, test } from 'node:test';
import { bounceForms, commandForms, type Form, foreignForms, senderForms } from './relay-corpus.ts';
import { hostileStage, messageOf, type Stage } from './relay-stage.ts';
import { transaction, Wire } from './relay-wire.ts';

let stage: Stage;
before(async () => {
  stage = await hostileStage();
});
beforeEach(() => stage.forget());

/** Tries a form on a connection of its own and says what is wrong with the answer, if anything is. */
async function tried(form: Form): Promise<string | undefined> {
  const wire = await Wire.greeted({ port: stage.port });
  try {
    const { at, reply } = await transaction(wire, {
      mail: form.mail ?? `<${stage.sender}>`,
      rcpt: form.rcpt,
      message: messageOf(stage, { to: 'victim@elsewhere.example', subject: form.name }),
    });
    if (reply === undefined) return wire.closed ? 'closed without a word' : 'not answered';
    if (reply.code < 500) return `answered at ${at}: ${reply.text}`;
    // Whatever was refused must not have left a recipient behind.
    if (at === 'end' || wire.closed) return undefined;
    const data = await wire.say('DATA');
    return data && data.code < 500 && data.code !== 421 ? `DATA afterwards: ${data.text}` : undefined;
  } finally {
    wire.close();
  }
}

/** Several at a time, each told apart by its name. */
async function tryAll(forms: readonly Form[]): Promise<void> {
  const wrong: string[] = [];
  const left = [...forms];
  const work = async () => {
    for (let form = left.shift(); form; form = left.shift()) {
      const problem = await tried(form);
      if (problem) wrong.push(`${form.name}: ${problem}`);
    }
  };
  await Promise.all(Array.from({ length: 8 }, work));
  const list = stage.list();
  stage.forget();
  assert.deepEqual([...wrong, ...list], [], 'refused, and nothing was passed on');
  assert.deepEqual(await stage.ownMail(), [], 'nobody was written to');
}

test('SM-01 the way in is open for what the app writes, so that what is refused below is refused for its own sake', async () => {
  for (const rcpt of [`<${stage.alias}>`, `<${stage.alias.toUpperCase()}>`]) {
    const wire = await Wire.greeted({ port: stage.port });
    const done = await transaction(wire, {
      mail: `<${stage.sender}>`,
      rcpt,
      message: messageOf(stage, { subject: 'A fine day' }),
    });
    assert.equal(done.at, 'end');
    assert.equal(done.reply?.code, 250, done.reply?.text);
    assert.doesNotMatch(wire.transcript, new RegExp(stage.real, 'i'), 'SM-07');
    wire.close();
    assert.deepEqual(
      stage.taken().map((one) => one.to),
      [stage.real],
    );
    stage.forget();
  }
});

test('SM-01 no recipient of anyone else is taken, however it is dressed', async () => {
  const forms = foreignForms(stage);
  assert.ok(forms.length >= 60, `${forms.length} forms`);
  assert.equal(new Set(forms.map((one) => one.rcpt)).size, forms.length);
  await tryAll(forms);
});

test('SM-02 no sender but those of the app, and nothing that hides one', async () => {
  await tryAll(senderForms(stage));
});

test('SM-01 ways back that were not made here lead nowhere', async () => {
  await tryAll(bounceForms(stage));
});

test('SM-01 the source route is not a way: it is dropped or refused, and never followed', async () => {
  const wire = await Wire.greeted({ port: stage.port });
  await transaction(wire, {
    mail: `<${stage.sender}>`,
    rcpt: `<@elsewhere.example,@third.example:${stage.alias}>`,
    message: messageOf(stage, { subject: 'By a detour' }),
  });
  wire.close();
  assert.ok(stage.taken().every((one) => one.to === stage.real));
  stage.forget();
});

test('SM-03 SM-05 commands that tell or give more than one delivery are not there', async () => {
  for (const line of commandForms) {
    const wire = await Wire.greeted({ port: stage.port });
    const reply = await wire.say(line);
    assert.ok(reply, `${line}: no answer`);
    assert.ok(reply.code >= 500 || reply.code === 421, `${line}: ${reply.text}`);
    assert.doesNotMatch(wire.transcript, new RegExp(stage.real, 'i'));
    wire.close();
  }
  assert.deepEqual(stage.list(), []);
});

test('SM-05 what is offered is what is kept: no AUTH, VRFY, chunks, other letters, or a word about the client', async () => {
  const wire = await Wire.open({ port: stage.port });
  const greeting = await wire.reply();
  assert.match(greeting?.text ?? '', /^220 \S+ ESMTP/);
  const hello = await wire.say('EHLO probe.example.net');
  const offered = (hello?.lines ?? []).map((line) => line.slice(4).split(' ')[0]?.toUpperCase());
  for (const never of [
    'AUTH',
    'VRFY',
    'EXPN',
    'ETRN',
    'CHUNKING',
    'BINARYMIME',
    'SMTPUTF8',
    'XCLIENT',
    'XFORWARD',
    'DSN',
    'BURL',
    'REQUIRETLS',
    'TURN',
  ])
    assert.ok(!offered.includes(never), `${never} is offered: ${hello?.text}`);
  for (const always of ['SIZE', '8BITMIME', 'STARTTLS', 'ENHANCEDSTATUSCODES'])
    assert.ok(offered.includes(always), `${always} is not offered: ${hello?.text}`);
  assert.doesNotMatch(wire.transcript, /gatehouse\/|node|nodemailer/i);
  wire.close();
});

test('SM-02 a network that is not the app\u2019s stays outside, whatever it says about itself', async () => {
  const outside = '127.0.0.2';
  const says = [
    'EHLO mail.app.example',
    'EHLO [127.0.0.1]',
    'EHLO localhost',
    'XCLIENT ADDR=127.0.0.1 NAME=localhost',
    'XFORWARD ADDR=127.0.0.1',
  ];
  for (const line of says) {
    const wire = await Wire.greeted({ port: stage.port, from: outside });
    await wire.say(line);
    const { at, reply } = await transaction(wire, {
      mail: `<${stage.sender}>`,
      rcpt: `<${stage.alias}>`,
      message: messageOf(stage, {}),
    });
    assert.ok(at !== 'end' && reply && reply.code >= 500, `${line}: ${at} ${reply?.text}`);
    wire.close();
  }
  const proxied = await Wire.open({ port: stage.port, from: outside });
  proxied.send('PROXY TCP4 127.0.0.1 127.0.0.1 4000 25\r\n');
  await proxied.rest();
  const left = proxied.closed
    ? undefined
    : await proxied.say(`MAIL FROM:<${stage.sender}>`).catch(() => undefined);
  assert.ok(left === undefined || left.code >= 400);
  proxied.close();
  assert.deepEqual(stage.list(), []);
});

test('SM-01 one recipient a message: the second is told to come again, and reaches nobody', async () => {
  const wire = await Wire.greeted({ port: stage.port });
  await wire.say(`MAIL FROM:<${stage.sender}>`);
  assert.equal((await wire.say(`RCPT TO:<${stage.alias}>`))?.code, 250);
  for (const second of [
    'victim@elsewhere.example',
    `nobody.here@${stage.domain}`,
    stage.others.paused!,
    `postmaster@${stage.domain}`,
  ]) {
    const reply = await wire.say(`RCPT TO:<${second}>`);
    assert.deepEqual([reply?.code, reply?.enhanced], [452, '4.5.3'], `${second}: ${reply?.text}`);
  }
  await wire.say('DATA');
  wire.send(`${messageOf(stage, { subject: 'To one' })}\r\n.\r\n`);
  assert.equal((await wire.reply())?.code, 250);
  wire.close();
  assert.deepEqual(
    stage.taken().map((one) => one.to),
    [stage.real],
  );
  stage.forget();
});

test('SM-01 a transaction out of order, or begun anew, leaves nothing behind', async () => {
  const wire = await Wire.greeted({ port: stage.port });
  assert.equal((await wire.say(`RCPT TO:<${stage.alias}>`))?.code, 503);
  assert.equal((await wire.say('DATA'))?.code, 503);
  await wire.say(`MAIL FROM:<${stage.sender}>`);
  assert.equal((await wire.say('DATA'))?.code, 503);
  assert.equal(
    (await wire.say(`MAIL FROM:<spammer@elsewhere.example>`))?.code,
    503,
    'one sender a transaction',
  );
  assert.equal((await wire.say(`RCPT TO:<${stage.alias}>`))?.code, 250);
  await wire.say('RSET');
  assert.equal((await wire.say('DATA'))?.code, 503);
  await wire.say(`MAIL FROM:<${stage.sender}>`);
  await wire.say(`RCPT TO:<${stage.alias}>`);
  await wire.say('EHLO again.example.net');
  assert.equal((await wire.say('DATA'))?.code, 503, 'a new greeting ends it');
  wire.close();
  assert.deepEqual(stage.list(), []);
});
