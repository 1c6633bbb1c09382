import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Command } from 'commander';
import { rememberAliasDomain } from '#core/community/alias-domains.ts';
import { system } from '#kit/db/database.ts';
import { startDns } from '#test/dns.ts';
import { testDatabase } from '#test/kit.ts';
import { startSink } from '#test/peers/sink.ts';
import { CommandRefused, type CommandSettings, type Toolbox } from './cli.ts';
import { mailCommand } from './mail.ts';

async function stage(t: TestContext, settings: Partial<CommandSettings>) {
  const home = await testDatabase();
  await home.database.transact(system(), (tx) => rememberAliasDomain(tx, 'people.harbour.test'));
  t.after(() => home.close());
  const printed: string[] = [];
  const given = { publicUrl: 'https://id.harbour.test', ...settings } as CommandSettings;
  const tools = {
    settings: () => given,
    withHouse: (work: (house: unknown, with_: CommandSettings) => Promise<unknown>) => work(home, given),
    print: (text: string) => void printed.push(text),
    note: () => undefined,
  } as unknown as Toolbox;
  const run = async (...args: string[]) => {
    printed.length = 0;
    const program = new Command().exitOverride();
    mailCommand(program, tools);
    await program.parseAsync(['mail', ...args], { from: 'user' });
    return printed.join('\n');
  };
  return { run, printed };
}

test('gatehouse mail health says what is there and what to publish, and ends with 1 when something is wrong', async (t) => {
  const dns = await startDns(t, { 'mx.harbour.test': { A: ['192.0.2.25'] } });
  const { run, printed } = await stage(t, { dnsServers: [dns.server], smtpName: 'mx.harbour.test' });
  await assert.rejects(run('health'), CommandRefused);
  assert.match(printed.join('\n'), /publish {2}people\.harbour\.test {2}MX {2}10 mx\.harbour\.test\./);
  await assert.rejects(run('health', '--json'), CommandRefused);
  const found = JSON.parse(printed.join('\n'));
  assert.equal(found.state, 'bad');
  assert.deepEqual(
    found.domains.map((one: { domain: string }) => one.domain),
    ['people.harbour.test', 'id.harbour.test'],
  );
});

test('gatehouse mail health without an answer of the name servers says that nobody knows, and ends with 1 too', async (t) => {
  const dns = await startDns(t);
  dns.fail('*', 'servfail');
  const sink = await startSink();
  t.after(() => sink.close());
  const { run, printed } = await stage(t, {
    dnsServers: [dns.server],
    smtpName: 'mx.harbour.test',
    smtpUrl: { reveal: () => `smtp://127.0.0.1:${sink.port}` },
  });
  await assert.rejects(run('health', '--json'), /name servers did not answer/);
  const found = JSON.parse(printed.join('\n'));
  assert.equal(found.state, 'unanswered');
  assert.equal(
    found.domains[0].checks.find((one: { check: string }) => one.check === 'mx').state,
    'unanswered',
  );
  await assert.rejects(run('health'), CommandRefused);
  assert.match(printed.join('\n'), /mx +unanswered +people\.harbour\.test/);
  assert.doesNotMatch(printed.join('\n'), /publish/);
});

test('gatehouse mail test sends one letter and says what the server said; without a server it says what to set', async (t) => {
  const sink = await startSink();
  t.after(() => sink.close());
  const { run } = await stage(t, { smtpUrl: { reveal: () => `smtp://127.0.0.1:${sink.port}` } });
  assert.match(await run('test', 'ada@example.org'), /^taken: 250/);
  assert.equal(sink.messages.length, 1);
  await sink.close();
  const away = await stage(t, { smtpUrl: { reveal: () => sink.url } });
  await assert.rejects(away.run('test', 'ada@example.org'), /did not take it/);
  assert.match(away.printed.join('\n'), /Nothing answers at host and port of the mail server/);
  const none = await stage(t, {});
  await assert.rejects(none.run('test', 'ada@example.org'), /GATEHOUSE_SMTP_URL/);
});
