/**
 * Postfix from Debian on either side of us: as the smart host that takes what leaves, and in our place, with our lookups,
 * our policy service and the configuration that we print.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { leave } from '#core/lifecycle/leave.ts';
import { saveChoice } from '#fronts/relay/choices.ts';
import { postfixConfig } from '#fronts/relay/postfix-config.ts';
import { dayNumber } from '#fronts/relay/recipients.ts';
import { type RunningRelay, startRelay } from '#fronts/relay/relay.ts';
import { relayApps } from '#fronts/relay/settings-kept.ts';
import { system } from '#kit/db/database.ts';
import { createSmartHosts } from '#kit/smtp/smart-hosts.ts';
import { MailFailed } from '#kit/smtp/smtp.ts';
import { makeSrs } from '#wire/smtp/srs.ts';
import { eventually } from '../eventually.ts';
import { closeAfterEach, freePort, type Platform, startPlatform } from '../kit.ts';
import { makeCertificates, opensslMissing, trustAuthority } from '../peers/certificates.ts';
import { opendkimMissing, startOpendkim } from '../peers/opendkim.ts';
import { type Postfix, postfixMissing, startPostfix } from '../peers/postfix.ts';
import { type Sink, startSink } from '../peers/sink.ts';
import { swaks, swaksMissing } from '../peers/swaks.ts';
import { makeMail, makeMailKey, signMail } from '../signed-mail.ts';
import { addPeople } from './stage.ts';

const skip = postfixMissing() ?? swaksMissing();
const domain = 'members.harbour.test';
const password = 'plum violin tractor';
const sender = 'jira@bounces.app.example';

const relayFile = `
applications:
  - { id: jira, title: Jira }
  - { id: wiki, title: Wiki }
community: { contact: operators@elsewhere.example }
relay:
  senders:
    jira:
      networks: [127.0.0.1]
      envelope: ["*@bounces.app.example"]
      require: []
      maxBytes: 50000
    wiki:
      networks: [127.0.0.1]
      envelope: ["*@wiki.example"]
      require: [dmarc]
`;

closeAfterEach();

async function house(): Promise<Platform> {
  const platform = await startPlatform({ env: { GATEHOUSE_ALIAS_DOMAIN: domain } });
  await addPeople(platform, [
    { username: 'ada', password, address: 'ada@read.example' },
    { username: 'bo', password, address: 'bo@read.example' },
    { username: 'cy', password, address: 'cy@read.example' },
    { username: 'di', password, address: 'di@read.example' },
  ]);
  await platform.apply(relayFile);
  await platform.settle();
  return platform;
}

const idOf = async (platform: Platform, username: string): Promise<string> => {
  const [row] = await platform.database.query<{ id: string }>(
    'select id from people where username_key = $1',
    [username],
  );
  return row!.id;
};

async function relay(
  t: TestContext,
  platform: Platform,
  urls: readonly string[],
  backend: { socketmapPort?: number; policyPort?: number } = {},
): Promise<RunningRelay> {
  const smartHosts = createSmartHosts({ urls, log: platform.log, name: 'mx.harbour.test' });
  const running = await startRelay(platform, {
    host: '127.0.0.1',
    port: 0,
    name: 'mx.harbour.test',
    mailDomain: 'harbour.test',
    dnsServers: [],
    smartHosts,
    backend: { host: '127.0.0.1', ...backend },
  });
  t.after(async () => {
    await running.drain(1);
    await smartHosts.close();
  });
  return running;
}

const text = (subject: string, body = 'Line one\n.\n..two\n') =>
  `From: Jira <jira@app.example>\nTo: someone\nSubject: ${subject}\nMessage-ID: <${subject}@app.example>\nDate: Sun, 22 Nov 2026 10:00:00 +0000\n\n${body}`;

async function mail(port: number, to: string, more: string[] = [], data = text('hello')) {
  return swaks(port, ['--helo', 'app.example', '--from', sender, '--to', to, '--data', data, ...more]);
}

/** The class of the answer that decided. */
const verdict = (run: { answers: string[]; status: number }): string =>
  run.status === 0 ? '2' : (run.answers.findLast((line) => /^[45]/.test(line)) ?? '?')[0]!;

const below = (raw: Buffer) => raw.toString('latin1').slice(raw.toString('latin1').indexOf('From: Jira'));

