/** Mail to alias mailboxes, through our relay and through a Postfix with the same policy, to the same sink. */
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { createLog } from '#kit/log/log.ts';
import { createSmartHosts } from '#kit/smtp/smart-hosts.ts';
import { startDns } from '#test/dns.ts';
import { opendkimMissing, startOpendkim } from '#test/peers/opendkim.ts';
import { type Postfix, postfixMissing, startPostfix } from '#test/peers/postfix.ts';
import { freePort } from '#test/port.ts';
import { type MailKey, makeMail, makeMailKey, signMail } from '#test/signed-mail.ts';
import { startHouse } from './house.ts';
import { type Bench, median, quantile, rounded } from './measure.ts';
import { familyOf, processorMs } from './processes.ts';
import { startProgram } from './program.ts';

const run = promisify(execFile);
const domain = 'members.bench.test';
const people = ['p0', 'p1', 'p2', 'p3'];
const sender = 'notify@jira.test';
/** Sessions of each of four senders, one a person. */
const sessions = 5;
const rounds = 3;
const warmUps = 2;
/** So many that a queue cannot swallow them all before the first have left. */
const envelopeMessages = 4800;
const provedMessages = 400;

interface Counting {
  port: number;
  /** Messages taken so far. */
  count(): number;
  stop(): void;
}

