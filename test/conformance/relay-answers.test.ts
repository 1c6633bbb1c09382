/** The whole way of a conversation over SMTP: an app writes, a person answers from where they read mail, the app hears. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { leave } from '#core/lifecycle/leave.ts';
import { saveChoice } from '#fronts/relay/choices.ts';
import { activateRelayKey, makeRelayKey } from '#fronts/relay/keys.ts';
import { system } from '#kit/db/database.ts';
import { terminal } from '#test/command.ts';
import { startDns } from '#test/dns.ts';
import { signature } from '#test/mail-files.ts';
import { dkimpyJudges, mailJudgesMissing } from '#test/peers/mail-judges.ts';
import { aliasDomain, letter, realAddress, sendMail, startTestRelay } from '#test/relay.ts';
import { makeMailKey, signMail } from '#test/signed-mail.ts';
import { headerValue, readMessage } from '#wire/smtp/message.ts';
import { replyKinds } from './reply-kinds.ts';

const judgesMissing = mailJudgesMissing();
const gmail = makeMailKey();
const crlf = (text: string) => Buffer.from(text.replace(/\r?\n/g, '\r\n'));
const value = (raw: Buffer, name: string) => headerValue(readMessage(raw), name);

async function stage(t: TestContext) {
  const dns = await startDns(t);
  dns.set('s._domainkey.gmail.test', { TXT: [gmail.record] });
  const relay = await startTestRelay(t, {
    realTime: true,
    env: { GATEHOUSE_DNS_SERVERS: dns.server },
    app: { mode: 'rewritten' },
  });
  const { database, secrets } = relay.platform;
  await database.transact(system(), async (tx) => {
    const key = await makeRelayKey(tx, secrets, { domain: aliasDomain, algorithm: 'rsa-sha256' });
    dns.set(key.name, { TXT: [key.record] });
    await activateRelayKey(tx, key.id);
  });
  await relay.mail({ raw: letter() });
  const [notification] = await relay.sink.waitFor(1);
  relay.sink.clear();
  const reverse = /<(reply\+[^<>]+)>/.exec(value(notification!.raw, 'reply-to')!)![1]!;
  /** An answer as Gmail sends it, signed unless said. */
  const answer = async (
    text: string,
    change: { from?: string; to?: string; sender?: string; isSigned?: boolean } = {},
  ) => {
    const { from = realAddress, to = reverse, sender = realAddress, isSigned = true } = change;
    const date = new Date().toUTCString();
    const raw = crlf(
      `From: Ada <${from}>\nTo: ${to}\nSubject: Re: HARB-1\nDate: ${date}\nMessage-ID: <CAF1@mail.gmail.test>\nIn-Reply-To: ${value(notification!.raw, 'message-id')}\n${text}`,
    );
    const signed = isSigned ? await signMail(raw, { domain: 'gmail.test', selector: 's', key: gmail }) : raw;
    return sendMail({ port: relay.port, from: sender, to, raw: signed, helo: 'mail.gmail.test' });
  };
  return { ...relay, dns, notification: notification!, reverse, answer };
}

const alone = (text: string) => text.replace(/^(?:DKIM-Signature|In-Reply-To|References).*\n/gm, '');

test('PR-08 SM-07 a notification is answered from Gmail, and the app gets the answer from the alias mailbox', async (t) => {
  const { sink, notification, answer, mailbox, log, port, dns } = await stage(t);
  assert.equal(notification.to[0], realAddress);
  assert.equal(value(notification.raw, 'from'), `"Jira via Harbour" <noreply+jira@${aliasDomain}>`);
  const said = await answer(alone(replyKinds['Gmail, as it signs']!.text(mailbox)));
  assert.equal(said.code, 250, said.text);
  const [got] = await sink.waitFor(1);
  assert.deepEqual(got!.to, ['notify@jira.test']);
  assert.match(got!.from, new RegExp(`^SRS0=.*@${aliasDomain}$`));
  assert.equal(value(got!.raw, 'from'), `"Ada Byron" <${mailbox}>`);
  assert.equal(value(got!.raw, 'in-reply-to'), value(notification.raw, 'message-id'));
  const head = got!.raw.toString('latin1', 0, readMessage(got!.raw).bodyStart);
  assert.doesNotMatch(head, /gmail|reply\+/i, 'nothing says where it came from');
  assert.doesNotMatch(got!.wire.toString('latin1'), /ada@gmail|reply\+/i);
  assert.doesNotMatch(said.transcript, /ada@gmail/i);
  if (!judgesMissing)
    for (const { raw } of [notification, got!]) {
      const { dkim } = await dkimpyJudges(raw, dns.port);
      assert.deepEqual(dkim, [{ domain: aliasDomain, good: true }]);
    }
  const [entry] = await log();
  assert.deepEqual([entry!.recipientClass, entry!.verdict, entry!.application], ['reply', 'relayed', 'jira']);
  assert.equal(entry!.recipient, 'notify@jira.test', 'the log says who got it');
  assert.equal(entry!.reason, 'answered', 'figures tell it from mail of the app, which a budget is for');
  // The app's server could not deliver it after all: the report ends here, and is counted.
  sink.clear();
  const status = 'Final-Recipient: rfc822; notify@jira.test\nAction: failed\nStatus: 5.1.1';
  const report = crlf(
    `From: MAILER-DAEMON@jira.test\nSubject: Failed\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: text/plain\n\nNo.\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.jira.test\n\n${status}\n--b--\n`,
  );
  const reported = await sendMail({ port, from: '', to: got!.from, raw: report });
  assert.equal(reported.code, 250, reported.text);
  assert.deepEqual(sink.messages, []);
  const [absorbed] = await log();
  assert.deepEqual([absorbed!.recipientClass, absorbed!.verdict], ['bounce', 'absorbed']);
});

