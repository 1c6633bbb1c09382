/**
 * Postfix from Debian in our place, with the configuration that we print: it asks our lookups, our policy service and our
 * milter, and decides as our own relay does.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { leave } from '#core/lifecycle/leave.ts';
import { saveChoice } from '#fronts/relay/choices.ts';
import { activateRelayKey, makeRelayKey } from '#fronts/relay/keys.ts';
import { listMessages } from '#fronts/relay/messages.ts';
import { dayNumber } from '#fronts/relay/recipients.ts';
import { system } from '#kit/db/database.ts';
import { makeSrs } from '#wire/smtp/srs.ts';
import { startDns, type TestDns } from '../dns.ts';
import { eventually } from '../eventually.ts';
import { closeAfterEach, type Platform } from '../kit.ts';
import { dkimpyJudges, mailJudgesMissing } from '../peers/mail-judges.ts';
import { postfixMissing } from '../peers/postfix.ts';
import { type Sink, startSink } from '../peers/sink.ts';
import { swaksMissing } from '../peers/swaks.ts';
import {
  below,
  type Deputy,
  decisive,
  deputy,
  domain,
  mail,
  sender,
  text,
  verdict,
} from '../postfix-stage.ts';
import { sendMail } from '../relay.ts';
import { type MailKey, makeMail, makeMailKey, signMail } from '../signed-mail.ts';

const skip = postfixMissing() ?? swaksMissing();
closeAfterEach();

const idOf = async (platform: Platform, username: string): Promise<string> => {
  const [row] = await platform.database.query<{ id: string }>(
    'select id from people where username_key = $1',
    [username],
  );
  return row!.id;
};

/** What the log says of mail that came by Postfix, oldest first. */
async function noted({ platform, own }: Deputy) {
  await own.settle();
  const all = await platform.database.read(system(), (tx) => listMessages(tx, {}, { limit: 500 }));
  return all.filter(({ via }) => via === 'postfix').toReversed();
}

