/**
 * How a mail server of others judges a message: a Postfix that asks OpenDKIM and OpenDMARC, and passes on what they found in
 * headers of their own. They ask the DNS server of the test; clients come from whatever address a message says.
 */
import type { TestContext } from 'node:test';
import { startDns, type TestDns } from '../dns.ts';
import { openClient } from '../relay.ts';
import { opendkimMissing, startOpendkim } from './opendkim.ts';
import { opendmarcMissing, startOpendmarc } from './opendmarc.ts';
import { postfixMissing, startPostfix } from './postfix.ts';
import { startSink } from './sink.ts';

/** Why it cannot sit here, or undefined when it can. Pass as `skip` to a test. */
export function courtMissing(): string | undefined {
  return postfixMissing() ?? opendkimMissing() ?? opendmarcMissing();
}

export interface Judged {
  raw: Buffer;
  /** Address of the client, as Postfix is told by XCLIENT. */
  client: string;
  helo: string;
  /** Envelope; '' is the null sender. */
  sender: string;
}

export interface Judgement {
  /** `none` where nothing was found; `refused` where the message was not taken. */
  spf: string;
  /** One a signature that was looked at, from the top. */
  dkim: string[];
  dmarc: string;
  /** What the domain in From asks for. */
  policy?: string;
  /** What was said, for whoever wonders. */
  text: string;
}

export interface Court {
  /** Its domains; add what it should find. */
  dns: TestDns;
  judge(given: Judged): Promise<Judgement>;
}

const name = 'court.example';

/** Closed when the test is over. */
export async function startCourt(t: TestContext): Promise<Court> {
  const dns = await dnsForAll(t);
  const dnsServer = dns.server;
  const [nameServer = ''] = dnsServer.split(':');
  const sink = await startSink();
  t.after(() => sink.close());
  const opendkim = await startOpendkim({ tell: { authservId: name, dnsServer } });
  t.after(() => opendkim.stop());
  const opendmarc = await startOpendmarc({ authservId: name, nameServer });
  t.after(() => opendmarc.stop());
  const postfix = await startPostfix({
    main: `relayhost = [127.0.0.1]:${sink.port}
myhostname = ${name}
mynetworks = 0.0.0.0/0
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_authorized_xclient_hosts = 127.0.0.0/8
smtpd_peername_lookup = no
smtpd_milters = ${opendkim.milter} ${opendmarc.milter}
milter_default_action = tempfail
local_header_rewrite_clients =`,
  });
  t.after(() => postfix.close());
  let count = 0;
  return {
    dns,
    async judge(given) {
      count += 1;
      const to = `case-${count}@${name}`;
      const last = await hand(postfix.port, to, given);
      if (!last.startsWith('250')) return { spf: 'none', dkim: [], dmarc: 'refused', text: last };
      for (let tries = 0; tries < 200; tries += 1) {
        const found = sink.messages.find((one) => one.to.includes(to));
        if (found) return readJudgement(found.raw);
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
      throw new Error(`${to} did not come through: ${await postfix.log()}`);
    },
  };
}

/** On port 53, at an address of this machine that nobody else uses. */
function dnsForAll(t: TestContext): Promise<TestDns> {
  const [second, third] = [process.pid % 250, Math.floor(process.pid / 250) % 250];
  return startDns(t, {}, { host: `127.${53 + (second % 100)}.${third}.${1 + (second % 250)}`, port: 53 });
}

async function hand(port: number, to: string, given: Judged): Promise<string> {
  const client = await openClient({ port });
  try {
    await client.reply();
    let answer = await client.say(`EHLO ${name}`);
    for (const line of [
      `XCLIENT ADDR=${given.client} NAME=[UNAVAILABLE]`,
      `EHLO ${given.helo}`,
      `MAIL FROM:<${given.sender}>`,
      `RCPT TO:<${to}>`,
      'DATA',
    ]) {
      answer = await client.say(line);
      if (!/^[23]/.test(answer)) return answer;
    }
    const text = given.raw.toString('latin1').replace(/^\./gm, '..');
    client.write(text.endsWith('\r\n') ? `${text}.\r\n` : `${text}\r\n.\r\n`);
    return await client.reply();
  } finally {
    client.close();
  }
}

function readJudgement(raw: Buffer): Judgement {
  const head = raw
    .toString('latin1')
    .split('\r\n\r\n')[0]!
    .replaceAll(/\r\n[ \t]+/g, ' ');
  const said = head
    .split('\r\n')
    .filter((line) => /^Authentication-Results: *court\.example\b/i.test(line))
    .join('\n');
  const all = (method: string) =>
    [...said.matchAll(new RegExp(`\\b${method}=([a-z]+)`, 'g'))].map(([, result]) => result!);
  return {
    spf: all('spf')[0] ?? 'none',
    dkim: all('dkim'),
    dmarc: all('dmarc')[0] ?? 'none',
    policy: /\bdmarc=[a-z]+ \(p=([a-z]+)/.exec(said)?.[1],
    text: said,
  };
}
