/**
 * A real Postfix as the smart host of those who sign in: over STARTTLS and TLS from the start, by PLAIN and LOGIN, with a
 * password and a certificate that are not easy. What is wrong with either holds mail up, is told to operators in a code
 * and a sentence, and ends no message.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { createHealthLook } from '#fronts/relay/health-look.ts';
import { system } from '#kit/db/database.ts';
import { createLog } from '#kit/log/log.ts';
import { createSmartHosts, listOfUrls } from '#kit/smtp/smart-hosts.ts';
import { MailFailed } from '#kit/smtp/smtp.ts';
import { troubleOf } from '#kit/smtp/trouble.ts';
import { openMailer } from '#open-mailer.ts';
import { startDns } from '#test/dns.ts';
import { closeAfterEach, freePort } from '#test/kit.ts';
import {
  type Certificates,
  makeCertificates,
  opensslMissing,
  trustAuthority,
} from '#test/peers/certificates.ts';
import { runGatehouse } from '#test/peers/gatehouse.ts';
import { type Postfix, postfixMissing, startPostfix } from '#test/peers/postfix.ts';
import { makeSasl, saslMissing } from '#test/peers/sasl.ts';
import { type Sink, startSink } from '#test/peers/sink.ts';
import { aliasDomain, letter, ownSender, realAddress, sendMail, startTestRelay } from '#test/relay.ts';
import { Visitor } from '#test/visitor.ts';

const skip = postfixMissing() ?? saslMissing() ?? opensslMissing();
const user = 'relay@community.example';
/** Everything in it means something in a URL. */
const password = 'p@ss:w/rd 100%,?#+&ö';
const wrong = 'n@t:th/s 1%';
const letterOfOurs = { to: 'ada@gmail.test', subject: 'Confirm your address', text: 'Hello Ada.' };

closeAfterEach();

interface Ports {
  starttls: number;
  /** The same, with LOGIN alone. */
  login: number;
  implicit: number;
}

let directory: string;
let certificates: Certificates;
let sink: Sink;
let postfix: Postfix;
let ports: Ports;

before(async () => {
  if (skip) return;
  directory = await mkdtemp(path.join(tmpdir(), 'relay-sign-in-'));
  certificates = await makeCertificates(directory);
  sink = await startSink();
  ports = { starttls: await freePort(), login: await freePort(), implicit: await freePort() };
  const sasl = await makeSasl(directory, [{ user, password }]);
  postfix = await startPostfix({
    port: ports.starttls,
    main: `relayhost = [127.0.0.1]:${sink.port}
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_tls_security_level = may
smtpd_tls_chain_files = ${certificates.keyFile}, ${certificates.certificateFile}
local_header_rewrite_clients =
${sasl.main}`,
    files: sasl.files,
    master: `127.0.0.1:${ports.starttls} inet n - n - - smtpd
127.0.0.1:${ports.login} inet n - n - - smtpd -o smtpd_sasl_path=login
127.0.0.1:${ports.implicit} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes`,
  });
});

after(async () => {
  if (skip) return;
  await postfix.close();
  await sink.close();
  await rm(directory, { recursive: true, force: true });
});

const named = (pass: string) => `${encodeURIComponent(user)}:${encodeURIComponent(pass)}@`;
const byStarttls = (who = named(password), port = ports.starttls) =>
  `smtp://${who}127.0.0.1:${port}?requireTLS=true`;
const byTls = (who = named(password)) => `smtps://${who}127.0.0.1:${ports.implicit}`;

/** A password in any form it could leave by. */
function assertUnseen(text: string, what: string): void {
  for (const secret of [password, wrong])
    for (const form of [
      secret,
      encodeURIComponent(secret),
      Buffer.from(secret).toString('base64'),
      Buffer.from(`\0${user}\0${secret}`).toString('base64'),
    ])
      assert.ok(!text.includes(form), `${what} shows a password`);
}

