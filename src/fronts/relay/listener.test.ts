import assert from 'node:assert/strict';
import { copyFile, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { activate } from '#core/lifecycle/activate.ts';
import { join } from '#core/lifecycle/join.ts';
import { system } from '#kit/db/database.ts';
import { startDns } from '#test/dns.ts';
import { eventually } from '#test/eventually.ts';
import { closeAfterEach } from '#test/kit.ts';
import { startSink } from '#test/peers/sink.ts';
import { letter, openClient, startTestRelay } from '#test/relay.ts';
import { makeMailKey, signMail } from '#test/signed-mail.ts';
import { makeCertificate, watchCertificate } from './certificate.ts';
import { bareLineEnds } from './guard.ts';
import { countsOf, deleteOldCounts, deleteOldMessages } from './messages.ts';

closeAfterEach();

test('bare line ends are found however a message is cut into pieces', () => {
  const has = (text: string, ...cuts: number[]) => {
    const ends = bareLineEnds();
    const bytes = Buffer.from(text);
    const marks = [0, ...cuts, bytes.length];
    const found = marks.slice(1).some((to, at) => ends.has(bytes.subarray(marks[at], to)));
    return found || ends.endsOpen();
  };
  for (const text of ['a\r\nb\r\n', '\r\n\r\n', '\r\n.a\r\n', ''])
    for (let cut = 0; cut <= text.length; cut += 1) assert.equal(has(text, cut), false, JSON.stringify(text));
  for (const text of ['a\nb\r\n', '\nb\r\n', 'a\r\n\n', 'a\rb\r\n', 'a\r\r\n', '\r', 'a\r\nb\r'])
    for (let cut = 0; cut <= text.length; cut += 1) assert.equal(has(text, cut), true, JSON.stringify(text));
});

test('what an app has to prove is asked of DNS: without it a refusal, without an answer of DNS another try', async (t) => {
  const key = makeMailKey();
  const dns = await startDns(t, {
    'jira.test': { TXT: ['v=spf1 ip4:192.0.2.0/24 -all'] },
    '_dmarc.jira.test': { TXT: ['v=DMARC1; p=none'] },
    's1._domainkey.jira.test': { TXT: [key.record] },
    'strict.test': { TXT: ['v=spf1 -all'] },
    '_dmarc.strict.test': { TXT: ['v=DMARC1; p=reject'] },
  });
  const relay = await startTestRelay(t, {
    app: { networks: ['127.0.0.0/8'], require: ['dmarc'] },
    env: { GATEHOUSE_DNS_SERVERS: dns.server },
  });
  const bare = letter();
  const signed = await signMail(Buffer.from(bare), { domain: 'jira.test', selector: 's1', key });
  const taken = await relay.mail({ raw: signed });
  assert.equal(taken.code, 250, taken.transcript);
  const passed = relay.sink.messages[0]!.raw;
  assert.ok(passed.subarray(-signed.length).equals(Buffer.from(signed)), 'what was signed is untouched');
  assert.match(passed.toString('latin1'), /^Authentication-Results: mx\.harbour\.test;[\s\S]*?dkim=pass/m);
  const unproved = await relay.mail({ raw: bare });
  assert.deepEqual([unproved.code, unproved.enhanced], [550, '5.7.1']);
  const strict = await relay.mail({ raw: letter({ from: 'x@strict.test' }) });
  assert.deepEqual([strict.code, strict.enhanced], [550, '5.7.26']);
  dns.fail('*', 'servfail');
  const unsure = await relay.mail({ from: 'notify@other.jira.test', raw: letter({ from: 'x@other.test' }) });
  assert.deepEqual([unsure.code, unsure.enhanced], [451, '4.4.3']);
  const reasons = (await relay.log()).map((one) => one.reason);
  assert.deepEqual(reasons, ['dns', 'dmarc', 'unproved', 'passed-on']);
});

test('refusals before a message was sent are counted all, and noted up to a bound', async (t) => {
  const relay = await startTestRelay(t);
  const { database, clock } = relay.platform;
  for (let at = 0; at < 8; at += 1) {
    const client = await openClient(relay);
    await client.reply();
    await client.say('EHLO x.test');
    await client.say('MAIL FROM:<a@b.test>');
    for (let number = 0; number < 19; number += 1)
      assert.match(await client.say(`RCPT TO:<who${number}@people.harbour.test>`), /^550/);
    client.close();
  }
  assert.equal((await relay.log()).length, 100);
  const from = clock.now();
  const counts = await database.read(system(), (tx) => countsOf(tx, { from }));
  assert.deepEqual(
    counts.map(({ application, verdict, reason, messages }) => [application, verdict, reason, messages]),
    [['', 'refused', 'unknown', 152]],
  );
  assert.equal((await relay.mail()).code, 250);
  assert.equal((await relay.log())[0]!.reason, 'passed-on', 'what was taken is noted always');
  const later = new Date(clock.now().getTime() + 86_400_000);
  const gone = await database.transact(system(), async (tx) => [
    await deleteOldMessages(tx, later),
    await deleteOldCounts(tx, later),
  ]);
  assert.deepEqual(gone, [101, 2]);
});

test('a stranger who tries addresses is not heard any more for a while; an app is', async (t) => {
  const relay = await startTestRelay(t, { app: { networks: ['127.0.0.1/32'] } });
  const visit = async (tries: number) => {
    const client = await openClient({ port: relay.port, client: '127.0.0.77' });
    const greeting = await client.reply();
    if (!greeting.startsWith('220')) return greeting;
    await client.say('EHLO x.test');
    await client.say('MAIL FROM:<a@b.test>');
    for (let at = 0; at < tries; at += 1) await client.say(`RCPT TO:<who${at}@people.harbour.test>`);
    client.close();
    return greeting;
  };
  for (let at = 0; at < 11; at += 1) await visit(19);
  assert.match(await visit(1), /^421 4\.7\.0/);
  assert.equal((await relay.mail()).code, 250);
});

test('a new certificate is shown without a restart, and one that cannot be used changes nothing', async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'gatehouse-relay-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const files = { cert: path.join(folder, 'cert.pem'), key: path.join(folder, 'key.pem') };
  const place = async (name: string) => {
    const { cert, key } = await makeCertificate(name);
    await writeFile(files.cert, cert);
    await writeFile(files.key, key, { mode: 0o600 });
  };
  await place('one.harbour.test');
  const relay = await startTestRelay(t, {
    env: { GATEHOUSE_SMTP_TLS_CERT: files.cert, GATEHOUSE_SMTP_TLS_KEY: files.key },
  });
  const shown = async () => {
    const client = await openClient(relay);
    await client.reply();
    await client.say('EHLO x.test');
    const { subject } = (await client.startTls()).getPeerCertificate();
    // What was said before the handshake is forgotten (RFC 3207).
    assert.match(await client.say('MAIL FROM:<notify@jira.test>'), /^503/);
    client.close();
    return subject.CN;
  };
  assert.equal(await shown(), 'one.harbour.test');
  const seen: string[] = [];
  const stop = await watchCertificate({
    files,
    log: relay.platform.log,
    take: ({ cert }) => seen.push(cert),
    everyMs: 20,
  });
  await copyFile(files.key, files.cert);
  await utimes(files.cert, 1, 1);
  await eventually(() => relay.platform.lines.some((line) => /cannot be used/.test(line)));
  assert.deepEqual(seen, []);
  await place('two.harbour.test');
  await eventually(() => seen.length > 0);
  await stop();
});

