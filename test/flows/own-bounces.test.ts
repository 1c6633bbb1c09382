/** Refusals of our own mail come back to the relay: read, kept with the letter they are about, passed on to nobody. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { system } from '#kit/db/database.ts';
import { noticesFor } from '#notices/notices.ts';
import { aliasDomain, realAddress, sendMail, startTestRelay } from '#test/relay.ts';

const report = (action: string, diagnostic: string) =>
  [
    'From: Mail Delivery System <mailer-daemon@gmail.test>',
    'Subject: Delivery Status Notification',
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
    '',
    '--b',
    'Content-Type: text/plain',
    '',
    'Your message could not be delivered.',
    '--b',
    'Content-Type: message/delivery-status',
    '',
    'Reporting-MTA: dns; mx.gmail.test',
    '',
    `Final-Recipient: rfc822; ${realAddress}`,
    `Action: ${action}`,
    `Status: ${/\d\.\d\.\d+/.exec(diagnostic)?.[0]}`,
    `Diagnostic-Code: smtp; ${diagnostic}`,
    '',
    '--b--',
    '',
  ].join('\r\n');

test('a report about our own mail, sent to its own return address, is absorbed and known; no other sender or address is taken', async (t) => {
  const relay = await startTestRelay(t, { env: { GATEHOUSE_MAIL_BOUNCES: 'relay' } });
  const { platform, port, person } = relay;
  const visitor = platform.visitor();
  await visitor.open('/recover');
  await visitor.submit({ username: 'ada' }, '/recover');
  const [mail] = await platform.mailTo(realAddress);
  const to = mail?.envelopeFrom ?? '';
  assert.match(to, new RegExp(`^bounces\\+[0-9a-f]{32}\\.[0-9a-f]{16}@${aliasDomain}$`));
  assert.match(mail?.from ?? '', /@harbour\.test/, 'the sender people see stays');
  const notice = async () => {
    const [one] = await platform.database.read(system(), (tx) => noticesFor(tx, person));
    return one;
  };
  const send = (from: string, change: { to?: string; raw?: string } = {}) =>
    sendMail({ port, from, to, raw: report('failed', '550 5.1.1 no such user'), ...change });

  const last = to.at(to.indexOf('@') - 1) === '0' ? '1' : '0';
  const forged = to.replace(/.@/, `${last}@`);
  for (const [from, address] of [
    ['', forged],
    ['stranger@elsewhere.test', to],
    ['mailer-daemon@elsewhere.test', forged],
    ['', `bounces@${aliasDomain}`],
  ] as const) {
    const refused = await send(from, { to: address });
    assert.deepEqual([refused.code, refused.enhanced], [550, '5.1.1'], `${from} to ${address}`);
  }
  assert.equal((await notice())?.state, 'accepted');

  const away = 'From: ada@gmail.test\r\nSubject: Out of office\r\n\r\nBack on Monday.\r\n';
  assert.equal((await send('', { raw: away })).code, 250);
  assert.equal((await notice())?.state, 'accepted', 'an answer of somebody absent says nothing');
  assert.equal((await send('', { raw: report('delayed', '452 4.2.2 mailbox full') })).code, 250);
  assert.equal((await notice())?.state, 'deferred');
  assert.equal((await send('MAILER-DAEMON@gmail.test', { to: to.toUpperCase() })).code, 250);
  const refused = await notice();
  assert.deepEqual(
    [refused?.state, refused?.status, refused?.report],
    ['bounced', '5.1.1', '550 5.1.1 no such user'],
  );
  assert.equal((await send('')).code, 250, 'told again it is taken, and says nothing new');
  assert.equal(relay.sink.messages.length, 0, 'F-29 no mail goes to anybody for it');
  const entry = (await relay.log()).filter((one) => one.recipientClass === 'bounce');
  assert.ok(entry.length >= 4 && entry.every((one) => one.verdict === 'absorbed'));
});
