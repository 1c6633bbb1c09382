import { randomBytes } from 'node:crypto';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AuthenticationResult, createAuthenticator } from '#fronts/relay/authenticate.ts';
import { createRelayThreads } from '#fronts/relay/threads.ts';
import * as onThisThread from '#fronts/relay/work.ts';
import { createLog } from '#kit/log/log.ts';
import { startDns } from '#test/dns.ts';
import { makeMail, makeMailKey, signMail } from '#test/signed-mail.ts';
import { type Bench, median, rounded, warmUpMs } from './measure.ts';

const roundMs = 2000;
const rounds = 3;
const atOnce = 16;

/** How often a second something ends, so many at once. */
async function rate(work: () => Promise<unknown>, ms = roundMs): Promise<number> {
  const began = performance.now();
  let done = 0;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (; performance.now() - began < ms; done += 1) await work();
    }),
  );
  return (done * 1000) / (performance.now() - began);
}

/** The rate, and how long everything else on this thread was held up meanwhile (99 of 100 times less), in ms. */
async function watched(work: () => Promise<unknown>): Promise<{ rate: number; heldUp: number }> {
  const delays = monitorEventLoopDelay({ resolution: 1 });
  delays.enable();
  const found = await rate(work);
  delays.disable();
  return { rate: found, heldUp: delays.percentile(99) / 1e6 - 1 };
}

async function run() {
  const key = makeMailKey();
  const dns = await startDns(undefined, {
    'jira.test': { TXT: ['v=spf1 ip4:192.0.2.0/24 -all'] },
    '_dmarc.jira.test': { TXT: ['v=DMARC1; p=reject'] },
    's1._domainkey.jira.test': { TXT: [key.record] },
  });
  const log = createLog({ level: 'error' });
  const threads = createRelayThreads(log);
  const { authenticate } = createAuthenticator({ dnsServers: [dns.server], log, threads });
  const fields = { From: 'jira@jira.test', To: 'ada@people.test', Subject: 'Changed', Date: 'now' };
  const text = `${randomBytes(2_400)
    .toString('hex')
    .replace(/(.{76})/g, '$1\r\n')}\r\n`;
  const raw = await signMail(makeMail(fields, text), { domain: 'jira.test', selector: 's1', key });
  const place = { raw, client: '192.0.2.5', helo: 'out.jira.test', sender: 'x@jira.test', mta: 'mx.test' };
  const sealing = {
    raw,
    key: {
      domain: 'people.test',
      selector: 's2',
      algorithm: 'rsa-sha256' as const,
      privateKey: key.privateKey,
    },
    now: Math.floor(Date.now() / 1000),
  };
  const seal = ({ header, arc }: AuthenticationResult) => ({
    ...sealing,
    results: header,
    chain: arc.result,
  });
  const there = async () => {
    await threads.run('sealArc', seal(await authenticate(place)));
  };
  const here = async () => {
    onThisThread.sealArc(seal(await onThisThread.authenticate({ ...place, dnsServers: [dns.server] })));
  };
  try {
    const found = await authenticate(place);
    if (found.dmarc.result !== 'pass') throw new Error(`nothing is proved: ${found.header}`);
    const kept: Record<'there' | 'here', { rate: number; heldUp: number }[]> = { there: [], here: [] };
    await rate(there, warmUpMs);
    await rate(here, warmUpMs);
    for (let round = 0; round < rounds; round += 1) {
      kept.there.push(await watched(there));
      await sleep(50);
      kept.here.push(await watched(here));
    }
    const middle = (which: 'there' | 'here', what: 'rate' | 'heldUp') =>
      median(kept[which].map((one) => one[what]));
    const alone = await rate(async () => threads.run('sealArc', seal(found)), roundMs);
    const ratio = middle('here', 'heldUp') / middle('there', 'heldUp');
    const figures = {
      'messages of 5 KB checked and sealed/s, on threads': Math.round(middle('there', 'rate')),
      'the same on the thread that answers': Math.round(middle('here', 'rate')),
      'sealed alone/s, on threads': Math.round(alone),
      'answers held up, on threads (p99, ms)': rounded(middle('there', 'heldUp')),
      'answers held up, on the thread that answers (p99, ms)': rounded(middle('here', 'heldUp')),
    };
    return { figures, ratio: rounded(ratio), goalMet: ratio >= 2 };
  } finally {
    await threads.close();
    await dns.close();
  }
}

export const bench: Bench = {
  name: 'mail-proofs',
  text: 'SPF, DKIM, DMARC and ARC of a message checked and sealed, on threads against the thread that answers',
  goal: 'everything else is held up half as long at most',
  run,
};
