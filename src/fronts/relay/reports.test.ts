/** Reports that come back about mail that was passed on: taken from anyone, and heard about one message alone. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { letter, ownSender, realAddress, startTestRelay } from '#test/relay.ts';
import { returnPath } from './forward.ts';

type Relay = Awaited<ReturnType<typeof startTestRelay>>;
let relay: Relay;
before(async () => {
  relay = await startTestRelay();
});
after(() => relay.close());

/** A report that the message of this id could not be delivered. */
function reportOn(id: string): string {
  return [
    'From: Mail Delivery <mailer-daemon@gmail.test>',
    'Subject: failed',
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type=delivery-status; boundary=b',
    '',
    '--b',
    'Content-Type: text/plain',
    '',
    'It failed.',
    '--b',
    'Content-Type: message/delivery-status',
    '',
    'Reporting-MTA: dns; gmail.test',
    '',
    `Final-Recipient: rfc822; ${realAddress}`,
    'Action: failed',
    'Status: 5.2.2',
    '',
    '--b',
    'Content-Type: text/rfc822-headers',
    '',
    `Message-ID: ${id}`,
    '',
    '--b--',
    '',
  ].join('\r\n');
}

/** Passes a message on: its id, and the address reports about it go to. */
async function passedOn(raw = letter()): Promise<{ id: string; back: string }> {
  const { code, transcript } = await relay.mail({ raw });
  assert.equal(code, 250, transcript);
  const id = /^Message-ID: (.*)$/m.exec(raw)![1]!.trim();
  return { id, back: relay.sink.messages.at(-1)!.from };
}

const report = async (to: string, id: string) => (await relay.mail({ from: '', to, raw: reportOn(id) })).code;

/** What is said of messages of this id that were passed on, newest first. */
async function saidOf(id: string): Promise<(string | undefined)[]> {
  const log = await relay.log();
  return log
    .filter((one) => one.messageId === id && one.verdict === 'relayed')
    .map((one) => one.bounceStatus);
}

test('reports come back to an address that was made here, end here, and mark the message', async () => {
  relay.sink.clear();
  const { id, back: to } = await passedOn();
  // Anyone may report, and nobody but the null sender.
  await relay.setApp({ networks: ['192.0.2.0/24'] });
  assert.equal((await relay.mail({ from: 'x@gmail.test', to, raw: reportOn(id) })).code, 550);
  assert.equal(await report(to, id), 250);
  assert.equal(await report(to.toLowerCase(), id), 250);
  assert.equal((await relay.mail({ from: '' })).code, 550, 'no report to a mailbox of a person');
  assert.equal(relay.sink.messages.length, 1, 'nothing of it is passed on');
  const log = await relay.log();
  assert.equal(log.filter((one) => one.verdict === 'absorbed').length, 2);
  assert.deepEqual(await saidOf(id), ['5.2.2']);
  await relay.setApp({});
});

test('a report speaks of the message whose return address it came to, and of no other, whatever it names', async () => {
  const theirs = await passedOn();
  const mine = await passedOn();
  assert.notEqual(theirs.back, mine.back, 'each message has a return address of its own');
  assert.equal(await report(mine.back, theirs.id), 250);
  assert.deepEqual([await saidOf(theirs.id), await saidOf(mine.id)], [[undefined], [undefined]]);
  // An address that names no message, as Postfix is told, or as one made by an earlier version.
  const plain = returnPath(relay.platform, ownSender, relay.mailbox.split('@')[1]!);
  assert.match(plain, /^SRS0=[A-Z2-7]{8}=/);
  assert.equal(await report(plain, theirs.id), 250, 'taken, as it was made here');
  assert.deepEqual(await saidOf(theirs.id), [undefined]);
  // The name of another message in the address of one's own is no address.
  const named = /^SRS0=.{8}(.{10})/.exec(theirs.back)![1]!;
  const forged = mine.back.replace(/^(SRS0=.{8}).{10}/, `$1${named}`);
  assert.equal(await report(forged, theirs.id), 550);
  assert.equal(await report(plain.replace(/^(SRS0=.{8})/, `$1${named}`), theirs.id), 550);
  assert.equal(await report(mine.back, mine.id), 250);
  assert.equal(await report(theirs.back.toUpperCase(), theirs.id), 250);
  assert.deepEqual([await saidOf(theirs.id), await saidOf(mine.id)], [['5.2.2'], ['5.2.2']]);
});

test('of a message that was passed on twice, the copy is marked that came back', async () => {
  const raw = letter();
  const first = await passedOn(raw);
  await passedOn(raw);
  assert.equal(await report(first.back, first.id), 250);
  assert.deepEqual(await saidOf(first.id), [undefined, '5.2.2']);
});

test('a sender too long to be wrapped is left out, and the message named all the same', async () => {
  const long = `${'a'.repeat(50)}@jira.test`;
  const raw = letter();
  assert.equal((await relay.mail({ raw, from: long })).code, 250);
  const { from } = relay.sink.messages.at(-1)!;
  assert.match(
    from,
    /^SRS0=[A-Z2-7]{8}[0-9a-f]{10}=[A-Z2-7]{2}=people\.harbour\.test=sender@people\.harbour\.test$/,
  );
  const id = /^Message-ID: (.*)$/m.exec(raw)![1]!.trim();
  assert.equal(await report(from, id), 250);
  assert.deepEqual(await saidOf(id), ['5.2.2']);
});