test('Postfix in our place decides like our own relay, message for message', { skip }, async (t) => {
  const stage = await deputy(t);
  const { platform, own, postfix, sink } = stage;
  const out = await postfix.command('postconf', ['-n']);
  assert.match(out, /virtual_alias_maps = socketmap:inet:/);
  assert.doesNotMatch(await postfix.command('postfix', ['check']), /warning|fatal|error/);
  const person = await idOf(platform, 'cy');
  await platform.database.transact(system('admin'), async (tx) => {
    await leave(tx, await idOf(platform, 'bo'), 'suspended');
    await saveChoice(tx, { person, change: { paused: true } });
    await saveChoice(tx, {
      person: await idOf(platform, 'ada'),
      application: 'jira',
      change: { digests: false },
    });
    await saveChoice(tx, {
      person: await idOf(platform, 'di'),
      application: 'jira',
      change: { paused: true },
    });
  });
  const day = dayNumber(platform.clock.now());
  const mac = (covered: string) => platform.secrets.mac('relay-srs', covered);
  const srs = makeSrs({ sender, domain, day, mac })!;
  const large = text('large', `${'x'.repeat(70)}\n`.repeat(900));
  const null_ = ['--from', '<>'];
  const foreign = text('hello').replaceAll('app.example', 'bank.example');
  const twoAuthors = text('hello').replace(/^From: .*$/m, 'From: jira@app.example, x@evil.example');
  const seen = `Delivered-To: ada@${domain}\n${text('hello')}`;
  const wiki = text('hello').replaceAll('app.example', 'wiki.example');
  const table: [what: string, wanted: string, to: string, more?: string[], data?: string][] = [
    ['an alias mailbox', '2', `ada@${domain}`],
    ['in other letters', '2', `ADA@${domain.toUpperCase()}`],
    ['nobody', '5', `nobody@${domain}`],
    ['somebody suspended', '5', `bo@${domain}`],
    ['somebody who paused all', '5', `cy@${domain}`],
    ['somebody who paused this app', '5', `di@${domain}`],
    ['elsewhere', '5', 'ada@read.example'],
    ['a %-hack', '5', `ada%read.example@${domain}`],
    ['a bang path', '5', `read.example!ada@${domain}`],
    ['two @', '5', `ada@read.example@${domain}`],
    ['quoted', '5', `"ada@read.example"@${domain}`],
    ['a source route', '5', `@${domain}:ada@read.example`],
    ['a literal', '5', 'ada@[127.0.0.1]'],
    ['an envelope sender that is nobody’s', '5', `ada@${domain}`, ['--from', 'x@evil.example']],
    ['From of a domain that is not the app’s', '5', `ada@${domain}`, [], foreign],
    ['From of two people', '5', `ada@${domain}`, [], twoAuthors],
    ['what has been here before', '5', `ada@${domain}`, [], seen],
    ['an app that proves nothing and has to', '5', `ada@${domain}`, ['--from', 'x@wiki.example'], wiki],
    ['a digest to somebody who wants none', '5', `ada@${domain}`, [], text('Weekly Digest')],
    ['a report to a person', '5', `ada@${domain}`, null_],
    ['a report to a return address', '2', srs, null_],
    ['a message to a return address', '5', srs],
    ['a forged return address', '5', srs.replace(/=[A-Z2-7]{8}=/, '=AAAAAAAA='), null_],
    ['operators', '2', `postmaster@${domain}`, ['--from', 'x@evil.example']],
    ['operators by the one name that needs no domain', '2', 'Postmaster'],
    ['operators where our own mail comes from', '2', 'postmaster@harbour.test'],
    ['operators about abuse there', '2', 'abuse@Harbour.test'],
    ['a report to operators', '2', `abuse@${domain}`, null_],
    ['nobody where our own mail comes from', '5', 'nobody@harbour.test'],
    ['a sender without a domain', '5', `postmaster@${domain}`, ['--from', 'jira']],
    ['an answer that was not made here', '5', `reply+x@${domain}`],
    ['more than the app may send', '5', `ada@${domain}`, [], large],
  ];
  const judgedThere = /From|before|proves|digest|nobody$|suspended|paused|envelope sender/;
  const differing: string[] = [];
  for (const [what, wanted, to, more = [], data] of table) {
    const ours = await mail(own.port!, to, more, data);
    const theirs = await mail(postfix.port, to, more, data);
    if (verdict(theirs) !== wanted) differing.push(`${what}: Postfix ${theirs.answers.join(' | ')}`);
    // In the same words, too, where it is not Postfix that refuses what is no address.
    const theirWords = decisive(theirs).replace(/<[^>]*>: Recipient address rejected: /, '');
    if (judgedThere.test(what) && decisive(ours) !== theirWords)
      differing.push(`${what}: ${decisive(ours)} | ${decisive(theirs)}`);
    if (verdict(ours) !== wanted) differing.push(`${what}: we ${ours.answers.join(' | ')}`);
    if (!to.includes('read.example')) assert.ok(!theirs.answers.join().includes('read.example'), what);
  }
  assert.deepEqual(differing, []);

  const arrived = await sink.waitFor(14);
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal(sink.messages.length, 14, 'reports went nowhere');
  const byPostfix = arrived.filter(({ raw }) => raw.includes('(Postfix)'));
  assert.deepEqual(byPostfix.map(({ to }) => to[0]).sort(), [
    'ada@read.example',
    'ada@read.example',
    ...Array.from({ length: 5 }, () => 'operators@elsewhere.example'),
  ]);
  for (const message of byPostfix) {
    // A report gets no return address of its own, by us or by Postfix.
    if (message.from !== '') assert.match(message.from, new RegExp(`^SRS0=.+@${domain}$`));
    assert.ok(!message.raw.includes('read.example'), 'no header names where it leads');
    assert.ok(below(message.raw).startsWith(text('hello').replaceAll('\n', '\r\n').trimEnd()));
  }
  assert.equal(byPostfix.filter(({ from }) => from === '').length, 1);
  // The same mailbox (RFC 5321 section 4.1.2), which no app writes like this: what the policy service lets in, the milter
  // refuses as our own relay does.
  for (const port of [own.port!, postfix.port])
    assert.match(decisive(await mail(port, `"ada"@${domain}`)), /^550 5\.1\.1/);
  const reasons = (await noted(stage)).map((one) => `${one.verdict} ${one.reason}`);
  for (const expected of [
    'relayed queued',
    'refused from',
    'refused message-form',
    'refused loop',
    'refused unwanted',
    'refused unknown',
    'refused standing',
    'refused paused',
    'refused app-paused',
    'refused foreign',
    'refused no-sender',
    'refused unproved',
    'absorbed report',
    'refused not-ours',
  ])
    assert.ok(reasons.includes(expected), `${expected}: ${reasons.join(', ')}`);
  assert.doesNotMatch(await postfix.log(), /warning:.*(?:lifetime|deprecated|unused|NIS)/);
});

