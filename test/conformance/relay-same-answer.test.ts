/**
 * Nobody learns by asking who has a mailbox: every refusal of a recipient is the same bytes. And the ways back that were
 * really made here, taken by others, at other times, and bent.
 */
import assert from 'node:assert/strict';
import { before, beforeEach, test } from 'node:test';
import { swaks, swaksMissing } from '#test/peers/swaks.ts';
import { hostileStage, messageOf, type Stage } from './relay-stage.ts';
import { transaction, Wire } from './relay-wire.ts';

let stage: Stage;
before(async () => {
  stage = await hostileStage();
});
beforeEach(() => stage.forget());

async function refusedWith(rcpt: string, { mail = stage.sender, from = '127.0.0.1' } = {}): Promise<string> {
  const wire = await Wire.greeted({ port: stage.port, from });
  await wire.say(`MAIL FROM:<${mail}>`);
  const start = wire.transcript.length;
  await wire.say(`RCPT TO:<${rcpt}>`);
  wire.close();
  return wire.transcript.slice(start);
}

test('SM-03 unknown, suspended, left, locked, erased, paused, foreign, the wrong network, the wrong sender: one answer, byte for byte', async () => {
  const answers = new Map<string, string>();
  for (const [why, mailbox] of Object.entries(stage.others)) answers.set(why, await refusedWith(mailbox));
  answers.set('unknown', await refusedWith(`nobody.here@${stage.domain}`));
  answers.set('foreign', await refusedWith('victim@elsewhere.example'));
  answers.set('wrong network', await refusedWith(stage.alias, { from: '127.0.0.2' }));
  answers.set('wrong sender', await refusedWith(stage.alias, { mail: 'spammer@elsewhere.example' }));
  answers.set('null sender', await refusedWith(stage.alias, { mail: '' }));
  answers.set(
    'forged way back',
    await refusedWith(`SRS0=AAAAAAAA=AA=elsewhere.example=x@${stage.domain}`, { mail: '' }),
  );
  for (const [why, change] of Object.entries({
    'the app is off': { off: true },
    'the app has to use TLS': { tls: true },
    'the app may not write at all': { networks: [], envelope: [], domains: [], require: [] },
  })) {
    await stage.setApp(change);
    answers.set(why, await refusedWith(stage.alias));
  }
  await stage.setApp({});
  assert.deepEqual(
    [...new Set(answers.values())],
    ['550 5.1.1 No mailbox here takes this mail.\r\n'],
    JSON.stringify([...answers]),
  );
  assert.ok(answers.size >= 15, `${answers.size}`);
  assert.deepEqual(stage.list(), []);
});

/** The envelope sender of something really passed on: a way back. */
async function wayBack(): Promise<string> {
  const wire = await Wire.greeted({ port: stage.port });
  const { reply } = await transaction(wire, {
    mail: `<${stage.sender}>`,
    rcpt: `<${stage.alias}>`,
    message: messageOf(stage, { subject: 'There and back' }),
  });
  wire.close();
  assert.equal(reply?.code, 250, reply?.text);
  const { from } = stage.taken()[0] ?? assert.fail('nothing was passed on');
  stage.forget();
  return from;
}

test('SM-01 SM-04 a way back takes the null sender alone, is absorbed, and bent in any way leads nowhere', async () => {
  const back = await wayBack();
  assert.match(back, new RegExp(`^[^@]+@${stage.domain.replaceAll('.', '\\.')}$`), 'it is ours');
  assert.ok(!back.includes(stage.real.split('@')[1] ?? '-'));
  const report = messageOf(stage, {
    from: 'From: Mail Delivery <mailer-daemon@elsewhere.example>',
    subject: 'Undelivered',
  });
  const bounce = async (rcpt: string, mail = '<>') => {
    const wire = await Wire.greeted({ port: stage.port, from: '127.0.0.2' });
    const done = await transaction(wire, { mail, rcpt: `<${rcpt}>`, message: report });
    wire.close();
    return done;
  };
  for (const good of [back, back.toLowerCase(), back.toUpperCase()]) {
    const { at, reply } = await bounce(good);
    assert.deepEqual([at, reply?.code], ['end', 250], `${good}: ${reply?.text}`);
  }
  assert.deepEqual(stage.list(), [], 'absorbed, never passed on');
  const [local = '', domain = ''] = back.split('@');
  const turned = (at: number) =>
    `${local.slice(0, at)}${local[at] === 'A' ? 'B' : 'A'}${local.slice(at + 1)}@${domain}`;
  const bent = [
    `${local}@elsewhere.example`,
    `${local}@sub.${domain}`,
    `${local}x@${domain}`,
    `${local.slice(0, -1)}@${domain}`,
    local.includes('=') ? `${local.replace(/=[^=]*$/, '=victim')}@${domain}` : turned(local.length - 2),
    turned(5),
    turned(8),
  ];
  for (const rcpt of bent.filter((one) => one.toLowerCase() !== back.toLowerCase())) {
    const { reply } = await bounce(rcpt);
    assert.equal(reply?.code, 550, `${rcpt}: ${reply?.text}`);
  }
  for (const mail of [`<${stage.sender}>`, '<spammer@elsewhere.example>', `<${back}>`]) {
    const { reply } = await bounce(back, mail);
    assert.equal(reply?.code, 550, `${mail}: ${reply?.text}`);
  }
  assert.deepEqual(stage.list(), []);
  assert.deepEqual(await stage.ownMail(), [], 'SM-04 nobody is written to');
});