/** Postfix's own sink: takes everything, keeps nothing, counts. */
async function startCounting(): Promise<Counting> {
  const port = await freePort();
  const sink = spawn('/usr/sbin/smtp-sink', ['-u', 'nobody', '-c', `127.0.0.1:${port}`, '1000'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let count = 0;
  sink.stdout.on('data', (data: Buffer) => {
    const seen = [...data.toString().matchAll(/mesg=(\d+)/g)].at(-1);
    if (seen) count = Number(seen[1]);
  });
  await sleep(300);
  return { port, count: () => count, stop: () => void sink.kill() };
}

/** So many messages by Postfix's own source; how many a second were taken, and how many had arrived in the end. */
async function load(port: number, file: string, messages: number, sink: Counting, pids: readonly number[]) {
  const before = sink.count();
  const used = () => processorMs(pids.flatMap(familyOf));
  const usedBefore = used();
  const began = performance.now();
  await Promise.all(
    people.map((person) =>
      run('/usr/sbin/smtp-source', [
        ...['-d', '-s', String(sessions), '-m', String(messages / people.length), '-F', file],
        ...['-f', sender, '-t', `${person}@${domain}`, `127.0.0.1:${port}`],
      ]),
    ),
  );
  const taken = performance.now() - began;
  for (let waited = 0; sink.count() - before < messages; waited += 5) {
    if (waited > 60_000) throw new Error(`${sink.count() - before} of ${messages} messages arrived.`);
    await sleep(5);
  }
  const arrived = performance.now() - began;
  const processor = (used() - usedBefore) / messages;
  return { taken: (messages * 1000) / taken, arrived: (messages * 1000) / arrived, processor };
}

type Rates = Awaited<ReturnType<typeof load>>;

/**
 * Both in turns, once they have been up for a while: our code is compiled by then, their processes stay. The ratio is of
 * what arrived at the sink: what is taken into a queue faster than it leaves is mail that waits. How much was taken is
 * told beside it.
 */
async function compare(ours: () => Promise<Rates>, theirs: () => Promise<Rates>) {
  const kept: { ours: Rates; theirs: Rates }[] = [];
  for (let turn = 0; turn < warmUps; turn += 1) await ours();
  await theirs();
  for (let round = 0; round < rounds; round += 1) {
    if (round % 2 === 0) kept.push({ ours: await ours(), theirs: await theirs() });
    else {
      const first = await theirs();
      kept.push({ ours: await ours(), theirs: first });
    }
  }
  return {
    ours: Math.round(median(kept.map((one) => one.ours.arrived))),
    theirs: Math.round(median(kept.map((one) => one.theirs.arrived))),
    taken: Math.round(median(kept.map((one) => one.theirs.taken))),
    ratio: rounded(median(kept.map((one) => one.ours.arrived / one.theirs.arrived))),
    ratioTaken: rounded(median(kept.map((one) => one.ours.taken / one.theirs.taken))),
    ourProcessor: rounded(median(kept.map((one) => one.ours.processor))),
    theirProcessor: rounded(median(kept.map((one) => one.theirs.processor))),
  };
}

/** One message after the other: how long until 250, in milliseconds. */
async function delays(port: number, raw: Buffer, to: string): Promise<number[]> {
  const hosts = createSmartHosts({ urls: [`smtp://127.0.0.1:${port}`], log: createLog({ level: 'silent' }) });
  const found: number[] = [];
  for (let at = 0; at < 140; at += 1) {
    const began = performance.now();
    await hosts.forward({ from: sender, to, raw });
    if (at >= 20) found.push(performance.now() - began);
  }
  await hosts.close();
  return found;
}

async function startPeer(folder: string, sinkPort: number, milters: string): Promise<Postfix> {
  const table = path.join(folder, 'virtual');
  await writeFile(table, people.map((person) => `${person}@${domain} ${person}@people.test\n`).join(''));
  await run('/usr/sbin/postmap', [`hash:${table}`]);
  return startPostfix({
    main: `
virtual_alias_domains = ${domain}
virtual_alias_maps = hash:${table}
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = check_client_access cidr:{ { 127.0.0.0/8 DUNNO }, { 0.0.0.0/0 REJECT } }, check_sender_access regexp:{ { /@jira\\.test$$/ OK } }, reject
smtpd_end_of_data_restrictions =
smtpd_delay_reject = yes
relayhost = [127.0.0.1]:${sinkPort}
local_header_rewrite_clients =
in_flow_delay = 0
max_use = 1000000
${milters}`,
  });
}

const settings = (require: string) => `
applications: [{ id: jira, title: Jira }]
relay:
  senders: { jira: { networks: [127.0.0.0/8], envelope: ["*@jira.test"], require: [${require}] } }
  budgets: { perPerson: 10000000, perApp: 10000000 }
`;

const folk = `people:\n${people
  .map((one) => `  - { username: ${one}, names: { displayName: ${one} }, addresses: [${one}@people.test] }\n`)
  .join('')}`;

async function signedMessage(folder: string, key: MailKey): Promise<{ raw: Buffer; file: string }> {
  const fields = {
    From: 'Jira <notify@jira.test>',
    To: 'you',
    Subject: 'Changed',
    Date: 'Sun, 22 Nov 2026 10:00:00 +0000',
    'Message-ID': '<1@jira.test>',
  };
  const text = `${randomBytes(2_200)
    .toString('hex')
    .replace(/(.{76})/g, '$1\r\n')}\r\n`;
  const raw = await signMail(makeMail(fields, text), { domain: 'jira.test', selector: 's1', key });
  const file = path.join(folder, 'message');
  // The source ends lines itself.
  await writeFile(file, raw.toString('latin1').replaceAll('\r\n', '\n'), 'latin1');
  return { raw, file };
}

async function measure() {
  const missing = postfixMissing() ?? opendkimMissing();
  if (missing) throw new Error(missing);
  const closers: (() => unknown)[] = [];
  try {
    const folder = await mkdtemp(path.join(tmpdir(), 'gatehouse-bench-relay-'));
    closers.push(() => rm(folder, { recursive: true, force: true }));
    const key = makeMailKey();
    const record = { 's1._domainkey.jira.test': { TXT: [key.record] } };
    const dns = await startDns(undefined, { ...record, '_dmarc.jira.test': { TXT: ['v=DMARC1; p=reject'] } });
    closers.push(() => dns.close());
    const sink = await startCounting();
    closers.push(() => sink.stop());
    const { raw, file } = await signedMessage(folder, key);
    const port = await freePort();
    const house = await startHouse({
      GATEHOUSE_RUN: 'web,worker,relay',
      GATEHOUSE_ALIAS_DOMAIN: domain,
      GATEHOUSE_SMTP_PORT: String(port),
      GATEHOUSE_SMTP_URL: `smtp://127.0.0.1:${sink.port}`,
      GATEHOUSE_DNS_SERVERS: dns.server,
    });
    closers.push(() => house.stop());
    await house.apply(`${settings('')}${folk}`);
    await house.settle();
    const plain = await startPeer(folder, sink.port, '');
    closers.push(() => plain.close());
    const envelope = await compare(
      () => load(port, file, envelopeMessages, sink, [house.pid]),
      () => load(plain.port, file, envelopeMessages, sink, [plain.pid!]),
    );
    const bare = await startProgram('bare-relay');
    closers.push(() => bare.stop());
    const barePort = await bare.ask<number>('start', { sink: sink.port, sessions: people.length * sessions });
    const libraries: number[] = [];
    for (let turn = 0; turn < warmUps + rounds; turn += 1)
      libraries.push((await load(barePort, file, envelopeMessages, sink, [bare.pid])).arrived);
    const direct = await delays(sink.port, raw, 'p0@people.test');
    const through = await delays(port, raw, `p0@${domain}`);
    const queued = await delays(plain.port, raw, `p0@${domain}`);
    await plain.stop();

    const verify = await startOpendkim({ keys: { 's1._domainkey.jira.test': key.record } });
    closers.push(() => verify.stop());
    const sign = await startOpendkim({ sign: { domain, selector: 's2', privateKey: key.privateKey } });
    closers.push(() => sign.stop());
    const milters = `smtpd_milters = ${verify.milter}, ${sign.milter}\nmilter_default_action = tempfail`;
    const sealing = await startPeer(folder, sink.port, milters);
    closers.push(() => sealing.close());
    await house.ask('mailKey', domain);
    await house.apply(settings('dmarc'));
    const proved = await compare(
      () => load(port, file, provedMessages, sink, [house.pid]),
      () => load(sealing.port, file, provedMessages, sink, [sealing.pid!, verify.pid, sign.pid]),
    );
    const ms = (values: number[], share: number) => rounded(quantile(values, share), 1);
    return {
      figures: {
        'envelope and network checks, we/s (taken is passed on)': envelope.ours,
        'Postfix, passed on/s': envelope.theirs,
        'Postfix, taken into its queue/s': envelope.taken,
        'ratio to what Postfix takes into its queue': envelope.ratioTaken,
        'smtp-server and nodemailer with nothing between them, /s': Math.round(
          median(libraries.slice(warmUps)),
        ),
        'processor time for a message, we and Postfix (ms)': `${envelope.ourProcessor}, ${envelope.theirProcessor}`,
        'one alone, until 250, straight to the sink (p50, p99, ms)': `${ms(direct, 0.5)}, ${ms(direct, 0.99)}`,
        'through us, passed on by then': `${ms(through, 0.5)}, ${ms(through, 0.99)}`,
        'through Postfix, queued by then': `${ms(queued, 0.5)}, ${ms(queued, 0.99)}`,
        'DMARC checked and ARC sealed, we/s': proved.ours,
        'Postfix with OpenDKIM twice (verifies, signs), passed on/s': proved.theirs,
        'the same, taken into its queue/s': proved.taken,
        'processor time for a message, we and Postfix with OpenDKIM (ms)': `${proved.ourProcessor}, ${proved.theirProcessor}`,
        'ratio, checked and sealed': proved.ratio,
      },
      ratio: envelope.ratio,
      goalMet: envelope.ratio >= 2 && proved.ratio >= 1,
    };
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

export const bench: Bench = {
  name: 'relay',
  text: 'mail to alias mailboxes, through us and through Postfix with the same policy, 20 sessions, 5 KB, one sink',
  goal: 'ratio ≥ 2 with envelope and network checks, ≥ 1 checked and sealed',
  run: measure,
};