async function relayThrough(t: TestContext, url: string, more: Record<string, string> = {}) {
  const dns = await startDns(t);
  const env = { GATEHOUSE_SMTP_URL: url, GATEHOUSE_DNS_SERVERS: dns.server, ...more };
  const relay = await startTestRelay(t, { sink: await startSink(), env });
  const { platform } = relay;
  const closers: (() => Promise<unknown>)[] = [];
  t.after(async () => {
    for (const close of closers) await close();
  });
  const mailer = openMailer(platform, closers);
  const smartHosts = async () => {
    const look = createHealthLook({ ...platform, settings: platform.config });
    return (await look.look(system(), true)).smartHosts;
  };
  const told = () => platform.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return { relay, platform, mailer, smartHosts, told };
}

/** What keeps one message from leaving, which is not given up. */
async function troubleOfOne(t: TestContext, url: string): Promise<string | undefined> {
  const lines: string[] = [];
  const log = createLog({ level: 'debug', destination: { write: (line) => void lines.push(line) } });
  const hosts = createSmartHosts({ urls: listOfUrls(url), log });
  t.after(() => hosts.close());
  const mail = { from: ownSender, to: 'bo@gmail.test', raw: Buffer.from(letter()) };
  const error = await hosts.forward(mail).then(
    () => assert.fail('it was taken'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof MailFailed && !error.permanent, String(error));
  assertUnseen(lines.join(''), 'the log');
  return troubleOf(error);
}

const refusals = async () => (await postfix.log()).match(/authentication failed/g)?.length ?? 0;

/** Mail waits, however it was to leave, and whoever looks is told why. */
async function waits(t: TestContext, url: string, expected: { code: string; found: RegExp; text: RegExp }) {
  const { relay, platform, mailer, smartHosts, told } = await relayThrough(t, url);
  const before = await refusals();
  for (let turn = 0; turn < 3; turn += 1) {
    const answer = await relay.mail();
    assert.deepEqual([answer.code, answer.enhanced], [451, '4.4.1'], answer.transcript);
    assertUnseen(answer.transcript, 'the transcript');
    assert.ok(!answer.transcript.includes(realAddress));
  }
  const tried = (await refusals()) - before;
  await assert.rejects(mailer.send(letterOfOurs), (error: unknown) => {
    assert.ok(error instanceof MailFailed && !error.permanent, String(error));
    assertUnseen(`${error.message} ${String(error.cause)}`, 'the failure');
    return true;
  });
  const [check, ...others] = await smartHosts();
  assert.deepEqual([check?.state, others.length], ['bad', 0]);
  assert.match(check!.text, expected.text);
  assert.match(check!.text, /mail waits, and senders are told to come again/);
  assert.match(check!.found.join(), expected.found);
  const line = told().find((one) => one.code === expected.code);
  assert.match(String(line?.msg), expected.text, `${expected.code}: ${platform.lines.join('')}`);
  const log = await relay.log();
  assert.ok(
    log.length >= 1 && log.every((one) => one.verdict === 'deferred'),
    'nothing was refused for good',
  );
  assertUnseen(platform.lines.join('') + JSON.stringify([check, log]), 'what operators read');
  return { tried, line };
}

test('a certificate from an authority nobody here knows holds mail up, with STARTTLS and from the start', {
  skip,
}, async (t) => {
  await waits(t, byStarttls(), {
    code: 'smart-host-certificate',
    found: /certificate/,
    text: /certificate of the mail server .* NODE_EXTRA_CA_CERTS/,
  });
  assert.equal(await troubleOfOne(t, byTls()), 'certificate');
  assert.doesNotMatch(await postfix.log(), /sasl_username/);
  trustAuthority(certificates.caFile);
});

test('signed in over STARTTLS and TLS, by PLAIN and LOGIN, mail of apps and our own leaves', {
  skip,
}, async (t) => {
  const { relay, platform, mailer, smartHosts } = await relayThrough(t, byStarttls(), {
    GATEHOUSE_MAIL_URL: byTls(),
  });
  const count = sink.messages.length;
  const answer = await relay.mail();
  assert.equal(answer.code, 250, answer.transcript);
  const { response } = await mailer.send(letterOfOurs);
  assert.match(response, /^250 2\.0\.0 Ok: queued/);
  const arrived = (await sink.waitFor(count + 2)).slice(count);
  assert.deepEqual(arrived.map(({ to }) => to[0]).sort(), ['ada@gmail.test', realAddress].sort());
  assert.ok(
    arrived.every(({ raw }) => /with ESMTPSA/.test(raw.toString())),
    'encrypted and signed in (RFC 3848)',
  );
  const health = await smartHosts();
  assert.deepEqual(
    health.map(({ state }) => state),
    ['good', 'good'],
    JSON.stringify(health),
  );
  await postfix.logged(/sasl_method=PLAIN, sasl_username=relay@community\.example/);

  const byLogin = createSmartHosts({
    urls: listOfUrls(byStarttls(undefined, ports.login)),
    log: platform.log,
  });
  t.after(() => byLogin.close());
  const mail = { from: ownSender, to: 'bo@gmail.test', raw: Buffer.from(letter()) };
  assert.match((await byLogin.forward(mail)).response, /^250/);
  await postfix.logged(/sasl_method=LOGIN, sasl_username=relay@community\.example/);
  assertUnseen(platform.lines.join('') + (await postfix.log()), 'a log');
});

test('a password that is refused holds mail up, is told in a code and a sentence, and is not tried again and again', {
  skip,
}, async (t) => {
  const { tried, line } = await waits(t, byStarttls(named(wrong)), {
    code: 'smart-host-sign-in',
    found: /^535 5\.7\.8/,
    text: /refuses our user or password\. Set both anew .*percent-encoded/,
  });
  assert.equal(line!.reply, 535);
  assert.equal(tried, 1, 'servers shut out whoever comes again and again');
  for (const url of [byTls(named(wrong)), byStarttls(named(wrong), ports.login)])
    assert.equal(await troubleOfOne(t, url), 'sign-in');
});

test('without a sign-in where one is needed, mail waits too, whoever forgot what', { skip }, async (t) => {
  await waits(t, `smtp://${named(password)}127.0.0.1:${ports.starttls}`, {
    code: 'smart-host-no-sign-in',
    found: /ENOAUTH/,
    text: /offers no way to sign in.*requireTLS=true/,
  });
});

test('a server that passes on nothing for strangers ends no message of ours', { skip }, async (t) => {
  const { relay, mailer, told } = await relayThrough(t, byStarttls(''));
  const answer = await relay.mail();
  assert.deepEqual([answer.code, answer.enhanced], [451, '4.4.1'], answer.transcript);
  await assert.rejects(mailer.send(letterOfOurs), (error: MailFailed) => !error.permanent);
  const line = told().find((one) => one.code === 'smart-host-relaying');
  assert.match(String(line?.msg), /does not know us\. Add user and password/);
  assert.match(await postfix.log(), /554 5\.7\.1 .*Relay access denied/);
});

test('started by its settings alone, with an authority of the house, mail of apps and our own leaves', {
  skip,
}, async (t) => {
  const port = await freePort();
  const gatehouse = await runGatehouse({
    certificates,
    env: {
      GATEHOUSE_SMTP_URL: byStarttls(),
      GATEHOUSE_SMTP_PORT: String(port),
      GATEHOUSE_ALIAS_DOMAIN: aliasDomain,
    },
    community: `
community: { name: Harbour }
applications:
  - { id: jira, title: Jira, alias: { address: mailbox } }
people:
  - { username: ada, names: { givenName: Ada, familyName: Byron }, password: plum violin tractor, addresses: [${realAddress}] }
relay:
  senders: { jira: { networks: [127.0.0.1], require: [] } }
`,
  });
  t.after(() => gatehouse.stop());
  const count = sink.messages.length;
  const sent = await sendMail({ port, from: ownSender, to: `ada@${aliasDomain}`, raw: letter() });
  assert.equal(sent.code, 250, `${sent.transcript}${gatehouse.output()}`);
  const visitor = new Visitor(gatehouse.origin);
  await visitor.open('/recover');
  await visitor.submit({ username: 'ada' }, '/recover');
  const arrived = (await sink.waitFor(count + 2)).slice(count);
  assert.ok(arrived.every(({ to, raw }) => to[0] === realAddress && /with ESMTPSA/.test(raw.toString())));
  assertUnseen(gatehouse.output(), 'the log');
});
