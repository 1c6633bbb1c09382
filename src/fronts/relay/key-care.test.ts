import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { rememberAliasDomain } from '#core/community/alias-domains.ts';
import { createSecrets } from '#kit/crypto/secrets.ts';
import { system } from '#kit/db/database.ts';
import { startDns } from '#test/dns.ts';
import { testDatabase } from '#test/kit.ts';
import { careForKeys, domainOfSender, signingDomains, startKeyCare } from './key-care.ts';
import { listRelayKeys } from './keys.ts';

test('domains of alias mailboxes and of our own mail get keys, which sign once they are published', async (t) => {
  const { database, log } = await testDatabase();
  const dns = await startDns(t);
  const needs = {
    database,
    log,
    secrets: createSecrets(randomBytes(32)),
    dnsServers: [dns.server],
    mailFrom: 'Harbour <id@harbour.test>',
  };
  const states = async () =>
    (await database.read(system(), listRelayKeys)).map(({ domain, state }) => `${domain} ${state}`);
  await careForKeys(needs);
  assert.deepEqual(await states(), [], 'a house that passes no mail on is left alone');
  await database.transact(system(), (tx) => rememberAliasDomain(tx, 'people.harbour.test'));
  assert.deepEqual(await database.read(system(), (tx) => signingDomains(tx, needs.mailFrom)), [
    'people.harbour.test',
    'harbour.test',
  ]);
  await careForKeys(needs);
  await careForKeys(needs);
  assert.deepEqual(await states(), ['harbour.test next', 'people.harbour.test next']);
  const [own] = await database.read(system(), listRelayKeys);
  dns.set(own!.name, { TXT: [own!.record] });
  await careForKeys(needs);
  assert.deepEqual(await states(), ['harbour.test active', 'people.harbour.test next']);
  dns.fail('*', 'servfail');
  await careForKeys(needs);
  assert.deepEqual(await states(), ['harbour.test active', 'people.harbour.test next']);
  const care = startKeyCare(needs);
  await care.settle();
  await care.stop();
});

test('the domain of a sender is what stands behind its @', () => {
  assert.equal(domainOfSender('Harbour <id@Harbour.test>'), 'harbour.test');
  assert.equal(domainOfSender('id@harbour.test'), 'harbour.test');
  assert.equal(domainOfSender('nobody'), undefined);
});
