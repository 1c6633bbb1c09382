import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDsn } from './dsn.ts';

const crlf = (text: string) => Buffer.from(text.replaceAll('\n', '\r\n'));

function report(status: string, original: string, more = ''): Buffer {
  return crlf(`Return-Path: <>
From: MAILER-DAEMON@mx.example.net (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: id@community.example
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

--b1
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

This is the mail system. Your mail could not be delivered.
${more}
--b1
Content-Type: message/delivery-status

${status}
--b1
${original}
--b1--
`);
}

const originalMessage = `Content-Type: message/rfc822

From: id@community.example
To: ada@example.org
Message-ID: <verification-1@community.example>
Subject: Confirm your address

Message-ID: <not-this-one@community.example>`;

test('a report by Postfix', async () => {
  const raw = report(
    `Reporting-MTA: dns; mx.example.net
X-Postfix-Queue-ID: 3F2A81C0
X-Postfix-Sender: rfc822; id@community.example
Original-Envelope-Id: verification-1
Arrival-Date: Sun, 22 Nov 2026 10:00:00 +0000 (UTC)

Final-Recipient: rfc822; ada@example.org
Original-Recipient: rfc822;ada@example.org
Action: failed
Status: 5.1.1
Remote-MTA: dns; mail.example.org
Diagnostic-Code: smtp; 550 5.1.1 <ada@example.org>: Recipient address
    rejected: User unknown
`,
    originalMessage,
  );
  assert.deepEqual(await readDsn(raw), {
    recipients: [
      {
        address: 'ada@example.org',
        action: 'failed',
        status: '5.1.1',
        diagnostic: '550 5.1.1 <ada@example.org>: Recipient address rejected: User unknown',
      },
    ],
    originalMessageId: '<verification-1@community.example>',
    envelopeId: 'verification-1',
  });
});

test('a delay, and several recipients with a fate each', async () => {
  const dsn = await readDsn(
    report(
      `Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; ada@example.org
Action: delayed
Status: 4.4.1
Diagnostic-Code: X-Postfix; connect to mail.example.org[192.0.2.1]:25: Connection timed out
Will-Retry-Until: Fri, 27 Nov 2026 10:00:00 +0000 (UTC)

Final-Recipient: rfc822; <bob@example.org>
Action: DELIVERED (to mailbox)
Status: 2.0.0
`,
      originalMessage,
    ),
  );
  assert.deepEqual(
    dsn?.recipients.map(({ address, action, status }) => [address, action, status]),
    [
      ['ada@example.org', 'delayed', '4.4.1'],
      ['bob@example.org', 'delivered', '2.0.0'],
    ],
  );
});

test('a report by Exchange: the recipient it was given counts, only the header is returned', async () => {
  const dsn = await readDsn(
    report(
      `Reporting-MTA: dns;AM0PR01MB1234.eurprd01.prod.exchangelabs.com
Received-From-MTA: dns;mail-1.community.example
Arrival-Date: Sun, 22 Nov 2026 10:00:00 +0000

Original-Recipient: rfc822;ada@example.org
Final-Recipient: rfc822;ada.lovelace@corp.example.org
Action: failed
Status: 5.7.606
Diagnostic-Code: smtp;550 5.7.606 Access denied, banned sending IP
X-Display-Name: Ada
`,
      `Content-Type: text/rfc822-headers

Received: from a by b
MESSAGE-ID:
 <reset-2@community.example>
Subject: x
`,
    ),
  );
  assert.deepEqual(dsn?.recipients[0]?.address, 'ada@example.org');
  assert.equal(dsn?.recipients[0]?.status, '5.7.606');
  assert.equal(dsn?.originalMessageId, '<reset-2@community.example>');
});

