import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { startDns, type Records as Zone } from '../../../test/dns.ts';
import { createDns } from './dns.ts';
import { type HealthGround, lookAtHealth, worstOf } from './health.ts';
import { recordsOf, reversed } from './records.ts';
import { lookAtSpf } from './spf-records.ts';

const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const p = publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
const key = {
  domain: 'people.example.org',
  selector: 'gh1',
  state: 'active' as const,
  record: `v=DKIM1; k=rsa; p=${p}`,
};

const healthy: Record<string, Zone> = {
  'people.example.org': {
    MX: ['10 mx.example.org'],
    TXT: ['v=spf1 include:spf.mandrillapp.com ~all', 'atlassian-domain-verification=abc', 'unrelated'],
  },
  'example.org': {
    MX: ['10 mail.elsewhere.test'],
    TXT: ['v=spf1 ip4:192.0.2.0/24 include:spf.mandrillapp.com -all'],
  },
  'spf.mandrillapp.com': { TXT: ['v=spf1 ip4:198.51.100.0/24 ?all'] },
  'smtp.mandrillapp.com': { A: ['203.0.113.200'] },
  'mx.example.org': { A: ['192.0.2.25'] },
  '25.2.0.192.in-addr.arpa': { PTR: ['mx.example.org'] },
  'gh1._domainkey.people.example.org': { TXT: [key.record] },
  '_dmarc.example.org': { TXT: ['v=DMARC1; p=none; sp=reject; rua=mailto:dmarc@example.org'] },
};

async function stage(t: TestContext, zone: Record<string, Zone> = healthy) {
  const dns = await startDns(t, zone);
  const asking = createDns({ servers: [dns.server], timeoutMs: 300, tries: 1 });
  t.after(() => asking.close());
  const ground: HealthGround = {
    records: recordsOf(asking),
    smtpName: 'mx.example.org',
    hosts: ['smtp.mandrillapp.com'],
    keys: [key],
    domains: [
      { domain: 'people.example.org', uses: ['alias'] },
      { domain: 'example.org', uses: ['own'] },
    ],
    probe: async () => [{ host: 'smtp.mandrillapp.com:587', ok: true, tls: 'TLSv1.3' }],
    now: new Date('2026-03-01T00:00:00Z'),
  };
  const look = async (more: Partial<HealthGround> = {}) => {
    const health = await lookAtHealth({ ...ground, ...more });
    const all = [...health.domains.flatMap((one) => one.checks), ...health.listener, ...health.smartHosts];
    const find = (check: string, about?: string) => {
      const found = all.filter((one) => one.check === check && (about === undefined || one.about === about));
      assert.equal(found.length, 1, `${check} ${about}: ${found.length}`);
      return found[0]!;
    };
    return { health, find };
  };
  return { dns, ground, look };
}

test('what is published as it should be is good, and what hangs on nothing is a note', async (t) => {
  const { look } = await stage(t);
  const { health, find } = await look();
  assert.equal(find('mx', 'people.example.org').state, 'good');
  assert.equal(find('spf', 'people.example.org').state, 'good');
  assert.equal(find('spf', 'example.org').state, 'good');
  assert.deepEqual(find('dkim', 'gh1._domainkey.people.example.org').state, 'good');
  assert.match(find('dmarc', 'people.example.org').text, /refused \(p=reject\), said by example\.org/);
  assert.match(find('dmarc', 'example.org').text, /p=none/);
  assert.deepEqual(find('verification').found, ['atlassian-domain-verification=abc']);
  assert.equal(find('ptr', '192.0.2.25').state, 'good');
  assert.equal(find('mta-sts', '_mta-sts.example.org').state, 'note');
  assert.equal(find('smart-host').state, 'good');
  assert.equal(find('certificate').state, 'warning');
  assert.equal(worstOf(health), 'warning');
});

test('what is missing is said with the record to publish', async (t) => {
  const { look } = await stage(t, { 'smtp.mandrillapp.com': { A: ['203.0.113.200'] } });
  const { health, find } = await look({ probe: undefined });
  assert.deepEqual(find('mx', 'people.example.org').publish, {
    type: 'MX',
    name: 'people.example.org',
    value: '10 mx.example.org.',
  });
  assert.deepEqual(
    find('spf', 'people.example.org').publish?.value,
    'v=spf1 include:spf.mandrillapp.com ~all',
  );
  assert.deepEqual(find('dkim', 'gh1._domainkey.people.example.org').publish?.value, key.record);
  assert.equal(find('dkim', 'example.org').state, 'warning');
  assert.equal(find('dmarc', 'people.example.org').publish?.name, '_dmarc.people.example.org');
  assert.equal(find('address', 'mx.example.org').state, 'bad');
  assert.equal(find('smart-host').state, 'bad');
  assert.equal(worstOf(health), 'bad');
});

test('records that are wrong are told from those that are missing, and silence from both', async (t) => {
  const { look, dns } = await stage(t, {
    ...healthy,
    'people.example.org': { MX: ['10 mx.other.test'], TXT: ['v=spf1 -all', 'v=spf1 ~all'] },
    'gh1._domainkey.people.example.org': { TXT: ['v=DKIM1; p=AAAA'] },
    'example.org': { TXT: ['v=spf1 ip4:192.0.2.0/24 -all'], MX: ['0 .'] },
    '25.2.0.192.in-addr.arpa': { PTR: ['other.test'] },
  });
  dns.fail('_dmarc.people.example.org', 'servfail');
  const { find } = await look({
    probe: async () => [{ host: 'smtp.mandrillapp.com:587', ok: false, problem: '535 no' }],
  });
  assert.equal(find('mx', 'people.example.org').state, 'warning');
  assert.match(find('spf', 'people.example.org').text, /several/);
  assert.match(find('dkim', 'gh1._domainkey.people.example.org').text, /Another key/);
  assert.equal(find('dmarc', 'people.example.org').state, 'unanswered');
  assert.equal(
    find('spf', 'example.org').publish?.value,
    'v=spf1 ip4:192.0.2.0/24 include:spf.mandrillapp.com -all',
  );
  assert.equal(find('ptr').publish?.name, '25.2.0.192.in-addr.arpa');
  assert.deepEqual(find('smart-host').found, ['535 no']);
  assert.equal(find('mx', 'example.org').state, 'warning');
});