test('without a way out mail waits, and the log says what to set', async (t) => {
  const relay = await startTestRelay(t, { env: { GATEHOUSE_SMTP_URL: '' } });
  const { code, enhanced } = await relay.mail();
  assert.deepEqual([code, enhanced], [451, '4.3.5']);
  assert.ok(relay.platform.lines.some((line) => /GATEHOUSE_SMTP_URL/.test(line)));
  const [noted] = await relay.log();
  assert.deepEqual(
    [noted!.verdict, noted!.reason, noted!.person],
    ['deferred', 'no-smart-host', relay.person],
  );
});

test('while no smart host can be reached a sender hears so before it has sent its message, and no longer than that', async (t) => {
  const relay = await startTestRelay(t);
  assert.equal((await relay.mail()).code, 250);
  const { port } = relay.sink;
  const reportsTo = relay.sink.messages[0]!.from;
  await relay.sink.close();
  const raw = letter({ text: `${'x'.repeat(900)}\r\n`.repeat(2_000) });
  const unknown = await relay.mail({ raw });
  assert.deepEqual([unknown.code, unknown.enhanced], [451, '4.4.1']);
  assert.match(unknown.transcript, /^354/m, 'nobody knew before');
  const known = await relay.mail({ raw });
  assert.deepEqual([known.code, known.enhanced, known.text], [451, '4.4.1', unknown.text]);
  assert.doesNotMatch(known.transcript, /^354/m, 'not one byte of it is sent in vain');
  assert.equal((await relay.mail({ to: 'postmaster@people.harbour.test' })).code, 451);
  assert.equal((await relay.mail({ to: 'nobody@people.harbour.test' })).code, 550, 'nobody is still nobody');
  const report = await relay.mail({ from: '', to: reportsTo });
  assert.equal(report.code, 250, 'reports go no further anyway');
  // Long after the first try it is asked again, and whoever sends is told the same before DATA.
  await sleep(2_200);
  const later = await relay.mail({ raw });
  assert.deepEqual([later.code, /^354/m.test(later.transcript)], [451, false]);

  const sink = await startSink({ port });
  t.after(() => sink.close());
  const began = performance.now();
  await eventually(async () => (await relay.mail({ raw })).code === 250, { everyMs: 100 });
  assert.ok(performance.now() - began < 4_000, 'live again within four seconds');
  assert.equal(sink.messages.length, 1);
  const rows = (await relay.log()).filter((one) => one.reason === 'smart-host-away');
  assert.ok(rows.length >= 3);
  const ofAda = rows.filter((one) => one.recipient === relay.mailbox);
  assert.ok(
    ofAda.every(
      (one) => one.verdict === 'deferred' && one.person === relay.person && one.application === 'jira',
    ),
  );
});

