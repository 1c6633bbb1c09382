/** How much one sender can take of the relay: long headers, large messages, slow lines, many connections, and circles. */
import assert from 'node:assert/strict';
import { before, beforeEach, test } from 'node:test';
import { hostileStage, messageOf, type Stage } from './relay-stage.ts';
import { transaction, Wire } from './relay-wire.ts';

let stage: Stage;
before(async () => {
  stage = await hostileStage();
});
beforeEach(() => stage.forget());

async function answerTo(message: string, mail = `<${stage.sender}>`) {
  const wire = await Wire.greeted({ port: stage.port });
  const done = await transaction(wire, { mail, rcpt: `<${stage.alias}>`, message });
  wire.close();
  return done;
}

/** The server is well: another message passes. */
async function stillServes(): Promise<void> {
  const { reply } = await answerTo(messageOf(stage, { subject: 'Still there' }));
  assert.equal(reply?.code, 250, reply?.text);
  stage.forget();
}

test('SM-05 headers have an end: 1,001 fields, 65 KiB, and a single field of a megabyte are refused', async () => {
  const heads = {
    '1,001 fields': Array.from({ length: 1001 }, (_, index) => `X-${index}: y`).join('\r\n'),
    '65 KiB in many fields': Array.from({ length: 900 }, (_, index) => `X-${index}: ${'y'.repeat(80)}`).join(
      '\r\n',
    ),
    'one field folded without end': `X-Long: y\r\n${` ${'y'.repeat(70)}\r\n`.repeat(1000)} y`,
    'one line of a megabyte': `X-Long: ${'y'.repeat(1_000_000)}`,
  };
  for (const [name, more] of Object.entries(heads)) {
    const { at, reply } = await answerTo(messageOf(stage, { more }));
    assert.ok(at === 'end' && reply && reply.code >= 500, `${name}: ${reply?.text}`);
  }
  const near = Array.from({ length: 500 }, (_, index) => `X-${index}: y`).join('\r\n');
  assert.equal((await answerTo(messageOf(stage, { more: near }))).reply?.code, 250, '500 are many, and fine');
  assert.equal(stage.taken().length, 1);
  stage.forget();
});

test('SM-06 two From, none, or one of two people is refused: who wrote it must be one', async () => {
  for (const from of [
    `From: <${stage.sender}>\r\nFrom: <ceo@elsewhere.example>`,
    `From: <ceo@elsewhere.example>\r\nfrom : <${stage.sender}>`,
    'X-From: nobody',
    `From: <${stage.sender}>, <ceo@elsewhere.example>`,
    `From: <ceo@elsewhere.example>, <${stage.sender}>`,
    `From: "${stage.sender}" <ceo@elsewhere.example>`,
    `From: ${stage.sender} <ceo@elsewhere.example>`,
    `From: <ceo@elsewhere.example> (${stage.sender})`,
    `From: group: <${stage.sender}>;`,
    'From:',
    'From: <>',
    `From: <${stage.sender}@elsewhere.example>`,
    `From: <"${stage.sender}"@elsewhere.example>`,
  ]) {
    const { at, reply } = await answerTo(messageOf(stage, { from }));
    assert.ok(at === 'end' && reply && reply.code >= 500, `${from}: ${reply?.text}`);
  }
  assert.deepEqual(stage.list(), []);
});

test('SM-05 a size that was announced too large is refused at once, and one that lied when it shows', async () => {
  const wire = await Wire.greeted({ port: stage.port });
  const announced = await wire.say(`MAIL FROM:<${stage.sender}> SIZE=200000000`);
  assert.equal(announced?.code, 552, announced?.text);
  wire.close();
  const before = process.memoryUsage.rss();
  const liar = await Wire.greeted({ port: stage.port, patience: 60_000 });
  assert.equal((await liar.say(`MAIL FROM:<${stage.sender}> SIZE=10`))?.code, 250);
  await liar.say(`RCPT TO:<${stage.alias}>`);
  assert.equal((await liar.say('DATA'))?.code, 354);
  liar.send(`${messageOf(stage, { subject: 'A hundred megabytes' })}\r\n`);
  const line = Buffer.from(`${'x'.repeat(998)}\r\n`.repeat(1000));
  for (let sent = 0; sent < 100 && !liar.closed; sent += 1) await liar.pour(line);
  liar.send('.\r\n');
  const reply = await liar.reply(60_000).catch(() => undefined);
  assert.ok(reply ? reply.code === 552 || reply.code === 421 : liar.closed, reply?.text);
  liar.close();
  const grown = (process.memoryUsage.rss() - before) / 2 ** 20;
  assert.ok(grown < 200, `${Math.round(grown)} MiB more in memory`);
  assert.deepEqual(stage.list(), []);
  await stillServes();
});