test('Postfix as the smart host: mail arrives, unchanged below our header, and deferral and refusal are told apart', {
  skip,
}, async (t) => {
  const sink = await startSink();
  t.after(() => sink.close());
  const postfix = await startPostfix({ main: smartHostMain(sink.port) });
  t.after(() => postfix.close());
  const platform = await house();
  const { port } = await relay(t, platform, [postfix.url]);
  const sent = await mail(port!, `ada@${domain}`);
  assert.equal(verdict(sent), '2', sent.transcript);
  const [message] = await sink.waitFor(1);
  assert.deepEqual(message!.to, ['ada@read.example']);
  assert.match(
    message!.from,
    new RegExp(`^SRS0=[A-Z2-7]{8}[0-9a-f]{10}=[A-Z2-7]{2}=bounces\\.app\\.example=jira@${domain}$`),
  );
  // swaks ends with an empty line of its own.
  assert.equal(below(message!.raw).trimEnd(), text('hello').replaceAll('\n', '\r\n').trimEnd());
  assert.ok(!sent.transcript.includes('read.example'));

  // Postfix refuses and puts off at RCPT: the smart host has an opinion of its own.
  for (const [to, code] of [
    ['bo', '5'],
    ['cy', '4'],
  ] as const) {
    const refused = await mail(port!, `${to}@${domain}`);
    assert.equal(verdict(refused), code, refused.transcript);
    assert.ok(!refused.transcript.includes('read.example'), 'the words of the smart host are not passed on');
  }
  assert.equal((await sink.waitFor(1)).length, 1);
});

/** Takes everything for elsewhere; some recipients it refuses, some it puts off. */
function smartHostMain(sinkPort: number, more = ''): string {
  return `relayhost = [127.0.0.1]:${sinkPort}
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = check_recipient_access inline:{ { bo@read.example = REJECT bo@read.example is gone }, { cy@read.example = DEFER cy@read.example is full } }
local_header_rewrite_clients =
${more}`;
}

test('two smart hosts: the second takes what the first is not there for', { skip }, async (t) => {
  const sink = await startSink();
  t.after(() => sink.close());
  const [first, second] = [
    await startPostfix({ main: smartHostMain(sink.port, 'myhostname = one.example') }),
    await startPostfix({ main: smartHostMain(sink.port, 'myhostname = two.example') }),
  ];
  t.after(() => Promise.all([first.close(), second.close()]));
  const platform = await house();
  const { port } = await relay(t, platform, [first.url, second.url]);
  assert.equal(verdict(await mail(port!, `ada@${domain}`)), '2');
  await sink.waitFor(1);
  await first.stop();
  assert.equal(verdict(await mail(port!, `ada@${domain}`)), '2');
  await sink.waitFor(2);
  await second.stop();
  const away = await mail(port!, `ada@${domain}`);
  assert.equal(verdict(away), '4', away.transcript);
  assert.match(away.answers.at(-1) ?? '', /^(451 4\.4\.1|221)/);
  await first.start();
  // That both were away is remembered for a moment.
  await eventually(async () => verdict(await mail(port!, `ada@${domain}`)) === '2');
  const through = (await sink.waitFor(3)).map(({ raw }) => /by (one|two)\.example/.exec(raw.toString())?.[1]);
  assert.deepEqual(through, ['one', 'two', 'one']);
});