test('the figures of the relay stand beside the others', async (t) => {
  const relay = await startTestRelay(t);
  await relay.mail();
  await relay.mail({ to: 'nobody@people.harbour.test' });
  await relay.platform.relay!.settle();
  const text = await (await fetch(`${relay.platform.origin}/metrics`)).text();
  assert.match(text, /gatehouse_relay_messages_total\{verdict="relayed",reason="passed-on"\} 1/);
  assert.match(text, /gatehouse_relay_messages_total\{verdict="refused",reason="unknown"\} 1/);
  assert.match(text, /gatehouse_relay_connections \d/);
});

test('whoever joins and confirms an address can be written to within a second', async (t) => {
  const relay = await startTestRelay(t);
  const { database } = relay.platform;
  const to = 'grace@people.harbour.test';
  const id = await database.transact(system(), (tx) =>
    join(tx, {
      username: 'grace',
      origin: 'test',
      state: 'unverified',
      addresses: [{ address: 'grace@gmail.test', primary: true, verified: true }],
    }),
  );
  assert.equal((await relay.mail({ to })).code, 550);
  await database.transact(system(), (tx) => activate(tx, id));
  const began = performance.now();
  assert.equal((await relay.mail({ to })).code, 250);
  assert.ok(performance.now() - began < 1000);
});
