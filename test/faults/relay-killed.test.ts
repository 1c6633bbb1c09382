/**
 * SM-08 for mail that is passed on: the relay is killed again and again between the smart host's 250 and its own. By
 * default a size that takes seconds; `npm run assure -- SM-08` (or GATEHOUSE_ASSURE=SM-08) kills a hundred times.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import path from 'node:path';
import { after, test } from 'node:test';
import { letter, ownSender, sendMail, startTestRelay } from '#test/relay.ts';
import { describeRun, wholeOf } from './stage.ts';

const whole = wholeOf('SM-08');
const messages = whole ? 400 : 100;
const dieAfter = whole ? 4 : 20;
const program = path.resolve(import.meta.dirname, '../programs/relay.ts');
const children = new Set<ChildProcess>();
after(() => {
  for (const child of children) child.kill('SIGKILL');
});

interface Running {
  port: number;
  ended: Promise<unknown>;
  stop(): Promise<void>;
}

async function run(options: object): Promise<Running> {
  const child = fork(program, [JSON.stringify({ ...options, dieAfter })], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  children.add(child);
  const ended = once(child, 'exit').then(() => children.delete(child));
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return {
    port,
    ended,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

test('SM-08 the relay killed between the 250 it hears and the one it says: every message arrives, twice at most, under one id', async (t) => {
  describeRun(t, 'SM-08', `${messages} messages, ${messages / dieAfter} kills`, '400 messages, 100 kills');
  const home = await startTestRelay(t, { env: { GATEHOUSE_RUN: 'web,worker' }, realTime: true });
  const { sink, mailbox, platform } = home;
  // What was under way in a kill counts as well, and all of it goes to one person.
  await platform.apply('relay: { budgets: { perPerson: 2000 } }');
  const key = randomBytes(32).toString('base64');
  const options = { connection: platform.connection, url: sink.url, key };
  let relay = await run(options);
  /** What a sender knows: what it was told yes for, and how often it had to try. */
  const ledger = new Map<string, number>();
  let kills = 0;
  for (let at = 0; at < messages; at += 1) {
    const raw = letter();
    const id = /^Message-ID: (\S+)/m.exec(raw)![1]!;
    for (let tries = 1; ; tries += 1) {
      const told = await sendMail({ port: relay.port, from: ownSender, to: mailbox, raw }).catch(
        () => undefined,
      );
      if (told?.code === 250) {
        ledger.set(id, tries);
        break;
      }
      assert.ok(tries < 5, `${id} is not taken: ${told?.transcript}`);
      assert.equal(told?.code ?? 0, 0, 'whoever is killed says nothing');
      await relay.ended;
      kills += 1;
      relay = await run(options);
    }
  }
  await relay.stop();
  assert.ok(kills >= messages / dieAfter, `${kills} kills`);
  const copies = Map.groupBy(
    sink.messages.filter((message) => message.isTaken),
    (message) => /^Message-ID: (\S+)/m.exec(message.raw.toString('latin1'))![1]!,
  );
  assert.equal(ledger.size, messages);
  for (const [id, tries] of ledger) {
    const arrived = copies.get(id)?.length ?? 0;
    assert.equal(arrived, tries, `${id} was sent ${tries} times and arrived ${arrived} times`);
    assert.ok(tries <= 2);
  }
  assert.equal(copies.size, messages, 'nothing else arrived');
});
