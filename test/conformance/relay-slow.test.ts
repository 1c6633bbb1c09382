/** Those who take their time, and mail that is sent back to where it came from. */
import assert from 'node:assert/strict';
import { before, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { hostileStage, messageOf, type Stage } from './relay-stage.ts';
import { transaction, Wire } from './relay-wire.ts';

const lineMs = 800;
const messageMs = 1600;
let stage: Stage;
before(async () => {
  stage = await hostileStage({ bounds: { lineMs, messageMs } });
});
beforeEach(() => stage.forget());

/** Sends these bytes again and again until the connection is over; how long it lasted, in milliseconds. */
async function trickle(wire: Wire, bytes: string, everyMs: number, most: number): Promise<number> {
  const began = performance.now();
  while (!wire.closed && performance.now() - began < most) {
    wire.send(bytes);
    await sleep(everyMs);
  }
  return performance.now() - began;
}

const patience = 15_000;

test('SM-05 a line has its time, however steadily its bytes come, before the greeting of a client and after', async () => {
  const silent = await Wire.open({ port: stage.port, from: '127.0.0.2' });
  const slow = await Wire.greeted({ port: stage.port });
  const [idle, letters] = await Promise.all([
    trickle(silent, '', 50, patience),
    trickle(slow, 'x', 50, patience),
  ]);
  assert.ok(idle < lineMs + 3000, `silent for ${Math.round(idle)} ms`);
  assert.ok(letters < lineMs + 3000, `one line for ${Math.round(letters)} ms`);
  assert.match(slow.transcript, /421 4\.4\.2 /);
});

test('SM-05 a message has its time: one that never ends is never passed on, and holds nobody up', async () => {
  const slow = await Promise.all(
    Array.from({ length: 25 }, async () => {
      const wire = await Wire.greeted({ port: stage.port });
      await wire.say(`MAIL FROM:<${stage.sender}>`);
      await wire.say(`RCPT TO:<${stage.alias}>`);
      assert.equal((await wire.say('DATA'))?.code, 354);
      wire.send(messageOf(stage, { subject: 'Slow' }));
      return wire;
    }),
  );
  const lasting = Promise.all(slow.map((wire) => trickle(wire, 'and on\r\n', 50, patience)));
  const quick = await Wire.greeted({ port: stage.port });
  const done = await transaction(quick, {
    mail: `<${stage.sender}>`,
    rcpt: `<${stage.alias}>`,
    message: messageOf(stage, { subject: 'Quick' }),
  });
  quick.close();
  assert.equal(done.reply?.code, 250, done.reply?.text);
  const longest = Math.max(...(await lasting));
  assert.ok(longest < messageMs + 5000, `a message lasted ${Math.round(longest)} ms`);
  assert.deepEqual(
    stage.list().map((line) => line.split(' · ')[1]),
    ['Subject: Quick'],
  );
});

test('SM-05 a handshake that does not come, and one that is no handshake, end the connection', async () => {
  const waiting = await Wire.greeted({ port: stage.port });
  assert.equal((await waiting.say('STARTTLS'))?.code, 220);
  const wrong = await Wire.greeted({ port: stage.port });
  assert.equal((await wrong.say('STARTTLS'))?.code, 220);
  wrong.send(`EHLO x\r\nMAIL FROM:<${stage.sender}>\r\n`);
  const [waited, refused] = await Promise.all([
    trickle(waiting, '', 50, 45_000),
    trickle(wrong, '', 50, patience),
  ]);
  assert.ok(refused < 5000, `${Math.round(refused)} ms of no handshake`);
  assert.ok(waited < 40_000, `${Math.round(waited)} ms without a handshake`);
  assert.deepEqual(stage.list(), []);
});

test('SM-05 messages that come at once are held up to a bound: one more is told to come again, and nothing is lost', async () => {
  const narrow = await hostileStage({ bounds: { heldBytes: 2_500_000 } });
  const megabyte = `${'x'.repeat(98)}\r\n`.repeat(10_000);
  const wires = [];
  for (let count = 0; count < 3; count += 1) {
    const wire = await Wire.greeted({ port: narrow.port, patience: 60_000 });
    await wire.say(`MAIL FROM:<${narrow.sender}>`);
    await wire.say(`RCPT TO:<${narrow.alias}>`);
    assert.equal((await wire.say('DATA'))?.code, 354);
    await wire.pour(Buffer.from(`${messageOf(narrow, { subject: `Large ${count}` })}\r\n${megabyte}`));
    // What was poured has been read when the server has nothing more to say to the next one.
    await sleep(500);
    wires.push(wire);
  }
  const told = [];
  for (const wire of wires) {
    wire.send('.\r\n');
    told.push((await wire.reply())?.lines[0]?.slice(0, 9));
    wire.close();
  }
  assert.deepEqual(told, ['250 2.0.0', '250 2.0.0', '452 4.3.1']);
  assert.equal(narrow.taken().length, 2);
  const again = await Wire.greeted({ port: narrow.port });
  const done = await transaction(again, {
    mail: `<${narrow.sender}>`,
    rcpt: `<${narrow.alias}>`,
    message: messageOf(narrow, { subject: 'Large 2', body: megabyte }),
  });
  again.close();
  assert.equal(done.reply?.code, 250, 'there is room again');
});

test('SM-04 a relay whose smart host is itself says no at once, and mail goes round not even once', async () => {
  const circle = await hostileStage({ circle: true });
  const wire = await Wire.greeted({ port: circle.port });
  const { at, reply } = await transaction(wire, {
    mail: `<${circle.sender}>`,
    rcpt: `<${circle.alias}>`,
    message: messageOf(circle, { subject: 'Round' }),
  });
  wire.close();
  assert.equal(at, 'end');
  assert.equal(reply?.code, 554, reply?.text);
  assert.doesNotMatch(wire.transcript, new RegExp(circle.real, 'i'), 'SM-07');
  await circle.relay.settle();
  const [noted] = await circle.platform.database.query<{ count: number }>(
    'select count(*)::integer as count from relay_messages',
  );
  assert.ok((noted?.count ?? 0) <= 2, `${noted?.count} messages of one`);
  assert.deepEqual(await circle.ownMail(), []);
});