test('of a server of our own nobody says that receivers see the address we reach it by', async (t) => {
  const { look } = await stage(t, {
    ...healthy,
    'mx.example.org': { A: ['127.0.0.1'] },
    'bare.example.org': { MX: ['10 mx.example.org'] },
  });
  const { find } = await look({
    hosts: ['127.0.0.1'],
    domains: [
      { domain: 'people.example.org', uses: ['alias'] },
      { domain: 'bare.example.org', uses: ['alias'] },
    ],
  });
  const known = find('spf', 'people.example.org');
  assert.deepEqual([known.state, known.publish], ['note', undefined]);
  assert.match(known.text, /With which address mail leaves 127\.0\.0\.1 cannot be seen from here/);
  const bare = find('spf', 'bare.example.org');
  assert.deepEqual(
    [bare.state, bare.publish?.value],
    ['bad', 'v=spf1 ip4:(the address mail leaves 127.0.0.1 with) ~all'],
  );
  assert.deepEqual([find('address').state, find('address').publish?.type], ['warning', 'A']);
  assert.throws(() => find('ptr'), /ptr undefined: 0/);
  const both = await look({ hosts: ['127.0.0.1', 'smtp.mandrillapp.com'] });
  assert.equal(both.find('spf', 'people.example.org').state, 'note');
  const lacking = (await look({ hosts: ['127.0.0.1', 'smtp.sendgrid.net'] })).find(
    'spf',
    'people.example.org',
  );
  assert.equal(lacking.publish?.value, 'v=spf1 include:spf.mandrillapp.com include:sendgrid.net ~all');
  assert.match(lacking.text, /cannot be seen from here.* What is missing: include:sendgrid\.net$/);
});

test('where no name server answers, nothing is called good or missing, and that outweighs what could be better', async (t) => {
  const { look, dns } = await stage(t);
  dns.fail('*', 'servfail');
  const { health } = await look();
  const asked = [...health.domains.flatMap((one) => one.checks), ...health.listener].filter(
    ({ check, about }) => check !== 'certificate' && !(check === 'dkim' && about === 'example.org'),
  );
  assert.deepEqual([...new Set(asked.map(({ state }) => state))], ['unanswered']);
  assert.ok(asked.every(({ publish, found }) => publish === undefined && found.length === 0));
  for (const check of ['mx', 'spf', 'dkim', 'dmarc', 'mta-sts', 'tls-rpt', 'verification', 'address'])
    assert.ok(
      asked.some((one) => one.check === check),
      check,
    );
  assert.equal(worstOf(health), 'unanswered');
});

test('SPF is followed through includes, redirects, names and networks, in no more than ten lookups', async (t) => {
  const chain = Object.fromEntries(
    Array.from({ length: 12 }, (_, at) => [`c${at}.test`, { TXT: [`v=spf1 include:c${at + 1}.test -all`] }]),
  );
  const { ground } = await stage(t, {
    'a.test': { TXT: ['v=spf1 redirect=b.test'] },
    'b.test': {
      TXT: ['v=spf1 a:host.test mx/24 ip6:2001:db8::/32 -ip4:203.0.113.0/24 ~all'],
      MX: ['5 mx.b.test'],
    },
    'host.test': { A: ['192.0.2.1'], AAAA: ['2001:db8::5'] },
    'mx.b.test': { A: ['198.51.100.7'] },
    'near.test': { A: ['198.51.100.99'] },
    'refused.test': { A: ['203.0.113.5'] },
    'everyone.test': { TXT: ['v=spf1 +all'] },
    'wrong.test': { TXT: ['v=spf1 ip4:not-an-address -all'] },
    ...chain,
  });
  const state = async (domain: string, host: string) =>
    (await lookAtSpf(ground.records, domain, [host])).state;
  assert.equal(await state('a.test', 'host.test'), 'covers');
  assert.equal(await state('a.test', 'near.test'), 'covers');
  assert.equal(await state('a.test', 'refused.test'), 'lacks');
  assert.equal(await state('a.test', '2001:db8::9'), 'covers');
  assert.equal(await state('a.test', '192.0.2.2'), 'lacks');
  assert.equal(await state('everyone.test', '192.0.2.2'), 'covers');
  assert.equal(await state('wrong.test', '192.0.2.2'), 'broken');
  assert.equal(await state('c0.test', '192.0.2.2'), 'too-many-lookups');
  assert.equal(await state('nothing.test', '192.0.2.2'), 'none');
  const { wanted } = await lookAtSpf(ground.records, 'b.test', ['email-smtp.eu-west-1.amazonaws.com']);
  assert.match(wanted ?? '', /-ip4:203\.0\.113\.0\/24 include:amazonses\.com ~all$/);
});

test('addresses are looked up under the names RFC 1035 and RFC 3596 give them', () => {
  assert.equal(reversed('192.0.2.10'), '10.2.0.192.in-addr.arpa');
  assert.equal(
    reversed('4321:0:1:2:3:4:567:89ab'),
    'b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa',
  );
  assert.throws(() => reversed('mx.example.org'), RangeError);
});