test('SM-06 a report that says more than reports do is read for what it says, and nothing of it goes anywhere', async () => {
  const back = await wayBack();
  const report = (fields: string) =>
    [
      'From: <>',
      'Subject: Undelivered',
      'MIME-Version: 1.0',
      'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
      '',
      '--b',
      'Content-Type: text/plain',
      '',
      'It came back.',
      '--b',
      'Content-Type: message/delivery-status',
      '',
      'Reporting-MTA: dns; elsewhere.example',
      '',
      fields,
      '',
      '--b',
      'Content-Type: message/rfc822',
      '',
      'Message-ID: <no-such@app.example>',
      'Bcc: victim@elsewhere.example',
      'X-Injected: yes',
      '',
      '--b--',
    ].join('\r\n');
  for (const fields of [
    'Final-Recipient: rfc822; victim@elsewhere.example\r\nAction: failed\r\nStatus: 5.1.1 =0D=0AX: y',
    'Final-Recipient: rfc822; a@b\r\n c: d\r\nAction: relayed\r\nStatus: 9.9.9',
    `Final-Recipient: ${'x'.repeat(20_000)}\r\nAction: failed\r\nStatus: ${'5'.repeat(5000)}`,
    'Action: failed',
    '',
  ]) {
    const wire = await Wire.greeted({ port: stage.port, from: '127.0.0.2' });
    const { reply } = await transaction(wire, { mail: '<>', rcpt: `<${back}>`, message: report(fields) });
    wire.close();
    assert.ok(reply && (reply.code === 250 || reply.code >= 500), `${fields.slice(0, 80)}: ${reply?.text}`);
  }
  assert.deepEqual(stage.list(), []);
  assert.deepEqual(await stage.ownMail(), [], 'SM-04');
});

test('SM-01 postmaster is reached without a domain too, and is nobody else', async () => {
  for (const rcpt of ['<postmaster>', '<Postmaster>', `<abuse@${stage.domain}>`]) {
    const wire = await Wire.greeted({ port: stage.port, from: '127.0.0.2' });
    const { at, reply } = await transaction(wire, {
      mail: '<someone@elsewhere.example>',
      rcpt,
      message: messageOf(stage, { from: 'From: <someone@elsewhere.example>', subject: 'To the operators' }),
    });
    wire.close();
    assert.deepEqual([at, reply?.code], ['end', 250], `${rcpt}: ${reply?.text}`);
    assert.deepEqual(
      stage.taken().map((one) => one.to),
      ['office@northlight-office.example'],
    );
    stage.forget();
  }
});

test('SM-01 a reverse alias is the way of one person: others, and the app itself, hear the one answer', async () => {
  const reverse = await stage.reverseAlias();
  for (const mail of ['spammer@elsewhere.example', stage.sender, stage.alias, ''])
    for (const from of ['127.0.0.1', '127.0.0.2']) {
      const wire = await Wire.greeted({ port: stage.port, from });
      const { reply } = await transaction(wire, {
        mail: `<${mail}>`,
        rcpt: `<${reverse}>`,
        message: messageOf(stage, { from: `From: <${stage.real}>`, subject: 'Re: There and back' }),
      });
      wire.close();
      // What answers by itself comes from nobody: it is taken, and dropped.
      const isOver = reply && (reply.code >= 500 || (mail === '' && reply.code === 250));
      assert.ok(isOver, `${mail} from ${from}: ${reply?.text}`);
    }
  assert.deepEqual(stage.list(), []);
  const wire = await Wire.greeted({ port: stage.port, from: '127.0.0.2' });
  const forged = await transaction(wire, {
    mail: `<${stage.real}>`,
    rcpt: `<${reverse}>`,
    message: messageOf(stage, { from: `From: <${stage.real}>`, subject: 'Re: There and back' }),
  });
  wire.close();
  assert.ok(
    forged.reply && forged.reply.code >= 500,
    `the person's address, not proved: ${forged.reply?.text}`,
  );
  assert.deepEqual(stage.list(), []);
  assert.deepEqual(await stage.ownMail(), []);
});

const skip = swaksMissing() ?? false;

test('SM-01 swaks, which is none of our code, finds no open way in ten attempts, and the right one open', {
  skip,
}, async () => {
  const { port, alias, domain, sender } = stage;
  const attempts: string[][] = [
    ['--from', sender, '--to', 'victim@elsewhere.example'],
    ['--from', sender, '--to', `victim%elsewhere.example@${domain}`],
    ['--from', sender, '--to', `elsewhere.example!victim@${domain}`],
    ['--from', sender, '--to', `@${domain}:victim@elsewhere.example`],
    ['--from', sender, '--to', 'victim@[127.0.0.1]'],
    ['--from', sender, '--to', `"victim@elsewhere.example"@${domain}`],
    ['--from', sender, '--to', `victim@elsewhere.example@${domain}`],
    ['--from', '<>', '--to', alias],
    ['--from', 'spammer@elsewhere.example', '--to', alias],
    ['--from', sender, '--to', alias, '--local-interface', '127.0.0.2'],
    ['--from', sender, '--to', alias, '--auth', 'PLAIN', '--auth-user', 'ada', '--auth-password', 'x'],
    ['--from', sender, '--to', alias, '--pipeline', '--header', 'From: ceo@elsewhere.example'],
  ];
  for (const args of attempts) {
    const run = await swaks(port, args);
    assert.notEqual(run.status, 0, `${args.join(' ')}\n${run.transcript}`);
    assert.doesNotMatch(run.transcript, new RegExp(stage.real, 'i'), 'SM-07');
  }
  assert.deepEqual(stage.list(), []);
  const fine = await swaks(port, ['--from', sender, '--to', alias, '--header', `From: ${sender}`]);
  assert.equal(fine.status, 0, fine.transcript);
  assert.doesNotMatch(fine.transcript, new RegExp(stage.real, 'i'), 'SM-07');
  assert.equal(stage.taken().length, 1);
  stage.forget();
});
