import assert from 'node:assert/strict';
import { BlockList } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalNetwork, goneFrom, isTooWide, networkSet, touchesReserved } from './networks.ts';
import { ListRefused, mostNetworks, readPublishedList } from './published-list.ts';

test('a network is written in one way, and odd spellings are none', () => {
  assert.equal(canonicalNetwork('192.0.2.7'), '192.0.2.7/32');
  assert.equal(canonicalNetwork(' 192.0.2.7/24 '), '192.0.2.0/24');
  assert.equal(canonicalNetwork('2001:DB8:0::1/48'), '2001:db8::/48');
  for (const odd of [
    '127.1',
    '0x7f.0.0.1',
    '010.0.0.1/8',
    '1.2.3.4/33',
    '1.2.3.4/',
    '1.2.3.4/-1',
    '1.2.3.4/8/8',
    '1.2.3.256',
    'fe80::1%eth0',
    '::/129',
    'list:x',
    '',
    '1.2.3.4 OK',
  ])
    assert.equal(canonicalNetwork(odd), undefined, odd);
});

test('reserved and private networks are seen from both sides: inside one, and around one', () => {
  for (const reserved of [
    '10.1.0.0/16',
    '172.0.0.0/8',
    '127.0.0.1/32',
    '169.254.169.254/32',
    '100.100.0.0/16',
    '224.0.0.1/32',
    '255.255.255.255/32',
    '0.0.0.0/8',
    '::1/128',
    'fd00::/16',
    'fe80::/16',
    '::ffff:1.2.3.4/128',
    '64:ff9b::/96',
    '2002:a00::/24',
  ])
    assert.equal(touchesReserved(reserved), true, reserved);
  for (const open of ['8.8.8.0/24', '192.0.2.0/24', '198.2.128.0/18', '2606:4700::/32', '2a00::/16'])
    assert.equal(touchesReserved(open), false, open);
  assert.equal(isTooWide('8.0.0.0/7'), true);
  assert.equal(isTooWide('8.0.0.0/8'), false);
  assert.equal(isTooWide('2600::/15'), true);
  assert.equal(isTooWide('2600::/16'), false);
});

const four = fc
  .tuple(fc.integer({ min: 0, max: 0xffffffff }), fc.integer({ min: 8, max: 32 }))
  .map(([value, bits]) => `${[24, 16, 8, 0].map((at) => (value >>> at) & 255).join('.')}/${bits}`);
const six = fc
  .tuple(
    fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 7, maxLength: 7 }),
    fc.integer({ min: 3, max: 128 }),
  )
  .map(([parts, bits]) => `2a00:${parts.map((part) => part.toString(16)).join(':')}/${bits}`);

test('a set says what Node’s own list of networks says, at every edge of every network', () => {
  const networks = fc.array(fc.oneof(four, six), { maxLength: 20 });
  fc.assert(
    fc.property(networks, fc.array(fc.oneof(four, six), { maxLength: 10 }), (given, others) => {
      const set = networkSet(given);
      const list = new BlockList();
      for (const one of given) {
        const [address, bits] = one.split('/');
        list.addSubnet(address!, Number(bits), one.includes(':') ? 'ipv6' : 'ipv4');
      }
      for (const text of [...given, ...others, ...given.map((one) => canonicalNetwork(one)!)]) {
        const address = text.split('/')[0]!;
        const kind = text.includes(':') ? 'ipv6' : 'ipv4';
        assert.equal(set.contains(address), list.check(address, kind), `${address} in ${given.join(' ')}`);
        if (kind === 'ipv4') assert.equal(set.contains(`::ffff:${address}`), list.check(address, kind));
      }
    }),
    { numRuns: 300 },
  );
  const edges = networkSet(['198.51.100.128/25', '2001:db8:0:8000::/49']);
  assert.ok(!edges.contains('198.51.100.127') && edges.contains('198.51.100.128'));
  assert.ok(edges.contains('198.51.100.255') && !edges.contains('198.51.101.0'));
  assert.ok(!edges.contains('2001:db8:0:7fff:ffff:ffff:ffff:ffff') && edges.contains('2001:db8:0:8000::'));
  assert.ok(edges.contains('2001:db8:0:ffff::') && !edges.contains('2001:db8:1::'));
  for (const strange of ['', 'localhost', '198.51.100', '198.51.100.300', '::ffff:', '1.2.3.4.5'])
    assert.equal(edges.contains(strange), false);
});

