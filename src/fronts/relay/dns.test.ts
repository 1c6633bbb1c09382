import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDns } from '../../../test/dns.ts';
import { createDns, type DnsFailed, type DnsOptions } from './dns.ts';

function open(t: { after(done: () => void): void }, server: string, more: Partial<DnsOptions> = {}) {
  const dns = createDns({ servers: [server], timeoutMs: 300, tries: 1, ...more });
  t.after(() => dns.close());
  return dns;
}

const code = (wanted: string) => (error: DnsFailed) => {
  assert.equal(error.code, wanted);
  return true;
};

test('answers of every kind are read as they stand, over TCP where a datagram is too small', async (t) => {
  const long = `v=spf1 ${'ip4:192.0.2.1 '.repeat(200)}-all`;
  const server = await startDns(t, {
    'harbour.test': {
      TXT: ['v=spf1 -all', 'x'.repeat(300)],
      MX: ['10 mail.harbour.test', '20 b.harbour.test'],
    },
    'mail.harbour.test': { A: ['192.0.2.7'], AAAA: ['2001:db8::7'] },
    '7.2.0.192.in-addr.arpa': { PTR: ['mail.harbour.test'] },
    'www.harbour.test': { CNAME: ['mail.harbour.test'] },
    'long.test': { TXT: [long] },
    'cut.test': { TXT: ['whole'] },
  });
  server.fail('cut.test', 'truncated');
  const dns = open(t, server.server);
  const texts = (await dns.resolve('Harbour.test.', 'TXT')) as string[][];
  assert.deepEqual(
    texts.map((parts) => parts.join('')),
    ['v=spf1 -all', 'x'.repeat(300)],
  );
  assert.deepEqual(await dns.resolve('harbour.test', 'MX'), [
    { priority: 10, exchange: 'mail.harbour.test' },
    { priority: 20, exchange: 'b.harbour.test' },
  ]);
  assert.deepEqual(await dns.resolve('mail.harbour.test', 'A'), ['192.0.2.7']);
  assert.deepEqual(await dns.resolve('mail.harbour.test', 'AAAA'), ['2001:db8::7']);
  assert.deepEqual(await dns.resolve('7.2.0.192.in-addr.arpa', 'PTR'), ['mail.harbour.test']);
  assert.deepEqual(await dns.resolve('www.harbour.test', 'A'), ['192.0.2.7']);
  assert.equal(((await dns.resolve('long.test', 'TXT')) as string[][])[0]!.join(''), long);
  assert.deepEqual(await dns.resolve('cut.test', 'TXT'), [['whole']]);
  const over = server.questions.filter((one) => one.over === 'tcp').map((one) => one.name);
  assert.deepEqual(over, ['long.test', 'cut.test']);
});

test('what is not there is told apart from what could not be asked', async (t) => {
  const server = await startDns(t, { 'harbour.test': { A: ['192.0.2.1'] } });
  server.fail('broken.test', 'servfail');
  server.fail('mute.test', 'silent');
  const dns = open(t, server.server);
  await assert.rejects(dns.resolve('nowhere.test', 'TXT'), code('ENOTFOUND'));
  await assert.rejects(dns.resolve('harbour.test', 'TXT'), code('ENODATA'));
  await assert.rejects(dns.resolve('broken.test', 'TXT'), code('ESERVFAIL'));
  await assert.rejects(dns.resolve('mute.test', 'TXT'), code('ETIMEOUT'));
  await assert.rejects(dns.resolve(`${'a'.repeat(64)}.test`, 'TXT'), code('EBADNAME'));
  await assert.rejects(dns.resolve('a..test', 'TXT'), code('EBADNAME'));
  const message = dns.forMessage();
  await assert.rejects(message.resolve('nowhere.test', 'TXT'), code('ENOTFOUND'));
  assert.equal(message.temporary(), false);
  await assert.rejects(message.resolve('broken.test', 'A'), code('ESERVFAIL'));
  assert.equal(message.temporary(), true);
});

test('answers are kept for a minute and in bounded number; failures hardly at all', async (t) => {
  let time = 0;
  const server = await startDns(t, {
    'a.test': { TXT: ['one'] },
    'b.test': { TXT: ['b'] },
    'c.test': { TXT: ['c'] },
  });
  const dns = open(t, server.server, { now: () => time, mostKept: 2 });
  const asked = () => server.questions.length;
  await Promise.all([dns.resolve('a.test', 'TXT'), dns.resolve('A.TEST', 'TXT')]);
  await dns.resolve('a.test', 'TXT');
  assert.equal(asked(), 1);
  server.set('a.test', { TXT: ['two'] });
  time = 59_000;
  assert.deepEqual(await dns.resolve('a.test', 'TXT'), [['one']]);
  time = 60_001;
  assert.deepEqual(await dns.resolve('a.test', 'TXT'), [['two']]);
  assert.equal(asked(), 2);
  await dns.resolve('b.test', 'TXT');
  await dns.resolve('c.test', 'TXT');
  await dns.resolve('a.test', 'TXT');
  assert.equal(asked(), 5, 'the oldest made room');
  server.fail('a.test', 'servfail');
  time = 200_000;
  await assert.rejects(dns.resolve('a.test', 'TXT'));
  server.fail('a.test', undefined);
  time += 1_500;
  assert.deepEqual(await dns.resolve('a.test', 'TXT'), [['two']]);
});

test('one message asks so many questions only, and nobody changes what the next one hears', async (t) => {
  const server = await startDns(t, { 'a.test': { TXT: ['one'] } });
  const dns = open(t, server.server, { mostQuestions: 3 });
  const message = dns.forMessage();
  const first = (await message.resolve('a.test', 'TXT')) as string[][];
  first[0]![0] = 'changed';
  await message.resolve('a.test', 'TXT');
  assert.deepEqual(await message.resolve('a.test', 'TXT'), [['one']]);
  await assert.rejects(message.resolve('a.test', 'TXT'), code('ETIMEOUT'));
  assert.equal(message.temporary(), true);
  server.fail('mute.test', 'silent');
  const hurried = open(t, server.server, { timeoutMs: 5_000, messageMs: 200 }).forMessage();
  const began = performance.now();
  await assert.rejects(hurried.resolve('mute.test', 'TXT'), code('ETIMEOUT'));
  assert.ok(performance.now() - began < 2_000);
});

test('a DNS server is an address, with a port or without', () => {
  for (const good of ['127.0.0.1', '127.0.0.1:5353', '[::1]:5353', '::1', 'localhost:5353'])
    createDns({ servers: [good] }).close();
  for (const bad of ['', 'ns.example.org', '127.0.0.1:99999', 'http://127.0.0.1'])
    assert.throws(() => createDns({ servers: [bad] }), RangeError, bad);
});