test('an answer that comes back later is said to have come back, by the report to its own return address', async (t) => {
  const { sink, answer, mailbox, log, port, platform, person } = await stage(t);
  for (let time = 0; time < 2; time += 1) {
    const said = await answer(alone(replyKinds['Gmail, as it signs']!.text(mailbox)));
    assert.equal(said.code, 250, said.text);
  }
  const [first, second] = await sink.waitFor(2);
  assert.notEqual(first!.from, second!.from, 'each answer has a return address of its own');
  const id = value(first!.raw, 'message-id')!;
  const report = (to: string, about: string) =>
    sendMail({
      port,
      from: '',
      to,
      raw: crlf(
        `From: MAILER-DAEMON@jira.test\nSubject: Failed\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: text/plain\n\nNo.\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.jira.test\n\nFinal-Recipient: rfc822; notify@jira.test\nAction: failed\nStatus: 5.1.1\n\n--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: ${about}\n\n--b--\n`,
      ),
    });
  const answers = async () =>
    (await log())
      .filter(({ recipientClass }) => recipientClass === 'reply')
      .map((one) => [one.verdict, one.person, one.bounceStatus]);
  assert.equal((await report(second!.from, '<another@jira.test>')).code, 250);
  assert.deepEqual(await answers(), [
    ['relayed', person, undefined],
    ['relayed', person, undefined],
  ]);
  assert.equal((await report(first!.from, id)).code, 250);
  assert.deepEqual(await answers(), [
    ['relayed', person, undefined],
    ['relayed', person, '5.1.1'],
  ]);
  const { out } = await terminal(() => platform).good(['relay', 'log']);
  assert.match(out, /jira +ada +relayed +answered .*It came back later \(5\.1\.1\)/);
});

test('PR-08 SM-07 over SMTP an answer that shows the address is refused, unless the person allows it for the app', async (t) => {
  const { sink, answer, platform, person, log, mailbox } = await stage(t);
  const text = alone(replyKinds['Gmail, as it signs']!.text(realAddress));
  const refused = await answer(text);
  assert.equal(`${refused.code} ${refused.enhanced}`, '550 5.7.1', refused.text);
  assert.match(refused.text, /shows your own address/);
  assert.doesNotMatch(refused.transcript, /ada@gmail/i);
  const certificate = signature(`Ada Byron, ${realAddress}`).toString('base64');
  const signed = await answer(
    `MIME-Version: 1.0\nContent-Type: application/pkcs7-signature; name="smime.p7s"\nContent-Transfer-Encoding: base64\n\n${certificate}\n`,
  );
  assert.match(
    signed.text,
    /in an attached file \(smime\.p7s\)\. Send it without signing or encrypting it, or allow it/,
  );
  const away = await answer(`Auto-Submitted: auto-replied\n${replyKinds.plain!.text(mailbox)}`);
  assert.equal(away.code, 250, 'dropped without a word');
  assert.deepEqual(sink.messages, []);
  assert.deepEqual(
    (await log())
      .slice(0, 2)
      .map((one) => one.reason)
      .sort(),
    ['auto-reply', 'reply-reveals'],
  );
  await platform.database.transact(system(), (tx) =>
    saveChoice(tx, { person, application: 'jira', change: { reveal: true } }),
  );
  assert.equal((await answer(text)).code, 250);
  const [got] = await sink.waitFor(1);
  assert.equal(value(got!.raw, 'from'), `"Ada Byron" <${mailbox}>`);
});

test('SM-07 over SMTP nobody else can use a way of answering, and it ends with standing and with the switch of the app', async (t) => {
  const { sink, answer, reverse, platform, person, setApp } = await stage(t);
  const text = '\nHello.\n';
  const is = async (change: Parameters<typeof answer>[1]) => `${(await answer(text, change)).code}`;
  assert.equal(await is({ isSigned: false }), '550', 'not proved');
  assert.equal(
    await is({ from: 'eve@gmail.test', sender: 'eve@gmail.test' }),
    '550',
    'proved, and somebody else',
  );
  assert.equal(await is({ sender: 'eve@elsewhere.test' }), '550', 'sent on by somebody else');
  const [local = '', domain] = reverse.split('@');
  const forged = `${local.slice(0, -1)}${local.endsWith('a') ? 'b' : 'a'}@${domain}`;
  assert.equal(await is({ to: forged }), '550');
  assert.equal(await is({ to: reverse.toUpperCase() }), '250');
  await setApp({ mode: 'rewritten', off: true });
  assert.equal(await is({}), '550', 'the app is switched off');
  await setApp({ mode: 'rewritten' });
  assert.equal(await is({}), '250');
  await platform.database.transact(system(), (tx) => leave(tx, person, 'suspended', 'a test'));
  assert.equal(await is({}), '550', 'suspended');
  assert.equal(sink.messages.length, 2);
});