test('SM-05 bytes that never end a line, and lines without a command, end the connection', async () => {
  for (const bytes of [
    Buffer.alloc(200_000, 0x61),
    Buffer.from('x\r\n'.repeat(200)),
    Buffer.alloc(100_000, 0),
  ]) {
    const wire = await Wire.greeted({ port: stage.port });
    await wire.pour(bytes);
    await wire.rest(700);
    assert.ok(wire.closed, 'closed');
    wire.close();
  }
  await stillServes();
});

test('SM-05 who speaks before the greeting is sent away', async () => {
  const wire = await Wire.open({ port: stage.port, from: '127.0.0.2' });
  wire.send(`EHLO x\r\nMAIL FROM:<${stage.sender}>\r\nRCPT TO:<${stage.alias}>\r\nDATA\r\n`);
  const replies = await wire.rest(1000);
  assert.ok(!replies.some((one) => one.code === 354));
  assert.ok(wire.closed || replies.every((one) => one.code !== 250));
  wire.close();
  assert.deepEqual(stage.list(), []);
});

test('SM-04 a message that has come round too often, or has been here before, stops', async () => {
  const hops = (count: number) =>
    Array.from(
      { length: count },
      (_, n) => `Received: from a${n}.example by b${n}.example; Sun, 22 Nov 2026 10:00:00 +0000`,
    ).join('\r\n');
  const far = await answerTo(messageOf(stage, { more: hops(31) }));
  assert.deepEqual([far.reply?.code, far.reply?.enhanced], [554, '5.4.6'], far.reply?.text);
  assert.deepEqual(stage.list(), []);
  assert.equal((await answerTo(messageOf(stage, { more: hops(5) }))).reply?.code, 250);
  const [once] = stage.taken();
  stage.forget();
  const head = once?.raw.toString('latin1').split('\r\n\r\n')[0] ?? '';
  const ours = /^(?:X-Gatehouse-Loop|Delivered-To):.*$/gim;
  assert.ok((head.match(ours) ?? []).length > 0, 'what left says that it was here');
  const again = await answerTo(once?.raw.toString('latin1').trimEnd() ?? '');
  assert.deepEqual([again.reply?.code, again.reply?.enhanced], [554, '5.4.6'], again.reply?.text);
  assert.deepEqual(stage.list(), []);
  assert.deepEqual(await stage.ownMail(), []);
});

test('SM-05 addresses in other letters are refused plainly', async () => {
  const wire = await Wire.greeted({ port: stage.port });
  const asked = await wire.say(`MAIL FROM:<${stage.sender}> SMTPUTF8`);
  assert.ok((asked?.code ?? 0) >= 500, asked?.text);
  await wire.say('RSET');
  const sender = await wire.say(`MAIL FROM:<${Buffer.from('büro@app.example').toString('latin1')}>`);
  assert.deepEqual([sender?.code, sender?.enhanced], [553, '5.6.7'], sender?.text);
  wire.close();
});

test('SM-05 two hundred connections of one network do not shut out the others', async () => {
  const wires = await Promise.all(
    Array.from({ length: 200 }, () =>
      Wire.open({ port: stage.port, from: '127.0.0.9' }).catch(() => undefined),
    ),
  );
  const open = wires.filter((one) => one !== undefined);
  const greeted = await Promise.all(open.map((wire) => wire.reply(5000).catch(() => undefined)));
  const served = greeted.filter((one) => one?.code === 220).length;
  assert.ok(served > 0 && served <= 30, `${served} of 200 were served`);
  assert.ok(greeted.filter((one) => one && one.code !== 220).every((one) => one?.code === 421));
  await stillServes();
  for (const wire of open) wire.close();
  await stillServes();
});