test('one recipient at a time, and no more a day than the app may', { skip }, async (t) => {
  const { platform, own, postfix, sink } = await deputy(t);
  const two = await mail(postfix.port, `ada@${domain},di@${domain}`);
  assert.ok(
    two.answers.some((line) => /^452 4\.5\.3/.test(line)),
    two.transcript,
  );
  await platform.apply('relay:\n  budgets: { perPerson: 2 }\n');
  for (const [port, wanted] of [
    [postfix.port, '2'],
    [own.port!, '4'],
    [postfix.port, '4'],
  ] as const) {
    const run = await mail(port, `ada@${domain}`);
    assert.equal(verdict(run), wanted, run.transcript);
    if (wanted === '4')
      assert.ok(
        run.answers.some((line) => /^452 4\.2\.2/.test(line)),
        run.transcript,
      );
  }
  await sink.waitFor(2);
});

test('with what we need away, senders are told to try again, never that nobody is here', {
  skip,
}, async (t) => {
  const { platform, own, postfix } = await deputy(t);
  assert.equal(verdict(await mail(postfix.port, `ada@${domain}`)), '2');
  await platform.apply('relay: { off: true }');
  const off = await mail(postfix.port, `ada@${domain}`);
  assert.match(off.answers.find((line) => /^[45]/.test(line)) ?? '', /^451 4\.3\.2/, off.transcript);
  await platform.apply('relay: { off: false }');
  await platform.database.query('alter table alias_mailboxes rename to alias_mailboxes_away');
  const broken = await mail(postfix.port, `ada@${domain}`);
  assert.match(broken.answers.find((line) => /^[45]/.test(line)) ?? '', /^451 4\.3\./, broken.transcript);
  await platform.database.query('alter table alias_mailboxes_away rename to alias_mailboxes');
  assert.equal(verdict(await mail(postfix.port, `ada@${domain}`)), '2');
  await own.drain(1);
  const gone = await mail(postfix.port, `ada@${domain}`);
  // The milter is asked first, and Postfix has a word of its own for that.
  assert.match(decisive(gone), /^451 4\.7\.1/, gone.transcript);
});

/** The zone of an app that proves what it sends, and our own key: what leaves is sealed. */
async function proving(
  t: TestContext,
  sink?: Sink,
): Promise<Deputy & { dns: TestDns; signed: Buffer; raw: Buffer; key: MailKey }> {
  const key = makeMailKey();
  const dns = await startDns(t, {
    's1._domainkey.wiki.example': { TXT: [key.record] },
    '_dmarc.wiki.example': { TXT: ['v=DMARC1; p=reject'] },
  });
  const stage = await deputy(t, { dnsServers: [dns.server], sink });
  const { database, secrets } = stage.platform;
  const made = await database.transact(system(), async (tx) => {
    const { id } = await makeRelayKey(tx, secrets, { domain, algorithm: 'rsa-sha256' });
    return activateRelayKey(tx, id);
  });
  dns.set(made!.name, { TXT: [made!.record] });
  const raw = makeMail({
    From: 'Wiki <wiki@wiki.example>',
    To: 'someone',
    Subject: 'Page changed',
    'Message-ID': '<p1@wiki.example>',
    Date: 'Sun, 22 Nov 2026 10:00:00 +0000',
  });
  return {
    ...stage,
    dns,
    raw,
    key,
    signed: await signMail(raw, { domain: 'wiki.example', selector: 's1', key }),
  };
}