test('addresses are counted once however often they are named, and what went is counted in addresses', () => {
  const set = networkSet(['192.0.2.0/24', '192.0.2.0/25', '192.0.2.200/32', '192.0.3.0/24', '2001:db8::/64']);
  assert.deepEqual(set.size, { v4: 512n, v6: 1n << 64n });
  const next = networkSet(['192.0.2.0/25', '192.0.3.0/26', '203.0.113.0/24', '2001:db8::/65']);
  assert.deepEqual(goneFrom(set, next), { v4: 128n + 192n, v6: 1n << 63n });
  assert.deepEqual(goneFrom(set, set), { v4: 0n, v6: 0n });
  fc.assert(
    fc.property(fc.array(four, { maxLength: 12 }), fc.array(four, { maxLength: 12 }), (before, after) => {
      const both = networkSet([...before, ...after]).size.v4;
      const { v4 } = goneFrom(networkSet(before), networkSet(after));
      assert.equal(v4, both - networkSet(after).size.v4);
    }),
  );
});

test('5,000 networks are asked in less than 100 microseconds, on a busy machine too', () => {
  const texts = Array.from({ length: 5000 }, (_, at) =>
    at % 2 ? `11.${at % 250}.${(at * 7) % 256}.0/24` : `2600:${(at % 4096).toString(16)}:${at}::/48`,
  );
  const set = networkSet(texts);
  const asked = ['11.1.7.9', '::ffff:11.3.21.1', '2600:2:2::1', '8.8.8.8', '2a00::1'];
  const began = performance.now();
  let found = 0;
  for (let at = 0; at < 50_000; at += 1) if (set.contains(asked[at % asked.length]!)) found += 1;
  const micros = ((performance.now() - began) * 1000) / 50_000;
  assert.ok(found > 0);
  assert.ok(micros < 100, `${micros.toFixed(2)} µs`);
});

const atlassian = (items: object[]) => JSON.stringify({ creationDate: '2026-10-04', syncToken: 456, items });
const mail = { product: 'email', direction: 'egress' };

test('Atlassian’s document: the product and direction that were asked for, and entries that say neither', () => {
  const text = atlassian([
    { cidr: '203.0.113.0/24', product: ['email', 'jira'], direction: ['egress'], region: ['global'] },
    { cidr: '198.51.100.0/24', product: ['jira'], direction: ['egress'] },
    { cidr: '198.51.100.0/25', product: ['email'], direction: ['ingress'] },
    { cidr: '2001:db8:5::/48', product: ['email'], direction: ['ingress', 'egress'] },
    { cidr: '192.0.2.0/28', network: '192.0.2.0', mask_len: 28 },
  ]);
  assert.deepEqual(readPublishedList(text, mail), ['192.0.2.0/28', '203.0.113.0/24', '2001:db8:5::/48']);
  assert.equal(readPublishedList(text, {}).length, 5);
});

test('a list of JSON or of lines is read as well, sorted, each network once', () => {
  const expected = ['2.0.0.0/24', '11.0.0.0/24', '2001:db8::/32'];
  assert.deepEqual(
    readPublishedList('["11.0.0.0/24", "2.0.0.9/24", "2001:db8::/32", "2.0.0.0/24"]', {}),
    expected,
  );
  assert.deepEqual(
    readPublishedList('\ufeff# ours\r\n11.0.0.0/24\r\n\r\n2.0.0.0/24 ; x\n2001:db8::/32', {}),
    expected,
  );
});

test('what cannot be a list of senders is refused whole, in words', () => {
  const refused: [string, RegExp][] = [
    ['', /no network/],
    ['[]', /no network/],
    [atlassian([]), /no network of the product email in the direction egress/],
    [atlassian([{ cidr: '203.0.113.0/24', product: ['jira'], direction: ['egress'] }]), /no network/],
    ['{"items": 5}', /no list named "items"/],
    ['{"items": [{"cidr": "203.0.', /cut off/],
    ['null', /"null" is no network/],
    ['<html><body>Sign in to the hotel</body></html>', /a page/],
    [atlassian([{ cidr: '0.0.0.0/0', ...mail }]), /wider/],
    [atlassian([{ cidr: '10.0.0.0/24', ...mail }]), /private or reserved/],
    [atlassian([{ cidr: '127.0.0.1/32', ...mail }]), /private or reserved/],
    [atlassian([{ cidr: 'x\u202e', ...mail }]), /"x\?" is no network/],
    [atlassian([{ ...mail }]), /is no network/],
    [atlassian([{ cidr: 7, ...mail }]), /"7" is no network/],
    [JSON.stringify(Array.from({ length: 17 }, (_, at) => `${at + 11}.0.0.0/8`)), /sixteenth/],
    [
      Array.from({ length: mostNetworks + 1 }, (_, at) => `11.${at >> 8}.${at & 255}.0/24`).join('\n'),
      /5001/,
    ],
  ];
  for (const [text, why] of refused)
    assert.throws(
      () => readPublishedList(text, mail),
      (error: Error) => error instanceof ListRefused && why.test(error.message),
      text.slice(0, 80),
    );
});