test('SM-08 a smart host killed between DATA and 250, and again and again: nothing is lost, and what came twice was answered with "later"', {
  skip,
}, async (t) => {
  const sink = await startSink();
  t.after(() => sink.close());
  // Every message is held for a moment when all of it is there and no answer is given: that is when most are killed.
  const postfix = await startPostfix({
    main: smartHostMain(sink.port, 'smtpd_end_of_data_restrictions = sleep 1'),
  });
  t.after(() => postfix.close());
  const platform = await house();
  const { port } = await relay(t, platform, [postfix.url]);
  const client = createSmartHosts({ urls: [`smtp://127.0.0.1:${port}`], log: platform.log, atOnce: 4 });
  t.after(() => client.close());
  let later = 0;
  const untilTaken = async (id: number) => {
    const raw = Buffer.from(text(`m${id}`).replaceAll('\n', '\r\n'));
    for (let tries = 0; tries < 200; tries++) {
      try {
        await client.forward({ from: sender, to: `ada@${domain}`, raw });
        return;
      } catch (error) {
        assert.ok(error instanceof MailFailed && !error.permanent, String(error));
        later += 1;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
    assert.fail(`message ${id} was never taken`);
  };
  const ids = Array.from({ length: 120 }, (_, at) => at);
  const queue = [...ids];
  const senders = Array.from({ length: 4 }, async () => {
    for (let id = queue.shift(); id !== undefined; id = queue.shift()) await untilTaken(id);
  });
  for (let kills = 0; kills < 5 && queue.length > 0; kills++) {
    await new Promise((resolve) => setTimeout(resolve, 60 + kills * 37));
    await postfix.kill();
    await postfix.start();
  }
  await Promise.all(senders);
  const counts = new Map<string, number>();
  for (let tries = 0; counts.size < ids.length && tries < 300; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    counts.clear();
    for (const { raw } of sink.messages) {
      const id = /^Message-ID: <(m\d+)@/m.exec(raw.toString())![1]!;
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
  }
  assert.equal(counts.size, ids.length, 'nothing is lost');
  const twice = [...counts.values()].reduce((sum, count) => sum + count - 1, 0);
  t.diagnostic(`${later} times later, ${twice} came twice`);
  assert.ok(later > 0, 'the kills were felt');
  assert.ok(twice <= later, `${twice} came twice, ${later} were put off`);
});

interface Deputy {
  platform: Platform;
  /** Our own relay, with the same smart host. */
  own: RunningRelay;
  postfix: Postfix;
  sink: Sink;
}

/** A Postfix in our place, configured by what we print, beside our own relay. */
async function deputy(t: TestContext, milters: string[] = []): Promise<Deputy> {
  const sink = await startSink();
  t.after(() => sink.close());
  const platform = await house();
  const [port, socketmapPort, policyPort] = [await freePort(), await freePort(), await freePort()];
  const own = await relay(t, platform, [sink.url], { socketmapPort, policyPort });
  const { main, master } = postfixConfig({
    domains: [domain],
    apps: await platform.database.read(system(), relayApps),
    name: 'mx.harbour.test',
    mailDomain: 'harbour.test',
    backend: { host: '127.0.0.1', socketmapPort, policyPort },
    smartHosts: [sink.url],
    milters,
  });
  // In a folder of a test's own Postfix cannot change its root, and the port has to be one of a test.
  const here = master
    .replace(/^smtp +inet +n +- +y/m, `127.0.0.1:${port} inet n - n`)
    .replace(/^(gatehouse-cleanup unix n +- +)y/m, '$1n');
  const postfix = await startPostfix({ main, master: here, port });
  t.after(() => postfix.close());
  return { platform, own, postfix, sink };
}

test('Postfix in our place decides like our own relay, message for message', { skip }, async (t) => {
  const { platform, own, postfix, sink } = await deputy(t);
  const out = await postfix.command('postconf', ['-n']);
  assert.match(out, /virtual_alias_maps = socketmap:inet:/);
  assert.doesNotMatch(await postfix.command('postfix', ['check']), /warning|fatal|error/);
  const person = await idOf(platform, 'cy');
  await platform.database.transact(system('admin'), async (tx) => {
    await leave(tx, await idOf(platform, 'bo'), 'suspended');
    await saveChoice(tx, { person, change: { paused: true } });
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
    ['an app whose proofs nobody checks', '5', `ada@${domain}`, ['--from', 'x@wiki.example']],
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
  const differing: string[] = [];
  for (const [what, wanted, to, more = [], data] of table) {
    const ours = await mail(own.port!, to, more, data);
    const theirs = await mail(postfix.port, to, more, data);
    if (verdict(theirs) !== wanted) differing.push(`${what}: Postfix ${theirs.answers.join(' | ')}`);
    // What an app proves can be seen by us alone.
    if (what.includes('proofs')) continue;
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
  // Postfix takes needless quotes off before it asks: it is the same mailbox (RFC 5321 section 4.1.2).
  assert.equal(verdict(await mail(postfix.port, `"ada"@${domain}`)), '2');
  await own.settle();
  const noted = await platform.database.query<{ via: string; verdict: string; reason: string }>(
    'select via, verdict, reason from relay_messages where via = $1 order by at',
    ['postfix'],
  );
  const reasons = noted.map((one) => `${one.verdict} ${one.reason}`);
  for (const expected of [
    'relayed passed-on',
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
  assert.match(gone.answers.find((line) => /^[45]/.test(line)) ?? '', /^451 4\.3\./, gone.transcript);
});

test('an app that has to prove something is let in where milters refuse what is not proved', {
  skip: skip ?? opendkimMissing(),
}, async (t) => {
  const key = makeMailKey();
  const opendkim = await startOpendkim({ keys: { 's1._domainkey.wiki.example': key.record } });
  t.after(() => opendkim.stop());
  const { platform, postfix, sink } = await deputy(t, [opendkim.milter]);
  const client = createSmartHosts({ urls: [postfix.url], log: platform.log });
  t.after(() => client.close());
  const raw = makeMail({
    From: 'Wiki <wiki@wiki.example>',
    To: 'someone',
    Subject: 'Page changed',
    'Message-ID': '<p1@wiki.example>',
    Date: 'Sun, 22 Nov 2026 10:00:00 +0000',
  });
  const signed = await signMail(raw, { domain: 'wiki.example', selector: 's1', key });
  const send = (bytes: Buffer, to = `ada@${domain}`) =>
    client.forward({ from: 'p@wiki.example', to, raw: bytes });
  const refusal = (promise: Promise<unknown>) =>
    promise.then(
      () => assert.fail('it was taken'),
      (error: MailFailed) => error,
    );
  await send(signed);
  const [message] = await sink.waitFor(1);
  assert.ok(message!.raw.includes(signed), 'every byte that was signed is there, and no other in between');
  const changed = Buffer.from(signed.toString().replace('Hello', 'Hallo'));
  for (const [bytes, what] of [
    [raw, 'unsigned'],
    [changed, 'changed'],
  ] as const) {
    const { permanent, response, stage } = await refusal(send(bytes));
    assert.deepEqual([permanent, stage], [true, 'data'], `${what}: ${response}`);
  }
  // A milter that is away refuses nothing and lets nothing in.
  await opendkim.stop();
  const { permanent, response } = await refusal(send(signed));
  assert.equal(permanent, false, response);
  assert.equal(sink.messages.length, 1);
});

test('SM-10 nothing leaves but encrypted and to whom the certificate names, by us and by the configuration for Postfix', {
  skip: skip ?? opensslMissing(),
}, async (t) => {
  const directory = await mkdtemp(path.join(tmpdir(), 'relay-postfix-tls-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const { caFile, certificateFile, keyFile } = await makeCertificates(directory);
  const sink = await startSink({ tls: { certificateFile, keyFile } });
  const stripped = await startSink();
  t.after(() => Promise.all([sink.close(), stripped.close()]));
  const secure = await startPostfix({
    main: smartHostMain(
      sink.port,
      `smtpd_tls_security_level = may\nsmtpd_tls_chain_files = ${keyFile}, ${certificateFile}`,
    ),
  });
  t.after(() => secure.close());
  const platform = await house();
  const urls = (port: number, who = 'gatehouse:hush-hush@') => [
    `smtp://${who}127.0.0.1:${port}?requireTLS=true`,
  ];
  for (const port of [secure.port, stripped.port]) {
    const waiting = await relay(t, platform, urls(port));
    const run = await mail(waiting.port!, `ada@${domain}`);
    assert.match(run.answers.find((line) => /^[45]/.test(line)) ?? '', /^451 4\.4\.1/, run.transcript);
  }
  trustAuthority(caFile);
  const trusting = await relay(t, platform, urls(secure.port, ''));
  const run = await mail(trusting.port!, `ada@${domain}`);
  assert.equal(verdict(run), '2', run.transcript);
  await secure.logged(/TLS connection established|status=sent/);
  assert.ok(!/hush|aHVzaC1odXNo/.test(platform.lines.join('')), 'the password is in no log of ours');
  assert.deepEqual(
    stripped.lines.filter((line) => !/^(EHLO|STARTTLS|QUIT)/.test(line)),
    [],
    'nothing was said in the clear',
  );

  // The same of what we print for Postfix.
  for (const [to, wanted] of [
    [stripped, 'waits'],
    [sink, 'arrives'],
  ] as const) {
    const before = to.messages.length;
    const { main } = postfixConfig({
      domains: [domain],
      apps: [],
      name: 'mx.harbour.test',
      mailDomain: 'harbour.test',
      backend: { host: '127.0.0.1', socketmapPort: 1, policyPort: 1 },
      smartHosts: [`smtp://localhost:${to.port}?requireTLS=true`],
      milters: [],
    });
    const port = await freePort();
    const own = main
      .replace(/^smtp_tls_CAfile = .*$/m, `smtp_tls_CAfile = ${caFile}`)
      .replace(/^smtpd_(relay|end_of_data)_restrictions = .*$/gm, '# $&')
      .replace(/^virtual_alias_.*$/gm, '# $&');
    const postfix = await startPostfix({
      main: `${own}\nmynetworks = 127.0.0.1\nsmtpd_relay_restrictions = permit_mynetworks, reject\nsmtp_host_lookup = native\nsmtp_dns_support_level = disabled`,
      master: `127.0.0.1:${port} inet n - n - - smtpd`,
      port,
    });
    t.after(() => postfix.close());
    assert.equal(verdict(await mail(port, 'ada@read.example')), '2');
    if (wanted === 'arrives') {
      const [message] = await to.waitFor(before + 1).then((all) => all.slice(-1));
      assert.ok(message!.tls);
      continue;
    }
    await postfix.logged(/status=deferred \(TLS is required, but was not offered/);
    assert.equal(to.messages.length, 0);
    assert.equal((await postfix.queue()).length, 1);
  }
});