test('what an app has to prove is proved to Postfix as to us, and what leaves is sealed with no byte changed', {
  skip: skip ?? mailJudgesMissing(),
}, async (t) => {
  const stage = await proving(t);
  const { own, postfix, sink, signed, raw, dns } = stage;
  const send = (bytes: Buffer, port = postfix.port) =>
    sendMail({ port, from: 'p@wiki.example', to: `ada@${domain}`, raw: bytes });
  // What others say in our name is taken away, wherever it stands among what others say in theirs.
  const claims = ['mx.other.example; dmarc=pass', 'mx.harbour.test; dmarc=pass', 'MX.Harbour.test; spf=pass']
    .map((value) => `Authentication-Results: ${value}\r\n`)
    .join('');
  const taken = await send(Buffer.concat([Buffer.from(claims), signed]));
  assert.equal(taken.code, 250, taken.transcript);
  const [message] = await sink.waitFor(1);
  const left = message!.raw.toString('latin1');
  assert.ok(message!.raw.includes(signed), 'every byte that was signed is there, and no other in between');
  assert.deepEqual(
    [...left.matchAll(/^Authentication-Results: ([^;]+);/gm)].map(([, name]) => name),
    ['mx.harbour.test', 'mx.other.example'],
  );
  assert.deepEqual(
    left
      .split(/\r\n(?![ \t])/)
      .slice(0, 7)
      .map((line) => line.split(':')[0]),
    [
      'ARC-Seal',
      'ARC-Message-Signature',
      'ARC-Authentication-Results',
      'Delivered-To',
      'X-Gatehouse-Loop',
      'Authentication-Results',
      'Received',
    ],
  );
  const judged = await dkimpyJudges(message!.raw, dns.port);
  assert.deepEqual(judged.arc, { status: 'pass', sets: 1, reason: judged.arc.reason }, judged.text);
  assert.deepEqual(judged.dkim, [{ domain: 'wiki.example', good: true }]);
  assert.ok(!left.includes('read.example'), 'no header names where it leads');
  assert.equal((await noted(stage)).at(-1)!.headerFrom, 'wiki@wiki.example');

  const changed = Buffer.from(signed.toString('latin1').replace('Hello', 'Hallo'), 'latin1');
  for (const bytes of [raw, changed]) {
    const [ours, theirs] = [await send(bytes, own.port), await send(bytes)];
    assert.deepEqual([theirs.code, theirs.text], [ours.code, ours.text]);
    assert.equal(theirs.code, 550, theirs.transcript);
  }
  for (const name of ['later.example', '_dmarc.later.example']) dns.fail(name, 'servfail');
  const later = Buffer.from(
    raw.toString('latin1').replaceAll('wiki@wiki.example', 'wiki@later.example'),
    'latin1',
  );
  const unsure = await send(later);
  assert.deepEqual([unsure.code, unsure.enhanced], [451, '4.4.3'], unsure.transcript);
  assert.equal(sink.messages.length, 1);
});

/** Messages in forms that mail servers are known to mend, which breaks what was signed. */
const delicate: Record<string, (wiki: string) => string> = {
  'an 8-bit body': (wiki) => `${wiki}\r\nGr\xfc\xdfe\r\n`,
  'an 8-bit subject': (wiki) => `${wiki.replace('changed', 'ge\xe4ndert')}\r\nHello.\r\n`,
  'a line of 2,000 characters': (wiki) => `${wiki}\r\n${'x'.repeat(2000)}\r\n`,
  'fields folded and spaced in odd ways': (wiki) =>
    `X-One:no blank\r\nX-Two:   \r\n\t two  \r\n  lines\t\r\nx-three: here\r\n${wiki}\r\nHello.\r\n`,
  'a header of 20 KB': (wiki) => `X-Long: ${'a word or two\r\n\t'.repeat(1300)}end\r\n${wiki}\r\nHello.\r\n`,
  'Bcc, Return-Path and Content-Length': (wiki) =>
    `Bcc: x@wiki.example\r\nReturn-Path: <p@wiki.example>\r\nContent-Length: 8\r\n${wiki}\r\nHello.\r\n`,
  'dots, From_ and blank lines at the end': (wiki) => `${wiki}\r\n.\r\n..two\r\nFrom ada to bo\r\n\r\n\r\n`,
  'no text at all': (wiki) => `${wiki}\r\n`,
  'no To, Date or Message-ID': (wiki) =>
    `${wiki.replace(/^(?:To|Date|Message-ID): .*\r\n/gm, '')}\r\nHello.\r\n`,
  'a nested message in 8 bits': (wiki) =>
    `MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n${wiki}\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\xfcner\r\n\r\n\xdf\r\n--b--\r\n`,
};