test('a report by Gmail: several lines of diagnostics with the same code', async () => {
  const dsn = await readDsn(
    report(
      `Reporting-MTA: dns; googlemail.com
Received-From-MTA: dns; id@community.example
Arrival-Date: Sun, 22 Nov 2026 02:00:00 -0800 (PST)
X-Original-Message-ID: <verification-1@community.example>

Final-Recipient: rfc822; ada@gmail.example
Action: failed
Status: 5.2.2
Remote-MTA: dns; gmail-smtp-in.l.google.com. (192.0.2.27, the server for the
 domain gmail.example.)
Diagnostic-Code: smtp; 552-5.2.2 The recipient's inbox is out of storage space.
 552-5.2.2 For more information, go to
 552 5.2.2  https://support.google.com/mail/?p=OverQuotaPerm a1-20020a0 - gsmtp
Last-Attempt-Date: Sun, 22 Nov 2026 02:00:01 -0800 (PST)
`,
      originalMessage,
    ),
  );
  assert.equal(dsn?.recipients[0]?.status, '5.2.2');
  assert.match(dsn!.recipients[0]!.diagnostic, /^552-5\.2\.2 The recipient's inbox .* gsmtp$/);
});

test('qmail writes a letter', async () => {
  const raw = crlf(`Return-Path: <>
From: MAILER-DAEMON@mx.example.net
To: id@community.example
Subject: failure notice

Hi. This is the qmail-send program at mx.example.net.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<ada@example.org>:
192.0.2.1 does not like recipient.
Remote host said: 550 5.1.1 no mailbox by that name
Giving up on 192.0.2.1.

<bob@example.org>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.

Return-Path: <id@community.example>
Received: (qmail 1 invoked by uid 0)
From: id@community.example
To: ada@example.org
Message-ID: <verification-1@community.example>

<eve@example.org>:
Not this one. (#5.1.1)
`);
  const dsn = await readDsn(raw);
  assert.deepEqual(
    dsn?.recipients.map(({ address, action, status }) => [address, action, status]),
    [
      ['ada@example.org', 'failed', '5.1.1'],
      ['bob@example.org', 'failed', '5.1.1'],
    ],
  );
  assert.match(
    dsn!.recipients[0]!.diagnostic,
    /^192\.0\.2\.1 does not like recipient\. Remote host said: 550 5\.1\.1/,
  );
  assert.equal(dsn?.originalMessageId, '<verification-1@community.example>');
});

test('Exim writes a letter, too', async () => {
  const dsn = await readDsn(
    crlf(`Return-path: <>
From: Mail Delivery System <Mailer-Daemon@mx.example.net>
To: id@community.example
Subject: Mail delivery failed: returning message to sender

This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  ada@example.org
    host mail.example.org [192.0.2.1]
    SMTP error from remote mail server after RCPT TO:<ada@example.org>:
    550 Unrouteable address

------ This is a copy of the message, including all the headers. ------

Message-ID: <verification-1@community.example>
Subject: x

text
`),
  );
  assert.deepEqual(
    dsn?.recipients.map(({ address, status }) => [address, status]),
    [['ada@example.org', '5.0.0']],
  );
  assert.equal(dsn?.originalMessageId, '<verification-1@community.example>');
});

test('what only looks like a report, or says nothing, is none', async () => {
  const letter = `From: ada@example.org
To: id@community.example
Subject: failure notice

Hi. This is the qmail-send program at mx.example.net.

<bob@example.org>:
Sorry, no mailbox here by that name. (#5.1.1)
`;
  for (const [what, raw] of [
    ['a letter by a person', crlf(letter)],
    ['plain mail', crlf('From: a@example.org\nSubject: x\n\nHello\n')],
    ['nothing', Buffer.alloc(0)],
    ['noise', Buffer.from([0, 255, 10, 13, 61, 63])],
    ['no recipient', report('Reporting-MTA: dns; x\n', originalMessage)],
    [
      'no action',
      report('Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; ada@example.org\n', originalMessage),
    ],
    [
      'an unknown action',
      report(
        'Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; ada@example.org\nAction: eaten\n',
        originalMessage,
      ),
    ],
    [
      'no address',
      report(
        'Reporting-MTA: dns; x\n\nFinal-Recipient: x400; /C=de/\nAction: failed\nStatus: 5.0.0\n',
        originalMessage,
      ),
    ],
  ] as const)
    assert.equal(await readDsn(raw), undefined, what);
});

test('a status is taken from the words where its field is missing, and hostile reports stay bounded', async () => {
  const bare = 'Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; ada@example.org\nAction: failed\n';
  const read = async (diagnostic: string) =>
    (await readDsn(report(`${bare}Diagnostic-Code: smtp; ${diagnostic}\n`, originalMessage)))?.recipients[0];
  assert.equal((await read('550 5.2.1 disabled'))?.status, '5.2.1');
  assert.equal((await read('451 try later'))?.status, '4.0.0');
  assert.equal((await read('no'))?.status, '');
  assert.equal((await read('550 '.repeat(900)))?.diagnostic.length, 500);
  const many = `Reporting-MTA: dns; x\n${'\nFinal-Recipient: rfc822; ada@example.org\nAction: failed\n'.repeat(5000)}`;
  assert.equal((await readDsn(report(many, originalMessage)))?.recipients.length, 100);
});
