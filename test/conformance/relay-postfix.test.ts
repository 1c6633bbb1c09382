/** Postfix from Debian as the smart host that takes what leaves, and no word of what leaves in the clear. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { postfixConfig } from '#fronts/relay/postfix-config.ts';
import { createSmartHosts } from '#kit/smtp/smart-hosts.ts';
import { MailFailed } from '#kit/smtp/smtp.ts';
import { eventually } from '../eventually.ts';
import { closeAfterEach, freePort } from '../kit.ts';
import { makeCertificates, opensslMissing, trustAuthority } from '../peers/certificates.ts';
import { postfixMissing, startPostfix } from '../peers/postfix.ts';
import { startSink } from '../peers/sink.ts';
import { swaksMissing } from '../peers/swaks.ts';
import { below, domain, house, mail, relay, sender, text, verdict } from '../postfix-stage.ts';

const skip = postfixMissing() ?? swaksMissing();
closeAfterEach();

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
  // The sink knows of it a moment before that Postfix has noted it: stopped there, it would bring it again later.
  await eventually(async () => (await first.queue()).length === 0);
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
    const main = postfixConfig({
      domains: [domain],
      apps: [],
      name: 'mx.harbour.test',
      mailDomain: 'harbour.test',
      backend: { host: '127.0.0.1', socketmapPort: 1, policyPort: 1, milterPort: 1 },
      smartHosts: [`smtp://localhost:${to.port}?requireTLS=true`],
    });
    const port = await freePort();
    const own = main
      .replace(/^smtp_tls_CAfile = .*$/m, `smtp_tls_CAfile = ${caFile}`)
      .replace(/^(?:non_)?smtpd_(?:relay_restrictions|milters) = .*$/gm, '# $&')
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