test('what mail servers like to mend leaves Postfix as it came: each signature holds, and so does the seal', {
  skip: skip ?? mailJudgesMissing(),
}, async (t) => {
  // A smart host that has not learned 8 bits (RFC 6152): a mail server would write them anew for it.
  const sink = await startSink({ extensions: ['SIZE 50000000'] });
  t.after(() => sink.close());
  const { postfix, dns, raw, key } = await proving(t, sink);
  const header = raw.toString('latin1').split('\r\n\r\n')[0]!;
  for (const [what, make] of Object.entries(delicate)) {
    const bytes = Buffer.from(make(`${header}\r\n`), 'latin1');
    const signed = await signMail(bytes, {
      domain: 'wiki.example',
      selector: 's1',
      key,
      canonicalization: 'simple/simple',
    });
    const done = await sendMail({
      port: postfix.port,
      from: 'p@wiki.example',
      to: `ada@${domain}`,
      raw: signed,
    });
    assert.equal(done.code, 250, `${what}: ${done.transcript}`);
    const [message] = await sink.waitFor(1);
    assert.ok(message!.raw.includes(signed), `${what}: ${message!.raw.toString('latin1').slice(-600)}`);
    const judged = await dkimpyJudges(message!.raw, dns.port);
    assert.deepEqual([judged.arc.status, judged.dkim[0]?.good], ['pass', true], `${what}: ${judged.text}`);
    sink.clear();
  }
});

test('an app whose mail is rewritten is refused as soon as its recipient is named', { skip }, async (t) => {
  const stage = await deputy(t);
  const { postfix } = stage;
  const run = await mail(postfix.port, `ada@${domain}`, ['--from', 'x@forum.example']);
  assert.match(decisive(run), /^550 5\.1\.1/, run.transcript);
  assert.ok(!run.transcript.includes('DATA'), run.transcript);
  const [refused] = await noted(stage);
  assert.deepEqual([refused!.reason, refused!.application], ['needs-relay', 'forum']);
});

test('what the smart host refuses of what Postfix took is told to the person and the app, and goes nowhere', {
  skip,
}, async (t) => {
  const stage = await deputy(t);
  const { postfix, sink } = stage;
  sink.on('rcpt', '550 5.1.1 ada@read.example is gone');
  const run = await mail(postfix.port, `ada@${domain}`);
  assert.equal(verdict(run), '2', run.transcript);
  await postfix.logged(/status=bounced/);
  const [row] = await eventually(async () => {
    const rows = await noted(stage);
    return rows.length === 2 ? rows : undefined;
  });
  assert.deepEqual([row!.verdict, row!.reason, row!.bounceStatus], ['relayed', 'queued', '5.1.1']);
  assert.equal(sink.messages.length, 0, 'the report goes nowhere');
  await postfix.logged(/relay=none.*status=sent|discard/);
  assert.deepEqual(await postfix.queue(), []);
});

test('mail of the machine itself is not ours to judge', { skip }, async (t) => {
  const stage = await deputy(t);
  const { postfix, sink } = stage;
  const sendmail = promisify(execFile)('/usr/sbin/sendmail', [
    '-C',
    path.join(postfix.directory, 'etc'),
    '-f',
    'root@harbour.test',
    'operators@elsewhere.example',
    'bo@elsewhere.example',
  ]);
  sendmail.child.stdin!.end('Subject: cron\n\nIt ran.\n');
  await sendmail;
  const arrived = await sink.waitFor(1);
  assert.match(arrived[0]!.raw.toString(), /Subject: cron/);
  assert.deepEqual(await noted(stage), []);
});
