import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { Command } from 'commander';
import { rememberAliasDomain } from '#core/community/alias-domains.ts';
import { listRelayKeys } from '#fronts/relay/keys.ts';
import { createSecrets } from '#kit/crypto/secrets.ts';
import { system } from '#kit/db/database.ts';
import { startDns } from '#test/dns.ts';
import { testDatabase } from '#test/kit.ts';
import { CommandRefused, type CommandSettings, type Toolbox, UsageError } from './cli.ts';
import { mailCommand } from './mail.ts';

const alias = 'people.harbour.test';

async function stage(t: TestContext) {
  const [home, dns] = [await testDatabase(), await startDns(t)];
  t.after(() => home.close());
  await home.database.transact(system(), (tx) => rememberAliasDomain(tx, alias));
  const given: Partial<CommandSettings> = {
    publicUrl: 'https://id.harbour.test',
    dnsServers: [dns.server],
  };
  const settings = given as CommandSettings;
  const house = { ...home, secrets: createSecrets(randomBytes(32)) };
  const said = { out: '', err: '' };
  const tools = {
    settings: () => settings,
    withHouse: (work: (given: unknown, with_: CommandSettings) => Promise<unknown>) => work(house, settings),
    print(text: string) {
      said.out += `${text}\n`;
    },
    note(text: string) {
      said.err += `${text}\n`;
    },
  } as unknown as Toolbox;
  const run = async (...args: string[]) => {
    Object.assign(said, { out: '', err: '' });
    const program = new Command().exitOverride();
    mailCommand(program, tools);
    await program.parseAsync(['mail', 'keys', ...args], { from: 'user' });
    return { ...said };
  };
  const states = async () =>
    (await home.database.read(system(), listRelayKeys)).map(({ selector, state }) => `${selector} ${state}`);
  return { run, dns, states, said };
}

test('gatehouse mail keys: made, published, seen, signing, followed by the next, and taken away', async (t) => {
  const { run, dns, states } = await stage(t);
  assert.match(
    (await run()).out,
    /no keys yet[\s\S]*Mail of people\.harbour\.test is not signed: "gatehouse mail keys make people\.harbour\.test"/,
  );
  const made = await run('make', alias.toUpperCase());
  const [, selector, record] =
    /^ {2}publish {2}(\S+)\._domainkey\.people\.harbour\.test {2}TXT {2}(v=DKIM1; k=rsa; p=\S+)$/m.exec(
      made.out,
    ) ?? assert.fail(made.out);
  assert.match(made.err, /signs once this record is seen/);
  assert.match((await run('make', alias)).out, new RegExp(`${selector}\\._domainkey`), 'one waits at a time');
  assert.match(
    (await run()).out,
    new RegExp(`${selector} +rsa-sha256 +to be published[\\s\\S]*${selector}\\._domainkey`),
  );
  assert.match((await run()).out, /is not signed: publish the record above/);
  assert.match((await run('look')).err, /Nothing has changed/);
  dns.set(`${selector}._domainkey.${alias}`, { TXT: [record!] });
  assert.match((await run('look')).err, /signs from now on/);
  assert.deepEqual(await states(), [`${selector} active`]);

  const next = JSON.parse((await run('make', alias, '--json')).out);
  assert.deepEqual([next.domain, next.state, 'privateKey' in next], [alias, 'next', false]);
  await assert.rejects(
    run('activate', next.selector),
    UsageError,
    'not before somebody says that it is published',
  );
  assert.match(
    (await run('activate', next.selector, '--yes')).err,
    /people\.harbour\.test is signed with it/,
  );
  assert.deepEqual((await states()).sort(), [`${next.selector} active`, `${selector} retiring`].sort());
  assert.match((await run()).out, new RegExp(`${selector} .* signs no more .* record stays until \\d{4}-`));
  await assert.rejects(run('activate', next.selector, '--yes'), /signs already/);

  await assert.rejects(run('withdraw', next.selector), /No other key signs mail of people\.harbour\.test/);
  await assert.rejects(run('withdraw', selector!), /gone for good/);
  assert.equal((await states()).length, 2, 'asking changes nothing');
  await run('withdraw', selector!, '--yes');
  const gone = await run('withdraw', next.selector, '--yes');
  assert.match(gone.err, /is not signed any more\. "gatehouse mail keys make people\.harbour\.test"/);
  assert.deepEqual(await states(), []);
});

test('gatehouse mail keys: both kinds for each domain, the list for programs, and what cannot be meant', async (t) => {
  const { run, dns, states, said } = await stage(t);
  await run('make', alias);
  await run('make', alias, '--algorithm', 'ed25519-sha256');
  await run('make', 'id.harbour.test');
  const keys = JSON.parse((await run('--json')).out);
  assert.deepEqual(
    keys.map((key: Record<string, string>) => [key.domain, key.algorithm, key.state]),
    [
      ['id.harbour.test', 'rsa-sha256', 'next'],
      [alias, 'rsa-sha256', 'next'],
      [alias, 'ed25519-sha256', 'next'],
    ],
  );
  assert.doesNotMatch(said.out, /PRIVATE/);
  const before = await states();
  await assert.rejects(run('make', 'elsewhere.test'), /people\.harbour\.test and id\.harbour\.test alone/);
  await assert.rejects(run('make', alias, '--algorithm', 'rsa-sha1'), UsageError);
  for (const word of ['activate', 'withdraw'])
    await assert.rejects(run(word, 'gh20200101rffff', '--yes'), /There is no such key/, word);
  dns.fail('*', 'servfail');
  await assert.rejects(run('look'), CommandRefused);
  assert.match(said.out, /to be published/, 'what is known is shown all the same');
  assert.deepEqual(await states(), before);
});
